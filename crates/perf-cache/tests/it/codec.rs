//! Values sealed and opened again, and whatever is not to be opened.

#[cfg(feature = "crypto")]
mod crypto;
mod damage;
mod golden;
#[cfg(feature = "serde")]
mod values;

use perf_cache::codec::{
    Cipher, Codec, CodecError, CodecId, Compression, Header, Meta, OpenError, Pipeline,
    PipelineBuilder, RawBytes, Shared, TagGeneration, compress_value, decompress_value,
};
use std::sync::Arc;

fn compressible(len: usize) -> Vec<u8> {
    let random = fastrand(len as u64);
    random.zip(0..len).map(|(byte, at)| if at % 64 < 32 { byte } else { 0 }).collect()
}

fn fastrand(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

/// The pipeline with a key for this cipher, if ciphers are built in.
fn keys<V>(cipher: Cipher, builder: PipelineBuilder<V>) -> Option<PipelineBuilder<V>> {
    #[cfg(feature = "crypto")]
    {
        use perf_cache::codec::{KeyRing, SecretKey};
        let key = SecretKey::new(*b"a key for tests, known to anyone");
        Some(builder.keys(KeyRing::new(300, cipher, key)))
    }
    #[cfg(not(feature = "crypto"))]
    {
        let _ = (cipher, builder);
        None
    }
}

fn meta() -> Meta {
    Meta::new(1_795_000_000_000)
        .expires_at(1_795_003_600_000)
        .tags([TagGeneration { tag: u64::MAX, generation: 300 }, TagGeneration::default()])
}

#[test]
fn what_is_sealed_is_opened_with_all_that_was_stored_with_it() {
    for compression in Compression::ALL.into_iter().filter(|method| method.is_available()) {
        let pipeline = Pipeline::builder(RawBytes).compression(compression).build().unwrap();
        for len in [0, 1, 100, 1_023, 1_024, 5_000, 70_000] {
            for flag in [None, Some(false), Some(true)] {
                let value = compressible(len);
                let sealed = pipeline.seal(b"k", "n", &value, &meta(), flag).unwrap();
                assert_eq!(pipeline.open(b"k", "n", &sealed).unwrap(), (value, meta()));
            }
        }
        let stats = pipeline.stats();
        assert_eq!((stats.sealed, stats.opened, stats.undecodable.total()), (21, 21, 0));
    }
}

#[test]
fn raw_values_are_read_as_whatever_they_are() {
    let sealed = Pipeline::new(RawBytes).seal(b"", "", &"text".to_owned(), &meta(), None).unwrap();
    let read = |pipeline: Pipeline<Vec<u8>>| pipeline.open(b"", "", &sealed).unwrap().0;
    assert_eq!(read(Pipeline::new(RawBytes)), b"text");
    let bytes = Pipeline::new(RawBytes).seal(b"", "", &vec![0xff_u8], &meta(), None).unwrap();
    let text: Pipeline<String> = Pipeline::new(RawBytes);
    assert!(matches!(text.open(b"", "", &bytes), Err(OpenError::Decode(_))));
    assert_eq!(text.stats().undecodable.decode, 1);
}

#[test]
fn shared_values_have_the_bytes_of_those_they_hold() {
    let value = compressible(2_000);
    let alone: Pipeline<Vec<u8>> = Pipeline::new(RawBytes);
    let shared: Pipeline<Arc<Vec<u8>>> = Pipeline::new(Shared(RawBytes));
    let sealed = shared.seal(b"", "", &Arc::new(value.clone()), &meta(), None).unwrap();
    assert_eq!(sealed, alone.seal(b"", "", &value, &meta(), None).unwrap());
    assert_eq!(*shared.open(b"", "", &sealed).unwrap().0, value);
}

#[test]
fn a_value_takes_few_bytes_more_than_it_has() {
    let sealed = |meta: &Meta| {
        Pipeline::new(RawBytes).seal(b"key", "name", &vec![1_u8; 100], meta, None).unwrap().len()
    };
    assert_eq!(sealed(&Meta::new(1_795_000_000_000)), 100 + 15);
    assert_eq!(sealed(&meta()), 100 + 15 + 4 + 1 + 10 + 9);
}

#[test]
fn bytes_outside_of_a_cache_come_back() {
    for compression in Compression::ALL {
        for len in [0, 10, 3_000] {
            let value = compressible(len);
            let compressed = compress_value(&value, compression).unwrap();
            assert_eq!(decompress_value(&compressed).unwrap(), value);
            assert!(Header::peek(&compressed).is_ok());
        }
    }
    assert!(decompress_value(b"no").is_err());
}

#[derive(Debug)]
struct Refusing;

impl Codec<u8> for Refusing {
    fn id(&self) -> CodecId {
        CodecId::new(99)
    }

    fn encode(&self, _: &u8, into: &mut Vec<u8>) -> Result<(), CodecError> {
        into.push(1);
        Err(CodecError::new("never"))
    }

    fn decode(&self, _: &[u8]) -> Result<u8, CodecError> {
        Err(CodecError::new("never"))
    }
}

#[test]
fn what_is_refused_leaves_nothing_behind_and_is_counted() {
    let pipeline = Pipeline::new(Refusing);
    let mut out = b"before".to_vec();
    assert!(pipeline.seal_into(&mut out, b"", "", &1, &meta(), None).is_err());
    assert_eq!(out, b"before");
    assert_eq!(pipeline.stats().refused.encode, 1);
}
