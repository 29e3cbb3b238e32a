//! What follows a failed attempt.

use super::attempt::{Supervised, contain, ended_by, shorten};
use super::clocks::Clocks;
use super::group::Group;
use super::permit::InlinePermit;
use super::runner::{BoxWork, Submitted};
use super::shared::{Job, NextJob, Payload, Shared, next_of};
use crate::fallback::or_degraded;
use crate::operation::Choices;
use crate::sync::{Arc, AtomicU64, Ordering, lock};
use crate::{Answered, Ended, Handle, KindId, OperationError, OperationId, Retry, Source, Work};
use perf_core::Instant;
use perf_guard::{Deadline, Outcome};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use tokio::runtime::Handle as Runtime;

/// An attempt that has failed, panicked or run out of time.
pub(super) struct FailedAttempt<'a> {
    pub(super) id: OperationId,
    pub(super) error: &'a OperationError,
    /// The number of the attempt that would follow, if the work can be done again.
    pub(super) next: Option<u32>,
    /// What the operation itself says about it.
    pub(super) retry: Option<&'a Retry>,
    /// When the operation's total time has passed.
    pub(super) deadline: Deadline,
}

/// What follows.
pub(super) enum After {
    /// Another attempt, not before that moment.
    Again(Instant),
    /// Nothing: the operation has ended.
    Ended(Ended),
}

/// Another attempt is to follow.
pub(super) struct Again {
    pub(super) at: Instant,
    /// Why the last one ended.
    pub(super) error: OperationError,
}

/// What follows an attempt where the caller stands.
pub(super) enum Followed<T: Send + 'static> {
    /// Others in tasks of their own.
    Again(Handle<T>),
    /// Nothing: the operation has ended, with what the caller has chosen for that.
    Ended(OperationError, Choices<T>),
}

