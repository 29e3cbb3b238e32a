//! The layer that answers from the cache.

use super::ResponseCache;
use crate::body::{BoxError, RequestBody, ResponseBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Wraps services in [`ResponseCacheService`].
#[derive(Clone, Debug)]
pub struct ResponseCacheLayer {
    cache: ResponseCache,
}

impl ResponseCacheLayer {
    /// A layer that answers from `cache`.
    #[must_use]
    pub fn new(cache: ResponseCache) -> ResponseCacheLayer {
        ResponseCacheLayer { cache }
    }
}

impl<S> Layer<S> for ResponseCacheLayer {
    type Service = ResponseCacheService<S>;

    fn layer(&self, inner: S) -> ResponseCacheService<S> {
        ResponseCacheService { inner, cache: self.cache.clone() }
    }
}

/// Answers from the cache, and fetches from the service inside what it does not have.
///
/// Always ready: the service inside is asked only when there is something to fetch.
#[derive(Clone, Debug)]
pub struct ResponseCacheService<S> {
    inner: S,
    #[expect(dead_code, reason = "until answers come from the cache")]
    cache: ResponseCache,
}

impl<S, B, R> Service<Request<B>> for ResponseCacheService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<R, S::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<R, S::Error> {
        let mut inner = self.inner.clone();
        ResponseFuture::later(async move {
            std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
            let response = inner.call(request.map(RequestBody::new)).await?;
            Ok(response.map(ResponseBody::stream))
        })
    }
}

/// The answer of a [`ResponseCacheService`]: ready at once on a hit.
pub struct ResponseFuture<R, E> {
    state: State<R, E>,
}

type Answer<R, E> = Result<Response<ResponseBody<R>>, E>;

enum State<R, E> {
    Later(Pin<Box<dyn Future<Output = Answer<R, E>> + Send>>),
}

impl<R, E> ResponseFuture<R, E> {
    fn later(answer: impl Future<Output = Answer<R, E>> + Send + 'static) -> ResponseFuture<R, E> {
        ResponseFuture { state: State::Later(Box::pin(answer)) }
    }
}

impl<R, E> Future for ResponseFuture<R, E> {
    type Output = Answer<R, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<R, E>> {
        match &mut self.state {
            State::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<R, E> fmt::Debug for ResponseFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
