//! A cache that loads ahead.

use perf_cache::learning::{Prefetching, PrefetchingBuilder};
use perf_cache::{Cache, CacheBuilder, LoadError, Terms, Work};
use perf_core::{
    ByteSize, Component, KnobValue, Observe, Ratio, Reading, Tune, Turn, assert_tune_contract,
};
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

type Ahead<L> = Prefetching<u64, u64, L>;
type Loaded = Result<(u64, Terms), Infallible>;
type Boxed = Box<dyn Fn(&u64) -> Loaded + Send + Sync>;

fn small(entries: u64) -> CacheBuilder<u64, u64> {
    Cache::builder().max_entries(entries).shards(1)
}

/// Loads ahead on the thread that asks.
fn at_once(builder: CacheBuilder<u64, u64>) -> PrefetchingBuilder<u64, u64> {
    Prefetching::builder(builder.spawner(|work: Work| work.run()).build().unwrap())
}

fn twice(key: &u64) -> Loaded {
    Ok((2 * key, Terms::new()))
}

/// Works that wait until a test runs them.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Vec<Work>>>);

impl Waiting {
    fn spawner(&self) -> impl Fn(Work) + Send + Sync + 'static {
        let own = self.clone();
        move |work| own.0.lock().unwrap().push(work)
    }

    fn take(&self) -> Vec<Work> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Has it learn that 2 follows 1; neither is held after.
fn learn<L>(ahead: &Ahead<L>)
where
    L: Fn(&u64) -> Loaded + Send + Sync + 'static,
{
    for key in [1, 2, 1, 2, 3] {
        ahead.get(&key).unwrap();
        ahead.cache().remove(&key);
    }
}

#[test]
fn what_follows_is_loaded_before_it_is_asked_for() {
    let ahead = at_once(small(40)).budget(Ratio::new(0.25).unwrap()).load(twice).unwrap();
    for n in 0..3_000 {
        assert_eq!(ahead.get(&(n % 100)).unwrap(), 2 * (n % 100));
    }
    let (stats, counts) = (ahead.prefetch_stats(), ahead.cache().stats());
    assert!(counts.hits > 2_500, "a loop that does not fit: {counts:?}");
    assert_eq!(counts.hits + counts.misses, 3_000, "a load ahead is no lookup");
    assert!(stats.precision().unwrap() > 0.9, "{stats:?}");
    assert_eq!((ahead.unnoted(), ahead.crowded_out()), (0, 0));
}

#[test]
fn futures_are_loaded_ahead_as_well() {
    let builder = at_once(small(40)).budget(Ratio::new(0.25).unwrap());
    let ahead = builder.load_async(|key: u64| async move { twice(&key) }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for n in 0..3_000 {
            assert_eq!(ahead.get_async(&(n % 100)).await.unwrap(), 2 * (n % 100));
        }
    });
    assert!(ahead.cache().stats().hits > 2_500);
    assert!(ahead.prefetch_stats().used > 2_000);
}

#[cfg(feature = "tokio")]
#[test]
fn a_runtime_loads_ahead_as_tasks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let cache = small(40).spawner(runtime.handle().clone()).build().unwrap();
    let ahead = Prefetching::builder(cache).load_async(|key: u64| async move { twice(&key) });
    let ahead: Prefetching<_, _, _> = ahead.unwrap();
    runtime.block_on(async {
        for key in [1, 2, 1, 2, 3] {
            ahead.get_async(&key).await.unwrap();
            ahead.cache().remove(&key);
        }
        ahead.get_async(&1).await.unwrap();
        while !ahead.cache().contains(&2) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn who_asks_meanwhile_waits_for_the_load_ahead() {
    let waiting = Waiting::default();
    let (loads, stands) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, stops) = (Arc::clone(&loads), Arc::clone(&stands));
    let builder = Prefetching::builder(small(40).build().unwrap()).spawner(waiting.spawner());
    let ahead = builder
        .load(move |key: &u64| {
            count.fetch_add(u64::from(*key == 2), Ordering::Relaxed);
            while stops.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            twice(key)
        })
        .unwrap();
    learn(&ahead);
    ahead.get(&1).unwrap();
    let before = loads.load(Ordering::Relaxed);
    let works = waiting.take();
    assert_eq!(works.len(), 1);
    stands.store(true, Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| works.into_iter().for_each(Work::run));
        while loads.load(Ordering::Relaxed) == before {
            thread::yield_now();
        }
        let asked = scope.spawn(|| ahead.get(&2).unwrap());
        while ahead.cache().stats().joins == 0 {
            thread::yield_now();
        }
        stands.store(false, Ordering::Relaxed);
        assert_eq!(asked.join().unwrap(), 4);
    });
    assert_eq!(loads.load(Ordering::Relaxed), before + 1);
    let stats = ahead.prefetch_stats();
    assert_eq!((stats.late, stats.used, ahead.with(|p| p.held())), (1, 0, 0));
}

