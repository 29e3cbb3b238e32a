//! How a tiered cache is made.

mod build;

use super::close::{CloseReport, Hook};
use super::inner::TextOf;
use super::news::{Notice, Told};
use super::options::WritePolicy;
use super::outer::Guarding;
use super::tier::{DiskTier, OuterTier};
use crate::codec::{Codec, Compression};
use crate::disk::{DiskError, DiskStore, LogStore, LogStoreBuilder};
use crate::{Cache, CacheBuilder, ConfigError, KeyText};
use perf_core::{ByteSize, Clock};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What becomes of a read that needs a thread that may wait, when there are as many as may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenBusy {
    /// It finds nothing, which is counted: the loader runs.
    #[default]
    Miss,
    /// It waits for a place, at most for the deadline of the tier; then it finds nothing, which is
    /// counted.
    Wait,
}

/// Why a tiered cache was not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting cannot be.
    Config(ConfigError),
    /// The disk cannot be opened.
    Disk(DiskError),
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> BuildError {
        BuildError::Config(error)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Config(error) => error.fmt(f),
            BuildError::Disk(error) => error.fmt(f),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Config(error) => error.source(),
            BuildError::Disk(error) => error.source(),
        }
    }
}

/// Settings that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// For a tool or a small service: 16 MiB of memory for ten minutes, 128 MiB of disk for a day,
    /// written through.
    Small,
    /// For pages and answers of services: 256 MiB of memory for ten minutes, 4 GiB of disk for an
    /// hour, written behind from up to 16 MiB, renewed after four fifths of their time, kept for
    /// another ten minutes if the origin fails.
    Web,
    /// For results that are dear: 100 MiB of memory for an hour, 10 GiB of disk for a week, written
    /// through.
    Workflow,
}

/// Makes a [`TieredCache`](crate::TieredCache).
///
/// Memory for 100 MiB and an hour if nothing else is said; a disk if one is given, for a day. A cache
/// with any tier beyond memory needs a [`codec`](TieredCacheBuilder::codec), and so does one whose
/// memory is bounded in bytes without a [weigher](CacheBuilder::weigher).
#[must_use]
pub struct TieredCacheBuilder<K, V> {
    name: String,
    memory: Option<CacheBuilder<K, V>>,
    log: Option<LogStoreBuilder>,
    disk_bytes: ByteSize,
    tiers: Vec<Arc<dyn OuterTier>>,
    codec: Option<Arc<dyn Codec<V>>>,
    compression: Compression,
    level: Option<i32>,
    #[cfg(feature = "crypto")]
    keys: Option<crate::codec::KeyRing>,
    namespace: String,
    write: WritePolicy,
    chooses: bool,
    outer_ttl: Duration,
    guarding: Guarding,
    threads: usize,
    max_waiting: usize,
    when_busy: WhenBusy,
    clock: Clock,
    text: Option<TextOf<K>>,
    max_tags: usize,
    close_within: Duration,
    on_close: Option<Hook>,
    on_change: Option<Told<K>>,
    lease: Option<Duration>,
    #[cfg(feature = "cdn")]
    purging: Option<super::purging::Purging<K>>,
}

impl<K, V> TieredCacheBuilder<K, V> {
    pub(super) fn new() -> TieredCacheBuilder<K, V> {
        TieredCacheBuilder {
            name: "cache".to_owned(),
            memory: Some(usual_memory()),
            log: None,
            disk_bytes: ByteSize::mib(1_000),
            tiers: Vec::new(),
            codec: None,
            compression: Compression::Auto,
            level: None,
            #[cfg(feature = "crypto")]
            keys: None,
            namespace: String::new(),
            write: WritePolicy::Through,
            chooses: true,
            outer_ttl: Duration::from_secs(86_400),
            guarding: Guarding {
                deadline: Duration::from_millis(500),
                open_for: Duration::from_secs(5),
            },
            threads: 4,
            max_waiting: 1_024,
            when_busy: WhenBusy::Miss,
            clock: Clock::system(),
            text: None,
            max_tags: 65_536,
            close_within: Duration::from_secs(10),
            on_close: None,
            on_change: None,
            lease: None,
            #[cfg(feature = "cdn")]
            purging: None,
        }
    }

