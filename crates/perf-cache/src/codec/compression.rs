//! Whether a value is compressed, and how.

use std::fmt;

/// What values are compressed with.
///
/// It says *how*; *whether* is up to the flag that goes with each value:
///
/// | flag | the value is compressed |
/// |---|---|
/// | `None` | if it has 1 KiB or more, is not of a kind that is compressed already (pictures, films, archives), and becomes at least a tenth smaller; of values above 16 KiB a sample has to become so first |
/// | `Some(true)` | whatever its size, if it becomes any smaller |
/// | `Some(false)` | never |
///
/// All of them can be read by every pipeline, whatever it writes, that has the feature built in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Zstd for texts of 16 KiB or more, which it makes 40 % smaller than lz4 does, in two to three
    /// times the time; lz4 for the rest. Where one of them is not built in, the fastest that
    /// is: lz4, zstd, gzip, brotli. None without any.
    #[default]
    Auto,
    /// Values stay as they are.
    None,
    /// DEFLATE in a gzip frame: everyone reads it. Feature `gzip`.
    Gzip,
    /// The smallest, and slow to write. Feature `brotli`.
    Brotli,
    /// Nearly as small, and fast to read. Feature `zstd`.
    Zstd,
    /// As fast as copying, or nearly so. Feature `lz4`.
    Lz4,
}

/// Shorter values stay as they are.
const SHORTEST: usize = 1 << 10;
/// Longer values are tried with a sample first.
const SAMPLED: usize = 16 << 10;
/// How many pieces a sample has, and how long each is.
const PIECES: usize = 4;
const PIECE: usize = 1 << 10;

/// What is to be done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) method: Compression,
    /// More than this is no gain. Bytes.
    pub(super) at_most: usize,
    /// Whether a sample has to gain first.
    pub(super) sample: bool,
}

impl Compression {
    /// All that can be set.
    pub const ALL: [Compression; 6] = [
        Compression::Auto,
        Compression::None,
        Compression::Gzip,
        Compression::Brotli,
        Compression::Zstd,
        Compression::Lz4,
    ];