#[test]
fn who_asks_before_the_load_ahead_begins_does_not_wait_for_it() {
    let waiting = Waiting::default();
    let builder = Prefetching::builder(small(40).build().unwrap()).spawner(waiting.spawner());
    let ahead = builder.load(twice).unwrap();
    learn(&ahead);
    ahead.get(&1).unwrap();
    assert_eq!(ahead.get(&2).unwrap(), 4);
    let loads = ahead.cache().stats().loads;
    waiting.take().into_iter().for_each(Work::run);
    assert_eq!((ahead.cache().stats().loads, ahead.prefetch_stats().late), (loads, 1));
}

#[test]
fn work_that_never_runs_gives_its_place_back() {
    let waiting = Waiting::default();
    let builder = Prefetching::builder(small(40).build().unwrap()).spawner(waiting.spawner());
    let ahead = builder.max_loads(1).load(twice).unwrap();
    learn(&ahead);
    for key in [11, 12, 11, 12, 13] {
        ahead.get(&key).unwrap();
        ahead.cache().remove(&key);
    }
    ahead.get(&1).unwrap();
    ahead.get(&11).unwrap();
    assert_eq!((waiting.0.lock().unwrap().len(), ahead.crowded_out()), (1, 1));
    drop(waiting.take());
    let stats = ahead.prefetch_stats();
    assert_eq!((stats.named, stats.failed), (2, 2));
    // Nobody waits for what is gone.
    assert_eq!(ahead.get(&2).unwrap(), 4);
    ahead.cache().remove(&12);
    ahead.get(&11).unwrap();
    assert_eq!(waiting.take().len(), 1, "there is room again");
}

#[test]
fn loaders_that_fail_or_panic_ahead_do_no_harm() {
    let fails = Arc::new(AtomicBool::new(false));
    for panics in [false, true] {
        let own = Arc::clone(&fails);
        let cache = small(40).spawner(|work: Work| {
            let _ = catch_unwind(AssertUnwindSafe(|| work.run()));
        });
        let ahead = Prefetching::builder(cache.build().unwrap())
            .load(move |key: &u64| {
                if *key == 2 && own.load(Ordering::Relaxed) {
                    assert!(!panics, "as it has to");
                    return Err("no");
                }
                Ok((2 * key, Terms::new()))
            })
            .unwrap();
        for key in [1, 2, 1, 2, 3] {
            ahead.get(&key).unwrap();
            ahead.cache().remove(&key);
        }
        fails.store(true, Ordering::Relaxed);
        assert_eq!(ahead.get(&1).unwrap(), 2, "panics: {panics}");
        let stats = ahead.prefetch_stats();
        assert_eq!((stats.named, stats.failed), (1, 1));
        assert!(matches!(
            (ahead.get(&2), panics),
            (Err(LoadError::Failed(_)), false) | (Err(LoadError::Abandoned), true)
        ));
        fails.store(false, Ordering::Relaxed);
        assert_eq!(ahead.get(&2).unwrap(), 4);
    }
}

#[test]
fn what_was_loaded_in_vain_leaves_and_what_was_asked_for_stays() {
    let ahead = at_once(small(100)).patience(3).load(twice).unwrap();
    learn(&ahead);
    ahead.get(&1).unwrap();
    assert!(ahead.cache().contains(&2));
    (20..24).for_each(|key| drop(ahead.get(&key)));
    assert!(!ahead.cache().contains(&2));
    assert_eq!((ahead.prefetch_stats().unused, ahead.cache().stats().evictions.size), (1, 1));

    ahead.cache().remove(&1);
    ahead.get(&1).unwrap();
    // Asked for while the lock is held, which is not noted.
    ahead.with(|_| ahead.get(&2).unwrap());
    assert_eq!(ahead.unnoted(), 1);
    (30..34).for_each(|key| drop(ahead.get(&key)));
    assert!(ahead.cache().contains(&2));
}

#[test]
fn what_was_invalidated_while_it_was_loaded_ahead_is_not_kept() {
    let waiting = Waiting::default();
    let cache = small(40).build().unwrap();
    let changes = Arc::new(AtomicBool::new(false));
    let (own, changed) = (cache.clone(), Arc::clone(&changes));
    let builder = Prefetching::builder(cache).spawner(waiting.spawner());
    let ahead = builder
        .load(move |key: &u64| {
            if *key == 2 && changed.load(Ordering::Relaxed) {
                own.remove(&2);
            }
            twice(key)
        })
        .unwrap();
    learn(&ahead);
    changes.store(true, Ordering::Relaxed);
    ahead.get(&1).unwrap();
    waiting.take().into_iter().for_each(Work::run);
    assert!(!ahead.cache().contains(&2));
    assert_eq!(ahead.prefetch_stats().failed, 1);
}

