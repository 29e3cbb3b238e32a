use super::*;
use crate::policy::PolicyKind;
use crate::replay::{Room, Trace};
use perf_core::{ByteSize, Glob};
use std::time::Duration;

fn full() -> CacheStrategy {
    let mut strategy = CacheStrategy::new("shop-1.a_b");
    strategy.kind = StrategyKind::Hybrid;
    let mut memory = TierSettings::new(Place::Memory);
    memory.max_bytes = Some(ByteSize::mib(64));
    memory.policy = Some(PolicyKind::S3Fifo);
    memory.time_to_live = Some(Duration::from_millis(1_500));
    let mut disk = TierSettings::new(Place::Disk);
    disk.max_bytes = Some(ByteSize::gib(4));
    strategy.tiers = vec![memory, disk];
    let mut rule = KeyRule::new(Glob::new("/img/*").unwrap());
    rule.place = Some(Place::Disk);
    strategy.patterns = vec![rule];
    let when = Glob::new("products:*").unwrap();
    strategy.invalidation = vec![InvalidationRule::new(when, Ends::Tag("products".to_owned()))];
    strategy.warm_up = Some(WarmUp::new(WarmUpFrom::List(vec!["/".to_owned()]), 1));
    strategy.prefetch = Some(PrefetchRule::default());
    strategy.auto_tuning = false;
    strategy.expected = Some(Expected { hit_ratio: 0.5, default: 0.4, requests: 9 });
    strategy.reasons = vec!["so".to_owned()];
    strategy
}

#[test]
fn what_is_written_is_read_again() {
    let strategy = full();
    assert_eq!(CacheStrategy::from_json(&strategy.to_json()).unwrap(), strategy);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("strategy.json");
    assert!(CacheStrategy::read_file(&path).unwrap_err().is_missing());
    CacheStrategy::new("old").write_file(&path).unwrap();
    strategy.write_file(&path).unwrap();
    assert_eq!(CacheStrategy::read_file(&path).unwrap(), strategy);
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
    let error = strategy.write_file(directory.path().join("none/strategy.json")).unwrap_err();
    assert!(error.to_string().contains("check the path"), "{error}");
}

