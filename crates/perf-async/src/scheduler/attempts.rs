//! Operations that run more than once, and those that run together.

use super::line::place_of;
use super::slab::{NONE, State};
use super::{Finished, Happened, Next, Scheduler, is_suspended};
use crate::OperationId;
use crate::adaptive::Sample;
use crate::brief::Brief;
use perf_core::Instant;
use perf_guard::{Deadline, Outcome};

impl<P> Scheduler<P> {
    /// Notes that an attempt of a running operation has ended and that another is to follow, not
    /// before `until`, and never after `start_by`.
    ///
    /// The operation gives back its place and all else it holds, and waits: it counts as waiting,
    /// keeps its id, its key, its priority and the moment it came, and can be cancelled,
    /// re-prioritised and joined. From `until` on, which [`tick`](Scheduler::tick) and
    /// [`next`](Scheduler::next) see to, it has its turn as one that came when it did: before those
    /// of its level that came later. No limit of the queue turns it away. Its circuit breaker counts
    /// a failure, unless [`report`](Scheduler::report) was called.
    ///
    /// # Errors
    ///
    /// The payload if no operation with this id runs in a place of its own.
    pub fn suspend(
        &mut self,
        id: OperationId,
        payload: P,
        until: Instant,
        start_by: Deadline,
        now: Instant,
    ) -> Result<Finished<P>, P> {
        if self.slab.get(id).is_none_or(|slot| slot.state != State::Running) {
            return Err(payload);
        }
        let Some(ran) = self.stop(id, Some(Outcome::Failure), Sample::Nothing, now) else {
            return Err(payload);
        };
        let Some(slot) = self.slab.get_mut(id) else { return Err(payload) };
        let before = slot.payload.replace(payload);
        slot.state = State::Suspended;
        let at = until.max(now);
        slot.later = Brief::new(at - slot.queued_at);
        slot.moment = start_by;
        self.waiting += 1;
        let kind_id = slot.kind;
        let kind = &mut self.kinds[kind_id];
        kind.waiting += 1;
        kind.totals.retried += 1;
        self.wakes.push(at, id, |_, id| is_suspended(&self.slab, id));
        self.alarm = self.alarm.min(at);
        self.expire_at(id, start_by);
        self.note(id, kind_id, now, Happened::Retried { at });
        Ok(Finished { payload: before, ran })
    }

    /// Puts the suspended operations back into their lines whose time has come.
    pub(super) fn wake(&mut self, now: Instant) {
        while self.wakes.is_due(now) {
            let slab = &self.slab;
            let Some(id) = self.wakes.pop(now, |_, id| is_suspended(slab, id)) else { return };
            let Some(kind) = self.kind_of(id) else { return };
            self.moves = self.moves.wrapping_add(1);
            let line = &mut self.kinds[kind].line;
            line.push_moved(id, self.moves, &mut self.slab, self.aging);
            self.gather(kind, now);
            self.refresh(kind);
        }
    }

    /// The other operations of a batch whose first has just been started: at most
    /// so many of its kind, the most urgent first, up to the first that may not `go` along.
    ///
    /// Each is either to start, as from [`next`](Scheduler::next), or has expired. Those that start
    /// run in the leader's place: they count as running, hold no place and pass no gate of their
    /// own, and each is to be [finished](Scheduler::finish) by itself, in any order. None if
    /// the leader does not run.
    #[must_use = "those that are taken run"]
    pub fn take_members(
        &mut self,
        leader: OperationId,
        most: usize,
        now: Instant,
        mut go: impl FnMut(&P) -> bool,
    ) -> Vec<Next<P>> {
        let mut members = Vec::new();
        let Some(slot) = self.slab.get(leader).filter(|slot| slot.state == State::Running) else {
            return members;
        };
        let kind = slot.kind;
        let mut room = most;
        while room > 0
            && let Some((_, id)) = self.kinds[kind].line.first()
            && let Some(slot) = self.slab.get(id)
            && place_of(slot).is_some()
        {
            if slot.moment.expired(now) {
                let payload = self.expire(id, now);
                members.extend(payload.map(|payload| Next::Expired { id, payload }));
            } else if !slot.payload.as_ref().is_some_and(&mut go) {
                break;
            } else {
                members.extend(self.start(id, State::Member, NONE, now));
                room -= 1;
            }
        }
        members
    }
}
