//! Invalidation by tag, namespace, pattern and dependency, against naive models and in a race.

use perf_cache::{Cache, Cause, Glob, Refusal, Terms};
use perf_core::Clock;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

fn cache(entries: u64) -> Cache<String, u64> {
    Cache::builder().max_entries(entries).build().unwrap()
}

fn tagged(tag: &str) -> Terms {
    Terms::new().tags([tag])
}

#[test]
fn dead_entries_are_counted_until_they_are_swept() {
    let cache = cache(1_000);
    for n in 0..100 {
        cache.insert_with(format!("k{n}"), n, tagged(if n % 2 == 0 { "even" } else { "odd" }));
    }
    assert_eq!((cache.count_tag("even"), cache.invalidate_tag("even").at_most), (50, 50));
    assert_eq!((cache.len(), cache.dead(), cache.count_tag("even")), (100, 50, 0));
    assert_eq!(cache.invalidate_tag("even").at_most, 0);
    assert_eq!(cache.remove_dead(20), 20);
    assert_eq!(cache.remove_dead(u64::MAX), 30);
    assert_eq!((cache.len(), cache.dead(), cache.remove_dead(u64::MAX)), (50, 0, 0));
    assert_eq!(cache.stats().evictions.tag, 50);
    assert!((0..100).all(|n| cache.contains(&format!("k{n}")) == (n % 2 == 1)));
}

#[test]
fn insertions_sweep_what_is_dead() {
    let cache = cache(10_000);
    for n in 0..400 {
        cache.insert_with(format!("old{n}"), n, tagged("old"));
    }
    cache.invalidate_tag("old");
    for n in 0..4_000 {
        cache.insert(format!("new{n}"), n);
    }
    assert_eq!((cache.dead(), cache.len()), (0, 4_000));
}

#[test]
fn an_invalidation_looks_at_no_entry() {
    /// A key that counts how often its text is asked for.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Key(u32);
    static ASKED: AtomicU64 = AtomicU64::new(0);
    impl perf_cache::KeyText for Key {
        fn key_text(&self) -> std::borrow::Cow<'_, str> {
            ASKED.fetch_add(1, Ordering::Relaxed);
            format!("ns{}:{}", self.0 % 10, self.0).into()
        }
    }
    let cache: Cache<Key, u32> = Cache::builder().max_entries(100_000).build().unwrap();
    for n in 0..10_000 {
        cache.insert(Key(n), n);
    }
    let before = ASKED.load(Ordering::Relaxed);
    cache.invalidate_namespace("ns1");
    cache.invalidate_by_pattern("ns2:*").unwrap();
    cache.invalidate_by_pattern("*:??77").unwrap();
    assert_eq!(ASKED.load(Ordering::Relaxed), before);
    // A reader asks once for each entry, and no more once it is known to be alive.
    for _ in 0..5 {
        assert_eq!(cache.get(&Key(3)), Some(3));
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), before + 1);
    assert_eq!(cache.remove_dead(u64::MAX), 1_000 + 1_000 + 90);
    let swept = ASKED.load(Ordering::Relaxed);
    assert!((0..10_000).filter_map(|n| cache.get(&Key(n))).count() == 7_910);
    // None of what is left is looked up in a list any more.
    assert_eq!(ASKED.load(Ordering::Relaxed), swept);
}

#[test]
fn more_patterns_than_the_list_holds_are_no_trouble() {
    let cache = cache(1_000);
    for n in 0..500 {
        cache.insert(format!("{n:03}"), n);
    }
    for n in 0..300 {
        cache.invalidate_by_pattern(&format!("{n:03}?")).unwrap();
        cache.invalidate_by_pattern(&format!("{n:0<2}[0]x")).unwrap();
        cache.invalidate_by_glob(&Glob::new(&format!("[!x]{:02}", n % 100)).unwrap());
        assert!((0..500).all(|k| cache.contains(&format!("{k:03}")) == (n < 99 && k % 100 > n)));
    }
}

