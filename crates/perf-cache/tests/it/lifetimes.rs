//! Times to live and to idle, and rules for them, against a naive model.

use perf_cache::{Cache, Expiry, Terms};
use perf_core::{Clock, ManualClock};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::HashMap;
use std::time::Duration;

const MS: u64 = 1_000_000;

#[derive(Clone, Debug)]
enum Step {
    Insert { key: u8, value: u64, live: Option<u64>, idle: Option<u64> },
    Get(u8),
    Contains(u8),
    Remove(u8),
    Advance(u64),
    RemoveExpired(u64),
    SetLive(u64),
    SetIdle(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Nanoseconds around ticks, and far from them; idle times on both sides of a second.
    let span = || {
        prop_oneof![
            Just(0),
            1..5_u64,
            (1..40_u64).prop_map(|ms| ms * MS),
            (1..4_000_u64).prop_map(|ms| ms * MS + 1),
            Just(u64::MAX),
        ]
    };
    let insert = (0..12_u8, 0..60_u64, prop::option::of(span()), prop::option::of(span()))
        .prop_map(|(key, value, live, idle)| Step::Insert { key, value, live, idle });
    let step = prop_oneof![
        4 => insert,
        6 => (0..12_u8).prop_map(Step::Get),
        1 => (0..12_u8).prop_map(Step::Contains),
        1 => (0..12_u8).prop_map(Step::Remove),
        2 => (0..4_u64).prop_map(Step::Advance),
        2 => (0..30_u64).prop_map(|ms| Step::Advance(ms * MS)),
        1 => (0..3_000_u64).prop_map(|ms| Step::Advance(ms * MS)),
        1 => (0..5_u64).prop_map(Step::RemoveExpired),
        1 => (0..50_u64).prop_map(|ms| Step::SetLive(ms * MS)),
        1 => (0..2_000_u64).prop_map(|ms| Step::SetIdle(ms * MS)),
    ];
    prop::collection::vec(step, 1..120)
}

/// Lifetimes by the book: numbers in a map. `None` is for ever.
#[derive(Default)]
struct Model {
    entries: HashMap<u8, Kept>,
    now: u64,
    tick: u64,
    live: u64,
    idle: u64,
}

#[derive(Clone, Copy)]
struct Kept {
    value: u64,
    deadline: Option<u64>,
    idle: Option<u64>,
    used: u64,
}

impl Model {
    fn insert(&mut self, key: u8, value: u64, live: Option<u64>, idle: Option<u64>) {
        let or_default = |own: Option<u64>, default: u64| match own {
            Some(u64::MAX) => None,
            Some(own) => Some(own),
            None => (default != 0).then_some(default),
        };
        let live = or_default(live, self.live);
        let idle = or_default(idle, self.idle);
        self.entries.remove(&key);
        if live != Some(0) && idle != Some(0) {
            let deadline = live.map(|live| self.now + live);
            self.entries.insert(key, Kept { value, deadline, idle, used: self.now });
        }
    }

