//! How two quantities have moved together lately.

use std::collections::VecDeque;

/// The last pairs of two quantities.
///
/// Source of its use as a guard: failsafe-go, `adaptivelimiter` (correlation of concurrency with
/// throughput and with latency); the statistic is Pearson's.
#[derive(Debug)]
pub(super) struct Pairs {
    pairs: VecDeque<(f64, f64)>,
    keep: usize,
}

impl Pairs {
    pub(super) fn new(keep: usize) -> Pairs {
        Pairs { pairs: VecDeque::with_capacity(keep), keep }
    }

    pub(super) fn push(&mut self, x: f64, y: f64) {
        if self.pairs.len() == self.keep {
            self.pairs.pop_front();
        }
        self.pairs.push_back((x, y));
    }

    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// From -1 to 1; `None` before there are ten pairs, or where one of the two hardly moved,
    /// so that there is nothing to be learned.
    pub(super) fn correlation(&self) -> Option<f64> {
        if self.pairs.len() < WARM_UP {
            return None;
        }
        let count = self.pairs.len() as f64;
        let (sum_x, sum_y) =
            self.pairs.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for (x, y) in &self.pairs {
            let (dx, dy) = (x - mean_x, y - mean_y);
            xx += dx * dx;
            yy += dy * dy;
            xy += dx * dy;
        }
        let moved =
            |squares: f64, mean: f64| (squares / count).sqrt() > LEAST_VARIATION * mean.abs();
        (moved(xx, mean_x) && moved(yy, mean_y)).then(|| xy / (xx * yy).sqrt())
    }
}

const WARM_UP: usize = 10;
/// Below one in a hundred, noise is all there is.
const LEAST_VARIATION: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
        let mut kept = Pairs::new(20);
        pairs.into_iter().for_each(|(x, y)| kept.push(x, y));
        kept.correlation()
    }

    #[test]
    fn lines_correlate_fully_and_what_does_not_move_not_at_all() {
        let line = |slope: f64| (0..15).map(move |i| (f64::from(i), 100.0 + slope * f64::from(i)));
        assert!(of(line(2.0)).unwrap() > 0.999);
        assert!(of(line(-2.0)).unwrap() < -0.999);
        assert_eq!(of(line(0.0)), None);
        assert_eq!(of(line(2.0).take(9)), None);
    }

    #[test]
    fn old_pairs_are_forgotten() {
        let rise = (0..20).map(|i| (f64::from(i), f64::from(i)));
        let fall = (0..20).map(|i| (f64::from(i), 50.0 - f64::from(i)));
        assert!(of(rise.chain(fall)).unwrap() < -0.999);
    }
}