#[test]
fn who_asks_again_and_again_how_many_are_dead_gets_an_estimate() {
    for (entries, shards) in [(900_u64, 1), (30_000, 1), (30_000, 8)] {
        let builder = Cache::builder().max_entries(2 * entries).shards(shards);
        let cache: Cache<String, u64> = builder.build().unwrap();
        let tags = |n| Terms::new().tags([if n % 3 == 0 { "third" } else { "other" }]);
        (0..entries).for_each(|n| assert!(cache.insert_with(format!("{}:{n}", n % 5), n, tags(n))));
        let is_near = |what: &str| {
            let (told, exact) = (cache.dead_estimate(), cache.dead());
            let off = if entries > 4_096 { entries / 40 } else { 0 };
            assert!(told.abs_diff(exact) <= off, "{what}: {told} of {exact}");
            exact
        };
        assert_eq!(is_near("nothing yet"), 0);
        cache.invalidate_tag("third");
        assert_eq!(is_near("a tag"), entries / 3);
        cache.invalidate_namespace("4");
        assert_eq!(is_near("a namespace"), entries / 3 + entries / 5 - entries / 15);
        cache.remove_dead(entries / 3);
        is_near("half swept");
        cache.remove_dead(u64::MAX);
        assert_eq!((is_near("swept"), cache.dead_estimate()), (0, 0));
    }
}

#[test]
fn a_declared_namespace_knows_how_many_it_ends() {
    let cache: Cache<String, u64> =
        Cache::builder().max_entries(100).namespace("users").namespace("a:b").build().unwrap();
    for n in 0..10 {
        cache.insert(format!("users:{n}"), n);
        cache.insert(format!("a:b:{n}"), n);
        cache.insert(format!("a:c:{n}"), n);
    }
    assert_eq!(cache.count_namespace("a"), 20);
    assert_eq!(cache.invalidate_by_pattern("users:*").unwrap().at_most, 10);
    assert_eq!(cache.invalidate_namespace("a:b").at_most, 10);
    assert_eq!((cache.count_namespace("a"), cache.count_namespace("users")), (10, 0));
    cache.insert("users:1".to_owned(), 1);
    cache.invalidate_namespace("a");
    assert_eq!(cache.len() as u64 - cache.dead(), 1);
    assert_eq!(cache.get("users:1"), Some(1));
}

#[test]
fn tags_do_not_keep_an_entry_from_expiring() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<&str, u64> = Cache::builder()
        .max_entries(10)
        .time_to_live(Duration::from_secs(5))
        .clock(clock)
        .build()
        .unwrap();
    cache.insert_with("tagged", 1, tagged("t"));
    cache.insert_with("short", 1, tagged("t").time_to_live(Duration::from_secs(1)));
    assert!(cache.set_dependency("tagged", "parent"));
    hand.advance(Duration::from_secs(1));
    assert_eq!((cache.get("tagged"), cache.get("short")), (Some(1), None));
    hand.advance(Duration::from_secs(4));
    assert_eq!(cache.get("tagged"), None);
    assert_eq!(cache.stats().evictions.expired, 2);
}

#[test]
fn a_cascade_goes_through_what_has_left() {
    let cache: Cache<String, u64> = Cache::builder().max_entries(100).key_text().build().unwrap();
    let depends = |on: &str| Terms::new().depends_on([on]);
    cache.insert_with("b".to_owned(), 2, depends("a"));
    cache.insert_with("c".to_owned(), 3, depends("b"));
    cache.insert_with("d".to_owned(), 4, depends("c"));
    cache.insert_with("z".to_owned(), 5, depends("y"));
    assert_eq!((cache.count_dependents("a"), cache.count_dependents("b")), (1, 1));
    cache.remove("b");
    cache.remove("c");
    assert_eq!(cache.cascade_invalidate("a").at_most, 1);
    assert_eq!((cache.get("d"), cache.get("z")), (None, Some(5)));
    // A circle.
    cache.insert_with("x".to_owned(), 1, depends("y"));
    cache.insert_with("y".to_owned(), 1, depends("x"));
    assert_eq!(cache.cascade_invalidate("x").at_most, 3);
    assert!(["x", "y", "z"].iter().all(|key| !cache.contains(*key)));
    cache.remove_dead(u64::MAX);
    assert!(cache.is_empty());
}

