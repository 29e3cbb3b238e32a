//! Against the definitions, on traces that are small enough for them.

use super::*;
use crate::learning::Prefetch;
use crate::policy::{Entries, Hits, Lru, Policy, PolicyKind, Slot};
use perf_core::ByteSize;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet, VecDeque};

fn trace(keys: &[u64]) -> Trace {
    let mut trace = Trace::new();
    for &key in keys {
        trace.push(key).unwrap();
    }
    trace
}

/// The most hits over every way to keep and to let go: an entry for each set of kept keys.
fn brute_force(keys: &[u64], entries: usize) -> u64 {
    let mut states: HashMap<Vec<u64>, u64> = HashMap::from([(Vec::new(), 0)]);
    for key in keys {
        let mut after: HashMap<Vec<u64>, u64> = HashMap::new();
        let mut reach = |kept: Vec<u64>, hits: u64| {
            let known = after.entry(kept).or_default();
            *known = hits.max(*known);
        };
        for (kept, hits) in states {
            if kept.contains(key) {
                reach(kept, hits + 1);
                continue;
            }
            let mut more = kept.clone();
            more.push(*key);
            more.sort_unstable();
            if more.len() <= entries {
                reach(more, hits);
            } else {
                // One of them goes, perhaps the new one.
                for gone in 0..more.len() {
                    let mut less = more.clone();
                    less.remove(gone);
                    reach(less, hits);
                }
            }
        }
        states = after;
    }
    states.into_values().max().unwrap_or(0)
}

/// Hits of least recently used, from a list.
fn naive_lru(keys: &[u64], entries: usize) -> u64 {
    let mut list: VecDeque<u64> = VecDeque::new();
    let mut hits = 0;
    for key in keys {
        if let Some(at) = list.iter().position(|kept| kept == key) {
            list.remove(at);
            hits += 1;
        }
        list.push_front(*key);
        list.truncate(entries);
    }
    hits
}

/// Least recently used as a policy, from a list; first in, first out where hits are not reported.
#[derive(Debug, Default)]
struct Listed {
    list: VecDeque<Slot>,
    reports: bool,
}

impl Policy for Listed {
    fn name(&self) -> &'static str {
        "list"
    }
    fn hits(&self) -> Hits {
        if self.reports { Hits::Reported } else { Hits::Ignored }
    }
    fn set_capacity(&mut self, _: usize) {}
    fn on_insert(&mut self, slot: Slot, _: &dyn Entries) {
        assert!(!self.list.contains(&slot));
        self.list.push_front(slot);
    }
    fn on_hit(&mut self, slot: Slot, entries: &dyn Entries) {
        self.on_remove(slot, entries);
        self.list.push_front(slot);
    }
    fn on_remove(&mut self, slot: Slot, _: &dyn Entries) {
        self.list.retain(|held| *held != slot);
    }
    fn victim(&mut self, _: &dyn Entries) -> Option<Slot> {
        self.list.pop_back()
    }
    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.list.iter().rev().copied().for_each(visit);
    }
}

/// A key in proportion to 1 / (key + 1), from a small generator.
fn zipf(requests: usize, keys: usize, seed: u64) -> Vec<u64> {
    let mut state = seed;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    // The inverse of the continuous distribution.
    (0..requests).map(|_| (((keys + 1) as f64).powf(random()) - 1.0) as u64).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn optimal_is_what_trying_everything_finds(
        keys in prop::collection::vec(0_u64..6, 0..14),
        entries in 0_usize..5,
    ) {
        prop_assert_eq!(Optimal::new(&trace(&keys)).hits(entries as u64), brute_force(&keys, entries));
    }

    #[test]
    fn the_curve_is_lru_at_every_size(keys in prop::collection::vec(0_u64..40, 1..400)) {
        let trace = trace(&keys);
        let curve = Curve::exact(&trace);
        prop_assert_eq!(curve.rate(), 1.0);
        for entries in [0, 1, 2, 3, 5, 8, 13, 21, 34, 40, 41, 1_000] {
            let hits = curve.hit_ratio(entries) * keys.len() as f64;
            prop_assert_eq!(hits.round() as u64, naive_lru(&keys, entries as usize));
            prop_assert!(Optimal::new(&trace).hits(entries) >= hits.round() as u64);
        }
    }

    #[test]
    fn simulation_is_the_policy(
        keys in prop::collection::vec(0_u64..40, 1..400),
        entries in 1_usize..50,
    ) {
        let policy = Listed { reports: true, ..Listed::default() };
        let done = simulate(&trace(&keys), Room::Entries(entries as u64), policy);
        prop_assert_eq!(done.hits, naive_lru(&keys, entries));
        prop_assert_eq!(done.entries as usize, entries.min(keys.iter().collect::<HashSet<_>>().len()));
    }

    #[test]
    fn bytes_are_never_passed(
        requests in prop::collection::vec((0_u64..30, 1_u64..90), 1..300),
        bytes in 1_u64..400,
    ) {
        let mut trace = Trace::new();
        let mut heaviest: HashMap<u64, u64> = HashMap::new();
        for &(key, weight) in &requests {
            trace.push_weighed(key, weight).unwrap();
            let known = heaviest.entry(key).or_default();
            *known = weight.max(*known);
        }
        // First in, first out, from a list.
        let (mut list, mut hits, mut too_heavy) = (VecDeque::new(), 0, 0);
        for (key, _) in &requests {
            if list.contains(key) {
                hits += 1;
            } else if heaviest[key] > bytes {
                too_heavy += 1;
            } else {
                list.push_front(*key);
                while list.iter().map(|key| heaviest[key]).sum::<u64>() > bytes {
                    list.pop_back();
                }
            }
        }
        let room = Room::Bytes(ByteSize::from_bytes(bytes));
        let done = simulate(&trace, room, Listed::default());
        prop_assert_eq!((done.hits, done.too_heavy), (hits, too_heavy));
    }
}

