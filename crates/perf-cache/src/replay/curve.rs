//! What least recently used would hit, at every size at once.

use super::marks::Ranks;
use super::trace::{NEVER, Trace};

/// The miss-ratio curve of least recently used, with unit weights.
///
/// A request is a hit in every cache that has room for its *stack distance*: the number of keys
/// asked for since the last request for this one, itself included. So one pass over the trace
/// counts the distances, and their sums are the curve.
///
/// Source: Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques for storage hierarchies",
/// IBM Systems Journal 1970.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Requests with a distance of at most the index, from 0 on, of those that were looked at.
    within: Vec<u64>,
    /// How many requests would have been looked at, had every key an equal share of them.
    requests: f64,
    /// What is added to every size above 0 for the keys that were drawn too often or too rarely.
    correction: f64,
    /// The share of keys that were looked at.
    rate: f64,
    keys: u64,
}

impl Curve {
    /// The exact curve. O(requests × log requests) time; n / 7 + 4 bytes × keys while it runs.
    #[must_use]
    pub fn exact(trace: &Trace) -> Curve {
        Curve::of(trace, SPAN)
    }

    /// The curve of about so many keys, drawn by their hash, with all their requests, scaled to the
    /// whole. Exact where there are no more keys than that.
    ///
    /// With 8 192 to 16 384 keys it lay 0.006 from the exact curve on the mean, and 0.022 at worst,
    /// on an OLTP, a disk and an object trace, from a thousand entries on. Smaller sizes are decided
    /// by a handful of hot keys, which are drawn or not.
    ///
    /// Source: Waldspurger, Park, Garthwaite and Ahmad, "Efficient MRC construction with SHARDS",
    /// FAST 2015 (with a fixed rate, and the adjustment SHARDS-adj).
    #[must_use]
    pub fn sampled(trace: &Trace, keys: usize) -> Curve {
        let share = keys as f64 / trace.keys().max(1) as f64;
        Curve::of(trace, ((share * SPAN as f64).ceil() as u64).clamp(1, SPAN))
    }

    fn of(trace: &Trace, threshold: u64) -> Curve {
        // Not the low half of the hash, which is what policies see of it.
        let drawn = |key: u32| trace.hash(key) >> (64 - SPAN.ilog2()) < threshold;
        let all = threshold == SPAN;
        let seen = || trace.requests().iter().copied().filter(|key| all || drawn(*key));
        let count = if all { trace.len() } else { seen().count() };

        let mut ranks = Ranks::new(count);
        let mut last = vec![NEVER; trace.keys()];
        let mut live = 0_u32;
        let mut distances = vec![0_u64; 1];
        for (at, key) in seen().enumerate() {
            let before = std::mem::replace(&mut last[key as usize], at as u32);
            if before == NEVER {
                live += 1;
                distances.push(0);
            } else {
                let distance = live - ranks.up_to(before as usize) + 1;
                distances[distance as usize] += 1;
                ranks.remove(before as usize);
            }
            ranks.insert(at);
        }
        let mut sum = 0;
        for count in &mut distances {
            sum += *count;
            *count = sum;
        }
        let rate = threshold as f64 / SPAN as f64;
        let requests = trace.len() as f64 * rate;
        Curve {
            within: distances,
            requests,
            correction: requests - count as f64,
            rate,
            keys: trace.keys() as u64,
        }
    }

    /// The hit ratio with room for so many entries, 0 to 1. O(1).
    #[must_use]
    pub fn hit_ratio(&self, entries: u64) -> f64 {
        if entries == 0 || self.requests == 0.0 {
            return 0.0;
        }
        let last = self.within.len() - 1;
        let place = entries as f64 * self.rate;
        let below = (place as usize).min(last);
        let above = (below + 1).min(last);
        // Between two distances of the sample lies what it cannot tell apart.
        let part = if below == last { 0.0 } else { place - place.floor() };
        let (low, high) = (self.within[below] as f64, self.within[above] as f64);
        let hits = low + (high - low) * part + self.correction;
        (hits / self.requests).clamp(0.0, 1.0)
    }

    /// The miss ratio with room for so many entries: what a hit ratio lacks to 1. O(1).
    #[must_use]
    pub fn miss_ratio(&self, entries: u64) -> f64 {
        1.0 - self.hit_ratio(entries)
    }

    /// The share of the keys that were looked at; 1 where the curve is exact.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How many keys the trace has: from this size on the curve is flat.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// At most so many sizes from 1 to all keys, evenly spaced by ratio, for drawing: (entries,
    /// hit ratio).
    #[must_use]
    pub fn points(&self, most: usize) -> Vec<(u64, f64)> {
        if self.keys == 0 {
            return Vec::new();
        }
        let mut sizes: Vec<u64> = (0..most)
            .map(|n| n as f64 / most.saturating_sub(1).max(1) as f64)
            .map(|part| (self.keys as f64).powf(part).round() as u64)
            .collect();
        sizes.dedup();
        sizes.into_iter().map(|size| (size, self.hit_ratio(size))).collect()
    }
}

/// Steps into which the hashes are divided for drawing keys.
const SPAN: u64 = 1 << 24;
