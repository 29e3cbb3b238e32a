//! Every policy against a naive model of it, which knows keys and vectors only.

mod models;

use super::*;
use models::{FifoModel, LfuModel, LruModel, Model, S3FifoModel};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::cell::Cell;
use std::collections::BTreeSet;

/// One step of a random sequence; numbers are keys.
#[derive(Clone, Debug)]
enum Step {
    /// Hits, or takes in.
    Access(u32),
    Remove(u32),
    Replace(u32),
    Evict,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0u32..25).prop_map(Step::Access),
        1 => (0u32..25).prop_map(Step::Remove),
        1 => (0u32..25).prop_map(Step::Replace),
        1 => Just(Step::Evict),
    ];
    prop::collection::vec(step, 0..250)
}

fn config(cases: u32) -> Config {
    Config { rng_seed: RngSeed::Fixed(4), cases, ..Config::default() }
}

/// The hash of a key.
fn mix(key: u32) -> u32 {
    (u64::from(key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// A shard around a policy, by linear search.
struct Shard {
    policy: Box<dyn Policy>,
    slots: Slots,
    capacity: u64,
}

/// For each slot a key, a weight, and hits.
#[derive(Default)]
struct Slots(Vec<Option<(u32, u64, Cell<u8>)>>);

impl Slots {
    fn get(&self, slot: Slot) -> &(u32, u64, Cell<u8>) {
        self.0[slot.index()].as_ref().expect("asked for a slot that is not held")
    }

    fn find(&self, key: u32) -> Option<Slot> {
        let is_it = |slot: &Option<(u32, _, _)>| slot.as_ref().is_some_and(|slot| slot.0 == key);
        self.0.iter().position(is_it).map(|i| Slot::new(i as u32))
    }

    fn put(&mut self, key: u32, weight: u64) -> Slot {
        let vacant = self.0.iter().position(Option::is_none);
        let i = vacant.unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        self.0[i] = Some((key, weight, Cell::new(0)));
        Slot::new(i as u32)
    }

    fn keys(&self) -> BTreeSet<u32> {
        self.0.iter().flatten().map(|slot| slot.0).collect()
    }

    fn weight(&self) -> u64 {
        self.0.iter().flatten().map(|slot| slot.1).sum()
    }
}

impl Entries for Slots {
    fn hits(&self, slot: Slot) -> u8 {
        self.get(slot).2.get()
    }

    fn set_hits(&self, slot: Slot, hits: u8) {
        self.get(slot).2.set(hits);
    }

    fn hash(&self, slot: Slot) -> u32 {
        mix(self.get(slot).0)
    }

    fn weight(&self, slot: Slot) -> u64 {
        self.get(slot).1
    }
}

impl Shard {
    fn new(mut policy: Box<dyn Policy>, capacity: u64) -> Shard {
        policy.set_capacity(capacity as usize);
        Shard { policy, slots: Slots::default(), capacity }
    }

    fn hit(&mut self, slot: Slot) {
        match self.policy.hits() {
            Hits::Ignored => {}
            Hits::Counted(most) => {
                self.slots.set_hits(slot, (self.slots.hits(slot) + 1).min(most));
            }
            Hits::Reported => self.policy.on_hit(slot, &self.slots),
        }
    }

    /// Answers the key.
    fn evict(&mut self) -> Option<u32> {
        let victim = self.policy.victim(&self.slots)?;
        Some(self.slots.0[victim.index()].take().expect("a victim is held").0)
    }

    /// The keys in the policy's order.
    fn order(&self) -> Vec<u32> {
        let mut order = Vec::new();
        self.policy.for_each(&mut |slot| order.push(self.slots.get(slot).0));
        order
    }

    /// Does a step here and, if there is one, to a model. Checks that they agree.
    fn step(&mut self, step: &Step, weight: u64, model: &mut Option<Box<dyn Model>>) {
        match *step {
            Step::Access(key) => {
                if let Some(slot) = self.slots.find(key) {
                    self.hit(slot);
                    model.iter_mut().for_each(|model| model.hit(key));
                } else if weight <= self.capacity {
                    self.make_room(self.capacity - weight, model);
                    let slot = self.slots.put(key, weight);
                    self.policy.on_insert(slot, &self.slots);
                    model.iter_mut().for_each(|model| model.insert(key, weight));
                }
            }
            Step::Remove(key) => {
                if let Some(slot) = self.slots.find(key) {
                    self.policy.on_remove(slot, &self.slots);
                    self.slots.0[slot.index()] = None;
                    model.iter_mut().for_each(|model| model.remove(key));
                }
            }
            Step::Replace(key) => {
                if let Some(old) = self.slots.find(key).filter(|_| weight <= self.capacity) {
                    let new = self.slots.put(key, weight);
                    self.policy.on_replace(old, new, &self.slots);
                    self.slots.0[old.index()] = None;
                    model.iter_mut().for_each(|model| model.replace(key, weight));
                    self.make_room(self.capacity, model);
                }
            }
            Step::Evict => {
                let key = self.evict();
                if let Some(model) = model {
                    assert_eq!(key, model.victim());
                }
            }
        }
        let order = self.order();
        let keys = order.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!((keys.len(), &keys), (order.len(), &self.slots.keys()), "held, each once");
        if let Some(order) = model.as_ref().and_then(|model| model.order()) {
            assert_eq!(self.order(), order);
        }
    }

    fn make_room(&mut self, most: u64, model: &mut Option<Box<dyn Model>>) {
        while self.slots.weight() > most {
            let key = self.evict().expect("something is held");
            if let Some(model) = model {
                assert_eq!(Some(key), model.victim());
            }
        }
    }

    /// Evicts everything; exactly what is held must come.
    fn drain(&mut self, model: &mut Option<Box<dyn Model>>) {
        let mut keys = self.slots.keys();
        while let Some(key) = self.evict() {
            assert!(keys.remove(&key), "{key} came twice, or was never there");
            if let Some(model) = model {
                assert_eq!(Some(key), model.victim());
            }
        }
        assert!(keys.is_empty(), "{keys:?} never came");
        assert!(self.policy.victim(&self.slots).is_none());
    }
}

/// A policy that answers by a list of lies: a slot, or none, or the truth; it forgets what it takes
/// in, and shows slots twice and such as there are not.
#[derive(Debug)]
struct Wrong {
    policy: Lru,
    lies: Vec<u32>,
    said: Cell<usize>,
}

impl Wrong {
    fn lie(&self) -> u32 {
        self.said.set(self.said.get() + 1);
        self.lies[self.said.get() % self.lies.len()]
    }
}

impl Policy for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn hits(&self) -> Hits {
        Hits::Reported
    }
    fn set_capacity(&mut self, _: usize) {}
    fn on_insert(&mut self, slot: Slot, entries: &dyn Entries) {
        if self.lie() < 30 {
            self.policy.on_insert(slot, entries);
        }
    }
    fn on_remove(&mut self, slot: Slot, entries: &dyn Entries) {
        if self.lie() < 30 {
            self.policy.on_remove(slot, entries);
        }
    }
    fn victim(&mut self, entries: &dyn Entries) -> Option<Slot> {
        match self.lie() {
            slot @ 0..20 => Some(Slot::new(slot)),
            20..25 => None,
            25..30 => Some(Slot::new(u32::MAX)),
            _ => self.policy.victim(entries),
        }
    }
    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.lies.iter().for_each(|&slot| visit(Slot::new(slot)));
        self.policy.for_each(visit);
    }
}

/// The weight with which a key comes in at a step, in a cache where entries weigh up to `most`.
fn weight(at: usize, most: u64) -> u64 {
    1 + at as u64 * 7 % most
}

fn run(kind: PolicyKind, model: Option<Box<dyn Model>>, capacity: u64, most: u64, steps: &[Step]) {
    let (mut shard, mut model) = (Shard::new(kind.build(1), capacity), model);
    for (at, step) in steps.iter().enumerate() {
        shard.step(step, weight(at, most), &mut model);
    }
    shard.drain(&mut model);
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn fifo_is_its_model(steps in steps(), capacity in 1u64..12, most in 1u64..4) {
        run(PolicyKind::Fifo, Some(Box::new(FifoModel::default())), capacity, most, &steps);
    }

    #[test]
    fn lru_is_its_model(steps in steps(), capacity in 1u64..12, most in 1u64..4) {
        run(PolicyKind::Lru, Some(Box::new(LruModel::default())), capacity, most, &steps);
    }

    #[test]
    fn lfu_is_its_model(steps in steps(), capacity in 1u64..12, most in 1u64..4) {
        run(PolicyKind::Lfu, Some(Box::new(LfuModel::new(capacity))), capacity, most, &steps);
    }

    /// Up to 11 entries, where the ghost list is exact.
    #[test]
    fn s3_fifo_is_the_algorithm_of_its_paper(
        steps in steps(), capacity in 1u64..12, most in 1u64..4,
    ) {
        let model = S3FifoModel::new(capacity);
        run(PolicyKind::S3Fifo, Some(Box::new(model)), capacity, most, &steps);
    }

    /// What comes out is what went in, also while the capacity changes and the policy, too.
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(
        kinds in prop::collection::vec((prop::sample::select(PolicyKind::ALL.to_vec()), steps()), 1..4),
        capacity in 1u64..40,
    ) {
        let mut shard = Shard::new(kinds[0].0.build(1), capacity);
        for (kind, steps) in kinds {
            let before = (shard.order(), shard.slots.keys());
            let mut next = kind.build(2);
            next.set_capacity(shard.capacity as usize);
            switch::hand_over(&*shard.policy, &mut *next, &shard.slots);
            shard.policy = next;
            prop_assert_eq!(shard.slots.keys(), before.1);
            if matches!(kind, PolicyKind::Fifo | PolicyKind::Lru) {
                prop_assert_eq!(shard.order(), before.0, "these can take up any order");
            }
            for (at, step) in steps.iter().enumerate() {
                if at % 50 == 49 {
                    shard.capacity = 1 + (shard.capacity + at as u64) % 40;
                    shard.policy.set_capacity(shard.capacity as usize);
                    shard.make_room(shard.capacity, &mut None);
                }
                shard.step(step, weight(at, 3), &mut None);
            }
        }
        shard.drain(&mut None);
    }

    /// Whatever a caller's policy answers, each entry leaves once.
    #[test]
    fn a_wrong_policy_is_set_right(
        steps in steps(), capacity in 1u64..12, lies in prop::collection::vec(0u32..40, 1..20),
    ) {
        let wrong = Wrong { policy: Lru::new(), lies, said: Cell::new(0) };
        let mut shard = Shard::new(Box::new(checked::Checked::new(wrong)), capacity);
        for (at, step) in steps.iter().enumerate() {
            shard.step(step, weight(at, 3), &mut None);
        }
        shard.drain(&mut None);
    }

    /// The simulation does what a shard does.
    #[test]
    fn a_simulation_is_a_shard(
        steps in steps(), capacity in 1u64..20, most in 1u64..4,
        kind in prop::sample::select(PolicyKind::ALL.to_vec()),
    ) {
        let mut shard = Shard::new(kind.build(1), capacity);
        let mut simulation = Simulation::new(kind.build(1), capacity);
        for (at, step) in steps.iter().enumerate() {
            match *step {
                Step::Access(key) => {
                    let there = shard.slots.find(key).is_some();
                    prop_assert_eq!(simulation.access(key, mix(key), weight(at, most)), there);
                }
                Step::Remove(key) => {
                    let there = shard.slots.find(key).is_some();
                    prop_assert_eq!(simulation.remove(key), there);
                }
                _ => continue,
            }
            shard.step(step, weight(at, most), &mut None);
            prop_assert_eq!(simulation.len(), shard.slots.keys().len());
            prop_assert_eq!(simulation.weight(), shard.slots.weight());
        }
        prop_assert!((0..25).all(|key| simulation.contains(key) == shard.slots.find(key).is_some()));
    }
}

/// A cache of two whose older entry was hit three times, under S3-FIFO.
fn hit_and_not_hit() -> Simulation<S3Fifo> {
    let mut cache = Simulation::new(S3Fifo::new(), 2);
    [0, 0, 0, 0, 1].iter().for_each(|&key| _ = cache.access(key, mix(key), 1));
    cache
}

#[test]
fn counted_hits_go_along_when_the_policy_is_switched() {
    let mut counting = hit_and_not_hit().switch_to(S3Fifo::new());
    counting.access(2, mix(2), 1);
    assert!(counting.contains(0) && !counting.contains(1), "its hits save it");

    let mut told = hit_and_not_hit().switch_to(Lfu::new());
    told.access(2, mix(2), 1);
    assert!(told.contains(0) && !told.contains(1), "its hits are uses");

    let mut ignoring = hit_and_not_hit().switch_to(Fifo::new());
    ignoring.access(2, mix(2), 1);
    assert!(!ignoring.contains(0) && ignoring.contains(1), "it came first");
}

#[test]
fn hits_that_were_not_counted_are_none_after_a_switch() {
    let mut cache = Simulation::new(Lru::new(), 2);
    [0, 0, 0, 0, 1].iter().for_each(|&key| _ = cache.access(key, mix(key), 1));
    let mut cache = cache.switch_to(S3Fifo::new());
    cache.access(2, mix(2), 1);
    assert!(!cache.contains(0), "the least recently used comes first");
}

#[test]
fn names_are_read_as_they_are_written() {
    for kind in PolicyKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        assert_eq!(kind.name().to_uppercase().parse(), Ok(kind));
        assert_eq!(kind.build(0).name(), kind.name());
    }
    assert_eq!("S3FIFO".parse(), Ok(PolicyKind::S3Fifo));
    assert!("".parse::<PolicyKind>().is_err());
}

