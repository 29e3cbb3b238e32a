//! Compressed input, known by its first bytes.

use std::io::{self, BufReader, Cursor, Read};

/// What the input holds once gzip, xz or Zstandard are taken off.
pub(super) fn plain<'a>(mut input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = Vec::with_capacity(LONGEST);
    input.by_ref().take(LONGEST as u64).read_to_end(&mut head)?;
    let kind = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| kind);
    let whole = Cursor::new(head).chain(input);
    Ok(match kind {
        None => Box::new(whole),
        Some(Kind::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        Some(Kind::Xz) => Box::new(lzma_rust2::XzReader::new(BufReader::new(whole), true)),
        Some(Kind::Zstd) => Box::new(zstd::Decoder::new(whole)?),
    })
}

enum Kind {
    Gzip,
    Xz,
    Zstd,
}

/// No key of a binary trace is likely to look like one of these.
const MAGIC: [(&[u8], Kind); 3] = [
    (&[0x1f, 0x8b, 0x08], Kind::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Kind::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Zstd),
];
const LONGEST: usize = 6;
