//! Values of any type, by serde.

use perf_cache::codec::{Compression, Meta, OpenError, Pipeline, Postcard};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle { radius: f64 },
    Lines(Vec<(i32, i32)>),
    Named(BTreeMap<String, Option<Box<Shape>>>),
}

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Point),
        (-1e300..1e300).prop_map(|radius| Shape::Circle { radius }),
        prop::collection::vec(any::<(i32, i32)>(), 0..400).prop_map(Shape::Lines),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let parts = (any::<String>(), prop::option::of(inner.prop_map(Box::new)));
        prop::collection::btree_map(parts.0, parts.1, 0..4).prop_map(Shape::Named)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128, rng_seed: RngSeed::Fixed(0x5e1de), failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn values_come_back_whatever_they_are_compressed_with(shape in shapes()) {
        for method in Compression::ALL.into_iter().filter(|method| method.is_available()) {
            let pipeline = Pipeline::builder(Postcard::new()).compression(method).build().unwrap();
            let sealed = pipeline.seal(b"k", "n", &shape, &Meta::new(0), Some(true)).unwrap();
            prop_assert_eq!(&pipeline.open(b"k", "n", &sealed).unwrap().0, &shape);
        }
    }
}

#[test]
fn values_of_another_schema_are_misses() {
    let old: Pipeline<u64> = Pipeline::new(Postcard::new().schema(3));
    let new: Pipeline<u64> = Pipeline::new(Postcard::new().schema(4));
    let sealed = old.seal(b"k", "n", &7, &Meta::new(0), None).unwrap();
    match new.open(b"k", "n", &sealed) {
        Err(OpenError::Codec { found, expected }) => {
            assert_eq!((found.to_string(), expected.to_string()), ("2.3".into(), "2.4".into()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(new.stats().undecodable.codec, 1);
}

#[test]
fn bytes_that_are_left_over_are_not_ignored() {
    let wide: Pipeline<(u8, u8)> = Pipeline::new(Postcard::new());
    let narrow: Pipeline<u8> = Pipeline::new(Postcard::new());
    let sealed = wide.seal(b"k", "n", &(1, 2), &Meta::new(0), None).unwrap();
    assert!(matches!(narrow.open(b"k", "n", &sealed), Err(OpenError::Decode(_))));
    let sealed = narrow.seal(b"k", "n", &1, &Meta::new(0), None).unwrap();
    assert!(matches!(wide.open(b"k", "n", &sealed), Err(OpenError::Decode(_))));
}

/// A codec that keeps what it refers to sealed as well.
#[test]
fn a_pipeline_may_be_used_inside_of_a_codec() {
    use perf_cache::codec::{Codec, CodecError, CodecId};

    #[derive(Debug)]
    struct Nested(Pipeline<Vec<u64>>);

    impl Codec<Vec<u64>> for Nested {
        fn id(&self) -> CodecId {
            CodecId::new(50)
        }

        fn encode(&self, value: &Vec<u64>, into: &mut Vec<u8>) -> Result<(), CodecError> {
            let sealed = self.0.seal(b"", "", value, &Meta::new(0), None);
            into.extend(sealed.map_err(CodecError::new)?);
            Ok(())
        }

        fn decode(&self, bytes: &[u8]) -> Result<Vec<u64>, CodecError> {
            self.0.open(b"", "", bytes).map(|(value, _)| value).map_err(CodecError::new)
        }
    }

    let pipeline = Pipeline::new(Nested(Pipeline::new(Postcard::new())));
    let value: Vec<u64> = (0..2_000).map(|n| n % 7).collect();
    let sealed = pipeline.seal(b"k", "n", &value, &Meta::new(0), Some(true)).unwrap();
    assert_eq!(pipeline.open(b"k", "n", &sealed).unwrap().0, value);
    assert_eq!(pipeline.stats().opened, 1);
}
