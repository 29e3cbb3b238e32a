//! Distributions as sparse lists of buckets, and the dense scratch they are merged in.

use perf_core::{Bucket, Histogram};

/// Sparse buckets, ascending: number and count.
pub(super) type Buckets = Vec<(u16, u64)>;

/// The edges of every bucket seen so far, by number.
///
/// A number is derived from a bucket's middle, so that numbers ascend with values and need two
/// bytes; the edges are learnt from the histograms themselves.
#[derive(Debug)]
pub(super) struct Edges {
    edges: Vec<(u64, u64)>,
}

impl Edges {
    pub(super) fn new() -> Edges {
        Edges { edges: vec![(0, 0); BUCKETS] }
    }

    /// The number of a bucket; remembers its edges.
    pub(super) fn number(&mut self, bucket: &Bucket) -> u16 {
        let number = number_of(bucket.low, bucket.high);
        self.edges[number] = (bucket.low, bucket.high);
        number as u16
    }

    fn at(&self, number: usize) -> (u64, u64) {
        self.edges[number]
    }
}

/// What `now` holds beyond `before`, both ascending; `None` if it holds less of anything, which
/// means that it was reset.
pub(super) fn difference(now: &[(u16, u64)], before: &[(u16, u64)]) -> Option<Buckets> {
    let mut before = before.iter().copied().peekable();
    let mut delta = Buckets::new();
    for &(number, count) in now {
        match before.peek().copied() {
            Some((earlier, _)) if earlier < number => return None,
            Some((earlier, n)) if earlier == number => {
                before.next();
                match count.checked_sub(n)? {
                    0 => {}
                    more => delta.push((number, more)),
                }
            }
            _ => delta.push((number, count)),
        }
    }
    before.peek().is_none().then_some(delta)
}

/// Adds `more` to `buckets`, both ascending.
pub(super) fn add(buckets: &mut Buckets, more: &[(u16, u64)]) {
    for &(number, count) in more {
        match buckets.binary_search_by_key(&number, |b| b.0) {
            Ok(i) => buckets[i].1 += count,
            Err(i) => buckets.insert(i, (number, count)),
        }
    }
}

/// A dense histogram to merge many windows in.
#[derive(Debug)]
pub(super) struct Scratch {
    counts: Vec<u64>,
    low: usize,
    high: usize,
    count: u64,
    sum: u128,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch { counts: vec![0; BUCKETS], low: BUCKETS, high: 0, count: 0, sum: 0 }
    }

    #[inline]
    pub(super) fn add(&mut self, number: u16, count: u64) {
        let number = usize::from(number);
        self.counts[number] += count;
        self.low = self.low.min(number);
        self.high = self.high.max(number + 1);
        self.count += count;
    }

    pub(super) fn add_sum(&mut self, sum: u128) {
        self.sum += sum;
    }

    pub(super) fn clear(&mut self) {
        if self.low < self.high {
            self.counts[self.low..self.high].fill(0);
        }
        (self.low, self.high, self.count, self.sum) = (BUCKETS, 0, 0, 0);
    }

    /// The quantile as [`Histogram::quantile`] has it; `None` when empty.
    pub(super) fn quantile(&self, q: f64, edges: &Edges) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let q = if q.is_nan() { 0.0 } else { q.clamp(0.0, 1.0) };
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        self.filled().find_map(|(number, count)| {
            seen += count;
            (seen >= rank).then(|| {
                let (low, high) = edges.at(number);
                low + (high - low) / 2
            })
        })
    }

    /// The same distribution as a histogram: every bucket and the sum are exact, minimum and
    /// maximum lie in their buckets.
    ///
    /// A histogram takes values, not buckets, so each bucket is given a value inside it at the
    /// same relative place; what rounding leaves of the sum goes on top, value by value. Because
    /// the true values lie in these buckets too, the exact sum can always be reached.
    pub(super) fn to_histogram(&self, edges: &Edges) -> Histogram {
        let mut histogram = Histogram::new();
        let (mut lowest, mut room) = (0u128, 0u128);
        for (number, count) in self.filled() {
            let (low, high) = edges.at(number);
            lowest += u128::from(low) * u128::from(count);
            room += u128::from(high - low) * u128::from(count);
        }
        let missing = self.sum.saturating_sub(lowest).min(room);
        let place = if room == 0 { 0.0 } else { missing as f64 / room as f64 };
        let shift = |low: u64, high: u64| ((high - low) as f64 * place) as u64;
        let mut left = missing;
        for (number, count) in self.filled() {
            let (low, high) = edges.at(number);
            let shifted = u128::from(shift(low, high).min(high - low)) * u128::from(count);
            left = left.saturating_sub(shifted);
        }
        for (number, count) in self.filled() {
            let (low, high) = edges.at(number);
            let value = low + shift(low, high).min(high - low);
            let room = u128::from(high - value);
            let full = left.checked_div(room).map_or(0, |n| n.min(u128::from(count)) as u64);
            histogram.record_n(high, full);
            left -= u128::from(full) * room;
            let mut rest = count - full;
            if rest > 0 && left > 0 && room > 0 {
                // `full` took all the whole rooms, so that less than one is left.
                histogram.record(value + left as u64);
                left = 0;
                rest -= 1;
            }
            histogram.record_n(value, rest);
        }
        histogram
    }

    fn filled(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let range = self.low.min(self.high)..self.high;
        let first = range.start;
        self.counts[range]
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(move |(i, n)| (first + i, *n))
    }
}

