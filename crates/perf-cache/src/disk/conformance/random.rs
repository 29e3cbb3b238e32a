//! Numbers that look random and are the same in every run.

/// A source of them.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The one of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// That many bytes.
    #[must_use]
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// The one value that belongs to a key and a version of it.
pub(super) fn value_of(key: u64, version: u64, len: usize) -> Vec<u8> {
    let mut value = Vec::with_capacity(len + 16);
    value.extend_from_slice(&key.to_le_bytes());
    value.extend_from_slice(&version.to_le_bytes());
    let seed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ version;
    value.extend_from_slice(&Random::new(seed).bytes(len));
    value
}

/// The key and the version of a value, if it is one of [`value_of`], to the last byte.
pub(super) fn version_of(value: &[u8]) -> Option<(u64, u64)> {
    let (key, rest) = value.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (key, version) = (u64::from_le_bytes(*key), u64::from_le_bytes(*version));
    (value_of(key, version, rest.len()) == value).then_some((key, version))
}
