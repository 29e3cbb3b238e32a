//! The k-th smallest of very many sums or differences that are never written down.
//!
//! The averages of all pairs of `n` values are `n (n + 1) / 2`; but how many of them lie at or
//! below a bound is counted in O(n) along the staircase through the sorted values, so the k-th is
//! found by halving the range of floating-point numbers: at most 64 counts, exact, whatever the
//! values are.
//!
//! Source: the staircase is that of Johnson and Mizoguchi, "Selecting the Kth Element in X + Y and
//! X1 + X2 + ... + Xm", SIAM Journal on Computing 7, 1978.

use crate::quantile::Place;

/// All averages of two of the values, each with itself included (Walsh averages).
#[derive(Debug)]
pub(crate) struct Averages<'a> {
    sorted: &'a [f64],
}

/// All differences between a value of the second row and one of the first.
#[derive(Debug)]
pub(crate) struct Differences<'a> {
    first: &'a [f64],
    second: &'a [f64],
}

/// Values in a known range of which those up to a bound can be counted.
pub(crate) trait Countable {
    /// How many there are; at least one.
    fn count(&self) -> u64;
    /// The least and the greatest.
    fn range(&self) -> (f64, f64);
    /// How many are at most `bound`.
    fn at_most(&self, bound: f64) -> u64;

    /// The k-th smallest, from 1; beyond the ends, the end.
    fn kth(&self, k: u64) -> f64 {
        let k = k.clamp(1, self.count());
        let (low, high) = self.range();
        let (mut low, mut high) = (order(low), order(high));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at_most(value(middle)) >= k {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        value(low) + 0.0
    }

    /// The middle one; between the middle two where their number is even.
    fn median(&self) -> f64 {
        let low = self.count().div_ceil(2);
        let high = self.count() / 2 + 1;
        let first = self.kth(low);
        if low == high { first } else { Place::new(2, 0.5).between(first, self.kth(high)) }
    }
}

impl<'a> Averages<'a> {
    /// Of at least one value, in order.
    pub(crate) fn new(sorted: &'a [f64]) -> Averages<'a> {
        Averages { sorted }
    }

    fn average(&self, i: usize, j: usize) -> f64 {
        0.5 * self.sorted[i] + 0.5 * self.sorted[j]
    }
}

impl Countable for Averages<'_> {
    fn count(&self) -> u64 {
        let n = self.sorted.len() as u64;
        n * (n + 1) / 2
    }

    fn range(&self) -> (f64, f64) {
        let last = self.sorted.len() - 1;
        (self.average(0, 0), self.average(last, last))
    }

    fn at_most(&self, bound: f64) -> u64 {
        let mut count = 0;
        let mut end = self.sorted.len();
        for i in 0..self.sorted.len() {
            while end > i && self.average(i, end - 1) > bound {
                end -= 1;
            }
            if end <= i {
                break;
            }
            count += (end - i) as u64;
        }
        count
    }
}

impl<'a> Differences<'a> {
    /// Of two rows with at least one value each, in order.
    pub(crate) fn new(first: &'a [f64], second: &'a [f64]) -> Differences<'a> {
        Differences { first, second }
    }
}

impl Countable for Differences<'_> {
    fn count(&self) -> u64 {
        self.first.len() as u64 * self.second.len() as u64
    }

    fn range(&self) -> (f64, f64) {
        let (first, second) = (self.first, self.second);
        (second[0] - first[first.len() - 1], second[second.len() - 1] - first[0])
    }

    fn at_most(&self, bound: f64) -> u64 {
        let mut count = 0;
        let mut end = 0;
        for first in self.first {
            while end < self.second.len() && self.second[end] - first <= bound {
                end += 1;
            }
            count += end as u64;
        }
        count
    }
}

/// Floating-point numbers as integers in the same order.
fn order(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn value(order: u64) -> f64 {
    f64::from_bits(if order >> 63 == 1 { order & !(1 << 63) } else { !order })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::sorted;
    use proptest::prelude::*;

    #[test]
    fn the_integers_keep_the_order_of_the_numbers() {
        let numbers = [f64::MIN, -1.0, -f64::MIN_POSITIVE, -0.0, 0.0, 1e-300, 1.0, f64::MAX];
        assert!(numbers.windows(2).all(|pair| order(pair[0]) < order(pair[1])));
        assert!(numbers.iter().all(|n| value(order(*n)).to_bits() == n.to_bits()));
    }

    #[test]
    fn many_equal_values_are_no_trouble() {
        let values = [2.0; 20];
        assert_eq!(Averages::new(&values).median(), 2.0);
        assert_eq!(Differences::new(&values, &values).median(), 0.0);
    }

    // Few distinct numbers, so that ties are common.
    fn row() -> impl Strategy<Value = Vec<f64>> {
        let number = prop_oneof![(-4..4_i32).prop_map(f64::from), -10.0..10.0_f64];
        prop::collection::vec(number, 1..12).prop_map(|values| sorted(&values))
    }

    proptest! {
        #[test]
        fn every_average_is_found_in_its_place(values in row()) {
            let mut all = Vec::new();
            for (i, a) in values.iter().enumerate() {
                all.extend(values[i..].iter().map(|b| 0.5 * a + 0.5 * b));
            }
            let averages = Averages::new(&values);
            let found: Vec<f64> = (1..=averages.count()).map(|k| averages.kth(k)).collect();
            prop_assert_eq!(found, sorted(&all));
        }

        #[test]
        fn every_difference_is_found_in_its_place(first in row(), second in row()) {
            let mut all = Vec::new();
            for a in &first {
                all.extend(second.iter().map(|b| b - a));
            }
            let differences = Differences::new(&first, &second);
            let found: Vec<f64> = (1..=differences.count()).map(|k| differences.kth(k)).collect();
            prop_assert_eq!(found, sorted(&all));
        }
    }
}