#[test]
fn every_entry_has_its_chance_with_random() {
    let mut evicted = [0u32; 10];
    for seed in 0..2_000 {
        let mut shard = Shard::new(PolicyKind::Random.build(seed), 10);
        (0..10).for_each(|key| shard.step(&Step::Access(key), 1, &mut None));
        evicted[shard.evict().expect("ten are held") as usize] += 1;
    }
    // Five standard deviations about 200.
    assert!(evicted.iter().all(|n| (133..=267).contains(n)), "{evicted:?}");
}

#[test]
fn random_chooses_the_same_with_the_same_seed() {
    let run = |seed| {
        let mut shard = Shard::new(PolicyKind::Random.build(seed), 10);
        (0..10).for_each(|key| shard.step(&Step::Access(key), 1, &mut None));
        std::iter::from_fn(|| shard.evict()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn s3_fifo_keeps_what_returns_from_the_ghosts_through_a_scan() {
    let mut cache = Simulation::new(S3Fifo::new(), 100);
    let mut access = |key| cache.access(key, mix(key), 1);
    // Ten keys come, go, and come back while they are remembered.
    (0..10).for_each(|key| assert!(!access(key)));
    (1_000..1_150).for_each(|key| assert!(!access(key)));
    (0..10).for_each(|key| assert!(!access(key)));
    (2_000..2_500).for_each(|key| assert!(!access(key)));
    assert!((0..10).all(access), "a scan goes through the small queue only");
}

/// Skewed keys without a pattern: the product of two even draws.
fn skewed(n: u32, keys: u32) -> u32 {
    let draw = |n: u32| (u64::from(mix(n)) * u64::from(keys)) >> 32;
    (draw(2 * n) * draw(2 * n + 1) / u64::from(keys)) as u32
}

#[test]
fn a_ghost_list_that_is_not_exact_hits_as_often_as_one_that_is() {
    const CAPACITY: u64 = 300;
    let mut cache = Simulation::new(S3Fifo::new(), CAPACITY);
    let mut model = S3FifoModel::new(CAPACITY);
    let mut held = BTreeSet::new();
    let (mut hits, mut exact) = (0i32, 0i32);
    for key in (0..40_000).map(|n| skewed(n, 4_000)) {
        hits += i32::from(cache.access(key, mix(key), 1));
        if held.contains(&key) {
            exact += 1;
            model.hit(key);
        } else {
            if held.len() as u64 == CAPACITY {
                held.remove(&model.victim().expect("it is full"));
            }
            model.insert(key, 1);
            held.insert(key);
        }
    }
    assert!(exact > 4_000, "{exact}");
    assert!((hits - exact).abs() < 40, "{hits} against {exact}");
}

#[test]
fn s3_fifo_evicts_even_while_all_are_hit_all_the_time() {
    /// Each entry is hit again before it is looked at.
    struct Hot;
    impl Entries for Hot {
        fn hits(&self, _: Slot) -> u8 {
            3
        }
        fn set_hits(&self, _: Slot, _: u8) {}
        fn hash(&self, slot: Slot) -> u32 {
            slot.as_u32()
        }
        fn weight(&self, _: Slot) -> u64 {
            1
        }
    }
    let mut policy = S3Fifo::new();
    policy.set_capacity(7);
    (0..7).for_each(|i| policy.on_insert(Slot::new(i), &Hot));
    let victims: BTreeSet<_> = std::iter::from_fn(|| policy.victim(&Hot)).collect();
    assert_eq!(victims.len(), 7);
}

#[test]
fn the_frequencies_of_lfu_fade() {
    let mut cache = Simulation::new(Lfu::new(), 4);
    (0..100).for_each(|_| _ = cache.access(0, mix(0), 1));
    // Others are used now, three at a time, each once in a while; the old favourite never.
    for n in 0..2_000u32 {
        let key = 1 + n / 40 % 4;
        cache.access(key, mix(key), 1);
    }
    assert!(!cache.contains(0));
}
