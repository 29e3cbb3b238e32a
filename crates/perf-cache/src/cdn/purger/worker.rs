//! What the thread of a purger does.

use super::{Inner, State};
use crate::cdn::purge::{Purge, PurgeError, PurgeErrorKind};
use crate::cdn::purger::queue::Waiting;
use perf_core::Instant;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Until the purger is closed.
pub(super) fn run(inner: &Inner) {
    let mut state = inner.lock();
    while let Some((mut locked, mut batch)) = next(inner, state) {
        locked.on_its_way = summary(&batch);
        drop(locked);
        let mut items: Vec<Purge> = batch.iter().map(|waiting| waiting.item.clone()).collect();
        let service = &inner.service;
        let count = catch_unwind(AssertUnwindSafe(|| service.batch(&items))).unwrap_or(1);
        items.truncate(count.max(1));
        let rest = batch.split_off(items.len());
        locked = inner.lock();
        if locked.is_over {
            // `close` has counted all of them.
            return;
        }
        let now = inner.clock.now();
        inner.counts.coalesced.add(locked.queue.put_back(rest) as u64);
        locked.on_its_way = summary(&batch);
        locked.pace.went(batch.len(), now);
        let deadline = locked.deadline_of_call(now);
        drop(locked);
        let outcome = catch_unwind(AssertUnwindSafe(|| inner.service.send(&items, deadline)));
        let outcome = outcome.unwrap_or_else(|_| {
            Err(PurgeError::new(inner.name, PurgeErrorKind::Unavailable, "its adapter panicked"))
        });
        state = inner.lock();
        settle(inner, &mut state, batch, outcome);
        state.on_its_way = None;
        inner.done.notify_all();
    }
    inner.lock().is_over = true;
    inner.done.notify_all();
}

fn summary(batch: &[Waiting]) -> Option<(usize, u64, Instant)> {
    let number = batch.iter().map(|waiting| waiting.number).min()?;
    let since = batch.iter().map(|waiting| waiting.since).min()?;
    Some((batch.len(), number, since))
}

impl State {
    fn deadline_of_call(&self, now: Instant) -> Duration {
        let left = self.ends.map_or(Duration::MAX, |ends| ends.saturating_since(now));
        self.limits.deadline.min(left).max(Duration::from_millis(1))
    }
}

/// Waits for what may be sent; `None` at the end.
fn next<'a>(
    inner: &'a Inner,
    mut state: MutexGuard<'a, State>,
) -> Option<(MutexGuard<'a, State>, Vec<Waiting>)> {
    let limits = inner.of_service;
    loop {
        let now = inner.clock.now();
        let most = state.limits.give_up_after.as_nanos();
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let start = Instant::from_nanos(now.as_nanos().saturating_sub(most));
        let given_up = state.queue.give_up(start);
        inner.counts.lost.add(given_up as u64);
        if given_up > 0 {
            inner.done.notify_all();
        }
        if let Some(ends) = state.ends {
            let is_late = ends.saturating_since(now).is_zero();
            if state.is_over || is_late || state.queue.len() == 0 {
                inner.counts.lost.add(state.queue.drain() as u64);
                return None;
            }
        }
        let Some(oldest) = state.queue.oldest() else {
            state = inner.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let is_urgent = state.ends.is_some()
            || state.flushing > 0
            || state.queue.len() >= limits.items_per_call;
        let gathered = if is_urgent { now } else { oldest + state.limits.gather };
        let mut pause = gathered.saturating_since(now);
        if pause.is_zero() {
            match state.pace.ask(now) {
                Ok(()) => {
                    let most = limits.items_per_call.min(state.pace.room(now));
                    let batch = state.queue.take(most, limits.mixed);
                    return Some((state, batch));
                }
                Err(later) => pause = later,
            }
        }
        if let Some(ends) = state.ends {
            pause = pause.min(ends.saturating_since(now));
        }
        // Items give up within this time.
        let pause = pause.clamp(Duration::from_millis(1), Duration::from_secs(1));
        let waited = inner.work.wait_timeout(state, pause);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn settle(inner: &Inner, state: &mut State, batch: Vec<Waiting>, outcome: Result<(), PurgeError>) {
    let now = inner.clock.now();
    if state.is_over {
        // `close` has counted them.
        return;
    }
    let error = match outcome {
        Ok(()) => {
            state.pace.succeeded();
            state.last_error = None;
            inner.counts.calls.increment();
            inner.counts.sent.add(batch.len() as u64);
            for waiting in &batch {
                inner.counts.delay.record_duration(now - waiting.since);
            }
            return;
        }
        Err(error) => error,
    };
    state.last_error = Some(error.to_string());
    let mut batch = batch;
    if error.kind() == PurgeErrorKind::Rejected {
        state.pace.succeeded();
        if batch.len() == 1 {
            inner.counts.rejected.increment();
            return;
        }
        let half = batch.len().div_ceil(2);
        for waiting in &mut batch {
            waiting.most = half;
        }
    } else {
        let random = inner.random.hash_one(state.last ^ now.as_nanos());
        state.pace.failed(&error, now, random);
    }
    inner.counts.retried.increment();
    inner.counts.coalesced.add(state.queue.put_back(batch) as u64);
}
