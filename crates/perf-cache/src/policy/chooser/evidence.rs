//! Which candidate is ahead of which, by more than chance.

use super::{ALL, N};

/// What speaks for which candidate.
#[derive(Debug)]
pub(super) struct Evidence {
    /// For a pair: how often the first hit and the second missed.
    ahead: [[f64; N]; N],
    hits: [f64; N],
    pub(super) seen: f64,
    /// What an access counts now. It grows, instead of all that came before becoming smaller.
    pub(super) weight: f64,
    growth: f64,
}

impl Evidence {
    pub(super) const fn new() -> Evidence {
        let ahead = [[0.0; N]; N];
        Evidence { ahead, hits: [0.0; N], seen: 0.0, weight: 1.0, growth: 1.0 }
    }

    pub(super) fn set_window(&mut self, capacity: usize) {
        let window = (WINDOW * capacity as f64).max(LEAST_WINDOW);
        self.growth = 1.0 / (1.0 - 1.0 / window);
    }

    /// An access that the shadows of these bits hit.
    pub(super) fn record(&mut self, hit: u8) {
        self.weight *= self.growth;
        self.seen += self.weight;
        for i in (0..N).filter(|i| hit & 1 << i != 0) {
            self.hits[i] += self.weight;
            if hit != ALL {
                for j in (0..N).filter(|j| hit & 1 << j == 0) {
                    self.ahead[i][j] += self.weight;
                }
            }
        }
        self.scale_down();
    }

    /// So many accesses that all shadows hit.
    pub(super) fn agree(&mut self, accesses: u32) {
        let grown = self.growth.powi(accesses.min(MOST_AT_ONCE) as i32);
        // The sum of what each counts.
        let sum = self.weight * self.growth * (grown - 1.0) / (self.growth - 1.0);
        self.weight *= grown;
        self.seen += sum;
        self.hits.iter_mut().for_each(|hits| *hits += sum);
        self.scale_down();
    }

    fn scale_down(&mut self) {
        if self.weight > 1e100 {
            let all = self.ahead.as_flattened_mut().iter_mut().chain(&mut self.hits);
            all.chain([&mut self.seen]).for_each(|sum| *sum /= 1e100);
            self.weight /= 1e100;
        }
    }

    /// A candidate that is ahead by more than a standard deviation of what chance would do and
    /// [`MARGIN`]; the one that is by most.
    pub(super) fn better_than(&self, current: usize) -> Option<usize> {
        let lead = |i: usize| {
            let (ahead, behind) = (self.ahead[i][current], self.ahead[current][i]);
            let deviation = ((ahead + behind) * self.weight).sqrt();
            ahead - behind - deviation - MARGIN * self.weight
        };
        let candidates = (0..N).filter(|&i| i != current).map(|i| (i, lead(i)));
        let best = candidates.max_by(|a, b| a.1.total_cmp(&b.1));
        best.filter(|best| best.1 > 0.0).map(|best| best.0)
    }

    pub(super) fn hit_ratios(&self) -> [f64; N] {
        self.hits.map(|hits| if self.seen > 0.0 { hits / self.seen } else { 0.0 })
    }
}

/// Of accesses that are taken into account together: what was before them counts for little then.
const MOST_AT_ONCE: u32 = 10_000;
/// Accesses that count, for each entry of a shadow, and at least.
const WINDOW: f64 = 20.0;
const LEAST_WINDOW: f64 = 2_000.0;
/// Hits that a candidate must be ahead by, beyond chance.
const MARGIN: f64 = 2.0;
