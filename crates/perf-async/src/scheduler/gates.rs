//! What an operation has to get past before it starts: all or nothing, and in this file only.

use super::slab::NONE;
use super::units::{Asks, NoRoom};
use super::{KindId, Scheduler};
use crate::pools::Grant;
use crate::{Batch, Fairness, OperationId};
use perf_core::Instant;
use perf_guard::{Outcome, Permit};
use std::time::Duration;

/// What the gates say to an operation that has its turn.
pub(super) enum Gate {
    /// Start; what it holds while it runs.
    Open(u32),
    /// None of its kind for now; the kind has been taken out until that changes.
    Closed,
    /// Not this one: its circuit breaker is open for that long.
    Refused(Duration),
}

/// What running operations hold beside a place, for those few that hold something.
#[derive(Debug, Default)]
pub(super) struct Holds {
    all: Vec<Option<Hold>>,
    free: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Hold {
    /// The breaker's. Dropping it gives a probe back.
    permit: Option<Permit>,
    /// The pools'.
    units: Option<Grant>,
}

impl Holds {
    fn put(&mut self, hold: Hold) -> u32 {
        if let Some(at) = self.free.pop() {
            self.all[at as usize] = Some(hold);
            return at;
        }
        self.all.push(Some(hold));
        (self.all.len() - 1) as u32
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut Hold> {
        self.all.get_mut(at as usize)?.as_mut()
    }

    fn take(&mut self, at: u32) -> Option<Hold> {
        let hold = self.all.get_mut(at as usize)?.take()?;
        self.free.push(at);
        Some(hold)
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

impl<P> Scheduler<P> {
    /// Takes what an operation of that kind needs to start, all of it or nothing. The limits of
    /// places have been looked at before: a kind without a place has no turn.
    pub(super) fn pass(&mut self, id: KindId, operation: OperationId, now: Instant) -> Gate {
        let kind = &mut self.kinds[id];
        if kind.is_plain && self.asks.is_empty() {
            return Gate::Open(NONE);
        }
        // Asked first, so that a kind that has to wait is told nothing else meanwhile.
        let wait = kind.throttle.as_ref().map_or(Duration::ZERO, |throttle| throttle.wait(now));
        if !wait.is_zero() {
            let until = now + wait;
            kind.blocked = Some(until);
            self.turn_at(id, until);
            return Gate::Closed;
        }
        let permit = match kind.breaker.as_mut().map(|breaker| breaker.try_acquire(now)) {
            None => None,
            Some(Ok(permit)) => Some(permit),
            Some(Err(rejected)) => return Gate::Refused(rejected.retry_after()),
        };
        let asked = self.asked(id, self.asks.get(&operation).map(|asks| &**asks));
        let units = match self.take_units(id, asked.as_ref()) {
            Ok(units) => units,
            // The breaker has its permit back.
            Err(NoRoom) => return Gate::Closed,
        };
        // Whatever can be given back belongs here: a throttle's ticket cannot, so it is the last.
        if let Some(throttle) = &mut self.kinds[id].throttle {
            let passed = throttle.check(now);
            debug_assert!(passed.is_ok(), "it was asked above");
        }
        Gate::Open(self.hold(permit, units))
    }

    /// As [`pass`](Scheduler::pass) where it is known that the gates are open.
    #[inline]
    pub(super) fn pass_unasked(&mut self, id: KindId, asks: Option<&Asks>, now: Instant) -> u32 {
        if asks.is_none() && self.kinds[id].is_plain {
            return NONE;
        }
        self.pass_gates(id, asks, now)
    }

    fn pass_gates(&mut self, id: KindId, asks: Option<&Asks>, now: Instant) -> u32 {
        let asked = self.asked(id, asks);
        // One for which there is no room starts without, and keeps nothing for itself.
        let asked = asked.filter(|asked| self.can_take(id, asked));
        let units = self.take_units(id, asked.as_ref()).unwrap_or_default();
        let kind = &mut self.kinds[id];
        if let Some(throttle) = &mut kind.throttle {
            let _ = throttle.check(now);
        }
        let permit = kind.breaker.as_mut().and_then(|breaker| breaker.try_acquire(now).ok());
        self.hold(permit, units)
    }

    fn hold(&mut self, permit: Option<Permit>, units: Option<Grant>) -> u32 {
        if permit.is_some() || units.is_some() {
            self.holds.put(Hold { permit, units })
        } else {
            NONE
        }
    }

    /// Takes back what a running operation held.
    pub(super) fn release(
        &mut self,
        kind: KindId,
        held: u32,
        outcome: Option<Outcome>,
        now: Instant,
    ) {
        if held == NONE {
            return;
        }
        let Some(hold) = self.holds.take(held) else { return };
        self.give_units(hold.units);
        if let (Some(permit), Some(outcome), Some(breaker)) =
            (hold.permit, outcome, &mut self.kinds[kind].breaker)
        {
            breaker.record(permit, outcome, now);
        }
    }

    /// Tells the circuit breaker how a running operation did, where the driver knows better than
    /// [`finish`](Scheduler::finish) and [`suspend`](Scheduler::suspend): an error that says nothing
    /// about the other side's health, say. `None` counts as neither. What follows is not counted.
    pub fn report(&mut self, id: OperationId, outcome: Option<Outcome>, now: Instant) {
        let Some(slot) = self.slab.get(id).filter(|slot| !slot.state.waits()) else { return };
        let Some(hold) = self.holds.get_mut(slot.link) else { return };
        if let (Some(permit), Some(outcome), Some(breaker)) =
            (hold.permit.take(), outcome, &mut self.kinds[slot.kind].breaker)
        {
            breaker.record(permit, outcome, now);
        }
    }

    /// As [`refresh`](Scheduler::refresh) after something that matters only if it has changed which
    /// operation is the first, or if the kind's comes in batches, for which their number counts.
    #[inline]
    pub(super) fn refresh_if(&mut self, id: KindId, changed: impl Fn(OperationId) -> bool) {
        let kind = &self.kinds[id];
        let first = kind.line.first().map_or(OperationId::NONE, |(_, first)| first);
        if changed(first) || kind.settings.batch.is_some() {
            self.refresh(id);
        }
    }

    /// Puts a kind where it belongs among those with an operation to start. To be called after
    /// anything that may have changed that.
    pub(super) fn refresh(&mut self, id: KindId) {
        let kind = &mut self.kinds[id];
        let first = if kind.has_place() && kind.blocked.is_none() && kind.has_batch() {
            kind.line.first()
        } else {
            None
        };
        if first.is_none() && kind.wants_units {
            self.withdraw(id);
        }
        let kind = &mut self.kinds[id];
        let first = first.filter(|(_, id)| kind.short != Some(*id));
        let turn = first.map(|rank| {
            if self.fairness == Fairness::Weighted {
                kind.virtual_start = kind.virtual_start.max(self.virtual_time);
                (kind.virtual_start, rank)
            } else {
                (0, rank)
            }
        });
        self.ready.set(id, turn);
    }

    /// Notes a start of that kind in virtual time.
    pub(super) fn charge(&mut self, id: KindId) {
        if self.fairness == Fairness::Weighted {
            let kind = &mut self.kinds[id];
            self.virtual_time = kind.virtual_start.max(self.virtual_time);
            kind.virtual_start = self.virtual_time + START / u64::from(kind.settings.weight);
            if self.virtual_time >= LATE {
                self.begin_time_anew();
            }
        }
    }

    /// Lets virtual time begin anew, and all kinds stand to each other as they did.
    #[cold]
    fn begin_time_anew(&mut self) {
        let past = std::mem::take(&mut self.virtual_time);
        for (_, kind) in self.kinds.iter_mut() {
            kind.virtual_start = kind.virtual_start.saturating_sub(past);
        }
        let kinds: Vec<KindId> = self.kinds.iter().map(|(kind, _)| kind).collect();
        for kind in kinds {
            self.refresh(kind);
        }
    }

    /// Begins to wait for a batch of that kind, if it comes in batches and nothing has begun.
    pub(super) fn gather(&mut self, id: KindId, now: Instant) {
        let kind = &self.kinds[id];
        if kind.gathering.is_none() && !kind.gathered {
            self.gather_anew(id, now);
        }
    }

    /// Looks at how long what is left of that kind has waited for its batch.
    pub(super) fn gather_anew(&mut self, id: KindId, now: Instant) {
        let kind = &mut self.kinds[id];
        let Some(window) = kind.settings.batch_rule().and_then(Batch::waits) else { return };
        let ends = kind.line.oldest(&self.slab).map(|oldest| oldest + window);
        kind.gathered = ends.is_some_and(|ends| ends <= now);
        let ends = ends.filter(|ends| *ends > now);
        let before = std::mem::replace(&mut kind.gathering, ends);
        if before == ends {
            return;
        }
        if let Some(ends) = ends {
            self.turn_at(id, ends);
        }
        if before.is_some() {
            self.turns.forget();
        }
    }

    /// Sees to it that a kind is looked at then.
    fn turn_at(&mut self, id: KindId, moment: Instant) {
        self.turns.push(moment, id, |at, kind| self.kinds[kind].waits_for(at));
        self.alarm = self.alarm.min(moment);
    }

    /// Lets those go on whose time has come.
    pub(super) fn turn_over(&mut self, now: Instant) {
        while self.turns.is_due(now) {
            let kinds = &self.kinds;
            let Some(id) = self.turns.pop(now, |at, kind| kinds[kind].waits_for(at)) else { break };
            let kind = &mut self.kinds[id];
            kind.blocked = kind.blocked.filter(|until| *until > now);
            if kind.gathering.is_some_and(|ends| ends <= now) {
                self.gather_anew(id, now);
            }
            self.refresh(id);
        }
        self.wake(now);
    }
}

impl super::kinds::Kind {
    /// Whether something is to change for it at that moment.
    pub(super) fn waits_for(&self, at: Instant) -> bool {
        self.blocked == Some(at) || self.gathering == Some(at)
    }
}

/// What a start of a kind with weight 1 costs in virtual time.
const START: u64 = 1 << 32;
/// No later than this may virtual time be, or a start would take it beyond what it can count.
const LATE: u64 = 1 << 63;
