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
        Ok(student) if freedom < NORMAL_FROM => -student.inverse_cdf(tail),
        _ => normal_upper(tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64) -> bool {
        (got / expected - 1.0).abs() < 1e-8
    }

    #[test]
    fn students_tails_are_those_of_scipy() {
        // 2 * scipy.stats.t.sf(t, freedom), SciPy 1.16.
        for (t, freedom, expected) in [
            (0.5, 1.0, 0.7048327646991336),
            (2.1, 3.7, 0.10926470508222474),
            (12.0, 28.0, 1.4897300791947353e-12),
            (-4.4, 57.3, 4.7697903090758135e-5),
            (3.3, 1000.0, 0.0010009967250020878),
            (2.0, 19_999.0, 0.04551376263345283),
            (60.0, 5.0, 2.4336377589983817e-8),
        ] {
            let got = student_two_sided(t, freedom);
            assert!(near(got, expected), "{t} {freedom}: {got}");
        }
        assert_eq!(student_two_sided(0.0, 5.0), 1.0);
        assert_eq!(student_two_sided(f64::MAX, 5.0), 0.0);
    }

    #[test]
    fn students_quantiles_are_those_of_scipy() {
        // scipy.stats.t.isf(tail, freedom), SciPy 1.16.
        for (tail, freedom, expected) in [
            (0.025, 1.0, 12.706204736432102),
            (0.005, 3.7, 4.869252253185209),
            (0.005, 28.4, 2.7604499822912993),
            (0.025, 1000.0, 1.9623390808264078),
            (0.005, 19_999.0, 2.576075165311448),
        ] {
            let got = student_upper(tail, freedom);
            assert!(near(got, expected), "{tail} {freedom}: {got}");
        }
    }

    #[test]
    fn the_change_to_the_normal_curve_is_hardly_a_step() {
        let (below, above) = (NORMAL_FROM - 1.0, NORMAL_FROM);
        let ratio = student_two_sided(3.0, below) / student_two_sided(3.0, above);
        assert!((ratio - 1.0).abs() < 2e-3, "{ratio}");
        assert!((student_upper(0.005, below) - student_upper(0.005, above)).abs() < 1e-3);
    }

    #[test]
    fn the_normal_curve_is_that_of_scipy() {
        // 2 * scipy.stats.norm.sf(z) and scipy.stats.norm.isf(tail), SciPy 1.16.
        for (z, expected) in
            [(0.1, 0.920344325445942), (-1.96, 0.04999579029644087), (8.0, 1.244192114854348e-15)]
        {
            assert!(near(normal_two_sided(z), expected), "{z}");
        }
        assert!(near(normal_upper(0.005), 2.575829303548901));
        assert!(near(normal_upper(1e-9), 5.9978070150076865));
    }
}