#[test]
fn a_loader_may_ask_for_other_keys() {
    let slot: Arc<Mutex<Option<Ahead<Boxed>>>> = Arc::default();
    let own = Arc::clone(&slot);
    let load: Boxed = Box::new(move |key| {
        let ahead = own.lock().unwrap().clone();
        let below = match (key, ahead) {
            (0, _) | (_, None) => 0,
            (key, Some(ahead)) => ahead.get(&(key - 1)).unwrap(),
        };
        Ok((below + 2, Terms::new()))
    });
    let ahead = at_once(small(8)).load(load).unwrap();
    *slot.lock().unwrap() = Some(ahead.clone());
    for _ in 0..50 {
        assert_eq!(ahead.get(&5).unwrap(), 12);
        ahead.cache().clear();
    }
    *slot.lock().unwrap() = None;
}

#[test]
fn the_budget_is_the_caches_and_counts_as_its_weigher_does() {
    let builder = Cache::builder().max_bytes(ByteSize::from_bytes(1_000)).weigher(|_, _| 30);
    let ahead = at_once(builder.shards(1)).load(twice).unwrap();
    learn(&ahead);
    for key in [11, 12, 11, 12, 13] {
        ahead.get(&key).unwrap();
        ahead.cache().remove(&key);
    }
    ahead.get(&1).unwrap();
    assert_eq!(ahead.with(|p| p.held()), 30);
    ahead.get(&11).unwrap();
    // A twentieth of a thousand has room for one of them.
    assert_eq!(ahead.with(|p| p.held()), 30);
    assert_eq!((ahead.cache().contains(&2), ahead.cache().contains(&12)), (false, true));
}

#[test]
fn threads_get_right_values_and_the_counters_add_up() {
    let cache = small(64).build().unwrap();
    let ahead = Prefetching::builder(cache).load(twice).unwrap();
    thread::scope(|scope| {
        for start in 0..4 {
            let ahead = &ahead;
            scope.spawn(move || {
                for n in 0..2_000_u64 {
                    let key = (start * 31 + n) % 150;
                    assert_eq!(ahead.get(&key).unwrap(), 2 * key);
                }
            });
        }
    });
    // What runs still, runs on threads of its own.
    let is_settled = || {
        let (stats, loading) = (ahead.prefetch_stats(), ahead.cache().stats().loading);
        let known = stats.used + stats.unused + stats.late + stats.failed;
        loading == 0 && stats.named - known <= 3
    };
    while !is_settled() {
        thread::yield_now();
    }
    assert!(ahead.with(|p| p.held()) <= 3);
    let told = ahead.prefetch_stats().requests + ahead.unnoted();
    assert_eq!(told, 8_000);
}

fn signals(of: &dyn Observe) -> HashMap<String, f64> {
    let mut seen = HashMap::new();
    of.observe(&mut |signal| {
        let value = match signal.reading {
            Reading::Counter(value) => value as f64,
            Reading::Gauge(value) => value,
            _ => return,
        };
        *seen.entry(signal.name.to_string()).or_default() += value;
    });
    seen
}

#[test]
fn it_is_a_component_in_place_of_its_cache() {
    let ahead = at_once(small(40)).load(twice).unwrap();
    assert_tune_contract(&ahead);
    let turn = |knob: &'static str, to| ahead.turn(Turn { knob: knob.into(), to, expect: None });
    turn("prefetch_budget", KnobValue::Number(0.25)).unwrap();
    (0..3_000).for_each(|n| drop(ahead.get(&(n % 100))));
    let seen = signals(&ahead);
    let stats = ahead.prefetch_stats();
    assert_eq!(seen["hits"], ahead.cache().stats().hits as f64);
    assert_eq!(seen["prefetch_used"], stats.used as f64);
    assert_eq!(seen["prefetch_precision"], stats.precision().unwrap());
    assert!((1.0..=10.0).contains(&seen["prefetch_held_entries"]), "{seen:?}");
    for name in ["named", "unused", "late", "failed", "skipped"] {
        assert!(seen.contains_key(&format!("prefetch_{name}")), "{name}");
    }

    turn("prefetch", KnobValue::Switch(false)).unwrap();
    let before = ahead.prefetch_stats();
    assert_eq!((ahead.is_enabled(), ahead.with(|p| p.held())), (false, 0));
    (0..1_000).for_each(|n| drop(ahead.get(&(n % 100))));
    assert_eq!(ahead.prefetch_stats(), before);
    turn("prefetch", KnobValue::Switch(true)).unwrap();
    (0..1_000).for_each(|n| drop(ahead.get(&(n % 100))));
    assert!(ahead.prefetch_stats().used > before.used + 500);
    turn("capacity", KnobValue::Count(20)).unwrap();
    assert_eq!(ahead.cache().capacity().entries, Some(20));
    let _: Arc<dyn Component> = Arc::new(ahead);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |builder: PrefetchingBuilder<u64, u64>| {
        builder.load(twice).map(drop).unwrap_err().to_string()
    };
    let builder = || Prefetching::builder(small(10).build().unwrap());
    assert!(refused(builder().budget(Ratio::ZERO)).contains("`budget`"));
    assert!(refused(builder().budget(Ratio::ONE)).contains("`budget`"));
    assert!(refused(builder().max_loads(0)).contains("`max_loads`"));
    assert!(refused(builder().rows(0)).contains("`rows`"));
    assert!(refused(builder().patience(0)).contains("`patience`"));
}
