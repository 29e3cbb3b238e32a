//! What a tiered cache tells of itself: where a key is and why, what codecs did, its place among
//! other caches; and many keys at once.

use super::store::Store;
use super::{Texts, prompt, text, waiting};
use perf_cache::codec::Compression;
use perf_cache::tiered::{KeyState, Strategy, WhenBusy, WritePolicy};
use perf_cache::{Cache, CacheKind, Registry, Terms, Tier};
use perf_core::{ByteSize, Observe, Reading, Tune};
use std::sync::atomic::Ordering;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn states(cache: &Texts, key: &str) -> Vec<KeyState> {
    cache.explain(key).tiers.iter().map(|tier| tier.state).collect()
}

#[test]
fn a_key_is_explained_tier_by_tier_and_nothing_changes_by_it() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let (builder, hand) = of(&store);
        store.blocks.store(true, Ordering::SeqCst);
        let memory = Cache::builder().max_entries(9).refresh_after(5 * SECOND);
        let cache = builder.memory(memory).disk_time_to_live(9 * SECOND).build().unwrap();
        cache.insert(text("both"), text("1"));
        cache.insert_with(text("near"), text("2"), Strategy::Memory);
        cache.insert_with(text("far"), text("3"), Strategy::Disk);
        let before = cache.stats();
        hand.advance(2 * SECOND);
        let both = cache.explain("both");
        assert_eq!(both.strategy, Some(Strategy::Auto));
        for tier in &both.tiers {
            assert_eq!((tier.state, tier.age), (KeyState::Held, Some(2 * SECOND)));
            assert_eq!(tier.time_to_live, Some(7 * SECOND), "{}", tier.tier);
            assert!(tier.bytes.is_some_and(|bytes| bytes > 0));
        }
        let shown = both.to_string();
        let line = shown.lines().next().unwrap();
        assert!(
            line.starts_with("memory: held, ") && line.contains("2.0s old, 7.0s left"),
            "{line}"
        );
        assert!(shown.ends_with("strategy: auto"), "{shown}");
        let near = cache.explain("near");
        assert!(near.tiers[1].because.contains("strategy keeps it out"), "{near}");
        let far = cache.explain("far");
        assert_eq!(states(&cache, "far"), [KeyState::Missing, KeyState::Held]);
        assert!(far.tiers[0].because.contains("strategy keeps it out"), "{far}");
        assert_eq!(far.strategy, Some(Strategy::Disk));
        let nowhere = cache.explain("nowhere");
        assert_eq!((nowhere.strategy, nowhere.tiers[1].state), (None, KeyState::Missing));
        hand.advance(4 * SECOND);
        assert_eq!(states(&cache, "both")[0], KeyState::Stale);
        hand.advance(4 * SECOND);
        let over = cache.explain("both");
        assert_eq!(states(&cache, "both"), [KeyState::Missing, KeyState::Dead]);
        assert!(over.tiers[1].because.contains("life is over"), "{over}");
        let after = cache.stats();
        assert_eq!((after.hits, after.misses), (before.hits, before.misses));
        assert_eq!(after.memory.unwrap().entries, before.memory.unwrap().entries);
    }
}

#[test]
fn it_is_told_why_a_value_is_not_answered() {
    let store = Store::new();
    let max_age = 3_600 * SECOND;
    let behind = WritePolicy::Behind { max_bytes: ByteSize::mib(1), max_age };
    let (builder, _hand) = prompt(&store);
    let cache = builder.write(behind).build().unwrap();
    cache.insert_with(text("a"), text("1"), Terms::new().tags(["t"]));
    assert_eq!(states(&cache, "a"), [KeyState::Held, KeyState::Waiting]);
    cache.flush();
    assert!(cache.invalidate_tag("t").is_ok());
    assert_eq!(states(&cache, "a"), [KeyState::Missing, KeyState::Dead]);
    assert!(cache.explain("a").tiers[1].because.contains("invalidated"));
    cache.insert_with(text("b"), text("some text"), Strategy::Disk);
    cache.flush();
    store.spoil();
    assert_eq!(states(&cache, "b")[1], KeyState::Unreadable);
    assert!(cache.explain("b").tiers[1].because.contains("checksum"));
    store.fails.store(true, Ordering::SeqCst);
    assert!(cache.remove("b").is_err());
    assert_eq!(states(&cache, "b")[1], KeyState::Leaving);
    assert_eq!(states(&cache, "c")[1], KeyState::Unknown);
    store.fails.store(false, Ordering::SeqCst);
    let heavy = Cache::builder().max_bytes(ByteSize::kib(1)).weigher(|_, _: &String| 1 << 20);
    let cache = prompt(&Store::new()).0.memory(heavy).build().unwrap();
    cache.insert(text("a"), text("1"));
    let heavy = cache.explain("a");
    assert!(heavy.tiers[0].because.contains("all may weigh 1 KiB"), "{heavy}");
}

