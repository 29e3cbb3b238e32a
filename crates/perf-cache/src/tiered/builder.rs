//! How a tiered cache is made.

use super::TieredCache;
use super::behind::Behind;
use super::close::{self, CloseReport, Closing, Hook};
use super::component::Defaults;
use super::generations::{Generations, RecordName};
use super::held::{Held, Sealer, Sealing};
use super::inner::{Core, Loads, Overflow, TextOf, millis};
use super::options::{Memory, WritePolicy};
use super::outer::{Guarding, Outer};
use super::outside::{Outside, Parts};
use super::pool::Pool;
use super::promise::block_on;
use super::stats::Baseline;
use super::tier::{DiskTier, OuterTier, TierError};
use crate::codec::{Codec, Compression};
use crate::disk::{DiskError, DiskStore, LogStore, LogStoreBuilder};
use crate::{Cache, CacheKey, Cause, ConfigError, KeyText};
use perf_core::{ByteSize, Clock};
use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

/// What becomes of a read that needs a thread that may wait, when there are as many as may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenBusy {
    /// It finds nothing, which is counted: the loader runs.
    #[default]
    Miss,
    /// It waits for a place.
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

/// Makes a [`TieredCache`].
///
/// Memory for 100 MiB and an hour if nothing else is said; a disk if one is given, for a day. A cache
/// with any tier beyond memory needs a [`codec`](TieredCacheBuilder::codec), and so does one whose
/// memory is bounded in bytes without a [weigher](Memory::weigher).
#[must_use]
pub struct TieredCacheBuilder<K, V> {
    name: String,
    memory: Option<Memory<K, V>>,
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
}

impl<K, V> TieredCacheBuilder<K, V> {
    pub(super) fn new() -> TieredCacheBuilder<K, V> {
        TieredCacheBuilder {
            name: "cache".to_owned(),
            memory: Some(Memory::new()),
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
                self.memory = Some(Memory::bytes(ByteSize::mib(16)).time_to_live(minutes(10)));
                self.disk_bytes = ByteSize::mib(128);
                self.write = WritePolicy::Through;
            }
            Preset::Web => {
                let memory = Memory::bytes(ByteSize::mib(256))
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
                self.memory = Some(Memory::new());
                self.disk_bytes = ByteSize::gib(10);
                self.outer_ttl = minutes(7 * 24 * 60);
                self.write = WritePolicy::Through;
            }
        }
        self
    }

    /// The memory tier. 100 MiB for an hour if not set.
    pub fn memory(mut self, memory: Memory<K, V>) -> Self {
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

    /// How long [`close`](TieredCache::close), or dropping the last handle, may take. Ten seconds if
    /// not set.
    pub fn close_within(mut self, time: Duration) -> Self {
        self.close_within = time;
        self
    }

    /// Is told the report when the cache is closed, also where that is by dropping its last handle.
    pub fn on_close(mut self, told: impl FnOnce(&CloseReport) + Send + 'static) -> Self {
        self.on_close = Some(Box::new(told));
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if there is no tier at all, tiers beyond memory without a codec, a bound on
    /// bytes of memory with neither codec nor weigher, a number or a time that is zero, a compression
    /// that is not built in, and for what [`CacheBuilder::build`](crate::CacheBuilder::build) refuses.
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |setting, value: &dyn fmt::Display, remedy: &'static str| {
            Err(ConfigError::new(setting, value, remedy))
        };
        let is_alone = self.tiers.is_empty() && self.log.is_none();
        if self.memory.is_none() && is_alone {
            return refuse("memory", &"absent", "give it memory, another tier, or both");
        }
        if !is_alone && self.codec.is_none() {
            return refuse(
                "codec",
                &"absent",
                "tiers beyond memory need one: `RawBytes`, `Postcard`",
            );
        }
        if let Some(memory) = &self.memory
            && memory.max_bytes.is_some()
            && memory.weigher.is_none()
            && self.codec.is_none()
        {
            let remedy = "to count bytes it needs a codec, or a weigher in `memory`";
            return refuse("codec", &"absent", remedy);
        }
        if self.threads == 0 {
            return refuse("threads", &0, "use 1 or more");
        }
        if self.max_waiting == 0 {
            return refuse("max_waiting", &0, "use 1 or more");
        }
        if self.max_tags < 2 {
            return refuse("max_tags", &self.max_tags, "use 2 or more");
        }
        if self.guarding.deadline.is_zero() {
            return refuse("deadline", &"zero", "give tiers some time");
        }
        if let WritePolicy::Behind { max_bytes, .. } = self.write
            && max_bytes.as_u64() == 0
        {
            return refuse("max_bytes", &0, "write through, or let some bytes wait");
        }
        Ok(())
    }
}

