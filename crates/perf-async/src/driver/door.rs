//! Who may still come in: places kept in the queue, closing, and waiting for the last to leave.

use super::attempt::contain;
use super::shared::Core;
use crate::sync::{Arc, AtomicU64, AtomicUsize, Lock, Mutex, MutexGuard, Ordering, in_order, lock};
use crate::{KindId, Refused};
use perf_core::Instant;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

/// The lock around what is decided. Whoever unlocks it lets those in for whom there is room now.
pub(crate) struct CoreLock {
    core: Mutex<Core>,
    /// How many have been dropped of those who had left; the other number is in [`Door::left`].
    gone: AtomicU64,
    /// How many wait for the last to go.
    draining: AtomicUsize,
    drained: Notify,
}

pub(crate) struct CoreGuard<'a> {
    lock: &'a CoreLock,
    /// `None` only while it is being dropped.
    core: Option<MutexGuard<'a, Core>>,
}

/// What is kept of those outside.
#[derive(Debug, Default)]
pub(super) struct Door {
    closed: bool,
    /// Places in the queue that are kept for somebody, in all and by kind.
    kept: usize,
    kept_of: Vec<(KindId, usize)>,
    /// Those who wait for one, first come first served.
    line: VecDeque<Arc<Ticket>>,
    /// How many of them have given up waiting.
    given_up: usize,
    /// How many have left the scheduler while something of theirs was still to be dropped.
    left: u64,
}

/// One who waits for a place in the queue. Its lock may be taken with the scheduler's held.
#[derive(Debug)]
pub(crate) struct Ticket {
    kind: KindId,
    state: Mutex<Waits>,
}

#[derive(Debug)]
enum Waits {
    Yes(Option<Waker>),
    Answered(Result<(), Refused>),
    Gone,
}

impl CoreLock {
    pub(super) fn new(core: Core) -> CoreLock {
        CoreLock {
            core: Mutex::new(core),
            gone: AtomicU64::new(0),
            draining: AtomicUsize::new(0),
            drained: Notify::new(),
        }
    }

    /// Notes that one who [left](Core::leave) has been dropped.
    pub(super) fn note_gone(&self) {
        // SeqCst, and so below: either whoever drains counts this one, or this sees that somebody
        // drains.
        self.gone.fetch_add(1, Ordering::SeqCst);
        in_order();
        if self.draining.load(Ordering::SeqCst) > 0 {
            drop(lock(self)); // Its end tells whoever drains.
        }
    }

    /// Waits until nothing waits, runs or is being dropped. May be dropped at any time.
    pub(crate) async fn drained(&self) {
        struct Draining<'a>(&'a AtomicUsize);
        impl Drop for Draining<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.draining.fetch_add(1, Ordering::SeqCst);
        in_order();
        let _draining = Draining(&self.draining);
        loop {
            let notified = self.drained.notified();
            if self.is_drained(&lock(self)) {
                return;
            }
            notified.await;
        }
    }

    fn is_drained(&self, core: &Core) -> bool {
        core.pending() == 0
            && core.running() == 0
            && core.door.left == self.gone.load(Ordering::SeqCst)
    }
}

impl Lock for CoreLock {
    type Guard<'a> = CoreGuard<'a>;

    #[inline]
    fn enter(&self) -> CoreGuard<'_> {
        CoreGuard { lock: self, core: Some(lock(&self.core)) }
    }
}

impl Deref for CoreGuard<'_> {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        self.core.as_deref().expect("there until it is dropped")
    }
}

impl DerefMut for CoreGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Core {
        self.core.as_deref_mut().expect("there until it is dropped")
    }
}

impl Drop for CoreGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(core) = self.core.take() else { return };
        // Relaxed: whoever begins to drain takes the lock afterwards, and then sees what this one
        // leaves behind.
        if core.door.line.is_empty() && self.lock.draining.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.lock.look(core);
    }
}

impl CoreLock {
    #[cold]
    fn look(&self, mut core: MutexGuard<'_, Core>) {
        let mut wakers = Vec::new();
        core.let_in(&mut wakers);
        let is_drained = self.is_drained(&core);
        drop(core);
        for waker in wakers {
            contain(|| waker.wake()).unwrap_or_default();
        }
        if is_drained && self.draining.load(Ordering::SeqCst) > 0 {
            self.drained.notify_waiters();
        }
    }
}

impl Core {
    /// Whether an operation of that kind submitted now would start at once.
    #[inline]
    pub(super) fn can_start_now(&self, kind: KindId, now: Instant) -> bool {
        !self.door.closed && self.scheduler.can_start_now(kind, now)
    }

    /// Whether one more of that kind may wait; counts it as rejected if not.
    pub(super) fn check_room(&mut self, kind: KindId) -> Result<(), Refused> {
        self.check_room_for(kind, 1)
    }

