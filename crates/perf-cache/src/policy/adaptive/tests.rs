//! The policy against a naive model, and what it makes of workloads that ruin others.

use super::*;
use crate::policy::{Lru, S3Fifo, Simulation};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

#[derive(Clone, Debug)]
enum Step {
    Access(u32),
    Remove(u32),
    Choose(Choice),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => (0u32..25).prop_map(Step::Access),
        2 => (0u32..25).prop_map(Step::Remove),
        1 => (0usize..4).prop_map(|i| Step::Choose(Choice::ALL[i])),
        1 => (0.0..1.0).prop_map(|share| Step::Choose(Choice::from_cold_share(share))),
    ];
    prop::collection::vec(step, 0..400)
}

/// The hash of a key.
fn mix(key: u32) -> u32 {
    (u64::from(key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

struct Held {
    key: u32,
    weight: u64,
    hits: u8,
    /// In the hot queue, the number of evictions before it was found used.
    used: u64,
}

/// The queues and the ghosts as vectors, the first in front.
struct Model {
    cold: Vec<Held>,
    hot: Vec<Held>,
    /// Keys and the number of evictions before theirs.
    ghosts: Vec<(u32, u64)>,
    evictions: u64,
    is_filling: bool,
    memory: u64,
    choice: Choice,
}

fn weight(queue: &[Held]) -> u64 {
    queue.iter().map(|held| held.weight).sum()
}

impl Model {
    fn new(capacity: u64) -> Model {
        let (cold, hot, ghosts) = (Vec::new(), Vec::new(), Vec::new());
        let memory = 4 * capacity;
        Model { cold, hot, ghosts, evictions: 0, is_filling: true, memory, choice: Choice::RECENT }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Held> {
        self.cold.iter_mut().chain(&mut self.hot)
    }

    fn remove(&mut self, key: u32) {
        self.cold.retain(|held| held.key != key);
        self.hot.retain(|held| held.key != key);
    }

    fn insert(&mut self, key: u32, weight: u64) {
        let ghost = self.ghosts.iter().position(|ghost| ghost.0 == key);
        let ghost = ghost.map(|at| self.ghosts.remove(at).1);
        let remembered = ghost.filter(|at| self.evictions - at <= self.memory);
        let mut entry = Held { key, weight, hits: 0, used: self.evictions };
        let comes_first = self.is_filling && self.choice != Choice::RECENT;
        if comes_first || remembered.is_some_and(|at| self.earns_hot(at, weight)) {
            entry.used = self.evictions;
            self.hot.push(entry);
        } else {
            self.cold.push(entry);
        }
    }

    fn earns_hot(&mut self, evicted: u64, incoming: u64) -> bool {
        if self.choice.is_recency() {
            return false;
        }
        let all = weight(&self.cold) + weight(&self.hot) + incoming;
        if weight(&self.cold) >= self.choice.share_of(all).max(1) || self.hot.is_empty() {
            return true;
        }
        while self.hot[0].hits > 0 {
            let mut head = self.hot.remove(0);
            head.hits -= 1;
            head.used = self.evictions;
            self.hot.push(head);
        }
        evicted.saturating_sub(self.cold.len() as u64) > self.hot[0].used
    }

    fn victim(&mut self) -> Option<u32> {
        self.is_filling = false;
        let mut free = self.evictions.is_multiple_of(4);
        loop {
            let (cold, hot) = (weight(&self.cold), weight(&self.hot));
            let (entries, target) =
                (self.cold.len() + self.hot.len(), self.choice.share_of(cold + hot).max(1));
            let exact = entries as u64 == cold + hot || self.choice.is_recency();
            let slack = if exact { 0 } else { target / 4 };
            if !self.hot.is_empty() && (cold < target - slack || self.cold.is_empty()) {
                let mut head = self.hot.remove(0);
                match (head.hits, self.choice.is_recency()) {
                    (0, _) => return Some(head.key),
                    (_, true) => self.cold.push(Held { hits: 0, ..head }),
                    (_, false) => {
                        head.hits -= 1;
                        self.hot.push(Held { used: self.evictions, ..head });
                    }
                }
                continue;
            }
            if self.cold.is_empty() {
                return None;
            }
            let head = self.cold.remove(0);
            let is_last = self.cold.is_empty();
            if cold > target + slack && free && !is_last {
                free = false;
                self.hot.push(Held { hits: 0, used: self.evictions, ..head });
            } else if head.hits == 0 {
                self.ghosts.retain(|ghost| ghost.0 != head.key);
                self.ghosts.push((head.key, self.evictions));
                self.evictions += 1;
                return Some(head.key);
            } else if self.choice.is_recency() {
                self.cold.push(Held { hits: 0, ..head });
            } else {
                self.hot.push(Held { hits: 0, used: self.evictions, ..head });
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { rng_seed: RngSeed::Fixed(4), cases: 400, ..Config::default() })]

    /// For any sequence of choices, with entries that weigh the same or not.
    #[test]
    fn adaptive_is_its_model(steps in steps(), capacity in 1u64..16, weighty: bool) {
        let weigh = |key: u32| if weighty { u64::from(key % 4) } else { 1 };
        let mut cache = Simulation::new(Adaptive::new(), capacity);
        let mut model = Model::new(capacity);
        for step in steps {
            match step {
                Step::Access(key) => {
                    let hit = cache.contains(key);
                    if hit {
                        let held = model.all().find(|held| held.key == key).unwrap();
                        held.hits = (held.hits + 1).min(3);
                    } else if weigh(key) <= capacity {
                        while weight(&model.cold) + weight(&model.hot) + weigh(key) > capacity {
                            prop_assert!(model.victim().is_some());
                        }
                        model.insert(key, weigh(key));
                    }
                    prop_assert_eq!(cache.access(key, mix(key), weigh(key)), hit);
                }
                Step::Remove(key) => {
                    cache.remove(key);
                    model.remove(key);
                }
                Step::Choose(choice) => {
                    cache.policy_mut().choose(choice);
                    model.choice = choice;
                }
            }
            prop_assert_eq!(cache.policy().queues.len(HOT), model.hot.len());
            for key in 0..25 {
                let held = model.all().any(|held| held.key == key);
                prop_assert_eq!(cache.contains(key), held, "key {}", key);
            }
        }
    }
}

/// A small generator, so that the patterns are the same for ever.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }

    /// A key below `keys`, small ones more often.
    fn skewed(&mut self, keys: u32) -> u32 {
        (f64::from(keys).powf(self.next()) - 1.0) as u32
    }
}

fn looped(keys: u32, times: u32) -> Vec<u32> {
    (0..times).flat_map(|_| 0..keys).collect()
}

/// Each key twice, at a distance of up to `distance` others, then never again.
fn recent(from: u32, keys: u32, distance: u32, draw: &mut Draw) -> Vec<u32> {
    let mut at: Vec<(u64, u32)> = Vec::new();
    for key in 0..keys {
        let again = key as f64 + 1.0 + draw.next() * f64::from(distance);
        at.push((u64::from(key) << 8, from + key));
        at.push(((again * 256.0) as u64, from + key));
    }
    at.sort_unstable();
    at.into_iter().map(|(_, key)| key).collect()
}

fn ratio<P: Policy>(policy: P, capacity: u64, keys: &[u32]) -> f64 {
    let mut cache = Simulation::new(policy, capacity);
    let hits = keys.iter().filter(|&&key| cache.access(key, mix(key), 1)).count();
    hits as f64 / keys.len() as f64
}

/// The hit ratios of the policy and of LRU.
fn both(capacity: u64, keys: &[u32]) -> (f64, f64) {
    (ratio(Adaptive::alone(), capacity, keys), ratio(Lru::new(), capacity, keys))
}

#[test]
fn a_loop_is_kept_as_far_as_it_fits() {
    for (capacity, best) in [(10, 0.01), (100, 0.1), (500, 0.5), (900, 0.9)] {
        let (adaptive, lru) = both(capacity, &looped(1_000, 100));
        assert!(adaptive > best * 0.85 && lru == 0.0, "{capacity}: {adaptive}");
    }
}

#[test]
fn pure_recency_is_lru() {
    let keys = recent(0, 20_000, 700, &mut Draw(1));
    for capacity in [50, 200, 800] {
        let (adaptive, lru) = both(capacity, &keys);
        assert!(adaptive > lru - 0.01, "{capacity}: {adaptive} {lru}");
    }
}

#[test]
fn back_and_forth_is_lru() {
    let keys: Vec<u32> = (0..20).flat_map(|_| (0..1_000).chain((0..1_000).rev())).collect();
    for capacity in [8, 50, 200, 500] {
        let (adaptive, lru) = both(capacity, &keys);
        assert!(adaptive > lru - 0.01, "{capacity}: {adaptive} {lru}");
    }
}

#[test]
fn what_is_popular_survives_a_scan() {
    let mut draw = Draw(2);
    let scan = |i: u32| 1_000_000 + i;
    let keys: Vec<u32> = (0..100_000)
        .map(|i| if i / 5_000 % 2 == 0 { draw.skewed(2_000) } else { scan(i) })
        .collect();
    let (adaptive, lru) = both(500, &keys);
    assert!(adaptive > lru + 0.03, "{adaptive} {lru}");
}

#[test]
fn popularity_is_at_least_as_well_served_as_by_s3_fifo() {
    let mut draw = Draw(3);
    let keys: Vec<u32> = (0..60_000).map(|_| draw.skewed(20_000)).collect();
    for capacity in [100, 400, 1_000] {
        let (adaptive, lru) = both(capacity, &keys);
        let s3 = ratio(S3Fifo::new(), capacity, &keys);
        assert!(adaptive > lru + 0.02 && adaptive > s3 - 0.01, "{adaptive} {lru} {s3}");
    }
}

/// Recency, then a loop that LRU gets nothing of, and recency again.
#[test]
fn the_kind_of_workload_may_change() {
    let mut draw = Draw(4);
    let mut keys = recent(10_000, 30_000, 600, &mut draw);
    keys.extend(looped(1_000, 100));
    keys.extend(recent(50_000, 30_000, 600, &mut draw));
    let (adaptive, lru) = both(500, &keys);
    assert!(adaptive > lru + 0.19 && lru < 0.14, "{adaptive} {lru}");
}

#[test]
fn a_sample_serves_a_large_cache() {
    let (adaptive, lru) = both(4_000, &looped(8_000, 20));
    assert!(adaptive > 0.36 && lru == 0.0, "{adaptive}");
    let (adaptive, lru) = both(4_000, &recent(0, 50_000, 3_000, &mut Draw(5)));
    assert!(adaptive > lru - 0.01, "{adaptive} {lru}");
}

#[test]
fn a_choice_moves_entries_a_few_at_a_time() {
    let mut cache = Simulation::new(Adaptive::new(), 1_000);
    (0..1_000).for_each(|key| _ = cache.access(key, mix(key), 1));
    cache.policy_mut().choose(Choice::STEADY);
    (1_000..1_400).for_each(|key| _ = cache.access(key, mix(key), 1));
    assert_eq!(cache.policy().queues.len(HOT), 100, "one for four evictions");
    cache.policy_mut().choose(Choice::RECENT);
    cache.access(2_000, mix(2_000), 1);
    assert_eq!(cache.policy().queues.len(HOT), 99, "it gives first what was not used");
}

#[test]
fn what_comes_first_stays_through_what_never_returns() {
    let mut cache = Simulation::new(Adaptive::new(), 1_000);
    cache.policy_mut().choose(Choice::STEADY);
    (0..20_000).for_each(|key| _ = cache.access(key, mix(key), 1));
    let kept = (0..1_000).filter(|&key| cache.contains(key)).count();
    assert!(
        (970..=980).contains(&kept),
        "{kept}: all but the cold share, and a few mistakes of ghosts"
    );
}

#[test]
fn stamps_do_not_come_round() {
    let mut cache = Simulation::new(Adaptive::new(), 64);
    cache.policy_mut().choose(Choice::from_cold_share(0.5));
    // A hot queue that nothing uses, while more pass by than a stamp can count; every now and then
    // one that is young enough to replace one of them.
    for key in 0..300_000u32 {
        cache.access(key, mix(key), 1);
        if key % 1_000 == 999 && key > 2_000 {
            let back = key - 40;
            assert!(!cache.contains(back));
            cache.access(back, mix(back), 1);
            let policy = cache.policy();
            let newest = policy.queues.iter(HOT).last().unwrap();
            let now = policy.epoch(policy.clock);
            assert_eq!(policy.stamps[newest.index()], now, "{key}: it replaced an idle one");
        }
    }
}