    /// What may be answered: what the entry is if it surely lives, and whether it surely is dead.
    fn look(&self, key: u8) -> (Option<Kept>, bool) {
        let Some(kept) = self.entries.get(&key).copied() else { return (None, true) };
        let over = |end: Option<u64>| end.is_some_and(|end| self.now >= end);
        let idle_end = kept.idle.map(|idle| kept.used + idle);
        if over(kept.deadline) || over(idle_end) {
            return (None, true);
        }
        // A use may have been noted a little earlier than it was: by a 256th where the time to
        // idle is short, by two ticks where it is long.
        let early = match kept.idle {
            Some(idle) if idle < 1_024 * MS => idle / 256,
            _ => 4 * MS + self.tick,
        };
        let surely = !over(idle_end.map(|end| end - early));
        (surely.then_some(kept), false)
    }
}

fn make(tick: u64) -> (Cache<u8, u64>, ManualClock, Model) {
    let (clock, hand) = Clock::manual();
    hand.set_tick(Duration::from_nanos(tick));
    let model = Model { tick, now: clock.now().as_nanos(), ..Model::default() };
    (Cache::builder().max_entries(1_000).clock(clock).build().unwrap(), hand, model)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, rng_seed: RngSeed::Fixed(0x11fe), failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn nothing_is_answered_after_its_end_and_all_before(
        steps in steps(),
        tick in prop_oneof![Just(1), Just(4 * MS), 1..10 * MS],
    ) {
        let (cache, hand, mut model) = make(tick);
        for step in steps {
            match step {
                Step::Insert { key, value, live, idle } => {
                    let ns = |ns| if ns == u64::MAX { Duration::MAX } else { Duration::from_nanos(ns) };
                    let mut terms = Terms::new();
                    if let Some(live) = live {
                        terms = terms.time_to_live(ns(live));
                    }
                    if let Some(idle) = idle {
                        terms = terms.time_to_idle(ns(idle));
                    }
                    let went_in = cache.insert_with(key, value, terms);
                    model.insert(key, value, live, idle);
                    prop_assert_eq!(went_in, model.entries.contains_key(&key));
                }
                Step::Get(key) => {
                    let got = cache.get(&key);
                    let (alive, dead) = model.look(key);
                    if let Some(kept) = alive {
                        prop_assert_eq!(got, Some(kept.value));
                    }
                    prop_assert!(!dead || got.is_none());
                    match (got, model.entries.get_mut(&key)) {
                        (Some(got), Some(kept)) => {
                            prop_assert_eq!(got, kept.value);
                            kept.used = model.now;
                        }
                        _ => { model.entries.remove(&key); }
                    }
                }
                Step::Contains(key) => {
                    let there = cache.contains(&key);
                    let (alive, dead) = model.look(key);
                    prop_assert!(alive.is_none() || there);
                    prop_assert!(!dead || !there);
                }
                Step::Remove(key) => {
                    let gone = cache.remove(&key);
                    let (alive, dead) = model.look(key);
                    prop_assert!(alive.is_none() || gone == alive.map(|kept| kept.value));
                    prop_assert!(!dead || gone.is_none());
                    model.entries.remove(&key);
                }
                Step::Advance(by) => {
                    hand.advance(Duration::from_nanos(by));
                    model.now += by;
                }
                Step::RemoveExpired(limit) => {
                    prop_assert!(cache.remove_expired(limit) <= limit);
                }
                Step::SetLive(live) => {
                    cache.set_time_to_live(Some(Duration::from_nanos(live)));
                    model.live = live;
                }
                Step::SetIdle(idle) => {
                    cache.set_time_to_idle(Some(Duration::from_nanos(idle)));
                    model.idle = idle;
                }
            }
        }
        // In the end everything that is over can be freed, and nothing else is.
        cache.remove_expired(u64::MAX);
        let alive = |key: &u8| model.look(*key).0.is_some();
        let not_dead = |key: &u8| !model.look(*key).1;
        let (least, most) = (
            model.entries.keys().filter(|key| alive(key)).count(),
            model.entries.keys().filter(|key| not_dead(key)).count(),
        );
        prop_assert!((least..=most).contains(&cache.len()), "{} of {least} to {most}", cache.len());
    }

    #[test]
    fn a_rule_is_asked_when_values_come_in_change_and_are_read(
        steps in steps(), tick in 1..10 * MS,
    ) {
        let (clock, hand) = Clock::manual();
        hand.set_tick(Duration::from_nanos(tick));
        let cache: Cache<u8, u64> =
            Cache::builder().max_entries(1_000).clock(clock.clone()).expiry(ByValue).build().unwrap();
        let mut model: HashMap<u8, (u64, Option<u64>)> = HashMap::new();
        let mut now = clock.now().as_nanos();
        for step in steps {
            match step {
                Step::Insert { key, value, .. } => {
                    let left = |deadline: Option<u64>| deadline.map(|at| Duration::from_nanos(at - now));
                    let ttl = match model.get(&key) {
                        Some((_, at)) if at.is_none_or(|at| at > now) => ByValue.on_update(&key, &value, left(*at)),
                        _ => ByValue.on_create(&key, &value),
                    };
                    cache.insert(key, value);
                    match ttl {
                        Some(Duration::ZERO) => { model.remove(&key); }
                        Some(ttl) => { model.insert(key, (value, Some(now + ttl.as_nanos() as u64))); }
                        None => { model.insert(key, (value, None)); }
                    }
                }
                Step::Get(key) => {
                    let alive = model.get_mut(&key).filter(|(_, at)| at.is_none_or(|at| at > now));
                    prop_assert_eq!(cache.get(&key), alive.as_ref().map(|(value, _)| *value));
                    if let Some((value, at)) = alive {
                        let left = at.map(|at| Duration::from_nanos(at - now));
                        if let Some(ttl) = ByValue.on_read(&key, value, left) {
                            *at = Some(now + ttl.as_nanos() as u64);
                        }
                    }
                }
                Step::Advance(by) => {
                    hand.advance(Duration::from_nanos(by));
                    now += by;
                }
                Step::RemoveExpired(limit) => {
                    prop_assert!(cache.remove_expired(limit) <= limit);
                }
                _ => {}
            }
        }
    }
}

struct ByValue;

impl Expiry<u8, u64> for ByValue {
    fn on_create(&self, _: &u8, value: &u64) -> Option<Duration> {
        (!value.is_multiple_of(7)).then(|| Duration::from_millis(value % 40))
    }

    fn on_update(&self, _: &u8, value: &u64, remaining: Option<Duration>) -> Option<Duration> {
        if value.is_multiple_of(2) {
            remaining.map(|left| left / 2)
        } else {
            self.on_create(&0, value)
        }
    }

    fn on_read(&self, _: &u8, value: &u64, remaining: Option<Duration>) -> Option<Duration> {
        match value % 3 {
            0 => Some(Duration::from_millis(9)),
            1 => remaining.map(|left| left + Duration::from_nanos(3)),
            _ => None,
        }
    }

