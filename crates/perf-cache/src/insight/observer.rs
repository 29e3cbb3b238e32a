//! What takes the sampled events of a cache in, while it runs.

use super::changes::Changes;
use super::hottest::Hottest;
use super::recent::Recent;
use super::shadow::Shadows;
use super::shards::{Shards, mix};
use super::skew::zipf_exponent;
use super::{Insight, Outlook, Workload, predict};
use perf_core::{Histogram, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How large a cache is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// What it may hold, in entries or in bytes.
    pub(crate) capacity: u64,
    /// About how many entries it has while it works.
    pub(crate) entries: u64,
    /// About how many entries there is room for: more, while it is not full.
    pub(crate) room: u64,
}

impl Bounds {
    /// Of a cache that is full with so many entries.
    pub(crate) const fn of(entries: u64) -> Bounds {
        Bounds { capacity: entries, entries, room: entries }
    }
}

/// Takes events in behind a lock that nobody waits for: who finds it taken drops the event, which is
/// counted.
#[derive(Debug)]
pub(crate) struct Observer {
    /// Events of keys whose mixed hash is above this are of no interest now.
    interest: AtomicU64,
    recent: Recent,
    dropped: AtomicU64,
    /// Whether sizes are weights; else entries.
    weighed: bool,
    state: Mutex<State>,
    hottest: Mutex<Hottest>,
    /// What was last told of it, and how many accesses to the sample there had been.
    outlook: Mutex<(u64, Outlook)>,
}

#[derive(Debug)]
struct State {
    shards: Shards,
    shadows: Shadows,
    /// Mixed hashes below this are for the shadows.
    shadowed: u64,
    one_in: u64,
    capacity: u64,
    entries: u64,
    room: u64,
    weights: Histogram,
    changes: Changes,
    /// Accesses to keys of the sample.
    recorded: u64,
    /// Accesses to all keys when the samples were last corrected.
    corrected_at: u64,
    /// Until the past is to count half.
    until_fade: u64,
}

impl Observer {
    /// For a cache of those bounds, in entries or, if `weighed`, in bytes. It will be told of every
    /// `one_in`th key, and looks at fewer if it needs fewer.
    pub(crate) fn new(bounds: Bounds, weighed: bool, one_in: u64) -> Observer {
        let state = State::new(bounds, one_in);
        Observer {
            interest: AtomicU64::new(state.interest()),
            recent: Recent::new(),
            dropped: AtomicU64::new(0),
            weighed,
            state: Mutex::new(state),
            hottest: Mutex::new(Hottest::new()),
            outlook: Mutex::default(),
        }
    }

    /// An access to a sampled key. `turn` is any number that grows with the accesses of the thread,
    /// and `accesses` answers how many there were to all keys.
    ///
    /// Keys that were looked at a moment ago are passed by, without writing anything as a rule: a
    /// key that is hit all the time costs no more for being in the sample. Its hits are those that
    /// a cache of any size would have, and as such they are counted with the hot keys that the
    /// sample has too few of.
    pub(crate) fn on_access(&self, hash: u64, turn: u64, accesses: impl FnOnce() -> u64) {
        let mixed = mix(hash);
        // Relaxed: an event more or less.
        if mixed > self.interest.load(Ordering::Relaxed) || self.recent.has(mixed, turn) {
            return;
        }
        let Ok(mut state) = self.state.try_lock() else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.recent.add(mixed, |hash, uses| state.shards.count_uses(hash, uses));
        state.recorded += 1;
        let weight = if self.weighed { state.usual_weight() } else { 1 };
        state.shards.record_mixed(mixed, weight);
        if mixed < state.shadowed {
            state.shadows.record(mixed);
        }
        state.until_fade -= 1;
        if state.until_fade == 0 {
            state.correct(accesses());
            state.shards.fade();
            state.shadows.fade();
            state.until_fade = FADE_AFTER;
        }
        self.interest.store(state.interest(), Ordering::Relaxed);
    }

    /// So many hits of a sampled key of which it was not told one by one, because the key had been
    /// looked at a moment before.
    pub(crate) fn on_repeats(&self, hash: u64, times: u32) {
        let mixed = mix(hash);
        if mixed > self.interest.load(Ordering::Relaxed) {
            return;
        }
        match self.state.try_lock() {
            Ok(mut state) => state.shards.count_uses(mixed, times),
            Err(_) => _ = self.dropped.fetch_add(u64::from(times), Ordering::Relaxed),
        }
    }

    /// One of so many hits of a thread, whatever its key.
    pub(crate) fn on_hit(&self, hash: u64) {
        if let Ok(mut hottest) = self.hottest.try_lock() {
            hottest.record(hash);
        }
    }

    /// The hashes of keys that are hit often with the number of [`on_hit`](Observer::on_hit), the
    /// hottest first.
    pub(crate) fn hottest(&self) -> Vec<(u64, u32)> {
        self.hottest.lock().unwrap_or_else(PoisonError::into_inner).top()
    }

    /// A value came in for a sampled key, at a time in milliseconds.
    pub(crate) fn on_insert(&self, hash: u64, weight: u64, replaced: bool, now_ms: u64) {
        if mix(hash) > self.interest.load(Ordering::Relaxed) {
            return;
        }
        let Ok(mut state) = self.state.try_lock() else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        state.weights.record(weight);
        state.changes.record(mix(hash), now_ms, replaced);
        if self.weighed {
            state.shards.set_weight_mixed(mix(hash), u32::try_from(weight).unwrap_or(u32::MAX));
        }
    }

