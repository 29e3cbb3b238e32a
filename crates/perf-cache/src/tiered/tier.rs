//! What a tier beyond memory has to be able to do, and the disk as one.

use super::options::TierKind;
use super::shared::SharedTier;
use crate::disk::{DiskError, DiskStore, Put, PutTerms, RefusedBecause, TryGet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A tier beyond memory: bytes by bytes.
///
/// What it holds is sealed: it knows nothing of types, compression or encryption. Its calls may wait
/// for a device or a network, except for [`try_get`](OuterTier::try_get); they run on threads that
/// may wait, with a deadline after which their callers go on without them. An error or a panic counts
/// against the tier's circuit breaker.
///
/// [`DiskTier`] is one over any [`DiskStore`].
pub trait OuterTier: Send + Sync + fmt::Debug {
    /// What it is called in statistics and signals: `disk`.
    fn name(&self) -> &'static str;

    /// What it is, by which a [`Strategy`](super::Strategy) finds it. [`TierKind::Other`] if not said,
    /// which takes all that goes beyond memory.
    fn kind(&self) -> TierKind {
        TierKind::Other
    }

    /// Whether writing takes so little time that the calling thread does it itself: the tier queues
    /// what it is given and hands at most a small record to the system. `false` if not said.
    fn is_prompt(&self) -> bool {
        false
    }

    /// Whether reading always waits: then [`try_get`](OuterTier::try_get) is never called. `false` if
    /// not said.
    fn always_waits(&self) -> bool {
        false
    }

    /// How long callers wait for it, where that is less than the
    /// [deadline](super::TieredCacheBuilder::deadline) of the cache. None if not said.
    fn deadline(&self) -> Option<Duration> {
        None
    }

    /// The tier as one that other processes use at the same time, if it is. `None` if not said.
    fn shared(&self) -> Option<&dyn SharedTier> {
        None
    }

    /// As [`get`](OuterTier::get) without ever waiting; [`TierGet::WouldBlock`] if that cannot be.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TierGet, TierError>;

    /// Appends the bytes of the key to `into`; whether there are some.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError>;

    /// As [`get`](OuterTier::get), with what is left of the life of what was found, by the tier's own
    /// clock. That is for tiers that other machines write to, whose clocks may differ. The default
    /// knows nothing of it: values end when it says in them.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn fetch(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Fetched, TierError> {
        Ok(if self.get(key, into)? { Fetched::Found } else { Fetched::Missing })
    }

    /// As [`fetch`](OuterTier::fetch) for several keys, in their order: what was found, and the bytes.
    /// Worth it for tiers that answer many in the time of one, and these say so by
    /// [`fetches_many`](OuterTier::fetches_many). The default asks for one after the other.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn fetch_many(&self, keys: &[&[u8]]) -> Result<Vec<(Fetched, Vec<u8>)>, TierError> {
        let fetch = |key: &&[u8]| {
            let mut bytes = Vec::new();
            Ok((self.fetch(key, &mut bytes)?, bytes))
        };
        keys.iter().map(fetch).collect()
    }

    /// Whether [`fetch_many`](OuterTier::fetch_many) takes less time than as many fetches at once.
    /// `false` if not said.
    fn fetches_many(&self) -> bool {
        false
    }

    /// Whether there is something for the key.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn contains(&self, key: &[u8]) -> Result<bool, TierError>;

    /// Puts bytes in the place of what was there. Those that are pinned are never dropped, and no
    /// crash of this process takes them once this has returned.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError>;

    /// Removes the bytes of the key; whether there were some. No crash of this process brings them
    /// back once this has returned.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used, and they may come back with the next process.
    fn remove(&self, key: &[u8]) -> Result<bool, TierError>;

    /// Removes all that is not pinned; how many that were.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn clear(&self) -> Result<u64, TierError>;

    /// What it holds.
    fn usage(&self) -> TierUsage;

    /// Moves its bound, if it has one.
    fn set_max_bytes(&self, bytes: u64);

    /// Hands over what it has queued and ends; what could not be handed over, in bytes.
    ///
    /// # Errors
    ///
    /// [`TierError`]: what it has queued may be lost.
    fn close(&self) -> Result<u64, TierError>;
}

/// What a tier has found without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TierGet {
    /// The bytes, which were appended.
    Found,
    /// Nothing.
    Missing,
    /// There may be something, but it takes waiting to find out.
    WouldBlock,
}

/// What a tier has found, with what is left of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fetched {
    /// Nothing.
    Missing,
    /// The bytes, which were appended. They end when it says in them.
    Found,
    /// The bytes, which were appended. They end after that time, whatever it says in them.
    FoundFor(Duration),
    /// The bytes, which were appended, from a [shared tier](SharedTier). They end after that time, and
    /// they are dead if what covers them was invalidated by a later change than that of this number.
    /// All changes that the tier knew of when it read them were taken in before.
    FoundSince(Duration, u64),
}

