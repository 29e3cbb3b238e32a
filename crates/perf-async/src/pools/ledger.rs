//! Who has what: sums, quotas, and those who wait.

use super::{Needs, Pool, PoolStats, Quota};
use crate::ConfigError;
use std::num::NonZeroU32;

/// Units of each pool, the lanes among them.
pub(crate) type Units = [u64; DIMENSIONS];

/// Who has what. Without pools it lets everything pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pools: [State; DIMENSIONS],
    kinds: Vec<Share>,
    grants: Vec<Entry>,
    free: Vec<u32>,
    /// In order of arrival, at most one for each kind.
    waiting: Vec<Waiter>,
}

/// What an operation holds until it is released.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant(NonZeroU32);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Zero if there is no such pool.
    capacity: u64,
    /// The capacity that was set first.
    initial: u64,
    used: u64,
    /// The sum, over kinds, of what they use or are guaranteed, whichever is more.
    load: u64,
    guaranteed: u64,
    clamped: u64,
    reserved: u64,
}

/// One kind's part.
#[derive(Clone, Debug, Default)]
struct Share {
    used: Units,
    quotas: [Quota; DIMENSIONS],
}

#[derive(Clone, Debug)]
struct Entry {
    kind: usize,
    units: Units,
}

/// A kind whose next operation has no room.
#[derive(Clone, Debug)]
struct Waiter {
    kind: usize,
    asked: Units,
    passed: u8,
}

impl Ledger {
    /// Takes all units that an operation of that kind asks for, or none. The kind then counts as
    /// waiting, until it takes some or [withdraws](Ledger::withdraw). Only the operation of the
    /// kind that comes next may ask.
    ///
    /// O(pools), and as much for each kind that waits.
    pub(crate) fn acquire(&mut self, kind: usize, asked: &Units) -> Option<Grant> {
        if kind >= self.kinds.len() {
            self.kinds.resize_with(kind + 1, Share::default);
        }
        let units = self.clamp(kind, asked);
        if !self.has_room(kind, &units) {
            self.wait(kind, asked);
            return None;
        }
        self.withdraw(kind);
        self.count_passed(&units);
        for (pool, state) in self.pools.iter_mut().enumerate() {
            state.clamped += u64::from(state.capacity > 0 && units[pool] < asked[pool]);
        }
        self.take(kind, &units);
        Some(self.enter(Entry { kind, units }))
    }

    /// Whether [`acquire`](Ledger::acquire) would take the units.
    pub(crate) fn can_take(&self, kind: usize, asked: &Units) -> bool {
        self.has_room(kind, &self.clamp(kind, asked))
    }

    /// Gives back what an operation held. Answers whether somebody waits.
    pub(crate) fn release(&mut self, grant: Grant) -> bool {
        let index = grant.0.get() - 1;
        let Entry { kind, units } = self.grants[index as usize].clone();
        self.free.push(index);
        for (pool, units) in units.into_iter().enumerate() {
            let share = &mut self.kinds[kind];
            let before = share.load(pool);
            share.used[pool] -= units;
            self.pools[pool].used -= units;
            self.pools[pool].load -= before - share.load(pool);
        }
        !self.waiting.is_empty()
    }

    /// The kind no longer waits for units: it has nothing to start, or something else is in the
    /// way. What was kept for it is free again.
    pub(crate) fn withdraw(&mut self, kind: usize) {
        self.waiting.retain(|waiter| waiter.kind != kind);
    }

    /// The kind that units are kept for.
    pub(crate) fn reserved_for(&self) -> Option<usize> {
        self.reserver().map(|waiter| waiter.kind)
    }

    /// Sets how many units there are; never fewer than are guaranteed, and one more. Fewer than are
    /// in use takes effect as operations end.
    pub(crate) fn set_capacity(&mut self, pool: usize, units: u64) {
        let state = &mut self.pools[pool];
        state.capacity = units.max(state.guaranteed + 1);
        if state.initial == 0 {
            state.initial = state.capacity;
        }
    }

    /// The capacity that was set first.
    #[cfg(feature = "tokio")]
    pub(crate) fn initial_capacity(&self, pool: usize) -> u64 {
        self.pools[pool].initial
    }

    /// Sets a kind's part.
    ///
    /// # Errors
    ///
    /// If there is no such pool, if the maximum is zero or less than what is guaranteed, or if
    /// nothing remains for the kinds without a guarantee.
    pub(crate) fn set_quota(
        &mut self,
        kind: usize,
        pool: usize,
        quota: Quota,
    ) -> Result<(), ConfigError> {
        let error = |value: u64, remedy: String| Err(ConfigError::new("quota", value, remedy));
        if kind >= self.kinds.len() {
            self.kinds.resize_with(kind + 1, Share::default);
        }
        let (state, share) = (&mut self.pools[pool], &mut self.kinds[kind]);
        if state.capacity == 0 {
            return error(quota.guaranteed, "set the capacity of the pool as well".into());
        }
        if quota.max < quota.guaranteed.max(1) {
            return error(quota.max, "let the maximum be at least 1 and the guarantee".into());
        }
        let others = state.guaranteed - share.quotas[pool].guaranteed;
        if quota.guaranteed >= state.capacity - others {
            let most = state.capacity - others - 1;
            return error(
                quota.guaranteed,
                format!("guarantee at most {most}, so that other kinds have a unit left"),
            );
        }
        state.guaranteed = others + quota.guaranteed;
        let before = share.load(pool);
        share.quotas[pool] = quota;
        state.load = state.load - before + share.load(pool);
        Ok(())
    }

