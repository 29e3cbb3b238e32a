//! Reading through tiers: promotion, lives, invalidation over a restart.

use super::store::Store;
use super::{Texts, builder, prompt, text, waiting};
use perf_cache::tiered::{Strategy, TieredPrices, TieredTerms, WritePolicy};
use perf_cache::{Cache, Cause, Expiry, Terms};
use perf_core::{ByteSize, Clock, Glob, Observe, Reading, Tune};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_value_survives_a_restart_and_comes_back_into_memory() {
    let store = Store::new();
    let cache = prompt(&store).0.build().unwrap();
    cache.insert(text("a"), text("1"));
    assert!(cache.close().is_clean());
    let (builder, hand) = prompt(&store.restarted());
    let next = builder.build().unwrap();
    hand.advance(SECOND);
    let entry = next.get_entry("a").unwrap();
    assert_eq!((entry.value.as_str(), entry.tier), ("1", Some("disk")));
    assert_eq!(entry.age, SECOND);
    assert_eq!(next.get_entry("a").unwrap().tier, Some("memory"));
    let stats = next.stats();
    assert_eq!((stats.hits, stats.misses, stats.tiers[0].hits), (2, 0, 1));
    assert_eq!(stats.memory.unwrap().hits, 1);
    assert_eq!(next.get("b"), None);
    assert_eq!(next.stats().misses, 1);
}

#[test]
fn a_value_from_disk_lives_no_longer_than_it_was_to() {
    let store = Store::new();
    let (builder, hand) = prompt(&store);
    let cache = builder.build().unwrap();
    let ttl = |seconds| Terms::new().time_to_live(seconds * SECOND);
    cache.insert_with(text("short"), text("1"), ttl(10));
    cache.insert_with(text("long"), text("2"), ttl(7_200));
    cache.insert(text("usual"), text("3"));
    let (builder, later) = prompt(&store.crashed());
    let next = builder.build().unwrap();
    later.advance(9 * SECOND);
    let left = |key: &str| next.get_entry(key).unwrap().time_to_live;
    assert_eq!(left("short"), Some(SECOND));
    assert_eq!(left("usual"), Some(86_391 * SECOND));
    assert_eq!(next.get("short"), Some(text("1")));
    later.advance(SECOND);
    assert_eq!(next.get("short"), None, "in memory, too");
    // Beyond the hour of memory.
    later.advance(3_600 * SECOND);
    assert_eq!(next.get_entry("long").unwrap().tier, Some("disk"));
    later.advance(3_600 * SECOND);
    assert_eq!(next.get("long"), None);
    assert_eq!(next.get("usual"), Some(text("3")));
    hand.advance(86_400 * SECOND);
    assert_eq!(cache.get("usual"), None);
}

#[test]
fn entries_are_kept_where_they_are_to_be() {
    let store = Store::new();
    let (builder, _hand) = prompt(&store);
    let cache = builder.build().unwrap();
    cache.insert_with(text("near"), text("1"), Strategy::Memory);
    cache.insert_with(text("far"), text("2"), Strategy::Disk);
    cache.insert_with(text("idle"), text("3"), Terms::new().time_to_idle(SECOND));
    assert_eq!(store.values(), 1);
    let tier = |key: &str| cache.get_entry(key).and_then(|entry| entry.tier);
    assert_eq!((tier("near"), tier("idle")), (Some("memory"), Some("memory")));
    assert_eq!((tier("far"), tier("far")), (Some("disk"), Some("disk")));
    // What the disk had is older.
    cache.insert_with(text("far"), text("4"), Strategy::Memory);
    assert_eq!((cache.get("far"), store.values()), (Some(text("4")), 0));
    cache.insert_with(text("near"), text("5"), Strategy::Disk);
    assert_eq!(tier("near"), Some("disk"));
    let terms = TieredTerms::from(Strategy::Disk);
    assert_eq!(cache.get_with_terms(text("made"), || (text("6"), terms)), "6");
    assert_eq!(tier("made"), Some("disk"));
}

