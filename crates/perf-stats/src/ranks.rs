//! Ranks, with the middle rank for equal values.

/// Ranks of values, doubled so that the middle between two is a whole number.
#[derive(Debug)]
pub(crate) struct Ranks {
    /// Twice the rank of each value, in the order given.
    pub(crate) doubled: Vec<u64>,
    /// The sum of `t³ - t` over all groups of `t` equal values: 0 without ties.
    pub(crate) ties: f64,
}

/// Of finite values.
pub(crate) fn doubled(values: &[f64]) -> Ranks {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut doubled = vec![0; values.len()];
    let mut ties = 0.0;
    let mut start = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let end = start + group.len();
        for index in group {
            doubled[*index] = (start + 1 + end) as u64;
        }
        let size = group.len() as f64;
        ties += size * size * size - size;
        start = end;
    }
    Ranks { doubled, ties }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_the_middle_of_their_ranks() {
        let ranks = doubled(&[3.0, 1.0, 3.0, -0.0, 0.0, 3.0]);
        assert_eq!(ranks.doubled, [10, 6, 10, 3, 3, 10]);
        assert_eq!(ranks.ties, 24.0 + 6.0);
    }
}
