//! Sealed values that were cut, changed, moved, or never were any.

use super::{compressible, fastrand, keys};
use perf_cache::codec::{Cipher, Compression, Meta, OpenError, Pipeline, RawBytes, TagGeneration};
use perf_core::ByteSize;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// A pipeline for each compression and cipher that is built in.
fn pipelines() -> Vec<Pipeline<Vec<u8>>> {
    let ciphers = [None, Some(Cipher::Aes256Gcm), Some(Cipher::XChaCha20Poly1305)];
    let available = Compression::ALL.into_iter().filter(|method| method.is_available());
    let both = available.flat_map(|method| ciphers.map(|cipher| (method, cipher)));
    let build = |(method, cipher)| {
        let builder = Pipeline::builder(RawBytes).compression(method);
        match cipher {
            None => builder.build().ok(),
            Some(cipher) => keys(cipher, builder)?.build().ok(),
        }
    };
    both.filter_map(build).collect()
}

fn meta() -> Meta {
    Meta::new(1_795_000_000_000)
        .expires_at(1_795_000_060_000)
        .tags([TagGeneration { tag: 9, generation: 1 }])
}

#[test]
fn no_part_of_a_sealed_value_is_opened() {
    for pipeline in pipelines() {
        for len in [0, 40, 1_500] {
            let sealed = pipeline.seal(b"k", "n", &compressible(len), &meta(), None).unwrap();
            for cut in 0..sealed.len() {
                assert!(pipeline.open(b"k", "n", &sealed[..cut]).is_err(), "{cut} of {len}");
            }
            let longer = [&sealed[..], &[0]].concat();
            assert!(pipeline.open(b"k", "n", &longer).is_err());
            assert_eq!(pipeline.stats().opened, 0);
        }
    }
}

#[test]
fn no_bit_of_a_sealed_value_can_be_turned_unnoticed() {
    for pipeline in pipelines() {
        for len in [0, 40, 300] {
            let value = compressible(len);
            let mut sealed = pipeline.seal(b"k", "n", &value, &meta(), Some(true)).unwrap();
            for bit in 0..sealed.len() * 8 {
                sealed[bit / 8] ^= 1 << (bit % 8);
                assert!(pipeline.open(b"k", "n", &sealed).is_err(), "bit {bit} of {len}");
                sealed[bit / 8] ^= 1 << (bit % 8);
            }
            assert!(pipeline.open(b"k", "n", &sealed).is_ok());
        }
        assert_eq!(pipeline.stats().undecodable.total() % 8, 0);
    }
}

