//! A codec, a compression and a cipher, one after the other.

use super::header::Header;
use super::scratch::with_scratch;
use super::sealing::{Core, Level, Place};
use super::stats::Tally;
use super::{Codec, CodecStats, Compression, Meta, OpenError, RawBytes, SealError};
use perf_core::{ByteSize, ConfigError};
use std::sync::Arc;

/// Seals values into bytes and opens them: encodes, compresses, encrypts, and back.
///
/// Sealed bytes carry all it takes to know them again, so settings can be changed while old bytes
/// are still about. Each thread that uses pipelines keeps up to some MiB of room for them.
#[derive(Debug)]
pub struct Pipeline<V> {
    codec: Arc<dyn Codec<V>>,
    core: Core,
    tally: Tally,
}

impl<V> Pipeline<V> {
    /// [`Compression::Auto`] and no cipher.
    #[must_use]
    pub fn new(codec: impl Codec<V> + 'static) -> Pipeline<V> {
        Pipeline {
            codec: Arc::new(codec),
            core: Core::new(Compression::Auto),
            tally: Tally::default(),
        }
    }

    /// A builder that begins with what [`new`](Pipeline::new) has.
    pub fn builder(codec: impl Codec<V> + 'static) -> PipelineBuilder<V> {
        PipelineBuilder { codec: Arc::new(codec), core: Core::new(Compression::Auto) }
    }

    /// The value as bytes. `compress` says whether to compress it, see [`Compression`].
    ///
    /// With a cipher it can be opened only with the same key and namespace.
    ///
    /// # Errors
    ///
    /// If the codec refuses it, or it is too long, has too many tags, or there is no more to be had
    /// from the cipher. Each is counted.
    pub fn seal(
        &self,
        key: &[u8],
        namespace: &str,
        value: &V,
        meta: &Meta,
        compress: Option<bool>,
    ) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::new();
        self.seal_into(&mut out, key, namespace, value, meta, compress)?;
        Ok(out)
    }

    /// Like [`seal`](Pipeline::seal), but appends to `out`, which saves an allocation if it has
    /// room. Appends nothing on an error.
    ///
    /// # Errors
    ///
    /// As [`seal`](Pipeline::seal).
    pub fn seal_into(
        &self,
        out: &mut Vec<u8>,
        key: &[u8],
        namespace: &str,
        value: &V,
        meta: &Meta,
        compress: Option<bool>,
    ) -> Result<Sealed, SealError> {
        let start = out.len();
        let sealed = with_scratch(|scratch| {
            let (encoded, mut room) = scratch.split();
            let raw = match self.codec.as_encoded(value) {
                Some(raw) => raw,
                None => {
                    self.codec.encode(value, encoded).map_err(SealError::Encode)?;
                    &encoded[..]
                }
            };
            let place = Place { key, namespace };
            let id = self.codec.id();
            let compression = self.core.seal(out, place, id, raw, (meta, compress), &mut room)?;
            Ok(Sealed { raw_len: raw.len(), len: out.len() - start, compression })
        });
        match &sealed {
            Ok(Sealed { raw_len, len, compression }) => {
                self.tally.sealed(*compression, *raw_len, *len);
            }
            Err(error) => self.tally.refused(error),
        }
        sealed
    }

    /// The value that was sealed for this key and namespace, and what was stored with it.
    ///
    /// Whether it has expired, or a tag of it was invalidated, is for the caller to see.
    ///
    /// # Errors
    ///
    /// If there is no value to be had from the bytes, for whatever reason: to a cache that is a
    /// miss. Counted by cause.
    pub fn open(&self, key: &[u8], namespace: &str, sealed: &[u8]) -> Result<(V, Meta), OpenError> {
        self.open_with(key, namespace, sealed, |value, header| (value, header.meta()))
    }

    /// The same as `make` makes it of the value and the header.
    pub(crate) fn open_with<R>(
        &self,
        key: &[u8],
        namespace: &str,
        sealed: &[u8],
        make: impl FnOnce(V, &Header<'_>) -> R,
    ) -> Result<R, OpenError> {
        let place = Place { key, namespace };
        let opened = with_scratch(|scratch| {
            self.core.open(place, self.codec.id(), sealed, scratch, |raw, header| {
                Ok(make(self.codec.decode(raw).map_err(OpenError::Decode)?, header))
            })
        });
        match &opened {
            Ok(_) => self.tally.opened(),
            Err(error) => self.tally.undecodable(error),
        }
        opened
    }

    /// What was counted since the pipeline was built. O(threads).
    #[must_use]
    pub fn stats(&self) -> CodecStats {
        self.tally.stats()
    }

    /// How hard it tries from now on; `None` is what the compression is used with if nothing is said.
    ///
    /// # Errors
    ///
    /// If the compression has no such level.
    pub fn set_level(&self, level: Option<i32>) -> Result<(), ConfigError> {
        if let Some(level) = level {
            check_level(self.core.compression, level)?;
        }
        self.core.level.set(level);
        Ok(())
    }

    /// How hard it tries; `None` where there are no levels.
    #[must_use]
    pub fn level(&self) -> Option<i32> {
        let (_, _, usual) = self.core.compression.levels()?;
        Some(self.core.level.get().unwrap_or(usual))
    }

    /// What values are compressed with.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.core.compression
    }
}

