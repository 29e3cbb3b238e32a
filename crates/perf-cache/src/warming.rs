//! Filling a cache before it is asked: from a list of keys, such as those that were hit most in the
//! last run.
//!
//! [`Cache::warm`](crate::Cache::warm) loads keys, so many at a time, and says what came of it;
//! [`write_keys`] keeps the [hottest](crate::Cache::hottest) keys of a run in a file and [`read_keys`]
//! has them back. What is to come back with its values goes by
//! [`Cache::snapshot`](crate::Cache::snapshot) and [`Cache::restore`](crate::Cache::restore), or lies
//! on a [disk](crate::disk).
//!
//! ```
//! use perf_cache::warming::{WarmUp, read_keys, write_keys};
//! use perf_cache::{Cache, Terms};
//! use std::io;
//! # let folder = std::env::temp_dir().join(format!("perf-cache-warm-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//!
//! let file = folder.join("hottest");
//! let cache: Cache<String, usize> = Cache::builder().max_entries(100).track_entries(true).build()?;
//! cache.insert("tea".to_owned(), 3);
//! cache.get("tea");
//! write_keys(&file, cache.hottest(10).into_iter().map(|entry| entry.key))?;
//!
//! // The next run.
//! let cache: Cache<String, usize> = Cache::builder().max_entries(100).build()?;
//! let load = |key: &String| Ok::<_, io::Error>((key.len(), Terms::new()));
//! let report = cache.warm(&WarmUp::new(), read_keys(&file, 10)?, load);
//! assert_eq!((report.loaded, report.failed), (1, 0));
//! assert_eq!(cache.get("tea"), Some(3));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod list;
#[cfg(feature = "tiered")]
mod tiered;

pub use list::{KeyListError, read_keys, write_keys};

use perf_core::{Clock, Instant};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// How keys are warmed: how many at a time, for how long, and who is told.
#[must_use]
pub struct WarmUp {
    at_once: usize,
    for_at_most: Option<Duration>,
    progress: Option<Progress>,
}

type Progress = Box<dyn Fn(WarmReport) + Send + Sync>;

/// What came of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// Its value was loaded.
    Loaded,
    /// Its loader failed or panicked.
    Failed,
    /// There was nothing to do: the value was there, somebody else was loading it, or the last load
    /// had failed and was not to be tried again yet.
    Skipped,
}

/// What came of all keys, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmReport {
    /// Keys whose values were loaded.
    pub loaded: u64,
    /// Keys whose loaders failed or panicked.
    pub failed: u64,
    /// Keys for which there was nothing to do.
    pub skipped: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether the time was up before all keys had their turn.
    pub is_cut: bool,
}

impl WarmUp {
    /// Eight at a time, for as long as it takes.
    pub const fn new() -> WarmUp {
        WarmUp { at_once: AT_ONCE, for_at_most: None, progress: None }
    }

    /// So many keys at a time: at least one, at most 256.
    pub fn at_once(mut self, keys: usize) -> WarmUp {
        self.at_once = keys.clamp(1, MOST_AT_ONCE);
        self
    }

    /// Begins no more loads after this time. Those that run then are waited for.
    pub const fn for_at_most(mut self, span: Duration) -> WarmUp {
        self.for_at_most = Some(span);
        self
    }

    /// Told after each key, by whoever had it; outside of any lock.
    pub fn on_progress(mut self, told: impl Fn(WarmReport) + Send + Sync + 'static) -> WarmUp {
        self.progress = Some(Box::new(told));
        self
    }

