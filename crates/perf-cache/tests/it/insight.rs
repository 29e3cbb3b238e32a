//! What a cache finds out about its workload while it runs.

use perf_cache::policy::PolicyKind;
use perf_cache::{Cache, Capacity, Prices, Terms};
use perf_core::{ByteSize, Clock};
use std::time::Duration;

/// Ranks from 0, drawn by Zipf's law, from a fixed seed.
fn zipf(keys: usize, exponent: f64) -> impl FnMut() -> u64 {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut state = 7_u64;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        sums.partition_point(|s| *s < unit * sum) as u64
    }
}

/// The same keys are in the sample in each run.
type Seeded = std::hash::BuildHasherDefault<Mix>;

#[derive(Default)]
struct Mix(u64);

impl std::hash::Hasher for Mix {
    fn finish(&self) -> u64 {
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64");
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn cache(entries: u64) -> Cache<u64, u64, Seeded> {
    let cache = Cache::builder().max_entries(entries).policy(PolicyKind::Lru);
    cache.hasher(Seeded::default()).build().unwrap()
}

fn run(cache: &Cache<u64, u64, Seeded>, mut draw: impl FnMut() -> u64, requests: usize) -> f64 {
    for _ in 0..requests {
        let key = draw();
        cache.get_with(key, || key);
    }
    cache.stats().hit_ratio().unwrap().as_f64()
}

#[test]
fn it_tells_what_twice_the_memory_would_give() {
    let (one, two) = (cache(3_000), cache(6_000));
    let now = run(&one, zipf(30_000, 0.8), 300_000);
    let then = run(&two, zipf(30_000, 0.8), 300_000);
    let insight = one.insight().unwrap();
    assert_eq!((insight.capacity, insight.hit_ratio), (3_000, Some(now)));
    let told = insight.hit_ratio_with(2.0).unwrap();
    assert!((told - then).abs() < 0.03, "{told} against {then}, from {now}");
    let skew = insight.workload.skew.unwrap();
    assert!((skew - 0.8).abs() < 0.15, "{skew}");
    let lru = insight.policies.iter().find(|(kind, _)| *kind == PolicyKind::Lru).unwrap().1;
    assert!((lru - now).abs() < 0.06, "{lru} {now}");
}

#[test]
fn policies_are_told_apart_where_bytes_are_bounded_too() {
    // Room for all of 8 000 keys, and for a quarter of them.
    for (bytes, keys) in [(16_000_000, 8_000), (2_000_000, 8_000)] {
        let cache = Cache::builder()
            .max_bytes(ByteSize::from_bytes(bytes))
            .weigher(|_: &u64, _: &u64| 1_000)
            .policy(PolicyKind::Lru)
            .hasher(Seeded::default())
            .build()
            .unwrap();
        run(&cache, zipf(keys, 0.8), 400_000);
        cache.reset_statistics();
        let measured = run(&cache, zipf(keys, 0.8), 100_000);
        let insight = cache.insight().unwrap();
        let lru = insight.policies.iter().find(|(kind, _)| *kind == PolicyKind::Lru).unwrap().1;
        assert!((lru - measured).abs() < 0.06, "{bytes}: {lru} against {measured}");
    }
}

#[test]
fn the_hottest_are_known_without_tracking() {
    let cache = cache(3_000);
    run(&cache, zipf(30_000, 1.0), 300_000);
    let hottest = cache.hottest(5);
    let mut keys: Vec<u64> = hottest.iter().map(|entry| entry.key).collect();
    assert_eq!(keys[0], 0);
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2, 3, 4]);
    let hits = hottest[0].hits.unwrap();
    // 300 000 over the 30 000th harmonic number.
    assert!((22_000..33_000).contains(&hits), "{hits}");
    assert!(!hottest[0].hits_are_exact);
    cache.remove(&0);
    assert!(cache.hottest(5).iter().all(|entry| entry.key != 0));
}

#[test]
fn what_a_cache_is_worth_follows_from_its_loads() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64, Seeded> =
        Cache::builder().max_entries(1_000).clock(clock).hasher(Seeded::default()).build().unwrap();
    assert!(cache.efficiency(Prices::default()).is_none());
    for n in 0..20_000 {
        cache.get_with(n % 100, || {
            hand.advance(Duration::from_millis(10));
            n
        });
    }
    let prices = Prices { per_load: 0.001, ..Prices::default() };
    let worth = cache.efficiency(prices).unwrap();
    assert_eq!((worth.hits, worth.misses), (19_900, 100));
    let mean = worth.mean_load.as_secs_f64();
    assert!((0.0099..0.0101).contains(&mean), "{mean}");
    // 199 in 200 are hits. What those take is measured, so only the bound is certain.
    let efficiency = worth.cache_efficiency().unwrap();
    assert!((0.0..=0.995).contains(&efficiency), "{efficiency}");
    assert!((worth.cost_efficiency().unwrap() - 0.995).abs() < 1e-9);
    assert!(
        worth.to_string().contains("time without the cache = (19900 + 100) x 10.0ms"),
        "{worth}"
    );
    let times = cache.retrieval_time();
    assert_eq!(times.count(), 20_000);
    assert!(times.quantile(0.999).unwrap() > 9_000_000);
}

#[test]
fn it_can_be_left_out() {
    let cache: Cache<u64, u64> = Cache::builder().max_entries(10).insight(false).build().unwrap();
    cache.insert(1, 1);
    (0..10_000).for_each(|_| assert_eq!(cache.get(&1), Some(1)));
    assert!(cache.insight().is_none());
    assert!(cache.hottest(3).is_empty());
}

#[test]
fn an_idle_cache_knows_nothing() {
    let insight = cache(100).insight().unwrap();
    assert_eq!((insight.hit_ratio, insight.hit_ratio_with(2.0)), (None, None));
    assert!(insight.curve.is_empty() && insight.policies.is_empty());
    assert_eq!(insight.workload.skew, None);
    assert!(!insight.to_string().is_empty());
}

#[test]
fn sizes_are_bytes_where_those_are_bounded() {
    let cache: Cache<u64, u64, Seeded> = Cache::builder()
        .max_bytes(ByteSize::from_bytes(200_000))
        .weigher(|_, _| 100)
        .hasher(Seeded::default())
        .build()
        .unwrap();
    for n in 0..120_000 {
        cache.get_with(n % 4_000, || n);
    }
    let insight = cache.insight().unwrap();
    assert_eq!(insight.capacity, 200_000);
    assert_eq!(insight.workload.weights.max(), Some(100));
    let at = |size| insight.curve.miss_ratio_at(size).unwrap();
    assert!(at(300_000) > 0.7 && at(500_000) < 0.2, "{} {}", at(300_000), at(500_000));
    cache.set_capacity(Capacity::bytes(ByteSize::from_bytes(400_000)));
    assert_eq!(cache.insight().unwrap().capacity, 400_000);
}

#[test]
fn values_that_change_are_seen() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64, Seeded> =
        Cache::builder().max_entries(1_000).clock(clock).hasher(Seeded::default()).build().unwrap();
    for round in 0..10 {
        for key in 0..500 {
            cache.insert_with(key, round, Terms::new());
        }
        hand.advance(Duration::from_millis(200));
    }
    let workload = cache.insight().unwrap().workload;
    let share = workload.change_share.unwrap();
    assert!((0.89..0.91).contains(&share), "{share}");
    let median = workload.change_interval_ms.quantile(0.5).unwrap();
    assert!((195..=205).contains(&median), "{median}");
}