/// One for zero, and 32 for each of the 64 octaves, and one for rounding at the very top.
const BUCKETS: usize = 2 + 64 * 32;

fn number_of(low: u64, high: u64) -> usize {
    if low == 0 {
        return 0;
    }
    let middle = low as f64 / 2.0 + high as f64 / 2.0;
    (1 + (middle.log2() * 32.0) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sparse(histogram: &Histogram, edges: &mut Edges) -> Buckets {
        histogram.buckets().map(|b| (edges.number(&b), b.count)).collect()
    }

    proptest! {
        #![proptest_config(crate::test_cases())]

        #[test]
        fn numbering_keeps_buckets_apart_and_in_order(values in prop::collection::vec(0u64.., 1..200)) {
            let mut histogram = Histogram::new();
            for v in values.iter().flat_map(|v| [*v, v >> 20, v >> 50]) {
                histogram.record(v);
            }
            let mut edges = Edges::new();
            let numbers: Vec<u16> = histogram.buckets().map(|b| edges.number(&b)).collect();
            prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
            for bucket in histogram.buckets() {
                let number = edges.number(&bucket);
                prop_assert_eq!(edges.at(usize::from(number)), (bucket.low, bucket.high));
            }
        }

        #[test]
        fn a_histogram_comes_back_with_its_buckets_and_sum(
            values in prop::collection::vec((0u64..1 << 40, 1u64..50), 0..60)
        ) {
            let mut histogram = Histogram::new();
            for (v, n) in &values {
                histogram.record_n(*v, *n);
            }
            let (mut edges, mut scratch) = (Edges::new(), Scratch::new());
            for (number, count) in sparse(&histogram, &mut edges) {
                scratch.add(number, count);
            }
            scratch.add_sum(histogram.sum());
            let back = scratch.to_histogram(&edges);
            prop_assert_eq!(back.buckets().collect::<Vec<_>>(), histogram.buckets().collect::<Vec<_>>());
            prop_assert_eq!(back.sum(), histogram.sum());
            prop_assert_eq!(back.count(), histogram.count());
        }

        #[test]
        fn a_difference_added_to_the_former_state_gives_the_latter(
            early in prop::collection::vec(0u64..1 << 30, 0..40),
            late in prop::collection::vec(0u64..1 << 30, 0..40),
        ) {
            let (mut edges, mut histogram) = (Edges::new(), Histogram::new());
            early.iter().for_each(|v| histogram.record(*v));
            let mut before = sparse(&histogram, &mut edges);
            late.iter().for_each(|v| histogram.record(*v));
            let now = sparse(&histogram, &mut edges);
            let delta = difference(&now, &before).unwrap();
            prop_assert_eq!(delta.iter().map(|d| d.1).sum::<u64>(), late.len() as u64);
            if !late.is_empty() {
                prop_assert_eq!(difference(&before, &now), None);
            }
            add(&mut before, &delta);
            prop_assert_eq!(before, now);
        }
    }
}