/// The bytes with the checksum that they would have had.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 4;
    let checksum = crc32c::crc32c(&bytes[..at]);
    bytes[at..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Where the checksum fits because someone made it fit, the bytes may be anything.
#[test]
fn bytes_with_a_checksum_made_to_fit_never_do_harm() {
    let limit = ByteSize::kib(64);
    let reading: Pipeline<Vec<u8>> = Pipeline::builder(RawBytes).max_value(limit).build().unwrap();
    for method in Compression::ALL.into_iter().filter(|method| method.is_available()) {
        let pipeline = Pipeline::builder(RawBytes).compression(method).build().unwrap();
        let sealed = pipeline.seal(b"k", "n", &compressible(1_500), &meta(), Some(true)).unwrap();
        for at in 0..60.min(sealed.len() - 4) {
            for byte in 0..=255 {
                let mut bytes = sealed.clone();
                bytes[at] = byte;
                if let Ok((value, _)) = reading.open(b"k", "n", &with_checksum(bytes)) {
                    assert!(value.len() as u64 <= limit.as_u64());
                }
            }
        }
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    let large = vec![0; 1 << 20];
    let open = |pipeline: &Pipeline<Vec<u8>>, sealed: &[u8]| pipeline.open(b"k", "n", sealed);
    let reading = Pipeline::builder(RawBytes).max_value(ByteSize::kib(64)).build().unwrap();
    for method in Compression::ALL.into_iter().filter(|method| method.is_available()) {
        let writing = Pipeline::builder(RawBytes).compression(method).build().unwrap();
        let sealed = writing.seal(b"k", "n", &large, &Meta::new(0), None).unwrap();
        assert!(matches!(
            open(&reading, &sealed),
            Err(OpenError::TooLarge { len: 1_048_576, max: 65_536 })
        ));
        if method == Compression::None || sealed.len() > large.len() {
            continue;
        }
        // The length 2^20 in seven bits each is 80 80 40; here it is made 1 000, and one more.
        let at = sealed.windows(3).position(|bytes| bytes == [0x80, 0x80, 0x40]).unwrap();
        for claim in [[0xe8, 0x87, 0x00], [0x80, 0x80, 0x20], [0x81, 0x80, 0x40]] {
            let mut lying = sealed.clone();
            lying[at..at + 3].copy_from_slice(&claim);
            let error = open(&writing, &with_checksum(lying)).unwrap_err();
            assert!(matches!(error, OpenError::Decompress { .. }), "{method} {claim:x?}: {error}");
        }
    }
    assert!(reading.seal(b"k", "n", &large, &Meta::new(0), None).is_err());
    assert_eq!(reading.stats().refused.too_large, 1);
}

#[test]
fn the_kind_and_the_gain_decide_unless_the_caller_does() {
    use Compression::None as Raw;
    let pipeline = Pipeline::new(RawBytes);
    let seal = |value: &[u8], flag| {
        let mut out = Vec::new();
        let sealed = pipeline.seal_into(&mut out, b"", "", &value.to_vec(), &Meta::new(0), flag);
        assert_eq!(pipeline.open(b"", "", &out).unwrap().0, value);
        sealed.unwrap().compression
    };
    let random = |len| fastrand(5).take(len).collect::<Vec<u8>>();
    let packs = seal(&compressible(1_024), None);
    assert_eq!(packs == Raw, Compression::ALL[2..].iter().all(|method| !method.is_available()));
    assert_eq!(seal(&compressible(1_023), None), Raw);
    assert_eq!(seal(&compressible(600), Some(true)), packs);
    assert_eq!(seal(&compressible(5_000), Some(false)), Raw);
    for len in [1_024, 10_000, 100_000] {
        assert_eq!((seal(&random(len), None), seal(&random(len), Some(true))), (Raw, Raw));
    }
    let jpeg = [b"\xff\xd8\xff\xe0".to_vec(), compressible(4_000)].concat();
    assert_eq!((seal(&jpeg, None), seal(&jpeg, Some(true))), (Raw, packs));
    // A twentieth of it shrinks: too little, unless asked.
    let hardly = [random(9_500), vec![0; 500]].concat();
    assert_eq!((seal(&hardly, None), seal(&hardly, Some(true))), (Raw, packs));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, rng_seed: RngSeed::Fixed(0xc0dec), failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn whatever_is_sealed_is_opened(
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..3_000),
            (0..100_000_usize).prop_map(compressible),
            (any::<String>(), 0..2_000_usize).prop_map(|(text, times)| text.repeat(times).into()),
        ],
        key in prop::collection::vec(any::<u8>(), 0..100),
        namespace in any::<String>(),
        (written_at, expires_at) in any::<(u64, u64)>(),
        tags in prop::collection::vec(any::<(u64, u64)>(), 0..20),
        flag in any::<Option<bool>>(),
        which in any::<prop::sample::Index>(),
    ) {
        let tags = tags.into_iter().map(|(tag, generation)| TagGeneration { tag, generation });
        let meta = Meta::new(written_at).expires_at(expires_at).tags(tags);
        let pipelines = pipelines();
        let pipeline = which.get(&pipelines);
        let sealed = pipeline.seal(&key, &namespace, &value, &meta, flag).unwrap();
        prop_assert!(sealed.len() <= value.len() + 80 + meta.tags.len() * 18);
        let opened = pipeline.open(&key, &namespace, &sealed).unwrap();
        prop_assert_eq!(opened, (value, meta));
    }

    #[test]
    fn bytes_that_are_anything_are_refused(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        as_one in any::<bool>(),
    ) {
        if as_one && bytes.len() > 8 {
            bytes[..2].copy_from_slice(&[0xca, 1]);
        }
        for pipeline in pipelines() {
            prop_assert!(pipeline.open(b"k", "n", &bytes).is_err());
        }
    }
}
