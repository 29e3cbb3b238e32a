//! Lines with fewer points that look the same: of each column the least and the greatest stay.

/// Runs of points between gaps, in order of x, thinned to about `columns` columns.
///
/// Points without a place on the horizontal axis are left out, those without one on the vertical
/// axis make a gap. A run is never empty.
pub(super) fn runs(points: &[(f64, Option<f64>)], columns: usize) -> Vec<Vec<(f64, f64)>> {
    let mut runs = Vec::new();
    let mut run: Vec<(f64, f64)> = Vec::new();
    for &(x, y) in points {
        match y {
            Some(y) => run.push((x, y)),
            None if run.is_empty() => {}
            None => runs.push(std::mem::take(&mut run)),
        }
    }
    if !run.is_empty() {
        runs.push(run);
    }
    if points.len() <= 2 * columns {
        return runs;
    }
    // A line of nothing but gaps is bounded too.
    let every = runs.len().div_ceil(columns).max(1);
    runs.into_iter().step_by(every).map(|run| thinned(&run, columns)).collect()
}

fn thinned(run: &[(f64, f64)], columns: usize) -> Vec<(f64, f64)> {
    let column = |x: f64| (x * columns as f64).floor();
    let mut kept = Vec::new();
    for chunk in run.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) =
            (chunk.iter().min_by(by_height), chunk.iter().max_by(by_height))
        else {
            continue;
        };
        let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
        kept.push(*first);
        if first != second {
            kept.push(*second);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_peak_survives() {
        let mut points: Vec<(f64, Option<f64>)> =
            (0..100_000).map(|i| (f64::from(i) / 1e5, Some(0.5))).collect();
        points[54_321].1 = Some(1.0);
        points[54_322].1 = Some(0.0);
        let runs = runs(&points, 300);
        assert_eq!(runs.len(), 1);
        assert!(runs[0].len() <= 600, "{}", runs[0].len());
        assert!(runs[0].iter().any(|p| p.1 == 1.0) && runs[0].iter().any(|p| p.1 == 0.0));
    }

    #[test]
    fn gaps_stay_gaps_and_their_number_is_bounded() {
        let points = [(0.0, Some(1.0)), (0.1, None), (0.2, Some(1.0)), (0.3, None)];
        assert_eq!(runs(&points, 300), [[(0.0, 1.0)], [(0.2, 1.0)]]);
        let holes: Vec<_> =
            (0..50_000).map(|i| (f64::from(i) / 5e4, (i % 2 == 0).then_some(0.3))).collect();
        assert!(runs(&holes, 300).len() <= 300);
    }
}
