//! Which keys are worth loading before they are asked for.

mod guard;
mod table;
#[cfg(test)]
mod tests;

use crate::ConfigError;
use guard::Guard;
use hashbrown::HashMap;
use perf_core::Ratio;
use std::collections::VecDeque;
use std::fmt;
use std::hash::Hash;
use table::Successors;

/// Predicts what will be asked for next from what followed before, and keeps account of how many of
/// its predictions were used.
///
/// For each key it knows the four that came most often among the next two requests after it. What
/// did so in three out of ten times is a prediction. Predictions are judged in classes of like
/// confidence: a class of whose last 64 fewer than half were used is not loaded any more, save one
/// in 64 of it, by which it is noticed when that changes. A new class has 16 to show what it is
/// worth.
///
/// What was loaded ahead and not asked for yet may weigh no more than a [budget](Prefetch::builder)
/// in all. What falls out of it, or was not asked for within a number of
/// [requests](PrefetchBuilder::patience), counts as unused, and is named so that it can be dropped.
///
/// It does not load: tell it of every request, load what it advises, and tell it of that.
///
/// ```
/// use perf_cache::learning::Prefetch;
///
/// let mut prefetch = Prefetch::builder(100).build()?;
/// for key in ["page", "style", "page", "style"] {
///     assert!(prefetch.request(&key, false, |_| false).load.is_empty());
/// }
/// let advice = prefetch.request(&"page", false, |_| false);
/// assert_eq!(advice.load, ["style"]);
///
/// // Once it is in the cache, where it takes 20 of the budget:
/// assert!(prefetch.loaded(&"style", 20).is_empty());
/// let _ = prefetch.request(&"style", true, |_| true);
/// assert_eq!(prefetch.stats().used, 1);
/// # Ok::<(), perf_cache::ConfigError>(())
/// ```
///
/// A request costs three look-ups in the table and a few comparisons. With keys of 8 bytes a row of
/// the table takes 131 bytes, keys on the heap beside that. Rows are allocated as keys come.
///
/// Source: Joseph and Grunwald, "Prefetching using Markov predictors", ISCA 1997 (few successors
/// for each address, judged by how they fared); Griffioen and Appleton, "Reducing file system latency
/// using a predictive approach", USENIX Summer 1994 (successors within a window, and a least chance).
pub struct Prefetch<K> {
    successors: Successors<K>,
    /// The last requests, the latest last.
    last: VecDeque<K>,
    /// What was named, by key.
    outstanding: HashMap<K, Ahead>,
    /// The same in the order in which it was named; some are outstanding no more.
    order: VecDeque<(K, u64)>,
    guards: [Guard; CLASSES],
    settings: PrefetchBuilder,
    /// The weight of all that was loaded ahead and is outstanding.
    held: u64,
    stats: PrefetchStats,
}

impl<K> fmt::Debug for Prefetch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch")
            .field("rows", &self.successors.len())
            .field("outstanding", &self.outstanding.len())
            .field("held", &self.held)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Ahead {
    class: usize,
    /// The how-manieth that was named.
    serial: u64,
    /// The request at which it was named.
    since: u64,
    /// `None` while it is being loaded.
    weight: Option<u64>,
}

/// What became of predictions, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefetchStats {
    /// Requests that were told.
    pub requests: u64,
    /// Predictions for keys that were not held, named or not.
    pub predicted: u64,
    /// Those that were named for loading.
    pub named: u64,
    /// Those that were named and asked for while they were held.
    pub used: u64,
    /// Those that were named and not asked for in time, or were gone when they were.
    pub unused: u64,
    /// Those that were named and asked for before they were loaded.
    pub late: u64,
    /// Those that were named and could not be loaded, or were
    /// [forgotten](Prefetch::forget) before it was known whether they are used.
    pub failed: u64,
    /// Keys that lost their row in the table to others.
    pub replaced: u64,
}

impl PrefetchStats {
    /// The share of those whose outcome is known that were used, 0 to 1; `None` before the first.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        let known = self.used + self.unused;
        (known > 0).then(|| self.used as f64 / known as f64)
    }
}

/// What to do after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Advice<K> {
    /// Keys to be loaded ahead, none of them held, at most four.
    pub load: Vec<K>,
    /// Keys that were loaded ahead in vain, to be dropped.
    pub drop: Vec<K>,
}

/// Makes a [`Prefetch`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PrefetchBuilder {
    rows: usize,
    budget: u64,
    patience: u64,
    least_precision: f64,
}