    /// The cache has other bounds from now on, or it will be told of every `one_in`th key: what was
    /// learnt is forgotten where it depends on that.
    pub(crate) fn on_capacity(&self, bounds: Bounds, one_in: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.resize(bounds, one_in.max(1));
        self.recent.clear();
        self.interest.store(state.interest(), Ordering::Relaxed);
    }

    /// Events that were not looked at, because another thread was at it.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The numbers of [`snapshot`](Observer::snapshot) for whoever asks again and again: what was
    /// told last, until a sixteenth of the sample has been used since.
    pub(crate) fn outlook(&self, accesses: u64, hit_ratio: Option<f64>) -> Outlook {
        let mut last = self.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.shards.sampled_keys() as u64;
        if last.1 != Outlook::default() && state.recorded - last.0 < known / 16 {
            return last.1;
        }
        state.correct(accesses);
        let (recorded, capacity, rate) =
            (state.recorded, state.capacity, state.shards.sampling_rate());
        let (curve, scan_share) = (state.shards.curve(), state.shards.used_once());
        let uses: Vec<_> = state.shards.uses().collect();
        // Sorting is for those who wait for it; who meets the lock drops an event.
        drop(state);
        let outlook = Outlook {
            hit_ratio_at_twice: predict(&curve, capacity, hit_ratio, 2.0),
            scan_share,
            skew: zipf_exponent(uses.into_iter(), rate),
        };
        *last = (recorded, outlook);
        outlook
    }

    /// What is known now, given the lookups of all keys since the cache was built.
    pub(crate) fn snapshot(&self, accesses: u64, hit_ratio: Option<f64>) -> Insight {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.correct(accesses);
        let shards = &state.shards;
        Insight {
            unit: if self.weighed { Unit::Bytes } else { Unit::Count },
            capacity: state.capacity,
            hit_ratio,
            curve: shards.curve(),
            policies: state.shadows.hit_ratios(),
            workload: Workload {
                skew: zipf_exponent(shards.uses(), shards.sampling_rate()),
                reuse_distance: REUSE_QUANTILES.map(|q| (q, shards.distance_quantile(q))),
                scan_share: shards.used_once(),
                weights: state.weights.clone(),
                change_share: state.changes.share(),
                change_interval_ms: state.changes.intervals().clone(),
            },
            sampled_keys: shards.sampled_keys() as u64,
            sampling_rate: shards.sampling_rate(),
            dropped: self.dropped(),
        }
    }
}

impl State {
    fn new(bounds: Bounds, one_in: u64) -> State {
        let mut state = State {
            shards: Shards::new(0),
            shadows: Shadows::new(1, 1, 1),
            shadowed: 0,
            one_in: 0,
            capacity: bounds.capacity,
            entries: 0,
            room: 0,
            weights: Histogram::new(),
            changes: Changes::new(),
            recorded: 0,
            corrected_at: 0,
            until_fade: FADE_AFTER,
        };
        state.resize(bounds, one_in.max(1));
        state
    }

    fn resize(&mut self, bounds: Bounds, one_in: u64) {
        let Bounds { capacity, entries, room } = bounds;
        self.capacity = capacity;
        let farthest = capacity.saturating_mul(FARTHEST_IN_CAPACITIES);
        if self.one_in == one_in {
            // The curve goes on: it does not depend on how large the cache is.
            self.shards.set_farthest(farthest);
        } else {
            let samples = (entries / 2).clamp(512, 4_096) as usize;
            let share = one_in as f64 / wanted(entries) as f64;
            self.shards = Shards::new(samples).one_in(one_in).thinned(share).farthest(farthest);
        }
        if (self.one_in, self.entries, self.room) != (one_in, entries, room) {
            self.shadows = Shadows::new(entries, room, one_in);
            let share = self.shadows.rate() * one_in as f64;
            self.shadowed = if share >= 1.0 { u64::MAX } else { (share * 2_f64.powi(64)) as u64 };
        }
        (self.one_in, self.entries, self.room) = (one_in, entries, room);
    }

    /// Keys with a mixed hash above this are in no sample.
    fn interest(&self) -> u64 {
        self.shards.threshold().max(self.shadowed)
    }

    /// Tells the samples how many accesses there were, of which they saw some.
    fn correct(&mut self, accesses: u64) {
        let before = std::mem::replace(&mut self.corrected_at, accesses);
        // Fewer than before: counting began anew, and nobody knows when.
        if let Some(since) = accesses.checked_sub(before) {
            self.shards.correct(since as f64 / self.one_in as f64);
            self.shadows.correct(since as f64);
        }
    }

    /// For keys whose weight is not known yet.
    fn usual_weight(&self) -> u32 {
        self.weights.mean().map_or(1, |mean| mean as u32)
    }
}

/// One key in how many is looked at, in a cache of so many entries: small caches can afford to look
/// at more of their keys than large ones. A power of two.
pub(crate) fn wanted(entries: u64) -> u64 {
    1 << (entries / 256).clamp(MOST_OF_A_SMALL_CACHE, 1 << 10).ilog2()
}

/// Accesses to keys of the sample: what is older than twice this hardly counts.
const FADE_AFTER: u64 = 1 << 17;
/// How much larger a cache is looked at than it is.
const FARTHEST_IN_CAPACITIES: u64 = 16;
/// One key in so many is looked at at least.
const MOST_OF_A_SMALL_CACHE: u64 = 16;
const REUSE_QUANTILES: [f64; 4] = [0.5, 0.75, 0.9, 0.99];
