//! How a cache is to be set up and run, as one thing that can be made from what is known of the
//! workload, read, written, compared, and applied.
//!
//! A [`CacheStrategy`] says for each tier how large it is, which policy makes room and how long
//! entries live, what holds for keys of a pattern, what ends together, what is loaded before anybody
//! asks, and what may be changed later without being told. [`CacheStrategy::generate`] makes one of a
//! [`WorkloadAnalysis`], of recorded requests or of a running cache, within [`Constraints`];
//! [`CacheStrategy::plan`] says what has to be turned in a cache that runs, step by step, and
//! [`CachePlan::run`] turns it and takes back what did not help.
//!
//! ```
//! use perf_cache::replay::{Room, Trace};
//! use perf_cache::strategy::{CacheStrategy, Constraints, WorkloadAnalysis};
//! use perf_cache::Cache;
//!
//! let mut trace = Trace::new();
//! for request in 0..4_000_u64 {
//!     trace.push(request % 200)?; // a loop over two hundred keys
//! }
//! let analysis = WorkloadAnalysis::of_trace(&trace, &[Room::Entries(100)], |_, _| ());
//! let room = Constraints::new().max_entries(100);
//! let strategy = CacheStrategy::generate("loop", &analysis, &room);
//! let expected = strategy.expected.unwrap();
//! assert!(expected.hit_ratio > expected.default + 0.3);
//! assert!(strategy.prefetch.is_some(), "{strategy}");
//!
//! let cache: Cache<u64, u64> = strategy.builder().build()?;
//! assert_eq!(cache.capacity().entries, Some(100));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is measured by
//!
//! On recorded traces, made from their first half and judged on the second one, a generated strategy
//! hits at least what the default does: it leaves the default alone unless something else was better
//! by a margin in each quarter of what it was made from. Most of what it gains is loading ahead.
//! `docs/caching.md` has the figures and the command.

mod analysis;
mod apply;
#[cfg(feature = "json")]
mod file;
mod generate;
mod plan;
mod rules;
#[cfg(feature = "json")]
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "serde")]
mod wire;

pub use analysis::{Setting, Tried, WorkloadAnalysis};
#[cfg(feature = "json")]
pub use file::StrategyFileError;
pub use generate::Constraints;
pub use plan::{CachePlan, Judged, LeftOut, Optimized, PlanStep, Window};
pub use rules::{
    Ends, InvalidationRule, KeyRule, Place, PrefetchRule, TierSettings, WarmUp, WarmUpFrom,
};

use perf_core::ConfigError;
use std::fmt;

/// How a cache is to be set up and run. See the [module page](self); its `Display` is a page for
/// people.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct CacheStrategy {
    /// What it is called: letters, digits, `-`, `_` and `.`, at most 64 of them.
    pub name: String,
    /// Which tiers there are.
    pub kind: StrategyKind,
    /// Whether it is in use.
    #[cfg_attr(feature = "serde", serde(default))]
    pub status: StrategyStatus,
    /// Whether [`plan`](CacheStrategy::plan) may change sizes.
    #[cfg_attr(feature = "serde", serde(default = "wire::on"))]
    pub auto_tuning: bool,
    /// Whether it may change times to live.
    #[cfg_attr(feature = "serde", serde(default = "wire::on"))]
    pub dynamic_ttl: bool,
    /// Whether it may load ahead.
    #[cfg_attr(feature = "serde", serde(default = "wire::on"))]
    pub intelligent_prefetching: bool,
    /// Whether it may change the policy.
    #[cfg_attr(feature = "serde", serde(default = "wire::on"))]
    pub adaptive_eviction: bool,
    /// The tiers, the nearest first.
    pub tiers: Vec<TierSettings>,
    /// What holds for keys of a pattern; the first that matches.
    #[cfg_attr(feature = "serde", serde(default))]
    pub patterns: Vec<KeyRule>,
    /// What ends together.
    #[cfg_attr(feature = "serde", serde(default))]
    pub invalidation: Vec<InvalidationRule>,
    /// What is there before anybody asks.
    #[cfg_attr(feature = "serde", serde(default))]
    pub warm_up: Option<WarmUp>,
    /// How it loads ahead, if it does.
    #[cfg_attr(feature = "serde", serde(default))]
    pub prefetch: Option<PrefetchRule>,
    /// What was to be expected of it when it was made.
    #[cfg_attr(feature = "serde", serde(default))]
    pub expected: Option<Expected>,
    /// Why it is as it is, in sentences.
    #[cfg_attr(feature = "serde", serde(default))]
    pub reasons: Vec<String>,
}

