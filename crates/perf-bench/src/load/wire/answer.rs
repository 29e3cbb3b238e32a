//! An answer, read to its end.

/// An answer, read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) body_bytes: u64,
    pub(super) wire_bytes: u64,
    pub(super) keeps_alive: bool,
}

impl Answer {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body as it came, still encoded; empty on a connection that only counts.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The length of the body, without the marks between chunks.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// All bytes of it on the wire, heads and marks included.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    /// Whether another request may follow on the connection.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.keeps_alive
    }

    /// The first header of this name, in lower case; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.head
            .split(|&b| b == b'\n')
            .find_map(|line| {
                let value = line.get(name.len()..)?.strip_prefix(b":")?;
                line[..name.len()].eq_ignore_ascii_case(name.as_bytes()).then_some(value)
            })
            .and_then(|value| std::str::from_utf8(value).ok())
            .map_or("", str::trim)
    }
}