#[test]
fn what_memory_lets_go_of_is_found_again() {
    for is_prompt in [true, false] {
        let store = Store::new();
        let of = if is_prompt { prompt } else { waiting };
        let builder = of(&store).0.write(WritePolicy::Aside);
        let cache = builder.memory(Cache::builder().max_entries(4).insight(false)).build().unwrap();
        for n in 0..20 {
            cache.insert(n.to_string(), format!("value {n}"));
        }
        // On another thread if the store may wait.
        while cache.stats().tiers[0].puts < 16 {
            std::thread::yield_now();
        }
        assert_eq!(cache.stats().tiers[0].overflowed, 16);
        for n in 0..20 {
            // What comes back makes room, and on another thread that takes a moment.
            let found = || {
                cache.get(&n.to_string()).or_else(|| {
                    std::thread::yield_now();
                    None
                })
            };
            let found =
                if is_prompt { found() } else { std::iter::repeat_with(found).flatten().next() };
            assert_eq!(found, Some(format!("value {n}")));
        }
    }
}

type Invalidate = Box<dyn Fn(&Texts)>;

/// Every way of invalidating `users:1` and not `pages:2`.
fn invalidations() -> Vec<(&'static str, Invalidate)> {
    vec![
        ("remove", Box::new(|cache| assert!(cache.remove("users:1").is_ok()))),
        ("tag", Box::new(|cache| assert!(cache.invalidate_tag("red").is_ok()))),
        ("dependency", Box::new(|cache| assert!(cache.invalidate_dependencies("base").is_ok()))),
        ("namespace", Box::new(|cache| assert!(cache.invalidate_namespace("users").is_ok()))),
        (
            "pattern",
            Box::new(|cache| {
                let glob = Glob::new("*s:1").unwrap();
                assert!(cache.invalidate_by_pattern(&glob).is_ok());
            }),
        ),
        ("clear", Box::new(|cache| assert!(cache.clear().is_ok()))),
    ]
}

#[test]
fn what_was_invalidated_is_gone_at_once_after_a_crash_and_for_values_on_their_way() {
    for (name, invalidate) in invalidations() {
        for is_prompt in [true, false] {
            let store = Store::new();
            let of = if is_prompt { prompt } else { waiting };
            let cache = of(&store).0.build().unwrap();
            let terms = || Terms::new().tags(["red"]).depends_on(["base"]);
            cache.insert_with(text("users:1"), text("old"), terms());
            cache.insert(text("pages:2"), text("other"));
            let made = cache.get_with(text("users:1"), || unreachable!("it is there"));
            assert_eq!(made, "old");
            invalidate(&cache);
            assert_eq!(cache.get("users:1"), None, "{name}");
            let next = of(&store.crashed()).0.build().unwrap();
            assert_eq!(next.get("users:1"), None, "{name}, after a crash");
            let is_all = name == "clear";
            assert_eq!(next.get("pages:2").is_none(), is_all, "{name}");
            assert_eq!(cache.get("pages:2").is_none(), is_all, "{name}");

            // Read before, and there after it.
            let late = cache.get_with_terms(text("users:1"), || {
                invalidate(&cache);
                (text("late"), terms())
            });
            assert_eq!(late, "late");
            assert_eq!(cache.get("users:1"), None, "{name}: it was read before");
            let next = of(&store.crashed()).0.build().unwrap();
            assert_eq!(next.get("users:1"), None, "{name}: it was stored");

            // And what comes after stays.
            cache.insert_with(text("users:1"), text("new"), terms());
            let next = of(&store.crashed()).0.build().unwrap();
            assert_eq!(next.get("users:1"), Some(text("new")), "{name}");
            assert_eq!(cache.get("users:1"), Some(text("new")), "{name}");
        }
    }
}

#[test]
fn a_refresh_reaches_all_tiers() {
    let store = Store::new();
    let memory = Cache::builder().max_entries(10).refresh_after(10 * SECOND);
    let (builder, hand) = prompt(&store);
    let cache = builder.memory(memory).build().unwrap();
    assert_eq!(cache.get_with(text("a"), || text("1")), "1");
    hand.advance(10 * SECOND);
    assert!(cache.get_entry("a").unwrap().is_stale);
    assert_eq!(cache.get_with(text("a"), || text("2")), "2");
    assert!(!cache.get_entry("a").unwrap().is_stale);
    // As old as it is, wherever it comes from.
    let (builder, later) = prompt(&store.crashed());
    let next = builder
        .memory(Cache::builder().max_entries(10).refresh_after(10 * SECOND))
        .build()
        .unwrap();
    later.advance(20 * SECOND);
    assert_eq!(next.get("a"), Some(text("2")));
    assert_eq!(next.get_with(text("a"), || text("3")), "3", "it is due");
    assert_eq!(prompt(&store.crashed()).0.build().unwrap().get("a"), Some(text("2")));
}

