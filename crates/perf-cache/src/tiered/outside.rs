//! All that lies beyond memory: the tiers, what is on its way to them, and who carries it. It deals
//! in bytes; keys and values are made of them elsewhere.

use super::behind::Behind;
use super::generations::{Generations, Record};
use super::keys::{Action, Job, KeyBytes, Keys, Op, Peek, Terms};
use super::outer::{Attempt, Outer};
use super::pool::{Pool, Work};
use super::promise::{Promise, Timers, block_on, lock};
use super::tier::{TierError, TierGet};
use hashbrown::HashMap;
use perf_core::{Clock, Instant};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

pub(super) type Outcome = Result<(), TierError>;
type Waiter = Arc<Promise<Outcome>>;
/// Bytes that one of those who share them takes.
type SharedBytes = Arc<Mutex<Vec<u8>>>;

#[derive(Debug)]
pub(super) struct Outside {
    /// The nearest first.
    pub(super) outers: Box<[Outer]>,
    stripes: Box<[Mutex<Keys<Waiter>>]>,
    /// By their hashes, keys of which a value has left memory and may be about to be stored: how many
    /// of each. Locked under the locks of memory, which are locked under those of the stripes.
    leaving: Box<[Mutex<HashMap<u64, u32>>]>,
    numbers: AtomicU64,
    pub(super) generations: Generations,
    pub(super) pool: Pool,
    pub(super) timers: Timers,
    pub(super) clock: Clock,
    pub(super) behind: Behind,
    /// Keys for which something is to be done that could not be: to be tried again when the tier is
    /// well.
    parked: Mutex<VecDeque<(u64, usize)>>,
    /// Times that so much was parked that everything beyond memory was given up.
    pub(super) given_up: AtomicU64,
    /// What the keys of records begin with.
    records: Vec<u8>,
    waits_when_busy: bool,
    pub(super) is_closed: AtomicBool,
}

/// What is to be done in a tier.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) tier: usize,
    pub(super) key: KeyBytes,
    pub(super) action: Action,
}

/// The right to store what is read from now on, as long as nothing newer begins.
#[derive(Debug)]
pub(super) struct Ticket {
    outside: Arc<Outside>,
    hash: u64,
    pub(super) number: u64,
    /// The invalidations that there had been.
    pub(super) era: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut keys = self.outside.stripe(self.hash);
        keys.release(self.hash);
        self.outside.forget_idle(&mut keys, self.hash);
    }
}

/// Something that a thread does for one that waits.
struct Carried {
    attempt: Arc<Attempt>,
    done: Arc<Promise<()>>,
}

/// Changes that are in order and have to be carried out. Dropped, they are, and nobody waits.
#[derive(Debug)]
#[must_use = "nobody waits for the changes then"]
pub(super) struct Begun {
    outside: Arc<Outside>,
    hash: u64,
    tiers: Vec<(usize, Option<Waiter>)>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        while let Some((tier, _)) = self.tiers.pop() {
            self.outside.set_out(self.hash, tier);
        }
    }
}

/// What a read that does not wait has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The bytes were appended.
    Found,
    Missing,
    /// Ask on a thread that may wait.
    Waits,
    /// The tier cannot be used.
    Nothing,
}

/// What an [`Outside`] is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) outers: Vec<Outer>,
    pub(super) generations: Generations,
    pub(super) pool: Pool,
    pub(super) behind: Behind,
    pub(super) records: Vec<u8>,
    pub(super) waits_when_busy: bool,
    pub(super) clock: Clock,
}

impl Outside {
    pub(super) fn new(parts: Parts) -> Outside {
        let Parts { outers, generations, pool, behind, records, waits_when_busy, clock } = parts;
        Outside {
            outers: outers.into(),
            stripes: (0..STRIPES).map(|_| Mutex::new(Keys::new())).collect(),
            leaving: (0..STRIPES).map(|_| Mutex::default()).collect(),
            numbers: AtomicU64::new(0),
            generations,
            pool,
            timers: Timers::new(clock.clone()),
            clock,
            behind,
            parked: Mutex::default(),
            given_up: AtomicU64::new(0),
            records,
            waits_when_busy,
            is_closed: AtomicBool::new(false),
        }
    }

