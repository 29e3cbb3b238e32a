//! What a statistic answers: an estimate with its interval, or a test with its p value.

use crate::StatsError;

/// A value with the interval that holds the true one with the stated confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Estimate {
    /// The estimate itself.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// Of a ratio, from that of its logarithm; finite, for JSON has no infinite numbers.
    pub(crate) fn of_logarithm(value: f64, low: f64, high: f64) -> Estimate {
        let ratio = |logarithm: f64| logarithm.exp().min(f64::MAX);
        Estimate { value: ratio(value), low: ratio(low), high: ratio(high) }
    }
}

/// A test of "there is no difference".
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Test {
    /// The test's own statistic.
    pub statistic: f64,
    /// Two-sided probability of one as extreme where there is no difference.
    pub p: f64,
}

/// How often an interval holds the true value: two-sided, above 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// 95 %.
    pub const P95: Confidence = Confidence(0.95);
    /// 99 %: each end is passed in one case of 200.
    pub const P99: Confidence = Confidence(0.99);

    /// A confidence of one's own.
    ///
    /// # Errors
    ///
    /// [`StatsError::OutOfRange`] unless `0 < value < 1`.
    pub fn new(value: f64) -> Result<Confidence, StatsError> {
        if value > 0.0 && value < 1.0 {
            Ok(Confidence(value))
        } else {
            Err(StatsError::OutOfRange {
                setting: "confidence",
                value,
                allowed: "above 0 and below 1",
            })
        }
    }

    /// As a fraction.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// What may lie beyond each end of the interval.
    pub(crate) fn tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }
}
