//! What a store is set to.

use super::faults::Faults;
use super::format::{MAX_SHIFT, MIN_SHIFT};
use super::place::MAX_UNITS;
use super::{LogStore, open};
use crate::disk::DiskError;
use perf_core::{ByteSize, Clock, ConfigError, Ratio};
use std::path::PathBuf;
use std::time::Duration;

/// What a put does that finds the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// It waits, and helps to write: nothing is lost.
    #[default]
    Wait,
    /// It is refused, and counted: nobody waits for the device.
    Refuse,
}

/// Describes a [`LogStore`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it opens"]
pub struct LogStoreBuilder {
    directory: PathBuf,
    settings: Settings,
    max_bytes: ByteSize,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) segment_bytes: Option<ByteSize>,
    pub(super) queue_bytes: ByteSize,
    pub(super) when_full: WhenFull,
    pub(super) flush_interval: Duration,
    pub(super) sync_interval: Option<Duration>,
    pub(super) reinsertion: Ratio,
    pub(super) clock: Clock,
    pub(super) faults: Faults,
}

impl LogStoreBuilder {
    pub(super) fn new(directory: PathBuf) -> LogStoreBuilder {
        let settings = Settings {
            segment_bytes: None,
            queue_bytes: ByteSize::mib(8),
            when_full: WhenFull::Wait,
            flush_interval: Duration::from_millis(100),
            sync_interval: Some(Duration::from_secs(1)),
            reinsertion: Ratio::of(3, 10).unwrap_or(Ratio::ZERO),
            clock: Clock::system(),
            faults: Faults::default(),
        };
        LogStoreBuilder { directory, settings, max_bytes: ByteSize::gib(1) }
    }

    /// The bound on the bytes of all files, at least 1 MiB; 1 GiB if not set.
    pub fn max_bytes(mut self, bytes: ByteSize) -> LogStoreBuilder {
        self.max_bytes = bytes;
        self
    }

    /// The size of a file, by which room is made: from 16 KiB to an eighth of the bound, and to
    /// 1 GiB; more than was set where it took over 32 768 files. If not set, a 64th of the bound
    /// but from 1 to 64 MiB, above 32 GiB a 512th, at most 1 GiB.
    pub fn segment_bytes(mut self, bytes: ByteSize) -> LogStoreBuilder {
        self.settings.segment_bytes = Some(bytes);
        self
    }

    /// The bound on the bytes that wait to be written, in memory: all that a killed process can
    /// lose. 8 MiB if not set, and at most a 32nd of the bound on files; at least 16 KiB. One value
    /// that is larger is taken when nothing else waits.
    pub fn queue_bytes(mut self, bytes: ByteSize) -> LogStoreBuilder {
        self.settings.queue_bytes = bytes;
        self
    }

    /// What a put does when the queue is full: wait if not set.
    pub fn when_full(mut self, when_full: WhenFull) -> LogStoreBuilder {
        self.settings.when_full = when_full;
        self
    }

    /// How long a put may wait before it is handed to the system: 100 ms if not set.
    pub fn flush_interval(mut self, interval: Duration) -> LogStoreBuilder {
        self.settings.flush_interval = interval;
        self
    }

    /// How often the device is asked to keep what was written, which bounds what a power cut takes
    /// or revives: each second if not set, never for `None`.
    pub fn sync_interval(mut self, interval: impl Into<Option<Duration>>) -> LogStoreBuilder {
        self.settings.sync_interval = interval.into();
        self
    }

    /// The share of a file that is written again when it is given up, for having been read: 0.3 if
    /// not set. Each byte is written that much more often at most.
    pub fn reinsertion(mut self, share: Ratio) -> LogStoreBuilder {
        self.settings.reinsertion = share;
        self
    }

    /// Where the time comes from: the system's if not set.
    pub fn clock(mut self, clock: Clock) -> LogStoreBuilder {
        self.settings.clock = clock;
        self
    }

    /// A switch by which tests let writes fail.
    #[doc(hidden)]
    pub fn faults(mut self, faults: Faults) -> LogStoreBuilder {
        self.settings.faults = faults;
        self
    }

    /// Opens the store: makes the directory if there is none, and finds what is in it. Takes about
    /// 0.2 s for a million entries that were closed.
    ///
    /// # Errors
    ///
    /// [`DiskError::Config`] for a setting that cannot be, [`DiskError::Locked`] if the directory
    /// is in use, [`DiskError::Format`] if a newer version wrote it, and [`DiskError::Io`] or
    /// [`DiskError::Full`] if it cannot be read or written.
    pub fn open(self) -> Result<LogStore, DiskError> {
        let mut settings = self.settings;
        let max_bytes = self.max_bytes.as_u64();
        if max_bytes < MIN_MAX_BYTES {
            let remedy = "set at least 1MiB";
            return Err(ConfigError::new("max_bytes", self.max_bytes, remedy).into());
        }
        if let Some(bytes) = settings.segment_bytes {
            let most = max_bytes.div_ceil(8).min(MAX_SEGMENT);
            if !(MIN_SEGMENT..=most).contains(&bytes.as_u64()) {
                let remedy = "set from 16KiB to an eighth of max_bytes, at most 1GiB";
                return Err(ConfigError::new("segment_bytes", bytes, remedy).into());
            }
        }
        if settings.queue_bytes.as_u64() < MIN_SEGMENT {
            let remedy = "set at least 16KiB";
            return Err(ConfigError::new("queue_bytes", settings.queue_bytes, remedy).into());
        }
        let queue = settings.queue_bytes.as_u64().min(max_bytes / 32);
        settings.queue_bytes = ByteSize::from_bytes(queue);
        open::open(self.directory, settings, max_bytes)
    }
}

impl Settings {
    /// The size of a segment for that bound.
    pub(super) fn segment_bytes(&self, max_bytes: u64) -> u64 {
        let by_bound = if max_bytes <= 32 << 30 {
            (max_bytes / 64).clamp(1 << 20, 64 << 20)
        } else {
            (max_bytes / 512).clamp(64 << 20, MAX_SEGMENT)
        };
        let set = self.segment_bytes.map_or(by_bound, ByteSize::as_u64);
        // No more files than there are slots for, twice.
        set.min(max_bytes / 8).max(MIN_SEGMENT).max(max_bytes.div_ceil(MAX_FILES).min(MAX_SEGMENT))
    }

    /// At how many bytes a chunk is written.
    pub(super) fn chunk_bytes(&self) -> usize {
        let quarter = self.queue_bytes.as_u64() / 4;
        usize::try_from(quarter).unwrap_or(usize::MAX).min(CHUNK)
    }
}

/// The alignment with which offsets in a segment of that size can be told.
pub(super) fn shift_for(segment_bytes: u64) -> u8 {
    (MIN_SHIFT..MAX_SHIFT).find(|shift| segment_bytes >> shift <= MAX_UNITS).unwrap_or(MAX_SHIFT)
}

/// Measured: less costs calls, more leaves the second level of the processor's cache.
const CHUNK: usize = 256 << 10;
pub(super) const MIN_MAX_BYTES: u64 = 1 << 20;
const MIN_SEGMENT: u64 = 16 << 10;
const MAX_SEGMENT: u64 = 1 << 30;
/// More are not aimed at: there is a place for twice as many.
const MAX_FILES: u64 = 1 << 15;
