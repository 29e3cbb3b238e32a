//! One policy at one size.

use super::trace::{Trace, ratio};
use crate::learning::{Prefetch, PrefetchStats};
use crate::policy::{
    Adaptive, Choice, Fifo, Lfu, Lru, Policy, PolicyKind, Random, S3Fifo, Simulation,
};
use perf_core::ByteSize;

/// The bound of a replayed cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// So many entries, whatever they weigh.
    Entries(u64),
    /// So many bytes, by the weights of the trace.
    Bytes(ByteSize),
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Replayed {
    /// Requests that found their key.
    pub hits: u64,
    /// The same as a share of all requests, 0 to 1.
    pub hit_ratio: f64,
    /// The most entries that were held at once.
    pub entries: u64,
    /// Misses that were too heavy to be taken in at all.
    pub too_heavy: u64,
}

/// Replays a trace against one policy in one shard: every miss is taken in, and the policy names
/// what goes for it.
///
/// O(requests); 4 bytes a key of the trace and 24 an entry, besides what the policy takes.
///
/// The real cache has several shards, which costs a large cache next to nothing and a tiny one a
/// point; and threads, whose hits may be noted late.
#[must_use]
pub fn simulate<P: Policy>(trace: &Trace, room: Room, policy: P) -> Replayed {
    let mut runs = Runs::new(trace, room, policy);
    let mut done = Replayed::default();
    for &key in trace.requests() {
        runs.request(key, &mut done);
    }
    done.hit_ratio = ratio(done.hits, trace);
    done
}

/// A cache on its way through a trace.
struct Runs<'a, P> {
    trace: &'a Trace,
    cache: Simulation<P>,
    capacity: u64,
    weighed: bool,
}

impl<'a, P: Policy> Runs<'a, P> {
    fn new(trace: &'a Trace, room: Room, policy: P) -> Runs<'a, P> {
        let keys = trace.keys().max(1);
        let (capacity, expected) = match room {
            Room::Entries(entries) => {
                (entries, usize::try_from(entries).map_or(keys, |n| n.min(keys)))
            }
            Room::Bytes(bytes) => {
                let share = bytes.as_u64() as f64 / trace.weight().max(1) as f64;
                (bytes.as_u64(), ((keys as f64 * share).ceil() as usize).clamp(1, keys))
            }
        };
        let cache = Simulation::new(policy, capacity).expect_entries(expected);
        Runs { trace, cache, capacity, weighed: matches!(room, Room::Bytes(_)) }
    }

    fn weight_of(&self, key: u32) -> u64 {
        if self.weighed { self.trace.weight_of(key) } else { 1 }
    }

    fn access(&mut self, key: u32) -> bool {
        self.cache.access(key, self.trace.hash(key) as u32, self.weight_of(key))
    }

    fn remove(&mut self, keys: &[u32]) {
        for &key in keys {
            self.cache.remove(key);
        }
    }

    fn request(&mut self, key: u32, done: &mut Replayed) -> bool {
        let hit = self.access(key);
        if hit {
            done.hits += 1;
        } else {
            done.too_heavy += u64::from(self.weight_of(key) > self.capacity);
            done.entries = done.entries.max(self.cache.len() as u64);
        }
        hit
    }

    fn request_ahead(&mut self, key: u32, done: &mut Replayed, prefetch: &mut Prefetch<u32>) {
        let hit = self.request(key, done);
        let advice = prefetch.request(&key, hit, |key| self.cache.contains(*key));
        self.remove(&advice.drop);
        for key in advice.load {
            self.access(key);
            self.remove(&prefetch.loaded(&key, self.weight_of(key)));
        }
    }
}

/// What a replay with prefetching came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ReplayedAhead {
    /// The same as without: what was asked for, not what was loaded ahead.
    pub replayed: Replayed,
    /// What became of predictions.
    pub prefetch: PrefetchStats,
    /// Whether it went on predicting to the end.
    pub is_on: bool,
}

/// [`simulate`] with [`Prefetch`], whose loads are there at once and take their place in the cache
/// like any other.
#[must_use]
pub fn simulate_ahead<P: Policy>(
    trace: &Trace,
    room: Room,
    policy: P,
    mut prefetch: Prefetch<u32>,
) -> ReplayedAhead {
    let mut runs = Runs::new(trace, room, policy);
    let mut done = Replayed::default();
    for &key in trace.requests() {
        runs.request_ahead(key, &mut done, &mut prefetch);
    }
    done.hit_ratio = ratio(done.hits, trace);
    ReplayedAhead { replayed: done, prefetch: prefetch.stats(), is_on: prefetch.is_on() }
}

/// [`simulate`] for a policy by its name. What chooses by chance does so alike each time.
#[must_use]
pub fn simulate_kind(trace: &Trace, room: Room, kind: PolicyKind) -> Replayed {
    // Not by `PolicyKind::build`: behind a box each call is virtual, which shows in millions.
    match kind {
        PolicyKind::Lru => simulate(trace, room, Lru::new()),
        PolicyKind::Lfu => simulate(trace, room, Lfu::new()),
        PolicyKind::Fifo => simulate(trace, room, Fifo::new()),
        PolicyKind::Random => simulate(trace, room, Random::new(SEED)),
        PolicyKind::S3Fifo => simulate(trace, room, S3Fifo::new()),
        PolicyKind::Adaptive => simulate(trace, room, Adaptive::alone()),
    }
}

/// Hits in each of [`PARTS`] parts of the trace, of about the same length, in one go.
pub(crate) fn hits_by_part(
    trace: &Trace,
    room: Room,
    (kind, cold_share): (PolicyKind, Option<f64>),
    prefetch: Option<Prefetch<u32>>,
) -> [u64; PARTS] {
    let run = Parted { trace, room, prefetch };
    match (kind, cold_share) {
        (PolicyKind::Adaptive, Some(share)) => {
            let mut policy = Adaptive::new();
            policy.choose(Choice::from_cold_share(share));
            run.hits(policy)
        }
        (PolicyKind::Lru, _) => run.hits(Lru::new()),
        (PolicyKind::Lfu, _) => run.hits(Lfu::new()),
        (PolicyKind::Fifo, _) => run.hits(Fifo::new()),
        (PolicyKind::Random, _) => run.hits(Random::new(SEED)),
        (PolicyKind::S3Fifo, _) => run.hits(S3Fifo::new()),
        (PolicyKind::Adaptive, None) => run.hits(Adaptive::alone()),
    }
}

struct Parted<'a> {
    trace: &'a Trace,
    room: Room,
    prefetch: Option<Prefetch<u32>>,
}

impl Parted<'_> {
    fn hits<P: Policy>(mut self, policy: P) -> [u64; PARTS] {
        let requests = self.trace.requests();
        let mut runs = Runs::new(self.trace, self.room, policy);
        let mut done = Replayed::default();
        std::array::from_fn(|part| {
            let before = done.hits;
            let bound = |part: usize| requests.len() * part / PARTS;
            for &key in &requests[bound(part)..bound(part + 1)] {
                match &mut self.prefetch {
                    Some(prefetch) => runs.request_ahead(key, &mut done, prefetch),
                    None => _ = runs.request(key, &mut done),
                }
            }
            done.hits - before
        })
    }
}

/// Parts of a trace of which each is looked at by itself.
pub(crate) const PARTS: usize = 4;

/// Any number will do, so long as it stays.
const SEED: u64 = 0x5eed;
