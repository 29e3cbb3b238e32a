//! Changes carried out: in order for each key, at once or on a thread that may wait.

use super::super::keys::{Action, Job};
use super::super::outer::Attempt;
use super::super::pool::Work;
use super::super::promise::{Promise, block_on};
use super::super::tier::TierError;
use super::{Begun, Outcome, Outside, Waiter};
use perf_core::Instant;
use std::sync::Arc;

/// Something that a thread does for one that waits.
pub(super) struct Carried {
    attempt: Arc<Attempt>,
    done: Arc<Promise<()>>,
}

/// What came of driving what is to be done for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driven {
    /// There was nothing to be done, or somebody else is at it.
    Nowhere,
    /// The tier did all of it.
    Well,
    /// It is parked.
    Badly,
}

impl Outside {
    /// Carries changes out, and waits for what has to be waited for.
    ///
    /// # Errors
    ///
    /// The first that came of a removal or a record.
    pub(in crate::tiered) async fn carry(self: &Arc<Outside>, mut begun: Begun) -> Outcome {
        let mut first = Ok(());
        while let Some((tier, waiter)) = begun.tiers.pop() {
            let outcome = match waiter {
                None => {
                    self.drive(begun.hash, tier, None);
                    Ok(())
                }
                Some(waiter) => self.carry_one(begun.hash, tier, &waiter).await,
            };
            if first.is_ok() {
                first = outcome;
            }
        }
        first
    }

    async fn carry_one(self: &Arc<Outside>, hash: u64, tier: usize, waiter: &Waiter) -> Outcome {
        let outer = &self.outers[tier];
        let attempt = self.set_out(hash, tier);
        match waiter.wait(Some(outer.deadline()), &self.timers).await {
            Some(outcome) => outcome,
            None => Err(match attempt {
                Some(attempt) => outer.time_out(&attempt),
                None => TierError::TimedOut { tier: outer.name() },
            }),
        }
    }

    /// Has done what is to be done for a key: at once, or on a thread that may wait.
    pub(in crate::tiered) fn set_out(
        self: &Arc<Outside>,
        hash: u64,
        tier: usize,
    ) -> Option<Arc<Attempt>> {
        let outer = &self.outers[tier];
        if outer.tier.is_prompt() || outer.is_passed_by() {
            self.drive(hash, tier, None);
            return None;
        }
        let attempt = Arc::<Attempt>::default();
        let (own, of_it) = (Arc::clone(self), Arc::clone(&attempt));
        let work = Box::new(move || own.drive(hash, tier, Some(&of_it)));
        if self.pool.submit(work).is_ok() {
            return Some(attempt);
        }
        // What was to be put is lost, what was to be removed is removed later.
        let refused = self.stripe(hash).refuse(hash, tier);
        self.behind.take(refused.freed);
        if refused.puts > 0 {
            outer.counts.lost_busy.add(refused.puts);
            self.volume.doubt();
        }
        self.park(hash, tier);
        let busy = TierError::Busy { tier: outer.name() };
        refused.waiters.iter().for_each(|waiter| _ = waiter.keep(Err(busy.clone())));
        None
    }

    /// Does what is to be done for a key in a tier, unless another thread is at it: that does it all.
    /// If it goes well, so may what could not be done before.
    pub(in crate::tiered) fn drive(
        self: &Arc<Outside>,
        hash: u64,
        tier: usize,
        attempt: Option<&Attempt>,
    ) {
        let mut driven = self.drive_one(hash, tier, attempt);
        for _ in 0..RETRIES {
            if driven != Driven::Well {
                return;
            }
            let Some(hash) = self.unpark(tier) else { return };
            driven = self.drive_one(hash, tier, attempt);
        }
    }

