//! Makes an answer of bytes, however they are cut. Knows no sockets.
//!
//! Source: RFC 9112, sections 6 (framing) and 7.1 (chunks).

use super::answer::Answer;
use super::{BODY_LIMIT, WireError};

/// Reads one answer after the other.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    at: usize,
    state: State,
    answer: Answer,
    bodiless: bool,
    keep: bool,
    limit: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Fixed { left: u64 },
    ChunkSize,
    Chunk { left: u64 },
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

impl Reader {
    pub(super) fn new(limit: u64) -> Reader {
        Reader {
            buffer: Vec::new(),
            at: 0,
            state: State::Done,
            answer: Answer::default(),
            bodiless: false,
            keep: true,
            limit,
        }
    }

    /// From now on bodies are counted and not kept.
    pub(super) fn count_only(&mut self, limit: u64) {
        (self.keep, self.limit) = (false, limit);
    }

    /// Begins the next answer.
    pub(super) fn start(&mut self, bodiless: bool) {
        self.buffer.clear();
        (self.at, self.bodiless, self.state) = (0, bodiless, State::Head);
        self.answer.body.clear();
        (self.answer.body_bytes, self.answer.wire_bytes) = (0, 0);
    }

    /// Where the next bytes go: append them, then call [`Reader::advance`].
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let wanted = match self.state {
            State::Fixed { left } | State::Chunk { left } if left > SMALL as u64 => LARGE,
            _ => SMALL,
        };
        if self.buffer.capacity() - self.buffer.len() < wanted / 4 {
            self.buffer.reserve(wanted);
        }
        &mut self.buffer
    }

    /// Whether anything of the answer has come.
    pub(super) fn has_begun(&self) -> bool {
        self.answer.wire_bytes > 0 || !self.buffer.is_empty()
    }

    pub(super) fn answer(&self) -> &Answer {
        &self.answer
    }

    pub(super) fn into_answer(self) -> Answer {
        self.answer
    }

    /// Takes what has been appended; `true` when the answer is whole.
    pub(super) fn advance(&mut self) -> Result<bool, WireError> {
        loop {
            let more = match self.state {
                State::Head => self.head()?,
                State::Fixed { left } => {
                    let left = left - self.take_body(left)?;
                    self.state = if left == 0 { State::Done } else { State::Fixed { left } };
                    left == 0
                }
                State::ChunkSize => self.chunk_size()?,
                State::Chunk { left } => {
                    let left = left - self.take_body(left)?;
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk { left } };
                    left == 0
                }
                State::ChunkEnd => match self.line()? {
                    Some("") => self.go(State::ChunkSize),
                    Some(_) => return Err(WireError::Malformed("a chunk longer than its size")),
                    None => false,
                },
                State::Trailers => match self.line()? {
                    Some("") => self.go(State::Done),
                    Some(_) => true,
                    None => false,
                },
                State::UntilClose => {
                    self.take_body(u64::MAX)?;
                    false
                }
                State::Done if self.at == self.buffer.len() => return Ok(true),
                State::Done => {
                    return Err(WireError::Malformed("bytes after the end of the answer"));
                }
            };
            if !more {
                return Ok(false);
            }
        }
    }

    /// The connection has ended; `true` when that makes the answer whole.
    pub(super) fn closed(&mut self) -> Result<bool, WireError> {
        if self.state == State::UntilClose {
            self.state = State::Done;
        }
        Ok(self.state == State::Done)
    }

    fn go(&mut self, state: State) -> bool {
        self.state = state;
        true
    }

    /// Takes at most this much of the body.
    fn take_body(&mut self, most: u64) -> Result<u64, WireError> {
        let here = &self.buffer[self.at..];
        let taken = usize::try_from(most).unwrap_or(usize::MAX).min(here.len());
        self.answer.body_bytes += taken as u64;
        if self.answer.body_bytes > self.limit {
            return Err(WireError::TooLong { limit: self.limit });
        }
        if self.keep {
            self.answer.body.extend_from_slice(&here[..taken]);
        }
        self.answer.wire_bytes += taken as u64;
        self.at += taken;
        Ok(taken as u64)
    }

    /// The next line without its end, if it is all here.
    fn line(&mut self) -> Result<Option<&str>, WireError> {
        let here = &self.buffer[self.at..];
        let Some(end) = here.iter().position(|&b| b == b'\n') else {
            if here.len() > LONGEST_LINE {
                return Err(WireError::Malformed("a line without end between chunks"));
            }
            return Ok(None);
        };
        self.answer.wire_bytes += end as u64 + 1;
        self.at += end + 1;
        let line = here[..end].strip_suffix(b"\r").unwrap_or(&here[..end]);
        std::str::from_utf8(line)
            .map(Some)
            .map_err(|_| WireError::Malformed("a line that is not text between chunks"))
    }

    fn chunk_size(&mut self) -> Result<bool, WireError> {
        let Some(line) = self.line()? else { return Ok(false) };
        let digits = line.split(';').next().unwrap_or_default().trim();
        let left = u64::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with('+'))
            .ok_or(WireError::Malformed("a chunk without a size"))?;
        Ok(self.go(if left == 0 { State::Trailers } else { State::Chunk { left } }))
    }

    fn head(&mut self) -> Result<bool, WireError> {
        let here = &self.buffer[self.at..];
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        let length = match parsed.parse(here) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if here.len() > LONGEST_HEAD => {
                return Err(WireError::Malformed("a head of more than 64 KiB"));
            }
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(WireError::Malformed("more than 100 headers"));
            }
            Err(_) => return Err(WireError::Malformed("a head that is not HTTP/1.1")),
        };
        let status = parsed.code.unwrap_or_default();
        let framing = Framing::of(&parsed)?;
        self.answer.head.clear();
        self.answer.head.extend_from_slice(&here[..length]);
        self.answer.wire_bytes += length as u64;
        self.answer.status = status;
        self.at += length;
        if status == 101 {
            return Err(WireError::Malformed("101 to a request that asked for no upgrade"));
        }
        if (100..200).contains(&status) {
            return Ok(true); // the real answer follows
        }
        self.answer.keeps_alive = framing.keeps_alive;
        let empty = self.bodiless || status == 204 || status == 304;
        let next = match (empty, framing.chunked, framing.length) {
            (true, ..) | (_, false, Some(0)) => State::Done,
            (_, true, _) => State::ChunkSize,
            (_, _, Some(left)) if left > self.limit => {
                return Err(WireError::TooLong { limit: self.limit });
            }
            (_, _, Some(left)) => State::Fixed { left },
            (_, _, None) => {
                self.answer.keeps_alive = false;
                State::UntilClose
            }
        };
        Ok(self.go(next))
    }
}

