//! Quantiles of the values at hand.

use crate::distribution::normal_upper;
use crate::{Confidence, Estimate, StatsError, input};

/// The middle value; between the middle two where their number is even.
///
/// O(n) time, one copy of the values.
///
/// # Errors
///
/// [`StatsError`] if there is no value or one is not finite.
pub fn median(values: &[f64]) -> Result<f64, StatsError> {
    quantile(values, 0.5)
}

/// The value below which the fraction `q` lies, from 0 (the least) to 1 (the greatest), with
/// straight lines between neighbours.
///
/// O(n) time, one copy of the values.
///
/// Source: definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The
/// American Statistician 50, 1996; what R, NumPy and spreadsheets do unless told otherwise.
///
/// # Errors
///
/// [`StatsError`] if there is no value, one is not finite, or `q` lies outside of 0 to 1.
pub fn quantile(values: &[f64], q: f64) -> Result<f64, StatsError> {
    if !(0.0..=1.0).contains(&q) {
        return Err(StatsError::OutOfRange {
            setting: "quantile",
            value: q,
            allowed: "from 0 to 1",
        });
    }
    input::finite(values, 1)?;
    let mut values = values.to_vec();
    let place = Place::new(values.len(), q);
    let (_, low, above) = values.select_nth_unstable_by(place.index, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    Ok(place.between(low, high))
}

/// The median with an interval, whatever the values' distribution: it reaches from one value to
/// another so far from the ends as the sign test allows.
///
/// Where values scatter evenly around their middle, [`hodges_lehmann`](crate::hodges_lehmann) is
/// narrower. O(n log n) time, one copy of the values.
///
/// Source: Thompson, "On Confidence Ranges for the Median", Annals of Mathematical Statistics 7,
/// 1936.
///
/// # Errors
///
/// [`StatsError`] if a value is not finite, or there are fewer than the confidence takes: 6 at
/// 95 %, 8 at 99 %.
pub fn median_interval(values: &[f64], confidence: Confidence) -> Result<Estimate, StatsError> {
    input::finite(values, 1)?;
    let tail = confidence.tail();
    let rank = interval_rank(values.len(), tail).ok_or_else(|| {
        let enough = |n: &usize| interval_rank(*n, tail).is_some();
        StatsError::TooFew {
            have: values.len(),
            need: (values.len()..1100).find(enough).unwrap_or(1100),
        }
    })?;
    let sorted = input::sorted(values);
    Ok(Estimate {
        value: of_sorted(&sorted, 0.5),
        low: sorted[rank - 1],
        high: sorted[sorted.len() - rank],
    })
}

/// The so-many-th value from each end bounds the median: the largest `k` such that fewer than `k`
/// heads in `n` tosses are no more likely than `tail`.
fn interval_rank(n: usize, tail: f64) -> Option<usize> {
    if n > 1000 {
        let n = n as f64;
        return Some(
            (0.5 * n - normal_upper(tail) * 0.5 * n.sqrt() + 0.5).floor().max(1.0) as usize
        );
    }
    // From 1000 on 0.5^n would vanish.
    let mut chance = 0.5_f64.powi(n as i32);
    let mut below = 0.0;
    for heads in 0..=n / 2 {
        below += chance;
        if below > tail {
            return (heads > 0).then_some(heads);
        }
        chance *= (n - heads) as f64 / (heads + 1) as f64;
    }
    // The tail is nearly a half: as near to the middle as both ends can come.
    Some(n.div_ceil(2))
}

/// Where a quantile lies between two neighbours in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Index of the lower neighbour.
    pub(crate) index: usize,
    fraction: f64,
}

impl Place {
    /// Of the quantile `q` among `len > 0` values.
    pub(crate) fn new(len: usize, q: f64) -> Place {
        let place = (len - 1) as f64 * q;
        let index = (place as usize).min(len - 1);
        Place { index, fraction: place - index as f64 }
    }

    /// The quantile, from the two neighbours.
    pub(crate) fn between(self, low: f64, high: f64) -> f64 {
        // Not low + fraction * (high - low): that overflows where the two are far apart.
        if self.fraction == 0.0 { low } else { low * (1.0 - self.fraction) + high * self.fraction }
    }
}

/// The quantile of values in order.
pub(crate) fn of_sorted(sorted: &[f64], q: f64) -> f64 {
    let place = Place::new(sorted.len(), q);
    let next = (place.index + 1).min(sorted.len() - 1);
    place.between(sorted[place.index], sorted[next])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_median_of_an_even_number_lies_in_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Ok(2.5));
        assert_eq!(median(&[4.0, 1.0, 3.0]), Ok(3.0));
        assert_eq!(median(&[7.0]), Ok(7.0));
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], q), NumPy 2.2
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (q, expected) in [(0.0, 1.0), (0.1, 1.0), (0.25, 1.75), (0.9, 6.9), (1.0, 9.0)] {
            let got = quantile(&values, q).unwrap();
            assert!((got - expected).abs() < 1e-12, "{q}: {got}");
        }
    }

    #[test]
    fn the_interval_of_the_median_is_that_of_the_tables() {
        // Largest k with scipy.stats.binom.cdf(k - 1, n, 0.5) at most 2.5 % and 0.5 %, SciPy 1.16;
        // up to 50 as in the tables of the sign test.
        for (n, five, one) in [
            (6, 1, 0),
            (8, 1, 1),
            (10, 2, 1),
            (20, 6, 4),
            (30, 10, 8),
            (50, 18, 16),
            (1000, 469, 459),
        ] {
            assert_eq!(interval_rank(n, 0.025), Some(five), "{n}");
            assert_eq!(interval_rank(n, 0.005).unwrap_or(0), one, "{n}");
        }
        assert_eq!(interval_rank(5, 0.025), None);
        assert!(interval_rank(1001, 0.025).unwrap().abs_diff(469) <= 1);

        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let got = median_interval(&values, Confidence::P95).unwrap();
        assert_eq!(got, Estimate { value: 10.5, low: 6.0, high: 15.0 });
        let error = median_interval(&[1.0; 4], Confidence::P95).unwrap_err();
        assert_eq!(error, StatsError::TooFew { have: 4, need: 6 });
        assert!(median_interval(&[], Confidence::P95).is_err());
        assert!(median_interval(&[f64::NAN; 9], Confidence::P95).is_err());
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(median(&[]), Err(StatsError::TooFew { have: 0, need: 1 }));
        let error = quantile(&[1.0], 1.5).unwrap_err();
        assert_eq!(error.to_string(), "quantile is 1.5, it must be from 0 to 1");
        assert!(quantile(&[1.0], f64::NAN).is_err());
        let error = median(&[1.0, f64::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "value 1 is NaN, drop it or measure again");
    }

    proptest! {
        #[test]
        fn a_quantile_is_what_sorting_gives(
            values in prop::collection::vec(-1e6..1e6_f64, 1..50),
            q in 0.0..=1.0_f64,
        ) {
            let got = quantile(&values, q).unwrap();
            prop_assert_eq!(got, of_sorted(&input::sorted(&values), q));
        }
    }
}