    fn stripe(&self, hash: u64) -> MutexGuard<'_, Keys<Waiter>> {
        lock(&self.stripes[stripe_of(hash)])
    }

    /// With the lock of its stripe held.
    fn forget_idle(&self, keys: &mut Keys<Waiter>, hash: u64) {
        keys.forget_idle(hash, || lock(&self.leaving[stripe_of(hash)]).contains_key(&hash));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// The number of what is read from a tier from now on.
    pub(super) fn number(&self) -> u64 {
        self.numbers.load(Ordering::Acquire)
    }

    /// Keys with anything going on.
    pub(super) fn busy_keys(&self) -> usize {
        self.stripes.iter().map(|stripe| lock(stripe).len()).sum()
    }

    /// What could not be done and waits for the tier to be well.
    pub(super) fn parked(&self) -> usize {
        lock(&self.parked).len()
    }

    /// A value leaves memory and may be about to be stored. Takes a short lock and runs nobody's
    /// code, so it may be called under the locks of memory.
    pub(super) fn leaves(&self, hash: u64) {
        *lock(&self.leaving[stripe_of(hash)]).entry(hash).or_default() += 1;
    }

    /// It has been stored, or will never be.
    pub(super) fn has_left(&self, hash: u64) {
        let mut leaving = lock(&self.leaving[stripe_of(hash)]);
        if let Some(count) = leaving.get_mut(&hash) {
            *count -= 1;
            if *count == 0 {
                leaving.remove(&hash);
            }
        }
        drop(leaving);
        self.forget_idle(&mut self.stripe(hash), hash);
    }

    /// Whether a tier has nothing for a key, and nothing is on its way. May wait for a tier that is
    /// not prompt.
    pub(super) fn misses(&self, hash: u64, tier: usize, key: &[u8]) -> bool {
        match self.stripe(hash).peek(hash, tier, key) {
            Peek::Put(..) => return false,
            Peek::Removed => return true,
            Peek::AsStored => {}
        }
        matches!(self.outers[tier].call(None, |tier| tier.contains(key)), Ok(false))
    }

    /// Whether the calling thread may write to all tiers.
    pub(super) fn is_prompt(&self) -> bool {
        self.outers.iter().all(|outer| outer.tier.is_prompt())
    }

    /// For whoever is about to read what may be stored.
    pub(super) fn ticket(self: &Arc<Outside>, hash: u64) -> Ticket {
        // Before the read, and before the number: either may only make it older.
        let era = self.generations.era();
        let mut keys = self.stripe(hash);
        keys.hold(hash);
        let number = self.numbers.fetch_add(1, Ordering::AcqRel) + 1;
        drop(keys);
        Ticket { outside: Arc::clone(self), hash, number, era }
    }

    /// A write or a removal by a caller: whatever is older is stored no more. `under` is run in the
    /// same step, with the number; it must not run anybody's code.
    pub(super) fn begin(
        self: &Arc<Outside>,
        hash: u64,
        changes: Vec<Change>,
        under: impl FnOnce(u64),
    ) -> (Ticket, Begun) {
        let era = self.generations.era();
        let mut keys = self.stripe(hash);
        keys.hold(hash);
        let number = self.numbers.fetch_add(1, Ordering::AcqRel) + 1;
        keys.raise(hash, number);
        under(number);
        let begun = self.push(&mut keys, hash, number, changes);
        drop(keys);
        (Ticket { outside: Arc::clone(self), hash, number, era }, begun)
    }

    /// What was read since its number was taken is to be stored, unless something newer began.
    pub(super) fn offer(
        self: &Arc<Outside>,
        hash: u64,
        number: u64,
        changes: Vec<Change>,
    ) -> Option<Begun> {
        let mut keys = self.stripe(hash);
        let is_old = |change: &Change| keys.is_overtaken(hash, change.tier, &change.key, number);
        if !keys.admits(hash, number) || changes.iter().any(is_old) {
            return None;
        }
        Some(self.push(&mut keys, hash, number, changes))
    }

    fn push(
        self: &Arc<Outside>,
        keys: &mut Keys<Waiter>,
        hash: u64,
        number: u64,
        changes: Vec<Change>,
    ) -> Begun {
        let mut tiers = Vec::with_capacity(changes.len());
        for Change { tier, key, mut action } in changes {
            let outer = &self.outers[tier];
            if self.is_closed() {
                if let Action::Put(..) = action {
                    outer.counts.lost_closed.increment();
                }
                let closed = Promise::new();
                closed.keep(Err(TierError::Closed));
                tiers.push((tier, Some(closed)));
                continue;
            }
            let waits_behind = match &action {
                Action::Put(_, terms) => self.behind.is_on() && !terms.pinned,
                Action::Remove => false,
            };
            if waits_behind && !self.behind.has_room(action.len()) {
                // What the tier has is older: it must not be answered instead.
                self.behind.count_full(action.len());
                action = Action::Remove;
            }
            let goes_behind = waits_behind && matches!(action, Action::Put(..));
            let is_put = matches!(&action, Action::Put(_, terms) if !terms.pinned);
            let waiter = (!(goes_behind || is_put && outer.tier.is_prompt())).then(Promise::new);
            self.behind.add(action.len());
            let waiters = waiter.iter().cloned().collect();
            let begun = keys.push(hash, Op { tier, key, number, action, waiters });
            self.behind.take(begun.freed);
            outer.counts.coalesced.add(begun.coalesced);
            if goes_behind {
                // What made way was waiting: whoever was to write that writes this.
                if begun.coalesced == 0 {
                    self.behind.enqueue(hash, tier, self.clock.now());
                }
            } else {
                tiers.push((tier, waiter));
            }
        }
        Begun { outside: Arc::clone(self), hash, tiers }
    }

    /// Carries changes out, and waits for what has to be waited for.
    ///
    /// # Errors
    ///
    /// The first that came of a removal or a record.
    pub(super) async fn carry(self: &Arc<Outside>, mut begun: Begun) -> Outcome {
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
    pub(super) fn set_out(self: &Arc<Outside>, hash: u64, tier: usize) -> Option<Arc<Attempt>> {
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
        outer.counts.lost_busy.add(refused.puts);
        self.park(hash, tier);
        let busy = TierError::Busy { tier: outer.name() };
        refused.waiters.iter().for_each(|waiter| _ = waiter.keep(Err(busy.clone())));
        None
    }

    /// Does what is to be done for a key in a tier, unless another thread is at it: that does it all.
    pub(super) fn drive(self: &Arc<Outside>, hash: u64, tier: usize, attempt: Option<&Attempt>) {
        let mut went_well = self.drive_one(hash, tier, attempt);
        for _ in 0..RETRIES {
            if !went_well {
                return;
            }
            let Some((hash, tier)) = self.unpark(tier) else { return };
            went_well = self.drive_one(hash, tier, attempt);
        }
    }

    /// Whether the tier did something, and all that it was to do.
    fn drive_one(self: &Arc<Outside>, hash: u64, tier: usize, attempt: Option<&Attempt>) -> bool {
        let mut went_well = false;
        loop {
            let Some(job) = self.next(hash, tier) else { return went_well };
            match self.outers[tier].execute(&job, attempt) {
                Ok(()) => {
                    let mut keys = self.stripe(hash);
                    let waiters = keys.done(hash, tier);
                    self.forget_idle(&mut keys, hash);
                    drop(keys);
                    waiters.iter().for_each(|waiter| _ = waiter.keep(Ok(())));
                    went_well = true;
                }
                Err(error) => {
                    let (waiters, is_due) = self.stripe(hash).failed(hash, tier, error.is_none());
                    let outcome = error.clone().map_or(Ok(()), Err);
                    waiters.iter().for_each(|waiter| _ = waiter.keep(outcome.clone()));
                    if error.is_some() && is_due {
                        self.park(hash, tier);
                        return false;
                    }
                }
            }
        }
    }

    /// The same for who is on a thread of the cache and waits for the tier until its deadline.
    pub(super) fn carry_out(self: &Arc<Outside>, hash: u64, tier: usize) {
        let until = self.outers[tier].deadline();
        match self.hand_over(hash, tier) {
            None => {}
            Some(Ok(waiting)) => _ = self.await_carried(tier, waiting, until),
            Some(Err((waiting, work))) => {
                block_on(self.pool.submit_when_free(work));
                let _ = self.await_carried(tier, waiting, until);
            }
        }
    }

    /// Does what is to be done for a key, or has a thread do it; `Err` if there is no room for that.
    fn hand_over(
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
    fn await_carried(&self, tier: usize, carried: Carried, until: Instant) -> bool {
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

    fn park(self: &Arc<Outside>, hash: u64, tier: usize) {
        let mut parked = lock(&self.parked);
        if !parked.contains_recently(hash, tier) {
            parked.push_back((hash, tier));
        }
        if parked.len() <= MAX_PARKED {
            return;
        }
        let all = std::mem::take(&mut *parked);
        drop(parked);
        self.give_up(all);
    }

    /// Too much could not be removed: nothing that is beyond memory now is answered any more.
    fn give_up(self: &Arc<Outside>, parked: VecDeque<(u64, usize)>) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        // Its record may not be stored just now: then it is parked in the place of all these.
        let queue = |records| self.queue_records(records);
        let (number, begun) = self.generations.invalidate_all(queue);
        self.generations.settle(number);
        for (hash, tier) in parked {
            let mut keys = self.stripe(hash);
            let refused = keys.give_up(hash, tier);
            self.forget_idle(&mut keys, hash);
            drop(keys);
            self.behind.take(refused.freed);
            let closed = TierError::PassedBy { tier: self.outers[tier].name() };
            refused.waiters.iter().for_each(|waiter| _ = waiter.keep(Err(closed.clone())));
        }
        // Sets out and does not wait.
        drop(begun);
    }

    fn unpark(&self, tier: usize) -> Option<(u64, usize)> {
        let mut parked = lock(&self.parked);
        let at = parked.iter().take(RETRIES).position(|(_, of)| *of == tier)?;
        parked.remove(at)
    }

    /// Tries again what could not be done, once, as long as the tiers answer and there is time.
    pub(super) fn retry_parked(self: &Arc<Outside>, until: Instant) {
        let mut all = std::mem::take(&mut *lock(&self.parked));
        let mut hung = vec![false; self.outers.len()];
        while let Some((hash, tier)) = all.pop_front() {
            if hung[tier] || self.clock.now() >= until {
                lock(&self.parked).push_back((hash, tier));
                continue;
            }
            match self.hand_over(hash, tier) {
                None => {}
                Some(Ok(waiting)) => hung[tier] = !self.await_carried(tier, waiting, until),
                Some(Err(_)) => {
                    hung[tier] = true;
                    lock(&self.parked).push_back((hash, tier));
                }
            }
        }
    }

    /// Reads without waiting.
    pub(super) fn read(&self, hash: u64, tier: usize, key: &[u8], into: &mut Vec<u8>) -> Read {
        let outer = &self.outers[tier];
        if self.is_closed() {
            return Read::Nothing;
        }
        match self.stripe(hash).peek(hash, tier, key) {
            Peek::Put(bytes) => {
                into.extend_from_slice(&bytes);
                return Read::Found;
            }
            Peek::Removed => return Read::Missing,
            Peek::AsStored => {}
        }
        match outer.try_get(key, into) {
            Ok(TierGet::Found) => Read::Found,
            Ok(TierGet::Missing) => Read::Missing,
            Ok(TierGet::WouldBlock) => Read::Waits,
            Err(_) => Read::Nothing,
        }
    }

    /// Reads on a thread that may wait, until the deadline of the tier.
    pub(super) async fn read_waiting(
        self: &Arc<Outside>,
        tier: usize,
        key: KeyBytes,
    ) -> Option<Vec<u8>> {
        let outer = &self.outers[tier];
        outer.counts.waited.increment();
        let attempt = Arc::<Attempt>::default();
        let promise = Promise::<Option<SharedBytes>>::new();
        let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&promise));
        let work = Box::new(move || {
            let mut bytes = Vec::new();
            let found = own.outers[tier].call(Some(&of_it), |tier| tier.get(&key, &mut bytes));
            let found = matches!(found, Ok(true));
            told.keep(found.then(|| Arc::new(Mutex::new(bytes))));
        });
        let deadline = outer.deadline();
        if self.waits_when_busy {
            self.pool.submit_when_free(work).await;
        } else if self.pool.submit(work).is_err() {
            return None;
        }
        match promise.wait(Some(deadline), &self.timers).await {
            Some(found) => found.map(|bytes| std::mem::take(&mut *lock(&bytes))),
            None => {
                outer.time_out(&attempt);
                None
            }
        }
    }

    /// Removes all that is in the tiers but records. What cannot be removed is dead.
    ///
    /// # Errors
    ///
    /// The first of a tier.
    pub(super) async fn clear_tiers(self: &Arc<Outside>) -> Outcome {
        for (tier, outer) in self.outers.iter().enumerate() {
            if self.is_closed() {
                return Err(TierError::Closed);
            }
            let attempt = Arc::<Attempt>::default();
            let promise = Promise::new();
            let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&promise));
            let work = Box::new(move || {
                let cleared = own.outers[tier].call(Some(&of_it), |tier| tier.clear());
                told.keep(cleared.map(|_| ()));
            });
            if self.pool.submit(work).is_err() {
                return Err(TierError::Busy { tier: outer.name() });
            }
            match promise.wait(Some(outer.deadline()), &self.timers).await {
                Some(cleared) => cleared?,
                None => return Err(outer.time_out(&attempt)),
            }
        }
        Ok(())
    }

    /// Has records kept in all tiers, in the order in which this is called.
    pub(super) fn queue_records(self: &Arc<Outside>, records: Vec<Record>) -> Vec<Begun> {
        let mut begun = Vec::new();
        for Record { name, bytes } in records {
            let key = self.record_key(name);
            // Any hash will do that is the same for the same record.
            let [kind, bucket] = name.to_bytes();
            let hash = u64::from(kind) << 40 | u64::from(bucket) << 32;
            let terms = Terms { expires_at: u64::MAX, written_at: 0, pinned: true };
            let bytes = Arc::new(bytes);
            let change = |tier| Change {
                tier,
                key: Arc::clone(&key),
                action: Action::Put(Arc::clone(&bytes), terms),
            };
            let changes = (0..self.outers.len()).map(change).collect();
            let mut keys = self.stripe(hash);
            let number = self.numbers.fetch_add(1, Ordering::AcqRel) + 1;
            begun.push(self.push(&mut keys, hash, number, changes));
        }
        begun
    }

    pub(super) fn record_key(&self, name: super::generations::RecordName) -> KeyBytes {
        let mut key = self.records.clone();
        key.extend(name.to_bytes());
        key.into()
    }
}

trait Recently {
    fn contains_recently(&self, hash: u64, tier: usize) -> bool;
}

impl Recently for VecDeque<(u64, usize)> {
    /// Whether it is among the last: most that is parked twice is so at once.
    fn contains_recently(&self, hash: u64, tier: usize) -> bool {
        self.iter().rev().take(RETRIES).any(|parked| *parked == (hash, tier))
    }
}

fn stripe_of(hash: u64) -> usize {
    (hash >> 32) as usize % STRIPES
}

/// Parts in which the keys are locked.
const STRIPES: usize = 64;
/// Keys that wait for a tier to be well.
const MAX_PARKED: usize = 16_384;
/// Parked keys that are tried again after something went well.
const RETRIES: usize = 8;
