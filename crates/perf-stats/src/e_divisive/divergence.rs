//! How different are two neighbouring stretches of values?

/// The best place to divide a stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// Index of the first value of the right part.
    pub(super) index: usize,
    /// The divergence that it reaches.
    pub(super) divergence: f64,
}

/// The split of `values` whose left part differs most from some stretch that begins right after
/// it; the first of equally good ones. `None` for fewer than two values.
///
/// O(n²) time, O(n) memory.
///
/// Source: equations 5 to 7 of Matteson and James, with the exponent 1.
pub(super) fn best_split(values: &[f64]) -> Option<Candidate> {
    if values.len() < 2 {
        return None;
    }
    // within[i]: distances among all pairs of values[..i].
    let mut within = vec![0.0; values.len() + 1];
    // to_right[i]: distances of values[i] to those between it and the end of the stretch.
    let mut to_right = vec![0.0; values.len()];
    let mut best: Option<Candidate> = None;
    for end in 1..values.len() {
        let last = values[end];
        let mut joined = 0.0;
        for (value, sum) in values[..end].iter().zip(&mut to_right) {
            let distance = (value - last).abs();
            *sum += distance;
            joined += distance;
        }
        within[end + 1] = within[end] + joined;

        let count = end + 1;
        let mut right = 0.0;
        for index in (1..count).rev() {
            right += to_right[index];
            let left = within[index];
            let across = within[count] - right - left;
            let divergence = divergence(index, count - index, left, across, right);
            let better = best.is_none_or(|best| {
                divergence > best.divergence
                    || (divergence == best.divergence && index < best.index)
            });
            if better {
                best = Some(Candidate { index, divergence });
            }
        }
    }
    best
}

/// Of `n` values from the `m` after them, given the sums of the distances among the first, across,
/// and among the last.
fn divergence(n: usize, m: usize, left: f64, across: f64, right: f64) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let all = n + m;
    let left = if n > 1.0 { 2.0 * m / (all * (n - 1.0)) * left } else { 0.0 };
    let right = if m > 1.0 { 2.0 * n / (all * (m - 1.0)) * right } else { 0.0 };
    2.0 / all * across - left - right
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_divided_where_it_rises() {
        let best = best_split(&[1.0, 1.0, 1.0, 5.0, 5.0]).unwrap();
        assert_eq!(best.index, 3);
        assert!((best.divergence - 2.0 / 5.0 * 24.0).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_split() {
        assert_eq!(best_split(&[]), None);
        assert_eq!(best_split(&[1.0]), None);
        assert_eq!(best_split(&[1.0, 1.0]).map(|best| best.index), Some(1));
    }

    proptest! {
        #[test]
        fn the_best_split_is_the_best_by_definition(
            values in prop::collection::vec(-100.0..100.0_f64, 2..14),
        ) {
            let sum = |a: &[f64], b: &[f64]| -> f64 {
                a.iter().flat_map(|a| b.iter().map(move |b| (a - b).abs())).sum()
            };
            let mut best = (0, f64::MIN);
            for split in 1..values.len() {
                for end in split + 1..=values.len() {
                    let (x, y) = (&values[..split], &values[split..end]);
                    let (n, m) = (x.len() as f64, y.len() as f64);
                    // Equation 5: each mean over pairs of different values.
                    let pairs = |n: f64| (n * (n - 1.0)).max(1.0);
                    let energy = 2.0 * sum(x, y) / (n * m)
                        - sum(x, x) / pairs(n)
                        - sum(y, y) / pairs(m);
                    let scaled = n * m / (n + m) * energy;
                    if scaled > best.1 + 1e-9 {
                        best = (split, scaled);
                    }
                }
            }
            let got = best_split(&values).unwrap();
            prop_assert!((got.divergence - best.1).abs() < 1e-6, "{got:?} {best:?}");
        }
    }
}
