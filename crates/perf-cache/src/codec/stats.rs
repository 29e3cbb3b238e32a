//! What a pipeline has counted.

use super::{Compression, OpenError, SealError};
use perf_core::Stripes;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`Pipeline`](super::Pipeline) has counted since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodecStats {
    /// Values made into bytes.
    pub sealed: u64,
    /// Values got back from bytes.
    pub opened: u64,
    /// Bytes of the sealed values before compression.
    pub raw_bytes: u64,
    /// Bytes that they were sealed into, headers included.
    pub stored_bytes: u64,
    /// The same by what they were compressed with; see [`of`](CodecStats::of).
    by_compression: [Compressed; 5],
    /// Values that were not sealed.
    pub refused: Refused,
    /// Bytes that were not opened: misses, to a cache.
    pub undecodable: Undecodable,
}

impl CodecStats {
    /// How many times smaller values became, headers included: 2 where half is left. `None` before
    /// the first.
    #[must_use]
    pub fn compression_ratio(&self) -> Option<f64> {
        super::compression_ratio(self.raw_bytes, self.stored_bytes)
    }

    /// What was sealed with one compression; zero for [`Auto`](Compression::Auto), which stands for
    /// another in each case.
    #[must_use]
    pub fn of(&self, compression: Compression) -> Compressed {
        match compression {
            Compression::Auto => Compressed::default(),
            _ => self.by_compression[usize::from(compression.code())],
        }
    }
}

/// What was sealed with one compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compressed {
    /// Values.
    pub sealed: u64,
    /// Their bytes before.
    pub raw_bytes: u64,
    /// Their bytes after, headers included.
    pub stored_bytes: u64,
}

macro_rules! causes {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $name {
            const LABELS: &[&str] = &[$(stringify!($field)),*];

            /// Every cause with its label.
            pub fn by_cause(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                Self::LABELS.iter().copied().zip([$(self.$field),*])
            }

            /// All of them.
            #[must_use]
            pub fn total(&self) -> u64 {
                self.by_cause().fold(0, |sum, (_, count)| sum.saturating_add(count))
            }

            fn from_counts(counts: &[u64]) -> $name {
                let mut counts = counts.iter().copied();
                $name { $($field: counts.next().unwrap_or(0),)* }
            }

            fn place(cause: &str) -> usize {
                Self::LABELS.iter().position(|label| *label == cause).unwrap_or(0)
            }
        }
    };
}

causes! {
    /// How many bytes were not opened, by [cause](OpenError::cause).
    Undecodable {
        /// No sealed value, or a part of one.
        malformed,
        /// Of a newer version.
        version,
        /// Changed since.
        checksum,
        /// In need of a feature that was not built in.
        unavailable,
        /// Without a cipher, where there has to be one.
        not_encrypted,
        /// Sealed with a key that is not in the ring.
        unknown_key,
        /// Changed, or sealed with another key or for another place.
        unauthentic,
        /// Made by another codec or schema.
        codec,
        /// Longer than allowed.
        too_large,
        /// Not what they claim to be when decompressed.
        decompress,
        /// Refused by the codec.
        decode,
    }
}

causes! {
    /// How many values were not sealed, by [cause](SealError::cause).
    Refused {
        /// Refused by the codec.
        encode,
        /// Longer than allowed.
        too_large,
        /// With more tags than a header holds.
        too_many_tags,
        /// For want of random numbers.
        no_random,
        /// The key has sealed as many as it may.
        key_exhausted,
    }
}

const OPENED: usize = 0;
const SEALED: usize = 1;
const RAW: usize = SEALED + 5;
const STORED: usize = RAW + 5;
const REFUSED: usize = STORED + 5;
const UNDECODABLE: usize = REFUSED + Refused::LABELS.len();
const COUNTS: usize = UNDECODABLE + Undecodable::LABELS.len();

/// Counts as they are kept: each thread its own.
#[derive(Default)]
pub(super) struct Tally {
    stripes: Stripes<Counts>,
    /// Of threads without a stripe.
    shared: Counts,
}

#[derive(Default)]
#[repr(align(128))]
struct Counts([AtomicU64; COUNTS]);

impl Tally {
    pub(super) fn opened(&self) {
        self.add([(OPENED, 1)]);
    }

    pub(super) fn sealed(&self, compression: Compression, raw: usize, stored: usize) {
        let place = usize::from(compression.code());
        self.add([(SEALED + place, 1), (RAW + place, raw as u64), (STORED + place, stored as u64)]);
    }

    #[cold]
    pub(super) fn refused(&self, error: &SealError) {
        self.add([(REFUSED + Refused::place(error.cause()), 1)]);
    }

    #[cold]
    pub(super) fn undecodable(&self, error: &OpenError) {
        self.add([(UNDECODABLE + Undecodable::place(error.cause()), 1)]);
    }

    fn add<const N: usize>(&self, additions: [(usize, u64); N]) {
        // Relaxed: nothing is read on the strength of a count, and only this thread writes its own.
        match self.stripes.own() {
            Some(Counts(own)) => {
                for (place, more) in additions {
                    let sum = own[place].load(Ordering::Relaxed).wrapping_add(more);
                    own[place].store(sum, Ordering::Relaxed);
                }
            }
            None => {
                for (place, more) in additions {
                    self.shared.0[place].fetch_add(more, Ordering::Relaxed);
                }
            }
        }
    }

    pub(super) fn stats(&self) -> CodecStats {
        let mut sums = [0_u64; COUNTS];
        for Counts(stripe) in self.stripes.iter().chain([&self.shared]) {
            for (sum, count) in sums.iter_mut().zip(stripe) {
                *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
            }
        }
        let total = |from: usize| sums[from..from + 5].iter().sum();
        CodecStats {
            sealed: total(SEALED),
            opened: sums[OPENED],
            raw_bytes: total(RAW),
            stored_bytes: total(STORED),
            by_compression: std::array::from_fn(|place| Compressed {
                sealed: sums[SEALED + place],
                raw_bytes: sums[RAW + place],
                stored_bytes: sums[STORED + place],
            }),
            refused: Refused::from_counts(&sums[REFUSED..UNDECODABLE]),
            undecodable: Undecodable::from_counts(&sums[UNDECODABLE..]),
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