    /// Has `warm` do something about each key, on this thread and others that end with it; for
    /// caches of any kind. A panic counts as [`Warmed::Failed`]. `keys` are asked for one by one,
    /// by one thread at a time.
    pub fn run<K>(
        &self,
        clock: &Clock,
        keys: impl IntoIterator<Item = K, IntoIter: Send>,
        warm: impl Fn(K) -> Warmed + Sync,
    ) -> WarmReport {
        let keys = Keys::new(keys.into_iter());
        let tally = Tally::new(self, clock);
        let work = || {
            while let Some(key) = keys.next(&tally) {
                // What a loader leaves behind is its own affair; the cache stays whole.
                let warmed = catch_unwind(AssertUnwindSafe(|| warm(key)));
                tally.count(warmed.unwrap_or(Warmed::Failed));
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.at_once {
                // Where the system gives no thread, there are fewer.
                let _ = thread::Builder::new().name("cache-warm".into()).spawn_scoped(scope, work);
            }
            work();
        });
        tally.report()
    }

    /// The same as a future on any runtime, and as part of the task that polls it. Dropping it
    /// cancels what is being loaded.
    pub async fn run_async<K, F>(
        &self,
        clock: &Clock,
        keys: impl IntoIterator<Item = K>,
        warm: impl Fn(K) -> F,
    ) -> WarmReport
    where
        F: Future<Output = Warmed>,
    {
        let keys = Keys::new(keys.into_iter());
        let tally = Tally::new(self, clock);
        let lane = || async {
            while let Some(key) = keys.next(&tally) {
                tally.count(warm(key).await);
            }
        };
        let mut lanes: Vec<Pin<Box<_>>> = (0..self.at_once).map(|_| Box::pin(lane())).collect();
        poll_fn(|context| {
            lanes.retain_mut(|lane| lane.as_mut().poll(context).is_pending());
            if lanes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        tally.report()
    }
}

impl Default for WarmUp {
    fn default() -> WarmUp {
        WarmUp::new()
    }
}

impl fmt::Debug for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmUp")
            .field("at_once", &self.at_once)
            .field("for_at_most", &self.for_at_most)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// The keys that are left. The lock is for their iterator alone, which runs under it.
struct Keys<I>(Mutex<Option<I>>);

impl<I: Iterator> Keys<I> {
    fn new(keys: I) -> Keys<I> {
        Keys(Mutex::new(Some(keys)))
    }

    fn next(&self, tally: &Tally<'_>) -> Option<I::Item> {
        // After a panic of the iterator nobody asks it again, since it was taken out for the time.
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = keys.take()?;
        let next = own.next()?;
        if tally.is_over() {
            return None;
        }
        *keys = Some(own);
        Some(next)
    }
}

struct Tally<'a> {
    up: &'a WarmUp,
    clock: &'a Clock,
    start: Instant,
    loaded: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    is_cut: AtomicBool,
}

impl Tally<'_> {
    fn new<'a>(up: &'a WarmUp, clock: &'a Clock) -> Tally<'a> {
        let [loaded, failed, skipped] = [const { AtomicU64::new(0) }; 3];
        let (start, is_cut) = (clock.now(), AtomicBool::new(false));
        Tally { up, clock, start, loaded, failed, skipped, is_cut }
    }

    /// Whether the time is up, for a key that is there.
    fn is_over(&self) -> bool {
        let is_over = self.up.for_at_most.is_some_and(|most| self.took() >= most);
        self.is_cut.fetch_or(is_over, Ordering::Relaxed);
        is_over
    }

    fn took(&self) -> Duration {
        self.clock.now() - self.start
    }

    fn count(&self, warmed: Warmed) {
        let counter = match warmed {
            Warmed::Loaded => &self.loaded,
            Warmed::Failed => &self.failed,
            Warmed::Skipped => &self.skipped,
        };
        // Relaxed, as all of these: counts, read for good when the threads have ended.
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(progress) = &self.up.progress {
            progress(self.report());
        }
    }

    fn report(&self) -> WarmReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WarmReport {
            loaded: read(&self.loaded),
            failed: read(&self.failed),
            skipped: read(&self.skipped),
            took: self.took(),
            is_cut: self.is_cut.load(Ordering::Relaxed),
        }
    }
}

const AT_ONCE: usize = 8;
const MOST_AT_ONCE: usize = 256;