impl PrefetchBuilder {
    /// Keys whose successors are known, at most; 65 536 if not set.
    pub fn rows(mut self, rows: usize) -> PrefetchBuilder {
        self.rows = rows;
        self
    }

    /// After how many requests what was loaded ahead counts as unused; 4 096 if not set.
    pub fn patience(mut self, requests: u64) -> PrefetchBuilder {
        self.patience = requests;
        self
    }

    /// The least share of predictions that have to be used for more of their class to be loaded;
    /// one half if not set.
    pub fn least_precision(mut self, share: Ratio) -> PrefetchBuilder {
        self.least_precision = share.as_f64();
        self
    }

    /// Makes it, without rows.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] without room for two rows or with more than 2²⁴, without a budget, and
    /// without patience or with more than a million requests of it.
    pub fn build<K: Clone + Eq + Hash>(self) -> Result<Prefetch<K>, ConfigError> {
        if !(2..=MOST_ROWS).contains(&self.rows) {
            return Err(ConfigError::new("rows", self.rows, "use 2 to 16777216"));
        }
        if self.budget == 0 {
            return Err(ConfigError::new("budget", 0, "use a twentieth of the cache"));
        }
        if !(1..=MOST_PATIENCE).contains(&self.patience) {
            let remedy = "use some thousand requests, at most 1000000";
            return Err(ConfigError::new("patience", self.patience, remedy));
        }
        Ok(Prefetch {
            successors: Successors::new(self.rows),
            last: VecDeque::with_capacity(WINDOW),
            outstanding: HashMap::new(),
            order: VecDeque::new(),
            guards: [Guard::default(); CLASSES],
            settings: self,
            held: 0,
            stats: PrefetchStats::default(),
        })
    }
}

impl Prefetch<()> {
    /// What may be loaded ahead and not asked for yet, by weight: bytes, or entries where each
    /// weighs one. A twentieth of the cache is a good choice.
    ///
    /// The type of key shows when it is [built](PrefetchBuilder::build).
    pub const fn builder(budget: u64) -> PrefetchBuilder {
        PrefetchBuilder { rows: 65_536, budget, patience: 4_096, least_precision: 0.5 }
    }
}

impl<K> Prefetch<K> {
    /// What became of predictions so far.
    #[must_use]
    pub const fn stats(&self) -> PrefetchStats {
        self.stats
    }

    /// Whether predictions of any class are loaded at will. Before anything is known of them, and
    /// while too few of them are used, only trials are.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.guards.iter().any(|guard| guard.is_open(self.settings.least_precision))
    }

    /// The least share of predictions that have to be used.
    #[must_use]
    pub fn least_precision(&self) -> Ratio {
        // Nothing sets it to anything else than a ratio.
        Ratio::new(self.settings.least_precision).unwrap_or(Ratio::ONE)
    }

    /// Asks for another share, from the next prediction on.
    pub const fn set_least_precision(&mut self, share: Ratio) {
        self.settings.least_precision = share.as_f64();
    }

    /// Sets another budget, zero counting as one. A lower one takes effect when something is
    /// loaded next.
    pub fn set_budget(&mut self, budget: u64) {
        self.settings.budget = budget.max(1);
    }

    /// Forgets what was named and not asked for yet, as if it had not been loaded; it is not named to
    /// be dropped. What was learned stays. O(what is outstanding).
    pub fn forget(&mut self) {
        for (_, ahead) in self.outstanding.drain() {
            self.guards[ahead.class].withdraw();
            self.stats.failed += 1;
        }
        self.order.clear();
        self.held = 0;
    }

    /// What was loaded ahead and not asked for yet weighs so much; never more than the budget, unless
    /// that was [lowered](Prefetch::set_budget).
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }
}

