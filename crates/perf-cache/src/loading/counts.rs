//! What loads count beyond how many there were.

/// Written under the lock of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadCounts {
    pub(crate) abandoned: u64,
    pub(crate) refreshes: u64,
    pub(crate) refreshes_skipped: u64,
    pub(crate) stale_served: u64,
    pub(crate) timed_out: u64,
    pub(crate) negative_hits: u64,
    pub(crate) negatives_dropped: u64,
}

impl LoadCounts {
    pub(crate) const fn new() -> LoadCounts {
        LoadCounts {
            abandoned: 0,
            refreshes: 0,
            refreshes_skipped: 0,
            stale_served: 0,
            timed_out: 0,
            negative_hits: 0,
            negatives_dropped: 0,
        }
    }

    /// Every counter with its name and what it counts.
    pub(crate) const fn by_name(&self) -> [(&'static str, u64, &'static str); 7] {
        [
            ("abandoned", self.abandoned, "Loaders that panicked or were cancelled."),
            ("refreshes", self.refreshes, "Loads of values that could still be answered."),
            ("refreshes_skipped", self.refreshes_skipped, "Refreshes that found no place."),
            ("stale_served", self.stale_served, "Values answered after their time to live."),
            ("timed_out", self.timed_out, "Callers who gave up waiting for a load."),
            ("negative_hits", self.negative_hits, "Lookups answered by a remembered failure."),
            ("negatives_dropped", self.negatives_dropped, "Failures forgotten for want of room."),
        ]
    }

    /// Adds what another shard has counted.
    pub(crate) const fn merge(&mut self, other: &LoadCounts) {
        self.abandoned += other.abandoned;
        self.refreshes += other.refreshes;
        self.refreshes_skipped += other.refreshes_skipped;
        self.stale_served += other.stale_served;
        self.timed_out += other.timed_out;
        self.negative_hits += other.negative_hits;
        self.negatives_dropped += other.negatives_dropped;
    }
}
