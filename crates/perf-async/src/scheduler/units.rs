//! Units of the pools among the gates.
//!
//! Within a kind the next operation is the only one that asks, so those of one kind start in their
//! order whatever they need; a kind that has no room for its next operation is out of the way of the
//! others until units are given back, and the [ledger](crate::pools) sees to it that the others do
//! not keep it waiting for ever. Operations of very different needs belong into kinds of their own.

use super::{KindId, Scheduler, Submission};
#[cfg(feature = "lanes")]
use crate::OperationId;
#[cfg(feature = "lanes")]
use crate::lane::Seat;
#[cfg(feature = "lanes")]
use crate::pools::Lane;
use crate::pools::{Grant, MAX_CAPACITY, Units};
use crate::{ConfigError, KindSettings, Needs, Pool, Pools, Quota};
#[cfg(feature = "lanes")]
use std::sync::Arc;

/// What one operation asks of the pools, instead of what its kind says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asks {
    pub(crate) needs: Option<Needs>,
    /// The thread that it needs. The scheduler keeps it and asks only for its lane.
    #[cfg(feature = "lanes")]
    pub(crate) seat: Option<Arc<Seat>>,
}

impl Asks {
    /// Asks for that and nothing else.
    pub(crate) const fn of(needs: Needs) -> Asks {
        Asks {
            needs: Some(needs),
            #[cfg(feature = "lanes")]
            seat: None,
        }
    }
}

/// There is no room for the kind's next operation. It has been taken note of.
#[derive(Debug)]
pub(super) struct NoRoom;

impl<P> Scheduler<P> {
    /// Sets the resources that operations share. To be called before there are operations.
    pub fn set_pools(&mut self, pools: Pools) {
        self.pools = pools;
    }

    /// The resources that operations share, and how they stand.
    #[must_use]
    pub const fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Sets how many units a pool has, at most 2^50, but leaves it one more than it guarantees. Those that run go
    /// on; call [`next`](Scheduler::next) to fill the room that has been made. Answers how many it
    /// has now, `None` if there is no such pool.
    pub fn set_pool_capacity(&mut self, pool: Pool, units: u64) -> Option<u64> {
        self.pools.stats(pool)?;
        self.pools.ledger.set_capacity(pool.index(), units.min(MAX_CAPACITY));
        self.recall();
        Some(self.pools.stats(pool)?.capacity)
    }

    /// Whether the pools have what that operation asks for. To be asked together with
    /// [`can_start_now`](Scheduler::can_start_now). Takes nothing.
    #[inline]
    #[must_use]
    pub fn has_units_for(&self, submission: &Submission) -> bool {
        let kind = submission.kind;
        if submission.asks.is_none() && self.kinds[kind].is_plain {
            return true;
        }
        let asked = self.asked(kind, submission.asks.as_deref());
        asked.is_none_or(|asked| self.can_take(kind, &asked))
    }

    pub(super) fn can_take(&self, kind: KindId, asked: &Units) -> bool {
        self.pools.ledger.can_take(kind.index(), asked)
    }

    /// What an operation takes of the pools; `None` if nothing.
    pub(super) fn asked(&self, kind: KindId, asks: Option<&Asks>) -> Option<Units> {
        let own = asks.and_then(|asks| asks.needs);
        let needs = own.or(self.kinds[kind].settings.needs);
        #[cfg(feature = "lanes")]
        if let Some(seat) = asks.and_then(|asks| asks.seat.as_ref()) {
            let mut units = needs.unwrap_or_default().units();
            units[seat.lane().index()] = 1;
            return Some(units);
        }
        needs.map(|needs| needs.units())
    }

    /// Sets how many threads of a lane there are. To be called before there are operations.
    #[cfg(feature = "lanes")]
    pub(crate) fn set_lane(&mut self, lane: Lane, threads: usize) {
        self.pools.ledger.set_capacity(lane.index(), threads as u64);
    }

    /// The thread that an operation needs.
    #[cfg(feature = "lanes")]
    pub(crate) fn seat(&self, id: OperationId) -> Option<&Arc<Seat>> {
        if self.asks.is_empty() {
            return None;
        }
        self.asks.get(&id)?.seat.as_ref()
    }

    /// Notes that a running operation has answered and keeps its place all the same: nobody joins it
    /// any more.
    #[cfg(feature = "lanes")]
    pub(crate) fn outlive(&mut self, id: OperationId) {
        self.release_key(id);
    }

    /// Takes what the kind's next operation asks for, all of it or nothing.
    pub(super) fn take_units(
        &mut self,
        kind: KindId,
        asked: Option<&Units>,
    ) -> Result<Option<Grant>, NoRoom> {
        let Some(asked) = asked else { return Ok(None) };
        let granted = self.pools.ledger.acquire(kind.index(), asked);
        let of_kind = &mut self.kinds[kind];
        of_kind.wants_units = granted.is_none();
        if granted.is_some() {
            of_kind.short = None;
            return Ok(granted);
        }
        of_kind.short = of_kind.line.first().map(|(_, id)| id);
        if !self.short.contains(&kind) {
            self.short.push(kind);
        }
        Err(NoRoom)
    }

    pub(super) fn give_units(&mut self, units: Option<Grant>) {
        if let Some(units) = units
            && self.pools.ledger.release(units)
        {
            self.recall();
        }
    }

    /// The kind has nothing to start for now, so it does not wait for units either.
    pub(super) fn withdraw(&mut self, kind: KindId) {
        let of_kind = &mut self.kinds[kind];
        (of_kind.short, of_kind.wants_units) = (None, false);
        let kept = self.pools.ledger.reserved_for() == Some(kind.index());
        self.pools.ledger.withdraw(kind.index());
        if kept {
            self.recall();
        }
    }

    /// Lets those try again that had no room.
    fn recall(&mut self) {
        for kind in std::mem::take(&mut self.short) {
            if self.kinds[kind].short.take().is_some() {
                self.refresh(kind);
            }
        }
    }

    /// Gives the kind the part of the pools that its settings say.
    ///
    /// # Errors
    ///
    /// If that cannot be; nothing has changed then.
    pub(super) fn set_quotas(
        &mut self,
        kind: KindId,
        settings: &KindSettings,
    ) -> Result<(), ConfigError> {
        if settings.quotas == self.kinds[kind].settings.quotas {
            return Ok(());
        }
        let mut ledger = self.pools.ledger.clone();
        for (pool, _) in &self.kinds[kind].settings.quotas {
            ledger.set_quota(kind.index(), pool.index(), Quota::default())?;
        }
        for (pool, quota) in &settings.quotas {
            ledger.set_quota(kind.index(), pool.index(), *quota)?;
        }
        self.pools.ledger = ledger;
        self.recall();
        Ok(())
    }
}