impl<K: Clone + Eq + Hash> Prefetch<K> {
    /// Notes a request for `key`, which the cache had or had not (`was_held`), and advises what to
    /// load and what to drop. `is_held` says of another key whether the cache has it. O(1),
    /// amortized.
    pub fn request(
        &mut self,
        key: &K,
        was_held: bool,
        mut is_held: impl FnMut(&K) -> bool,
    ) -> Advice<K> {
        self.stats.requests += 1;
        let mut advice = Advice { load: Vec::new(), drop: Vec::new() };
        let was_ahead = self.outstanding.remove(key);
        if let Some(ahead) = was_ahead {
            self.settle(ahead, was_held);
        }
        self.run_out(&mut advice.drop);
        for (before, earlier) in self.last.iter().rev().enumerate() {
            if earlier != key {
                self.successors.followed(earlier, key, before == 0);
            }
        }
        self.stats.replaced = self.successors.replaced;
        if self.last.len() == WINDOW {
            self.last.pop_front();
        }
        self.last.push_back(key.clone());
        for (next, confidence) in self.successors.after(key) {
            if confidence < LEAST_CONFIDENCE
                || next == key
                || self.outstanding.contains_key(next)
                || is_held(next)
            {
                continue;
            }
            self.stats.predicted += 1;
            let class = class_of(confidence);
            if !self.guards[class].admit(self.settings.least_precision) {
                continue;
            }
            let (serial, since) = (self.stats.named, self.stats.requests);
            self.stats.named += 1;
            self.outstanding.insert(next.clone(), Ahead { class, serial, since, weight: None });
            self.order.push_back((next.clone(), serial));
            advice.load.push(next.clone());
        }
        advice
    }

    /// Notes that an advised key was loaded and weighs so much. Answers what has to be dropped to
    /// keep within the budget, which may be this one. Nothing happens to keys that were not advised,
    /// or were asked for meanwhile. O(1), amortized.
    pub fn loaded(&mut self, key: &K, weight: u64) -> Vec<K> {
        let mut dropped = Vec::new();
        let Some(ahead) = self.outstanding.get_mut(key).filter(|ahead| ahead.weight.is_none())
        else {
            return dropped;
        };
        // No more than can be counted, so that what is taken off again is what was added.
        let weight = weight.min(u64::MAX - self.held);
        ahead.weight = Some(weight);
        self.held += weight;
        while self.held > self.settings.budget {
            let Some(oldest) = self.order.pop_front() else { break };
            self.give_up(&oldest, &mut dropped);
        }
        dropped
    }

    /// Notes that an advised key was not loaded. O(1).
    pub fn failed(&mut self, key: &K) {
        let was_named = |ahead: &Ahead| ahead.weight.is_none();
        if self.outstanding.get(key).is_some_and(was_named)
            && let Some(ahead) = self.outstanding.remove(key)
        {
            self.guards[ahead.class].withdraw();
            self.stats.failed += 1;
        }
    }

    /// A request for something that was advised.
    fn settle(&mut self, ahead: Ahead, was_held: bool) {
        self.held -= ahead.weight.unwrap_or(0);
        match ahead.weight {
            // The prediction was right all the same, and a faster origin would make it useful.
            None => {
                self.stats.late += 1;
                self.guards[ahead.class].withdraw();
            }
            Some(_) => {
                let counter = if was_held { &mut self.stats.used } else { &mut self.stats.unused };
                *counter += 1;
                self.guards[ahead.class].learn(was_held);
            }
        }
    }

    /// Gives up what was not asked for in time.
    fn run_out(&mut self, dropped: &mut Vec<K>) {
        while let Some((key, serial)) = self.order.front() {
            let ahead = self.outstanding.get(key).filter(|ahead| ahead.serial == *serial);
            if ahead.is_some_and(|a| self.stats.requests - a.since <= self.settings.patience) {
                return;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.give_up(&oldest, dropped);
            }
        }
    }

    fn give_up(&mut self, (key, serial): &(K, u64), dropped: &mut Vec<K>) {
        if self.outstanding.get(key).is_none_or(|ahead| ahead.serial != *serial) {
            return;
        }
        let Some((key, ahead)) = self.outstanding.remove_entry(key) else { return };
        match ahead.weight {
            None => {
                self.stats.failed += 1;
                self.guards[ahead.class].withdraw();
            }
            Some(weight) => {
                self.held -= weight;
                self.stats.unused += 1;
                self.guards[ahead.class].learn(false);
                dropped.push(key);
            }
        }
    }
}

/// Classes are tenths of confidence.
fn class_of(confidence: f64) -> usize {
    ((confidence - LEAST_CONFIDENCE) * 10.0) as usize % CLASSES
}

/// How many requests after another still follow it.
const WINDOW: usize = 2;
/// What comes less often is no prediction.
const LEAST_CONFIDENCE: f64 = 0.3;
const CLASSES: usize = 8;
const MOST_ROWS: usize = 1 << 24;
const MOST_PATIENCE: u64 = 1_000_000;
