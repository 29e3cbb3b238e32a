//! Which bucket a value falls in, and where that bucket begins and ends.
//!
//! Bucket edges are powers of 2^(1/32). An octave, from one power of two to the next, is one page
//! of 32 buckets. Index and edges both come from the table `LAST`, so they cannot disagree: there
//! is no floating point and no logarithm anywhere.
//!
//! Index 0 is the value 0 and index 1 the value 1; octave 0 holds nothing else.

/// Buckets in an octave, which are also the buckets of one page.
pub(crate) const PER_OCTAVE: usize = 32;

/// Octaves in the range of `u64`.
pub(crate) const OCTAVES: usize = 64;

/// One bucket of a [`Histogram`](crate::Histogram).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Bucket {
    /// The smallest value that falls in.
    pub low: u64,
    /// The largest value that falls in.
    pub high: u64,
    /// How many values did.
    pub count: u64,
}

/// The bucket that `value` falls in.
#[inline]
pub(crate) const fn index_of(value: u64) -> usize {
    // `| 1`: zero is counted with one, and the last term tells them apart.
    let zeros = (value | 1).leading_zeros();
    let scaled = value << zeros;
    let slice = &SLICES[(scaled >> SLICE_SHIFT) as usize & (SLICE_COUNT - 1)];
    let within = slice.first + (scaled > slice.last) as u64;
    (63 - zeros as usize) * PER_OCTAVE + within as usize + (value == 1) as usize
}

/// The smallest and the largest value of a bucket that can hold any.
pub(crate) const fn edges(index: usize) -> (u64, u64) {
    if index < 2 {
        return (index as u64, index as u64);
    }
    let shift = 63 - index / PER_OCTAVE;
    let within = index % PER_OCTAVE;
    ((LAST[within] >> shift) + 1, LAST[within + 1] >> shift)
}

/// `LAST[k]` is the last value before bucket `k` of the top octave: 2^63 · 2^(k/32), rounded down,
/// less one. Lower octaves compare after shifting the value up, so this one table serves them all.
const LAST: [u64; PER_OCTAVE + 1] = last();

const fn last() -> [u64; PER_OCTAVE + 1] {
    // roots[i] = 2^63 · 2^(1/2^(i+1)): the square root of the one before, scaled by 2^63.
    let mut roots = [0_u128; 5];
    let mut root = 1_u128 << 64;
    let mut i = 0;
    while i < roots.len() {
        root = (root << 63).isqrt();
        roots[i] = root;
        i += 1;
    }
    let mut last = [u64::MAX; PER_OCTAVE + 1];
    let mut k = 0;
    while k < PER_OCTAVE {
        let mut edge = 1_u128 << 63;
        let mut bit = 0;
        while bit < roots.len() {
            if k >> (4 - bit) & 1 == 1 {
                edge = (edge * roots[bit]) >> 63;
            }
            bit += 1;
        }
        last[k] = (edge - 1) as u64;
        k += 1;
    }
    last
}

/// An octave cut into 64 equal slices. The narrowest bucket is 1/45 of an octave's lower end, so a
/// slice meets at most one edge, and one comparison finds the bucket.
struct Slice {
    /// The last scaled value that falls in bucket `first`.
    last: u64,
    /// The bucket at the slice's lower end.
    first: u64,
}

const SLICE_COUNT: usize = 64;
const SLICE_SHIFT: u32 = 57;

static SLICES: [Slice; SLICE_COUNT] = slices();

const fn slices() -> [Slice; SLICE_COUNT] {
    let mut slices = [const { Slice { last: 0, first: 0 } }; SLICE_COUNT];
    let mut bucket = 0;
    let mut s = 0;
    while s < SLICE_COUNT {
        let low = (1 << 63) + ((s as u64) << SLICE_SHIFT);
        let high = low + ((1 << SLICE_SHIFT) - 1);
        while LAST[bucket + 1] < low {
            bucket += 1;
        }
        let second = bucket + 2;
        assert!(second > PER_OCTAVE || LAST[second] >= high, "one comparison is not enough");
        slices[s] = Slice { last: LAST[bucket + 1], first: bucket as u64 };
        s += 1;
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn used() -> impl Iterator<Item = (usize, u64, u64)> {
        (0..OCTAVES * PER_OCTAVE).filter_map(|index| {
            let (low, high) = edges(index);
            (low <= high && index_of(low) == index).then_some((index, low, high))
        })
    }

    #[test]
    fn buckets_tile_the_whole_range() {
        let mut next = 0_u128;
        for (index, low, high) in used() {
            assert_eq!(u128::from(low), next, "bucket {index}");
            assert_eq!(index_of(high), index);
            next = u128::from(high) + 1;
        }
        assert_eq!(next, 1 << 64);
    }

    #[test]
    fn a_bucket_is_at_most_2_2_percent_wide() {
        for (index, low, high) in used() {
            let width = (high - low) as f64 / (low.max(1)) as f64;
            assert!(width <= 0.022, "bucket {index}: {low}..={high}");
        }
    }

    #[test]
    fn small_integers_have_a_bucket_each() {
        for value in 0..=45 {
            assert_eq!(edges(index_of(value)), (value, value));
        }
    }

    #[test]
    fn edges_are_powers_of_the_base() {
        for (k, last) in LAST.iter().enumerate().take(PER_OCTAVE) {
            let exact = (63.0 + k as f64 / 32.0).exp2();
            assert!((*last as f64 / exact - 1.0).abs() < 1e-15, "edge {k}");
        }
    }

    /// Values of every magnitude, with the powers of two and their neighbours.
    fn value() -> impl Strategy<Value = u64> {
        prop_oneof![
            (any::<u64>(), 0_u32..64).prop_map(|(v, shift)| v >> shift),
            (0_u32..64, -2_i64..=2).prop_map(|(e, d)| (1_u64 << e).saturating_add_signed(d)),
            (0_u64..3).prop_map(|d| u64::MAX - d),
        ]
    }

    proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
        #[test]
        fn a_value_lies_within_the_edges_of_its_bucket(v in value()) {
            let (low, high) = edges(index_of(v));
            prop_assert!(low <= v && v <= high);
        }

        #[test]
        fn order_is_kept(a in value(), b in value()) {
            prop_assert_eq!(index_of(a).cmp(&index_of(b)).then(a.cmp(&b)), a.cmp(&b));
        }
    }
}