#[test]
fn sampling_is_near_the_exact_curve() {
    let trace = trace(&zipf(400_000, 60_000, 7));
    let (exact, sampled) = (Curve::exact(&trace), Curve::sampled(&trace, 8_192));
    assert!(sampled.rate() < 0.3, "{}", sampled.rate());
    let errors: Vec<(u64, f64)> = exact
        .points(40)
        .iter()
        .map(|(size, ratio)| (*size, (ratio - sampled.hit_ratio(*size)).abs()))
        .filter(|(size, _)| *size >= 100)
        .collect();
    let mean = errors.iter().map(|(_, error)| error).sum::<f64>() / errors.len() as f64;
    assert!(errors.len() > 15 && mean < 0.01, "{mean}");
    for (size, error) in errors {
        // Small sizes are decided by a handful of keys.
        assert!(error < if size >= 500 { 0.01 } else { 0.05 }, "{size}: {error}");
    }
}

#[test]
fn a_sample_of_all_keys_is_exact() {
    let trace = trace(&zipf(5_000, 500, 3));
    let (exact, sampled) = (Curve::exact(&trace), Curve::sampled(&trace, 500));
    assert_eq!(sampled.rate(), 1.0);
    assert_eq!(exact.points(50), sampled.points(50));
}

#[test]
fn nothing_is_a_trace_too() {
    let trace = Trace::new();
    assert_eq!(Optimal::new(&trace).hit_ratio(10), 0.0);
    assert_eq!(Curve::exact(&trace).hit_ratio(10), 0.0);
    assert!(Curve::sampled(&trace, 10).points(10).is_empty());
    let done = simulate(&trace, Room::Entries(1), Listed::default());
    assert_eq!(done, Replayed::default());
    assert_eq!(trace.repeats(), 0.0);
}

#[test]
fn no_room_is_no_hit() {
    let trace = trace(&[1, 1, 1]);
    let done = simulate(&trace, Room::Entries(0), Listed::default());
    assert_eq!((done.hits, done.too_heavy), (0, 3));
    assert_eq!(Optimal::new(&trace).hits(0), 0);
    assert_eq!(Curve::exact(&trace).miss_ratio(0), 1.0);
}

#[test]
fn a_kind_is_its_policy() {
    let keys = zipf(20_000, 2_000, 5);
    let trace = trace(&keys);
    let curve = Curve::exact(&trace);
    for entries in [50, 500] {
        let lru = simulate_kind(&trace, Room::Entries(entries), PolicyKind::Lru);
        assert!((lru.hit_ratio - curve.hit_ratio(entries)).abs() < 1e-9);
        let best = Optimal::new(&trace).hits(entries);
        for kind in PolicyKind::ALL {
            let done = simulate_kind(&trace, Room::Entries(entries), kind);
            let boxed = simulate(&trace, Room::Entries(entries), kind.build(0x5eed));
            assert_eq!(done, boxed, "{kind}");
            assert!(done.hits > 0 && done.hits <= best, "{kind}");
            assert!(done.entries <= entries, "{kind}");
        }
    }
}

#[test]
fn what_is_loaded_ahead_counts_when_it_is_asked_for() {
    let mut trace = Trace::new();
    (0..50_000_u64).for_each(|request| trace.push(request % 500).unwrap());
    let room = Room::Entries(100);
    let alone = simulate_kind(&trace, room, PolicyKind::Lru);
    assert_eq!(alone.hits, 0, "the loop does not fit");
    let prefetch = Prefetch::builder(5).build().unwrap();
    let ahead = simulate_ahead(&trace, room, Lru::new(), prefetch);
    assert!(ahead.is_on && ahead.replayed.hit_ratio > 0.95, "{ahead:?}");
    assert_eq!(ahead.replayed.hits, ahead.prefetch.used);
}
