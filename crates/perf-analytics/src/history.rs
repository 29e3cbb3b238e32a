//! Windows of cumulative readings, in memory.

mod query;
mod series;
mod sketch;
mod store;
mod tape;

use self::series::Series;
use self::store::Inner;
use perf_core::{ByteSize, Instant, Reading, Signal, Unit};
use serde::Serialize;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

pub use self::query::{Points, Select, Span};

/// Windows of cumulative readings, kept in memory and merged exactly for any span.
///
/// Give it readings with [`sample`](History::sample), once a second or so; what came between two
/// readings of a counter or histogram is their difference, and goes into the window that is open.
/// Windows are kept in three tiers: 300 of one step, 360 of ten and 288 of three hundred, which is
/// five minutes, an hour and a day at the default step of one second. A question is answered from
/// the finest tier that still holds its span; the edges of a span that reaches beyond the finest
/// are rounded to the step of its tier.
///
/// - Counts and sums are exact. A quantile over any span and any series is that of all the values
///   together, at most 1.1 % off: windows are merged, never averaged.
/// - A reset (a moved [`Signal::since`], or a counter that went back) begins afresh and loses only
///   what came between the last reading and the reset.
/// - A step without a reading is a gap and stays one. What a counter gained over the gap belongs to
///   the window that ends it, with the time that it covers, so that rates stay right.
///
/// Time is passed in: nothing here reads a clock. Reading takes a shared lock, sampling an
/// exclusive one for about a microsecond a series.
///
/// # Memory
///
/// Once a day has passed, an idle counter or histogram takes about 6 KiB, a busy counter 8 KiB, a
/// gauge 16 KiB, and a histogram that takes in fifty values a second spread over five decades
/// 250 KiB. Both the number of series and the bytes are capped; see [`HistoryConfig`].
///
/// # Time
///
/// A reading of a counter takes half a microsecond, of a histogram about ten. A question of 300
/// points over five minutes takes about 10 µs a series for rates, 50 to 250 µs for quantiles.
///
/// ```
/// use perf_analytics::{History, HistoryConfig, Select, Span};
/// use perf_core::{Instant, Signal};
/// use std::time::Duration;
///
/// let history = History::new(HistoryConfig::default());
/// let start = Instant::from_nanos(0);
/// for second in 1..=10 {
///     let at = start + Duration::from_secs(second);
///     history.sample(at, "gateway", &Signal::counter("requests", second * 7, start));
/// }
/// let requests = Select::new("gateway", "requests");
/// assert_eq!(history.counter(&requests, Span::last(Duration::from_secs(4))), 28);
/// ```
#[derive(Debug)]
pub struct History {
    config: HistoryConfig,
    inner: RwLock<Inner>,
}

/// What a [`History`] keeps.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HistoryConfig {
    /// The length of the finest windows; readings come about this often. One second by default, at
    /// least a millisecond.
    pub step: Duration,
    /// How many series. A series that no longer gets readings makes room for a new one; if there is
    /// none, the reading is refused and counted. 4 000 by default.
    pub max_series: usize,
    /// How many bytes. Beyond that the oldest windows of the largest series go, and are counted.
    /// 64 MiB by default.
    pub max_bytes: ByteSize,
}

impl Default for HistoryConfig {
    fn default() -> HistoryConfig {
        HistoryConfig {
            step: HistoryConfig::DEFAULT_STEP,
            max_series: HistoryConfig::DEFAULT_MAX_SERIES,
            max_bytes: HistoryConfig::DEFAULT_MAX_BYTES,
        }
    }
}

impl HistoryConfig {
    /// The length of the finest windows unless set otherwise.
    pub const DEFAULT_STEP: Duration = Duration::from_secs(1);
    /// How many series are held unless set otherwise.
    pub const DEFAULT_MAX_SERIES: usize = 4_000;
    /// How many bytes are held unless set otherwise.
    pub const DEFAULT_MAX_BYTES: ByteSize = ByteSize::mib(64);

    /// The same with another step.
    #[must_use]
    pub fn step(mut self, step: Duration) -> HistoryConfig {
        self.step = step;
        self
    }

