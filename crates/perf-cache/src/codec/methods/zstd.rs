//! Zstandard (RFC 8878).

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::compress_bound;

/// A context grows with the longest value and the highest level that it has seen; those beyond these
/// are not kept.
const KEPT_LENGTH: usize = 1 << 20;
const KEPT_LEVEL: i32 = 9;

/// Contexts are large and slow to make, so a thread keeps one of each.
#[derive(Default)]
pub(super) struct Contexts {
    writing: Option<(i32, Compressor<'static>)>,
    reading: Option<Decompressor<'static>>,
}

impl Contexts {
    pub(super) fn compress(&mut self, level: i32, raw: &[u8], into: &mut Vec<u8>) -> Option<()> {
        let compressor = match &mut self.writing {
            Some((of, compressor)) if *of == level => compressor,
            other => &mut other.insert((level, Compressor::new(level).ok()?)).1,
        };
        let begin = into.len();
        into.resize(begin + compress_bound(raw.len()), 0);
        let written = compressor.compress_to_buffer(raw, &mut into[begin..]);
        if raw.len() > KEPT_LENGTH || level > KEPT_LEVEL {
            self.writing = None;
        }
        into.truncate(begin + written.ok()?);
        Some(())
    }

    pub(super) fn decompress(
        &mut self,
        packed: &[u8],
        raw_len: usize,
        into: &mut Vec<u8>,
    ) -> Option<()> {
        let decompressor = match &mut self.reading {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().ok()?),
        };
        into.resize(raw_len, 0);
        let written = decompressor.decompress_to_buffer(packed, &mut into[..]).ok()?;
        into.truncate(written);
        Some(())
    }
}