impl Shared {
    /// Ends an operation whose attempt has failed where the caller stands, or hands it over to a
    /// task of its own for another attempt.
    pub(super) fn follow<T, W>(
        self: &Arc<Self>,
        permit: InlinePermit<'_>,
        error: OperationError,
        again: Option<W>,
        choices: Choices<T>,
        clocks: Clocks,
        submitted: Instant,
    ) -> Followed<T>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        let after = self.after(&FailedAttempt {
            id: permit.id(),
            error: &error,
            next: again.as_ref().map(W::number),
            retry: choices.as_ref().and_then(|chosen| chosen.retry.as_ref()),
            deadline: clocks.total_by(submitted),
        });
        match (after, again) {
            (After::Again(at), Some(mut work)) => {
                work.remember(error.clone());
                let group = Group::new();
                let supervised = Supervised::new(work, clocks, permit.kind());
                let work = Submitted::new(supervised, choices, Arc::clone(&group));
                let id = permit.id();
                permit.suspend(Box::pin(work), submitted, Again { at, error });
                Followed::Again(Handle::new(Arc::clone(self), (id, group, 0)))
            }
            (After::Ended(ended), again) => {
                let dropped = contain(|| drop(again));
                permit.finish(ended);
                Followed::Ended(dropped.err().unwrap_or(error), choices)
            }
            (After::Again(_), None) => unreachable!("nothing follows what cannot be done again"),
        }
    }

    /// Decides what follows a failed attempt, and tells the circuit breaker of it where that has a
    /// test for errors. Asks the user's tests.
    pub(super) fn after(&self, attempt: &FailedAttempt<'_>) -> After {
        let FailedAttempt { id, error, next, retry, deadline } = *attempt;
        if matches!(error, OperationError::Cancelled) {
            return After::Ended(Ended::Cancelled);
        }
        let (of_kind, failure_test) = {
            let core = lock(&self.core);
            let settings = core.settings_of(id);
            let of_kind = settings.filter(|_| next.is_some() && retry.is_none());
            let guarded = settings.filter(|settings| settings.breaker.is_some());
            (
                of_kind.and_then(|settings| settings.retry.clone()),
                guarded.and_then(|settings| settings.failure_test.clone()),
            )
        };
        let healthy = failure_test.is_some_and(|test| test.ask(error) == Some(false));
        let outcome = if healthy { Outcome::Success } else { Outcome::Failure };
        let retry = retry.or(of_kind.as_ref()).filter(|retry| retry.covers(error));
        let delay = retry.zip(next).and_then(|(retry, next)| {
            // The attempt that has ended is the one before the next.
            retry.delay(next.saturating_sub(1), self.random.next())
        });
        let now = self.clock.now();
        let mut core = lock(&self.core);
        core.report(id, Some(outcome), now);
        let Some(delay) = delay else {
            drop(core);
            return After::Ended(ended_by(error));
        };
        let at = now + delay;
        let allowed = core.allow_retry(id, at, deadline, now);
        drop(core);
        match allowed {
            Ok(()) => After::Again(at),
            Err(why) => {
                let explain = |text| shorten(format!("{text}; not tried again: {why}"));
                After::Ended(match ended_by(error) {
                    Ended::Failed(text) => Ended::Failed(explain(text)),
                    Ended::TimedOut(text) => Ended::TimedOut(explain(text)),
                    other => other,
                })
            }
        }
    }

    /// Gives back the place of an operation that is to be tried again, and lets it wait; starts the
    /// next operation. The work comes back if that cannot be, with the error that says why.
    pub(super) fn suspend(
        self: &Arc<Self>,
        id: OperationId,
        (mut work, mut runtime): (BoxWork, Runtime),
        submitted: Instant,
        again: Again,
    ) -> Result<(Option<Payload>, Instant, NextJob), (BoxWork, OperationError)> {
        let Again { at, error } = again;
        let start_by = work.as_mut().resume_by(submitted, at);
        let now = self.clock.now();
        let mut core = lock(&self.core);
        if matches!(core.payload(id), Some(Payload::Cancelled)) {
            drop(core);
            return Err((work, OperationError::Cancelled));
        }
        let job = Job::new(work, core.runtimes.enter(&mut runtime));
        match core.suspend(id, Payload::Waiting(job), at, start_by, now) {
            Ok(finished) => {
                let next = next_of(&mut core, now, None);
                let (alarm, more) = (core.take_alarm(), core.has_next());
                drop(core);
                self.watch(alarm);
                let next = self.board(next);
                if more {
                    self.dispatch();
                }
                Ok((finished.payload, now, next))
            }
            Err(Payload::Waiting(job)) => {
                core.runtimes.leave(job.runtime);
                drop(core);
                Err((job.work, error))
            }
            Err(_) => unreachable!("what was to be left comes back"),
        }
    }

    /// Starts these operations and all others that there is room for.
    pub(super) fn launch(self: &Arc<Self>, next: NextJob) {
        match next {
            Some(Ok((Some(runtime), started))) => self.spawn(&runtime, started),
            Some(Ok((None, _))) => unreachable!("it was asked for from nowhere"),
            Some(Err(unstarted)) => unstarted.tell(self),
            None => return,
        }
        self.dispatch();
    }

    /// Gives everyone who waits the result, or what answers in its place. Never panics.
    pub(super) fn settle<T: Send + 'static>(
        &self,
        kind: KindId,
        group: &Group<T>,
        result: Result<T, OperationError>,
        choices: Choices<T>,
    ) {
        match or_degraded(result, choices) {
            Ok(Answered { value, source }) => {
                self.count_source(kind, source);
                group.settle(Ok(value), source);
            }
            Err(error) => group.settle(Err(error), Source::Fresh),
        }
    }

    /// Counts an operation without a value for which something else has answered.
    pub(super) fn count_source(&self, kind: KindId, source: Source) {
        if source != Source::Fresh {
            lock(&self.core).count_source(kind, source);
        }
    }
}

/// Random bits for the jitter.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

impl Random {
    pub(crate) fn new(seed: Option<u64>) -> Random {
        Random(AtomicU64::new(seed.unwrap_or_else(|| RandomState::new().hash_one(0))))
    }

    /// The next 64 of them.
    ///
    /// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014
    /// (SplitMix64).
    pub(crate) fn next(&self) -> u64 {
        // Relaxed: nothing else depends on it.
        let state = self.0.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first numbers of the authors' own code for the seed 1234567.
        let random = Random::new(Some(1_234_567));
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([random.next(), random.next()], expected);
    }
}
