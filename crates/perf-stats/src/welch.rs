//! The t test for two samples that need not scatter alike.
//!
//! Source: Welch, "The Generalization of 'Student's' Problem when Several Different Population
//! Variances Are Involved", Biometrika 34, 1947; the degrees of freedom are Satterthwaite's, 1946.

use crate::distribution::{student_two_sided, student_upper};
use crate::{Confidence, Estimate, StatsError, Test, input};

/// Welch's t test that `a` and `b` have the same mean, two-sided. The statistic is positive where
/// the mean of `a` is the larger.
///
/// Where neither side scatters at all, different means give `p` 0 with the largest finite
/// statistic, equal ones `p` 1.
///
/// O(n) time.
///
/// # Errors
///
/// [`StatsError`] if a side has fewer than two values or one is not finite.
pub fn welch(a: &[f64], b: &[f64]) -> Result<Test, StatsError> {
    input::finite(a, 2)?;
    input::finite(b, 2)?;
    Ok(Comparison::of(a, b).test())
}

/// By which factor the geometric mean of `head` differs from that of `base`, two independent
/// samples, with Welch's test of the logarithms. Above 1, the head is larger, and so is the
/// statistic above 0.
///
/// The named alternative to the rank methods: narrower where the logarithms are normal, led astray
/// by single outliers.
///
/// O(n) time, one copy of the values.
///
/// # Errors
///
/// [`StatsError`] if a side has fewer than two values, or one is not finite or not above zero.
pub fn welch_log_ratio(
    base: &[f64],
    head: &[f64],
    confidence: Confidence,
) -> Result<(Estimate, Test), StatsError> {
    let base = input::logarithms(base, 2)?;
    let head = input::logarithms(head, 2)?;
    let comparison = Comparison::of(&head, &base);
    let reach = comparison.reach(confidence);
    let difference = comparison.difference;
    let estimate = Estimate::of_logarithm(difference, difference - reach, difference + reach);
    Ok((estimate, comparison.test()))
}

struct Comparison {
    difference: f64,
    /// Standard error of the difference.
    error: f64,
    freedom: f64,
}

impl Comparison {
    /// Of two samples with at least two values each.
    fn of(a: &[f64], b: &[f64]) -> Comparison {
        let (first, second) = (Moments::of(a), Moments::of(b));
        let (va, vb) = (first.variance / first.n, second.variance / second.n);
        let error = (va + vb).sqrt();
        // As shares of their sum: the squares of very small or large variances would not fit.
        let share = if error > 0.0 { va / (va + vb) } else { 0.5 };
        let rest = 1.0 - share;
        let freedom = 1.0 / (share * share / (first.n - 1.0) + rest * rest / (second.n - 1.0));
        Comparison { difference: first.mean - second.mean, error, freedom }
    }

    fn test(&self) -> Test {
        if self.difference == 0.0 {
            return Test { statistic: 0.0, p: 1.0 };
        }
        // Not infinite, for JSON has no such number.
        let statistic = (self.difference / self.error).clamp(f64::MIN, f64::MAX);
        let p = if self.error > 0.0 { student_two_sided(statistic, self.freedom) } else { 0.0 };
        Test { statistic, p }
    }

    fn reach(&self, confidence: Confidence) -> f64 {
        if self.error > 0.0 {
            student_upper(confidence.tail(), self.freedom) * self.error
        } else {
            0.0
        }
    }
}

struct Moments {
    n: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Moments {
        let n = values.len() as f64;
        // The first value is taken off, so that equal values leave exactly nothing.
        let first = values[0];
        let offset = values.iter().map(|v| v - first).sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - first - offset).powi(2)).sum();
        Moments { n, mean: first + offset, variance: squares / (n - 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64) -> bool {
        (got / expected - 1.0).abs() < 1e-9
    }

    #[test]
    fn the_sleep_data_are_met() {
        // Student, 1908; t = -1.8608, p = 0.07939 in R's t.test(extra ~ group, data = sleep), more
        // digits from scipy.stats.ttest_ind(a, b, equal_var=False), SciPy 1.16.
        let a = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let b = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let test = welch(&a, &b).unwrap();
        assert!(near(test.statistic, -1.8608134674868526), "{test:?}");
        assert!(near(test.p, 0.0793941401873582), "{test:?}");
    }

    #[test]
    fn values_that_do_not_scatter_are_compared_all_the_same() {
        let test = welch(&[2.0, 2.0], &[1.0, 1.0, 1.0]).unwrap();
        assert_eq!(test, Test { statistic: f64::MAX, p: 0.0 });
        assert_eq!(welch(&[0.1; 3], &[0.1; 7]).unwrap(), Test { statistic: 0.0, p: 1.0 });
        let (ratio, test) = welch_log_ratio(&[2.0; 3], &[3.0; 3], Confidence::P95).unwrap();
        assert!(near(ratio.value, 1.5) && ratio.low == ratio.high && test.p == 0.0);
    }

    #[test]
    fn bad_input_is_named() {
        let p95 = Confidence::P95;
        assert_eq!(welch(&[], &[1.0, 2.0]), Err(StatsError::TooFew { have: 0, need: 2 }));
        assert_eq!(welch(&[1.0, 2.0], &[1.0]), Err(StatsError::TooFew { have: 1, need: 2 }));
        assert!(welch(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
        let error = welch_log_ratio(&[1.0, 0.0], &[1.0, 2.0], p95).unwrap_err();
        assert_eq!(error, StatsError::NotPositive { index: 1, value: 0.0 });
        assert!(welch_log_ratio(&[1.0, 2.0], &[1.0], p95).is_err());
    }
}
