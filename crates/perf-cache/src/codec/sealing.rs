//! From encoded bytes to sealed ones and back, whatever the value.

use super::compression::{SAMPLE_AT_MOST, sample_of};
use super::header::{CHECKSUM, CIPHER_TAG, Header, MAX_TAGS, Meta, put_header};
use super::methods::Workspace;
use super::{CodecId, Compression, OpenError, SealError};
use std::sync::atomic::{AtomicI32, Ordering};

/// Where a value belongs: with a cipher it opens nowhere else.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "crypto"), expect(dead_code, reason = "only a cipher binds a value"))]
pub(super) struct Place<'a> {
    pub(super) key: &'a [u8],
    pub(super) namespace: &'a str,
}

/// How hard to compress, if that was said.
#[derive(Debug)]
pub(super) struct Level(AtomicI32);

impl Level {
    pub(super) const fn new(level: Option<i32>) -> Level {
        Level(AtomicI32::new(match level {
            Some(level) => level,
            None => UNSAID,
        }))
    }

    pub(super) fn get(&self) -> Option<i32> {
        // Relaxed: each value is compressed by one level or another.
        Some(self.0.load(Ordering::Relaxed)).filter(|level| *level != UNSAID)
    }

    pub(super) fn set(&self, level: Option<i32>) {
        self.0.store(level.unwrap_or(UNSAID), Ordering::Relaxed);
    }
}

/// No compression has such a level.
const UNSAID: i32 = i32::MIN;

/// What a pipeline does beside encoding.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) compression: Compression,
    pub(super) level: Level,
    pub(super) max_value: u64,
    #[cfg(feature = "crypto")]
    pub(super) keys: Option<super::KeyRing>,
    #[cfg(feature = "crypto")]
    pub(super) accept_unencrypted: bool,
}

impl Core {
    pub(super) const fn new(compression: Compression) -> Core {
        Core {
            compression,
            level: Level::new(None),
            max_value: 64 << 20,
            #[cfg(feature = "crypto")]
            keys: None,
            #[cfg(feature = "crypto")]
            accept_unencrypted: false,
        }
    }

