//! Making the coded bytes.

use super::Coding;
use bytes::Bytes;

/// How hard each coding tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    #[cfg_attr(not(feature = "br"), expect(dead_code, reason = "the feature is off"))]
    pub(crate) brotli: u8,
    #[cfg_attr(not(feature = "zstd"), expect(dead_code, reason = "the feature is off"))]
    pub(crate) zstd: u8,
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the feature is off"))]
    pub(crate) gzip: u8,
}

#[cfg_attr(
    not(any(feature = "br", feature = "zstd", feature = "gzip")),
    expect(unused_variables, reason = "there is no coding to make")
)]
/// The bytes in this coding, or `None` if that is not smaller.
pub(crate) fn encode(identity: &[u8], coding: Coding, levels: Levels) -> Option<Bytes> {
    let coded: Vec<u8> = match coding {
        #[cfg(feature = "br")]
        Coding::Br => brotli_of(identity, levels.brotli),
        #[cfg(feature = "zstd")]
        Coding::Zstd => zstd_of(identity, levels.zstd),
        #[cfg(feature = "gzip")]
        Coding::Gzip => gzip_of(identity, levels.gzip),
        #[cfg(not(all(feature = "br", feature = "zstd", feature = "gzip")))]
        _ => None,
    }?;
    (coded.len() < identity.len()).then(|| Bytes::from(coded))
}

#[cfg(feature = "br")]
fn brotli_of(identity: &[u8], level: u8) -> Option<Vec<u8>> {
    use brotli::enc::BrotliEncoderParams;
    let bits = usize::BITS - identity.len().leading_zeros();
    let params = BrotliEncoderParams {
        quality: i32::from(level),
        // A window larger than the body costs memory and gains nothing.
        lgwin: i32::try_from(bits).unwrap_or(22).clamp(16, 22),
        size_hint: identity.len(),
        ..Default::default()
    };
    let mut coded = Vec::with_capacity(identity.len() / 3);
    brotli::BrotliCompress(&mut &identity[..], &mut coded, &params).ok()?;
    Some(coded)
}

#[cfg(feature = "zstd")]
fn zstd_of(identity: &[u8], level: u8) -> Option<Vec<u8>> {
    zstd::bulk::compress(identity, i32::from(level)).ok()
}

#[cfg(feature = "gzip")]
fn gzip_of(identity: &[u8], level: u8) -> Option<Vec<u8>> {
    use std::io::Write;
    let room = Vec::with_capacity(identity.len() / 3);
    let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::new(level.into()));
    encoder.write_all(identity).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
#[cfg(all(feature = "br", feature = "zstd", feature = "gzip"))]
mod tests {
    use super::*;
    use std::io::Read;

    const LEVELS: Levels = Levels { brotli: 4, zstd: 3, gzip: 6 };

    fn decode(coded: &[u8], coding: Coding) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Br => {
                brotli::Decompressor::new(coded, 4096).read_to_end(&mut out).unwrap();
            }
            Coding::Zstd => out = zstd::stream::decode_all(coded).unwrap(),
            Coding::Gzip => {
                flate2::read::GzDecoder::new(coded).read_to_end(&mut out).unwrap();
            }
        }
        out
    }

    #[test]
    fn every_coding_gives_the_same_bytes_back() {
        for length in [1_000, 70_000, 1 << 20] {
            let identity: Vec<u8> =
                (0..length).map(|i: usize| b"perfkit "[i % 8] ^ (i / 900) as u8).collect();
            for coding in Coding::ALL {
                let coded = encode(&identity, coding, LEVELS).unwrap();
                assert!(coded.len() < identity.len() / 2, "{coding} {length}");
                assert_eq!(decode(&coded, coding), identity, "{coding} {length}");
            }
        }
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        for coding in Coding::ALL {
            assert_eq!(encode(b"ab", coding, LEVELS), None, "{coding}");
        }
    }
}
