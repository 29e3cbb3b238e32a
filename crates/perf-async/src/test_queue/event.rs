//! What goes on in a run.

use super::{TestResult, Verdict};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, lock};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Something that has happened in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TestEvent {
    /// An attempt at a case begins.
    Started {
        /// Its name.
        name: String,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// A case has run longer than it should, and goes on.
    Slow {
        /// Its name.
        name: String,
        /// How long it has run.
        after: Duration,
    },
    /// An attempt failed, and there will be another.
    Retrying {
        /// Its name.
        name: String,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// A case has ended.
    Finished(Arc<TestResult>),
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestProgress {
    /// Cases of the run.
    pub total: usize,
    /// Cases that run.
    pub running: usize,
    /// Cases that passed, flaky ones included.
    pub passed: usize,
    /// Cases that failed or took too long.
    pub failed: usize,
    /// Cases that failed and then passed.
    pub flaky: usize,
    /// Cases that were not run because nothing has changed.
    pub unchanged: usize,
    /// Cases that the end of the run has cut off.
    pub cancelled: usize,
    /// The case that has run longest, and for how long.
    pub longest: Option<(String, Duration)>,
    /// Events that fell off because nobody took them.
    pub events_dropped: u64,
}

impl TestProgress {
    /// Cases that have ended.
    #[must_use]
    pub const fn ended(&self) -> usize {
        self.passed + self.failed + self.unchanged + self.cancelled
    }
}

/// Counts what happens and tells those who listen.
#[derive(Debug)]
pub(super) struct Watch {
    events: mpsc::Sender<TestEvent>,
    dropped: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    progress: TestProgress,
    /// Those that run, by their numbers, with the time of their start.
    running: BTreeMap<usize, (String, Instant)>,
}

/// How many events wait for whoever listens.
const EVENTS: usize = 1024;

impl Watch {
    pub(super) fn new(total: usize) -> (Watch, mpsc::Receiver<TestEvent>) {
        let (events, received) = mpsc::channel(EVENTS);
        let counts = Counts {
            progress: TestProgress { total, ..TestProgress::default() },
            running: BTreeMap::new(),
        };
        (Watch { events, dropped: AtomicU64::new(0), counts: Mutex::new(counts) }, received)
    }

    pub(super) fn tell(&self, event: TestEvent) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            // Relaxed: only counted.
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A case runs until what this answers is dropped.
    pub(super) fn begin(self: &Arc<Self>, number: usize, name: &str) -> Running {
        let begun = (name.to_owned(), Instant::now());
        lock(&self.counts).running.insert(number, begun);
        Running { watch: Arc::clone(self), number }
    }

    /// A case has ended.
    pub(super) fn end(&self, result: &Arc<TestResult>) {
        {
            let counts = &mut lock(&self.counts).progress;
            match result.verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Unchanged => counts.unchanged += 1,
                Verdict::Failed | Verdict::TimedOut => counts.failed += 1,
                Verdict::Cancelled => counts.cancelled += 1,
            }
            counts.flaky += usize::from(result.is_flaky());
        }
        self.tell(TestEvent::Finished(Arc::clone(result)));
    }

    pub(super) fn progress(&self) -> TestProgress {
        let counts = lock(&self.counts);
        let longest = counts.running.values().min_by_key(|(_, begun)| *begun);
        TestProgress {
            running: counts.running.len(),
            longest: longest.map(|(name, begun)| (name.clone(), begun.elapsed())),
            events_dropped: self.dropped.load(Ordering::Relaxed),
            ..counts.progress.clone()
        }
    }
}

/// A case that runs.
pub(super) struct Running {
    watch: Arc<Watch>,
    number: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        let gone = lock(&self.watch.counts).running.remove(&self.number);
        drop(gone);
    }
}