/// What a tier holds and has counted since it was opened. A figure that it cannot tell is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierUsage {
    /// Entries, those included that have ended and were not met yet.
    pub entries: u64,
    /// Bytes of what can still be read.
    pub live_bytes: u64,
    /// Bytes that it takes.
    pub bytes: u64,
    /// The bound on these.
    pub max_bytes: u64,
    /// Bytes of memory that it takes: index and queue.
    pub memory_bytes: u64,
    /// Entries that made room for others.
    pub evicted: u64,
    /// Entries that were met after their end.
    pub expired: u64,
    /// Puts that it refused.
    pub refused: u64,
    /// Entries that were damaged.
    pub corrupt: u64,
    /// Entries that it had taken and lost.
    pub lost: u64,
}

/// Why a tier could not do what it was asked to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TierError {
    /// It answered an error.
    Failed {
        /// The tier.
        tier: &'static str,
        /// Its error.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// It did not answer before its deadline.
    TimedOut {
        /// The tier.
        tier: &'static str,
    },
    /// It is not asked just now, since it has failed: its circuit breaker is open.
    PassedBy {
        /// The tier.
        tier: &'static str,
    },
    /// It panicked.
    Panicked {
        /// The tier.
        tier: &'static str,
    },
    /// More is waiting for it than may be.
    Busy {
        /// The tier.
        tier: &'static str,
    },
    /// The cache was closed.
    Closed,
}

impl TierError {
    /// From an error of what the tier is built on.
    #[must_use]
    pub fn new(tier: &'static str, source: impl Error + Send + Sync + 'static) -> TierError {
        TierError::Failed { tier, source: Arc::new(source) }
    }

    /// The cause as a label: `failed`, `timed_out`, `passed_by`, `panicked`, `busy`, `closed`.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            TierError::Failed { .. } => "failed",
            TierError::TimedOut { .. } => "timed_out",
            TierError::PassedBy { .. } => "passed_by",
            TierError::Panicked { .. } => "panicked",
            TierError::Busy { .. } => "busy",
            TierError::Closed => "closed",
        }
    }
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TierError::Failed { tier, .. } => write!(f, "the {tier} tier failed"),
            TierError::TimedOut { tier } => {
                write!(f, "the {tier} tier did not answer in time: raise its deadline, or mend it")
            }
            TierError::PassedBy { tier } => {
                write!(f, "the {tier} tier has failed and is passed by: try again later")
            }
            TierError::Panicked { tier } => write!(f, "the {tier} tier panicked"),
            TierError::Busy { tier } => {
                write!(f, "too much is waiting for the {tier} tier: raise `max_waiting`")
            }
            TierError::Closed => f.write_str("the cache was closed: build it again"),
        }
    }
}

impl Error for TierError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TierError::Failed { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// A [`DiskStore`] as a tier.
#[derive(Debug)]
pub struct DiskTier {
    store: Arc<dyn DiskStore>,
    is_prompt: bool,
}

impl DiskTier {
    /// Over any store. Writes run on threads that may wait.
    #[must_use]
    pub fn new(store: Arc<dyn DiskStore>) -> DiskTier {
        DiskTier { store, is_prompt: false }
    }

    /// Over a store that queues what is put, and for removals and pinned records waits for no more
    /// than the system taking a few bytes, as the `log` store does: the calling thread writes.
    #[must_use]
    pub fn prompt(store: Arc<dyn DiskStore>) -> DiskTier {
        DiskTier { store, is_prompt: true }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn DiskStore> {
        &self.store
    }
}

fn failed(error: DiskError) -> TierError {
    match error {
        DiskError::Closed => TierError::Closed,
        error => TierError::new(DISK, error),
    }
}

const DISK: &str = "disk";

impl OuterTier for DiskTier {
    fn name(&self) -> &'static str {
        DISK
    }

    fn kind(&self) -> TierKind {
        TierKind::Disk
    }

    fn is_prompt(&self) -> bool {
        self.is_prompt
    }

    fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TierGet, TierError> {
        Ok(match self.store.try_get(key, into).map_err(failed)? {
            TryGet::Found(_) => TierGet::Found,
            TryGet::Missing => TierGet::Missing,
            TryGet::WouldBlock => TierGet::WouldBlock,
        })
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
        Ok(self.store.get(key, into).map_err(failed)?.is_some())
    }

    fn contains(&self, key: &[u8]) -> Result<bool, TierError> {
        self.store.contains(key).map_err(failed)
    }

    fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError> {
        match self.store.put(key, bytes, terms) {
            // That is no fault of the tier: it goes on answering.
            Err(DiskError::Full { .. }) => Ok(Put::Refused(RefusedBecause::DiskFull)),
            other => other.map_err(failed),
        }
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.store.remove(key).map_err(failed)
    }

    fn clear(&self) -> Result<u64, TierError> {
        self.store.clear().map_err(failed)
    }

    fn usage(&self) -> TierUsage {
        let usage = self.store.usage();
        TierUsage {
            entries: usage.entries.saturating_sub(usage.pinned),
            live_bytes: usage.live_bytes,
            bytes: usage.file_bytes,
            max_bytes: usage.max_bytes,
            memory_bytes: usage.index_bytes + usage.queued_bytes,
            evicted: usage.evicted,
            expired: usage.expired,
            refused: usage.refused,
            corrupt: usage.corrupt,
            lost: usage.lost,
        }
    }

    fn set_max_bytes(&self, bytes: u64) {
        self.store.set_max_bytes(bytes);
    }

    fn close(&self) -> Result<u64, TierError> {
        self.store.close().map(|report| report.lost_bytes).map_err(failed)
    }
}
