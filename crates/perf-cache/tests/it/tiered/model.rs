//! Every arrangement of tiers and every write policy against a map.

use super::store::Store;
use super::{Texts, builder};
use perf_cache::tiered::{DiskTier, WritePolicy};
use perf_cache::{Cache, Terms};
use perf_core::{ByteSize, Clock, Glob};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Call {
    Insert(u8, u8, bool),
    InsertFor(u8, u8, u8),
    Get(u8),
    GetWith(u8, u8),
    Remove(u8),
    Tag,
    Namespace,
    Pattern,
    Clear,
    Advance(u8),
    Flush,
    Restart,
}

#[derive(Clone, Copy, Debug)]
struct Arrangement {
    memory: Option<u64>,
    disk: Option<bool>,
    write: WritePolicy,
}

fn arrangements() -> impl Strategy<Value = Arrangement> {
    let memory = prop_oneof![Just(None), Just(Some(3)), Just(Some(1_000))];
    let disk = prop_oneof![Just(None), Just(Some(true)), Just(Some(false))];
    let max_age = Duration::from_secs(5);
    let behind = WritePolicy::Behind { max_bytes: ByteSize::kib(64), max_age };
    let write = prop_oneof![Just(WritePolicy::Through), Just(behind), Just(WritePolicy::Aside)];
    (memory, disk, write)
        .prop_filter("some tier", |(memory, disk, _)| memory.is_some() || disk.is_some())
        .prop_map(|(memory, disk, write)| Arrangement { memory, disk, write })
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = || 0..8_u8;
    prop::collection::vec(
        prop_oneof![
            5 => (key(), any::<u8>(), any::<bool>()).prop_map(|(k, v, t)| Call::Insert(k, v, t)),
            1 => (key(), any::<u8>(), 1..20_u8).prop_map(|(k, v, s)| Call::InsertFor(k, v, s)),
            6 => key().prop_map(Call::Get),
            3 => (key(), any::<u8>()).prop_map(|(k, v)| Call::GetWith(k, v)),
            2 => key().prop_map(Call::Remove),
            1 => Just(Call::Tag),
            1 => Just(Call::Namespace),
            1 => Just(Call::Pattern),
            1 => Just(Call::Clear),
            1 => (1..10_u8).prop_map(Call::Advance),
            1 => Just(Call::Flush),
            1 => Just(Call::Restart),
        ],
        1..60,
    )
}

fn name(key: u8) -> String {
    if key < 4 { format!("even:{key}") } else { format!("odd:{key}") }
}

struct Real {
    cache: Texts,
    store: Arc<Store>,
    clock: Clock,
    how: Arrangement,
}

impl Real {
    fn new(how: Arrangement, store: Arc<Store>, clock: Clock) -> Real {
        // The hand may move while a thread writes behind: that is no time-out.
        let deadline = Duration::from_secs(1_000_000);
        let mut builder = builder().write(how.write).clock(clock.clone()).deadline(deadline);
        builder = match how.memory {
            Some(entries) => builder.memory(Cache::builder().max_entries(entries).insight(false)),
            None => builder.without_memory(),
        };
        builder = match how.disk {
            Some(true) => builder.tier(Arc::new(DiskTier::prompt(store.clone()))),
            Some(false) => builder.disk(store.clone()),
            None => builder,
        };
        Real { cache: builder.build().unwrap(), store, clock, how }
    }

    fn restarted(self) -> Real {
        assert!(self.cache.close().is_clean());
        let store = self.store.restarted();
        Real::new(self.how, store, self.clock)
    }
}

/// What a call may find: this, or nothing.
type Model = BTreeMap<u8, (String, bool, Option<Duration>)>;

fn check(how: Arrangement, calls: Vec<Call>) -> Result<(), TestCaseError> {
    let (clock, hand) = Clock::manual();
    let start = clock.now();
    let mut real = Real::new(how, Store::new(), clock.clone());
    let mut model = Model::new();
    let now = || clock.now() - start;
    // Where there is room for all, nothing is ever lost.
    let keeps_all = how.disk.is_some() || how.memory == Some(1_000);
    let mut is_sure = true;
    for call in calls {
        let t = now();
        model.retain(|_, (.., ends)| ends.is_none_or(|ends| t < ends));
        match call {
            Call::Insert(key, value, tagged) => {
                let terms = if tagged { Terms::new().tags(["t"]) } else { Terms::new() };
                real.cache.insert_with(name(key), value.to_string(), terms);
                model.insert(key, (value.to_string(), tagged, None));
            }
            Call::InsertFor(key, value, seconds) => {
                let ttl = Duration::from_secs(seconds.into());
                let terms = Terms::new().time_to_live(ttl);
                real.cache.insert_with(name(key), value.to_string(), terms);
                model.insert(key, (value.to_string(), false, Some(t + ttl)));
            }
            Call::Get(key) => {
                let found = real.cache.get(&name(key));
                let there = model.get(&key).map(|(value, ..)| value.clone());
                if keeps_all && is_sure {
                    prop_assert_eq!(found, there);
                } else {
                    prop_assert!(found.is_none() || found == there, "{:?} {:?}", found, there);
                }
            }
            Call::GetWith(key, value) => {
                let made = real.cache.get_with(name(key), || format!("made {value}"));
                let there = model.get(&key).map(|(value, ..)| value.clone());
                if there.as_ref() != Some(&made) {
                    prop_assert!(there.is_none() || !(keeps_all && is_sure), "{:?}", there);
                    prop_assert_eq!(&made, &format!("made {value}"));
                    model.insert(key, (made, false, None));
                }
            }
            Call::Remove(key) => {
                prop_assert!(real.cache.remove(&name(key)).is_ok());
                model.remove(&key);
            }
            Call::Tag => {
                prop_assert!(real.cache.invalidate_tag("t").is_ok());
                model.retain(|_, (_, tagged, _)| !*tagged);
            }
            Call::Namespace => {
                prop_assert!(real.cache.invalidate_namespace("even").is_ok());
                model.retain(|key, _| *key >= 4);
            }
            Call::Pattern => {
                let glob = Glob::new("*:[25]").or_else(|_| Glob::new("*:5")).unwrap();
                prop_assert!(real.cache.invalidate_by_pattern(&glob).is_ok());
                model.retain(|key, _| !glob.matches(&name(*key)));
            }
            Call::Clear => {
                prop_assert!(real.cache.clear().is_ok());
                model.clear();
            }
            Call::Advance(seconds) => hand.advance(Duration::from_secs(seconds.into())),
            Call::Flush => real.cache.flush(),
            Call::Restart => {
                // Memory is lost, and with it what was nowhere else.
                is_sure &=
                    how.disk.is_some() && (how.write != WritePolicy::Aside || how.memory.is_none());
                real = real.restarted();
            }
        }
    }
    drop(real);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        rng_seed: proptest::test_runner::RngSeed::Fixed(17),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_arrangement_answers_what_was_put_in_or_nothing(
        how in arrangements(),
        calls in calls(),
    ) {
        check(how, calls)?;
    }
}
