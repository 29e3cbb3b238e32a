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

/// Keys come back from their bytes, and leave what follows these.
fn comes_back<K: CacheKey + PartialEq + Debug>(key: &K) {
    let mut all = bytes(key);
    all.extend(b"rest");
    let mut rest = all.as_slice();
    assert_eq!(K::decode(&mut rest).as_ref(), Some(key));
    assert_eq!(rest, b"rest", "{key:?}");
}

/// Any bytes may be given: what comes of them has these very bytes.
fn is_exact<K: CacheKey + Debug>(given: &[u8]) {
    let mut rest = given;
    if let Some(key) = K::decode(&mut rest) {
        let taken = &given[..given.len() - rest.len()];
        assert_eq!(bytes(&key), taken, "{key:?}");
    }
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
                    comes_back(&a);
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
    borrowed: (Cow<'static, str>, Box<str>, Arc<str>, Rc<[u8]>),
        (TEXT, TEXT, TEXT, prop::collection::vec(0..2_u8, 0..4))
            .prop_map(|(a, b, c, d)| (a.into(), b.into(), c.into(), d.into()));
    pointers: (Box<u16>, Arc<String>, Rc<bool>, ()),
        (any::<u16>(), TEXT, any::<bool>())
            .prop_map(|(a, b, c)| (a.into(), b.into(), c.into(), ()));
    nothings: Vec<()>, prop::collection::vec(Just(()), 0..9);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500, rng_seed: RngSeed::Fixed(0x6e76), failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn namespaces(
        a in (prop::sample::select(vec!["a", "ab", "", "a:"]), TEXT),
        b in (prop::sample::select(vec!["a", "ab", "", "a:"]), TEXT),
    ) {
        told_apart(&a, &b);
        prop_assert_eq!(<(&str, String)>::decode(&mut bytes(&a).as_slice()), None);
    }

    #[test]
    fn whatever_bytes_are_given_a_key_is_made_of_its_own_alone(
        given in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..40),
    ) {
        is_exact::<String>(&given);
        is_exact::<Vec<u8>>(&given);
        is_exact::<Vec<Vec<u16>>>(&given);
        is_exact::<Vec<()>>(&given);
        is_exact::<Option<Option<bool>>>(&given);
        is_exact::<(char, usize, isize)>(&given);
        is_exact::<[u16; 2]>(&given);
        is_exact::<(u8, Box<str>, Arc<[i32]>, Cow<'static, str>, u128, bool)>(&given);
    }

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

#[test]
fn lengths_that_say_more_than_there_is_come_to_nothing_at_once() {
    let huge = [&[0xff; 9][..], &[0x01]].concat();
    assert_eq!(Vec::<u64>::decode(&mut huge.as_slice()), None);
    assert_eq!(Vec::<()>::decode(&mut huge.as_slice()), None);
    assert_eq!(String::decode(&mut huge.as_slice()), None);
    assert_eq!(String::decode(&mut [&[0xff; 10][..], &[0x01]].concat().as_slice()), None);
    assert_eq!(Vec::<u8>::decode(&mut &[0x80, 0x00][..]), None, "one way to write a length");
}
