//! Invalidations that the other processes are told of, by the tier that they share.
//!
//! From when one begins until the tier has given it a number, nothing that it covers is answered from
//! the shared tier. One that could not be told is told again when the tier has had some time, and once
//! more when the cache is closed; what waits for that when the process is killed is never told, and
//! the others answer what it was to end for as long as that lives. So many may wait; beyond that they
//! are given up for one that ends everything.

use super::generations::Covers;
use super::outer::Attempt;
use super::outside::{Outcome, Outside};
use super::promise::{Promise, lock};
use super::shared::Scope;
use super::tier::TierError;
use perf_core::{Counter, Instant};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Wake, Waker};

/// What was invalidated here, and the others are not told of yet.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    pending: Mutex<Pending>,
    /// How many these are: most who ask are to find none.
    count: AtomicUsize,
    /// Those that the tier gave numbers.
    pub(super) told: Counter,
    /// Attempts that failed.
    pub(super) failed: Counter,
    /// Those that were given up for one that ends everything.
    pub(super) given_up: Counter,
}

#[derive(Debug, Default)]
struct Pending {
    all: Vec<Announcement>,
    next: u64,
    /// Whether somebody is going to try again.
    is_retried: bool,
}

#[derive(Debug)]
struct Announcement {
    id: u64,
    scope: Scope,
    covers: Covers,
    /// Whether it could not be told, and nobody is at it.
    has_failed: bool,
}

impl Announcements {
    /// What is not announced yet.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether something that is not announced yet covers a value.
    pub(super) fn cover<'a>(&self, tags: &[u64], key: &dyn Fn() -> Option<Cow<'a, str>>) -> bool {
        self.len() > 0 && lock(&self.pending).all.iter().any(|one| one.covers.takes(tags, key))
    }

    fn add(&self, scope: Scope, has_failed: bool) -> u64 {
        let mut pending = lock(&self.pending);
        // Where the same waits for its turn, this is told no earlier.
        pending.all.retain(|known| !known.has_failed || known.scope != scope);
        pending.next += 1;
        let id = pending.next;
        let covers = Covers::of(&scope);
        pending.all.push(Announcement { id, scope, covers, has_failed });
        self.count.store(pending.all.len(), Ordering::Release);
        id
    }

    fn scope(&self, id: u64) -> Option<Scope> {
        let pending = lock(&self.pending);
        pending.all.iter().find(|known| known.id == id).map(|known| known.scope.clone())
    }

    fn done(&self, id: u64) {
        let mut pending = lock(&self.pending);
        pending.all.retain(|known| known.id != id);
        self.count.store(pending.all.len(), Ordering::Release);
        drop(pending);
        self.told.increment();
    }

    /// It could not be told; whether somebody has to be set to try again.
    fn fail(&self, id: u64) -> bool {
        self.failed.increment();
        let mut pending = lock(&self.pending);
        if let Some(at) = pending.all.iter().position(|known| known.id == id) {
            // Behind the others: one that can never be told must not hold them up.
            let mut failed = pending.all.remove(at);
            failed.has_failed = true;
            pending.all.push(failed);
        }
        let waiting = pending.all.iter().filter(|known| known.has_failed).count();
        if waiting > MAX_WAITING {
            self.given_up.add(waiting as u64);
            pending.all.retain(|known| !known.has_failed);
            pending.next += 1;
            let (id, scope) = (pending.next, Scope::All);
            let covers = Covers::All;
            pending.all.push(Announcement { id, scope, covers, has_failed: true });
        }
        self.count.store(pending.all.len(), Ordering::Release);
        !std::mem::replace(&mut pending.is_retried, true)
    }

    /// One that could not be told, to be tried again by the caller; the one that was tried longest ago.
    fn take_failed(&self) -> Option<u64> {
        let mut pending = lock(&self.pending);
        let first = pending.all.iter_mut().find(|known| known.has_failed)?;
        first.has_failed = false;
        Some(first.id)
    }

    /// Who has tried again goes; whether somebody has to follow.
    fn leave(&self) -> bool {
        let mut pending = lock(&self.pending);
        pending.is_retried = pending.all.iter().any(|known| known.has_failed);
        pending.is_retried
    }
}

/// An invalidation that is on its way to the others. Nobody has to wait for it.
#[derive(Debug)]
pub(super) struct Telling {
    tier: usize,
    attempt: Arc<Attempt>,
    promise: Arc<Promise<Outcome>>,
}

/// Has it tried again when its time has come.
struct Retell(Weak<Outside>);

impl Wake for Retell {
    fn wake(self: Arc<Self>) {
        let Some(outside) = self.0.upgrade() else { return };
        let own = Arc::clone(&outside);
        if outside.pool.submit(Box::new(move || own.retell())).is_err() {
            outside.retell_later();
        }
    }
}

impl Outside {
    /// From now on nothing is answered from the shared tier that the scope covers, until the others
    /// are [told](Outside::tell). `None` without such a tier.
    pub(super) fn intend(&self, scope: impl FnOnce() -> Scope) -> Option<u64> {
        self.shared.map(|_| self.announcements.add(scope(), false))
    }

