//! The level of a stretch of values, and whether two differ.

use crate::distribution::student_two_sided;

/// Count, mean and scatter of a stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    n: f64,
    mean: f64,
    /// Sum of the squared distances from the mean.
    squares: f64,
}

impl Level {
    /// Of at least one value.
    pub(super) fn of(values: &[f64]) -> Level {
        let n = values.len() as f64;
        let first = values[0];
        let offset = values.iter().map(|v| v - first).sum::<f64>() / n;
        let squares = values.iter().map(|v| (v - first - offset).powi(2)).sum();
        Level { n, mean: first + offset, squares }
    }

    pub(super) fn mean(self) -> f64 {
        self.mean
    }

    /// Of this stretch and another together.
    ///
    /// Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    /// Sample Variances", 1979.
    pub(super) fn with(self, other: Level) -> Level {
        let n = self.n + other.n;
        let apart = other.mean - self.mean;
        Level {
            n,
            mean: self.mean + apart * other.n / n,
            squares: self.squares + other.squares + apart * apart * self.n * other.n / n,
        }
    }

    /// Student's two-sided p value that two stretches have one mean.
    ///
    /// The scatter of each is taken from all its values rather than from one less, as Hunter has
    /// it; so the p values are a little small for very short stretches.
    pub(super) fn p(self, other: Level) -> f64 {
        let freedom = self.n + other.n - 2.0;
        if freedom <= 0.0 || self.mean == other.mean {
            return 1.0;
        }
        let scatter = |level: Level| (level.n - 1.0) * (level.squares / level.n);
        let pooled = (scatter(self) + scatter(other)) / freedom;
        let error = (pooled * (1.0 / self.n + 1.0 / other.n)).sqrt();
        if error > 0.0 { student_two_sided((self.mean - other.mean) / error, freedom) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_is_looking_at_both_together() {
        let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0];
        let joined = Level::of(&values[..3]).with(Level::of(&values[3..]));
        let both = Level::of(&values);
        assert!((joined.mean - both.mean).abs() < 1e-12);
        assert!((joined.squares - both.squares).abs() < 1e-9);
    }

    #[test]
    fn levels_without_scatter_differ_or_do_not() {
        let (low, high) = (Level::of(&[0.1; 3]), Level::of(&[0.2; 4]));
        assert_eq!(low.p(high), 0.0);
        assert_eq!(low.p(Level::of(&[0.1; 7])), 1.0);
        // One value each says nothing of how far apart is far.
        assert_eq!(Level::of(&[0.1]).p(Level::of(&[0.2])), 1.0);
    }
}
