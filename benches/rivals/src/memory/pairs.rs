//! The two kinds of keys and values.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

/// Keys and values made from numbers, so that a wrong answer can be told.
pub(super) trait Pairs: Send + Sync + 'static {
    type Key: Borrow<Self::Asked> + Hash + Eq + Clone + Debug + Send + Sync + 'static;
    /// What a key is looked up by.
    type Asked: Hash + Eq + ToOwned<Owned = Self::Key> + ?Sized;
    type Value: Clone + Debug + Send + Sync + 'static;

    /// Makes the key of a number on the stack, as a request would bring it.
    fn with_key<T>(number: u64, ask: impl FnOnce(&Self::Asked) -> T) -> T;
    fn value(number: u64) -> Self::Value;
    /// The number that a value was made from; reads the value.
    fn number(value: &Self::Value) -> u64;

    fn key(number: u64) -> Self::Key {
        Self::with_key(number, ToOwned::to_owned)
    }
}

/// u64 to u64.
pub(super) struct Numbers;

const MASK: u64 = 0x9e37_79b9_7f4a_7c15;

impl Pairs for Numbers {
    type Key = u64;
    type Asked = u64;
    type Value = u64;

    #[inline]
    fn with_key<T>(number: u64, ask: impl FnOnce(&u64) -> T) -> T {
        ask(&number)
    }

    #[inline]
    fn value(number: u64) -> u64 {
        number ^ MASK
    }

    #[inline]
    fn number(value: &u64) -> u64 {
        value ^ MASK
    }
}

/// A text of 24 bytes to 256 bytes behind an `Arc`.
pub(super) struct Texts;

const KEY_BYTES: usize = 24;
const VALUE_BYTES: usize = 256;

impl Pairs for Texts {
    type Key = String;
    type Asked = str;
    type Value = Arc<[u8]>;

    #[inline]
    fn with_key<T>(number: u64, ask: impl FnOnce(&str) -> T) -> T {
        let mut text = *b"session:0000000000000000";
        for (place, digit) in text[KEY_BYTES - 16..].iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15];
        }
        ask(std::str::from_utf8(&text).unwrap_or_default())
    }

    #[inline]
    fn value(number: u64) -> Arc<[u8]> {
        let mut bytes = [0; VALUE_BYTES];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Arc::from(&bytes[..])
    }

    #[inline]
    fn number(value: &Arc<[u8]>) -> u64 {
        value.first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survives<P: Pairs>() {
        for number in [0, 1, 0xfedc_ba98_7654_3210, u64::MAX] {
            assert_eq!(P::number(&P::value(number)), number);
        }
    }

    #[test]
    fn values_tell_their_numbers() {
        survives::<Numbers>();
        survives::<Texts>();
        assert_eq!(Texts::key(0xabc), "session:0000000000000abc");
    }
}
