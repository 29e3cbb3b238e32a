//! The settings of a cache that lifetimes come from, and how an entry gets its own.

use super::{Expiry, Life, Lifetimes, deadline_of, remaining};
use crate::entry::Extra;
use crate::inner::Inner;
use crate::learning::{AdaptiveTtlBuilder, Learned, LearnedRule, LearnedTtl};
use crate::metadata::Usage;
use crate::{Cache, CacheBuilder, ConfigError, Terms};
use perf_core::{Clock, Instant};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// What a builder was told, beside the time to live.
pub(crate) struct ExpirySettings<K, V> {
    idle: Duration,
    rule: Option<Rule<K, V>>,
    pub(crate) tracks_entries: bool,
}

enum Rule<K, V> {
    Custom(Box<dyn Expiry<K, V>>),
    Learned(LearnedRule<K, V>),
}

/// What is learned of lives, and what was asked for when the cache was built.
pub(crate) struct LearnedLives {
    pub(crate) learned: Arc<dyn Learned>,
    pub(crate) default_share: f64,
    /// When it began.
    pub(crate) since: Instant,
}

impl<K, V> ExpirySettings<K, V> {
    pub(crate) const fn new() -> ExpirySettings<K, V> {
        ExpirySettings { idle: Duration::ZERO, rule: None, tracks_entries: false }
    }

    #[cfg(feature = "tiered")]
    pub(crate) const fn has_rule(&self) -> bool {
        self.rule.is_some()
    }

    /// The same for a cache of something else.
    #[cfg(feature = "tiered")]
    pub(crate) fn with_custom<H>(
        self,
        custom: impl FnOnce(Box<dyn Expiry<K, V>>) -> Box<dyn Expiry<K, H>> + Send + Sync + 'static,
    ) -> ExpirySettings<K, H>
    where
        K: 'static,
        V: 'static,
    {
        let ExpirySettings { idle, rule, tracks_entries } = self;
        let rule = rule.map(|rule| match rule {
            Rule::Custom(own) => Rule::Custom(custom(own)),
            Rule::Learned(own) => Rule::Learned(own.with(custom)),
        });
        ExpirySettings { idle, rule, tracks_entries }
    }

    /// With the clock of the cache, and as many keys as it may hold.
    ///
    /// # Errors
    ///
    /// What was wrong with the settings of learned lives.
    pub(crate) fn lifetimes(
        self,
        (ttl, jitter): (Duration, f64),
        clock: &Clock,
        entries: Option<u64>,
    ) -> Result<(Lifetimes<K, V>, Option<LearnedLives>), ConfigError> {
        let (custom, learned) = match self.rule {
            None => (None, None),
            Some(Rule::Custom(custom)) => (Some(custom), None),
            Some(Rule::Learned(rule)) => {
                // Twice as many places as keys, since those that meet in one forget each other.
                let keys = entries.unwrap_or(MOST_LEARNED).saturating_mul(2);
                let keys = keys.clamp(LEAST_LEARNED, MOST_LEARNED) as usize;
                let (custom, learned) = rule.make(clock.clone(), keys)?;
                let default_share = learned.read().stale_share.as_f64();
                let since = clock.now();
                (Some(custom), Some(LearnedLives { learned, default_share, since }))
            }
        };
        Ok((Lifetimes::new(ttl, self.idle, jitter, custom), learned))
    }
}

/// Keys whose values are remembered to learn from, 40 bytes each.
const LEAST_LEARNED: u64 = 1 << 10;
const MOST_LEARNED: u64 = 1 << 20;

impl<K, V, S> CacheBuilder<K, V, S> {
    /// How long entries live after they were last read, or came in, if their terms say nothing
    /// else. Zero, the default: for as long as they live.
    ///
    /// Reads are noted with the coarse clock, so an entry may idle up to two of its ticks less,
    /// never more. Costs each entry an allocation of some 100 bytes, and each read of it a look at
    /// the coarse clock.
    #[doc(alias = "tti")]
    pub fn time_to_idle(mut self, idle: Duration) -> Self {
        self.expiry.idle = idle;
        self
    }

    /// Asks this how long an entry lives, from its key and value, unless its terms say so.
    ///
    /// ```
    /// use perf_cache::{Cache, Expiry};
    /// use std::time::Duration;
    ///
    /// /// Errors are worth a second, answers a minute.
    /// struct ByStatus;
    ///
    /// impl Expiry<String, u16> for ByStatus {
    ///     fn on_create(&self, _: &String, status: &u16) -> Option<Duration> {
    ///         Some(Duration::from_secs(if *status >= 400 { 1 } else { 60 }))
    ///     }
    /// }
    /// let cache: Cache<String, u16> =
    ///     Cache::builder().max_entries(100).expiry(ByStatus).build()?;
    /// cache.insert("/missing".into(), 404);
    /// let left = cache.entry_info("/missing").unwrap().time_to_live.unwrap();
    /// assert!(left <= Duration::from_secs(1));
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    pub fn expiry(mut self, expiry: impl Expiry<K, V> + 'static) -> Self {
        self.expiry.rule = Some(Rule::Custom(Box::new(expiry)));
        self
    }

