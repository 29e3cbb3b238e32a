//! Brotli (RFC 7932).

use brotli::enc::BrotliEncoderParams;
use brotli::{BrotliCompress, Decompressor};

pub(super) fn compress(level: i32, raw: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let bits = usize::BITS - raw.len().leading_zeros();
    let params = BrotliEncoderParams {
        quality: level,
        // A window larger than the value costs memory and gains nothing.
        lgwin: i32::try_from(bits).unwrap_or(22).clamp(16, 22),
        size_hint: raw.len(),
        ..Default::default()
    };
    BrotliCompress(&mut &*raw, into, &params).ok().map(drop)
}

pub(super) fn decompress(packed: &[u8], raw_len: usize, into: &mut Vec<u8>) -> Option<()> {
    super::read_all(Decompressor::new(packed, packed.len().clamp(64, 4_096)), raw_len, into)
}
