//! DEFLATE in a gzip frame (RFC 1951, RFC 1952).

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::Write;

pub(super) fn compress(level: i32, raw: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let mut encoder = GzEncoder::new(into, Compression::new(u32::try_from(level).ok()?));
    encoder.write_all(raw).ok()?;
    encoder.finish().ok().map(drop)
}

pub(super) fn decompress(packed: &[u8], raw_len: usize, into: &mut Vec<u8>) -> Option<()> {
    super::read_all(GzDecoder::new(packed), raw_len, into)
}
