//! The bodies that go through the layers.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Any error, as tower passes it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that ended before it was whole.
#[derive(Debug)]
pub struct BodyError {
    problem: Cow<'static, str>,
    source: Option<BoxError>,
}

impl BodyError {
    pub(crate) fn short(got: u64, expected: u64) -> BodyError {
        let problem = format!("the origin's body ended after {got} of {expected} bytes").into();
        BodyError { problem, source: None }
    }

    pub(crate) fn from_origin(source: impl Into<BoxError>) -> BodyError {
        let problem = Cow::Borrowed("the origin's body was cut");
        BodyError { problem, source: Some(source.into()) }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

pin_project! {
    /// The body of a request on its way to the origin: the client's own, or none for requests that
    /// the cache makes itself.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: Option<B>,
    }
}

impl<B> RequestBody<B> {
    /// No body.
    #[must_use]
    pub fn empty() -> RequestBody<B> {
        RequestBody { inner: None }
    }

    /// The client's body.
    #[must_use]
    pub fn new(body: B) -> RequestBody<B> {
        RequestBody { inner: Some(body) }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

pin_project! {
    /// The body of an answer: whole from memory, or the origin's as it comes.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjected]
    enum Kind<B> {
        Whole { bytes: Option<Bytes> },
        Through { #[pin] body: B },
        Replay { stream: Box<Stream<B>> },
    }
}

/// What was already read, then the rest, then the error that ended the reading.
struct Stream<B> {
    read: VecDeque<Frame<Bytes>>,
    rest: Option<Pin<Box<B>>>,
    cut: Option<BodyError>,
    tap: Option<Tap>,
}

/// Called with the length of each data frame that passes.
pub(crate) type Tap = Box<dyn Fn(usize) + Send + Sync>;

impl<B> ResponseBody<B> {
    /// No bytes.
    #[must_use]
    pub fn empty() -> ResponseBody<B> {
        ResponseBody { kind: Kind::Whole { bytes: None } }
    }

    /// These bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> ResponseBody<B> {
        ResponseBody { kind: Kind::Whole { bytes: (!bytes.is_empty()).then_some(bytes) } }
    }

    /// Another body as it comes.
    #[must_use]
    pub fn stream(body: B) -> ResponseBody<B> {
        ResponseBody { kind: Kind::Through { body } }
    }

    /// Frames already read, then the rest of their body or the error that cut it.
    pub(crate) fn replay(
        read: VecDeque<Frame<Bytes>>,
        rest: Option<Pin<Box<B>>>,
        cut: Option<BodyError>,
        tap: Option<Tap>,
    ) -> ResponseBody<B> {
        let stream = Box::new(Stream { read, rest, cut, tap });
        ResponseBody { kind: Kind::Replay { stream } }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.project().kind.project() {
            KindProjected::Whole { bytes } => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            KindProjected::Through { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|f| f.map_err(BodyError::from_origin)))
            }
            KindProjected::Replay { stream } => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { bytes } => bytes.is_none(),
            Kind::Through { body } => body.is_end_stream(),
            Kind::Replay { stream: s } => {
                s.read.is_empty()
                    && s.cut.is_none()
                    && s.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { bytes } => SizeHint::with_exact(bytes.as_ref().map_or(0, length)),
            Kind::Through { body } => body.size_hint(),
            // A cut body must not look whole: the server would close it as complete.
            Kind::Replay { stream: s } if s.cut.is_some() => SizeHint::default(),
            Kind::Replay { stream: s } => {
                let read: u64 = s.read.iter().filter_map(Frame::data_ref).map(length).sum();
                let rest =
                    s.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |r| r.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(read));
                if let Some(upper) = rest.upper().and_then(|u| u.checked_add(read)) {
                    hint.set_upper(upper);
                }
                hint
            }
        }
    }
}

impl<B> Stream<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.read.pop_front() {
            self.passed(&frame);
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(rest) = &mut self.rest {
            let frame = ready!(rest.as_mut().poll_frame(cx));
            if let Some(Ok(frame)) = &frame {
                self.passed(frame);
            }
            if frame.is_some() {
                return Poll::Ready(frame.map(|f| f.map_err(BodyError::from_origin)));
            }
            self.rest = None;
        }
        Poll::Ready(self.cut.take().map(Err))
    }

    fn passed(&self, frame: &Frame<Bytes>) {
        if let (Some(tap), Some(data)) = (&self.tap, frame.data_ref()) {
            tap(data.len());
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Whole { bytes } => f.debug_tuple("Whole").field(bytes).finish(),
            Kind::Through { .. } => f.write_str("Through"),
            Kind::Replay { stream: s } => {
                f.debug_struct("Stream").field("read", &s.read.len()).finish()
            }
        }
    }
}

fn length(bytes: &Bytes) -> u64 {
    bytes.len() as u64
}
