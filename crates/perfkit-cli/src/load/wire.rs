//! One kept-alive HTTP/1.1 connection of a client.

use super::Timing;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection and the buffers that its exchanges reuse.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    answer: Answer,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The system's, if nobody listens there.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, read: Vec::with_capacity(64 << 10), answer: Answer::default() })
    }

    /// Sends a request and reads its answer to the end.
    ///
    /// # Errors
    ///
    /// [`WireError`] if the connection breaks or the answer is not HTTP/1.1.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
    ) -> Result<(&Answer, Timing), WireError> {
        self.read.clear();
        let bodiless = request.starts_with(b"HEAD ");
        let start = Instant::now();
        self.stream.write_all(request).await?;
        self.fill().await?;
        let first_byte = start.elapsed();
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        self.answer.parse_head(&self.read[..head])?;
        self.answer.wire_bytes = head as u64;
        self.answer.body.clear();
        match self.answer.framing(bodiless) {
            Framing::Length(length) => {
                let total = head + length;
                while self.read.len() < total {
                    self.fill().await?;
                }
                if self.read.len() > total {
                    return Err(WireError::Malformed("bytes after the end of the answer"));
                }
                self.answer.body.extend_from_slice(&self.read[head..total]);
            }
            Framing::Chunks => self.read_chunks(head).await?,
            Framing::UntilClose => {
                loop {
                    match self.fill().await {
                        Ok(()) => {}
                        Err(WireError::Closed) => break,
                        Err(error) => return Err(error),
                    }
                }
                self.answer.body.extend_from_slice(&self.read[head..]);
            }
        }
        self.answer.wire_bytes = self.read.len() as u64;
        Ok((&self.answer, Timing { first_byte, whole: start.elapsed() }))
    }

    async fn read_chunks(&mut self, mut at: usize) -> Result<(), WireError> {
        loop {
            let line = loop {
                if let Some(end) = find(&self.read[at..], b"\r\n") {
                    break at + end;
                }
                self.fill().await?;
            };
            let size = std::str::from_utf8(&self.read[at..line])
                .ok()
                .and_then(|text| text.split(';').next())
                .and_then(|text| usize::from_str_radix(text.trim(), 16).ok())
                .ok_or(WireError::Malformed("a chunk without a size"))?;
            let end = line + 2 + size;
            while self.read.len() < end + 2 {
                self.fill().await?;
            }
            if size == 0 {
                return Ok(());
            }
            self.answer.body.extend_from_slice(&self.read[line + 2..end]);
            at = end + 2;
        }
    }

    async fn fill(&mut self) -> Result<(), WireError> {
        self.read.reserve(16 << 10);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(WireError::Closed),
            _ => Ok(()),
        }
    }
}

/// An answer, read to its end.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body as it came, still encoded.
    pub(crate) body: Vec<u8>,
    /// All bytes of it on the wire, head included.
    pub(crate) wire_bytes: u64,
    headers: Vec<u8>,
}

enum Framing {
    Length(usize),
    Chunks,
    UntilClose,
}

impl Answer {
    /// The first header of this name, in lower case; empty if there is none.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .split(|&b| b == b'\n')
            .find_map(|line| {
                let value = line.get(name.len()..)?.strip_prefix(b":")?;
                line[..name.len()].eq_ignore_ascii_case(name.as_bytes()).then_some(value)
            })
            .and_then(|value| std::str::from_utf8(value).ok())
            .map_or("", str::trim)
    }

    /// Whether another request may follow on the connection.
    #[must_use]
    pub(crate) fn keeps_alive(&self) -> bool {
        !self.header("connection").eq_ignore_ascii_case("close")
    }

    fn parse_head(&mut self, head: &[u8]) -> Result<(), WireError> {
        let status = head
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok());
        self.status = status.ok_or(WireError::Malformed("a first line that is not HTTP/1.1"))?;
        self.headers.clear();
        self.headers.extend_from_slice(head);
        Ok(())
    }

    fn framing(&self, bodiless: bool) -> Framing {
        if bodiless || self.status == 204 || self.status == 304 || self.status < 200 {
            return Framing::Length(0);
        }
        if self.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            return Framing::Chunks;
        }
        match self.header("content-length").parse() {
            Ok(length) => Framing::Length(length),
            Err(_) => Framing::UntilClose,
        }
    }
}

/// Why an exchange failed.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The connection broke.
    Io(io::Error),
    /// The server closed it before the answer was whole.
    Closed,
    /// The answer is not HTTP/1.1.
    Malformed(&'static str),
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
            WireError::Closed => f.write_str("the server closed before the answer was whole"),
            WireError::Malformed(what) => write!(f, "the server sent {what}"),
        }
    }
}

impl std::error::Error for WireError {}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
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
        Ok(std::mem::take(&mut connection.answer))
    }

    #[tokio::test]
    async fn reads_each_kind_of_body() {
        let answer = ask(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", b"\r\nhe", b"llo"]).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
        assert_eq!(answer.header("content-length"), "5");

        let chunks = ask(&[
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            b"lo\r\n1;x=y\r\n!\r\n0\r",
            b"\n\r\n",
        ]);
        assert_eq!(chunks.await.unwrap().body, b"hello!");

        let closed = ask(&[b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"]).await.unwrap();
        assert_eq!(closed.body, b"hello");
        assert!(!closed.keeps_alive());
    }

    #[tokio::test]
    async fn a_cut_answer_is_an_error() {
        let cut = ask(&[b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"]).await;
        assert!(matches!(cut, Err(WireError::Closed)), "{cut:?}");
        let cut = ask(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"]).await;
        assert!(matches!(cut, Err(WireError::Closed)), "{cut:?}");
        let other = ask(&[b"SSH-2.0-x\r\n\r\n"]).await;
        assert!(matches!(other, Err(WireError::Malformed(_))), "{other:?}");
    }
}
