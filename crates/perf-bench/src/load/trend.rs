//! Whether a run got slower, or its target larger, as it went on.
//!
//! The first, the middle and the last third of the run are compared by the Hodges–Lehmann estimate
//! of their ratio. What grows while a target warms up grows in the middle and not after it; what
//! leaks grows in both.

use perf_stats::{Confidence, Estimate, hodges_lehmann_ratio_unpaired};
use serde::{Deserialize, Serialize};

/// How latency and memory went over a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trend {
    /// Median latency of the last third over that of the first.
    pub latency: Option<Drift>,
    /// The target's resident memory likewise, of the floors between collections.
    pub memory: Option<Drift>,
}

/// How one figure went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Drift {
    /// The last third over the first, with a 99 % interval.
    pub ratio: Estimate,
    /// What it means.
    pub verdict: DriftVerdict,
    /// One sentence for the reader.
    pub why: String,
}

/// What a drift means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriftVerdict {
    /// It grew, and was still growing at the end. Of memory: a leak is suspected; resident memory
    /// alone proves none, since allocators keep what they once had.
    Grows,
    /// It does not grow by more than the margin.
    Steady,
    /// The noise allows no answer.
    Unclear,
}

/// Growth below this is not worth a word.
const MARGIN: f64 = 1.05;
/// Points that each third needs.
const LEAST: usize = 10;

/// The trend of a run; what has too few points is left out.
pub(super) fn of(median_latencies: &[f64], memory: &[f64]) -> Option<Trend> {
    let latency = drift(median_latencies, "median latency", "it gets slower as it runs");
    let memory = drift(
        &floors(memory),
        "resident memory",
        "a leak is suspected; run longer, or count live bytes inside the target",
    );
    (latency.is_some() || memory.is_some()).then_some(Trend { latency, memory })
}

/// The least of each run of values, so that garbage between collections does not count; as many as
/// three thirds of sixteen.
fn floors(values: &[f64]) -> Vec<f64> {
    let width = (values.len() / 48).max(1);
    let least = |part: &[f64]| part.iter().copied().fold(f64::INFINITY, f64::min);
    values.chunks(width).map(least).collect()
}

fn drift(values: &[f64], name: &str, grows: &str) -> Option<Drift> {
    let third = values.len() / 3;
    if third < LEAST {
        return None;
    }
    let (first, rest) = values.split_at(third);
    let (middle, last) = rest.split_at(rest.len() - third);
    let confidence = Confidence::new(0.99).ok()?;
    let ratio = hodges_lehmann_ratio_unpaired(first, last, confidence).ok()?;
    let late = hodges_lehmann_ratio_unpaired(middle, last, confidence).ok()?;
    let (verdict, meaning) = if ratio.low > MARGIN && late.low > 1.0 {
        (DriftVerdict::Grows, format!("and still grows: {grows}"))
    } else if ratio.high < MARGIN {
        (DriftVerdict::Steady, "which is steady".to_owned())
    } else if ratio.low > MARGIN {
        (DriftVerdict::Steady, "but no longer grows in the last third".to_owned())
    } else {
        (DriftVerdict::Unclear, "too noisy for an answer; run longer".to_owned())
    };
    let change = crate::report::change_with_interval(&ratio);
    let why = format!("{name} of the last third against the first: {change}, {meaning}");
    Some(Drift { ratio, verdict, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(value: impl Fn(f64) -> f64) -> DriftVerdict {
        // A sawtooth of 2 % on top stands for noise.
        let values: Vec<f64> =
            (0..90).map(|n| value(f64::from(n)) * (1.0 + f64::from(n % 5) * 0.005)).collect();
        of(&values, &[]).unwrap().latency.unwrap().verdict
    }

    #[test]
    fn growth_flatness_and_warming_up_are_told_apart() {
        assert_eq!(verdict(|n| 100.0 + n), DriftVerdict::Grows);
        assert_eq!(verdict(|_| 100.0), DriftVerdict::Steady);
        assert_eq!(verdict(|n| 100.0 + 50.0 * (n / 30.0).min(1.0)), DriftVerdict::Steady);
        assert_eq!(verdict(|n| 100.0 - n / 2.0), DriftVerdict::Steady);
    }

    #[test]
    fn garbage_between_collections_is_no_leak() {
        let saw: Vec<f64> = (0..480).map(|n| 1e8 + f64::from(n % 10) * 1e7).collect();
        assert_eq!(of(&[], &saw).unwrap().memory.unwrap().verdict, DriftVerdict::Steady);
        let leak: Vec<f64> = saw.iter().enumerate().map(|(n, v)| v + n as f64 * 1e5).collect();
        let memory = of(&[], &leak).unwrap().memory.unwrap();
        assert_eq!(memory.verdict, DriftVerdict::Grows);
        assert!(memory.why.contains("leak"), "{}", memory.why);
    }

    #[test]
    fn a_short_run_has_no_trend() {
        assert_eq!(of(&[1.0; 29], &[]), None);
        assert!(of(&[1.0; 30], &[]).is_some());
    }
}