#[test]
fn tiers_and_loader_are_asked_once_for_all() {
    let store = Store::new();
    let cache = waiting(&store).0.build().unwrap();
    cache.insert(text("there"), text("1"));
    let next = waiting(&store.restarted());
    let restarted = store.crashed();
    drop(next);
    restarted.blocks.store(true, Ordering::SeqCst);
    let next = waiting(&restarted).0.build().unwrap();
    let before = restarted.calls.load(Ordering::SeqCst);
    restarted.hang(true);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| next.get("there"))).collect();
        while next.stats().joins < 3 {
            std::thread::yield_now();
        }
        restarted.hang(false);
        for ask in asking {
            assert_eq!(ask.join().unwrap(), Some(text("1")));
        }
    });
    assert_eq!(restarted.calls.load(Ordering::SeqCst) - before, 2, "try_get, and get once");
    assert_eq!(next.stats().tiers[0].waited, 1);
    assert_eq!(next.stats().loads, 0);
}

#[tokio::test]
async fn the_same_for_tasks() {
    let store = Store::new();
    store.blocks.store(true, Ordering::SeqCst);
    let cache = waiting(&store).0.build().unwrap();
    cache.insert_async(text("a"), text("1")).await;
    assert_eq!(cache.get_async("a").await, Some(text("1")));
    assert!(cache.remove_async("a").await.unwrap());
    assert_eq!(cache.get_async("a").await, None);
    assert_eq!(cache.get_with_async(text("b"), async { text("2") }).await, "2");
    let failed = cache.try_get_with_async(text("c"), async { Err::<String, _>("no") }).await;
    assert_eq!(*failed.unwrap_err(), "no");
    assert_eq!(cache.optionally_get_with_async(text("c"), async { None }).await, None);
    assert!(cache.invalidate_tag_async("t").await.is_ok());
    assert!(cache.close_async().await.is_clean());
    let next = waiting(&store.restarted()).0.build().unwrap();
    assert_eq!(next.get_entry_async("b").await.unwrap().tier, Some("disk"));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures), (3, 1));
    assert_eq!(stats.load_duration.count(), 3);
}

#[test]
fn memory_alone_needs_no_codec_and_the_disk_no_memory() {
    let alone = Texts::builder().memory(Cache::builder().max_entries(10)).build().unwrap();
    alone.insert(text("a"), text("1"));
    assert_eq!(alone.get_entry("a").unwrap().tier, Some("memory"));
    assert!(alone.remove("a").unwrap() && alone.close().is_clean());
    let store = Store::new();
    let far = builder().without_memory().disk(store.clone()).build().unwrap();
    far.insert(text("a"), text("1"));
    assert_eq!(far.get_entry("a").unwrap().tier, Some("disk"));
    assert_eq!(far.get_with(text("b"), || text("2")), "2");
    assert_eq!(far.get_with(text("b"), || unreachable!("it is stored")), "2");
    assert!(far.stats().memory.is_none());
}

#[test]
fn settings_that_cannot_be_are_refused_with_their_remedy() {
    let store = Store::new();
    let new = Texts::builder;
    let refused = [
        (new().without_memory().build(), "memory"),
        (new().build(), "codec"),
        (new().memory(Cache::builder().max_entries(1)).disk(store.clone()).build(), "codec"),
        (builder().threads(0).build(), "threads"),
        (builder().max_waiting(0, Default::default()).build(), "max_waiting"),
        (builder().deadline(Duration::ZERO).build(), "deadline"),
        (builder().max_tags(1).build(), "max_tags"),
        (builder().memory(Cache::builder().max_entries(0)).build(), "max_entries"),
    ];
    for (built, setting) in refused {
        let error = built.unwrap_err().to_string();
        assert!(error.contains(&format!("`{setting}`")), "{error}");
    }
}