#[test]
fn dependents_that_came_before_the_first_cascade_are_found() {
    let cache: Cache<(&str, u8), u8> = Cache::builder().max_entries(10).build().unwrap();
    cache.insert(("p", 1), 0);
    cache.insert_with(("c", 1), 1, Terms::new().depends_on(["p:1"]));
    cache.insert_with(("g", 1), 2, Terms::new().depends_on(["c:1"]));
    cache.cascade_invalidate(&("p", 1));
    cache.remove_dead(u64::MAX);
    assert!(cache.is_empty());
}

#[test]
fn a_dependency_set_later_counts_from_then_on() {
    let cache = cache(10);
    cache.insert("child".to_owned(), 1);
    assert!(!cache.set_dependency("nobody", "parent"));
    assert!(cache.set_dependency("child", "parent"));
    assert!(cache.set_dependency("child", "other"));
    assert_eq!((cache.get("child"), cache.len()), (Some(1), 1));
    assert_eq!(cache.invalidate_dependencies("parent").at_most, 1);
    assert_eq!(cache.get("child"), None);
    assert!(!cache.set_dependency("child", "parent"));
}

#[test]
fn a_dependency_can_be_set_by_more_threads_than_have_a_record() {
    let cache = cache(10);
    cache.insert("child".to_owned(), 1);
    let all_are_there = std::sync::Barrier::new(140);
    let set = || {
        cache.get("child");
        // Nobody leaves before: each thread needs a record of its own.
        all_are_there.wait();
        let set = cache.set_dependency("child", "parent");
        all_are_there.wait();
        set
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..140).map(|_| scope.spawn(set)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
    cache.invalidate_dependencies("parent");
    assert_eq!(cache.get("child"), None);
}

#[test]
fn a_load_that_began_before_is_not_kept() {
    let cache = cache(10);
    let load = |key: &str, end: &dyn Fn()| {
        cache.get_with_terms(key.to_owned(), || {
            end();
            (7, Terms::new().tags(["t"]).depends_on(["p"]))
        })
    };
    assert_eq!(load("ns:1", &|| _ = cache.invalidate_tag("t")), 7);
    assert_eq!(load("ns:1", &|| _ = cache.invalidate_dependencies("p")), 7);
    assert_eq!(load("ns:1", &|| _ = cache.cascade_invalidate("p")), 7);
    assert_eq!(load("ns:1", &|| _ = cache.invalidate_namespace("ns")), 7);
    assert_eq!(load("ns:1", &|| _ = cache.invalidate_by_pattern("*1").unwrap()), 7);
    assert_eq!((cache.stats().loads, cache.stats().invalidations.fenced), (5, 5));
    assert!(cache.is_empty());
    // What concerns others does not.
    assert_eq!(load("ns:1", &|| _ = cache.invalidate_tag("other")), 7);
    assert_eq!((cache.get("ns:1"), cache.stats().loading), (Some(7), 0));
}

#[test]
fn a_token_is_worth_nothing_after_an_invalidation() {
    let cache = cache(10);
    let ends: [(&dyn Fn(), Refusal); 6] = [
        (&|| _ = cache.remove("k"), Refusal::Key),
        (&|| cache.insert("k".to_owned(), 2), Refusal::Key),
        (&|| cache.clear(), Refusal::Key),
        (&|| _ = cache.invalidate_tag("t"), Refusal::Tag),
        (&|| _ = cache.invalidate_by_pattern("k").unwrap(), Refusal::Pattern),
        (&|| _ = cache.cascade_invalidate("k"), Refusal::Key),
    ];
    for (end, refusal) in ends {
        let token = cache.reserve("k".to_owned());
        end();
        assert_eq!(token.fill_with(1, tagged("t")), Err(refusal));
        assert_ne!(cache.get("k"), Some(1));
    }
    assert_eq!(cache.stats().invalidations.fenced, 6);
    drop(cache.reserve("k".to_owned()));
    let (first, second) = (cache.reserve("k".to_owned()), cache.reserve("k".to_owned()));
    assert_eq!((second.fill(2), cache.get("k")), (Ok(()), Some(2)));
    assert_eq!((first.fill(1), cache.get("k")), (Ok(()), Some(1)));
}

#[test]
fn too_many_tags_keep_a_value_out() {
    let cache: Cache<u8, u8> = Cache::builder().max_entries(10).max_tags(2).build().unwrap();
    assert!(cache.insert_with(1, 1, Terms::new().tags(["a", "b"])));
    cache.insert(2, 1);
    assert!(!cache.insert_with(2, 2, tagged("c")));
    assert_eq!((cache.get(&2), cache.stats().invalidations.untaggable), (None, 1));
    cache.remove(&1);
    assert!(cache.insert_with(2, 2, tagged("c")));
    let none = Cache::<u8, u8>::builder().max_entries(1).max_tags(0).build();
    assert!(none.unwrap_err().to_string().contains("max_tags"));
}

#[test]
fn listeners_hear_of_each_entry_once() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let cache: Cache<String, u64> = Cache::builder()
        .max_entries(3)
        .on_eviction(move |key: &String, value: &u64, cause| {
            log.lock().unwrap().push((key.clone(), *value, cause));
        })
        .build()
        .unwrap();
    let mut expected = Vec::new();
    let mut expect = |key: &str, value, cause| {
        expected.push((key.to_owned(), value, cause));
        assert_eq!(*heard.lock().unwrap(), expected);
    };
    cache.insert("a".to_owned(), 1);
    cache.insert("a".to_owned(), 2);
    expect("a", 1, Cause::Replaced);
    cache.remove("a");
    expect("a", 2, Cause::Removed);
    cache.insert_with("t".to_owned(), 3, tagged("t"));
    cache.invalidate_tag("t");
    assert_eq!(cache.get("t"), None);
    expect("t", 3, Cause::Tag);
    cache.insert("p:1".to_owned(), 4);
    cache.invalidate_namespace("p");
    cache.remove_dead(u64::MAX);
    expect("p:1", 4, Cause::Pattern);
    cache.insert_with("d".to_owned(), 5, Terms::new().depends_on(["x"]));
    cache.invalidate_dependencies("x");
    assert_eq!(cache.get("d"), None);
    expect("d", 5, Cause::Dependency);
    cache.insert("c".to_owned(), 6);
    cache.clear();
    expect("c", 6, Cause::Cleared);
    for n in 0..4 {
        cache.insert(n.to_string(), n);
    }
    let last = heard.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.2, heard.lock().unwrap().len()), (Cause::Size, 7));
}

