//! The end of a tiered cache.

use super::behind::Behind;
use super::outside::Outside;
use super::promise::{Promise, block_on, lock};
use super::tier::TierError;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What closing a tiered cache did, and what was lost over its life.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Values that still waited and have been written.
    pub written: u64,
    /// Values that never reached a tier, by tier and cause.
    pub lost: Vec<Lost>,
    /// Bytes that a tier had taken and could not keep.
    pub lost_bytes: u64,
    /// Removals that could not be made: the next process may find what they were to remove.
    pub not_removed: u64,
    /// Invalidations of which the other processes were not told: they answer what these were to end
    /// for as long as that lives.
    pub not_announced: u64,
    /// What went wrong, by tier.
    pub errors: Vec<(&'static str, TierError)>,
    /// How long it took.
    pub took: Duration,
}

/// Values that never reached a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// The tier.
    pub tier: &'static str,
    /// Why: `buffer_full`, `refused`, `failed`, `busy`, `closed`, `unsealed`.
    pub cause: &'static str,
    /// How many.
    pub values: u64,
}

impl CloseReport {
    /// Whether everything that was to be written and removed has been.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
            && self.lost_bytes == 0
            && self.not_removed == 0
            && self.not_announced == 0
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost: u64 = self.lost.iter().map(|lost| lost.values).sum();
        write!(f, "{} values written at the end, {lost} lost over all", self.written)?;
        if self.not_removed > 0 {
            write!(f, ", {} removals not made", self.not_removed)?;
        }
        if self.not_announced > 0 {
            write!(f, ", {} invalidations not announced", self.not_announced)?;
        }
        for (tier, error) in &self.errors {
            write!(f, "; {tier}: {error}")?;
        }
        Ok(())
    }
}

pub(super) type Hook = Box<dyn FnOnce(&CloseReport) + Send>;

/// Closing, once.
pub(super) struct Closing {
    pub(super) within: Duration,
    promise: Arc<Promise<Arc<CloseReport>>>,
    hook: Mutex<Option<Hook>>,
}

impl Closing {
    pub(super) fn new(within: Duration, hook: Option<Hook>) -> Closing {
        Closing { within, promise: Promise::new(), hook: Mutex::new(hook) }
    }

    /// Begins to close; the report comes with the promise.
    pub(super) fn begin(&self, outside: &Arc<Outside>) -> Arc<Promise<Arc<CloseReport>>> {
        if outside.is_closed.swap(true, Ordering::AcqRel) {
            return Arc::clone(&self.promise);
        }
        let (own, within) = (Arc::clone(outside), self.within);
        let hook = lock(&self.hook).take();
        let promise = Arc::clone(&self.promise);
        let run = move || {
            let report = close(&own, within);
            if let Some(hook) = hook {
                let told = std::panic::AssertUnwindSafe(|| hook(&report));
                // It is the end in any case.
                let _ = std::panic::catch_unwind(told);
            }
            promise.keep(Arc::new(report));
        };
        // On a thread of its own: who waits may be cancelled.
        let run = Arc::new(Mutex::new(Some(run)));
        let for_thread = Arc::clone(&run);
        let spawned = std::thread::Builder::new().name("cache-close".to_owned()).spawn(move || {
            let run = lock(&for_thread).take();
            if let Some(run) = run {
                run();
            }
        });
        if spawned.is_err() {
            let run = lock(&run).take();
            if let Some(run) = run {
                run();
            }
        }
        Arc::clone(&self.promise)
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("within", &self.within).finish_non_exhaustive()
    }
}

/// Writes what waits, tries again what could not be done, and closes the tiers.
fn close(outside: &Arc<Outside>, within: Duration) -> CloseReport {
    let clock = &outside.clock;
    let began = clock.now();
    let deadline = began + within;
    let puts = || outside.outers.iter().map(|outer| outer.counts.puts.get()).sum::<u64>();
    let before = puts();
    let mut report = CloseReport::default();
    let drained = outside.behind.drain();
    if block_on(drained.wait(Some(deadline), &outside.timers)).is_none() {
        report.errors.push(("behind", TierError::TimedOut { tier: "behind" }));
    }
    outside.behind.end();
    outside.retry_parked(deadline);
    outside.retell_all(deadline);
    report.not_announced = outside.announcements.len() as u64;
    report.not_removed = outside.parked() as u64;
    for tier in 0..outside.outers.len() {
        let outer = &outside.outers[tier];
        let promise = Promise::new();
        let (own, told) = (Arc::clone(outside), Arc::clone(&promise));
        let work = Box::new(move || {
            let closed = own.outers[tier].call(None, |tier| tier.close());
            told.keep(closed);
        });
        if outside.pool.submit(work).is_err() {
            report.errors.push((outer.name(), TierError::Busy { tier: outer.name() }));
            continue;
        }
        match block_on(promise.wait(Some(deadline), &outside.timers)) {
            Some(Ok(lost)) => report.lost_bytes += lost,
            Some(Err(error)) => report.errors.push((outer.name(), error)),
            None => {
                let error = TierError::TimedOut { tier: outer.name() };
                report.errors.push((outer.name(), error));
            }
        }
    }
    report.written = puts() - before;
    report.lost = lost(outside);
    report.took = clock.now() - began;
    report
}

/// What never reached a tier, where that is more than nothing.
pub(super) fn lost(outside: &Outside) -> Vec<Lost> {
    let mut all = Vec::new();
    for outer in &outside.outers {
        let counts = &outer.counts;
        let causes = [
            ("refused", &counts.lost_refused),
            ("failed", &counts.lost_failed),
            ("busy", &counts.lost_busy),
            ("closed", &counts.lost_closed),
            ("unsealed", &counts.lost_unsealed),
        ];
        let name = outer.name();
        let of = causes.map(|(cause, count)| Lost { tier: name, cause, values: count.get() });
        all.extend(of);
    }
    let full = outside.behind.lost().0;
    if let Some(first) = outside.outers.first() {
        all.push(Lost { tier: first.name(), cause: "buffer_full", values: full });
    }
    all.retain(|lost| lost.values > 0);
    all
}

/// For the thread that writes behind.
pub(super) fn start(outside: &Arc<Outside>) -> bool {
    !outside.behind.is_on() || Behind::start(outside)
}