#[test]
fn many_keys_are_answered_in_their_order_and_wait_together() {
    for blocks in [false, true] {
        let store = Store::new();
        let builder = waiting(&store).0.threads(4).max_waiting(8, WhenBusy::Miss);
        let cache = builder.memory(Cache::builder().max_entries(50)).build().unwrap();
        for n in (0..200).filter(|n| n % 3 > 0) {
            cache.insert(n.to_string(), format!("value {n}"));
        }
        store.blocks.store(blocks, Ordering::SeqCst);
        let keys: Vec<_> = (0..200).chain([1, 1]).map(|n: u32| n.to_string()).collect();
        let found = cache.get_many(keys.iter().map(String::as_str));
        assert_eq!(found.len(), 202);
        for (key, found) in keys.iter().zip(found) {
            let is_there = key.parse::<u32>().unwrap() % 3 > 0;
            assert_eq!(found, is_there.then(|| format!("value {key}")), "{key}");
        }
        assert_eq!(cache.stats().busy, 0, "it did not stand in its own way");
        let none: [&str; 0] = [];
        assert!(cache.get_many(none).is_empty());
    }
}

#[tokio::test]
async fn many_keys_wait_together_in_a_task() {
    let store = Store::new();
    let cache = waiting(&store).0.without_memory().threads(4).build().unwrap();
    for n in 0..3 {
        cache.insert_async(n.to_string(), n.to_string()).await;
    }
    store.blocks.store(true, Ordering::SeqCst);
    store.hang(true);
    let reader = cache.clone();
    let reading = tokio::spawn(async move { reader.get_many_async(["0", "1", "2", "3"]).await });
    let before = store.entered.load(Ordering::SeqCst);
    while store.entered.load(Ordering::SeqCst) < before + 4 {
        tokio::task::yield_now().await;
    }
    store.hang(false);
    let found = reading.await.unwrap();
    assert_eq!(found, [Some(text("0")), Some(text("1")), Some(text("2")), None]);
}

#[test]
fn a_registry_shows_its_tiers_and_counts_each_lookup_once() {
    let registry = Registry::new();
    let store = Store::new();
    let memory = Cache::builder().max_entries(7).time_to_live(60 * SECOND);
    let cache = prompt(&store).0.name("pages").memory(memory).build().unwrap();
    registry.register_tiered(CacheKind::Content, &cache).unwrap();
    assert!(registry.register_tiered(CacheKind::Content, &cache).is_err());
    cache.insert_with(text("a"), text("1"), Strategy::Disk);
    assert_eq!((cache.get("a"), cache.get("b")), (Some(text("1")), None));
    cache.get_with(text("c"), || text("2"));
    let found = registry.get("pages").unwrap();
    assert_eq!((found.hits, found.misses, found.loads), (1, 2, 1));
    assert_eq!(found.settings.capacity.entries, Some(7));
    let tiers: Vec<_> = found.tiers.iter().map(|tier| tier.tier.name()).collect();
    assert_eq!((tiers, found.tiers[1].tier), (vec!["memory", "disk"], Tier::Outer("disk")));
    let disk = &found.tiers[1].stats;
    assert_eq!((disk.hits, disk.misses, disk.insertions, disk.entries), (1, 2, 2, 2));
    let totals = registry.totals();
    assert_eq!((totals.caches, totals.hits, totals.misses, totals.loads), (1, 1, 2, 1));
    assert_eq!(totals.entries, 3);
    drop(cache);
    assert!(registry.snapshots().is_empty());
}

#[test]
fn what_codecs_did_can_be_watched() {
    if !cfg!(feature = "lz4") {
        return;
    }
    let store = Store::new();
    let cache = prompt(&store).0.without_memory().compression(Compression::Lz4).build().unwrap();
    cache.insert(text("a"), "x".repeat(10_000));
    cache.get("a");
    let mut seen = Vec::new();
    cache.observe(&mut |signal| {
        let value = match signal.reading {
            Reading::Counter(count) => count as f64,
            Reading::Gauge(value) => value,
            Reading::Histogram(times) => times.count() as f64,
            _ => return,
        };
        seen.push((signal.name.to_string(), value));
    });
    let of = |name: &str| seen.iter().find(|(seen, _)| seen == name).unwrap().1;
    assert_eq!((of("codec_sealed"), of("codec_opened"), of("codec_raw_bytes")), (1.0, 1.0, 1e4));
    assert!(of("codec_saved_bytes") > 9_000.0 && of("codec_ratio") > 10.0);
    assert_eq!((of("codec_seal_duration"), of("codec_open_duration")), (1.0, 1.0));
    assert!(cache.knobs().iter().all(|knob| knob.id != "compression_level"), "lz4 has none");
}

#[test]
#[cfg(feature = "zstd")]
fn how_hard_values_are_compressed_can_be_turned() {
    use perf_core::{KnobValue, Turn};

    let store = Store::new();
    let cache = prompt(&store).0.without_memory().compression(Compression::Zstd);
    let cache = cache.compression_level(1).build().unwrap();
    perf_core::assert_tune_contract(&cache);
    // Words in no order: the longer the search, the longer the repeats that it finds.
    let mut state = 7_u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{:x} ", (state >> 24).wrapping_mul(0x9e37_79b9))
    };
    let value: String = (0..4_000).map(|_| word()).collect();
    let size = |key: &str| {
        cache.insert(text(key), value.clone());
        cache.explain(key).tiers[0].bytes.unwrap()
    };
    let quick = size("quick");
    let id = cache.knobs().into_iter().find(|knob| knob.id == "compression_level").unwrap().id;
    let turn = |level| Turn { knob: id.clone(), to: KnobValue::Count(level), expect: None };
    cache.turn(turn(19)).unwrap();
    assert!(size("thorough") < quick);
    assert_eq!(cache.get("thorough"), Some(value.clone()));
    assert!(cache.turn(turn(23)).is_err(), "zstd has no such level");
}