    /// Does what is to be done for a key in a tier, and nothing for others.
    pub(super) fn drive_one(
        self: &Arc<Outside>,
        hash: u64,
        tier: usize,
        attempt: Option<&Attempt>,
    ) -> Driven {
        let mut driven = Driven::Nowhere;
        loop {
            let Some(job) = self.next(hash, tier) else { return driven };
            let job = if self.is_dead_on_its_way(tier, &job.action) {
                self.outers[tier].counts.overtaken.increment();
                Job { action: Action::Remove, ..job }
            } else {
                job
            };
            let done = self.outers[tier].execute(&job, attempt);
            match done.and_then(|()| self.end_if_dead(tier, &job, attempt)) {
                Ok(()) => {
                    self.volume.add(job.action.len());
                    let mut keys = self.stripe(hash);
                    let waiters = keys.done(hash, tier);
                    self.forget_idle(&mut keys, hash);
                    drop(keys);
                    waiters.iter().for_each(|waiter| _ = waiter.keep(Ok(())));
                    driven = Driven::Well;
                }
                Err(error) => {
                    if job.action.len() > 0 {
                        self.volume.doubt();
                    }
                    let (waiters, is_due) = self.stripe(hash).failed(hash, tier, error.is_none());
                    let outcome = error.clone().map_or(Ok(()), Err);
                    waiters.iter().for_each(|waiter| _ = waiter.keep(outcome.clone()));
                    if error.is_some() && is_due {
                        self.park(hash, tier);
                        return Driven::Badly;
                    }
                }
            }
        }
    }

    /// What was invalidated before the shared tier gave a value its number has been taken in by now,
    /// and that value passes for newer there: it goes again.
    fn end_if_dead(
        &self,
        tier: usize,
        job: &Job,
        attempt: Option<&Attempt>,
    ) -> Result<(), Option<TierError>> {
        if !self.is_dead_on_its_way(tier, &job.action) {
            return Ok(());
        }
        self.outers[tier].counts.overtaken.increment();
        let removal = Job { key: Arc::clone(&job.key), action: Action::Remove };
        self.outers[tier].execute(&removal, attempt)
    }

    /// Forgets what was to be done for a key in a tier; who waits for it learns why.
    pub(super) fn forget_due(&self, hash: u64, tier: usize, why: &TierError) {
        let mut keys = self.stripe(hash);
        let refused = keys.give_up(hash, tier);
        self.forget_idle(&mut keys, hash);
        drop(keys);
        self.behind.take(refused.freed);
        refused.waiters.iter().for_each(|waiter| _ = waiter.keep(Err(why.clone())));
    }

    /// The same for who is on a thread of the cache and waits for the tier until its deadline.
    pub(in crate::tiered) fn carry_out(self: &Arc<Outside>, hash: u64, tier: usize) {
        let until = self.outers[tier].deadline();
        match self.hand_over(hash, tier) {
            None => {}
            Some(Ok(waiting)) => _ = self.await_carried(tier, waiting, until),
            Some(Err((waiting, work))) => {
                block_on(self.pool.submit_when_free(work, None, &self.timers));
                let _ = self.await_carried(tier, waiting, until);
            }
        }
    }

    /// Does what is to be done for a key, or has a thread do it; `Err` if there is no room for that.
    pub(super) fn hand_over(
        self: &Arc<Outside>,
        hash: u64,
        tier: usize,
    ) -> Option<Result<Carried, (Carried, Work)>> {
        let outer = &self.outers[tier];
        if outer.tier.is_prompt() || outer.is_passed_by() {
            self.drive(hash, tier, None);
            return None;
        }
        let attempt = Arc::<Attempt>::default();
        let done = Promise::new();
        let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&done));
        let work = Box::new(move || {
            own.drive(hash, tier, Some(&of_it));
            told.keep(());
        });
        let carried = Carried { attempt, done };
        Some(match self.pool.submit(work) {
            Ok(()) => Ok(carried),
            Err(work) => Err((carried, work)),
        })
    }

    /// Whether it was done in time.
    pub(super) fn await_carried(&self, tier: usize, carried: Carried, until: Instant) -> bool {
        let is_done = block_on(carried.done.wait(Some(until), &self.timers)).is_some();
        if !is_done {
            self.outers[tier].time_out(&carried.attempt);
        }
        is_done
    }

    fn next(&self, hash: u64, tier: usize) -> Option<Job> {
        let job = self.stripe(hash).next(hash, tier)?;
        self.behind.take(job.action.len());
        Some(job)
    }
}

/// Parked keys that are tried again after something went well.
const RETRIES: usize = 8;
