//! What is in a file of an HTTP store: whose value, by which write, how long, and the value.

/// A value with what it takes to know it again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Of the write that put it there.
    pub(super) nonce: u64,
    pub(super) key: &'a [u8],
    pub(super) bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The longest key.
    pub(super) const MOST_KEY: u64 = 64 << 10;
    /// The most that a file has beside the value.
    pub(super) const MOST: u64 = HEAD as u64 + Frame::MOST_KEY;

    pub(super) fn write(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(HEAD + self.key.len() + self.bytes.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&self.nonce.to_le_bytes());
        file.extend_from_slice(&(self.key.len() as u64).to_le_bytes());
        file.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        file.extend_from_slice(self.key);
        file.extend_from_slice(self.bytes);
        file
    }

    /// What is wrong with a file that is none of these, or not all of one.
    pub(super) fn parse(file: &'a [u8]) -> Result<Frame<'a>, &'static str> {
        let strange = "no value of this store";
        let (head, rest) = file.split_first_chunk::<HEAD>().ok_or(strange)?;
        let (magic, numbers) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(strange);
        }
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|eight| u64::from_le_bytes(<[u8; 8]>::try_from(eight).unwrap_or_default()));
        let mut next = || numbers.next().unwrap_or_default();
        let (nonce, key, len) = (next(), next(), next());
        if key.checked_add(len) != Some(rest.len() as u64) {
            return Err("a part of a value");
        }
        // Not above the length of what there is.
        let (key, bytes) = rest.split_at(key as usize);
        Ok(Frame { nonce, key, bytes })
    }
}

const MAGIC: &[u8] = b"perfkit1";
const HEAD: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_file_is_a_value_and_nothing_panics() {
        let frame = Frame { nonce: 7, key: b"key", bytes: b"value" };
        let file = frame.write();
        assert_eq!(Frame::parse(&file), Ok(frame));
        for len in 0..file.len() {
            assert!(Frame::parse(&file[..len]).is_err(), "{len} bytes");
        }
        assert!(Frame::parse(&[&file[..], b"x"].concat()).is_err());
        for at in 0..HEAD {
            let mut strange = file.clone();
            strange[at] ^= 0x80;
            // Only another nonce makes a frame.
            assert_eq!(Frame::parse(&strange).is_ok(), (8..16).contains(&at), "byte {at}");
        }
    }
}
