//! Reading a body whole, or as far as that goes.

use crate::body::{BodyError, BoxError};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::pin::Pin;

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
    Trailers,
    Cut(BodyError),
}

/// Reads up to `max` bytes. A body that is shorter than its `Content-Length` has been cut.
pub(crate) async fn collect<B>(body: B, max: u64, expected: Option<u64>) -> Collected<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = Box::pin(body);
    let mut read = VecDeque::new();
    let mut length: u64 = 0;
    let mut trailers = false;
    let why = loop {
        if length > max {
            return Collected::Part(Part { read, rest: Some(body), why: Why::TooLarge });
        }
        match body.frame().await {
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
