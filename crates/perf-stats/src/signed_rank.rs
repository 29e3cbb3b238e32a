//! Do paired differences lean to one side? Wilcoxon's signed-rank test and its distribution.
//!
//! Sources: Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1, 1945;
//! the normal approximation with ties as in Hollander, Wolfe and Chicken, "Nonparametric
//! Statistical Methods", 3rd edition, chapter 3.

use crate::distribution::{normal_two_sided, normal_upper};
use crate::{StatsError, Test, input, ranks};

/// Up to so many differences the distribution is exact, beyond it is taken for normal.
const EXACT: usize = 60;

/// Wilcoxon's signed-rank test that `differences` lie around zero, two-sided.
///
/// The statistic is the sum of the ranks of the positive ones (R's `V`). Zeros are left out, as
/// Wilcoxon did; if nothing else is there, `p` is 1. Up to 60 differences `p` is exact, with ties
/// too (equal sizes share their middle rank, and the distribution is that of the shared ranks);
/// beyond, it is normal with corrections for ties and continuity.
///
/// O(n log n) time, and O(n³) up to 60 differences: some 40 µs at 60.
///
/// # Errors
///
/// [`StatsError`] if there is no difference or one is not finite.
pub fn wilcoxon_signed_rank(differences: &[f64]) -> Result<Test, StatsError> {
    input::finite(differences, 1)?;
    let differences: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let sizes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
    let ranked = ranks::doubled(&sizes);
    let doubled: u64 =
        ranked.doubled.iter().zip(&differences).filter(|(_, d)| **d > 0.0).map(|(r, _)| *r).sum();
    let n = differences.len();
    let p = if n == 0 {
        1.0
    } else if n <= EXACT {
        let total: u64 = ranked.doubled.iter().sum();
        let tail = lower_tail(&ranked.doubled);
        let least = doubled.min(total - doubled) as usize;
        (2.0 * tail[least]).min(1.0)
    } else {
        let (mean, variance) = moments(n);
        let deviation = (variance - ranked.ties / 48.0).sqrt();
        let off = ((doubled as f64 / 2.0 - mean).abs() - 0.5).max(0.0);
        normal_two_sided(off / deviation)
    };
    Ok(Test { statistic: doubled as f64 / 2.0, p })
}

/// How many averages the interval of `n` values leaves out on each side, plus one: the lower end
/// is the so-many-th smallest of the averages. `None` where even the least and the greatest do
/// not reach the confidence; `tail` is what each side may miss.
pub(crate) fn interval_rank(n: usize, tail: f64) -> Option<u64> {
    if n <= EXACT {
        let ranks: Vec<u64> = (1..=n as u64).collect();
        // The lower tail passes 1/2 before it ends, so that the position is inside of it.
        match lower_tail(&ranks).iter().take_while(|p| **p <= tail).count() {
            0 => None,
            rank => Some(rank as u64),
        }
    } else {
        let (mean, variance) = moments(n);
        Some((mean - normal_upper(tail) * variance.sqrt() + 0.5).floor().max(1.0) as u64)
    }
}

/// How many values an interval with so much in each tail takes at least.
pub(crate) fn least(tail: f64) -> usize {
    (1..=EXACT).find(|n| 0.5_f64.powi(*n as i32) <= tail).unwrap_or(EXACT)
}

/// Mean and variance of the statistic without ties.
fn moments(n: usize) -> (f64, f64) {
    let n = n as f64;
    (n * (n + 1.0) / 4.0, n * (n + 1.0) * (2.0 * n + 1.0) / 24.0)
}