/// What the head says of the body and the connection.
struct Framing {
    length: Option<u64>,
    chunked: bool,
    keeps_alive: bool,
}

impl Framing {
    fn of(head: &httparse::Response<'_, '_>) -> Result<Framing, WireError> {
        let mut framing =
            Framing { length: None, chunked: false, keeps_alive: head.version == Some(1) };
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = std::str::from_utf8(header.value)
                    .ok()
                    .and_then(|text| text.trim().parse().ok())
                    .ok_or(WireError::Malformed("a length that is no number"))?;
                if framing.length.is_some_and(|before| before != length) {
                    return Err(WireError::Malformed("two different lengths"));
                }
                framing.length = Some(length);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framing.chunked = last_word(header.value).eq_ignore_ascii_case(b"chunked");
            } else if header.name.eq_ignore_ascii_case("connection") {
                for word in header.value.split(|&b| b == b',') {
                    match word.trim_ascii() {
                        w if w.eq_ignore_ascii_case(b"close") => framing.keeps_alive = false,
                        w if w.eq_ignore_ascii_case(b"keep-alive") => framing.keeps_alive = true,
                        _ => {}
                    }
                }
            }
        }
        Ok(framing)
    }
}

fn last_word(value: &[u8]) -> &[u8] {
    value.rsplit(|&b| b == b',').next().unwrap_or_default().trim_ascii()
}

