//! A queue of what is to be purged, and the thread that brings it to a service.

mod builder;
mod component;
mod pace;
mod queue;
mod stats;
mod worker;

pub use builder::PurgerBuilder;
pub use stats::PurgerStats;

use self::pace::Pace;
use self::queue::{Pushed, Queue, Waiting};
use self::stats::Counts;
use super::purge::{Purge, PurgeLimits, PurgeRefused, PurgeService};
use perf_core::{Clock, ConfigError, Instant};
use std::fmt;
use std::hash::RandomState;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Tells a content delivery network what it is to forget, in the background.
///
/// [`purge`](Purger::purge) queues and returns. A thread of its own gathers what comes in a short
/// time, leaves out what is asked for twice or covered by something wider, and calls the service
/// with as much at a time as it takes, not faster than it allows, and again where it fails. See the
/// [module page](super).
pub struct Purger {
    inner: Arc<Inner>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the handle and the thread share.
struct Inner {
    service: Arc<dyn PurgeService>,
    name: &'static str,
    of_service: PurgeLimits,
    clock: Clock,
    built: Instant,
    /// What it was built with.
    defaults: Limits,
    counts: Counts,
    random: RandomState,
    state: Mutex<State>,
    /// Something was queued, or is to end.
    work: Condvar,
    /// Something came to its end.
    done: Condvar,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    limits: Limits,
    pace: Pace,
    /// The number of the last item.
    last: u64,
    /// What is on its way: how many, the first of their numbers, and since when the oldest waits.
    on_its_way: Option<(usize, u64, Instant)>,
    /// Whoever waits until nothing does.
    flushing: usize,
    /// When the thread ends at the latest, once it is to.
    ends: Option<Instant>,
    is_over: bool,
    last_error: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_waiting: usize,
    gather: Duration,
    deadline: Duration,
    give_up_after: Duration,
    close_within: Duration,
    widens: bool,
    collapses: bool,
}

impl Purger {
    /// Starts making one for a service.
    pub fn builder(service: impl PurgeService + 'static) -> PurgerBuilder {
        PurgerBuilder::new(Arc::new(service))
    }