impl<K, V> TieredCacheBuilder<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Makes the cache, and reads from the tiers beyond memory what was invalidated before: some 260
    /// small reads for each. If they cannot be read, nothing that is older is answered.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no tier at all, tiers beyond memory without a codec, a bound on
    /// bytes of memory with neither codec nor weigher, a number or a time that is zero, a compression
    /// that is not built in, and for what [`CacheBuilder::build`](crate::CacheBuilder::build) refuses;
    /// [`DiskError`] if the disk cannot be opened.
    pub fn build(mut self) -> Result<TieredCache<K, V>, BuildError> {
        self.check()?;
        let sealer = match self.codec.take() {
            Some(codec) => Some(Arc::new(Sealer::new(Sealing {
                codec,
                compression: self.compression,
                level: self.level,
                #[cfg(feature = "crypto")]
                keys: self.keys.take(),
                namespace: self.namespace.clone(),
            })?)),
            None => None,
        };
        let outside = self.outside()?;
        let text = Arc::new(OnceLock::new());
        if let Some(of) = self.text {
            let _ = text.set(of);
        }
        let has_memory = self.memory.is_some();
        let mut memory = self.memory.take().unwrap_or_else(|| Memory::entries(1).insight(false));
        let (weigher, refresh_after) = (memory.weigher.take(), memory.refresh_after);
        let mut builder = Cache::<K, Held<V>>::builder().name(self.name).clock(self.clock.clone());
        builder = memory.apply(builder);
        builder = builder.weigher(|_, held: &Held<V>| held.stamp.weight);
        builder.declared.text = self.text;
        if let Some(sealer) = &sealer
            && !outside.outers.is_empty()
            && has_memory
        {
            let overflow = Arc::new(Overflow {
                outside: Arc::clone(&outside),
                sealer: Arc::clone(sealer),
                text: Arc::clone(&text),
                clock: self.clock.clone(),
            });
            let leaves = Arc::clone(&outside);
            let told = move |held: &Held<V>| leaves.leaves(held.stamp.hash);
            builder.listeners.set_on_making_room(told);
            builder = builder.on_eviction(move |key, held: &Held<V>, cause| {
                overflow.take_over(key, held, cause)
            });
        }
        for told in std::mem::take(&mut memory.told) {
            let tell = move |key: &K, held: &Held<V>, cause: Cause| told(key, &held.value, cause);
            builder = builder.on_eviction(tell);
        }
        let memory = builder.build()?;
        if !close::start(&outside) {
            let remedy = "the system gives no thread to write behind, write through";
            return Err(ConfigError::new("write", "behind", remedy).into());
        }
        let core = Core {
            memory,
            has_memory,
            weigher,
            sealer,
            write: self.write,
            outer_ttl: AtomicU64::new(millis(self.outer_ttl)),
            refresh_after,
            text,
            loads: Loads::default(),
            closing: Closing::new(self.close_within, self.on_close.take()),
            baseline: Baseline::new(&outside, self.clock.now()),
            defaults: Defaults {
                disk_bytes: outside.outers.first().map_or(0, |outer| outer.tier.usage().max_bytes),
                behind_bytes: match self.write {
                    WritePolicy::Behind { max_bytes, .. } => max_bytes.as_u64(),
                    WritePolicy::Through | WritePolicy::Aside => 0,
                },
            },
            turning: Mutex::default(),
            outside,
            clock: self.clock,
        };
        Ok(TieredCache { core: Arc::new(core) })
    }

    fn outside(&mut self) -> Result<Arc<Outside>, BuildError> {
        if let Some(log) = self.log.take() {
            let store = log.clock(self.clock.clone()).open().map_err(BuildError::Disk)?;
            self.tiers.insert(0, Arc::new(DiskTier::prompt(Arc::new(store))));
        }
        let outers = std::mem::take(&mut self.tiers).into_iter();
        let outers = outers.map(|tier| Outer::new(tier, self.guarding, self.clock.clone()));
        let limits = match self.write {
            WritePolicy::Behind { max_bytes, max_age } => Some((max_bytes.as_u64(), max_age)),
            WritePolicy::Through | WritePolicy::Aside => None,
        };
        let outside = Outside::new(Parts {
            outers: outers.collect::<Result<_, _>>()?,
            generations: Generations::new(self.max_tags, MAX_PATTERNS),
            pool: Pool::new(self.threads, self.max_waiting),
            behind: Behind::new(limits),
            records: Sealer::<V>::record_prefix(&self.namespace),
            waits_when_busy: self.when_busy == WhenBusy::Wait,
            clock: self.clock.clone(),
        });
        let outside = Arc::new(outside);
        recover(&outside);
        Ok(outside)
    }
}

/// Reads what was invalidated before.
fn recover(outside: &Arc<Outside>) {
    let mut bytes = Vec::new();
    for outer in &outside.outers {
        let damaged = || outer.call(None, |tier| Ok(tier.usage().corrupt)).unwrap_or_default();
        let before = damaged();
        for name in RecordName::all() {
            bytes.clear();
            let key = outside.record_key(name);
            let found: Result<bool, TierError> =
                outer.call(None, |tier| tier.get(&key, &mut bytes));
            match found {
                Ok(true) => outside.generations.recover(name, &bytes),
                Ok(false) => {}
                // As one that cannot be read.
                Err(_) => outside.generations.recover(name, &[]),
            }
        }
        // It answers that a damaged one is missing.
        if damaged() > before {
            outside.generations.recover(RecordName::Floor, &[]);
        }
    }
    let wall = outside.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // More than a million numbers for each millisecond are not given out.
    let at_least = millis(wall).saturating_mul(1 << 20);
    if let Some(record) = outside.generations.recovered(at_least) {
        for begun in outside.queue_records(vec![record]) {
            // Where it cannot be kept it is when the tier is well.
            let _ = block_on(outside.carry(begun));
        }
    }
}

/// Names and patterns that are remembered.
const MAX_PATTERNS: usize = 256;

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
