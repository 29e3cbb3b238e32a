//! Settings and arguments at the ends of their ranges: refused or taken, but never a panic.

use perf_cache::policy::PolicyKind;
use perf_cache::{Cache, CacheBuilder, Capacity, PlainCache, Prices, Terms, Threads};
use perf_core::{ByteSize, Clock, KnobValue, Observe, Ratio, Tune, Turn};
use std::time::Duration;

const ENDS: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
const SIZES: [u64; 4] = [0, 1, 1 << 40, u64::MAX];

/// Uses all that a cache has, with arguments from the ends of their ranges.
fn exercise(cache: &Cache<String, u64>) {
    for ttl in ENDS {
        cache.insert_with_ttl("a:1".into(), 1, ttl);
        let terms = Terms::new().time_to_live(ttl).time_to_idle(ttl).tags([""]).depends_on([""]);
        let terms = terms.refresh_after(ttl).stale_if_error(ttl);
        cache.insert_with("a:2".into(), 2, terms.clone());
        for by in ENDS {
            let _ = terms.clone().aged(by).map(|terms| cache.insert_with("b".into(), 3, terms));
        }
        cache.set_time_to_live(Some(ttl));
        cache.get_with("c".into(), || 4);
        let _ = cache.try_get_with("d".into(), || Err::<u64, _>("down"));
        let _ = cache.try_get_with("a:1".into(), || Err::<u64, _>("down"));
        let _ = cache.fetch("e".into(), move || {
            Ok::<_, ()>((5, Terms::new().time_to_live(ttl).time_to_idle(ttl)))
        });
        cache.get_many_with(["".into(), "f".into()], |_| None::<(String, u64)>);
    }
    for pattern in ["", "*", "**", ":*", ":", "a:*", "[", "]", "\\"] {
        let _ = cache.invalidate_by_pattern(pattern);
        cache.invalidate_namespace(pattern);
        cache.invalidate_tag(pattern);
        cache.cascade_invalidate(pattern);
        cache.set_dependency("c", pattern);
    }
    let _ = (cache.hottest(0), cache.hottest(usize::MAX), cache.entry_info(""), cache.dead());
    let _ = format!("{:?} {cache:?}", cache.stats());
    for price in [0.0, -1.0, f64::MAX, f64::INFINITY, f64::NAN] {
        let prices = Prices { per_load: price, per_hour_waited: price, per_gib_hour: price };
        let _ = cache.efficiency(prices).map(|efficiency| efficiency.to_string());
        let insight = cache.insight();
        let _ = insight.map(|insight| (insight.hit_ratio_with(price), insight.to_string()));
    }
    for limit in SIZES {
        cache.remove_dead(limit);
        cache.remove_expired(limit);
        cache.evict_excess(limit);
        let bytes = Some(ByteSize::from_bytes(limit));
        cache.set_capacity(Capacity { entries: Some(limit), bytes });
        cache.insert("g".into(), 1);
        cache.observe(&mut |signal| drop(signal.name.to_owned()));
        let _ = cache.knobs();
    }
    let saved: Vec<_> = cache.snapshot().collect();
    cache.restore(saved);
    cache.reset_statistics();
    cache.clear();
}

fn builders() -> impl Iterator<Item = CacheBuilder<String, u64>> {
    let sizes = SIZES.into_iter();
    sizes.flat_map(|size| {
        let bytes = ByteSize::from_bytes(size);
        let weighing = move |weight: u64| {
            Cache::builder().max_bytes(bytes).weigher(move |_: &String, _: &u64| weight)
        };
        let mut builders: Vec<_> = SIZES.map(weighing).into();
        builders.push(Cache::builder().max_entries(size));
        builders.push(weighing(1).max_entries(size).track_entries(true));
        builders
    })
}

#[test]
fn sizes_and_weights_at_their_ends_are_refused_or_taken() {
    for builder in builders() {
        if let Ok(cache) = builder.build() {
            exercise(&cache);
        }
    }
}

