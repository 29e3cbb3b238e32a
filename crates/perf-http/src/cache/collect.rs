//! Reading a body whole, or as far as that goes.

use crate::body::{BodyError, BoxError};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

pub(crate) enum Collected<B> {
    Whole(Bytes),
    /// Not to be kept: what was read, and what is left to read or what cut it.
    Part(Part<B>),
}

pub(crate) struct Part<B> {
    pub(crate) read: VecDeque<Frame<Bytes>>,
    pub(crate) rest: Option<Pin<Box<B>>>,
    pub(crate) why: Why,
}

pub(crate) enum Why {
    TooLarge,
    TooSlow,
    Trailers,
    Cut(BodyError),
}

/// Reads up to `max` bytes, and no longer than a client may be kept without any; the latter within
/// a tokio runtime only. A body that is shorter than its `Content-Length` has been cut.
pub(crate) async fn collect<B>(body: B, max: u64, expected: Option<u64>) -> Collected<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = Box::pin(body);
    let mut alarm = Alarm::new();
    let mut read = VecDeque::new();
    let mut length: u64 = 0;
    let mut trailers = false;
    let why = loop {
        if length > max {
            return Collected::Part(Part { read, rest: Some(body), why: Why::TooLarge });
        }
        let Some(frame) = alarm.frame(body.as_mut()).await else {
            return Collected::Part(Part { read, rest: Some(body), why: Why::TooSlow });
        };
        match frame {
            Some(Ok(frame)) => {
                length += frame.data_ref().map_or(0, |data| data.len() as u64);
                trailers |= frame.is_trailers();
                read.push_back(frame);
            }
            Some(Err(error)) => break Why::Cut(BodyError::from_origin(error)),
            None => match expected.filter(|expected| *expected != length) {
                Some(expected) => {
                    break Why::Cut(BodyError::short(length, expected));
                }
                None if trailers => break Why::Trailers,
                None => return Collected::Whole(joined(&read, length)),
            },
        }
    };
    Collected::Part(Part { read, rest: None, why })
}

/// Ends the patience with a body that comes slowly, or never ends. The timer is made only once
/// there is something to wait for.
struct Alarm {
    until: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    fn new() -> Alarm {
        let timed = tokio::runtime::Handle::try_current().is_ok();
        Alarm { until: timed.then(|| Instant::now() + PATIENCE), sleep: None }
    }

    /// The next frame, or `None` if the time is over.
    async fn frame<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
    ) -> Option<Option<Result<Frame<B::Data>, B::Error>>> {
        poll_fn(|cx| {
            if let Poll::Ready(frame) = body.as_mut().poll_frame(cx) {
                return Poll::Ready(Some(frame));
            }
            let Some(until) = self.until else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// How long a client is kept without a byte so that all of them can be stored or encoded.
const PATIENCE: Duration = Duration::from_secs(10);

/// Always a copy: a frame may be a small piece of a large read buffer, which would stay in memory
/// as long as the piece.
fn joined(read: &VecDeque<Frame<Bytes>>, length: u64) -> Bytes {
    let mut whole = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0));
    for data in read.iter().filter_map(Frame::data_ref) {
        whole.extend_from_slice(data);
    }
    whole.freeze()
}

/// The length that the head announces.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