    /// Appends `raw` sealed; answers what it was compressed with. Appends nothing on an error.
    pub(super) fn seal(
        &self,
        out: &mut Vec<u8>,
        place: Place<'_>,
        codec: CodecId,
        raw: &[u8],
        (meta, compress): (&Meta, Option<bool>),
        room: &mut Room<'_>,
    ) -> Result<Compression, SealError> {
        if raw.len() as u64 > self.max_value {
            return Err(SealError::TooLarge { len: raw.len() as u64, max: self.max_value });
        }
        if meta.tags.len() > MAX_TAGS {
            return Err(SealError::TooManyTags { count: meta.tags.len(), max: MAX_TAGS });
        }
        let start = out.len();
        let sealed = self.seal_checked(out, place, codec, raw, (meta, compress), room);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    fn seal_checked(
        &self,
        out: &mut Vec<u8>,
        place: Place<'_>,
        codec: CodecId,
        raw: &[u8],
        (meta, compress): (&Meta, Option<bool>),
        room: &mut Room<'_>,
    ) -> Result<Compression, SealError> {
        let start = out.len();
        #[cfg(feature = "crypto")]
        let sealing = self.keys.as_ref().map(super::KeyRing::sealing).transpose()?;
        #[cfg(feature = "crypto")]
        let cipher = sealing.as_ref().map(super::keys::Sealing::stated);
        #[cfg(not(feature = "crypto"))]
        let cipher = None;

        let mut begin = start;
        let mut compression = Compression::None;
        if let Some(plan) = self.compression.plan(compress, raw) {
            let (_, _, usual) = plan.method.levels().unwrap_or_default();
            let level = self.level.get().unwrap_or(usual);
            put_header(out, codec, plan.method, raw.len(), cipher, meta);
            begin = out.len();
            if (!plan.sample || room.sample_gains(plan.method, level, raw))
                && room.methods.compress(plan.method, level, raw, out).is_some()
                && out.len() - begin <= plan.at_most
            {
                compression = plan.method;
            }
        }
        if compression == Compression::None {
            out.truncate(start);
            put_header(out, codec, Compression::None, raw.len(), cipher, meta);
            begin = out.len();
            out.reserve(raw.len() + CIPHER_TAG);
            out.extend_from_slice(raw);
        }

        #[cfg(feature = "crypto")]
        if let Some(sealing) = sealing {
            super::keys::bind(room.bound, &out[start..begin], place.namespace, place.key);
            sealing.seal(room.bound, out, begin)?;
            return Ok(compression);
        }
        let _ = (place, begin);
        let checksum = crc32c::crc32c(&out[start..]);
        out.extend_from_slice(&checksum.to_le_bytes());
        Ok(compression)
    }

    /// Looks at everything but the value itself, and hands its encoded bytes to `decode`.
    pub(super) fn open<R>(
        &self,
        place: Place<'_>,
        codec: CodecId,
        sealed: &[u8],
        scratch: &mut super::scratch::Scratch,
        decode: impl FnOnce(&[u8], &Header<'_>) -> Result<R, OpenError>,
    ) -> Result<R, OpenError> {
        let header = Header::peek(sealed)?;
        let payload = match header.cipher {
            None => self.checked(&header, sealed)?,
            #[cfg(not(feature = "crypto"))]
            Some(_) => {
                let _ = place;
                return Err(OpenError::Unavailable { feature: "crypto" });
            }
            #[cfg(feature = "crypto")]
            Some(key) => {
                let (cipher, id) = key;
                let keys = self.keys.as_ref().ok_or(OpenError::UnknownKey { id })?;
                let (stated, payload) = sealed.split_at(header.begin);
                super::keys::bind(&mut scratch.bound, stated, place.namespace, place.key);
                scratch.plain.clear();
                scratch.plain.extend_from_slice(payload);
                keys.open((cipher, id), header.nonce, &scratch.bound, &mut scratch.plain)?;
                &scratch.plain[..]
            }
        };
        if header.codec != codec {
            return Err(OpenError::Codec { found: header.codec, expected: codec });
        }
        if header.raw_len > self.max_value {
            return Err(OpenError::TooLarge { len: header.raw_len, max: self.max_value });
        }
        let raw = match header.compression {
            Compression::None => payload,
            method => {
                let raw_len = usize::try_from(header.raw_len)
                    .map_err(|_| OpenError::Decompress { compression: method })?;
                scratch.methods.decompress(method, payload, raw_len, &mut scratch.raw)?;
                &scratch.raw[..]
            }
        };
        decode(raw, &header)
    }

    /// The payload of what has a checksum, if it fits and that is enough.
    fn checked<'s>(&self, header: &Header<'_>, sealed: &'s [u8]) -> Result<&'s [u8], OpenError> {
        #[cfg(feature = "crypto")]
        if self.keys.is_some() && !self.accept_unencrypted {
            return Err(OpenError::NotEncrypted);
        }
        let (front, checksum) = sealed.split_at(sealed.len() - CHECKSUM);
        if crc32c::crc32c(front).to_le_bytes() != *checksum {
            return Err(OpenError::Checksum);
        }
        Ok(&front[header.begin..])
    }
}

/// What sealing works in.
pub(super) struct Room<'a> {
    pub(super) methods: &'a mut Workspace,
    pub(super) sample: &'a mut Vec<u8>,
    pub(super) packed: &'a mut Vec<u8>,
    #[cfg(feature = "crypto")]
    pub(super) bound: &'a mut Vec<u8>,
}

impl Room<'_> {
    fn sample_gains(&mut self, method: Compression, level: i32, raw: &[u8]) -> bool {
        sample_of(raw, self.sample);
        self.packed.clear();
        self.methods.compress(method, level, self.sample, self.packed).is_some()
            && self.packed.len() <= SAMPLE_AT_MOST
    }
}
