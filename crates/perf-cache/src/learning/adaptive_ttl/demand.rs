//! How often values are asked for, from how long they were missing.

/// Estimates the rate of requests for a value from the times between its end and its reload, which
/// is the first request after it.
///
/// If requests come by chance (Poisson), a value that is asked for at a rate ρ is reloaded within a
/// short time δ after its end with the chance 1 - exp(-ρδ). So the share of waits within δ gives the
/// mean of the rates, also where some values are asked for much more often than others, as long as
/// δ is short beside the waits of these; one over the mean wait would be the rate of the rare ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    count: f64,
    /// In seconds; fades.
    mean: f64,
    /// The share of waits shorter than the mean by a factor of [`SHORT`]; fades.
    short: f64,
}

impl Waits {
    /// Notes a wait, in seconds.
    pub(super) fn note(&mut self, wait: f64) {
        self.count += 1.0;
        self.mean += (wait - self.mean) / self.count.min(MEANT);
        let short = if wait * SHORT < self.mean { 1.0 } else { 0.0 };
        self.short += (short - self.short) / self.count.min(COUNTED);
    }

    /// Requests a second for a value, in the mean over reloads; very many before the first wait.
    pub(super) fn per_second(&self) -> f64 {
        let mean = self.mean.max(LEAST_WAIT);
        // No less than one over the mean, which is what is known from few waits.
        (-SHORT * (-self.short.min(MOST_SHORT)).ln_1p()).max(1.0) / mean
    }
}

/// What the mean wait is divided by for a short one: a value may be asked for so much more often
/// than the mean and still be told apart.
const SHORT: f64 = 64.0;
/// Waits that count for the mean.
const MEANT: f64 = 256.0;
/// Waits that count for the share of short ones, of which there are few.
const COUNTED: f64 = 2_048.0;
/// Above this the logarithm says nothing.
const MOST_SHORT: f64 = 0.95;
/// What is asked for more often than a million times a second counts as this.
const LEAST_WAIT: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::chance::Chance;

    fn estimate(rates: &[f64]) -> f64 {
        let (mut waits, mut chance) = (Waits::default(), Chance::new(3));
        for n in 0..40_000 {
            waits.note(chance.interval(rates[n % rates.len()]));
        }
        waits.per_second()
    }

    #[test]
    fn finds_the_mean_of_the_rates() {
        for rate in [0.001, 1.0, 1_000.0] {
            let found = estimate(&[rate]);
            assert!((found / rate - 1.0).abs() < 0.4, "{found} of {rate}");
        }
        // One over the mean wait would be 0.11.
        let rates: Vec<f64> = (0..10).map(|n| if n == 0 { 5.0 } else { 0.1 }).collect();
        let found = estimate(&rates);
        assert!((0.4..0.8).contains(&found), "{found}");
    }

    #[test]
    fn takes_any_wait() {
        let mut waits = Waits::default();
        assert!(waits.per_second() >= 1.0 / LEAST_WAIT);
        (0..100).for_each(|_| waits.note(0.0));
        assert!(waits.per_second().is_finite());
        waits.note(1e12);
        assert!(waits.per_second() > 0.0);
    }
}
