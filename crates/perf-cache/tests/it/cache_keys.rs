//! Keys as bytes: equal ones as equal bytes, different ones as different bytes.

use perf_cache::CacheKey;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::borrow::Cow;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

fn bytes(key: &(impl CacheKey + ?Sized)) -> Vec<u8> {
    let mut bytes = b"before".to_vec();
    key.encode(&mut bytes);
    assert!(bytes.starts_with(b"before"));
    bytes.split_off(6)
}

/// Equal bytes if and only if equal, and neither the beginning of the other unless equal.
fn told_apart<K: CacheKey + PartialEq + Debug>(a: &K, b: &K) {
    let (first, second) = (bytes(a), bytes(b));
    assert_eq!(a == b, first == second, "{a:?} {b:?}");
    assert_eq!(a == b, first.starts_with(&second), "{a:?} {b:?}");
    assert_eq!(first, bytes(a), "{a:?}");
}

macro_rules! told_apart {
    ($($name:ident: $key:ty, $strategy:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig {
                cases: 500, rng_seed: RngSeed::Fixed(0x6e75), failure_persistence: None,
                ..Default::default()
            })]
            $(
                #[test]
                fn $name(a in $strategy, b in $strategy) {
                    let (a, b): ($key, $key) = (a, b);
                    told_apart(&a, &b);
                    told_apart(&a, &a.clone());
                }
            )*
        }
    };
}

/// Texts of few letters, so that some are equal and many begin alike.
const TEXT: &str = "[ab:\u{0}\u{1}ü]{0,4}";

fn lists() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(TEXT, 0..3)
}

told_apart! {
    texts: String, TEXT;
    long_texts: String, "[ab]{120,140}";
    numbers_u8: u8, any::<u8>();
    numbers_u16: u16, any::<u16>();
    numbers_u32: u32, any::<u32>();
    numbers_u64: u64, any::<u64>();
    numbers_u128: u128, any::<u128>();
    numbers_usize: usize, any::<usize>();
    numbers_i8: i8, any::<i8>();
    numbers_i16: i16, any::<i16>();
    numbers_i32: i32, any::<i32>();
    numbers_i64: i64, any::<i64>();
    numbers_i128: i128, any::<i128>();
    numbers_isize: isize, any::<isize>();
    small_numbers: i64, -2..2_i64;
    truths: bool, any::<bool>();
    letters: char, any::<char>();
    lists_of_texts: Vec<String>, lists();
    lists_of_bytes: Vec<u8>, prop::collection::vec(0..2_u8, 0..4);
    lists_of_lists: Vec<Vec<u8>>,
        prop::collection::vec(prop::collection::vec(0..2_u8, 0..3), 0..3);
    arrays: [u16; 3], any::<[u16; 3]>();
    arrays_of_texts: [String; 2], [TEXT, TEXT];
    options: Option<String>, prop::option::of(TEXT);
    options_of_options: Option<Option<u8>>, prop::option::of(prop::option::of(0..2_u8));
    pairs: (String, String), (TEXT, TEXT);
    triples: (String, Option<u8>, String), (TEXT, prop::option::of(0..2_u8), TEXT);
    nested: ((String, String), Vec<String>), ((TEXT, TEXT), lists());
    fours: (u8, bool, char, String), (0..2_u8, any::<bool>(), prop::char::range('a', 'b'), TEXT);
    fives: (u8, String, u8, String, u8), (0..2_u8, TEXT, 0..2_u8, TEXT, 0..2_u8);
    sixes: (String, String, u8, u8, Vec<String>, bool),
        (TEXT, TEXT, 0..2_u8, 0..2_u8, lists(), any::<bool>());
    namespaces: (&'static str, String),
        (prop::sample::select(vec!["a", "ab", "", "a:"]), TEXT);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500, rng_seed: RngSeed::Fixed(0x6e76), failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_can_be_looked_up_by_another_type_has_its_bytes(
        text in any::<String>(), list in prop::collection::vec(any::<u8>(), 4), number: u64,
    ) {
        let expected = bytes(text.as_str());
        prop_assert_eq!(&bytes(&text), &expected);
        prop_assert_eq!(&bytes(&Cow::Borrowed(text.as_str())), &expected);
        prop_assert_eq!(&bytes(&Cow::<str>::Owned(text.clone())), &expected);
        prop_assert_eq!(&bytes(&Box::<str>::from(text.as_str())), &expected);
        prop_assert_eq!(&bytes(&Arc::<str>::from(text.as_str())), &expected);
        prop_assert_eq!(&bytes(&Rc::<str>::from(text.as_str())), &expected);
        prop_assert_eq!(&bytes(&&&text), &expected);
        prop_assert_eq!(bytes(&(&*text, number)), bytes(&(Arc::new(text), number)));

        let expected = bytes(list.as_slice());
        prop_assert_eq!(&bytes(&<[u8; 4]>::try_from(list.as_slice()).unwrap()), &expected);
        prop_assert_eq!(&bytes(&Arc::<[u8]>::from(list.as_slice())), &expected);
        prop_assert_eq!(&bytes(&Cow::Borrowed(list.as_slice())), &expected);
        prop_assert_eq!(&bytes(&list), &expected);
        prop_assert_eq!(bytes(&Box::new(number)), bytes(&number));
    }
}
