//! One policy at one size.

use super::trace::{Trace, ratio};
use crate::policy::{Adaptive, Fifo, Lfu, Lru, Policy, PolicyKind, Random, S3Fifo, Simulation};
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
    let keys = trace.keys().max(1);
    let (mut cache, capacity) = match room {
        Room::Entries(entries) => {
            let expected = usize::try_from(entries).map_or(keys, |n| n.min(keys));
            (Simulation::new(policy, entries).expect_entries(expected), entries)
        }
        Room::Bytes(bytes) => {
            let share = bytes.as_u64() as f64 / trace.weight().max(1) as f64;
            let expected = ((keys as f64 * share).ceil() as usize).clamp(1, keys);
            (Simulation::new(policy, bytes.as_u64()).expect_entries(expected), bytes.as_u64())
        }
    };
    let weighed = matches!(room, Room::Bytes(_));
    let mut done = Replayed::default();
    for &key in trace.requests() {
        let weight = if weighed { trace.weight_of(key) } else { 1 };
        if cache.access(key, trace.hash(key) as u32, weight) {
            done.hits += 1;
        } else {
            done.too_heavy += u64::from(weight > capacity);
            done.entries = done.entries.max(cache.len() as u64);
        }
    }
    done.hit_ratio = ratio(done.hits, trace);
    done
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

/// Any number will do, so long as it stays.
const SEED: u64 = 0x5eed;