    /// The same for so many.
    pub(super) fn check_room_for(&mut self, kind: KindId, many: usize) -> Result<(), Refused> {
        if self.door.closed {
            self.scheduler.reject(kind);
            return Err(Refused::Closed);
        }
        if self.door.kept > 0 && !self.has_room(kind, many) {
            return Err(self.scheduler.reject(kind).into());
        }
        Ok(self.scheduler.check_room_for(kind, many)?)
    }

    /// Whether so many more may wait, beside those for whom places are kept.
    fn has_room(&self, kind: KindId, many: usize) -> bool {
        let total = self.pending().saturating_add(self.door.kept).saturating_add(many);
        let of_kind = self.pending_of(kind).saturating_add(self.door.kept_of(kind)) + many;
        let limit = self.kind_settings(kind).queue_limit;
        total <= self.queue_limit() && limit.is_none_or(|limit| of_kind <= limit)
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&mut self) {
        self.door.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.door.closed
    }

    /// Notes that one has ended whose destructors are still to run;
    /// [`note_gone`](CoreLock::note_gone) says when they have.
    pub(super) fn leave(&mut self) {
        self.door.left += 1;
    }

    /// Asks for a place in the queue: it is kept, or there will never be one, or the answer comes
    /// to the ticket.
    pub(crate) fn ask(&mut self, kind: KindId) -> Result<Option<Arc<Ticket>>, Refused> {
        if self.door.closed {
            self.scheduler.reject(kind);
            return Err(Refused::Closed);
        }
        let of_kind = self.kind_settings(kind).queue_limit;
        if self.queue_limit() == 0 || of_kind == Some(0) {
            return Err(self.scheduler.reject(kind).into());
        }
        if self.door.line.len() == self.door.given_up && self.has_room(kind, 1) {
            self.door.keep(kind);
            return Ok(None);
        }
        let ticket = Arc::new(Ticket { kind, state: Mutex::new(Waits::Yes(None)) });
        self.door.line.push_back(Arc::clone(&ticket));
        Ok(Some(ticket))
    }

    /// Gives up waiting, or the place that has been kept meanwhile.
    pub(crate) fn give_up(&mut self, ticket: &Ticket) {
        let before = std::mem::replace(&mut *lock(&ticket.state), Waits::Gone);
        match before {
            Waits::Yes(_) => {
                self.door.given_up += 1;
                if self.door.given_up > self.door.line.len() / 2 {
                    self.door.line.retain(|ticket| !matches!(*lock(&ticket.state), Waits::Gone));
                    self.door.given_up = 0;
                }
            }
            Waits::Answered(Ok(())) => self.give_back(ticket.kind),
            Waits::Answered(Err(_)) | Waits::Gone => {}
        }
    }

    /// Gives a place back that was kept.
    pub(crate) fn give_back(&mut self, kind: KindId) {
        self.door.kept -= 1;
        if let Some(at) = self.door.kept_of.iter().position(|(of, _)| *of == kind) {
            self.door.kept_of[at].1 -= 1;
            if self.door.kept_of[at].1 == 0 {
                self.door.kept_of.swap_remove(at);
            }
        }
    }

    /// Keeps places for those who wait, in the order in which they came. One whose kind is full
    /// stays where it is and lets others pass.
    fn let_in(&mut self, wakers: &mut Vec<Waker>) {
        let mut at = 0;
        while let Some(ticket) = self.door.line.get(at) {
            let answer = if self.door.closed {
                Err(Refused::Closed)
            } else if self.has_room(ticket.kind, 1) {
                Ok(())
            } else if self.pending() + self.door.kept < self.queue_limit() {
                at += 1;
                continue;
            } else {
                return;
            };
            let Some(ticket) = self.door.line.remove(at) else { return };
            let mut state = lock(&ticket.state);
            let Waits::Yes(waker) = &mut *state else {
                self.door.given_up -= 1;
                continue;
            };
            wakers.extend(waker.take());
            *state = Waits::Answered(answer);
            drop(state);
            if answer.is_ok() {
                self.door.keep(ticket.kind);
            }
        }
    }
}

impl Door {
    fn keep(&mut self, kind: KindId) {
        self.kept += 1;
        match self.kept_of.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, many)) => *many += 1,
            None => self.kept_of.push((kind, 1)),
        }
    }

    fn kept_of(&self, kind: KindId) -> usize {
        self.kept_of.iter().find(|(of, _)| *of == kind).map_or(0, |(_, many)| *many)
    }
}

impl Ticket {
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), Refused>> {
        let waker = cx.waker().clone();
        let old = {
            let mut state = lock(&self.state);
            match &mut *state {
                Waits::Yes(old) => old.replace(waker),
                Waits::Answered(answer) => {
                    let answer = *answer;
                    // From now on the place is in other hands.
                    *state = Waits::Gone;
                    return Poll::Ready(answer);
                }
                Waits::Gone => unreachable!("it is polled until it answers"),
            }
        };
        drop(old);
        Poll::Pending
    }
}

impl fmt::Debug for CoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreLock").finish_non_exhaustive()
    }
}
