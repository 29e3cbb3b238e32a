//! Lz4 blocks, without a frame: length and checksum stand in the header.

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

/// Hash tables of 8 KiB for values below 64 KiB and of 16 KiB for others, made when first needed.
#[derive(Default)]
pub(super) struct Tables {
    small: Option<CompressTable>,
    large: Option<CompressTable>,
}

impl Tables {
    pub(super) fn compress(&mut self, raw: &[u8], into: &mut Vec<u8>) -> Option<()> {
        let table = if raw.len() < usize::from(u16::MAX) {
            self.small.get_or_insert_with(CompressTable::small)
        } else {
            self.large.get_or_insert_with(CompressTable::large)
        };
        let begin = into.len();
        into.resize(begin + get_maximum_output_size(raw.len()), 0);
        let written = compress_into_with_table(raw, &mut into[begin..], table).ok()?;
        into.truncate(begin + written);
        Some(())
    }
}

pub(super) fn decompress(packed: &[u8], raw_len: usize, into: &mut Vec<u8>) -> Option<()> {
    into.resize(raw_len, 0);
    let written = decompress_into(packed, into).ok()?;
    into.truncate(written);
    Some(())
}
