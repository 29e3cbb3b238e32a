//! Keys as bytes, for the tiers below memory.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

/// A key that can be written as bytes: equal keys as equal bytes, and different keys of one type as
/// different bytes.
///
/// Texts, whole numbers, `bool`, `char`, options, slices, arrays and vectors have it, tuples of up
/// to six parts, and pointers to any of them. What can be looked up by another type has the same
/// bytes as that type: `String` as `str`, `Vec<u8>` and `[u8; 4]` as `[u8]`.
///
/// The bytes say where they end, so parts can follow one another: `("ab", "c")` and `("a", "bc")`
/// differ. A number has as many bytes as its type, `usize` and `isize` have eight; a text or slice has
/// one more than its parts, two from 128 on. They stay the same from one version of this crate to
/// the next. O(length), no allocation beyond `into`.
///
/// What owns its parts can be made of its bytes again. That is of use where a cache is told of a key
/// by its bytes alone, as tiers that several processes share do; a key
/// without it is looked for among all that are in memory.
///
/// For a type of your own, write its fields one after the other, and if it has variants a number
/// before them:
///
/// ```
/// use perf_cache::CacheKey;
///
/// struct PageKey {
///     site: String,
///     number: u32,
/// }
///
/// impl CacheKey for PageKey {
///     fn encode(&self, into: &mut Vec<u8>) {
///         (&self.site, self.number).encode(into);
///     }
///
///     fn decode(bytes: &mut &[u8]) -> Option<PageKey> {
///         let (site, number) = CacheKey::decode(bytes)?;
///         Some(PageKey { site, number })
///     }
/// }
///
/// let bytes = |key: &dyn Fn(&mut Vec<u8>)| {
///     let mut bytes = Vec::new();
///     key(&mut bytes);
///     bytes
/// };
/// let page = PageKey { site: "docs".to_owned(), number: 3 };
/// assert_eq!(bytes(&|into| page.encode(into)), bytes(&|into| ("docs", 3_u32).encode(into)));
/// let page = bytes(&|into| page.encode(into));
/// assert_eq!(page, b"\x04docs\x00\x00\x00\x03");
/// assert_eq!(PageKey::decode(&mut &page[..]).unwrap().site, "docs");
/// ```
pub trait CacheKey {
    /// Appends the bytes of the key.
    fn encode(&self, into: &mut Vec<u8>);

    /// Takes from the front of `bytes` those of a key, and answers a key that is equal to the one that
    /// they are of. `None` where they are of none, and for types that know no way back, which is the
    /// default; then nobody asks what has been taken. Any bytes may be given. O(length).
    fn decode(bytes: &mut &[u8]) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = bytes;
        None
    }

    /// Appends those of many keys, one after the other. For numbers of one byte a copy.
    #[doc(hidden)]
    fn encode_all(keys: &[Self], into: &mut Vec<u8>)
    where
        Self: Sized,
    {
        for key in keys {
            key.encode(into);
        }
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl CacheKey for $number {
            #[inline]
            fn encode(&self, into: &mut Vec<u8>) {
                into.extend_from_slice(&self.to_be_bytes());
            }

            fn decode(bytes: &mut &[u8]) -> Option<$number> {
                Some(<$number>::from_be_bytes(take(bytes)?))
            }
        }
    )*};
}

// The most significant first, so that an ordered store keeps neighbours together.
numbers! { u16 u32 u64 u128 i8 i16 i32 i64 i128 }

impl CacheKey for u8 {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        into.push(*self);
    }

    fn decode(bytes: &mut &[u8]) -> Option<u8> {
        let [byte] = take(bytes)?;
        Some(byte)
    }

    #[inline]
    fn encode_all(keys: &[u8], into: &mut Vec<u8>) {
        into.extend_from_slice(keys);
    }
}

/// Eight bytes on every machine.
impl CacheKey for usize {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        (*self as u64).encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<usize> {
        usize::try_from(u64::decode(bytes)?).ok()
    }
}

/// Eight bytes on every machine.
impl CacheKey for isize {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        (*self as i64).encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<isize> {
        isize::try_from(i64::decode(bytes)?).ok()
    }
}

impl CacheKey for bool {
    fn encode(&self, into: &mut Vec<u8>) {
        into.push(u8::from(*self));
    }

