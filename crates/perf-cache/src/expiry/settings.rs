//! The settings of a cache that lifetimes come from, and how an entry gets its own.

use super::{Expiry, Life, Lifetimes, deadline_of, remaining};
use crate::entry::Extra;
use crate::inner::Inner;
use crate::metadata::Usage;
use crate::{Cache, CacheBuilder, Terms};
use std::fmt;
use std::time::Duration;

/// What a builder was told, beside the time to live.
pub(crate) struct ExpirySettings<K, V> {
    idle: Duration,
    custom: Option<Box<dyn Expiry<K, V>>>,
    pub(crate) tracks_entries: bool,
}

impl<K, V> ExpirySettings<K, V> {
    pub(crate) const fn new() -> ExpirySettings<K, V> {
        ExpirySettings { idle: Duration::ZERO, custom: None, tracks_entries: false }
    }

    #[cfg(feature = "tiered")]
    pub(crate) const fn has_rule(&self) -> bool {
        self.custom.is_some()
    }

    /// The same for a cache of something else.
    #[cfg(feature = "tiered")]
    pub(crate) fn with_custom<H>(
        self,
        custom: impl FnOnce(Box<dyn Expiry<K, V>>) -> Box<dyn Expiry<K, H>>,
    ) -> ExpirySettings<K, H> {
        let ExpirySettings { idle, custom: own, tracks_entries } = self;
        ExpirySettings { idle, custom: own.map(custom), tracks_entries }
    }

    pub(crate) fn lifetimes(self, ttl: Duration, jitter: f64) -> Lifetimes<K, V> {
        Lifetimes::new(ttl, self.idle, jitter, self.custom)
    }
}

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
        self.expiry.custom = Some(Box::new(expiry));
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
            .field("custom", &self.custom.is_some())
            .field("tracks_entries", &self.tracks_entries)
            .finish()
    }
}
