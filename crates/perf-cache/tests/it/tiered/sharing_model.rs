//! Three caches over one hub against a model that knows who has heard of what.

use super::builder;
use super::hub::{Hub, Node};
use super::store::Store;
use perf_cache::tiered::{BreakerState, Changed, DiskTier, Reservation, Scope};
use perf_cache::{Cache, Terms, TieredCache};
use perf_core::{Clock, Glob, ManualClock};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

type Texts = TieredCache<String, String>;

const NODES: usize = 3;
const KEYS: usize = 6;

#[derive(Clone, Debug)]
enum Call {
    Get(usize, usize),
    GetWith(usize, usize),
    Insert(usize, usize),
    Remove(usize, usize),
    Tag(usize, usize),
    Pattern(usize),
    Clear(usize),
    Reserve(usize, usize),
    Fill(usize),
    Deliver(usize),
    Lose(usize),
    Unheard(usize),
    FailToAnnounce(usize, bool),
    Retry(usize),
    Restart,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let (node, key) = (|| 0..NODES, || 0..KEYS);
    prop::collection::vec(
        prop_oneof![
            6 => (node(), key()).prop_map(|(n, k)| Call::Get(n, k)),
            8 => (node(), key()).prop_map(|(n, k)| Call::GetWith(n, k)),
            3 => (node(), key()).prop_map(|(n, k)| Call::Insert(n, k)),
            3 => (node(), key()).prop_map(|(n, k)| Call::Remove(n, k)),
            4 => (node(), 0..2_usize).prop_map(|(n, t)| Call::Tag(n, t)),
            1 => node().prop_map(Call::Pattern),
            1 => node().prop_map(Call::Clear),
            3 => (node(), key()).prop_map(|(n, k)| Call::Reserve(n, k)),
            3 => (0..4_usize).prop_map(Call::Fill),
            5 => node().prop_map(Call::Deliver),
            1 => node().prop_map(Call::Lose),
            1 => node().prop_map(Call::Unheard),
            2 => (node(), any::<bool>()).prop_map(|(n, told)| Call::FailToAnnounce(n, told)),
            1 => node().prop_map(Call::Retry),
            1 => Just(Call::Restart),
        ],
        1..80,
    )
}

fn name(key: usize) -> String {
    format!("{}:{key}", if key < 3 { "low" } else { "high" })
}

/// Key 0 and 3 have no tag.
fn terms(key: usize) -> Terms {
    match key % 3 {
        0 => Terms::new(),
        tag => Terms::new().tags([format!("tag {}", tag - 1)]),
    }
}

type Versions = [u64; KEYS];

struct Process {
    cache: Texts,
    node: Arc<Node>,
    hand: ManualClock,
    /// Of each key, the oldest version that this process may answer.
    least: Versions,
    /// What it was about to end when it last called for that.
    intended: HashMap<String, Versions>,
}

struct World {
    hub: Arc<Hub>,
    processes: Vec<Process>,
    /// What is true of each key.
    source: Versions,
    /// Of each change what is ended by it.
    ends: Vec<(u64, Versions)>,
    reserved: Vec<(usize, usize, u64, Reservation<String, String>)>,
}

impl World {
    fn new(has_disk: bool, has_memory: bool) -> World {
        let hub = Hub::new(Clock::system());
        let process = |id| {
            let (clock, hand) = Clock::manual();
            let node = hub.node(id, clock.clone());
            let mut builder = builder().clock(clock).deadline(Duration::from_secs(1_000_000));
            builder = match has_memory {
                true => builder.memory(Cache::builder().max_entries(4).insight(false)),
                false => builder.without_memory(),
            };
            if has_disk {
                builder = builder.tier(Arc::new(DiskTier::prompt(Store::new())));
            }
            let cache = builder.tier(Arc::clone(&node) as _).build().unwrap();
            let intended = HashMap::new();
            Process { cache, node, hand, least: Versions::default(), intended }
        };
        let processes = (0..NODES).map(process).collect();
        let (source, ends) = (Versions::default(), Vec::new());
        World { hub, processes, source, ends, reserved: Vec::new() }
    }

    /// What these keys are is different from now on, and this process is about to say so.
    fn change(&mut self, node: usize, keys: &[usize], what: String) {
        let mut ended = Versions::default();
        for key in keys {
            self.source[*key] += 1;
            ended[*key] = self.source[*key];
        }
        let process = &mut self.processes[node];
        raise(&mut process.least, &ended);
        process.intended.insert(what, ended);
    }

    /// Whoever has taken a change in answers nothing that it ended.
    fn learn(&mut self) {
        let known = self.ends.last().map_or(0, |(number, _)| *number);
        for (number, node, what) in self.hub.journal() {
            if number > known {
                let what = match what {
                    Changed::Key(bytes) => {
                        let key = |key: &usize| bytes.ends_with(name(*key).as_bytes());
                        (0..KEYS).find(key).map(name).unwrap()
                    }
                    Changed::Scope(scope) => format!("{scope:?}"),
                    _ => unreachable!("there is nothing else"),
                };
                self.ends.push((number, self.processes[node].intended[&what]));
            }
        }
        for process in &mut self.processes {
            let taken_in = process.cache.stats().shared.unwrap().since.number;
            for (_, ended) in self.ends.iter().filter(|(number, _)| *number <= taken_in) {
                raise(&mut process.least, ended);
            }
        }
    }

