//! The bodies that pass through the gateway.

use crate::Problem;
use crate::problem::MEDIA_TYPE;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tower_http::services::fs::ServeFileSystemResponseBody;

/// What can end a body early.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a client's request.
#[derive(Debug)]
pub(super) struct ClientBody {
    incoming: Option<Incoming>,
    ambiguous: bool,
}

impl ClientBody {
    /// `ambiguous` says that the request gave its length in two ways.
    pub(super) fn new(incoming: Incoming, ambiguous: bool) -> ClientBody {
        let incoming = (!incoming.is_end_stream()).then_some(incoming);
        ClientBody { incoming, ambiguous }
    }

    /// None.
    pub(super) fn empty() -> ClientBody {
        ClientBody { incoming: None, ambiguous: false }
    }

    /// Whether the request gave its length in two ways.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }
}

/// Who sent a request, in its extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.incoming {
            Some(incoming) => {
                Pin::new(incoming).poll_frame(cx).map(|frame| frame.map(|f| f.map_err(Into::into)))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// The body of a request to the origin: the client's, or none where the cache itself asks.
pub(super) type FetchBody = perf_http::RequestBody<ClientBody>;

/// The body of an answer from the origin, or of the gateway's own answer.
pub(super) enum OriginBody {
    /// A short text of the gateway's own.
    Own(Option<Bytes>),
    /// A file, and how much of it is left, where that is known.
    File(ServeFileSystemResponseBody, Option<u64>),
    /// What the upstream sends, given up when it falls silent.
    Upstream(Watched),
}

impl OriginBody {
    /// The body of a file's answer. `ServeDir` knows its length but says so in the head only.
    pub(super) fn of_file(response: Response<ServeFileSystemResponseBody>) -> Response<OriginBody> {
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        response.map(|body| {
            let left = if body.is_end_stream() { Some(0) } else { length };
            OriginBody::File(body, left)
        })
    }
}

impl fmt::Debug for OriginBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OriginBody::Own(_) => "Own",
            OriginBody::File(..) => "File",
            OriginBody::Upstream(_) => "Upstream",
        })
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            OriginBody::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            OriginBody::File(file, left) => {
                let frame = std::task::ready!(Pin::new(file).poll_frame(cx));
                if let Some(data) = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref()) {
                    *left = left.map(|left| left.saturating_sub(data.len() as u64));
                }
                Poll::Ready(frame.map(|f| f.map_err(Into::into)))
            }
            OriginBody::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            OriginBody::Own(text) => text.is_none(),
            OriginBody::File(file, left) => *left == Some(0) || file.is_end_stream(),
            OriginBody::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            OriginBody::Own(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            OriginBody::File(_, left) => left.map(SizeHint::with_exact).unwrap_or_default(),
            OriginBody::Upstream(body) => body.incoming.size_hint(),
        }
    }
}

/// An upstream body that ends in an error after too long a silence.
pub(super) struct Watched {
    incoming: Incoming,
    idle: Duration,
    /// Armed only while the body is waited for: most bodies are there with their head.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(incoming: Incoming, idle: Duration) -> Watched {
        Watched { incoming, idle, alarm: None }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            if let Some(alarm) = &mut this.alarm {
                alarm.as_mut().reset(Instant::now() + this.idle);
            }
            return Poll::Ready(frame.map(|f| f.map_err(Into::into)));
        }
        let idle = this.idle;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match alarm.as_mut().poll(cx) {
            Poll::Ready(()) => {
                Poll::Ready(Some(Err(format!("the origin sent nothing for {idle:?}").into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The body of an answer to a client: what the cache answers, or a text of the gateway's own.
pub(super) struct AnswerBody<B: Body> {
    inner: Result<B, Option<Bytes>>,
    /// The error that ended the body, held back for one turn.
    cut: Option<B::Error>,
}

impl<B: Body> AnswerBody<B> {
    pub(super) fn passed(body: B) -> AnswerBody<B> {
        AnswerBody { inner: Ok(body), cut: None }
    }

    pub(super) fn own(text: Bytes) -> AnswerBody<B> {
        AnswerBody { inner: Err(Some(text)), cut: None }
    }
}

impl<B> Body for AnswerBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(error) = self.cut.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match &mut self.inner {
            Ok(body) => std::task::ready!(Pin::new(body).poll_frame(cx)),
            Err(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        };
        if let Some(Err(error)) = frame {
            // The server throws away what it has not sent when a body fails. Waiting one turn lets
            // it send the head and what was read, so that the client sees an answer that was cut
            // and not a connection that closed.
            self.cut = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Ok(body) => self.cut.is_none() && body.is_end_stream(),
            Err(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Ok(body) => body.size_hint(),
            Err(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}

/// A problem as an answer that no cache keeps.
pub(super) fn problem_response(problem: &Problem) -> Response<OriginBody> {
    response_of(problem, |text| OriginBody::Own(Some(text)))
}

/// A problem as an answer of that kind of body.
pub(super) fn response_of<B>(problem: &Problem, body: impl FnOnce(Bytes) -> B) -> Response<B> {
    let mut response = Response::new(body(Bytes::from(problem.to_json())));
    *response.status_mut() = problem.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use std::task::Waker;

    #[test]
    fn a_cut_waits_one_turn_for_what_was_read() {
        let frames: [Result<_, BodyError>; 2] =
            [Ok(Frame::data(Bytes::from("part"))), Err("cut".into())];
        let mut body = AnswerBody::passed(StreamBody::new(stream::iter(frames)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut poll = || Pin::new(&mut body).poll_frame(&mut cx);
        assert!(matches!(poll(), Poll::Ready(Some(Ok(frame))) if frame.is_data()));
        assert!(poll().is_pending());
        assert!(matches!(poll(), Poll::Ready(Some(Err(error))) if error.to_string() == "cut"));
        assert!(matches!(poll(), Poll::Ready(None)));
    }

    #[tokio::test]
    async fn a_problem_is_whole_and_not_kept() {
        let problem = Problem::new(http::StatusCode::NOT_FOUND, "not-found", "not found");
        let response = problem_response(&problem);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let length = response.body().size_hint().exact().unwrap();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text.len() as u64, length);
    }
}