    /// Lower-case, as in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Compression::Auto => "auto",
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Brotli => "brotli",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
        }
    }

    /// Whether it was built in, so that values can be compressed and decompressed with it.
    #[must_use]
    pub const fn is_available(self) -> bool {
        match self {
            Compression::Auto | Compression::None => true,
            Compression::Gzip => cfg!(feature = "gzip"),
            Compression::Brotli => cfg!(feature = "brotli"),
            Compression::Zstd => cfg!(feature = "zstd"),
            Compression::Lz4 => cfg!(feature = "lz4"),
        }
    }

    /// The levels it has, and the one it is used with if none is set.
    pub(crate) const fn levels(self) -> Option<(i32, i32, i32)> {
        match self {
            Compression::Gzip => Some((1, 9, 6)),
            Compression::Brotli => Some((0, 11, 4)),
            Compression::Zstd => Some((1, 22, 3)),
            Compression::Auto | Compression::None | Compression::Lz4 => None,
        }
    }

    /// As in a header. `Auto` is resolved before one is written.
    pub(super) const fn code(self) -> u8 {
        match self {
            Compression::Auto | Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Brotli => 2,
            Compression::Zstd => 3,
            Compression::Lz4 => 4,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<Compression> {
        match code {
            0 => Some(Compression::None),
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Brotli),
            3 => Some(Compression::Zstd),
            4 => Some(Compression::Lz4),
            _ => None,
        }
    }

    /// What to do with a value, `None` to leave it as it is.
    pub(super) fn plan(self, flag: Option<bool>, raw: &[u8]) -> Option<Plan> {
        let method = match self {
            Compression::None if flag != Some(true) => return None,
            Compression::Auto | Compression::None if is_long_text(raw) => Compression::Zstd,
            Compression::Auto | Compression::None => fastest()?,
            method => method,
        };
        match flag {
            Some(false) => None,
            Some(true) => {
                Some(Plan { method, at_most: raw.len().saturating_sub(1), sample: false })
            }
            None if raw.len() < SHORTEST || is_compressed(raw) => None,
            None => Some(Plan {
                method,
                at_most: raw.len() - raw.len() / 10,
                sample: raw.len() > SAMPLED,
            }),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether zstd is built in and worth its time.
fn is_long_text(raw: &[u8]) -> bool {
    // Bytes that are no text hold control characters soon, so a few of them tell.
    let is_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r');
    Compression::Zstd.is_available()
        && raw.len() >= SAMPLED
        && pieces_of(raw).all(|piece| piece.iter().all(is_text))
}

fn fastest() -> Option<Compression> {
    [Compression::Lz4, Compression::Zstd, Compression::Gzip, Compression::Brotli]
        .into_iter()
        .find(|method| method.is_available())
}

/// Pieces from the whole length of a value, none of a short one.
fn pieces_of(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let room = raw.len().checked_sub(PIECE);
    room.into_iter().flat_map(move |room| {
        (0..PIECES).map(move |piece| &raw[room * piece / (PIECES - 1)..][..PIECE])
    })
}

/// A sample of a value.
pub(super) fn sample_of(raw: &[u8], into: &mut Vec<u8>) {
    into.clear();
    pieces_of(raw).for_each(|piece| into.extend_from_slice(piece));
}

/// How many bytes a sample may have left to be worth going on.
pub(super) const SAMPLE_AT_MOST: usize = PIECES * PIECE - PIECES * PIECE / 10;

/// Whether the value begins like a file that is compressed already.
fn is_compressed(raw: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 16] = [
        b"\x1f\x8b",           // gzip
        b"\x28\xb5\x2f\xfd",   // zstd
        b"\x04\x22\x4d\x18",   // lz4
        b"\xfd7zXZ\x00",       // xz
        b"BZh",                // bzip2
        b"7z\xbc\xaf\x27\x1c", // 7-Zip
        b"PK\x03\x04",         // zip, and documents made of it
        b"Rar!\x1a\x07",       // rar
        b"\x89PNG\r\n\x1a\n",  // PNG
        b"\xff\xd8\xff",       // JPEG
        b"GIF8",               // GIF
        b"wOF2",               // WOFF2
        b"OggS",               // Ogg
        b"fLaC",               // FLAC
        b"ID3",                // MP3
        b"\x1a\x45\xdf\xa3",   // Matroska, WebM
    ];
    BEGINNINGS.iter().any(|beginning| raw.starts_with(beginning))
        || (raw.starts_with(b"RIFF") && raw.get(8..12) == Some(b"WEBP"))
        || matches!(raw.get(4..8), Some(b"ftyp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_says_whether_and_the_setting_how() {
        let raw = [0; 2_000];
        let method = |setting: Compression, flag| setting.plan(flag, &raw).map(|plan| plan.method);
        for setting in Compression::ALL {
            assert_eq!(method(setting, Some(false)), None);
        }
        assert_eq!(method(Compression::None, None), None);
        assert_eq!(method(Compression::None, Some(true)), fastest());
        assert_eq!(method(Compression::Auto, None), fastest());
        assert_eq!(method(Compression::Gzip, None), Some(Compression::Gzip));
    }

    #[test]
    fn the_short_and_the_compressed_stay_unless_asked() {
        assert_eq!(Compression::Gzip.plan(None, &[0; 1_023]), None);
        assert_eq!(Compression::Gzip.plan(None, &[0; 1_024]).unwrap().at_most, 922);
        assert_eq!(Compression::Gzip.plan(Some(true), &[0; 3]).unwrap().at_most, 2);
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.resize(4_096, 0);
        assert_eq!(Compression::Gzip.plan(None, &png), None);
        assert!(Compression::Gzip.plan(Some(true), &png).is_some());
        for beginning in [&b"RIFF....WEBPVP8 "[..], b"\0\0\0\x20ftypmp42", b"\x1f\x8b\x08"] {
            assert!(is_compressed(beginning));
        }
        for beginning in [&b"RIFF....WAVEfmt "[..], b"{\"a\": 1}", b"", b"\x1f"] {
            assert!(!is_compressed(beginning));
        }
    }

    #[test]
    fn long_texts_get_zstd_where_it_is_built_in() {
        let text = "für alle\n".repeat(2_000);
        let mut binary = text.clone().into_bytes();
        *binary.last_mut().unwrap() = 0;
        let chosen = |raw: &[u8]| Compression::Auto.plan(None, raw).map(|plan| plan.method);
        let zstd = Compression::Zstd;
        assert_eq!(chosen(text.as_bytes()), zstd.is_available().then_some(zstd).or(fastest()));
        assert_eq!(chosen(&binary), fastest());
        assert_eq!(chosen(&text.as_bytes()[..SAMPLED - 1]), fastest());
    }

    #[test]
    fn a_sample_is_of_the_whole_value() {
        let raw: Vec<u8> = (0..100_000_u32).map(|at| (at / 1_000) as u8).collect();
        let mut sample = Vec::new();
        sample_of(&raw, &mut sample);
        assert_eq!(sample.len(), PIECES * PIECE);
        assert_eq!((sample[0], sample[2_000], sample.last()), (0, 33, Some(&99)));
    }
}
