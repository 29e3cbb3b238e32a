//! A body that is counted, and whose end or loss is seen.

use super::Measure;
use super::routes::Class;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use perf_core::Instant;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The body of a measured answer. When it ends, or is dropped before that, the request is
    /// recorded.
    pub struct MeasuredBody<B> {
        #[pin]
        inner: B,
        ticket: Option<Ticket>,
        seen: u64,
        // What ends the body as far as the receiver is concerned.
        expected: Option<u64>,
    }

    impl<B> PinnedDrop for MeasuredBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(ticket) = this.ticket.take() {
                let whole = this.expected.is_some_and(|n| *this.seen >= n);
                ticket.end(*this.seen, whole);
            }
        }
    }
}

impl<B: Body> MeasuredBody<B> {
    /// `expected` is how many bytes the receiver wants, where that is known.
    pub(crate) fn new(inner: B, ticket: Ticket, expected: Option<u64>) -> MeasuredBody<B> {
        let expected = if inner.is_end_stream() { Some(0) } else { expected };
        MeasuredBody { inner, ticket: Some(ticket), seen: 0, expected }
    }
}

impl<B: Body> Body for MeasuredBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let whole = match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |d| d.remaining() as u64);
                *this.seen += bytes;
                // A server that knows the length does not ask for the end.
                this.inner.is_end_stream().then_some(true)
            }
            Some(Err(_)) => Some(false),
            None => Some(true),
        };
        if let Some(whole) = whole
            && let Some(ticket) = this.ticket.take()
        {
            ticket.end(*this.seen, whole);
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

impl<B> std::fmt::Debug for MeasuredBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeasuredBody").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// One request that has started and must be recorded once.
pub(crate) struct Ticket {
    measure: Measure,
    route: usize,
    start: Instant,
    class: Class,
}

impl Ticket {
    pub(crate) fn start(measure: Measure, route: usize) -> Ticket {
        measure.inner.started.increment();
        let start = measure.inner.clock.now();
        // Stands unless an answer comes.
        Ticket { measure, route, start, class: Class::Failed }
    }

    pub(crate) fn head(&mut self, class: Class) {
        self.class = class;
        let inner = &self.measure.inner;
        inner.routes.at(self.route).first_byte.record_duration(inner.clock.now() - self.start);
    }

    pub(crate) fn end(self, bytes: u64, whole: bool) {
        let inner = &self.measure.inner;
        let route = inner.routes.at(self.route);
        let elapsed = (inner.clock.now() - self.start).as_nanos();
        route.record(self.class, u64::try_from(elapsed).unwrap_or(u64::MAX));
        route.bytes.add(bytes);
        if !whole {
            inner.aborted.increment();
        }
        inner.ended.increment();
    }
}
