//! What can go wrong with a value on its way into bytes and back.

use super::{CodecId, Compression};
use std::error::Error;
use std::fmt;

/// A value that a [`Codec`](super::Codec) cannot make bytes of, or bytes that are no value to it.
#[derive(Debug)]
pub struct CodecError {
    source: Box<dyn Error + Send + Sync>,
}

impl CodecError {
    /// From a message or from an error of what the codec is built on.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> CodecError {
        CodecError { source: source.into() }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the codec refused it")
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Why a value was not sealed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SealError {
    /// The codec could not encode it.
    Encode(CodecError),
    /// It is longer than [`max_value`](super::PipelineBuilder::max_value) allows, so it could not be
    /// opened again.
    TooLarge {
        /// Bytes of the encoded value.
        len: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// It has more tags than a header holds.
    TooManyTags {
        /// Tags of the value.
        count: usize,
        /// Tags that a header holds.
        max: usize,
    },
    /// The system gave no random numbers for the cipher.
    NoRandom,
    /// The current key has sealed as many values as it safely can: turn to another.
    KeyExhausted {
        /// The key's number.
        id: u32,
    },
}

impl SealError {
    /// The cause as a label, as in [`CodecStats::refused`](super::CodecStats::refused).
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            SealError::Encode(_) => "encode",
            SealError::TooLarge { .. } => "too_large",
            SealError::TooManyTags { .. } => "too_many_tags",
            SealError::NoRandom => "no_random",
            SealError::KeyExhausted { .. } => "key_exhausted",
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::Encode(_) => f.write_str("the value cannot be encoded"),
            SealError::TooLarge { len, max } => {
                write!(f, "the value has {len} bytes of at most {max}: raise `max_value`")
            }
            SealError::TooManyTags { count, max } => {
                write!(f, "the value has {count} tags of at most {max}: give it fewer")
            }
            SealError::NoRandom => f.write_str("the system gave no random numbers: try again"),
            SealError::KeyExhausted { id } => {
                write!(f, "key {id} has sealed all it safely can: rotate to a new one")
            }
        }
    }
}

impl Error for SealError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SealError::Encode(source) => Some(source),
            _ => None,
        }
    }
}

/// Why bytes were not opened. To a cache each is a miss, counted by [`cause`](OpenError::cause).
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// They are no sealed value, or only a part of one.
    Malformed {
        /// What is wrong with them.
        what: &'static str,
    },
    /// They were sealed by a newer version of this crate, or are no sealed value.
    Version {
        /// The version they are of.
        found: u8,
        /// The newest version that is understood.
        newest: u8,
    },
    /// They were changed since they were sealed.
    Checksum,
    /// What it takes to open them was not built in.
    Unavailable {
        /// The feature of this crate that has it.
        feature: &'static str,
    },
    /// They are not sealed with a cipher, and the pipeline has keys: anyone could have made them.
    NotEncrypted,
    /// They are sealed with a key that the pipeline does not have.
    UnknownKey {
        /// The key's number.
        id: u32,
    },
    /// They were changed, or sealed with another key of that number, for another key of the cache,
    /// or in another namespace.
    Unauthentic,
    /// They were made by another codec, or by another schema of the same.
    Codec {
        /// What made them.
        found: CodecId,
        /// What would have to open them.
        expected: CodecId,
    },
    /// The value would be longer than [`max_value`](super::PipelineBuilder::max_value) allows.
    TooLarge {
        /// Bytes that it claims to have.
        len: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// They do not decompress to what they claim.
    Decompress {
        /// What they claim to be compressed with.
        compression: Compression,
    },
    /// The codec could not decode them.
    Decode(CodecError),
}

impl OpenError {
    /// The cause as a label, as in [`CodecStats::undecodable`](super::CodecStats::undecodable).
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            OpenError::Malformed { .. } => "malformed",
            OpenError::Version { .. } => "version",
            OpenError::Checksum => "checksum",
            OpenError::Unavailable { .. } => "unavailable",
            OpenError::NotEncrypted => "not_encrypted",
            OpenError::UnknownKey { .. } => "unknown_key",
            OpenError::Unauthentic => "unauthentic",
            OpenError::Codec { .. } => "codec",
            OpenError::TooLarge { .. } => "too_large",
            OpenError::Decompress { .. } => "decompress",
            OpenError::Decode(_) => "decode",
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Malformed { what } => write!(f, "it is no sealed value: {what}"),
            OpenError::Version { found, newest } => {
                write!(f, "it is of version {found} and the newest known is {newest}: update")
            }
            OpenError::Checksum => f.write_str("its checksum does not fit: it was changed"),
            OpenError::Unavailable { feature } => {
                write!(f, "it needs the feature `{feature}` of perf-cache: turn it on")
            }
            OpenError::NotEncrypted => {
                f.write_str("it is not encrypted: allow that by `accept_unencrypted`")
            }
            OpenError::UnknownKey { id } => {
                write!(f, "it is sealed with key {id}, which is not in the key ring: add it")
            }
            OpenError::Unauthentic => {
                f.write_str("it was changed, or sealed with another key or for another place")
            }
            OpenError::Codec { found, expected } => {
                write!(f, "it was made by codec {found} and not by {expected}")
            }
            OpenError::TooLarge { len, max } => {
                write!(f, "it claims {len} bytes of at most {max}: raise `max_value`")
            }
            OpenError::Decompress { compression } => {
                write!(f, "it does not decompress by {compression} to what it claims")
            }
            OpenError::Decode(_) => f.write_str("it cannot be decoded"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OpenError::Decode(source) => Some(source),
            _ => None,
        }
    }
}
