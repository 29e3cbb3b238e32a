//! A fraction that cannot be wrong.

use std::fmt;

/// A fraction from 0 to 1, both included.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "f64", into = "f64"))]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing.
    pub const ZERO: Ratio = Ratio(0.0);
    /// Everything.
    pub const ONE: Ratio = Ratio(1.0);

    /// # Errors
    ///
    /// [`OutOfRange`] unless `0 <= value <= 1`. NaN is out of range.
    pub fn new(value: f64) -> Result<Ratio, OutOfRange> {
        if (0.0..=1.0).contains(&value) { Ok(Ratio(value)) } else { Err(OutOfRange { value }) }
    }

    /// `part` of `whole`, `None` where the whole is zero or smaller than its part.
    ///
    /// ```
    /// use perf_core::Ratio;
    /// assert_eq!(Ratio::of(3, 4).unwrap().as_f64(), 0.75);
    /// assert_eq!(Ratio::of(0, 0), None);
    /// ```
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Option<Ratio> {
        (whole > 0 && part <= whole).then(|| Ratio(part as f64 / whole as f64))
    }

    /// The fraction as a number.
    #[must_use]
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Ratio {
    /// As a percentage with one decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.0 * 100.0)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = OutOfRange;

    fn try_from(value: f64) -> Result<Ratio, OutOfRange> {
        Ratio::new(value)
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> f64 {
        ratio.0
    }
}

/// A number that is not a fraction from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutOfRange {
    value: f64,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a ratio: use a number from 0 to 1", self.value)
    }
}

impl std::error::Error for OutOfRange {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_both_ends_and_nothing_beyond() {
        assert_eq!(Ratio::new(0.0).unwrap(), Ratio::ZERO);
        assert_eq!(Ratio::new(1.0).unwrap(), Ratio::ONE);
        for bad in [-f64::EPSILON, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY] {
            assert!(Ratio::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_part_larger_than_its_whole_is_no_ratio() {
        assert_eq!(Ratio::of(5, 4), None);
        assert_eq!(Ratio::of(1, 3).unwrap().to_string(), "33.3 %");
    }
}