const SMALL: usize = 16 << 10;
const LARGE: usize = 128 << 10;
const LONGEST_HEAD: usize = 64 << 10;
const LONGEST_LINE: usize = 8 << 10;
const MOST_HEADERS: usize = 100;
const _: () = assert!(BODY_LIMIT > LONGEST_HEAD as u64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads these bytes in pieces of every size up to all at once; all must say the same.
    fn read(bytes: &[u8], bodiless: bool) -> Result<(u16, String, bool), String> {
        let mut told: Option<Result<(u16, String, bool), String>> = None;
        for size in (1..=bytes.len()).rev() {
            let mut reader = Reader::new(1 << 20);
            reader.start(bodiless);
            let mut outcome = Ok(false);
            for piece in bytes.chunks(size) {
                reader.room().extend_from_slice(piece);
                outcome = reader.advance();
                if outcome.is_err() {
                    break;
                }
            }
            let outcome = match outcome.and_then(|whole| Ok(whole || reader.closed()?)) {
                Ok(true) => {
                    let answer = reader.answer();
                    assert_eq!(answer.wire_bytes, bytes.len() as u64);
                    let body = String::from_utf8(answer.body.clone()).unwrap();
                    Ok((answer.status, body, answer.keeps_alive))
                }
                Ok(false) => Err("cut".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            assert_eq!(told.get_or_insert(outcome.clone()), &outcome, "in pieces of {size}");
        }
        told.unwrap()
    }

    fn whole(head: &str, body: &str) -> (u16, String, bool) {
        read(format!("{head}\r\n\r\n{body}").as_bytes(), false).unwrap()
    }

    #[test]
    fn each_kind_of_body_is_read() {
        let hello = |alive| (200, "hello".to_owned(), alive);
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: 5", "hello"), hello(true));
        assert_eq!(whole("HTTP/1.1 200 OK", "hello"), hello(false));
        assert_eq!(whole("HTTP/1.0 200 OK\r\ncontent-length:5", "hello"), hello(false));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked";
        assert_eq!(whole(chunked, "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"), hello(true));
        assert_eq!(whole(chunked, "5\r\nhello\r\n000\r\nx-sum: 1\r\ny: 2\r\n\r\n"), hello(true));
    }

    #[test]
    fn answers_that_have_no_body_end_with_their_head() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n";
        assert_eq!(read(head, true).unwrap(), (200, String::new(), true));
        for status in [204, 304] {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 500\r\n\r\n");
            assert_eq!(read(head.as_bytes(), false).unwrap(), (status, String::new(), true));
        }
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
                     HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        assert_eq!(read(text, false).unwrap(), (201, "ok".to_owned(), false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("SSH-2.0-x\r\n\r\n", "not HTTP/1.1"),
            ("HTTP/1.1 101 Switching\r\n\r\n", "upgrade"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello!", "after the end"),
            ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "no number"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "two different"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n", "1048576"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n", "without a size"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", "longer than"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "cut"),
        ] {
            let error = read(text.as_bytes(), false).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_head_without_end_is_refused() {
        let mut reader = Reader::new(10);
        reader.start(false);
        reader.room().extend_from_slice(b"HTTP/1.1 200 OK\r\nx: ");
        reader.room().extend(std::iter::repeat_n(b'x', 70 << 10));
        assert!(matches!(reader.advance(), Err(WireError::Malformed(_))));
    }

    #[test]
    fn a_counting_reader_keeps_no_body() {
        let mut reader = Reader::new(10);
        reader.count_only(1 << 20);
        reader.start(false);
        reader.room().extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        assert!(reader.advance().unwrap());
        assert_eq!((reader.answer().body_bytes, reader.answer().body.len()), (5, 0));
    }
}