fn check_level(compression: Compression, level: i32) -> Result<(), ConfigError> {
    match compression.levels() {
        None => {
            let remedy = format!("{compression} has no levels");
            Err(ConfigError::new("level", level, remedy))
        }
        Some((least, most, _)) if !(least..=most).contains(&level) => {
            let remedy = format!("{compression} has {least} to {most}");
            Err(ConfigError::new("level", level, remedy))
        }
        Some(_) => Ok(()),
    }
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// Bytes of the encoded value.
    pub raw_len: usize,
    /// Bytes of the sealed value.
    pub len: usize,
    /// What it was compressed with, if at all.
    pub compression: Compression,
}

/// Builds a [`Pipeline`].
#[derive(Debug)]
#[must_use]
pub struct PipelineBuilder<V> {
    codec: Arc<dyn Codec<V>>,
    core: Core,
}

impl<V> PipelineBuilder<V> {
    /// What values are compressed with. Default: [`Compression::Auto`].
    pub fn compression(mut self, compression: Compression) -> PipelineBuilder<V> {
        self.core.compression = compression;
        self
    }

    /// How hard to try: 1 to 9 for gzip, default 6; 0 to 11 for brotli, default 4; 1 to 22 for zstd,
    /// default 3. The others have no levels.
    pub fn level(mut self, level: i32) -> PipelineBuilder<V> {
        self.core.level = Level::new(Some(level));
        self
    }

    /// The longest value, encoded and not compressed, that is sealed and opened. What claims to be
    /// longer is not decompressed. Default: 64 MiB.
    pub fn max_value(mut self, size: ByteSize) -> PipelineBuilder<V> {
        self.core.max_value = size.as_u64();
        self
    }

    /// Encrypts values with the current key of this ring, and opens none that are not encrypted.
    #[cfg(feature = "crypto")]
    pub fn keys(mut self, keys: super::KeyRing) -> PipelineBuilder<V> {
        self.core.keys = Some(keys);
        self
    }

    /// Whether values are opened that are not encrypted although there are keys: for as long as
    /// there are old ones. Whoever can write to the store can make such values. Default: no.
    #[cfg(feature = "crypto")]
    pub fn accept_unencrypted(mut self, accept: bool) -> PipelineBuilder<V> {
        self.core.accept_unencrypted = accept;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// If the compression was not built in, or has no such level.
    pub fn build(self) -> Result<Pipeline<V>, ConfigError> {
        let compression = self.core.compression;
        if !compression.is_available() {
            let remedy = format!("turn on the feature `{compression}` of perf-cache");
            return Err(ConfigError::new("compression", compression, remedy));
        }
        if let Some(level) = self.core.level.get() {
            check_level(compression, level)?;
        }
        Ok(Pipeline { codec: self.codec, core: self.core, tally: Tally::default() })
    }
}

/// Bytes, compressed and with a checksum, for use outside of a cache. If `compression` was not built
/// in, or does not make them smaller, they stay as they are.
///
/// # Errors
///
/// [`SealError::TooLarge`] above 64 MiB.
pub fn compress_value(value: &[u8], compression: Compression) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::new();
    let flag = (compression != Compression::None).then_some(true);
    with_scratch(|scratch| {
        let (_, mut room) = scratch.split();
        let meta = (&Meta::new(0), flag);
        Core::new(compression).seal(&mut out, NOWHERE, RawBytes::ID, value, meta, &mut room)
    })?;
    Ok(out)
}

/// The bytes that [`compress_value`] was given.
///
/// # Errors
///
/// If they are not of it, were changed, or have more than 64 MiB.
pub fn decompress_value(compressed: &[u8]) -> Result<Vec<u8>, OpenError> {
    with_scratch(|scratch| {
        let core = Core::new(Compression::None);
        core.open(NOWHERE, RawBytes::ID, compressed, scratch, |raw, _| Ok(raw.to_vec()))
    })
}

/// How many times smaller bytes became: 2 where half is left. `None` if nothing is left, or nothing
/// was there.
#[must_use]
pub fn compression_ratio(raw: u64, stored: u64) -> Option<f64> {
    (raw > 0 && stored > 0).then(|| raw as f64 / stored as f64)
}

const NOWHERE: Place<'static> = Place { key: &[], namespace: "" };
