//! The layer that measures.

use super::Measure;
use super::body::{MeasuredBody, Ticket};
use super::routes::Class;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Wraps services in [`MeasureService`].
#[derive(Clone, Debug)]
pub struct MeasureLayer {
    measure: Measure,
}

impl MeasureLayer {
    /// A layer that records into `measure`.
    #[must_use]
    pub fn new(measure: Measure) -> MeasureLayer {
        MeasureLayer { measure }
    }
}

impl<S> Layer<S> for MeasureLayer {
    type Service = MeasureService<S>;

    fn layer(&self, inner: S) -> MeasureService<S> {
        MeasureService { inner, measure: self.measure.clone() }
    }
}

/// Measures every request through the service inside.
#[derive(Clone, Debug)]
pub struct MeasureService<S> {
    inner: S,
    measure: Measure,
}

impl<S, B, R> Service<Request<B>> for MeasureService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<MeasuredBody<R>>;
    type Error = S::Error;
    type Future = MeasureFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> MeasureFuture<S::Future> {
        let (parts, body) = request.into_parts();
        let inner = &self.measure.inner;
        let route = inner.routes.index(&(inner.route)(&parts));
        let bodiless = parts.method == Method::HEAD;
        let ticket = Ticket::start(self.measure.clone(), route);
        let answer = self.inner.call(Request::from_parts(parts, body));
        MeasureFuture { answer, ticket: Some(ticket), bodiless }
    }
}

pin_project! {
    /// The answer of a [`MeasureService`].
    pub struct MeasureFuture<F> {
        #[pin]
        answer: F,
        ticket: Option<Ticket>,
        bodiless: bool,
    }

    impl<F> PinnedDrop for MeasureFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(ticket) = this.project().ticket.take() {
                ticket.end(0, false);
            }
        }
    }
}

impl<F, R, E> Future for MeasureFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<MeasuredBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx));
        let mut ticket = this.ticket.take().expect("polled again after it was ready");
        match answer {
            Ok(response) => {
                ticket.head(Class::of(response.status()));
                let expected = expected_length(&response, *this.bodiless);
                Poll::Ready(Ok(response.map(|body| MeasuredBody::new(body, ticket, expected))))
            }
            Err(error) => {
                ticket.end(0, false);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F> std::fmt::Debug for MeasureFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeasureFuture").finish_non_exhaustive()
    }
}

fn expected_length<R: Body>(response: &Response<R>, bodiless: bool) -> Option<u64> {
    let status = response.status();
    if bodiless || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Some(0);
    }
    response
        .body()
        .size_hint()
        .exact()
        .or_else(|| response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok())
}