#[test]
fn it_can_be_watched_and_steered() {
    let store = Store::new();
    let max_age = SECOND;
    let behind = WritePolicy::Behind { max_bytes: ByteSize::mib(1), max_age };
    let cache = prompt(&store).0.write(behind).build().unwrap();
    perf_core::assert_tune_contract(&cache);
    let ids: Vec<_> = cache.knobs().into_iter().map(|knob| knob.id.to_string()).collect();
    let expected = ["memory_capacity", "memory_time_to_live", "memory_policy", "disk_capacity"];
    assert_eq!(ids[..4], expected);
    assert_eq!(ids[4..], ["write_behind_bytes"]);
    cache.insert_with(text("a"), text("1"), Strategy::Disk);
    cache.get("a");
    let mut seen = Vec::new();
    cache.observe(&mut |signal| {
        if let Reading::Counter(count) = signal.reading
            && count > 0
        {
            seen.push(format!("{} {:?} {count}", signal.name, signal.labels));
        }
    });
    assert!(seen.contains(&"hits [] 1".to_owned()), "{seen:?}");
    assert!(seen.contains(&r#"tier_hits [("tier", "disk")] 1"#.to_owned()), "{seen:?}");
    cache.reset_statistics();
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.tiers[0].hits, stats.tiers[0].retrieval.count()), (0, 0, 0));
}

#[test]
fn what_it_was_worth_is_told_with_formulas() {
    let store = Store::new();
    let (builder, hand) = prompt(&store);
    let cache = builder.build().unwrap();
    let made = cache.get_with(text("a"), || {
        hand.advance(SECOND);
        text("1")
    });
    assert_eq!(Some(made), cache.get("a"));
    let efficiency = cache.efficiency(TieredPrices { per_load: 1.0, ..Default::default() });
    let efficiency = efficiency.unwrap();
    assert_eq!((efficiency.memory_hits, efficiency.misses), (1, 1));
    assert_eq!(efficiency.mean_load, SECOND);
    assert!(efficiency.to_string().contains("cost efficiency = (2.0000 - 1.0000) / 2.0000"));
}

#[test]
fn memory_keeps_nothing_longer_than_the_tiers_beyond_it() {
    let store = Store::new();
    let (builder, hand) = prompt(&store);
    // Memory by itself would keep it for ever.
    let builder = builder.memory(Cache::builder().max_entries(10));
    let cache = builder.disk_time_to_live(10 * SECOND).build().unwrap();
    cache.insert(text("a"), text("1"));
    cache.insert_with(text("near"), text("2"), Strategy::Memory);
    hand.advance(9 * SECOND);
    assert_eq!(cache.get_entry("a").unwrap().time_to_live, Some(SECOND));
    hand.advance(SECOND);
    assert_eq!((cache.get("a"), cache.get("near")), (None, Some(text("2"))));
}

#[test]
fn the_settings_of_memory_see_keys_and_values() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&left);
    let memory = || {
        let told = Arc::clone(&told);
        Cache::builder()
            .max_bytes(ByteSize::kib(4))
            .weigher(|key: &String, value: &String| if key == value { 1 << 20 } else { 8 })
            .on_eviction(move |key: &String, value: &String, cause| {
                told.lock().unwrap().push((key.clone(), value.clone(), cause));
            })
    };
    let store = Store::new();
    let cache = prompt(&store).0.memory(memory().time_to_idle(SECOND)).build().unwrap();
    cache.insert(text("x"), text("x"));
    assert_eq!(cache.get_entry("x").unwrap().tier, Some("disk"), "too heavy for memory");
    cache.insert(text("a"), text("1"));
    assert!(cache.remove("a").unwrap());
    assert_eq!(
        *left.lock().unwrap(),
        [
            (text("x"), text("x"), Cause::TooLarge),
            (text("x"), text("x"), Cause::TooLarge),
            (text("a"), text("1"), Cause::Removed),
        ]
    );

    /// Each character is worth a second.
    struct ByLength;
    impl Expiry<String, String> for ByLength {
        fn on_create(&self, _: &String, value: &String) -> Option<Duration> {
            Some(value.len() as u32 * SECOND)
        }
    }
    let refused = prompt(&store).0.memory(memory().expiry(ByLength)).build();
    assert!(refused.unwrap_err().to_string().contains("`expiry`"));
    let (clock, hand) = Clock::manual();
    let alone = Texts::builder().memory(memory().expiry(ByLength)).clock(clock).build().unwrap();
    alone.insert(text("a"), text("four"));
    alone.insert(text("b"), text("1"));
    hand.advance(2 * SECOND);
    assert_eq!((alone.get("a"), alone.get("b")), (Some(text("four")), None));
}
