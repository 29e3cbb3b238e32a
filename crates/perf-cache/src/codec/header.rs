//! What stands before the bytes of a value, readable without decoding it.
//!
//! Its format is told in the documentation of [`codec`](super).

use super::wire::{Reader, put_varint, unzigzag, zigzag};
use super::{CodecId, Compression, OpenError};
use std::fmt;

/// Tags that a header holds.
pub(super) const MAX_TAGS: usize = 1_024;
/// The version that is written, and the newest that is read.
pub(super) const VERSION: u8 = 1;
/// Bytes of the checksum at the end.
pub(super) const CHECKSUM: usize = 4;
/// Bytes of the tag of either cipher.
pub(super) const CIPHER_TAG: usize = 16;

const MAGIC: u8 = 0xCA;
const EXPIRES: u8 = 1 << 5;
const HAS_TAGS: u8 = 1 << 6;
const UNUSED: u8 = 1 << 7;

/// What is stored with a value beside its bytes. All times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// When the value was written.
    pub written_at: u64,
    /// When it expires; [`NEVER`](Meta::NEVER) if it does not.
    pub expires_at: u64,
    /// Its tags as they were when it was read: a tag of a higher generation has been invalidated
    /// since.
    pub tags: Vec<TagGeneration>,
}

impl Meta {
    /// When that expires which does not.
    pub const NEVER: u64 = u64::MAX;

    /// Written then, without end and without tags.
    #[must_use]
    pub const fn new(written_at: u64) -> Meta {
        Meta { written_at, expires_at: Meta::NEVER, tags: Vec::new() }
    }

    /// The same, and it expires then.
    #[must_use]
    pub fn expires_at(self, expires_at: u64) -> Meta {
        Meta { expires_at, ..self }
    }

    /// The same with these tags.
    #[must_use]
    pub fn tags(self, tags: impl IntoIterator<Item = TagGeneration>) -> Meta {
        Meta { tags: tags.into_iter().collect(), ..self }
    }
}

/// A tag, and how often it had been invalidated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagGeneration {
    /// A hash of the tag's name that is the same in every process.
    pub tag: u64,
    /// Its generation.
    pub generation: u64,
}

/// How a value is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cipher {
    /// AES-256-GCM with random nonces of 96 bits: the fastest where the processor has AES. A key is
    /// good for 2^32 values.
    Aes256Gcm,
    /// XChaCha20-Poly1305 with random nonces of 192 bits: fast on every processor, and a key is good
    /// for more values than can be written.
    XChaCha20Poly1305,
}

impl Cipher {
    pub(super) const fn nonce_len(self) -> usize {
        match self {
            Cipher::Aes256Gcm => 12,
            Cipher::XChaCha20Poly1305 => 24,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Cipher::Aes256Gcm => 1,
            Cipher::XChaCha20Poly1305 => 2,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cipher::Aes256Gcm => "aes-256-gcm",
            Cipher::XChaCha20Poly1305 => "xchacha20-poly1305",
        })
    }
}

/// The header of a sealed value, read without its codec and without a key.
///
/// Only what [`Pipeline::open`](super::Pipeline::open) answers has been compared with the checksum
/// or the cipher's tag; this has not.
///
/// ```
/// use perf_cache::codec::{Header, Meta, Pipeline, RawBytes};
///
/// let meta = Meta::new(1_000).expires_at(61_000);
/// let sealed = Pipeline::new(RawBytes).seal(b"k", "pages", &"hello".to_owned(), &meta, None)?;
/// let header = Header::peek(&sealed)?;
/// assert_eq!((header.version, header.expires_at), (1, 61_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Header<'a> {
    /// The version of the format.
    pub version: u8,
    /// What encoded the value.
    pub codec: CodecId,
    /// What it is compressed with, [`None`](Compression::None) or a method.
    pub compression: Compression,
    /// What it is encrypted with, and the number of the key.
    pub cipher: Option<(Cipher, u32)>,
    /// When it was written, Unix milliseconds.
    pub written_at: u64,
    /// When it expires, Unix milliseconds; [`Meta::NEVER`] if it does not.
    pub expires_at: u64,
    /// How many bytes the value has, encoded and not compressed.
    pub raw_len: u64,
    /// How many bytes of the sealed value are the value's.
    pub payload_len: u64,
    /// Tags, as they are stored.
    tags: &'a [u8],
    tag_count: usize,
    #[cfg(feature = "crypto")]
    pub(super) nonce: &'a [u8],
    /// Where the value begins.
    pub(super) begin: usize,
}