    pub(super) fn stats(&self, pool: Pool) -> Option<PoolStats> {
        let index = pool.index();
        let State { capacity, used, clamped, reserved, .. } = self.pools[index];
        let waiting = self.waiting.iter().filter(|waiter| waiter.asked[index] > 0).count();
        (capacity > 0).then_some(PoolStats {
            pool,
            capacity,
            in_use: used,
            waiting,
            clamped,
            reserved,
        })
    }

    /// The fewest units that a pool can be set to.
    #[cfg(any(feature = "tokio", test))]
    pub(crate) fn least_capacity(&self, pool: usize) -> u64 {
        self.pools[pool].guaranteed + 1
    }

    /// What of it the kind can ever get: nothing of pools that there are not.
    fn clamp(&self, kind: usize, asked: &Units) -> Units {
        let mut units = *asked;
        for (pool, state) in self.pools.iter().enumerate() {
            let quota = self.share(kind).quotas[pool];
            let others = state.guaranteed - quota.guaranteed;
            units[pool] = units[pool].min(state.capacity.saturating_sub(others)).min(quota.max);
        }
        units
    }

    fn has_room(&self, kind: usize, units: &Units) -> bool {
        let kept = self.reserver().filter(|waiter| waiter.kind != kind);
        let kept = kept.map(|waiter| (waiter.kind, self.clamp(waiter.kind, &waiter.asked)));
        (0..DIMENSIONS).filter(|pool| units[*pool] > 0).all(|pool| {
            let State { capacity, used, load, .. } = self.pools[pool];
            let share = self.share(kind);
            let more = share.more(pool, units[pool]);
            let kept = kept
                .as_ref()
                .map_or(0, |(other, units)| self.share(*other).more(pool, units[pool]));
            share.used[pool] + units[pool] <= share.quotas[pool].max
                && used + units[pool] <= capacity
                // Nobody is kept from what is guaranteed to it, also while there is less than before.
                && (more == 0 || load + more + kept <= capacity)
        })
    }

    fn share(&self, kind: usize) -> &Share {
        static NOTHING: Share = Share { used: [0; DIMENSIONS], quotas: [Quota::NONE; DIMENSIONS] };
        self.kinds.get(kind).unwrap_or(&NOTHING)
    }

    fn take(&mut self, kind: usize, units: &Units) {
        for (pool, units) in units.iter().enumerate() {
            let share = &mut self.kinds[kind];
            self.pools[pool].used += units;
            self.pools[pool].load += share.more(pool, *units);
            share.used[pool] += units;
        }
    }

    fn enter(&mut self, entry: Entry) -> Grant {
        let index = match self.free.pop() {
            Some(index) => {
                self.grants[index as usize] = entry;
                index
            }
            None => {
                self.grants.push(entry);
                (self.grants.len() - 1) as u32
            }
        };
        Grant(NonZeroU32::MIN.saturating_add(index))
    }

    fn wait(&mut self, kind: usize, asked: &Units) {
        match self.waiting.iter_mut().find(|waiter| waiter.kind == kind) {
            Some(waiter) => waiter.asked = *asked,
            None => self.waiting.push(Waiter { kind, asked: *asked, passed: 0 }),
        }
    }

    /// Notes for those who wait that an operation with these units starts before them.
    fn count_passed(&mut self, units: &Units) {
        for index in 0..self.waiting.len() {
            let Waiter { kind, asked, passed } = &self.waiting[index];
            let wanted = self.clamp(*kind, asked);
            // Where one that is no smaller finds room the waiter would as well, and had it been the
            // more urgent it would have been asked first: no reason to turn the order around.
            let shares = (0..DIMENSIONS).any(|pool| units[pool] > 0 && wanted[pool] > 0);
            let smaller = (0..DIMENSIONS).any(|pool| units[pool] < wanted[pool]);
            if !(shares && smaller) || *passed >= MAX_PASSED {
                continue;
            }
            let waiter = &mut self.waiting[index];
            waiter.passed += 1;
            if waiter.passed == MAX_PASSED {
                for (pool, state) in self.pools.iter_mut().enumerate() {
                    state.reserved += u64::from(wanted[pool] > 0);
                }
            }
        }
    }

    /// Who units are kept for: one at a time, or two could keep each other from starting.
    fn reserver(&self) -> Option<&Waiter> {
        self.waiting.iter().find(|waiter| waiter.passed >= MAX_PASSED)
    }
}

impl Share {
    fn load(&self, pool: usize) -> u64 {
        self.used[pool].max(self.quotas[pool].guaranteed)
    }

    /// How much more the pool carries with these units: nothing as far as they are guaranteed.
    fn more(&self, pool: usize, units: u64) -> u64 {
        (self.used[pool] + units).max(self.quotas[pool].guaranteed) - self.load(pool)
    }
}

impl Needs {
    pub(crate) fn units(&self) -> Units {
        let mut units = [0; DIMENSIONS];
        units[..Pool::ALL.len()].copy_from_slice(&self.units);
        units
    }
}

/// The pools, and a place for each of the lanes that have threads of their own.
const DIMENSIONS: usize = Pool::ALL.len() + 2;
/// How many smaller operations may start before one whose turn it is.
const MAX_PASSED: u8 = 8;

#[cfg(test)]
mod tests;
