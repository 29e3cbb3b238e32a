//! Miss ratio by size.

/// How much a cache would miss, by its size.
///
/// Sizes are in what the cache counts: entries, or bytes if it is bounded by them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MissRatioCurve {
    /// Sizes rise, miss ratios fall.
    points: Vec<(u64, f64)>,
}

impl MissRatioCurve {
    /// From pairs of a size, rising, and the miss ratio at it, falling.
    pub(crate) const fn new(points: Vec<(u64, f64)>) -> MissRatioCurve {
        MissRatioCurve { points }
    }

    /// The sizes at which the curve is known and the miss ratio at each, small sizes first.
    #[must_use]
    pub fn points(&self) -> &[(u64, f64)] {
        &self.points
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The miss ratio at a size, on a straight line between the points around it; beyond the last
    /// point it stays what it is there. `None` if nothing is known. O(log points).
    #[must_use]
    pub fn miss_ratio_at(&self, size: u64) -> Option<f64> {
        let after = self.points.partition_point(|(at, _)| *at < size);
        let Some((right, low)) = self.points.get(after).copied() else {
            return self.points.last().map(|(_, miss)| *miss);
        };
        let (left, high) = match after.checked_sub(1) {
            Some(before) => self.points[before],
            None => (0, 1.0),
        };
        let share = (size - left) as f64 / (right - left).max(1) as f64;
        Some(high + (low - high) * share)
    }

    /// The smallest known size that misses no more than this; `None` if no size does.
    #[must_use]
    pub fn size_for(&self, miss_ratio: f64) -> Option<u64> {
        self.points.iter().find(|(_, miss)| *miss <= miss_ratio).map(|(size, _)| *size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_straight_between_points_and_flat_beyond() {
        let curve = MissRatioCurve::new(vec![(10, 0.8), (20, 0.4)]);
        let at = |size| curve.miss_ratio_at(size).unwrap();
        assert_eq!(
            (at(0), at(10), at(15), at(20), at(99)),
            (1.0, 0.8, 0.6000000000000001, 0.4, 0.4)
        );
        assert_eq!((curve.size_for(0.5), curve.size_for(0.1)), (Some(20), None));
        assert_eq!(MissRatioCurve::default().miss_ratio_at(5), None);
    }
}
