//! Many tests at once.

use crate::StatsError;

/// p values adjusted for their number, in the order given: rejecting those below `α` makes a
/// false rejection anywhere among them at most as likely as `α`, whatever their dependence.
///
/// No p values, no adjusted ones. O(n log n) time.
///
/// Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal
/// of Statistics 6, 1979.
///
/// # Errors
///
/// [`StatsError::OutOfRange`] if a value is no probability.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    if let Some(p) = p_values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(StatsError::OutOfRange {
            setting: "p value",
            value: *p,
            allowed: "from 0 to 1",
        });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut reached = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        let remaining = (p_values.len() - place) as f64;
        // Never below that of a smaller p value, or the order of the tests would matter.
        reached = reached.max((p_values[index] * remaining).min(1.0));
        adjusted[index] = reached;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_example_is_met() {
        // Of R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]).unwrap();
        for (got, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((got - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn one_test_stays_as_it_is_and_none_gives_none() {
        assert_eq!(holm(&[0.3]), Ok(vec![0.3]));
        assert_eq!(holm(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_probability_is_named() {
        let error = holm(&[0.2, 1.2]).unwrap_err();
        assert_eq!(error.to_string(), "p value is 1.2, it must be from 0 to 1");
        assert!(holm(&[f64::NAN]).is_err());
        assert!(holm(&[-0.1]).is_err());
    }

    proptest! {
        #[test]
        fn rejecting_adjusted_values_is_stepping_down(
            p in prop::collection::vec(0.0..=1.0_f64, 0..20),
            alpha in 0.001..0.5_f64,
        ) {
            // The procedure as Holm words it: smallest first, stop at the first that stays.
            let mut sorted = p.clone();
            sorted.sort_by(f64::total_cmp);
            let rejected = sorted
                .iter()
                .enumerate()
                .take_while(|(i, p)| **p * (sorted.len() - i) as f64 <= alpha)
                .count();
            let adjusted = holm(&p).unwrap();
            prop_assert_eq!(adjusted.iter().filter(|p| **p <= alpha).count(), rejected);
        }
    }
}
