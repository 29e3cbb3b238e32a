//! What can be kept as a few words.

/// A value that a few words of 64 bits stand for, so that a [`PlainCache`](crate::PlainCache) can
/// keep it without a pointer and read it without a lock.
///
/// Implemented for integers, floats, `bool`, `char`, `()`, arrays and tuples of up to six; derived
/// by `#[derive(Plain)]` with the feature `derive`, for structs of these and for enums whose
/// variants carry nothing.
///
/// ```
/// use perf_cache::Plain;
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct Price {
///     cents: i64,
///     currency: u16,
/// }
///
/// impl Plain for Price {
///     const WORDS: usize = 2;
///
///     fn write(&self, put: &mut impl FnMut(u64)) {
///         self.cents.write(put);
///         self.currency.write(put);
///     }
///
///     fn read(take: &mut impl FnMut() -> u64) -> Price {
///         Price { cents: i64::read(take), currency: u16::read(take) }
///     }
/// }
///
/// let mut words = Vec::new();
/// let price = Price { cents: -5, currency: 978 };
/// price.write(&mut |word| words.push(word));
/// assert_eq!(words.len(), Price::WORDS);
/// let mut words = words.into_iter();
/// assert_eq!(Price::read(&mut || words.next().unwrap()), price);
/// ```
///
/// An implementation that does not keep to this gives wrong values, and nothing worse. What it
/// puts beyond [`WORDS`](Plain::WORDS) is left out, what it takes beyond is zero.
pub trait Plain: Copy + Send + Sync + 'static {
    /// How many words it takes: at most a few, since a read copies all of them.
    const WORDS: usize;

    /// Gives its words away, [`WORDS`](Plain::WORDS) of them.
    fn write(&self, put: &mut impl FnMut(u64));

    /// The value of [`WORDS`](Plain::WORDS) words. They may be of two values that were written one
    /// over the other; what is made of such words is thrown away, but it must not panic.
    fn read(take: &mut impl FnMut() -> u64) -> Self;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Plain for $integer {
            const WORDS: usize = 1;

            #[inline]
            fn write(&self, put: &mut impl FnMut(u64)) {
                put(*self as u64);
            }

            #[inline]
            fn read(take: &mut impl FnMut() -> u64) -> $integer {
                take() as $integer
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

macro_rules! wide_integers {
    ($($integer:ty),*) => {$(
        impl Plain for $integer {
            const WORDS: usize = 2;

            #[inline]
            fn write(&self, put: &mut impl FnMut(u64)) {
                put(*self as u64);
                put((*self >> 64) as u64);
            }

            #[inline]
            fn read(take: &mut impl FnMut() -> u64) -> $integer {
                let low = take();
                (take() as $integer) << 64 | low as $integer
            }
        }
    )*};
}

wide_integers!(u128, i128);

macro_rules! by_another {
    ($($value:ty, $value_to:expr, $value_of:expr;)*) => {$(
        impl Plain for $value {
            const WORDS: usize = 1;

            #[inline]
            fn write(&self, put: &mut impl FnMut(u64)) {
                put($value_to(*self));
            }

            #[inline]
            fn read(take: &mut impl FnMut() -> u64) -> $value {
                $value_of(take())
            }
        }
    )*};
}

by_another! {
    f64, f64::to_bits, f64::from_bits;
    f32, |value: f32| u64::from(value.to_bits()), |word| f32::from_bits(word as u32);
    bool, u64::from, |word| word != 0;
    char, u64::from, |word| char::from_u32(word as u32).unwrap_or_default();
}

macro_rules! tuples {
    ($($($part:ident)*;)*) => {$(
        impl<$($part: Plain),*> Plain for ($($part,)*) {
            const WORDS: usize = 0 $(+ $part::WORDS)*;

            #[inline]
            #[expect(non_snake_case, reason = "the variables are called like their types")]
            fn write(&self, put: &mut impl FnMut(u64)) {
                let ($($part,)*) = self;
                $($part.write(put);)*
            }

            #[inline]
            fn read(take: &mut impl FnMut() -> u64) -> Self {
                ($($part::read(take),)*)
            }
        }
    )*};
}

tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; }

impl Plain for () {
    const WORDS: usize = 0;

    #[inline]
    fn write(&self, _: &mut impl FnMut(u64)) {}

    #[inline]
    fn read(_: &mut impl FnMut() -> u64) {}
}

impl<T: Plain, const N: usize> Plain for [T; N] {
    const WORDS: usize = N * T::WORDS;

    #[inline]
    fn write(&self, put: &mut impl FnMut(u64)) {
        self.iter().for_each(|part| part.write(put));
    }

    #[inline]
    fn read(take: &mut impl FnMut() -> u64) -> [T; N] {
        std::array::from_fn(|_| T::read(take))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn comes_back<T: Plain + PartialEq + std::fmt::Debug>(value: T, words: usize) {
        let mut written = Vec::new();
        value.write(&mut |word| written.push(word));
        assert_eq!((written.len(), T::WORDS), (words, words));
        let mut read = written.into_iter();
        assert_eq!(T::read(&mut || read.next().unwrap()), value);
        assert_eq!(read.next(), None);
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        comes_back(-1_i8, 1);
        comes_back(u64::MAX, 1);
        comes_back(i128::MIN + 5, 2);
        comes_back(-0.1_f32, 1);
        comes_back(f64::MIN_POSITIVE, 1);
        comes_back((true, 'ß'), 2);
        comes_back((), 0);
        comes_back([(1_u8, -2_i64), (3, -4)], 4);
        comes_back((1_u8, 2_u16, 3_u32, 4_u64, 5_usize, [6_i128; 2]), 9);
    }
}
