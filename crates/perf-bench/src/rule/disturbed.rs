//! Pairs during which something else ran.
//!
//! The signed-rank interval bears outliers, but each one widens it: with one run in twenty
//! disturbed by 5 to 40 %, the power at +5 % falls from 99.5 % to 87 % (30 pairs, runs scattering
//! by 2 %). Left out, they cost next to nothing: 97 %, and the interval misses the true ratio on
//! one side in 0.65 % of the cases instead of 0.6 %.

use perf_stats::{median, wilcoxon_signed_rank};

/// The largest part of the pairs that may be taken for disturbed. Beyond, they are no exception.
const MOST: f64 = 1.0 / 3.0;

/// Which ratios, given as logarithms, are so far out that they say nothing of the change.
///
/// Modified z score above 3.5, as Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993.
/// Answers none where those far out lean to one side (a head that stalls now and then *is* slower),
/// or are more than a third, or
/// leave fewer than `keep`, of which nothing could be said.
pub(super) fn disturbed(log_ratios: &[f64], keep: usize) -> Vec<bool> {
    let none = vec![false; log_ratios.len()];
    let Ok(middle) = median(log_ratios) else { return none };
    let off: Vec<f64> = log_ratios.iter().map(|log| log - middle).collect();
    let sizes: Vec<f64> = off.iter().map(|off| off.abs()).collect();
    let Ok(spread) = median(&sizes) else { return none };
    let far: Vec<bool> = sizes.iter().map(|size| 0.6745 * size > 3.5 * spread).collect();
    let sides: Vec<f64> =
        off.iter().zip(&far).filter(|(_, far)| **far).map(|(off, _)| off.signum()).collect();
    let lean = wilcoxon_signed_rank(&sides).is_ok_and(|test| test.p < 0.02);
    let too_many = sides.len() as f64 > MOST * log_ratios.len() as f64;
    let too_few = log_ratios.len() - sides.len() < keep;
    if lean || too_many || too_few { none } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratios(far: &[f64]) -> Vec<f64> {
        let near = (0..30 - far.len()).map(|i| 0.01 * ((i % 5) as f64 - 2.0));
        near.chain(far.iter().copied()).collect()
    }

    fn count(ratios: &[f64]) -> usize {
        disturbed(ratios, 8).iter().filter(|far| **far).count()
    }

    #[test]
    fn the_few_far_out_are_found() {
        let found = disturbed(&ratios(&[0.3, -0.2, 0.25]), 8);
        assert_eq!(found.iter().filter(|far| **far).count(), 3);
        assert!(found[27..].iter().all(|far| *far));
        assert_eq!(count(&ratios(&[])), 0);
    }

    #[test]
    fn stalls_of_one_side_belong_to_it() {
        assert_eq!(count(&ratios(&[0.3; 8])), 0);
        assert_eq!(count(&ratios(&[0.3, 0.3, 0.3, 0.3, -0.3, -0.3, 0.3, 0.3])), 8);
    }

    #[test]
    fn half_of_them_are_no_exception() {
        let far: Vec<f64> = (0..12).map(|i| if i % 2 == 0 { 0.3 } else { -0.3 }).collect();
        assert_eq!(count(&ratios(&far)), 0);
    }

    #[test]
    fn so_many_are_kept() {
        let far = ratios(&[0.3, -0.2, 0.25]);
        assert_eq!([27, 28].map(|keep| disturbed(&far, keep).contains(&true)), [true, false]);
    }

    #[test]
    fn nothing_is_far_from_nothing() {
        assert_eq!(disturbed(&[], 0), Vec::<bool>::new());
        assert_eq!(disturbed(&[0.5], 0), [false]);
    }
}
