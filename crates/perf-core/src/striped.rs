//! A histogram that many threads record into.

use crate::Histogram;
use crate::bucket::{OCTAVES, PER_OCTAVE, index_of};
use crate::stripe::Stripes;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A [`Histogram`] that many threads record into at once without slowing each other down.
///
/// Each thread writes buckets of its own, without locks or locked instructions;
/// [`snapshot`](StripedHistogram::snapshot) adds them up. There is no reset: readers keep a
/// snapshot and subtract it with [`Histogram::minus`].
///
/// About 300 bytes; each thread that records adds 1.2 KiB and 256 bytes for each octave that it
/// touches (1 ms to 1 min is 16 octaves). Threads that end leave their place to the next ones, and
/// those beyond the 127th at once share one stripe behind a lock.
///
/// ```
/// use perf_core::StripedHistogram;
/// let latency = StripedHistogram::new();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| latency.record(250));
///     }
/// });
/// let snapshot = latency.snapshot();
/// assert_eq!((snapshot.count(), snapshot.sum()), (4, 1_000));
/// ```
#[derive(Default)]
pub struct StripedHistogram {
    stripes: Stripes<Stripe>,
    /// What threads without a stripe have recorded. Behind a lock, because an exact sum of two
    /// words cannot be kept by several writers otherwise; it takes more than a hundred threads.
    shared: Mutex<Histogram>,
}

impl StripedHistogram {
    /// An empty histogram. Allocates nothing.
    #[must_use]
    pub const fn new() -> StripedHistogram {
        StripedHistogram { stripes: Stripes::new(), shared: Mutex::new(Histogram::new()) }
    }

    /// Records one value.
    #[inline]
    pub fn record(&self, value: u64) {
        match self.stripes.own() {
            Some(stripe) => stripe.record(value),
            None => self.record_shared(value),
        }
    }

    /// Records a duration in nanoseconds, at most `u64::MAX` of them (584 years).
    #[inline]
    pub fn record_duration(&self, elapsed: Duration) {
        self.record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What all threads have recorded so far. O(threads × buckets).
    ///
    /// Holds every value whose recording happened before this call. Of values that are recorded
    /// during the call, some are in and some are not; whatever is counted is also in the sum and
    /// between minimum and maximum. While a thread goes on recording, the sum can be ahead of the
    /// count by the value in flight, or, if the thread never paused for the microsecond that
    /// reading its stripe takes, by those of that microsecond. Snapshots of one reader never
    /// shrink, so the later one [`minus`](Histogram::minus) the earlier is always a window.
    #[must_use]
    pub fn snapshot(&self) -> Histogram {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for stripe in self.stripes.iter() {
            stripe.add_to(&mut all);
        }
        all
    }

    #[cold]
    fn record_shared(&self, value: u64) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).record(value);
    }
}

impl fmt::Debug for StripedHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StripedHistogram").field(&self.snapshot()).finish()
    }
}

/// What one thread at a time writes and any thread reads.
///
/// The bucket is written last, with Release, and read first, with Acquire: a reader that sees a
/// value counted therefore sees it in sum, minimum and maximum too. Loads of the writer are
/// Relaxed, because it reads what it wrote itself, or what the slot's former owner wrote before
/// handing the slot over under a lock.
#[repr(align(128))]
struct Stripe {
    sum: Sum,
    min: AtomicU64,
    max: AtomicU64,
    pages: [OnceLock<Box<Page>>; OCTAVES],
}

/// Aligned so that no other thread's data shares a cache line with it.
#[derive(Default)]
#[repr(align(64))]
struct Page([AtomicU64; PER_OCTAVE]);

impl Stripe {
    #[inline]
    fn record(&self, value: u64) {
        let index = index_of(value);
        if value < self.min.load(Ordering::Relaxed) {
            self.min.store(value, Ordering::Relaxed);
        }
        if value > self.max.load(Ordering::Relaxed) {
            self.max.store(value, Ordering::Relaxed);
        }
        self.sum.add(value);
        let page = &self.pages[index / PER_OCTAVE];
        let page = match page.get() {
            Some(page) => page,
            None => Stripe::make(page),
        };
        let count = &page.0[index % PER_OCTAVE];
        count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    #[cold]
    fn make(page: &OnceLock<Box<Page>>) -> &Page {
        page.get_or_init(Box::default)
    }

    fn add_to(&self, all: &mut Histogram) {
        let mut seen = Histogram::new();
        for _ in 0..ATTEMPTS {
            let before = self.sum.get();
            seen = self.counts();
            let sum = self.sum.get();
            if !seen.is_empty() {
                let min = self.min.load(Ordering::Relaxed);
                seen.add_totals(sum, min, self.max.load(Ordering::Relaxed));
            }
            if before == sum {
                break; // The thread finished nothing meanwhile.
            }
        }
        all.merge(&seen);
    }

    fn counts(&self) -> Histogram {
        let mut seen = Histogram::new();
        for (octave, page) in self.pages.iter().enumerate() {
            let Some(page) = page.get() else { continue };
            for (i, count) in page.0.iter().enumerate() {
                let n = count.load(Ordering::Acquire);
                if n > 0 {
                    seen.add(octave * PER_OCTAVE + i, n);
                }
            }
        }
        seen
    }
}

/// How often a reader tries to find a stripe at rest before it takes it as it is.
const ATTEMPTS: usize = 4;

impl Default for Stripe {
    fn default() -> Stripe {
        Stripe {
            sum: Sum::default(),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            pages: [const { OnceLock::new() }; OCTAVES],
        }
    }
}

/// An exact sum in two words, with one writer and readers that never see it torn.
///
/// The high word changes once in 2^64 units, which for nanoseconds is 584 years, so its care costs
/// the usual addition nothing but a carry check. It stands twice, written before the low word and
/// after it, and is read in the opposite order: if both agree, so does the low word between them.
///
/// Source: Lamport, "Concurrent reading and writing", CACM 1977.
#[derive(Default)]
struct Sum {
    high: AtomicU64,
    low: AtomicU64,
    high_again: AtomicU64,
}

impl Sum {
    #[inline]
    fn add(&self, value: u64) {
        let (low, carry) = self.low.load(Ordering::Relaxed).overflowing_add(value);
        if carry {
            self.carry(low);
        } else {
            self.low.store(low, Ordering::Release);
        }
    }

    #[cold]
    fn carry(&self, low: u64) {
        let high = self.high.load(Ordering::Relaxed) + 1;
        self.high.store(high, Ordering::Relaxed);
        // Release: whoever reads this low word, or a later one, reads the new high word after it.
        self.low.store(low, Ordering::Release);
        self.high_again.store(high, Ordering::Release);
    }

    fn get(&self) -> u128 {
        loop {
            let high = self.high_again.load(Ordering::Acquire);
            let low = self.low.load(Ordering::Acquire);
            if self.high.load(Ordering::Relaxed) == high {
                return u128::from(high) << 64 | u128::from(low);
            }
            std::hint::spin_loop();
        }
    }
}