    fn check(&self, node: usize, key: usize, found: &str) -> Result<(), TestCaseError> {
        let version: u64 = found.parse().unwrap();
        let least = self.processes[node].least[key];
        prop_assert!(version >= least, "process {node}, key {key}: {version} after {least}");
        prop_assert!(version <= self.source[key]);
        Ok(())
    }

    /// Lets its breaker close, so that calls do as they are told.
    fn mend(&mut self, node: usize) {
        let Process { cache, hand, .. } = &self.processes[node];
        while cache.stats().tiers.iter().any(|tier| tier.breaker != BreakerState::Closed) {
            hand.advance(Duration::from_secs(5));
            let _ = cache.get("nothing");
        }
    }

    fn run(&mut self, call: Call) -> Result<(), TestCaseError> {
        match call {
            Call::Get(node, key) => {
                let found = self.processes[node].cache.get(&name(key));
                self.learn();
                if let Some(found) = found {
                    self.check(node, key, &found)?;
                }
            }
            Call::GetWith(node, key) => {
                let made = self.source[key].to_string();
                let load = || (made, terms(key));
                let found = self.processes[node].cache.get_with_terms(name(key), load);
                self.learn();
                self.check(node, key, &found)?;
            }
            Call::Insert(node, key) => {
                self.change(node, &[key], name(key));
                let value = self.source[key].to_string();
                self.processes[node].cache.insert_with(name(key), value, terms(key));
            }
            Call::Remove(node, key) => {
                self.change(node, &[key], name(key));
                self.mend(node);
                prop_assert!(self.processes[node].cache.remove(&name(key)).is_ok());
            }
            Call::Tag(node, tag) => {
                let what = format!("tag {tag}");
                self.change(
                    node,
                    &[tag + 1, tag + 4],
                    format!("{:?}", Scope::Tag((&*what).into())),
                );
                let _ = self.processes[node].cache.invalidate_tag(&what);
            }
            Call::Pattern(node) => {
                let glob = Glob::new("l*:[12]").or_else(|_| Glob::new("l*:1")).unwrap();
                let keys: Vec<_> = (0..KEYS).filter(|key| glob.matches(&name(*key))).collect();
                self.change(node, &keys, format!("{:?}", Scope::Pattern(glob.clone())));
                let _ = self.processes[node].cache.invalidate_by_pattern(&glob);
            }
            Call::Clear(node) => {
                let all: Vec<_> = (0..KEYS).collect();
                self.change(node, &all, format!("{:?}", Scope::All));
                let _ = self.processes[node].cache.clear();
            }
            Call::Reserve(node, key) => {
                if self.reserved.len() < 4 {
                    let reserved = self.processes[node].cache.reserve(&name(key));
                    self.reserved.push((node, key, self.source[key], reserved));
                }
            }
            Call::Fill(at) => {
                if at < self.reserved.len() {
                    let (_, key, version, reserved) = self.reserved.swap_remove(at);
                    let _ = reserved.insert(version.to_string(), terms(key));
                }
            }
            Call::Deliver(node) => self.processes[node].node.deliver(),
            Call::Lose(node) => self.processes[node].node.lose(),
            Call::Unheard(node) => self.processes[node].node.is_not_heard_of(),
            Call::FailToAnnounce(node, is_told) => {
                let node = &self.processes[node].node;
                let fails = match is_told {
                    true => &node.fails_after_announcing,
                    false => &node.fails_to_announce,
                };
                fails.store(true, Ordering::SeqCst);
            }
            Call::Retry(node) => {
                let Process { cache, node, hand, .. } = &self.processes[node];
                node.fails_to_announce.store(false, Ordering::SeqCst);
                node.fails_after_announcing.store(false, Ordering::SeqCst);
                while cache.stats().shared.unwrap().unannounced > 0 {
                    hand.advance(Duration::from_secs(5));
                    std::thread::yield_now();
                }
            }
            Call::Restart => {
                // Numbers begin anew, so all have to know before they are used again.
                self.learn();
                self.hub.restart();
                self.ends.clear();
                self.processes.iter().for_each(|process| process.node.deliver());
            }
        }
        self.learn();
        Ok(())
    }
}

fn raise(least: &mut Versions, ended: &Versions) {
    for (least, ended) in least.iter_mut().zip(ended) {
        *least = (*least).max(*ended);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        rng_seed: proptest::test_runner::RngSeed::Fixed(23),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nobody_answers_what_was_ended_by_a_change_that_it_has_heard_of(
        has_disk: bool,
        has_memory: bool,
        calls in calls(),
    ) {
        let mut world = World::new(has_disk, has_memory);
        for call in calls {
            world.run(call)?;
        }
    }
}
