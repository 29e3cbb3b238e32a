//! How long values stay the same.

use perf_core::Histogram;

/// Times between new values for the same key, from a sample of the keys, of which those that
/// changed last are remembered: 8 KiB.
#[derive(Debug)]
pub(super) struct Changes {
    /// By some bits of the hash: the rest of it and when, in milliseconds.
    last: Vec<(u32, u64)>,
    /// Milliseconds.
    intervals: Histogram,
    insertions: u64,
    replaced: u64,
}

impl Changes {
    pub(super) const fn new() -> Changes {
        Changes { last: Vec::new(), intervals: Histogram::new(), insertions: 0, replaced: 0 }
    }

    /// A value came in at this time, in place of another or not.
    pub(super) fn record(&mut self, hash: u64, now_ms: u64, replaced: bool) {
        self.insertions += 1;
        self.replaced += u64::from(replaced);
        if self.last.is_empty() {
            self.last.resize(PLACES, (0, 0));
        }
        // One lies after the other: a key that lost its place begins anew.
        let (tag, place) = ((hash >> 32) as u32 | 1, hash as usize % PLACES);
        let (old_tag, then) = std::mem::replace(&mut self.last[place], (tag, now_ms));
        if old_tag == tag && replaced {
            self.intervals.record(now_ms.saturating_sub(then));
        }
    }

    pub(super) const fn intervals(&self) -> &Histogram {
        &self.intervals
    }

    /// The share of the values that took the place of another.
    pub(super) fn share(&self) -> Option<f64> {
        (self.insertions > 0).then(|| self.replaced as f64 / self.insertions as f64)
    }
}

const PLACES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_lies_between_two_values_of_one_key() {
        let mut changes = Changes::new();
        changes.record(7 << 32, 1_000, false);
        changes.record(9 << 32, 1_100, false);
        changes.record(7 << 32, 1_500, true);
        assert_eq!(changes.intervals().count(), 0, "the other key took its place");
        changes.record(7 << 32, 1_800, true);
        assert_eq!(changes.intervals().max(), Some(300));
        assert_eq!(changes.share(), Some(0.5));
    }
}
