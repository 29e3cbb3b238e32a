//! The two distributions that the methods share, over statrs.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::erf::erfc;

/// Beyond so many degrees of freedom Student's distribution is taken for the normal one: they
/// differ by less than `1 / freedom`, and the continued fraction behind the former needs more
/// steps than it is given.
const NORMAL_FROM: f64 = 20_000.0;

/// Probability of a standard normal value at least as far from zero as `z`, on either side.
pub(crate) fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The standard normal value that is exceeded with probability `tail`.
pub(crate) fn normal_upper(tail: f64) -> f64 {
    -Normal::standard().inverse_cdf(tail)
}

/// Probability of a value of Student's distribution at least as far from zero as `t`.
pub(crate) fn student_two_sided(t: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if freedom < NORMAL_FROM => (2.0 * student.sf(t.abs())).min(1.0),
        _ => normal_two_sided(t),
    }
}

/// The value of Student's distribution that is exceeded with probability `tail`.
pub(crate) fn student_upper(tail: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if freedom < NORMAL_FROM => student.inverse_cdf(1.0 - tail),
        _ => normal_upper(tail),
    }
}
