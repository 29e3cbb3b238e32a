//! What a tiered cache is set to, and what one entry may ask for.

use crate::loading::{RefreshAfter, Spawn};
use crate::policy::PolicyKind;
use crate::{CacheBuilder, Cause, LoadFailure, Terms};
use perf_core::{ByteSize, Ratio};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// When values that are put in reach the tiers beyond memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WritePolicy {
    /// Before the call returns.
    #[default]
    Through,
    /// Later, by a thread of the cache, in the order in which they came; of several values of one
    /// key only the latest. Values that find no room are counted and not written, and what the tiers
    /// had for their keys is removed. A crash loses what waits.
    Behind {
        /// How many bytes may wait.
        max_bytes: ByteSize,
        /// How long a value waits at most, unless the tier is slower.
        max_age: Duration,
    },
    /// When memory lets go of them to make room, and not before: the tiers hold what memory does
    /// not. What they had for the key is removed at once.
    Aside,
}

/// Where an entry is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// In all tiers: in memory, and beyond it as the [`WritePolicy`] says.
    #[default]
    Auto,
    /// In memory only.
    Memory,
    /// On disk only. Without a disk it is not kept.
    Disk,
}

impl Strategy {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Auto => "auto",
            Strategy::Memory => "memory",
            Strategy::Disk => "disk",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one entry of a tiered cache may ask for: its [`Terms`], where it is kept, whether it is
/// compressed there. Made of [`Terms`] or of a [`Strategy`] by `into`.
///
/// A time to live that is asked for holds in all tiers. Without one, memory and disk each have
/// their own. An entry with a time to idle is kept in memory only, whatever else is said: a tier
/// that is not asked as long as memory answers cannot know when an entry was last used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TieredTerms {
    pub(super) terms: Terms,
    pub(super) strategy: Strategy,
    pub(super) compress: Option<bool>,
}

impl TieredTerms {
    /// As the cache says.
    #[must_use]
    pub const fn new() -> TieredTerms {
        TieredTerms { terms: Terms::new(), strategy: Strategy::Auto, compress: None }
    }

    /// On these terms.
    #[must_use]
    pub fn terms(mut self, terms: Terms) -> TieredTerms {
        self.terms = terms;
        self
    }

    /// Kept there.
    #[must_use]
    pub const fn strategy(mut self, strategy: Strategy) -> TieredTerms {
        self.strategy = strategy;
        self
    }

    /// Compressed or not, whatever the cache would do, in the tiers beyond memory.
    #[must_use]
    pub const fn compress(mut self, compress: bool) -> TieredTerms {
        self.compress = Some(compress);
        self
    }
}

impl From<Terms> for TieredTerms {
    fn from(terms: Terms) -> TieredTerms {
        TieredTerms::new().terms(terms)
    }
}

impl From<Strategy> for TieredTerms {
    fn from(strategy: Strategy) -> TieredTerms {
        TieredTerms::new().strategy(strategy)
    }
}

pub(super) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u64 + Send + Sync>;
type Told<K, V> = Box<dyn Fn(&K, &V, Cause) + Send + Sync>;
type Hook<K> = Box<dyn Fn(LoadFailure<'_, K>) + Send + Sync>;

/// The memory tier of a tiered cache: the settings of a [`Cache`](crate::Cache) that make sense
/// there, with the same meanings.
#[must_use]
pub struct Memory<K, V> {
    pub(super) max_entries: Option<u64>,
    pub(super) max_bytes: Option<ByteSize>,
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) ttl: Duration,
    jitter: Ratio,
    policy: PolicyKind,
    shards: Option<usize>,
    insight: bool,
    max_tags: Option<usize>,
    pub(super) refresh_after: Option<RefreshAfter>,
    stale_if_error: Duration,
    negative_ttl: Duration,
    soft_timeout: Option<Duration>,
    hard_timeout: Option<Duration>,
    spawner: Option<Arc<dyn Spawn>>,
    on_failure: Option<Hook<K>>,
    pub(super) told: Vec<Told<K, V>>,
}

impl<K, V> Memory<K, V> {
    /// 100 MiB for an hour, until set otherwise.
    pub fn new() -> Memory<K, V> {
        Memory::bytes(ByteSize::mib(100))
    }

    /// At most so many bytes, as the [`weigher`](Memory::weigher) says; without one, as long as the
    /// value is when it is encoded, and what an entry takes beside it.
    pub fn bytes(max: ByteSize) -> Memory<K, V> {
        Memory { max_bytes: Some(max), ..Memory::unbounded() }
    }

    /// At most so many entries.
    pub fn entries(max: u64) -> Memory<K, V> {
        Memory { max_entries: Some(max), ..Memory::unbounded() }
    }

