//! Commands as the server reads them, several in one piece.

/// Commands that are sent together.
///
/// Source: the Redis serialization protocol, an array of bulk strings for each command.
#[derive(Debug, Default)]
pub(super) struct Request {
    bytes: Vec<u8>,
    commands: usize,
}

impl Request {
    pub(super) fn new() -> Request {
        Request::default()
    }

    /// Adds a command: its name and its arguments, whose lengths are known.
    pub(super) fn command<'a, I>(&mut self, words: I) -> &mut Request
    where
        I: IntoIterator<Item = &'a [u8]>,
        I::IntoIter: ExactSizeIterator,
    {
        let words = words.into_iter();
        self.head(b'*', words.len());
        for word in words {
            self.head(b'$', word.len());
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.commands += 1;
        self
    }

    /// Adds the commands of another.
    pub(super) fn append(&mut self, other: &Request) {
        self.bytes.extend_from_slice(&other.bytes);
        self.commands += other.commands;
    }

    fn head(&mut self, kind: u8, count: usize) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(count.to_string().as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many answers there will be.
    pub(super) const fn commands(&self) -> usize {
        self.commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_strings_of_any_bytes() {
        let mut request = Request::new();
        request.command([b"GET".as_slice(), b"a\r\n\0"]).command([b"PING".as_slice()]);
        assert_eq!(request.bytes(), b"*2\r\n$3\r\nGET\r\n$4\r\na\r\n\0\r\n*1\r\n$4\r\nPING\r\n");
        assert_eq!(request.commands(), 2);
        let mut both = Request::new();
        both.append(&request);
        both.append(&request);
        assert_eq!(both.bytes(), [request.bytes(), request.bytes()].concat());
        assert_eq!(both.commands(), 4);
    }
}