    /// Whether a value that the shared tier has is dead, by the epoch in which it was asked for and its
    /// number.
    pub(super) fn is_dead_there<'a>(
        &self,
        number: (u64, u64),
        tags: &[u64],
        key: &dyn Fn() -> Option<Cow<'a, str>>,
    ) -> bool {
        // In this order: what is announced is noted before it is not pending any more.
        self.announcements.cover(tags, key) || self.told.are_past(number, tags, key)
    }

    /// Where a value of that number is in the order of changes, for people.
    pub(super) fn place_of(&self, number: u64) -> String {
        let (taken_in, pending) = (self.since().number, self.announcements.len());
        let mut place = format!(", of change {number}, with changes up to {taken_in} taken in");
        if pending > 0 {
            place += &format!(", and {pending} invalidations that others are not told of");
        }
        place
    }

    /// Has the others told, on a thread that may wait.
    pub(super) fn tell(self: &Arc<Outside>, id: Option<u64>) -> Option<Telling> {
        let (tier, id) = (self.shared?, id?);
        let outer = &self.outers[tier];
        let (attempt, promise) = (Arc::<Attempt>::default(), Promise::new());
        let telling =
            Telling { tier, attempt: Arc::clone(&attempt), promise: Arc::clone(&promise) };
        let refusal = if self.is_closed() {
            Some(TierError::Closed)
        } else if outer.is_passed_by() {
            outer.counts.passed_by.increment();
            Some(TierError::PassedBy { tier: outer.name() })
        } else {
            let (own, told) = (Arc::clone(self), Arc::clone(&promise));
            let work = Box::new(move || _ = told.keep(own.announce(id, Some(&attempt))));
            let is_busy = self.pool.submit(work).is_err();
            is_busy.then(|| TierError::Busy { tier: outer.name() })
        };
        if let Some(refusal) = refusal {
            self.not_told(id);
            promise.keep(Err(refusal));
        }
        Some(telling)
    }

    /// Waits for it until the deadline of the tier.
    ///
    /// # Errors
    ///
    /// The others are not told yet.
    pub(super) async fn await_told(&self, telling: Telling) -> Outcome {
        let Telling { tier, attempt, promise } = telling;
        let outer = &self.outers[tier];
        match promise.wait(Some(outer.deadline()), &self.timers).await {
            Some(outcome) => outcome,
            None => Err(outer.time_out(&attempt)),
        }
    }

    /// Tells the others of everything, some time.
    pub(super) fn end_everywhere(self: &Arc<Outside>) {
        if self.shared.is_some() {
            let id = self.announcements.add(Scope::All, true);
            self.not_told(id);
        }
    }

    fn announce(self: &Arc<Outside>, id: u64, attempt: Option<&Attempt>) -> Outcome {
        let Some(tier) = self.shared else { return Ok(()) };
        // It was given up for one that ends everything.
        let Some(scope) = self.announcements.scope(id) else { return Ok(()) };
        let outer = &self.outers[tier];
        let told = outer.call(attempt, |tier| {
            let Some(shared) = tier.shared() else { return Ok(None) };
            let before = (shared.since().epoch, self.told.epoch());
            let number = shared.announce(&scope)?;
            // A number of another epoch says nothing; what began that has told all there is to know.
            Ok((shared.since().epoch == before.0).then_some((before.1, number)))
        });
        match told {
            Ok(number) => {
                if let Some((epoch, number)) = number {
                    self.told.note_in(epoch, number, &scope);
                }
                self.announcements.done(id);
                Ok(())
            }
            Err(error) => {
                self.not_told(id);
                Err(error)
            }
        }
    }

    fn not_told(self: &Arc<Outside>, id: u64) {
        if self.announcements.fail(id) {
            self.retell_later();
        }
    }

    /// When the breaker of the tier would let a call through.
    fn retell_later(self: &Arc<Outside>) {
        let Some(tier) = self.shared.filter(|_| !self.is_closed()) else { return };
        let at = self.clock.now() + self.outers[tier].retry_after;
        self.timers.wake_at(at, &Waker::from(Arc::new(Retell(Arc::downgrade(self)))));
    }

    /// Tells what could not be told, until it fails again.
    fn retell(self: &Arc<Outside>) {
        while !self.is_closed()
            && let Some(id) = self.announcements.take_failed()
            && self.announce(id, None).is_ok()
        {}
        if self.announcements.leave() {
            self.retell_later();
        }
    }

    /// Tells what could not be told, once, as long as the tier answers and there is time.
    pub(super) fn retell_all(self: &Arc<Outside>, until: Instant) {
        let Some(tier) = self.shared else { return };
        while self.clock.now() < until
            && let Some(id) = self.announcements.take_failed()
        {
            let (attempt, promise) = (Arc::<Attempt>::default(), Promise::new());
            let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&promise));
            let work = Box::new(move || _ = told.keep(own.announce(id, Some(&of_it))));
            if self.pool.submit(work).is_err() {
                self.announcements.fail(id);
                return;
            }
            let waiting = promise.wait(Some(until), &self.timers);
            match super::promise::block_on(waiting) {
                Some(Ok(())) => {}
                Some(Err(_)) => return,
                None => {
                    self.outers[tier].time_out(&attempt);
                    return;
                }
            }
        }
    }
}

/// Invalidations that wait to be told again.
const MAX_WAITING: usize = 64;
