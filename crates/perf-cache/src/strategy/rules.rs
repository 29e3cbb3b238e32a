//! What a strategy says of tiers, keys, ends and beginnings.

use super::{CacheStrategy, StrategyKind};
use crate::policy::PolicyKind;
use perf_core::{ByteSize, ConfigError, Glob};
use std::fmt;
use std::time::Duration;

/// Where entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Place {
    /// In memory.
    Memory,
    /// On a disk of this machine.
    Disk,
    /// In a tier that other machines share.
    Remote,
    /// At the edge.
    Cdn,
}

impl Place {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Place::Memory => "memory",
            Place::Disk => "disk",
            Place::Remote => "remote",
            Place::Cdn => "cdn",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The settings of one tier. What is not said stays as it is.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct TierSettings {
    /// Which tier.
    #[cfg_attr(feature = "serde", serde(rename = "tier"))]
    pub place: Place,
    /// How many bytes it may take.
    #[cfg_attr(feature = "serde", serde(default))]
    pub max_bytes: Option<ByteSize>,
    /// How many entries it may hold, where that is what bounds it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub max_entries: Option<u64>,
    /// What makes room.
    #[cfg_attr(feature = "serde", serde(default))]
    pub policy: Option<PolicyKind>,
    /// The share of it in which new entries are tried out, under the adaptive policy; if not said it
    /// finds out.
    #[cfg_attr(feature = "serde", serde(default))]
    pub cold_share: Option<f64>,
    /// How long entries live that do not say so themselves.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "time_to_live_seconds", with = "super::wire::seconds")
    )]
    pub time_to_live: Option<Duration>,
}

impl TierSettings {
    /// That says nothing.
    #[must_use]
    pub const fn new(place: Place) -> TierSettings {
        TierSettings {
            place,
            max_bytes: None,
            max_entries: None,
            policy: None,
            cold_share: None,
            time_to_live: None,
        }
    }
}

/// What holds for keys of a pattern.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct KeyRule {
    /// Which keys, such as `users:*`.
    pub pattern: Glob,
    /// Where only they are kept; if not said the cache chooses.
    #[cfg_attr(feature = "serde", serde(default))]
    pub place: Option<Place>,
    /// How long they live.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "time_to_live_seconds", with = "super::wire::seconds")
    )]
    pub time_to_live: Option<Duration>,
    /// Whether they are compressed beyond memory, whatever the cache would do.
    #[cfg_attr(feature = "serde", serde(default))]
    pub compress: Option<bool>,
}

impl KeyRule {
    /// That says nothing of them yet.
    #[must_use]
    pub const fn new(pattern: Glob) -> KeyRule {
        KeyRule { pattern, place: None, time_to_live: None, compress: None }
    }

    /// What an entry of such a key asks for.
    #[must_use]
    pub fn terms(&self) -> crate::Terms {
        let terms = crate::Terms::new();
        match self.time_to_live {
            Some(life) => terms.time_to_live(life),
            None => terms,
        }
    }

    /// The same for a tiered cache.
    #[cfg(feature = "tiered")]
    #[must_use]
    pub fn tiered_terms(&self) -> crate::tiered::TieredTerms {
        use crate::tiered::{Strategy, TieredTerms};
        let strategy = match self.place {
            None => Strategy::Auto,
            Some(Place::Memory) => Strategy::Memory,
            Some(Place::Disk) => Strategy::Disk,
            Some(Place::Remote) => Strategy::Remote,
            Some(Place::Cdn) => Strategy::Cdn,
        };
        let terms = TieredTerms::new().terms(self.terms()).strategy(strategy);
        match self.compress {
            Some(compress) => terms.compress(compress),
            None => terms,
        }
    }
}

/// What ends when something changes.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct InvalidationRule {
    /// What changed: a key, such as `products:*`.
    pub when: Glob,
    /// What ends then.
    pub ends: Ends,
}

impl InvalidationRule {
    /// From both.
    #[must_use]
    pub const fn new(when: Glob, ends: Ends) -> InvalidationRule {
        InvalidationRule { when, ends }
    }
}

/// Entries that end together.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Ends {
    /// Those with a tag.
    Tag(String),
    /// Those whose key matches.
    Pattern(Glob),
    /// Those whose key begins with this and a colon.
    Namespace(String),
}

/// What is there before anybody asks.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct WarmUp {
    /// Which keys.
    pub from: WarmUpFrom,
    /// How many of them at most.
    pub keys: u64,
}

impl WarmUp {
    /// From both.
    #[must_use]
    pub const fn new(from: WarmUpFrom, keys: u64) -> WarmUp {
        WarmUp { from, keys }
    }
}

/// Where the keys come from that a cache is warmed up with.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WarmUpFrom {
    /// The hottest keys of the last run: [`Cache::hottest`](crate::Cache::hottest), kept by the
    /// program.
    Hottest,
    /// A [snapshot](crate::Cache::snapshot) of the last run, kept by the program.
    Snapshot,
    /// These.
    List(Vec<String>),
}