#[test]
fn the_json_stays_as_it_is() {
    let json: serde_json::Value = serde_json::from_str(&full().to_json()).unwrap();
    assert_eq!(json["tiers"][0]["tier"], "memory");
    assert_eq!(json["tiers"][0]["max_bytes"], 64 << 20);
    assert_eq!(json["tiers"][0]["policy"], "s3-fifo");
    assert_eq!(json["tiers"][0]["time_to_live_seconds"], 1.5);
    assert_eq!(json["patterns"][0]["pattern"], "/img/*");
    assert_eq!(json["invalidation"][0]["ends"]["tag"], "products");
    assert_eq!(json["warm_up"]["from"]["list"][0], "/");
    assert_eq!((&json["kind"], &json["status"]), (&"hybrid".into(), &"active".into()));
    let least =
        r#"{"name": "a", "kind": "memory", "tiers": [{"tier": "memory", "max_bytes": "1MiB"}]}"#;
    let least = CacheStrategy::from_json(least).unwrap();
    assert!(least.auto_tuning && least.dynamic_ttl);
    assert!(least.intelligent_prefetching && least.adaptive_eviction);
    assert_eq!(least.tiers[0].max_bytes, Some(ByteSize::mib(1)));
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_would_do() {
    let good = full().to_json();
    for (from, to, wanted) in [
        ("\"kind\"", "\"kindd\"", "unknown field `kindd`, expected one of `name`, `kind`"),
        ("\"s3-fifo\"", "\"mru\"", "`policy` cannot be mru: use one of lru, lfu"),
        ("\"hybrid\"", "\"both\"", "unknown variant `both`, expected one of `memory`, `disk`"),
        (
            "\"hybrid\"",
            "\"disk\"",
            "`kind` cannot be disk: with the tiers memory, disk it is hybrid",
        ),
        ("67108864", "0", "`tiers.max_bytes` cannot be 0: leave the tier out"),
        ("67108864", "\"much\"", "write it like 64KiB"),
        ("1.5", "-1.5", "-1.5 is no time: use seconds"),
        ("1.5", "0.0", "`tiers.time_to_live_seconds` cannot be 0"),
        ("0.05", "1.5", "`prefetch.budget_share` cannot be 1.5: use a share"),
        ("shop-1.a_b", "../etc", "`name` cannot be \"../etc\": use up to 64 letters"),
        ("\"keys\": 1", "\"keys\": 0", "`warm_up.keys` cannot be 0: use 1 to 4096"),
        ("65536", "1", "`rows` cannot be 1: use 2 to 16777216"),
        ("\"disk\",", "\"memory\",", "`tiers` cannot be memory twice"),
        ("]", "", "line"),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        // The first of `disk` may be that of a pattern, which may be anywhere.
        let bad = if from == "\"disk\"," { good.replace(from, to) } else { bad };
        let error = CacheStrategy::from_json(&bad).unwrap_err().to_string();
        assert!(error.contains(wanted), "{to}: {error}");
    }
    let unknown = good.replacen("\"kind\"", "\"kindd\"", 1);
    let error = CacheStrategy::from_json(&unknown).unwrap_err().to_string();
    assert!(error.contains("at line 3 column"), "{error}");
}

fn trace(keys: impl IntoIterator<Item = u64>) -> Trace {
    let mut trace = Trace::new();
    keys.into_iter().for_each(|key| trace.push(key).unwrap());
    trace
}

#[test]
fn where_nothing_is_better_it_is_the_default() {
    // Each key once: nobody can hit anything.
    let trace = trace(0..20_000);
    let analysis = WorkloadAnalysis::of_trace(&trace, &[Room::Entries(500)], |_, _| ());
    let strategy = CacheStrategy::generate("once", &analysis, &Constraints::new().max_entries(500));
    assert_eq!(strategy.tiers[0].policy, Some(PolicyKind::Adaptive));
    assert_eq!((strategy.tiers[0].cold_share, &strategy.prefetch), (None, &None));
    assert_eq!(analysis.scan_share, Some(1.0));
    strategy.check().unwrap();
    let expected = strategy.expected.unwrap();
    assert_eq!((expected.hit_ratio, expected.default), (0.0, 0.0));
}

#[test]
fn a_sequence_is_loaded_ahead_and_the_replay_hits_what_was_expected() {
    let trace = trace((0..20_000).map(|n| n % 1_000));
    let analysis = WorkloadAnalysis::of_trace(&trace, &[Room::Entries(200)], |_, _| ());
    let room = Constraints::new().max_entries(200).disk(ByteSize::gib(1));
    let strategy = CacheStrategy::generate("loop", &analysis, &room);
    assert!(strategy.prefetch.is_some(), "{strategy}");
    assert_eq!(strategy.kind, StrategyKind::Hybrid);
    let expected = strategy.expected.unwrap();
    let replayed = strategy.replay(&trace, Room::Entries(200)).replayed.hit_ratio;
    assert!((replayed - expected.hit_ratio).abs() < 1e-12, "{replayed} {expected:?}");
    assert!(expected.hit_ratio > 0.9 && expected.default < 0.3, "{expected:?}");
    let mut without = strategy.clone();
    without.intelligent_prefetching = false;
    let default = without.replay(&trace, Room::Entries(200)).replayed.hit_ratio;
    assert!(default < 0.3);
    assert_eq!(CacheStrategy::generate("loop", &analysis, &room), strategy, "it is pure");
}

#[test]
fn with_prices_memory_is_as_large_as_is_cheapest() {
    let mut trace = Trace::new();
    for n in 0..40_000_u64 {
        // Half of the requests are for a tenth of the keys.
        let key = if n % 2 == 0 { n / 2 % 100 } else { 100 + n / 2 % 900 };
        trace.push_weighed(key, 1 << 20).unwrap();
    }
    let sizes = [50, 100, 200, 400, 1_000].map(|mib| Room::Bytes(ByteSize::mib(mib)));
    let mut told = Vec::new();
    let analysis = WorkloadAnalysis::of_trace(&trace, &sizes, |done, of| told.push((done, of)));
    assert_eq!(told.last(), Some(&(50, 50)));
    let size = |per_load: f64, per_gib_hour: f64, most: u64| {
        let prices = crate::Prices { per_load, per_hour_waited: 0.0, per_gib_hour };
        let room = Constraints::new().max_bytes(ByteSize::mib(most));
        let room = room.prices(prices, 100_000.0, Duration::from_millis(5));
        let strategy = CacheStrategy::generate("dear", &analysis, &room);
        assert!(strategy.reasons[0].contains("the least of"), "{strategy}");
        strategy.tiers[0].max_bytes.unwrap().as_u64() >> 20
    };
    assert_eq!(size(1.0, 0.001, 10_000), 1_000);
    assert_eq!(size(1.0, 0.001, 500), 400);
    assert_eq!(size(0.000_001, 1_000.0, 10_000), 50);
    // Nothing that was tried is as small: the bound is held to all the same.
    let small = Constraints::new().max_bytes(ByteSize::mib(3));
    let small = CacheStrategy::generate("small", &analysis, &small);
    assert_eq!(small.tiers[0].max_bytes, Some(ByteSize::mib(3)), "{small}");
    let other = CacheStrategy::generate("other", &analysis, &Constraints::new().max_entries(5));
    assert!(other.reasons.iter().any(|why| why.contains("is not held to")), "{other}");
}

#[test]
fn a_running_cache_can_be_analysed() {
    let cache: crate::Cache<u64, u64> =
        crate::Cache::builder().max_entries(1_000).policy(PolicyKind::Fifo).build().unwrap();
    let mut key = 1_u64;
    for _ in 0..200_000 {
        key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Small ones more often.
        let asked = (key >> 40) % 4_000 * ((key >> 20) % 100) / 100;
        cache.get_with(asked, || asked);
    }
    let insight = cache.insight().unwrap();
    let analysis = WorkloadAnalysis::of_insight(&insight, PolicyKind::Fifo);
    assert!(analysis.at(1_000).count() >= 5, "{analysis:?}");
    let strategy =
        CacheStrategy::generate("live", &analysis, &Constraints::new().max_entries(1_000));
    strategy.check().unwrap();
    assert_eq!(strategy.tiers[0].max_entries, Some(1_000));
    assert_eq!(strategy.expected.unwrap().requests, 0);
}