#[test]
fn a_listener_may_use_the_cache_and_may_panic() {
    let hold: Arc<std::sync::OnceLock<Cache<u64, u64>>> = Arc::default();
    let inside = Arc::clone(&hold);
    let cache: Cache<u64, u64> = Cache::builder()
        .max_entries(4)
        .on_eviction(move |key: &u64, _: &u64, _| {
            let cache = inside.get().unwrap();
            cache.get(key);
            cache.remove(&(key + 1));
            assert!(key.is_multiple_of(2), "{key} is odd");
        })
        .build()
        .unwrap();
    hold.set(cache.clone()).unwrap();
    for n in 0..50 {
        cache.insert(n, n);
    }
    let stats = cache.stats();
    assert!(stats.listener_panics > 0 && cache.listener_panic().unwrap().ends_with(" is odd"));
    let left: u64 = stats.evictions.by_cause().iter().map(|(_, n)| n).sum();
    assert_eq!(stats.insertions, stats.entries + left);
}

/// What listeners hear, and what is held, is all that was ever put in.
#[test]
fn no_entry_is_told_twice_by_many_threads() {
    let heard = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&heard);
    let cache: Cache<String, u64> = Cache::builder()
        .max_entries(64)
        .shards(4)
        .on_eviction(move |_: &String, value: &u64, _| {
            sum.fetch_add(*value, Ordering::Relaxed);
        })
        .build()
        .unwrap();
    let put = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (cache, put) = (&cache, &put);
            scope.spawn(move || {
                for n in 0..4_000_u64 {
                    let key = format!("n{}:{}", n % 5, (n * 7 + thread) % 100);
                    match n % 16 {
                        0 => _ = cache.invalidate_tag("t"),
                        1 => _ = cache.invalidate_namespace("n1"),
                        2 => _ = cache.remove(&key),
                        3 => _ = cache.set_dependency(&key, "parent"),
                        4 => _ = cache.remove_dead(3),
                        5 => _ = cache.get(&key),
                        _ => {
                            let value = thread * 1_000_000 + n;
                            let terms = if n % 3 == 0 { tagged("t") } else { Terms::new() };
                            assert!(cache.insert_with(key, value, terms));
                            put.fetch_add(value, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    // A copy made by `set_dependency` puts the same value in once more.
    let copies = cache.stats().insertions - 4 * 4_000 / 16 * 10;
    cache.clear();
    let (heard, put) = (heard.load(Ordering::Relaxed), put.load(Ordering::Relaxed));
    if copies == 0 {
        assert_eq!(heard, put);
    } else {
        assert!(heard >= put);
    }
    assert_eq!((cache.len(), cache.memory_usage().as_u64()), (0, 0));
}

/// A writer changes the truth and invalidates; from then on nobody may read what was there before.
#[test]
fn nothing_read_before_an_invalidation_is_seen_after_it() {
    const ROUNDS: u64 = 3_000;
    let cache: Cache<String, u64> =
        Cache::builder().max_entries(1_000).namespace("declared").build().unwrap();
    let truth = AtomicU64::new(0);
    // The truth of which it is known that all that is older was invalidated.
    let known = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let terms = || Terms::new().tags(["t"]).depends_on(["p"]);
    let keys = ["plain:1", "declared:1", "other"];
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (cache, truth, known, done) = (&cache, &truth, &known, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    for key in keys {
                        let at_least = known.load(Ordering::Acquire);
                        let value = match reader {
                            0 => cache.get(key),
                            1 => {
                                cache.get_with_terms(key.to_owned(), || {
                                    (truth.load(Ordering::Acquire), terms())
                                });
                                None
                            }
                            _ => {
                                let token = cache.reserve(key.to_owned());
                                let value = truth.load(Ordering::Acquire);
                                std::thread::yield_now();
                                let _ = token.fill_with(value, terms());
                                None
                            }
                        };
                        if let Some(value) = value {
                            assert!(value >= at_least, "{key}: {value} after {at_least}");
                        }
                    }
                }
            });
        }
        for round in 1..=ROUNDS {
            truth.store(round, Ordering::Release);
            match round % 4 {
                0 => _ = cache.invalidate_tag("t"),
                1 => _ = cache.invalidate_dependencies("p"),
                2 => {
                    cache.invalidate_namespace("plain");
                    cache.invalidate_namespace("declared");
                    cache.remove("other");
                }
                _ => _ = cache.invalidate_by_pattern("*[1r]").unwrap(),
            }
            known.store(round, Ordering::Release);
        }
        done.store(true, Ordering::Release);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Insert { key: u8, tags: Vec<u8>, parents: Vec<u8> },
    Fill { key: u8, tags: Vec<u8>, between: Box<Step> },
    Load { key: u8, tags: Vec<u8>, between: Box<Step> },
    Get(u8),
    Remove(u8),
    Tag(u8),
    Namespace(u8),
    Glob(u8),
    Dependencies(u8),
    Cascade(u8),
    Clear,
    RemoveDead(u8),
    Depend(u8, u8),
}

fn ends() -> impl Strategy<Value = Step> {
    let key = || 0_u8..20;
    prop_oneof![
        key().prop_map(Step::Get),
        key().prop_map(Step::Remove),
        (0_u8..5).prop_map(Step::Tag),
        (0_u8..5).prop_map(Step::Namespace),
        (0_u8..10).prop_map(Step::Glob),
        key().prop_map(Step::Dependencies),
        key().prop_map(Step::Cascade),
        Just(Step::Clear),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0_u8..20;
    let few = || prop::collection::vec(0_u8..5, 0..3);
    let between = || ends().prop_map(Box::new);
    prop_oneof![
        12 => (key(), few(), prop::collection::vec(key(), 0..2))
            .prop_map(|(key, tags, parents)| Step::Insert { key, tags, parents }),
        2 => (key(), few(), between())
            .prop_map(|(key, tags, between)| Step::Fill { key, tags, between }),
        2 => (key(), few(), between())
            .prop_map(|(key, tags, between)| Step::Load { key, tags, between }),
        3 => ends(),
        1 => (0_u8..20).prop_map(Step::RemoveDead),
        1 => (key(), key()).prop_map(|(child, parent)| Step::Depend(child, parent)),
    ]
}

fn name(key: u8) -> String {
    format!("n{}:{key:02}", key % 4)
}

/// Keys with their values, tags and dependencies: those that are alive.
#[derive(Default)]
struct Model {
    entries: HashMap<u8, (u64, Vec<u8>, BTreeSet<u8>)>,
}

impl Model {
    /// What a step ends, as a condition on key, tags and dependencies. Nothing ever leaves the
    /// cache for want of room, and children are only put in after their parents.
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Remove(key) => _ = self.entries.remove(key),
            Step::Tag(tag) => self.entries.retain(|_, entry| !entry.1.contains(tag)),
            Step::Namespace(ns) => self.entries.retain(|key, _| key % 4 != *ns),
            Step::Glob(digit) => self.entries.retain(|key, _| key % 10 != *digit),
            Step::Dependencies(parent) => {
                self.entries.retain(|_, entry| !entry.2.contains(parent));
            }
            Step::Cascade(key) => {
                let live = self.entries.iter();
                let edges = live.flat_map(|(key, entry)| entry.2.iter().map(|p| (*p, *key)));
                let reached = self.reached(*key, &edges.collect());
                self.entries.retain(|key, _| !reached.contains(key));
            }
            Step::Clear => self.entries.clear(),
            _ => {}
        }
    }

    fn reached(&self, from: u8, edges: &HashSet<(u8, u8)>) -> HashSet<u8> {
        let mut reached = HashSet::from([from]);
        loop {
            let known = reached.len();
            let more = edges.iter().filter(|(parent, _)| reached.contains(parent));
            let more: Vec<u8> = more.map(|(_, child)| *child).collect();
            reached.extend(more);
            if reached.len() == known {
                return reached;
            }
        }
    }

    fn would_end(step: &Step, key: u8, tags: &[u8]) -> bool {
        let mut model = Model::default();
        model.entries.insert(key, (0, tags.to_vec(), BTreeSet::new()));
        model.apply(step);
        model.entries.is_empty()
    }
}

fn apply(cache: &Cache<String, u64>, step: &Step) {
    match step {
        Step::Get(key) => _ = cache.get(&name(*key)),
        Step::Remove(key) => _ = cache.remove(&name(*key)),
        Step::Tag(tag) => _ = cache.invalidate_tag(&tag.to_string()),
        Step::Namespace(ns) => _ = cache.invalidate_namespace(&format!("n{ns}")),
        Step::Glob(digit) => _ = cache.invalidate_by_pattern(&format!("*?{digit}")).unwrap(),
        Step::Dependencies(parent) => _ = cache.invalidate_dependencies(&name(*parent)),
        Step::Cascade(key) => _ = cache.cascade_invalidate(&name(*key)),
        Step::Clear => cache.clear(),
        _ => {}
    }
}

proptest! {
    #![proptest_config(Config {
        cases: 300,
        rng_seed: RngSeed::Fixed(20_261_121),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn a_cache_holds_what_its_model_holds(
        steps in prop::collection::vec(step(), 1..150),
        declared in any::<bool>(),
    ) {
        let mut builder = Cache::<String, u64>::builder().max_entries(10_000);
        if declared {
            builder = builder.namespace("n1").namespace("n2");
        }
        let cache = builder.build().unwrap();
        let mut model = Model::default();
        let tag_names = |tags: &[u8]| tags.iter().map(|tag| tag.to_string()).collect::<Vec<_>>();
        // Every dependency that there ever was.
        let mut ever: HashSet<(u8, u8)> = HashSet::new();
        for (value, step) in (0_u64..).zip(steps) {
            let cascade = match &step {
                Step::Fill { between, .. } | Step::Load { between, .. } => (**between).clone(),
                step => step.clone(),
            };
            match &step {
                Step::Insert { key, tags, parents } => {
                    let parent_names: Vec<_> = parents.iter().map(|p| name(*p)).collect();
                    let terms = Terms::new()
                        .tags(tag_names(tags).iter().map(String::as_str))
                        .depends_on(parent_names.iter().map(String::as_str));
                    prop_assert!(cache.insert_with(name(*key), value, terms));
                    let parents = parents.iter().copied().collect();
                    model.entries.insert(*key, (value, tags.clone(), parents));
                }
                Step::Fill { key, tags, between } => {
                    let token = cache.reserve(name(*key));
                    apply(&cache, between);
                    let alive: HashSet<u8> = model.entries.keys().copied().collect();
                    model.apply(between);
                    let filled = token.fill_with(
                        value,
                        Terms::new().tags(tag_names(tags).iter().map(String::as_str)),
                    );
                    let ends = Model::would_end(between, *key, tags)
                        || (matches!(**between, Step::Cascade(_))
                            && alive.contains(key) && !model.entries.contains_key(key));
                    if filled.is_ok() {
                        prop_assert!(!Model::would_end(between, *key, tags));
                        model.entries.insert(*key, (value, tags.clone(), BTreeSet::new()));
                    } else {
                        prop_assert!(ends, "refused: {filled:?}");
                    }
                }
                Step::Load { key, tags, between } => {
                    let was_there = cache.contains(&name(*key));
                    prop_assert_eq!(was_there, model.entries.contains_key(key));
                    let got = cache.get_with_terms(name(*key), || {
                        apply(&cache, between);
                        (value, Terms::new().tags(tag_names(tags).iter().map(String::as_str)))
                    });
                    if was_there {
                        prop_assert_eq!(got, model.entries[key].0);
                    } else {
                        prop_assert_eq!(got, value);
                        model.apply(between);
                        if !Model::would_end(between, *key, tags) {
                            model.entries.insert(*key, (value, tags.clone(), BTreeSet::new()));
                        }
                    }
                }
                Step::RemoveDead(limit) => {
                    let before = cache.dead();
                    let removed = cache.remove_dead(u64::from(*limit));
                    prop_assert_eq!(removed, before.min(u64::from(*limit)));
                    prop_assert_eq!(cache.dead(), before - removed);
                }
                Step::Depend(child, parent) => {
                    let set = cache.set_dependency(&name(*child), &name(*parent));
                    prop_assert_eq!(set, model.entries.contains_key(child));
                    if let Some(entry) = model.entries.get_mut(child) {
                        entry.2.insert(*parent);
                    }
                }
                step => {
                    apply(&cache, step);
                    model.apply(step);
                }
            }
            // A cascade may know of more ways: through entries that have left or were replaced.
            if let Step::Cascade(from) = cascade {
                let reached = model.reached(from, &ever);
                model.entries.retain(|key, entry| {
                    cache.contains(&name(*key)) || !entry.2.iter().any(|p| reached.contains(p))
                });
            }
            for (key, entry) in &model.entries {
                ever.extend(entry.2.iter().map(|parent| (*parent, *key)));
            }
            for key in 0..20 {
                let expected = model.entries.get(&key).map(|entry| entry.0);
                prop_assert_eq!(cache.peek(&name(key)), expected, "key {}", key);
            }
            prop_assert_eq!(cache.len() as u64 - cache.dead(), model.entries.len() as u64);
        }
        for tag in 0..5_u8 {
            let own = model.entries.values().filter(|entry| entry.1.contains(&tag)).count() as u64;
            prop_assert_eq!(cache.count_tag(&tag.to_string()), own);
            prop_assert!(cache.invalidate_tag(&tag.to_string()).at_most >= own);
            model.apply(&Step::Tag(tag));
        }
        for ns in 0..4_u8 {
            let own = model.entries.keys().filter(|key| *key % 4 == ns).count() as u64;
            prop_assert_eq!(cache.count_namespace(&format!("n{ns}")), own);
        }
    }
}