/// Probability that the sum of the ranks with a plus is at most 0, 1, 2 and so on up to half of
/// all ranks together, where each sign is plus or minus alike.
fn lower_tail(ranks: &[u64]) -> Vec<f64> {
    let half = (ranks.iter().sum::<u64>() / 2) as usize;
    let mut chance = vec![0.0; half + 1];
    chance[0] = 1.0;
    for rank in ranks {
        let rank = *rank as usize;
        for sum in (0..=half).rev() {
            let with = if sum >= rank { chance[sum - rank] } else { 0.0 };
            chance[sum] = 0.5 * (chance[sum] + with);
        }
    }
    let mut below = 0.0;
    for chance in &mut chance {
        below += *chance;
        *chance = below;
    }
    chance
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_critical_values_are_met() {
        // Largest sum that is significant at 5 % and 1 %, two-sided: Wilcoxon and Wilcox, "Some
        // Rapid Approximate Statistical Procedures", 1964, as reprinted in most textbooks.
        let five = [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (15, 25), (20, 52), (25, 89)];
        let one = [(8, 0), (9, 1), (10, 3), (12, 7), (15, 15), (20, 37), (25, 68), (30, 109)];
        for (n, critical) in five {
            assert_eq!(interval_rank(n, 0.025), Some(critical + 1), "{n}");
        }
        for (n, critical) in one {
            assert_eq!(interval_rank(n, 0.005), Some(critical + 1), "{n}");
        }
        assert_eq!(interval_rank(5, 0.025), None);
        assert_eq!((least(0.025), least(0.005)), (6, 8));
    }

    #[test]
    fn the_normal_rank_goes_on_where_the_exact_one_ends() {
        let (mean, variance) = moments(EXACT);
        let normal = (mean - normal_upper(0.005) * variance.sqrt() + 0.5).floor() as u64;
        let exact = interval_rank(EXACT, 0.005).unwrap();
        assert!(normal.abs_diff(exact) <= 3, "{normal} {exact}");
        assert!(interval_rank(EXACT + 1, 0.005).unwrap() > exact);
    }

    #[test]
    fn the_depression_scores_are_met() {
        // Hollander and Wolfe, 1973, 29f., also the example of R's wilcox.test: V = 40, one-sided
        // p = 0.01953.
        // Before less after of nine patients.
        let differences = [0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01];
        let test = wilcoxon_signed_rank(&differences).unwrap();
        assert_eq!(test.statistic, 40.0);
        assert!((test.p - 0.0390625).abs() < 1e-12, "{test:?}");
    }

    #[test]
    fn nothing_but_zeros_is_no_difference() {
        let test = wilcoxon_signed_rank(&[0.0, -0.0, 0.0]).unwrap();
        assert_eq!((test.statistic, test.p), (0.0, 1.0));
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(wilcoxon_signed_rank(&[]), Err(StatsError::TooFew { have: 0, need: 1 }));
        let error = wilcoxon_signed_rank(&[1.0, f64::INFINITY]).unwrap_err();
        assert!(error.to_string().starts_with("value 1 is inf"), "{error}");
        assert_eq!(wilcoxon_signed_rank(&[2.0]).unwrap().p, 1.0);
    }

    proptest! {
        #[test]
        fn small_cases_are_what_trying_all_signs_gives(
            differences in prop::collection::vec((-5..5_i32).prop_map(f64::from), 1..11),
        ) {
            let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
            let rank = |size: f64| {
                let below = kept.iter().filter(|d| d.abs() < size).count() as f64;
                let equal = kept.iter().filter(|d| d.abs() == size).count() as f64;
                below + (equal + 1.0) / 2.0
            };
            let ranks: Vec<f64> = kept.iter().map(|d| rank(d.abs())).collect();
            let sum = |plus: &dyn Fn(usize) -> bool| -> f64 {
                ranks.iter().enumerate().filter(|(i, _)| plus(*i)).map(|(_, r)| r).sum()
            };
            let observed = sum(&|i| kept[i] > 0.0);
            let middle = ranks.iter().sum::<f64>() / 2.0;
            let all = 1_u32 << kept.len();
            let extreme = (0..all)
                .filter(|signs| {
                    let sum = sum(&|i| signs >> i & 1 == 1);
                    (sum - middle).abs() >= (observed - middle).abs() - 1e-9
                })
                .count();
            let test = wilcoxon_signed_rank(&differences).unwrap();
            prop_assert_eq!(test.statistic, observed);
            prop_assert!((test.p - extreme as f64 / f64::from(all)).abs() < 1e-9);
        }
    }
}