    /// Finds out how long values live, from how often loads find them changed, so that no more than
    /// a share of all answers is stale and as little as possible is loaded; see
    /// [`AdaptiveTtl`](crate::learning::AdaptiveTtl). Takes the place of an
    /// [`expiry`](CacheBuilder::expiry).
    ///
    /// `class_of` answers the class of a key: those that change about equally often belong together,
    /// and the more classes differ, the more is gained. A hash of the value of each key is kept, 40
    /// bytes for each of twice as many keys as the cache may have entries, at most 1 048 576.
    ///
    /// ```
    /// use perf_cache::Cache;
    /// use perf_cache::learning::AdaptiveTtl;
    /// use perf_core::{Clock, Ratio};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let cache: Cache<String, String> = Cache::builder()
    ///     .max_entries(10_000)
    ///     .clock(clock)
    ///     .adaptive_ttl(AdaptiveTtl::builder(Ratio::new(0.05)?), |key: &String| {
    ///         u64::from(key.starts_with("users:"))
    ///     })
    ///     .build()?;
    /// for _ in 0..500 {
    ///     cache.get_with("users:7".to_owned(), || "ann".to_owned());
    ///     hand.advance(Duration::from_secs(2));
    /// }
    /// let learned = cache.learned_ttl().unwrap();
    /// assert!(learned.classes[0].time_to_live > Duration::from_secs(10), "it never changed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn adaptive_ttl(
        mut self,
        settings: AdaptiveTtlBuilder,
        class_of: impl Fn(&K) -> u64 + Send + Sync + 'static,
    ) -> Self
    where
        K: Hash,
        V: Hash,
    {
        self.expiry.rule = Some(Rule::Learned(LearnedRule::new(settings.build(), class_of)));
        self
    }

    /// Keeps account of when each entry came in and how often it was read, for
    /// [`entry_info`](Cache::entry_info) and [`hottest`](Cache::hottest). Off if not set.
    ///
    /// Costs each entry an allocation of some 100 bytes, and each hit a write to a count that all
    /// threads share: reads of one key no longer scale.
    pub fn track_entries(mut self, track: bool) -> Self {
        self.expiry.tracks_entries = track;
        self
    }
}

impl<K, V, S> Cache<K, V, S> {
    /// What was learned of the lives of values, `None` without
    /// [`adaptive_ttl`](CacheBuilder::adaptive_ttl). O(classes).
    #[must_use]
    pub fn learned_ttl(&self) -> Option<LearnedTtl> {
        self.inner.learned.as_ref().map(|lives| lives.learned.read())
    }

    /// How long entries live after they were last read, if they came in without terms that say so;
    /// `None` for as long as they live.
    #[must_use]
    pub fn time_to_idle(&self) -> Option<Duration> {
        self.inner.lifetimes.time_to_idle()
    }

    /// Sets the time to idle of entries that come in from now on; zero or `None`: for as long as
    /// they live. Entries that are there keep theirs.
    pub fn set_time_to_idle(&self, idle: Option<Duration>) {
        self.inner.lifetimes.set_time_to_idle(idle.unwrap_or_default());
    }
}

/// How a new entry begins.
#[derive(Debug)]
pub(crate) struct Begins {
    /// See [`crate::entry::Entry::look_at`].
    pub(crate) look_at: u64,
    pub(crate) extra: Option<Box<Extra>>,
}

impl Begins {
    /// What only some entries have. The life of one that had no extra before goes on as it was.
    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        let life = || Life::until(self.look_at);
        self.extra.get_or_insert_with(|| Box::new(Extra { life: life(), ..Extra::default() }))
    }
}

impl<K: Eq, V> Inner<K, V> {
    /// How an entry begins that is to come in now; `None` if it must not come in. Runs code of the
    /// caller: not under a lock.
    pub(crate) fn begin_entry(
        &self,
        hash: u64,
        key: &K,
        value: &V,
        terms: &Terms,
    ) -> Option<Begins> {
        let replaces = || {
            self.peek(hash, key, |old| {
                let life = old.extra.as_ref().map(|extra| &extra.life);
                remaining(deadline_of(old.look_at(), life), &self.clock)
            })
        };
        let replaces = self.lifetimes.asks_on_update().then(replaces).flatten();
        let begins = self.lifetimes.begin(key, value, terms, replaces, hash, &self.clock)?;
        let usage = if self.tracks_entries {
            Some(Usage::new(self.clock.now().as_nanos().max(1), terms.is_compressed()))
        } else {
            terms.is_compressed().then(|| Usage::new(0, true))
        };
        let extra = begins.life.map(|life| Box::new(Extra { life, ..Extra::default() }));
        let mut begins = Begins { look_at: begins.look_at, extra };
        if let Some(usage) = usage {
            begins.extra_mut().usage = usage;
        }
        Some(begins)
    }
}

impl<K, V> fmt::Debug for ExpirySettings<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpirySettings")
            .field("time_to_idle", &self.idle)
            .field("rule", &self.rule.is_some())
            .field("tracks_entries", &self.tracks_entries)
            .finish()
    }
}
