//! How often something changes, from looks at it now and then.

use std::time::Duration;

/// Estimates the rate at which values of one class change, from reloads that found either the same
/// value or another one after so much time. How often it changed in between is not known.
///
/// The rate is the one under which what was seen is most likely, if changes come by chance
/// (Poisson). Looks are counted in buckets of like intervals, a factor of √2 wide, and fade, so that
/// some 256 of them count. Half a look that found a change and half a look that found none, after
/// the mean of the intervals, are added: without them the estimate is biased, and has no value where
/// all looks agree.
///
/// Source: Cho and Garcia-Molina, "Estimating frequency of change", ACM TOIT 2003 (the estimator for
/// looks at irregular intervals, and the bias reduction of that for regular ones).
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeRate {
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    at: i16,
    changed: f64,
    same: f64,
    /// The sum of the intervals, in seconds.
    sum: f64,
}

impl ChangeRate {
    /// Notes a look after so much time. O(buckets), of which there are at most 100.
    pub(super) fn look(&mut self, after: Duration, changed: bool) {
        let seconds = after.as_secs_f64().max(SHORTEST);
        let at = ((seconds.log2() * 2.0).floor() as i16).min(LAST);
        for bucket in &mut self.buckets {
            bucket.changed *= FADE;
            bucket.same *= FADE;
            bucket.sum *= FADE;
        }
        self.buckets.retain(|bucket| bucket.at == at || bucket.changed + bucket.same > GONE);
        let place = self.buckets.partition_point(|bucket| bucket.at < at);
        if self.buckets.get(place).is_none_or(|bucket| bucket.at != at) {
            self.buckets.insert(place, Bucket { at, changed: 0.0, same: 0.0, sum: 0.0 });
        }
        let bucket = &mut self.buckets[place];
        *if changed { &mut bucket.changed } else { &mut bucket.same } += 1.0;
        bucket.sum += seconds;
    }

    /// Changes a second; `None` before the first look. O(buckets).
    pub(super) fn per_second(&self) -> Option<f64> {
        let looks: f64 = self.buckets.iter().map(|one| one.changed + one.same).sum();
        if looks == 0.0 {
            return None;
        }
        let mean = self.buckets.iter().map(|one| one.sum).sum::<f64>() / looks;
        // Positive as long as a higher rate would make what was seen more likely.
        let slope = |rate: f64| {
            let part = |interval: f64, changed: f64, same: f64| {
                interval * (changed / (rate * interval).exp_m1() - same)
            };
            let seen = self
                .buckets
                .iter()
                .map(|one| part(one.sum / (one.changed + one.same), one.changed, one.same));
            seen.sum::<f64>() + part(mean, 0.5, 0.5)
        };
        // By halves, on a logarithmic scale.
        let (mut low, mut high) = (RATES.0, RATES.1);
        for _ in 0..STEPS {
            let middle = (low * high).sqrt();
            if slope(middle) > 0.0 { low = middle } else { high = middle }
        }
        Some((low * high).sqrt())
    }
}

/// Seconds; what is shorter counts as this.
const SHORTEST: f64 = 1e-6;
/// The bucket of 2²⁹ seconds, seventeen years.
const LAST: i16 = 58;
const FADE: f64 = 1.0 - 1.0 / 256.0;
/// A bucket with less than this share of a look is forgotten.
const GONE: f64 = 0.01;
/// Once in a thousand years, and a hundred million times a second.
const RATES: (f64, f64) = (3e-11, 1e8);
/// Enough for seven digits.
const STEPS: u32 = 29;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::chance::Chance;

    fn estimate(rate: f64, intervals: &[f64], looks: usize, seed: u64) -> f64 {
        let (mut change, mut chance) = (ChangeRate::default(), Chance::new(seed));
        for n in 0..looks {
            let interval = intervals[n % intervals.len()];
            let changed = chance.unit() >= (-rate * interval).exp();
            change.look(Duration::from_secs_f64(interval), changed);
        }
        change.per_second().unwrap()
    }

    #[test]
    fn finds_the_rate_from_regular_and_irregular_looks() {
        // What is added weighs more where the intervals differ a lot.
        let all = [(&[1.0][..], 0.06), (&[0.3, 1.0, 4.0], 0.06), (&[0.01, 0.1, 5.0], 0.15)];
        for (intervals, off) in all {
            for rate in [0.1, 0.5, 2.0] {
                let estimates = (0..40).map(|seed| estimate(rate, intervals, 1_000, seed));
                let mean = estimates.sum::<f64>() / 40.0;
                assert!((mean / rate - 1.0).abs() < off, "{mean} of {rate} by {intervals:?}");
            }
        }
    }

    #[test]
    fn agrees_with_the_closed_form_for_regular_looks() {
        for changes in [0, 1, 5, 9, 10] {
            let mut change = ChangeRate::default();
            (0..10).for_each(|n| change.look(Duration::from_secs(2), n < changes));
            // The looks have hardly faded.
            let wanted = -((10.0 - f64::from(changes) + 0.5_f64) / 11.0).ln() / 2.0;
            let found = change.per_second().unwrap();
            assert!((found / wanted - 1.0).abs() < 0.03, "{found} of {wanted}");
        }
    }

    #[test]
    fn follows_a_rate_that_changes() {
        let mut change = ChangeRate::default();
        (0..5_000).for_each(|_| change.look(Duration::from_secs(1), false));
        let slow = change.per_second().unwrap();
        (0..600).for_each(|n| change.look(Duration::from_secs(1), n % 2 == 0));
        let fast = change.per_second().unwrap();
        assert!(slow < 0.003 && (0.5..0.8).contains(&fast), "{slow} {fast}");
    }

    #[test]
    fn takes_any_interval() {
        let mut change = ChangeRate::default();
        assert_eq!(change.per_second(), None);
        for exponent in 0..200 {
            let interval = Duration::from_secs_f64(1e-9 * 1.3_f64.powi(exponent));
            change.look(interval, exponent % 3 == 0);
        }
        change.look(Duration::ZERO, true);
        change.look(Duration::MAX, false);
        assert!(change.buckets.len() <= 100);
        assert!(change.per_second().unwrap().is_finite());
    }
}
