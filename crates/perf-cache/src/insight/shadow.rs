//! What other policies would hit, by small caches of a sample of the keys.

use crate::policy::{Policy, PolicyKind, Simulation};
use hashbrown::HashTable;

/// A small cache for each policy, fed with a share of the keys and as much smaller as that share.
///
/// Keys are counted, not weighed. About 60 bytes for each policy and entry of a small cache.
///
/// Source: Waldspurger, Saemundsson, Ahmad and Park, "Cache Modeling and Optimization using
/// Miniature Simulations", USENIX ATC 2017.
#[derive(Debug)]
pub(super) struct Shadows {
    policies: Vec<Shadow>,
    /// Numbers of the keys that some shadow holds, and of some that none does any more.
    numbers: HashTable<(u64, u32)>,
    next: u32,
    vacant: Vec<u32>,
    entries: usize,
    /// The share of all keys that comes in.
    rate: f64,
    seen: f64,
    expected: f64,
    /// What was seen since it was last corrected.
    uncorrected: f64,
}

#[derive(Debug)]
struct Shadow {
    kind: PolicyKind,
    cache: Simulation<Box<dyn Policy>>,
    hits: f64,
}

impl Shadows {
    /// For a cache with room for so many entries that has `entries` while it works, of whose keys
    /// every `one_in`th may come in.
    pub(super) fn new(entries: u64, room: u64, one_in: u64) -> Shadows {
        // A sixteenth, but between what can tell policies apart and what is enough to.
        let own = (entries / 16).clamp(LEAST, MOST).min(entries.max(1));
        let rate = (own as f64 / entries.max(1) as f64).min(1.0 / one_in.max(1) as f64);
        // With room to spare they have it, too; eight times as much is as good as endless.
        let own = room.clamp(entries, entries.saturating_mul(8));
        let own = (own as f64 * rate).round().max(1.0) as u64;
        let policies = KINDS.map(|kind| Shadow {
            kind,
            cache: Simulation::new(kind.build(entries), own),
            hits: 0.0,
        });
        Shadows {
            policies: policies.into(),
            numbers: HashTable::new(),
            next: 0,
            vacant: Vec::new(),
            entries: own as usize,
            rate,
            seen: 0.0,
            expected: 0.0,
            uncorrected: 0.0,
        }
    }

    /// The share of all keys that should come in.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// An access to a key that belongs to the share. O(policies), amortized.
    pub(super) fn record(&mut self, hash: u64) {
        self.seen += 1.0;
        self.expected += 1.0;
        self.uncorrected += 1.0;
        let number = self.number(hash);
        for shadow in &mut self.policies {
            // Not the half that chose the share.
            if shadow.cache.access(number, hash as u32, 1) {
                shadow.hits += 1.0;
            }
        }
    }

    /// Says how many accesses there were to all keys since the last time.
    pub(super) fn correct(&mut self, accesses: f64) {
        self.expected += accesses * self.rate - std::mem::take(&mut self.uncorrected);
        self.expected = self.expected.max(0.0);
    }

    pub(super) fn fade(&mut self) {
        self.seen /= 2.0;
        self.expected /= 2.0;
        self.uncorrected /= 2.0;
        self.policies.iter_mut().for_each(|shadow| shadow.hits /= 2.0);
    }

    /// The hit ratio of each policy, once enough has been seen to fill its small cache some times
    /// over, or all that there are.
    pub(super) fn hit_ratios(&self) -> Vec<(PolicyKind, f64)> {
        let filled = self.entries.min(self.numbers.len()).max(1);
        if self.seen < (8 * filled) as f64 || self.expected <= 0.0 {
            return Vec::new();
        }
        // As with the curve: what the share has too few or too many of are hot keys, always hit.
        let missing = self.expected - self.seen;
        let ratio = |shadow: &Shadow| ((shadow.hits + missing) / self.expected).clamp(0.0, 1.0);
        self.policies.iter().map(|shadow| (shadow.kind, ratio(shadow))).collect()
    }

    fn number(&mut self, hash: u64) -> u32 {
        if let Some((_, number)) = self.numbers.find(hash, |(of, _)| *of == hash) {
            return *number;
        }
        if self.numbers.len() >= 2 * KINDS.len() * self.entries {
            self.forget();
        }
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.numbers.insert_unique(hash, (hash, number), |(of, _)| *of);
        number
    }

    /// Takes the numbers back of keys that no shadow holds: at least half of them.
    fn forget(&mut self) {
        let (policies, vacant) = (&self.policies, &mut self.vacant);
        self.numbers.retain(|(_, number)| {
            let held = policies.iter().any(|shadow| shadow.cache.contains(*number));
            if !held {
                vacant.push(*number);
            }
            held
        });
    }
}

/// Those that differ from what the cache itself does at any time: `Adaptive` is one or the other of
/// these, and what it hits is measured.
const KINDS: [PolicyKind; 5] =
    [PolicyKind::Lru, PolicyKind::Lfu, PolicyKind::Fifo, PolicyKind::Random, PolicyKind::S3Fifo];
/// Entries of a small cache.
const LEAST: u64 = 64;
const MOST: u64 = 256;
