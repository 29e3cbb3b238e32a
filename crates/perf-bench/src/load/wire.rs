//! HTTP/1.1 as a client, by hand: one kept-alive connection with one request under way.
//!
//! A full client costs as much processor time as the server under test and would measure itself.
//! The first byte of an answer is the first byte read.

mod answer;
mod reader;
mod visit;

pub use answer::Answer;
pub use visit::{Visitor, visit_all};

use reader::Reader;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection and the buffers that its exchanges reuse.
///
/// It needs a tokio runtime with I/O. Dropping an exchange half way leaves the connection unusable:
/// drop it too.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    reader: Reader,
}

/// How long one answer took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From sending to the first byte.
    pub first_byte: Duration,
    /// From sending to the last byte.
    pub whole: Duration,
}

impl Connection {
    /// Connects. Bodies are kept, up to 64 MiB each.
    ///
    /// # Errors
    ///
    /// The system's, if nobody listens there.
    pub async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, reader: Reader::new(BODY_LIMIT) })
    }

    /// Counts the bytes of bodies instead of keeping them, and allows this many in each.
    #[must_use]
    pub fn counting(mut self, body_limit: u64) -> Connection {
        self.reader.count_only(body_limit);
        self
    }

    /// Sends a request and reads its answer to the end. Interim answers (1xx) are passed over.
    ///
    /// # Errors
    ///
    /// [`WireError`] if the connection breaks or the answer is not HTTP/1.1. The connection is of
    /// no use afterwards.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<(&Answer, Timing), WireError> {
        self.reader.start(request.starts_with(b"HEAD "));
        let start = Instant::now();
        let sent = self.stream.write_all(request).await;
        let mut first_byte = None;
        loop {
            match self.stream.read_buf(self.reader.room()).await {
                Ok(0) if self.reader.closed()? => break,
                Ok(0) => {
                    // A server may answer and hang up before it has read all; if it said nothing,
                    // what broke the sending says more.
                    sent?;
                    return Err(WireError::Closed { begun: self.reader.has_begun() });
                }
                Ok(_) => {
                    first_byte.get_or_insert_with(|| start.elapsed());
                    if self.reader.advance()? {
                        break;
                    }
                }
                Err(error) => return Err(sent.err().unwrap_or(error).into()),
            }
        }
        let whole = start.elapsed();
        let timing = Timing { first_byte: first_byte.unwrap_or(whole), whole };
        Ok((self.reader.answer(), timing))
    }

    /// Whether the server has hung up, or said something unasked, since the last answer.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let mut byte = [0];
        match self.stream.try_read(&mut byte) {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        }
    }

    /// Whether anything of the answer to the last request has come.
    pub(crate) fn has_answered(&self) -> bool {
        self.reader.has_begun()
    }

    /// Takes the last answer, body included.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.reader.into_answer()
    }
}

const BODY_LIMIT: u64 = 64 << 20;

/// Why an exchange failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum WireError {
    /// The connection broke.
    Io(io::Error),
    /// The server closed it before the answer was whole.
    Closed {
        /// Whether any of the answer had come.
        begun: bool,
    },
    /// The answer is not HTTP/1.1.
    Malformed(&'static str),
    /// The body is longer than allowed.
    TooLong {
        /// What is allowed, in bytes.
        limit: u64,
    },
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> WireError {
        WireError::Io(error)
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Io(error) => write!(f, "the connection broke: {error}"),
            WireError::Closed { .. } => {
                f.write_str("the server closed before the answer was whole")
            }
            WireError::Malformed(what) => write!(f, "the server sent {what}"),
            WireError::TooLong { limit } => {
                write!(f, "the server sent a body of more than {limit} bytes")
            }
        }
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WireError::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that sends this, piece by piece, to whoever asks.
    async fn server(pieces: &'static [&'static [u8]]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            for piece in pieces {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        address
    }

    async fn ask(pieces: &'static [&'static [u8]]) -> Result<Answer, WireError> {
        let mut connection = Connection::open(server(pieces).await).await.unwrap();
        connection.exchange(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        Ok(connection.into_answer())
    }

    #[tokio::test]
    async fn an_answer_is_read_from_a_socket() {
        let answer = ask(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", b"\r\nhe", b"llo"]).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status(), answer.body()), (200, &b"hello"[..]));
        assert_eq!(answer.header("content-length"), "5");
        assert!(answer.keeps_alive());
    }

    #[tokio::test]
    async fn the_end_of_the_connection_ends_a_body_without_length_and_cuts_others() {
        let closed = ask(&[b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"]).await.unwrap();
        assert_eq!(closed.body(), b"hello");
        assert!(!closed.keeps_alive());
        let cut = ask(&[b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"]).await;
        assert!(matches!(cut, Err(WireError::Closed { begun: true })), "{cut:?}");
        let cut = ask(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"]).await;
        assert!(matches!(cut, Err(WireError::Closed { begun: true })), "{cut:?}");
        let nothing = ask(&[]).await;
        assert!(matches!(nothing, Err(WireError::Closed { begun: false })), "{nothing:?}");
    }

    #[tokio::test]
    async fn a_server_that_hung_up_is_seen_before_the_next_request() {
        let address = server(&[b"HTTP/1.1 204 No Content\r\n\r\n"]).await;
        let mut connection = Connection::open(address).await.unwrap();
        connection.exchange(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        while !connection.is_stale() {
            tokio::task::yield_now().await;
        }
    }
}