    /// What the cache is called where several are shown. `cache` if not set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Settings that go together; later calls change single ones.
    pub fn preset(mut self, preset: Preset) -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        match preset {
            Preset::Small => {
                let memory = Cache::builder().max_bytes(ByteSize::mib(16));
                self.memory = Some(memory.time_to_live(minutes(10)));
                self.disk_bytes = ByteSize::mib(128);
                self.write = WritePolicy::Through;
            }
            Preset::Web => {
                let memory = Cache::builder()
                    .max_bytes(ByteSize::mib(256))
                    .time_to_live(minutes(10))
                    .refresh_after(minutes(8))
                    .stale_if_error(minutes(10));
                self.memory = Some(memory);
                self.disk_bytes = ByteSize::gib(4);
                self.outer_ttl = minutes(60);
                let (max_bytes, max_age) = (ByteSize::mib(16), Duration::from_secs(1));
                self.write = WritePolicy::Behind { max_bytes, max_age };
            }
            Preset::Workflow => {
                self.memory = Some(usual_memory());
                self.disk_bytes = ByteSize::gib(10);
                self.outer_ttl = minutes(7 * 24 * 60);
                self.write = WritePolicy::Through;
            }
        }
        self
    }

    /// The memory tier, by the settings of a [`Cache`]; 100 MiB for an hour if not set. Name and clock
    /// are those of this cache.
    ///
    /// Where [bytes](CacheBuilder::max_bytes) are bounded, an entry weighs as much as its value has
    /// when it is encoded unless there is a [weigher](CacheBuilder::weigher), and what the cache
    /// keeps beside it in any case. The times to live and to idle say how long *memory* keeps an entry
    /// that asks for nothing: what ends there may be found beyond, and it never ends there later.
    /// [Rules](CacheBuilder::expiry) for lives are for memory alone. Listeners are told of what
    /// leaves memory, wherever else it stays; of what [other processes](super::SharedTier) ended by the
    /// thread that takes that in, for which they must not wait for this cache.
    pub fn memory(mut self, memory: CacheBuilder<K, V>) -> Self {
        self.memory = Some(memory);
        self
    }

    /// No memory tier: every read goes to the next one.
    pub fn without_memory(mut self) -> Self {
        self.memory = None;
        self
    }

    /// A disk tier: the `log` store in a directory of its own, which is made if it is not there.
    pub fn disk_at(mut self, directory: impl Into<PathBuf>) -> Self {
        self.log = Some(LogStore::builder(directory).max_bytes(self.disk_bytes));
        self
    }

    /// How much the disk tier of [`disk_at`](TieredCacheBuilder::disk_at) may take. 1 000 MiB if not
    /// set.
    pub fn disk_max_bytes(mut self, bytes: ByteSize) -> Self {
        self.disk_bytes = bytes;
        self.log = self.log.map(|log| log.max_bytes(bytes));
        self
    }

    /// The same with all that can be said of the store; it gets the clock of the cache. Opened by
    /// [`build`](TieredCacheBuilder::build).
    pub fn disk_log(mut self, store: LogStoreBuilder) -> Self {
        self.log = Some(store);
        self
    }

    /// A disk tier over any store; writes run on threads that may wait.
    pub fn disk(self, store: Arc<dyn DiskStore>) -> Self {
        self.tier(Arc::new(DiskTier::new(store)))
    }

    /// Another tier beyond those that were given before.
    pub fn tier(mut self, tier: Arc<dyn OuterTier>) -> Self {
        self.tiers.push(tier);
        self
    }

    /// How values become bytes.
    pub fn codec(mut self, codec: impl Codec<V> + 'static) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// How values are compressed beyond memory. [`Compression::Auto`] if not set.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// How hard they are compressed; see [`PipelineBuilder::level`](crate::codec::PipelineBuilder).
    pub fn compression_level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// Encrypts what leaves memory. Patterns of invalidations are stored as they are.
    #[cfg(feature = "crypto")]
    pub fn keys(mut self, keys: crate::codec::KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Keeps what this cache stores apart from what others store in the same place. Empty if not
    /// set.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// When values reach the tiers beyond memory. [`WritePolicy::Through`] if not set.
    pub fn write(mut self, policy: WritePolicy) -> Self {
        self.write = policy;
        self
    }

    /// Whether [`Strategy::Auto`](super::Strategy) leaves out tiers that are not worth it, by
    /// [rules](super#where-an-entry-is-kept); else it is all tiers. It does if not set.
    pub fn choose_tiers(mut self, chooses: bool) -> Self {
        self.chooses = chooses;
        self
    }

    /// How long entries live beyond memory that ask for nothing; zero is for ever. A day if not set.
    pub fn disk_time_to_live(mut self, ttl: Duration) -> Self {
        self.outer_ttl = ttl;
        self
    }

    /// How long a call waits for a tier beyond memory before it goes on without it. 500 ms if not
    /// set. The first call that does opens the circuit breaker of the tier, and those that follow
    /// pass by.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.guarding.deadline = deadline;
        self
    }

    /// How long a tier that has failed is passed by before it is tried again. Five seconds if not
    /// set.
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.guarding.open_for = time;
        self
    }

    /// How many threads may wait for tiers. They are started when they are needed. Four if not set.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many calls may wait for one of these threads, and what becomes of reads beyond that. 1 024
    /// and [`WhenBusy::Miss`] if not set.
    pub fn max_waiting(mut self, calls: usize, when_busy: WhenBusy) -> Self {
        self.max_waiting = calls;
        self.when_busy = when_busy;
        self
    }

    /// Where the time comes from. The system if not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Lets the cache know from the start how its keys become text. Without it, what was stored
    /// before a pattern or a namespace was invalidated is not answered until an invalidation of that
    /// kind is made by this process.
    pub fn key_text(mut self) -> Self
    where
        K: KeyText,
    {
        self.text = Some(K::key_text);
        self
    }

    /// How many tags are remembered as invalidated. Beyond that those invalidated longest ago make
    /// way, and every tag that is not remembered counts as invalidated with the last of them. 65 536
    /// if not set.
    pub fn max_tags(mut self, tags: usize) -> Self {
        self.max_tags = tags;
        self
    }

    /// Tells a content delivery network what callers change, where its answers are made of this
    /// cache. `urls` names those in which a key is found, and is called with each key that is
    /// inserted or removed; tags are purged as tags; an invalidation by namespace, pattern or
    /// dependency, and [`clear`](crate::TieredCache::clear), purges all.
    ///
    /// That happens when the change holds in all tiers, or could not be made in one. What is loaded
    /// purges nothing, nor what another process changes in a tier that both share: that one tells.
    #[cfg(feature = "cdn")]
    pub fn purge<I: IntoIterator<Item = String>>(
        mut self,
        purger: Arc<crate::cdn::Purger>,
        urls: impl Fn(&K) -> I + Send + Sync + 'static,
    ) -> Self {
        self.purging = Some(super::purging::Purging::new(purger, urls));
        self
    }

    /// How long [`close`](crate::TieredCache::close), or dropping the last handle, may take. Ten
    /// seconds if not set.
    pub fn close_within(mut self, time: Duration) -> Self {
        self.close_within = time;
        self
    }

    /// Is told the report when the cache is closed, also where that is by dropping its last handle.
    pub fn on_close(mut self, told: impl FnOnce(&CloseReport) + Send + 'static) -> Self {
        self.on_close = Some(Box::new(told));
        self
    }

    /// Is told of what other processes change in a [tier that they share](super::SharedTier) with this
    /// cache: for whoever keeps something near of what the cache answers. When it is told the change
    /// holds here. What this process changes itself it is not told of.
    ///
    /// It is called by the thread that takes changes in, one call after the other, and those that
    /// follow wait for it: it should be short, and must not wait for this cache. A panic of it is
    /// counted.
    pub fn on_change(mut self, told: impl Fn(&Notice<'_, K>) + Send + Sync + 'static) -> Self {
        self.on_change = Some(Arc::new(told));
        self
    }

    /// Of all processes that share a tier, lets one at a time load a key that is missing, for so long
    /// at most; the others look for what it stores. When it has failed or stored nothing, the next one
    /// loads, and when that time is over everybody who waits does. It costs two calls of the tier
    /// before each load, and one after it for which nobody waits. A hint, and no more: where the tier
    /// does not answer everybody loads. [Written behind](super::WritePolicy::Behind), it is over with
    /// its time only. Off if not set; some times as long as a load takes is a good time.
    pub fn single_flight_lease(mut self, time: Duration) -> Self {
        self.lease = Some(time);
        self
    }
}

impl<K, V> fmt::Debug for TieredCacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredCacheBuilder")
            .field("name", &self.name)
            .field("memory", &self.memory)
            .field("disk", &self.log)
            .field("tiers", &self.tiers)
            .field("codec", &self.codec)
            .field("compression", &self.compression)
            .field("write", &self.write)
            .finish_non_exhaustive()
    }
}

fn usual_memory<K, V>() -> CacheBuilder<K, V> {
    Cache::builder().max_bytes(ByteSize::mib(100)).time_to_live(Duration::from_secs(3_600))
}
