//! What things are called on the server, and what stands before each value.

/// The names of a prefix. Those that one script touches have a hash tag in common, by which a cluster
/// keeps them on one server: the state and the journal theirs, a value and its fence those of their
/// bucket.
#[derive(Debug)]
pub(super) struct Names {
    prefix: Vec<u8>,
    /// A hash: epoch, number, floor, scopes.
    pub(super) state: Vec<u8>,
    /// A stream of changes.
    pub(super) journal: Vec<u8>,
}

impl Names {
    /// Without braces in the prefix, or else the hash tags would be others.
    pub(super) fn new(prefix: &str) -> Names {
        let of = |kind: &str| format!("{prefix}{kind}{{{prefix}}}").into_bytes();
        Names { prefix: prefix.into(), state: of("g"), journal: of("j") }
    }

    pub(super) fn value(&self, key: &[u8]) -> Vec<u8> {
        let mut name = self.of_bucket(b'v', key, key.len());
        name.extend_from_slice(key);
        name
    }

    /// The one of all keys of a bucket.
    pub(super) fn fence(&self, key: &[u8]) -> Vec<u8> {
        self.of_bucket(b'f', key, 0)
    }

    /// Who loads the key.
    pub(super) fn lease(&self, key: &[u8]) -> Vec<u8> {
        let mut name = self.of_bucket(b'l', key, key.len());
        name.extend_from_slice(key);
        name
    }

    fn of_bucket(&self, kind: u8, key: &[u8], more: usize) -> Vec<u8> {
        let bucket = crc32c::crc32c(key) as u16;
        let digit = |at: u32| HEX[usize::from(bucket >> at & 15)];
        let mut name = Vec::with_capacity(self.prefix.len() + 7 + more);
        name.extend_from_slice(&self.prefix);
        name.extend_from_slice(&[kind, b'{', digit(12), digit(8), digit(4), digit(0), b'}']);
        name
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What is before each value: a version, the epoch, the number.
pub(super) const FRAME: usize = 17;
/// The index of its last byte, as a command has it.
pub(super) const END_OF_FRAME: &[u8] = b"16";
const VERSION: u8 = 2;

pub(super) fn framed(epoch: u64, number: u64, bytes: &[u8]) -> Vec<u8> {
    [&[VERSION][..], &epoch.to_le_bytes(), &number.to_le_bytes(), bytes].concat()
}

/// The number before a value of that epoch.
pub(super) fn number_of(epoch: u64, framed: &[u8]) -> Option<u64> {
    let rest = framed.strip_prefix(&[VERSION])?.strip_prefix(&epoch.to_le_bytes())?;
    Some(u64::from_le_bytes(*rest.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_together_has_one_hash_tag_and_all_begin_with_the_prefix() {
        let names = Names::new("shop:");
        assert_eq!(
            (&names.state[..], &names.journal[..]),
            (&b"shop:g{shop:}"[..], &b"shop:j{shop:}"[..])
        );
        let (value, fence) = (names.value(b"a}{b"), names.fence(b"a}{b"));
        assert!(value.starts_with(b"shop:v{") && value.ends_with(b"}a}{b"));
        assert_eq!(value[6..12], fence[6..]);
        let lease = names.lease(b"a}{b");
        assert!(lease.starts_with(b"shop:l{") && lease[6..] == value[6..]);
        assert!(fence.starts_with(b"shop:f{"));
        assert_ne!(names.fence(b"a"), names.fence(b"b"));
        assert_eq!(names.value(b"").len(), fence.len());
    }

    #[test]
    fn a_frame_gives_back_its_number_to_those_of_its_epoch() {
        let framed = framed(7, 1 << 40, b"bytes");
        assert_eq!((number_of(7, &framed), &framed[FRAME..]), (Some(1 << 40), &b"bytes"[..]));
        assert_eq!(number_of(8, &framed), None);
        for len in 0..FRAME {
            assert_eq!(number_of(7, &framed[..len]), None);
        }
        assert_eq!(number_of(7, &[1; 40]), None);
    }
}