    fn decode(bytes: &mut &[u8]) -> Option<bool> {
        match take(bytes)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl CacheKey for char {
    fn encode(&self, into: &mut Vec<u8>) {
        u32::from(*self).encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<char> {
        char::from_u32(u32::decode(bytes)?)
    }
}

impl CacheKey for str {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        self.as_bytes().encode(into);
    }
}

impl CacheKey for String {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        self.as_bytes().encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<String> {
        let length = take_length(bytes)?;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }
}

impl<K: CacheKey> CacheKey for [K] {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        put_length(into, self.len());
        K::encode_all(self, into);
    }
}

impl<K: CacheKey> CacheKey for Vec<K> {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        self.as_slice().encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Vec<K>> {
        let length = take_length(bytes)?;
        // Not so much is reserved as it says: parts of several bytes are fewer than there are bytes,
        // and of parts without bytes there may be any number.
        if length > bytes.len().max(MOST_EMPTY) {
            return None;
        }
        let mut keys = Vec::new();
        for _ in 0..length {
            keys.push(K::decode(bytes)?);
        }
        Some(keys)
    }
}

impl<K: CacheKey, const N: usize> CacheKey for [K; N] {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        self.as_slice().encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<[K; N]> {
        Vec::decode(bytes)?.try_into().ok()
    }
}

impl<K: CacheKey> CacheKey for Option<K> {
    fn encode(&self, into: &mut Vec<u8>) {
        into.push(u8::from(self.is_some()));
        if let Some(key) = self {
            key.encode(into);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Option<K>> {
        if bool::decode(bytes)? { K::decode(bytes).map(Some) } else { Some(None) }
    }
}

impl<K: CacheKey + ?Sized> CacheKey for &K {
    #[inline]
    fn encode(&self, into: &mut Vec<u8>) {
        (**self).encode(into);
    }
}

macro_rules! pointers {
    ($($pointer:ident)*) => {$(
        impl<K: CacheKey> CacheKey for $pointer<K> {
            #[inline]
            fn encode(&self, into: &mut Vec<u8>) {
                (**self).encode(into);
            }

            fn decode(bytes: &mut &[u8]) -> Option<$pointer<K>> {
                K::decode(bytes).map($pointer::new)
            }
        }

        impl<K: CacheKey> CacheKey for $pointer<[K]> {
            #[inline]
            fn encode(&self, into: &mut Vec<u8>) {
                (**self).encode(into);
            }

            fn decode(bytes: &mut &[u8]) -> Option<$pointer<[K]>> {
                Vec::decode(bytes).map($pointer::from)
            }
        }

        impl CacheKey for $pointer<str> {
            #[inline]
            fn encode(&self, into: &mut Vec<u8>) {
                (**self).encode(into);
            }

            fn decode(bytes: &mut &[u8]) -> Option<$pointer<str>> {
                String::decode(bytes).map($pointer::from)
            }
        }
    )*};
}

pointers! { Box Rc Arc }

impl<K: CacheKey + ToOwned<Owned: CacheKey> + ?Sized> CacheKey for Cow<'_, K> {
    fn encode(&self, into: &mut Vec<u8>) {
        (**self).encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        K::Owned::decode(bytes).map(Cow::Owned)
    }
}

macro_rules! tuples {
    ($($($part:ident)*;)*) => {$(
        impl<$($part: CacheKey),*> CacheKey for ($($part,)*) {
            #[inline]
            #[expect(non_snake_case, reason = "the parts are named as their types")]
            fn encode(&self, into: &mut Vec<u8>) {
                let ($($part,)*) = self;
                $($part.encode(into);)*
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode(bytes)?,)*))
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}

impl CacheKey for () {
    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &mut &[u8]) -> Option<()> {
        Some(())
    }
}

/// Seven bits in each byte, the least significant first, the top bit says "more".
#[inline]
fn put_length(into: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    while rest >= 0x80 {
        into.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    into.push(rest as u8);
}

/// What [`put_length`] wrote, and nothing else that would come to the same.
fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = take(bytes)?;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part || byte == 0 && shift > 0 {
            return None;
        }
        length |= part << shift;
        if byte < 0x80 {
            return usize::try_from(length).ok();
        }
    }
    None
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*front)
}

/// Parts without any bytes of which so many are taken back.
const MOST_EMPTY: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(key: &(impl CacheKey + ?Sized)) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        bytes
    }

    #[test]
    fn the_bytes_are_what_they_were() {
        assert_eq!(bytes("docs"), b"\x04docs");
        assert_eq!(bytes(&("users", 7_u64)), b"\x05users\0\0\0\0\0\0\0\x07");
        assert_eq!(bytes(&(-1_i16, true, 'ü', None::<u8>)), b"\xff\xff\x01\0\0\0\xfc\0");
        assert_eq!(bytes(&[1_u16, 2]), b"\x02\0\x01\0\x02");
        assert_eq!(bytes(&(Some(3_u8), 1_usize)), b"\x01\x03\0\0\0\0\0\0\0\x01");
        assert_eq!(bytes("x".repeat(300).as_str())[..3], *b"\xac\x02x");
        assert_eq!(bytes(&1_u128).len(), 16);
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        assert_ne!(bytes(&("ab", "c")), bytes(&("a", "bc")));
        assert_ne!(bytes(&("a:b", "")), bytes(&("a", "b")));
        assert_ne!(bytes(&(None::<u8>, Some(0_u8))), bytes(&(Some(0_u8), None::<u8>)));
        assert_ne!(bytes(&[vec![1_u8], vec![]]), bytes(&[vec![], vec![1_u8]]));
        assert_ne!(bytes(&[(); 2]), bytes(&[(); 3][..]));
    }
}