    /// The same with another bound on series.
    #[must_use]
    pub fn max_series(mut self, max_series: usize) -> HistoryConfig {
        self.max_series = max_series;
        self
    }

    /// The same with another bound on bytes.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: ByteSize) -> HistoryConfig {
        self.max_bytes = max_bytes;
        self
    }
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new(mut config: HistoryConfig) -> History {
        config.step = config.step.max(Duration::from_millis(1));
        History { config, inner: RwLock::new(Inner::new()) }
    }

    /// Says that a round of readings is complete: spans end at this moment until the next round,
    /// even if no reading came, and this is its time of day.
    ///
    /// Readings of a later step are not seen before the round that they belong to is complete, so
    /// nobody sees half a round. Without any call, spans end at the latest reading.
    pub fn advance(&self, at: Instant, wall: SystemTime) {
        let mut inner = self.write();
        let slot = inner.slot(at, self.config.step);
        inner.in_rounds = true;
        let before = inner.now;
        inner.now = slot.max(before);
        inner.wall = Some((at, wall));
        let coarsest = TIERS[TIERS.len() - 1];
        if slot / coarsest.step > before / coarsest.step {
            inner.forget_before(slot.saturating_sub(coarsest.step * coarsest.windows));
        }
    }

    /// Takes one reading of one series.
    ///
    /// Readings of a series come in the order of their time; an earlier one counts as one of the
    /// same moment as the last.
    pub fn sample(&self, at: Instant, component: &str, signal: &Signal<'_>) {
        let kind = match signal.reading {
            Reading::Counter(_) => Kind::Counter,
            Reading::Gauge(_) => Kind::Gauge,
            Reading::Histogram(_) => Kind::Histogram,
            // Kinds of a later perf-core have no windows here.
            _ => return,
        };
        self.write().sample(at, component, signal, kind, &self.config);
    }

    /// Every series that is held.
    #[must_use]
    pub fn series(&self) -> Vec<SeriesInfo> {
        let inner = self.read();
        inner.live().map(SeriesInfo::of).collect()
    }

    /// Counts of what is held and what was refused.
    #[must_use]
    pub fn stats(&self) -> HistoryStats {
        let inner = self.read();
        HistoryStats {
            series: inner.live().count(),
            bytes: ByteSize::from_bytes(inner.bytes as u64),
            refused_readings: inner.refused,
            evicted_series: inner.evicted,
            trimmed_windows: inner.trimmed,
        }
    }

    /// The length of the finest windows.
    #[must_use]
    pub fn step(&self) -> Duration {
        self.config.step
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a [`History`] holds and what it refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryStats {
    /// Series held.
    pub series: usize,
    /// Bytes held.
    pub bytes: ByteSize,
    /// Readings refused because every series was in use.
    pub refused_readings: u64,
    /// Series that no longer got readings and made room, or whose windows had all become too old.
    pub evicted_series: u64,
    /// Windows dropped before their time to stay within the bytes.
    pub trimmed_windows: u64,
}

/// What a series is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesInfo {
    /// The component that reports it.
    pub component: String,
    /// The name of the signal.
    pub signal: String,
    /// The labels that tell it from other series of the same name.
    pub labels: Vec<(String, String)>,
    /// The unit of its readings.
    pub unit: Unit,
    /// What its readings are.
    pub kind: Kind,
}

impl SeriesInfo {
    fn of(series: &Series) -> SeriesInfo {
        SeriesInfo {
            component: series.component.to_string(),
            signal: series.signal.to_string(),
            labels: series.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            unit: series.unit,
            kind: series.kind,
        }
    }
}

/// What the readings of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Only grows until it is reset.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// The length of a tier's windows, in steps, and how many it keeps: those of its span, and the one
/// that is open.
#[derive(Clone, Copy, Debug)]
struct Shape {
    step: u64,
    windows: u64,
}

const TIERS: [Shape; 3] = [
    Shape { step: 1, windows: 301 },
    Shape { step: 10, windows: 361 },
    Shape { step: 300, windows: 289 },
];

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}