    const fn unbounded() -> Memory<K, V> {
        Memory {
            max_entries: None,
            max_bytes: None,
            weigher: None,
            ttl: Duration::from_secs(3_600),
            jitter: Ratio::ZERO,
            policy: PolicyKind::Adaptive,
            shards: None,
            insight: true,
            max_tags: None,
            refresh_after: None,
            stale_if_error: Duration::ZERO,
            negative_ttl: Duration::ZERO,
            soft_timeout: None,
            hard_timeout: None,
            spawner: None,
            on_failure: None,
            told: Vec::new(),
        }
    }

    /// As [`CacheBuilder::max_entries`].
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.max_entries = Some(entries);
        self
    }

    /// As [`CacheBuilder::max_bytes`].
    pub fn max_bytes(mut self, bytes: ByteSize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// As [`CacheBuilder::weigher`]; what the cache keeps beside key and value is added to it.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// How long entries live in memory that ask for nothing; zero is for ever. One hour if not set.
    #[doc(alias = "ttl")]
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// As [`CacheBuilder::jitter`].
    pub fn jitter(mut self, jitter: Ratio) -> Self {
        self.jitter = jitter;
        self
    }

    /// As [`CacheBuilder::policy`].
    pub fn policy(mut self, policy: PolicyKind) -> Self {
        self.policy = policy;
        self
    }

    /// As [`CacheBuilder::shards`].
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// As [`CacheBuilder::insight`].
    pub fn insight(mut self, insight: bool) -> Self {
        self.insight = insight;
        self
    }

    /// As [`CacheBuilder::max_tags`].
    pub fn max_tags(mut self, tags: usize) -> Self {
        self.max_tags = Some(tags);
        self
    }

    /// As [`CacheBuilder::refresh_after`]; what is renewed is written to all tiers.
    pub fn refresh_after(mut self, after: impl Into<RefreshAfter>) -> Self {
        self.refresh_after = Some(after.into());
        self
    }

    /// As [`CacheBuilder::stale_if_error`], for values that are in memory.
    pub fn stale_if_error(mut self, for_another: Duration) -> Self {
        self.stale_if_error = for_another;
        self
    }

    /// As [`CacheBuilder::negative_ttl`].
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// As [`CacheBuilder::soft_timeout`].
    pub fn soft_timeout(mut self, after: Duration) -> Self {
        self.soft_timeout = Some(after);
        self
    }

    /// As [`CacheBuilder::hard_timeout`].
    pub fn hard_timeout(mut self, after: Duration) -> Self {
        self.hard_timeout = Some(after);
        self
    }

    /// As [`CacheBuilder::spawner`]: gives time-outs to asynchronous callers.
    pub fn spawner(mut self, spawner: impl Spawn + 'static) -> Self {
        self.spawner = Some(Arc::new(spawner));
        self
    }

    /// As [`CacheBuilder::on_load_failure`].
    pub fn on_load_failure(
        mut self,
        hook: impl Fn(LoadFailure<'_, K>) + Send + Sync + 'static,
    ) -> Self {
        self.on_failure = Some(Box::new(hook));
        self
    }

    /// As [`CacheBuilder::on_eviction`]: told of what leaves memory, which may stay in other tiers.
    pub fn on_eviction(mut self, told: impl Fn(&K, &V, Cause) + Send + Sync + 'static) -> Self {
        self.told.push(Box::new(told));
        self
    }

    /// Hands the settings on that do not depend on what is held.
    pub(super) fn apply<H>(&mut self, mut builder: CacheBuilder<K, H>) -> CacheBuilder<K, H>
    where
        K: 'static,
    {
        builder = builder
            .time_to_live(self.ttl)
            .jitter(self.jitter)
            .policy(self.policy)
            .insight(self.insight)
            .stale_if_error(self.stale_if_error)
            .negative_ttl(self.negative_ttl);
        if let Some(entries) = self.max_entries {
            builder = builder.max_entries(entries);
        }
        if let Some(bytes) = self.max_bytes {
            builder = builder.max_bytes(bytes);
        }
        if let Some(shards) = self.shards {
            builder = builder.shards(shards);
        }
        if let Some(tags) = self.max_tags {
            builder = builder.max_tags(tags);
        }
        if let Some(after) = self.refresh_after {
            builder = builder.refresh_after(after);
        }
        if let Some(after) = self.soft_timeout {
            builder = builder.soft_timeout(after);
        }
        if let Some(after) = self.hard_timeout {
            builder = builder.hard_timeout(after);
        }
        if let Some(spawner) = self.spawner.take() {
            builder.loading.spawner = Some(spawner);
        }
        if let Some(hook) = self.on_failure.take() {
            builder = builder.on_load_failure(hook);
        }
        builder
    }
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Memory<K, V> {
        Memory::new()
    }
}

impl<K, V> fmt::Debug for Memory<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("max_entries", &self.max_entries)
            .field("max_bytes", &self.max_bytes)
            .field("time_to_live", &self.ttl)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