/// Which tiers a strategy has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StrategyKind {
    /// Memory alone.
    #[default]
    Memory,
    /// A disk alone.
    Disk,
    /// A tier that other machines share, with or without memory.
    Distributed,
    /// Memory over a disk, perhaps with others beyond.
    Hybrid,
}

/// Whether a strategy is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StrategyStatus {
    /// It may be applied.
    #[default]
    Active,
    /// It is kept and not applied.
    Disabled,
    /// Its plan is being carried out.
    Optimizing,
}

/// What was to be expected of a strategy, from what it was made of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Expected {
    /// Its hit ratio, 0 to 1.
    pub hit_ratio: f64,
    /// That of the default at the same size.
    pub default: f64,
    /// Requests from which both are known; 0 for estimates of a running cache.
    pub requests: u64,
}

impl CacheStrategy {
    /// One that says no more than the default: memory alone, all switches on.
    #[must_use]
    pub fn new(name: impl Into<String>) -> CacheStrategy {
        CacheStrategy {
            name: name.into(),
            kind: StrategyKind::Memory,
            status: StrategyStatus::Active,
            auto_tuning: true,
            dynamic_ttl: true,
            intelligent_prefetching: true,
            adaptive_eviction: true,
            tiers: vec![TierSettings::new(Place::Memory)],
            patterns: Vec::new(),
            invalidation: Vec::new(),
            warm_up: None,
            prefetch: None,
            expected: None,
            reasons: Vec::new(),
        }
    }

    /// The settings of a tier, if there is such a one.
    #[must_use]
    pub fn tier(&self, place: Place) -> Option<&TierSettings> {
        self.tiers.iter().find(|tier| tier.place == place)
    }

    /// The first rule whose pattern matches. O(patterns).
    #[must_use]
    pub fn rule_for(&self, key: &str) -> Option<&KeyRule> {
        self.patterns.iter().find(|rule| rule.pattern.matches(key))
    }

    /// Checks what cannot be said by types alone.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the field, its value and what would do: a name that is no word, no tier
    /// or one twice, tiers that are not those of the kind, a bound or a life of zero, a share that is
    /// none, more than 64 patterns or rules, more than 4 096 keys to warm up with.
    pub fn check(&self) -> Result<(), ConfigError> {
        rules::check(self)
    }
}

impl StrategyKind {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            StrategyKind::Memory => "memory",
            StrategyKind::Disk => "disk",
            StrategyKind::Distributed => "distributed",
            StrategyKind::Hybrid => "hybrid",
        }
    }

    /// The kind of a strategy with these tiers.
    #[must_use]
    pub fn of(tiers: &[TierSettings]) -> StrategyKind {
        let has = |place| tiers.iter().any(|tier| tier.place == place);
        match (has(Place::Memory), has(Place::Disk)) {
            (true, true) => StrategyKind::Hybrid,
            _ if has(Place::Remote) || has(Place::Cdn) => StrategyKind::Distributed,
            (false, true) => StrategyKind::Disk,
            _ => StrategyKind::Memory,
        }
    }
}

impl StrategyStatus {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            StrategyStatus::Active => "active",
            StrategyStatus::Disabled => "disabled",
            StrategyStatus::Optimizing => "optimizing",
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for StrategyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
