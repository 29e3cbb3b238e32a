//! The compression methods, each behind its feature.

#[cfg(feature = "brotli")]
mod brotli;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "zstd")]
mod zstd;

use super::{Compression, OpenError};

/// What the methods keep from one value to the next.
#[derive(Default)]
pub(super) struct Workspace {
    #[cfg(feature = "lz4")]
    lz4: lz4::Tables,
    #[cfg(feature = "zstd")]
    zstd: zstd::Contexts,
}

impl Workspace {
    /// Appends `raw` compressed, if it is built in and nothing went wrong.
    pub(super) fn compress(
        &mut self,
        method: Compression,
        level: i32,
        raw: &[u8],
        into: &mut Vec<u8>,
    ) -> Option<()> {
        match method {
            #[cfg(feature = "gzip")]
            Compression::Gzip => gzip::compress(level, raw, into),
            #[cfg(feature = "brotli")]
            Compression::Brotli => brotli::compress(level, raw, into),
            #[cfg(feature = "zstd")]
            Compression::Zstd => self.zstd.compress(level, raw, into),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => self.lz4.compress(raw, into),
            _ => {
                let _ = (level, raw, into);
                None
            }
        }
    }

    /// Fills `into` with the `raw_len` bytes that `packed` was made of, never with more.
    pub(super) fn decompress(
        &mut self,
        method: Compression,
        packed: &[u8],
        raw_len: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        if !method.is_available() {
            return Err(OpenError::Unavailable { feature: method.name() });
        }
        into.clear();
        let done: Option<()> = match method {
            #[cfg(feature = "gzip")]
            Compression::Gzip => gzip::decompress(packed, raw_len, into),
            #[cfg(feature = "brotli")]
            Compression::Brotli => brotli::decompress(packed, raw_len, into),
            #[cfg(feature = "zstd")]
            Compression::Zstd => self.zstd.decompress(packed, raw_len, into),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => lz4::decompress(packed, raw_len, into),
            _ => {
                let _ = (packed, raw_len);
                None
            }
        };
        match done {
            Some(()) if into.len() == raw_len => Ok(()),
            _ => Err(OpenError::Decompress { compression: method }),
        }
    }
}

/// All that a reader gives, up to one byte more than `raw_len`, so that who claims too little is
/// found out.
#[cfg(any(feature = "gzip", feature = "brotli"))]
fn read_all(from: impl std::io::Read, raw_len: usize, into: &mut Vec<u8>) -> Option<()> {
    use std::io::Read;
    into.reserve_exact(raw_len);
    from.take(raw_len as u64 + 1).read_to_end(into).ok().map(drop)
}
