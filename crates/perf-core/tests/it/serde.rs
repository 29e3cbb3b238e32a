//! Values survive the way through JSON, and invalid ones are refused on the way in.

use perf_core::{Bucket, ByteSize, Glob, KnobValue, Priority, Ratio, Unit};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) -> String {
    let json = serde_json::to_string(&value).expect("it serializes");
    assert_eq!(serde_json::from_str::<T>(&json).expect("it reads back"), value, "{json}");
    json
}

#[test]
fn a_glob_is_its_pattern() {
    assert_eq!(survives(Glob::new(r"user:{1,2}\*").unwrap()), r#""user:{1,2}\\*""#);
    let refused = serde_json::from_str::<Glob>(r#""a[""#).unwrap_err().to_string();
    assert!(refused.contains("`[` without `]`"), "{refused}");
}

#[test]
fn values_survive() {
    survives(Bucket { low: 1, high: u64::MAX, count: 3 });
    survives(ByteSize::from_bytes(512 << 20));
    survives(Ratio::new(0.25).unwrap());
    survives(Priority::default());
    survives(Unit::Nanoseconds);
    survives(KnobValue::Switch(true));
    survives(KnobValue::Count(7));
}

#[test]
fn values_that_cannot_be_are_refused() {
    assert!(serde_json::from_str::<Ratio>("1.5").is_err());
}
