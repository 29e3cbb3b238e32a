//! The connection to a client, with two manners that hyper does not have.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// A client's connection.
///
/// It remembers the bytes of the request that is being read: hyper quietly drops `Content-Length`
/// where there is `Transfer-Encoding` too, and such a request must be refused. And it lingers when
/// it closes: closing with unread input makes the kernel reset the connection, and the reset may
/// overtake the answer that says what was wrong, a 431 for instance.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    recent: Arc<Recent>,
    ended: bool,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> (Socket, Arc<Recent>) {
        let recent = Arc::new(Recent::default());
        let socket = Socket { stream, recent: Arc::clone(&recent), ended: false, lingering: None };
        (socket, recent)
    }
}

/// How long a closing connection goes on reading, and how much.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 16 << 20;

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        let new = &buf.filled()[before..];
        if read.is_ok() && new.is_empty() {
            this.ended = true;
        }
        this.recent.add(new);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.lingering = Some((Box::pin(tokio::time::sleep(LINGER)), LINGER_BYTES));
        }
        let Some((alarm, left)) = &mut this.lingering else { return Poll::Ready(Ok(())) };
        let mut scratch = [0_u8; 8 << 10];
        while !this.ended && *left > 0 {
            if alarm.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    *left = left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => this.ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The bytes last read from a client.
#[derive(Debug, Default)]
pub(super) struct Recent {
    bytes: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// The request they belong to has begun to be answered; the next bytes start afresh.
    seen: bool,
}

/// More of one request than this is not remembered; hyper refuses longer heads.
const KEPT: usize = 64 << 10;

impl Recent {
    fn add(&self, new: &[u8]) {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.seen {
            kept.bytes.clear();
            kept.seen = false;
        }
        let room = KEPT.saturating_sub(kept.bytes.len()).min(new.len());
        kept.bytes.extend_from_slice(&new[..room]);
    }

    /// Notes that a request was read to the end of its head.
    pub(super) fn request_seen(&self) {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).seen = true;
    }

    /// Whether the head of the request that starts like this had a `Content-Length`.
    ///
    /// Of several requests sent at once only the first is looked at. For the others hyper's own
    /// manner stands: it ignores the length and closes the connection after the answer.
    pub(super) fn head_has_content_length(&self, start: &str) -> bool {
        let kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = find(&kept.bytes, start.as_bytes()) else { return false };
        kept.bytes[at..]
            .split(|&b| b == b'\n')
            .take_while(|line| !line.is_empty() && *line != b"\r")
            .any(|line| {
                const NAME: &[u8] = b"content-length";
                line.len() > NAME.len()
                    && line[..NAME.len()].eq_ignore_ascii_case(NAME)
                    && matches!(line[NAME.len()], b':' | b' ' | b'\t')
            })
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_length_in_the_head_and_not_in_the_body() {
        let recent = Recent::default();
        recent.add(b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-enc");
        recent.add(b"oding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n");
        assert!(recent.head_has_content_length("POST /a HTTP/1.1"));
        recent.request_seen();
        recent.add(b"POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
        recent.add(b"16\r\ncontent-length: 5\r\n\r\n");
        assert!(!recent.head_has_content_length("POST /b HTTP/1.1"));
        assert!(!recent.head_has_content_length("POST /a HTTP/1.1"));
    }

    #[test]
    fn keeps_a_bounded_part() {
        let recent = Recent::default();
        for _ in 0..40 {
            recent.add(&[b'x'; 4096]);
        }
        assert_eq!(recent.bytes.lock().unwrap().bytes.len(), KEPT);
    }
}