    fn watches_reads(&self) -> bool {
        true
    }
}

#[test]
fn an_entry_that_is_used_does_not_idle() {
    let (cache, hand, _) = make(4 * MS);
    let second = Duration::from_secs(1);
    cache.insert_with(1, 1, Terms::new().time_to_idle(10 * second));
    for _ in 0..20 {
        hand.advance(9 * second);
        assert_eq!(cache.get(&1), Some(1));
    }
    hand.advance(10 * second);
    assert!(!cache.contains(&1));
    assert_eq!((cache.remove_expired(1), cache.len()), (1, 0));
}

#[test]
fn looking_is_no_use() {
    let (cache, hand, _) = make(1);
    cache.set_time_to_idle(Some(Duration::from_secs(1)));
    assert_eq!(cache.time_to_idle(), Some(Duration::from_secs(1)));
    cache.insert(1, 1);
    hand.advance(Duration::from_millis(999));
    assert_eq!((cache.contains(&1), cache.peek(&1)), (true, Some(1)));
    assert_eq!(cache.entry_info(&1).unwrap().time_to_idle, Some(Duration::from_millis(1)));
    hand.advance(Duration::from_millis(1));
    assert!(cache.entry_info(&1).is_none());
    assert_eq!(cache.get(&1), None);
}

#[test]
fn what_is_kept_for_failing_loaders_is_a_miss_until_its_end() {
    let (cache, hand, _) = make(1);
    let ms = Duration::from_millis;
    cache.insert_with(1, 1, Terms::new().time_to_live(ms(10)).stale_if_error(ms(5)));
    hand.advance(ms(10));
    assert_eq!((cache.get(&1), cache.len()), (None, 1));
    assert_eq!(cache.remove_expired(u64::MAX), 0);
    hand.advance(ms(5));
    assert_eq!((cache.remove_expired(u64::MAX), cache.len()), (1, 0));
}

#[test]
fn a_tracked_entry_tells_its_age_and_its_hits() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u8, u64> =
        Cache::builder().max_entries(100).clock(clock.clone()).track_entries(true).build().unwrap();
    let came = clock.now();
    for key in 0..10 {
        cache.insert(key, 0);
    }
    hand.advance(Duration::from_secs(3));
    for key in 0..10 {
        (0..key).for_each(|_| assert_eq!(cache.get(&key), Some(0)));
    }
    let info = cache.entry_info(&7).unwrap();
    assert_eq!((info.key, info.created, info.age), (7, Some(came), Some(Duration::from_secs(3))));
    assert_eq!((info.hits, info.hits_are_exact, info.time_to_live), (Some(7), true, None));
    assert_eq!(info.size.as_u64(), Cache::<u8, u64>::ENTRY_OVERHEAD);
    let hottest: Vec<_> =
        cache.hottest(3).into_iter().map(|entry| (entry.key, entry.hits)).collect();
    assert_eq!(hottest, [(9, Some(9)), (8, Some(8)), (7, Some(7))]);
    assert_eq!(cache.hottest(0), []);
    assert_eq!(cache.hottest(usize::MAX).len(), 10);
}

#[test]
fn what_is_not_tracked_is_not_known() {
    let (cache, _hand, _) = make(1);
    cache.insert_with(1, 1, Terms::new().time_to_live(Duration::from_secs(2)).compressed(true));
    let info = cache.entry_info(&1).unwrap();
    assert_eq!((info.created, info.age, info.hits, info.hits_are_exact), (None, None, None, false));
    assert_eq!((info.time_to_live, info.compressed), (Some(Duration::from_secs(2)), true));
    assert_eq!(cache.entry_info(&2), None);
}

/// Every millisecond an entry comes in that lives for ten seconds, or up to twenty.
fn steady(jitter: f64) -> f64 {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64> = Cache::builder()
        .max_entries(1_000_000)
        .time_to_live(Duration::from_secs(10))
        .jitter(perf_core::Ratio::new(jitter).unwrap())
        .clock(clock)
        .build()
        .unwrap();
    let mut most = 0;
    for n in 0..100_000 {
        cache.insert(n, n);
        hand.advance(Duration::from_millis(1));
        if n > 50_000 {
            most = most.max(cache.len());
        }
    }
    most as f64 / (10_000.0 * (1.0 - jitter / 2.0))
}

#[test]
fn insertions_keep_the_dead_few() {
    for jitter in [0.0, 0.5] {
        let held = steady(jitter);

        assert!(held > 1.0 && held < 1.3, "{held} of what is alive, jitter {jitter}");
    }
}

#[test]
fn a_read_under_the_lock_is_a_use_as_well() {
    let (clock, hand) = Clock::manual();
    let builder = Cache::builder().max_entries(100).track_entries(true).clock(clock);
    let cache: Cache<u64, u64> = builder.time_to_idle(Duration::from_secs(10)).build().unwrap();
    (0..10).for_each(|key| cache.insert(key, key));
    // With so many guards a thread has no word left to read without the lock.
    let guards: Vec<_> = (0..8).map(|key| cache.get_ref(&key).unwrap()).collect();
    for _ in 0..3 {
        hand.advance(Duration::from_secs(9));
        assert_eq!(cache.get(&9), Some(9));
    }
    drop(guards);
    assert_eq!(cache.entry_info(&9).unwrap().hits, Some(3));
    assert_eq!(cache.get(&8), None);
}
