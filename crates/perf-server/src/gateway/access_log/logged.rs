//! Watches requests on their way, for the log.

use super::super::body::{ClientBody, Peer};
use super::{AccessLog, Line};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Puts the log around a service; without one it costs a branch.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct LogLayer(pub(in crate::gateway) Option<Arc<AccessLog>>);

impl<S> Layer<S> for LogLayer {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged { inner, log: self.0.clone() }
    }
}

/// A service whose answers are logged.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Logged<S> {
    inner: S,
    log: Option<Arc<AccessLog>>,
}

impl<S, B> Service<Request<ClientBody>> for Logged<S>
where
    S: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    type Response = Response<LoggedBody<B>>;
    type Error = Infallible;
    type Future = LoggedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ClientBody>) -> Self::Future {
        let Some(log) = &self.log else {
            return LoggedFuture { inner: self.inner.call(request), line: None };
        };
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let line = Line::new(Arc::clone(log), peer, &parts);
        let inner = self.inner.call(Request::from_parts(parts, body));
        LoggedFuture { inner, line: Some(line) }
    }
}

pin_project! {
    /// The answer to come. Dropped before that, it is logged as given up.
    pub(in crate::gateway) struct LoggedFuture<F> {
        #[pin]
        inner: F,
        line: Option<Line>,
    }
}

impl<F, B> Future for LoggedFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<LoggedBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let mut line = this.line.take();
        if let Some(line) = &mut line {
            line.status = response.status().as_u16();
        }
        Poll::Ready(Ok(response.map(|inner| LoggedBody { inner, line })))
    }
}

pin_project! {
    /// A body whose bytes are counted. The line is written when it goes.
    pub(in crate::gateway) struct LoggedBody<B> {
        #[pin]
        inner: B,
        line: Option<Line>,
    }
}

impl<B: Body<Data = Bytes>> Body for LoggedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let (Some(line), Some(Ok(frame))) = (this.line, &frame) {
            line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
