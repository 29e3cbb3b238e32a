//! The learned times of a cache, as its component shows them.

use super::by_change::{ByChange, Shared};
use super::{AdaptiveTtl, AdaptiveTtlStats, ClassTtl};
use crate::{ConfigError, Expiry};
use perf_core::{
    Bounds, Clock, Direction, Histogram, Instant, Knob, KnobValue, Ratio, Signal, Unit,
};
use std::hash::Hash;
use std::sync::Arc;

/// What a cache has learned of the lives of its values; see
/// [`Cache::learned_ttl`](crate::Cache::learned_ttl).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LearnedTtl {
    /// The share of stale answers that is asked for.
    pub stale_share: Ratio,
    /// The counts.
    pub stats: AdaptiveTtlStats,
    /// The classes of which something is known, in order, the rest last.
    pub classes: Vec<ClassTtl>,
    /// How long values were given to live that were loaded, in nanoseconds.
    pub given: Histogram,
    /// Keys whose last value was forgotten because another one took its place.
    pub forgotten: u64,
}

/// Learned times, whatever the keys are.
pub(crate) trait Learned: Send + Sync {
    fn read(&self) -> LearnedTtl;

    /// Nothing with a share that cannot be.
    fn set_stale_share(&self, share: Ratio);
}

impl<F: Send + Sync> Learned for Shared<F> {
    fn read(&self) -> LearnedTtl {
        let learning = self.learning();
        LearnedTtl {
            stale_share: learning.learned.stale_share(),
            stats: learning.learned.stats(),
            classes: learning.learned.classes(),
            given: learning.given.clone(),
            forgotten: learning.forgotten,
        }
    }

    fn set_stale_share(&self, share: Ratio) {
        // The knob's bounds are inside of what it takes.
        let _ = self.learning().learned.set_stale_share(share);
    }
}

/// A rule that is made when the cache is: it needs its clock.
pub(crate) struct LearnedRule<K, V> {
    make: Box<Make<K, V>>,
}

type Made<K, V> = (Box<dyn Expiry<K, V>>, Arc<dyn Learned>);
type Make<K, V> = dyn FnOnce(Clock, usize) -> Result<Made<K, V>, ConfigError> + Send + Sync;

impl<K, V> LearnedRule<K, V> {
    pub(crate) fn new<F>(learned: Result<AdaptiveTtl, ConfigError>, class_of: F) -> Self
    where
        K: Hash,
        V: Hash,
        F: Fn(&K) -> u64 + Send + Sync + 'static,
    {
        let make = move |clock, keys| {
            let rule = ByChange::new(learned?, clock, keys, class_of);
            let shared: Arc<dyn Learned> = Arc::<Shared<F>>::clone(rule.shared());
            let rule: Box<dyn Expiry<K, V>> = Box::new(rule);
            Ok((rule, shared))
        };
        LearnedRule { make: Box::new(make) }
    }

    /// The same for a cache of something else.
    #[cfg(feature = "tiered")]
    pub(crate) fn with<H>(
        self,
        custom: impl FnOnce(Box<dyn Expiry<K, V>>) -> Box<dyn Expiry<K, H>> + Send + Sync + 'static,
    ) -> LearnedRule<K, H>
    where
        K: 'static,
        V: 'static,
    {
        let make = move |clock, keys| {
            let (rule, learned) = self.make(clock, keys)?;
            Ok((custom(rule), learned))
        };
        LearnedRule { make: Box::new(make) }
    }

    /// With the clock of the cache and room for so many keys.
    pub(crate) fn make(self, clock: Clock, keys: usize) -> Result<Made<K, V>, ConfigError> {
        (self.make)(clock, keys)
    }
}

impl LearnedTtl {
    pub(crate) fn observe(&self, since: Instant, visit: &mut dyn FnMut(Signal<'_>)) {
        let counters = [
            ("ttl_reloads", self.stats.reloads, "Values loaded anew from which lives are learned."),
            ("ttl_changed", self.stats.changed, "Those of them that had changed."),
            ("ttl_plans", self.stats.plans, "Times that all lives were set anew."),
            ("ttl_forgotten", self.forgotten, "Loads that taught nothing, for want of memory."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, since).help(help));
        }
        let help = "How long values were given to live that were loaded.";
        visit(Signal::histogram("ttl_given", Unit::Nanoseconds, &self.given, since).help(help));
        let mut gauge = |name, value, help| {
            visit(Signal::gauge(name, Unit::Ratio, value).help(help));
        };
        let stated = self.stale_share.as_f64();
        gauge("stale_share_stated", stated, "The share of answers that may be stale.");
        let help = "The share that is stale by the rates of change that were seen.";
        gauge("stale_share_expected", self.stats.expected_stale, help);
    }

    pub(crate) fn knob(&self, default: f64) -> Knob {
        // The program may ask for what is finer or coarser.
        let now = self.stale_share.as_f64();
        let (min, max) = (LEAST_SHARE.min(default).min(now), MOST_SHARE.max(default).max(now));
        let [now, default] = [now, default].map(KnobValue::Number);
        let bounds = Bounds::Number { min, max, step: 0.01 };
        Knob::new(STALE_SHARE, "Share of answers that may be stale", now, default, bounds)
            .unit(Unit::Ratio)
            .trades("Higher loads less and shows changes later.")
            .moves("loads", Direction::Down)
            .moves("hits", Direction::Up)
    }
}

const STALE_SHARE: &str = "stale_share";
const LEAST_SHARE: f64 = 0.001;
const MOST_SHARE: f64 = 0.5;