impl<'a> Header<'a> {
    /// Reads the header and looks that the rest is long enough. O(tags).
    ///
    /// # Errors
    ///
    /// [`OpenError::Malformed`] and [`OpenError::Version`].
    pub fn peek(sealed: &'a [u8]) -> Result<Header<'a>, OpenError> {
        let mut reader = Reader(sealed);
        if reader.byte()? != MAGIC {
            return Err(OpenError::Malformed { what: "it does not begin as one" });
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(OpenError::Version { found: version, newest: VERSION });
        }
        let flags = reader.byte()?;
        if flags & UNUSED != 0 {
            return Err(OpenError::Malformed { what: "a flag is set that has no meaning" });
        }
        let compression = Compression::from_code(flags & 7)
            .ok_or(OpenError::Malformed { what: "its compression is unknown" })?;
        let cipher = match flags >> 3 & 3 {
            0 => None,
            1 => Some(Cipher::Aes256Gcm),
            2 => Some(Cipher::XChaCha20Poly1305),
            _ => return Err(OpenError::Malformed { what: "its cipher is unknown" }),
        };
        let codec = CodecId { format: reader.varint_u32()?, schema: reader.varint_u32()? };
        let written_at = reader.varint()?;
        let expires_at = match flags & EXPIRES {
            0 => Meta::NEVER,
            _ => written_at.wrapping_add_signed(unzigzag(reader.varint()?)),
        };
        let tag_count = if flags & HAS_TAGS == 0 { 0 } else { reader.varint()? };
        let tag_count = usize::try_from(tag_count)
            .ok()
            .filter(|count| *count <= MAX_TAGS)
            .ok_or(OpenError::Malformed { what: "it has too many tags" })?;
        let tags = reader.0;
        for _ in 0..tag_count {
            reader.u64_le()?;
            reader.varint()?;
        }
        let raw_len = match compression {
            Compression::None => None,
            _ => Some(reader.varint()?),
        };
        let (cipher, _nonce) = match cipher {
            None => (None, &[][..]),
            Some(cipher) => {
                (Some((cipher, reader.varint_u32()?)), reader.take(cipher.nonce_len())?)
            }
        };
        let begin = sealed.len() - reader.0.len();
        let trailer = if cipher.is_some() { CIPHER_TAG } else { CHECKSUM };
        let payload_len = reader
            .0
            .len()
            .checked_sub(trailer)
            .ok_or(OpenError::Malformed { what: "it is cut short" })?
            as u64;
        Ok(Header {
            version,
            codec,
            compression,
            cipher,
            written_at,
            expires_at,
            raw_len: raw_len.unwrap_or(payload_len),
            payload_len,
            tags,
            tag_count,
            #[cfg(feature = "crypto")]
            nonce: _nonce,
            begin,
        })
    }

    /// The tags and their generations.
    pub fn tags(&self) -> impl Iterator<Item = TagGeneration> + use<'a> {
        let mut reader = Reader(self.tags);
        (0..self.tag_count).map_while(move |_| {
            Some(TagGeneration { tag: reader.u64_le().ok()?, generation: reader.varint().ok()? })
        })
    }

    /// The times and tags.
    pub(super) fn meta(&self) -> Meta {
        let mut tags = Vec::with_capacity(self.tag_count);
        tags.extend(self.tags());
        Meta { written_at: self.written_at, expires_at: self.expires_at, tags }
    }
}

/// Appends a header. `raw_len` is written if there is a compression.
pub(super) fn put_header(
    into: &mut Vec<u8>,
    codec: CodecId,
    compression: Compression,
    raw_len: usize,
    cipher: Option<(Cipher, u32, &[u8])>,
    meta: &Meta,
) {
    let mut flags = compression.code();
    if let Some((cipher, ..)) = cipher {
        flags |= cipher.code() << 3;
    }
    if meta.expires_at != Meta::NEVER {
        flags |= EXPIRES;
    }
    if !meta.tags.is_empty() {
        flags |= HAS_TAGS;
    }
    into.extend_from_slice(&[MAGIC, VERSION, flags]);
    put_varint(into, u64::from(codec.format));
    put_varint(into, u64::from(codec.schema));
    put_varint(into, meta.written_at);
    if meta.expires_at != Meta::NEVER {
        put_varint(into, zigzag(meta.expires_at.wrapping_sub(meta.written_at) as i64));
    }
    if !meta.tags.is_empty() {
        put_varint(into, meta.tags.len() as u64);
        for TagGeneration { tag, generation } in &meta.tags {
            into.extend_from_slice(&tag.to_le_bytes());
            put_varint(into, *generation);
        }
    }
    if compression != Compression::None {
        put_varint(into, raw_len as u64);
    }
    if let Some((_, key, nonce)) = cipher {
        put_varint(into, u64::from(key));
        into.extend_from_slice(nonce);
    }
}
