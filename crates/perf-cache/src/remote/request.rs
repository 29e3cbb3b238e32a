//! Commands as the server reads them, several in one piece.

/// Commands that are sent together.
///
/// Source: the Redis serialization protocol, an array of bulk strings for each command.
#[derive(Clone, Debug, Default)]
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

    /// Adds the commands of another, each behind an `ASKING`.
    pub(super) fn append_asking(&mut self, other: &Request) {
        let mut rest = &other.bytes[..];
        for _ in 0..other.commands {
            let len = command_len(rest);
            let (command, after) = rest.split_at(len);
            self.command([b"ASKING".as_slice()]);
            self.bytes.extend_from_slice(command);
            self.commands += 1;
            rest = after;
        }
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

/// Bytes of the first command.
fn command_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut words = 1;
    let mut is_word = false;
    while words > 0 {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit());
        let (len, count) = digits
            .fold((0, 0), |(len, count), digit| (len + 1, count * 10 + usize::from(digit - b'0')));
        at += 1 + len + 2;
        if is_word {
            at += count + 2;
            words -= 1;
        } else {
            words = count;
            is_word = true;
        }
    }
    at
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

    #[test]
    fn each_command_of_several_has_its_asking() {
        let mut request = Request::new();
        request.command([b"GET".as_slice(), b"*1\r\n$4\r\n"]).command([
            b"SET".as_slice(),
            b"",
            b"1234567890",
        ]);
        let mut expected = Request::new();
        expected.command([b"ASKING".as_slice()]).command([b"GET".as_slice(), b"*1\r\n$4\r\n"]);
        expected.command([b"ASKING".as_slice()]).command([b"SET".as_slice(), b"", b"1234567890"]);
        let mut asking = Request::new();
        asking.append_asking(&request);
        assert_eq!(asking.bytes(), expected.bytes());
        assert_eq!(asking.commands(), 4);
    }
}
