//! Sealed values of every kind, written once and read for ever.
//!
//! The files in `tests/golden` are never changed. A new version of the format gets files of its
//! own: run with `PERF_GOLDEN=write` to make those that are missing.

use super::{compressible, keys};
use perf_cache::codec::{Cipher, Compression, Header, Meta, OpenError, Pipeline, RawBytes};
use perf_cache::codec::{PipelineBuilder, TagGeneration};
use std::path::PathBuf;

const KEY: &[u8] = b"\x04key1";
const NAMESPACE: &str = "golden";

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect()
}

fn meta() -> Meta {
    let tags = [(0x0123_4567_89ab_cdef, 0), (7, 1 << 40)];
    Meta::new(1_795_000_000_000)
        .expires_at(1_795_003_600_000)
        .tags(tags.map(|(tag, generation)| TagGeneration { tag, generation }))
}

/// The file, and what is sealed today in its place.
fn golden(
    name: &str,
    pipeline: PipelineBuilder<Vec<u8>>,
    value: &[u8],
    meta: &Meta,
) -> (Vec<u8>, Option<Vec<u8>>, Pipeline<Vec<u8>>) {
    let reading = pipeline.build().unwrap();
    let sealed = reading.seal(KEY, NAMESPACE, &value.to_vec(), meta, None).ok();
    if std::env::var_os("PERF_GOLDEN").is_some_and(|what| what == "write") && !path(name).exists() {
        std::fs::write(path(name), sealed.as_ref().unwrap()).unwrap();
    }
    (std::fs::read(path(name)).unwrap(), sealed, reading)
}

#[test]
fn plain_values_are_written_as_they_were() {
    for (name, meta) in [("v1-plain.bin", Meta::new(0)), ("v1-meta.bin", meta())] {
        let builder = Pipeline::builder(RawBytes).compression(Compression::None);
        let (golden, today, pipeline) = golden(name, builder, b"a value", &meta);
        assert_eq!(Some(&golden), today.as_ref(), "{name}");
        assert_eq!(pipeline.open(KEY, NAMESPACE, &golden).unwrap(), (b"a value".to_vec(), meta));
    }
}

/// What the libraries make of the value may change, what they can read may not.
#[test]
fn compressed_values_are_read_or_say_which_feature_they_need() {
    use Compression::{Brotli, Gzip, Lz4, Zstd};
    let value = compressible(3_000);
    for method in [Gzip, Brotli, Zstd, Lz4] {
        let name = format!("v1-{method}.bin");
        if !method.is_available() {
            let pipeline: Pipeline<Vec<u8>> = Pipeline::new(RawBytes);
            let golden = std::fs::read(path(&name)).unwrap();
            match pipeline.open(KEY, NAMESPACE, &golden) {
                Err(OpenError::Unavailable { feature }) => assert_eq!(feature, method.name()),
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(pipeline.stats().undecodable.unavailable, 1);
            continue;
        }
        let builder = Pipeline::builder(RawBytes).compression(method);
        let (golden, today, pipeline) = golden(&name, builder, &value, &meta());
        assert_eq!(pipeline.open(KEY, NAMESPACE, &golden).unwrap(), (value.clone(), meta()));
        let header = Header::peek(&golden).unwrap();
        assert_eq!((header.compression, header.raw_len), (method, 3_000));
        let length = golden.len() - header.payload_len as usize - 4;
        assert_eq!(golden[..length], today.unwrap()[..length], "{name}");
    }
}

#[test]
fn encrypted_values_are_read_or_say_which_feature_they_need() {
    for cipher in [Cipher::Aes256Gcm, Cipher::XChaCha20Poly1305] {
        let name = format!("v1-{cipher}.bin");
        let Some(builder) = keys(cipher, Pipeline::builder(RawBytes)) else {
            let pipeline: Pipeline<Vec<u8>> = Pipeline::new(RawBytes);
            let golden = std::fs::read(path(&name)).unwrap();
            let error = pipeline.open(KEY, NAMESPACE, &golden).unwrap_err();
            assert!(matches!(error, OpenError::Unavailable { feature: "crypto" }), "{error}");
            continue;
        };
        let builder = builder.compression(Compression::None);
        let (golden, today, pipeline) = golden(&name, builder, b"a value", &meta());
        assert_eq!(pipeline.open(KEY, NAMESPACE, &golden).unwrap(), (b"a value".to_vec(), meta()));
        let today = today.unwrap();
        assert_eq!(golden.len(), today.len());
        let nonce = if cipher == Cipher::Aes256Gcm { 12 } else { 24 };
        let before_nonce = golden.len() - 7 - 16 - nonce;
        assert_eq!(golden[..before_nonce], today[..before_nonce]);
        assert_ne!(golden[before_nonce..], today[before_nonce..], "nonces repeat");
    }
}

#[test]
fn a_value_of_a_newer_version_is_refused_and_never_guessed_at() {
    let pipeline: Pipeline<Vec<u8>> = Pipeline::new(RawBytes);
    let mut bytes = std::fs::read(path("v1-plain.bin")).unwrap();
    for version in (0..=255).filter(|version| *version != 1) {
        bytes[1] = version;
        match pipeline.open(KEY, NAMESPACE, &bytes) {
            Err(OpenError::Version { found, newest: 1 }) => assert_eq!(found, version),
            other => panic!("version {version}: {other:?}"),
        }
    }
    assert_eq!(pipeline.stats().undecodable.version, 255);
}