/// How it loads ahead: the settings of [`Prefetch`](crate::learning::Prefetch).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct PrefetchRule {
    /// What may be loaded ahead and not asked for yet, as a share of the cache.
    pub budget_share: f64,
    /// The least share of predictions that have to be used.
    pub least_precision: f64,
    /// Keys whose successors are known, at most.
    pub rows: u64,
}

impl Default for PrefetchRule {
    fn default() -> PrefetchRule {
        PrefetchRule { budget_share: 0.05, least_precision: 0.5, rows: 65_536 }
    }
}

impl PrefetchRule {
    /// As it says, for a cache of that size, in entries or in bytes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as [`PrefetchBuilder::build`](crate::learning::PrefetchBuilder::build).
    pub fn build<K: Clone + Eq + std::hash::Hash>(
        &self,
        capacity: u64,
    ) -> Result<crate::learning::Prefetch<K>, ConfigError> {
        let budget = ((capacity as f64 * self.budget_share) as u64).max(1);
        let share = perf_core::Ratio::new(self.least_precision);
        let share =
            share.map_err(|_| not_a_share("prefetch.least_precision", self.least_precision))?;
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        let builder = crate::learning::Prefetch::builder(budget).rows(rows);
        builder.least_precision(share).build()
    }
}

fn not_a_share(setting: &'static str, value: f64) -> ConfigError {
    ConfigError::new(setting, value, "use a share between 0 and 1, as 0.05")
}

pub(super) fn check(strategy: &CacheStrategy) -> Result<(), ConfigError> {
    check_name(&strategy.name)?;
    check_tiers(strategy)?;
    let too_many = |setting, have: usize, most: usize| {
        let refused = || ConfigError::new(setting, have, format!("use at most {most}"));
        if have > most { Err(refused()) } else { Ok(()) }
    };
    too_many("patterns", strategy.patterns.len(), MOST_RULES)?;
    too_many("invalidation", strategy.invalidation.len(), MOST_RULES)?;
    too_many("reasons", strategy.reasons.len(), MOST_RULES)?;
    for rule in &strategy.patterns {
        check_life("patterns.time_to_live_seconds", rule.time_to_live)?;
    }
    if let Some(warm_up) = &strategy.warm_up {
        if warm_up.keys == 0 || warm_up.keys > MOST_WARM {
            let remedy = format!("use 1 to {MOST_WARM}");
            return Err(ConfigError::new("warm_up.keys", warm_up.keys, remedy));
        }
        if let WarmUpFrom::List(keys) = &warm_up.from {
            too_many("warm_up.from.list", keys.len(), MOST_WARM as usize)?;
        }
    }
    if let Some(rule) = &strategy.prefetch {
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        if !is_share(rule.budget_share) {
            return Err(not_a_share("prefetch.budget_share", rule.budget_share));
        }
        if !is_share(rule.least_precision) {
            return Err(not_a_share("prefetch.least_precision", rule.least_precision));
        }
        rule.build::<u64>(1_000)?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // Two names of folders are not names.
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || !name.chars().all(is_word)
        || name.starts_with('.')
    {
        let said: String = name.chars().take(80).collect();
        let remedy = "use up to 64 letters, digits, `-`, `_` and `.`, the first of them no `.`";
        return Err(ConfigError::new("name", format!("{said:?}"), remedy));
    }
    Ok(())
}

fn check_tiers(strategy: &CacheStrategy) -> Result<(), ConfigError> {
    let tiers = &strategy.tiers;
    if tiers.is_empty() {
        return Err(ConfigError::new("tiers", "empty", "name at least one, such as memory"));
    }
    for (at, tier) in tiers.iter().enumerate() {
        if tiers[..at].iter().any(|other| other.place == tier.place) {
            return Err(ConfigError::new(
                "tiers",
                format!("{} twice", tier.place),
                "name each once",
            ));
        }
        let is_zero = tier.max_bytes.is_some_and(|bytes| bytes.as_u64() == 0);
        if is_zero || tier.max_entries == Some(0) {
            let setting = if is_zero { "tiers.max_bytes" } else { "tiers.max_entries" };
            return Err(ConfigError::new(setting, 0, "leave the tier out, or give it room"));
        }
        check_life("tiers.time_to_live_seconds", tier.time_to_live)?;
        if let Some(share) = tier.cold_share
            && !(0.0..=1.0).contains(&share)
        {
            return Err(not_a_share("tiers.cold_share", share));
        }
    }
    let own = StrategyKind::of(tiers);
    if own != strategy.kind {
        let names: Vec<_> = tiers.iter().map(|tier| tier.place.name()).collect();
        let remedy = format!("with the tiers {} it is {own}", names.join(", "));
        return Err(ConfigError::new("kind", strategy.kind, remedy));
    }
    Ok(())
}

fn check_life(setting: &'static str, life: Option<Duration>) -> Result<(), ConfigError> {
    match life {
        Some(life) if life.is_zero() => {
            Err(ConfigError::new(setting, 0, "leave it out to keep what is set, or use more"))
        }
        _ => Ok(()),
    }
}

const LONGEST_NAME: usize = 64;
const MOST_RULES: usize = 64;
const MOST_WARM: u64 = 4_096;
