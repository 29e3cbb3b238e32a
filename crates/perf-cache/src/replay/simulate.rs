//! One policy at one size.

use super::trace::{NEVER, Trace, ratio};
use crate::capacity::Capacity;
use crate::policy::{Entries, Hits, Policy, Slot};
use std::cell::Cell;

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
/// what goes for it. A bound on bytes is held against the weights of the trace.
///
/// O(requests); 4 bytes a key of the trace and some 10 an entry.
///
/// The real cache has several shards, which costs a large cache next to nothing and a tiny one a
/// point; and threads, whose hits may be noted late.
#[must_use]
pub fn simulate(trace: &Trace, capacity: Capacity, policy: &mut dyn Policy) -> Replayed {
    let entries = capacity.entries.unwrap_or(u64::MAX);
    let bytes = capacity.bytes.map_or(u64::MAX, |bytes| bytes.as_u64());
    let keys = trace.keys() as u64;
    let expected = if bytes == u64::MAX || trace.weight() == 0 {
        entries
    } else {
        let share = bytes as f64 / trace.weight() as f64;
        ((keys as f64 * share).ceil() as u64).min(entries)
    };
    let expected = expected.clamp(1, keys.max(1)) as usize;
    policy.set_capacity(expected);
    let mut held = Held {
        trace,
        weighed: bytes != u64::MAX,
        keys: Vec::with_capacity(expected),
        hits: Vec::with_capacity(expected),
        free: Vec::new(),
    };
    let (mut count, mut weight, mut done) = (0_u64, 0_u64, Replayed::default());
    let mut places = vec![NEVER; trace.keys()];
    let noted = policy.hits();
    for &key in trace.requests() {
        let place = places[key as usize];
        if place != NEVER {
            done.hits += 1;
            match noted {
                Hits::Counted(most) => {
                    let hits = &held.hits[place as usize];
                    if hits.get() < most {
                        hits.set(hits.get() + 1);
                    }
                }
                Hits::Reported => policy.on_hit(Slot::new(place), &held),
                Hits::Ignored => {}
            }
            continue;
        }
        let incoming = if held.weighed { trace.weight_of(key) } else { 1 };
        if incoming > bytes || entries == 0 {
            done.too_heavy += 1;
            continue;
        }
        while count >= entries || weight > bytes - incoming {
            let Some(victim) = policy.victim(&held) else { break };
            let index = victim.index();
            places[held.keys[index] as usize] = NEVER;
            count -= 1;
            weight -= held.weight(victim);
            held.free.push(victim.as_u32());
        }
        let slot = held.put(key);
        places[key as usize] = slot.as_u32();
        count += 1;
        weight += incoming;
        done.entries = done.entries.max(count);
        policy.on_insert(slot, &held);
    }
    done.hit_ratio = ratio(done.hits, trace);
    done
}

/// The entries of the shard.
struct Held<'a> {
    trace: &'a Trace,
    weighed: bool,
    keys: Vec<u32>,
    hits: Vec<Cell<u8>>,
    free: Vec<u32>,
}

impl Held<'_> {
    fn put(&mut self, key: u32) -> Slot {
        if let Some(free) = self.free.pop() {
            self.keys[free as usize] = key;
            self.hits[free as usize].set(0);
            return Slot::new(free);
        }
        self.keys.push(key);
        self.hits.push(Cell::new(0));
        Slot::new(self.keys.len() as u32 - 1)
    }
}

impl Entries for Held<'_> {
    fn hits(&self, slot: Slot) -> u8 {
        self.hits[slot.index()].get()
    }

    fn set_hits(&self, slot: Slot, hits: u8) {
        self.hits[slot.index()].set(hits);
    }

    fn hash(&self, slot: Slot) -> u32 {
        self.trace.hash(self.keys[slot.index()]) as u32
    }

    fn weight(&self, slot: Slot) -> u64 {
        if self.weighed { self.trace.weight_of(self.keys[slot.index()]) } else { 1 }
    }
}
