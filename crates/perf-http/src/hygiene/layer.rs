//! The layer that keeps both sides clean.

use super::Hygiene;
use crate::ResponseBody;
use http::{Request, Response, Version};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Wraps services in [`HygieneService`].
#[derive(Clone, Debug)]
pub struct HygieneLayer {
    hygiene: Hygiene,
}

impl HygieneLayer {
    /// A layer that applies `hygiene`.
    #[must_use]
    pub fn new(hygiene: Hygiene) -> HygieneLayer {
        HygieneLayer { hygiene }
    }
}

impl<S> Layer<S> for HygieneLayer {
    type Service = HygieneService<S>;

    fn layer(&self, inner: S) -> HygieneService<S> {
        HygieneService { inner, hygiene: self.hygiene.clone() }
    }
}

/// Cleans requests and answers, and refuses requests that must not go on.
#[derive(Clone, Debug)]
pub struct HygieneService<S> {
    inner: S,
    hygiene: Hygiene,
}

impl<S, B, R> Service<Request<B>> for HygieneService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = HygieneFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> HygieneFuture<S::Future> {
        let (mut parts, body) = request.into_parts();
        match self.hygiene.request(&mut parts) {
            Ok(()) => HygieneFuture::Passed {
                answer: self.inner.call(Request::from_parts(parts, body)),
                hygiene: self.hygiene.clone(),
            },
            Err(rejection) => HygieneFuture::Refused { rejection },
        }
    }
}

pin_project! {
    /// The answer of a [`HygieneService`].
    #[project = Projected]
    pub enum HygieneFuture<F> {
        #[doc(hidden)]
        Passed { #[pin] answer: F, hygiene: Hygiene },
        #[doc(hidden)]
        Refused { rejection: super::Rejection },
    }
}

impl<F, R, E> Future for HygieneFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Passed { answer, hygiene } => {
                let mut response = ready!(answer.poll(cx))?;
                hygiene.response(Version::HTTP_11, response.headers_mut());
                Poll::Ready(Ok(response.map(ResponseBody::stream)))
            }
            Projected::Refused { rejection } => Poll::Ready(Ok(rejection.to_response())),
        }
    }
}

impl<F> std::fmt::Debug for HygieneFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HygieneFuture").finish_non_exhaustive()
    }
}