#[test]
fn times_at_their_ends_are_refused_or_taken() {
    for time in ENDS {
        for (jitter, shards) in [(Ratio::ZERO, 1), (Ratio::ONE, 16)] {
            let (clock, hand) = Clock::manual();
            let builder = Cache::builder().max_entries(10).shards(shards).clock(clock);
            let builder = builder.time_to_live(time).time_to_idle(time).jitter(jitter);
            let builder = builder.stale_if_error(time).negative_ttl(time).hard_timeout(time);
            let builder = builder.max_tags(usize::MAX).max_background_loads(u64::MAX);
            let refreshing = |builder: CacheBuilder<String, u64>| builder.refresh_after(time);
            let builder = if time.is_zero() { builder } else { refreshing(builder) };
            // On this thread: a time-out of no time would leave it to chance what is met.
            let cache = builder.build().unwrap();
            exercise(&cache);
            hand.advance(Duration::MAX);
            exercise(&cache);
        }
    }
    let none: Result<Cache<u8, u8>, _> = Cache::builder().max_entries(1).max_tags(0).build();
    assert!(none.is_err());
    let none = Cache::builder().max_entries(1).max_background_loads(0).spawner(Threads).build();
    assert_eq!(none.unwrap().fetch(1, || Ok::<_, ()>((2, Terms::new()))).unwrap(), 2);
}

const PAIR: (u64, [i8; 3]) = (1, [-1, 0, 1]);

/// Uses all that a cache of plain pairs has, with times from the ends of their range.
fn exercise_times(cache: &PlainCache<u64, (u64, [i8; 3])>) {
    for ttl in ENDS {
        cache.set_time_to_live(Some(ttl));
        cache.insert(u64::MAX, PAIR);
        cache.insert_with_ttl(0, PAIR, ttl);
        assert_eq!(cache.get_with(2, || PAIR), PAIR);
        let _ = cache.try_get_with(3, || Err::<_, u8>(1));
        let _ = (cache.get(&0), cache.peek(&2), cache.remove(&u64::MAX), cache.iter().count());
        let to = KnobValue::Duration(ttl);
        let _ = cache.turn(Turn { knob: "time_to_live".into(), to, expect: None });
        cache.remove_expired(u64::MAX);
    }
    let _ = format!("{cache:?} {:?} {}", cache.stats(), cache.memory_usage());
    cache.retain(|key, _| key % 2 == 0);
    cache.reset_statistics();
    cache.clear();
}

/// Moves its bound from one end of the range to the other. Downwards: what was evicted is
/// remembered, for as long as the bound is high.
fn exercise_bounds(cache: &PlainCache<u64, (u64, [i8; 3])>) {
    let most = u64::from(u32::MAX);
    for limit in [u64::MAX, most, 1, 0] {
        let bytes = Some(ByteSize::from_bytes(limit));
        for bounds in [Capacity::entries(limit), Capacity { entries: None, bytes }] {
            cache.set_capacity(bounds);
            assert!((1..=most).contains(&cache.capacity().entries.unwrap()), "{limit}");
            cache.insert(limit, PAIR);
            cache.observe(&mut |signal| drop(signal.name.to_owned()));
            for knob in cache.knobs() {
                assert!(knob.bounds.contain(&knob.value), "{}", knob.id);
            }
        }
        let to = KnobValue::Count(limit);
        let _ = cache.turn(Turn { knob: "capacity".into(), to, expect: None });
        assert!(cache.capacity().entries <= Some(most), "{limit}");
        cache.evict_excess(limit);
    }
}

#[test]
fn bounds_of_plain_pairs_at_their_ends_are_refused_or_taken() {
    let most = u64::from(u32::MAX);
    for policy in PolicyKind::ALL {
        for (entries, shards) in [(1, 1024), (2, 1), (most, 1), (1 << 40, 1), (u64::MAX, 1024)] {
            let builder = PlainCache::builder().policy(policy).shards(shards);
            let built = builder.max_entries(entries).build();
            if entries > most {
                let error = built.unwrap_err().to_string();
                assert!(error.contains("max_entries") && error.contains("4294967295"), "{error}");
            } else {
                let cache = built.unwrap();
                exercise_bounds(&cache);
                exercise_times(&cache);
            }
        }
    }
    let bytes = ByteSize::from_bytes(u64::MAX);
    let error = PlainCache::<u64, u64>::builder().max_bytes(bytes).build().unwrap_err().to_string();
    assert!(error.contains("max_bytes"), "{error}");
    let both = PlainCache::<u64, u64>::builder().max_bytes(bytes).max_entries(7).build().unwrap();
    assert_eq!(both.capacity(), Capacity::entries(7));
}

#[test]
fn times_of_plain_pairs_at_their_ends_are_taken() {
    for ttl in ENDS {
        for jitter in [Ratio::ZERO, Ratio::ONE] {
            let (clock, hand) = Clock::manual();
            let builder = PlainCache::builder().max_entries(10).clock(clock);
            let cache = builder.time_to_live(ttl).jitter(jitter).build().unwrap();
            exercise_times(&cache);
            hand.advance(Duration::MAX);
            exercise_times(&cache);
        }
    }
}