    fn start(service: Arc<dyn PurgeService>, limits: Limits) -> Result<Purger, ConfigError> {
        let clock = Clock::system();
        let now = clock.now();
        let of_service = service.limits();
        let pace = Pace::new(&of_service, now)?;
        let inner = Arc::new(Inner {
            name: service.name(),
            of_service,
            service,
            built: now,
            clock,
            defaults: limits,
            counts: Counts::default(),
            random: RandomState::new(),
            state: Mutex::new(State {
                queue: Queue::default(),
                limits,
                pace,
                last: 0,
                on_its_way: None,
                flushing: 0,
                ends: None,
                is_over: false,
                last_error: None,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let of_it = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("perf-cache-purge".to_owned())
            .spawn(move || worker::run(&of_it))
            .map_err(|why| ConfigError::new("thread", why, "let the process have more threads"))?;
        Ok(Purger { inner, thread: Mutex::new(Some(thread)) })
    }

    /// What the service is called.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.inner.name
    }

    /// Queues something to be purged. O(1) beside what it covers; waits for nobody.
    ///
    /// # Errors
    ///
    /// [`PurgeRefused`]: the service keeps it, which is counted.
    pub fn purge(&self, item: Purge) -> Result<(), PurgeRefused> {
        let inner = &*self.inner;
        let outcome = inner.queue(item);
        match &outcome {
            Ok(()) => inner.counts.queued.increment(),
            Err(PurgeRefused::Full { .. }) => inner.counts.lost.increment(),
            Err(_) => inner.counts.refused.increment(),
        }
        outcome
    }

    /// Queues several; the first error, after all were tried.
    ///
    /// # Errors
    ///
    /// As [`purge`](Purger::purge).
    pub fn purge_many(&self, items: impl IntoIterator<Item = Purge>) -> Result<(), PurgeRefused> {
        let mut first = Ok(());
        for item in items {
            let outcome = self.purge(item);
            first = first.and(outcome);
        }
        first
    }

    /// Waits until what was queued before has been taken by the service or given up, but not longer
    /// than the deadline; whether it has. It goes without gathering more, and once without the pause
    /// after a failure, unless the service has asked for that.
    pub fn flush(&self, deadline: Duration) -> bool {
        let inner = &*self.inner;
        let mut state = inner.lock();
        let target = state.last;
        let now = inner.clock.now();
        state.pace.forgive(now);
        state.flushing += 1;
        inner.work.notify_all();
        let waits = |state: &mut State| {
            !state.is_over && state.first() <= Some(target) && state.first().is_some()
        };
        let (mut state, _) = inner
            .done
            .wait_timeout_while(state, deadline, waits)
            .unwrap_or_else(PoisonError::into_inner);
        state.flushing -= 1;
        !waits(&mut state)
    }

    /// Takes nothing more, brings what waits to the service as far as that takes no longer than the
    /// deadline, and ends the thread. What is on its way then is not waited for, and counts as lost.
    /// Later calls tell the same counts.
    #[must_use = "it tells what was lost"]
    pub fn close(&self, deadline: Duration) -> PurgeReport {
        let inner = &*self.inner;
        let start = inner.clock.now();
        let mut state = inner.lock();
        if state.ends.is_none() {
            state.ends = Some(start + deadline);
            state.pace.forgive(start);
            inner.work.notify_all();
        }
        let (mut state, _) = inner
            .done
            .wait_timeout_while(state, deadline, |state| !state.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.is_over {
            // A call is still being made; its thread ends with it.
            state.is_over = true;
            let on_its_way = state.on_its_way.map_or(0, |(items, ..)| items);
            inner.counts.lost.add((state.queue.drain() + on_its_way) as u64);
            inner.done.notify_all();
        }
        drop(state);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.is_finished()
        {
            let _ = thread.join();
        }
        let stats = self.stats();
        PurgeReport { sent: stats.sent, lost: stats.lost, took: inner.clock.now() - start }
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> PurgerStats {
        self.inner.stats()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, item: Purge) -> Result<(), PurgeRefused> {
        if let Some(why) = item.fault() {
            let mut item = item.to_string();
            item.truncate(item.floor_char_boundary(100));
            return Err(PurgeRefused::Invalid { item, why });
        }
        let unsupported =
            || PurgeRefused::Unsupported { item: item.to_string(), service: self.name };
        // Before the lock: it is somebody's code.
        let fitting = self.service.fit(&item).ok_or_else(unsupported)?;
        let can_do_all = self.service.fit(&Purge::All) == Some(Purge::All);
        let is_wider = fitting != item;
        let mut state = self.lock();
        if state.ends.is_some() {
            return Err(PurgeRefused::Closed);
        }
        if is_wider && !state.limits.widens {
            return Err(unsupported());
        }
        let now = self.clock.now();
        let number = state.last + 1;
        let Limits { max_waiting, collapses, .. } = state.limits;
        let most = usize::MAX;
        let new = Waiting { item: fitting, since: now, asked: now, number, most };
        let pushed = state.queue.push(new, max_waiting, collapses && can_do_all);
        match pushed {
            Pushed::Queued { covered } => self.counts.coalesced.add(covered as u64),
            Pushed::Coalesced => self.counts.coalesced.increment(),
            Pushed::Collapsed { items } => self.counts.collapsed.add(items as u64),
            Pushed::Full => {
                let waiting = state.queue.len();
                return Err(PurgeRefused::Full { item: item.to_string(), waiting });
            }
        }
        if is_wider {
            self.counts.widened.increment();
        }
        state.last = number;
        drop(state);
        self.work.notify_all();
        Ok(())
    }

    fn stats(&self) -> PurgerStats {
        let mut stats = self.counts.read();
        let state = self.lock();
        let on_its_way = state.on_its_way.map_or(0, |(items, ..)| items);
        stats.waiting = (state.queue.len() + on_its_way) as u64;
        let sent_since = state.on_its_way.map(|(_, _, since)| since);
        let oldest = [state.queue.oldest(), sent_since].into_iter().flatten().min();
        stats.lag = oldest.map_or(Duration::ZERO, |oldest| self.clock.now() - oldest);
        stats.last_error.clone_from(&state.last_error);
        stats
    }
}

impl State {
    /// The number of the first item that waits or is on its way.
    fn first(&self) -> Option<u64> {
        let on_its_way = self.on_its_way.map(|(_, number, _)| number);
        [self.queue.first_number(), on_its_way].into_iter().flatten().min()
    }
}

impl Drop for Purger {
    fn drop(&mut self) {
        let within = self.inner.defaults.close_within;
        let _ = self.close(within);
    }
}

impl fmt::Debug for Purger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purger")
            .field("service", &self.inner.service)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What came of closing a [`Purger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeReport {
    /// Items that the service has taken since the purger was made.
    pub sent: u64,
    /// Items that were given up since then: the service may keep what they would have ended.
    pub lost: u64,
    /// How long closing took.
    pub took: Duration,
}
