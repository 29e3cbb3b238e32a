//! All that lies beyond memory: the tiers, what is on its way to them, and who carries it. It deals
//! in bytes; keys and values are made of them elsewhere.

mod carrying;
mod parking;
mod reading;

pub(super) use self::reading::{Read, Reading};

use self::parking::Parked;
use super::announcing::Announcements;
use super::behind::Behind;
use super::generations::{Generations, Record, Told};
use super::held::era_and_tags;
use super::keys::{Action, KeyBytes, Keys, Op, Peek, Terms};
use super::outer::Outer;
use super::pool::Pool;
use super::promise::{Promise, Timers, lock};
use super::shared::{Receiver, Since};
use super::tier::TierError;
use super::volume::Volume;
use hashbrown::HashMap;
use perf_core::Clock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

pub(super) type Outcome = Result<(), TierError>;
type Waiter = Arc<Promise<Outcome>>;

#[derive(Debug)]
pub(super) struct Outside {
    /// The nearest first.
    pub(super) outers: Box<[Outer]>,
    /// The tier that other processes use as well, if there is one.
    pub(super) shared: Option<usize>,
    /// What was invalidated there.
    pub(super) told: Told,
    /// What was invalidated here, and is to be there.
    pub(super) announcements: Announcements,
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
    pub(super) volume: Volume,
    /// By tier, keys for which something is to be done that could not be.
    parked: Box<[Parked]>,
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
    pub(super) hash: u64,
    pub(super) number: u64,
    /// The invalidations that there had been.
    pub(super) era: u64,
    /// The changes of the shared tier that there had been.
    pub(super) since: Since,
}

impl Ticket {
    /// Its place in the order of writes here, and in that of the changes of the shared tier.
    pub(super) const fn order(&self) -> (u64, Since) {
        (self.number, self.since)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut keys = self.outside.stripe(self.hash);
        keys.release(self.hash);
        self.outside.forget_idle(&mut keys, self.hash);
    }
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

/// What an [`Outside`] is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) outers: Vec<Outer>,
    pub(super) generations: Generations,
    pub(super) told: Told,
    pub(super) pool: Pool,
    pub(super) behind: Behind,
    pub(super) records: Vec<u8>,
    pub(super) waits_when_busy: bool,
    pub(super) clock: Clock,
}

impl Outside {
    pub(super) fn new(parts: Parts) -> Outside {
        let Parts { outers, generations, told, pool, behind, records, waits_when_busy, clock } =
            parts;
        let parked = outers.iter().map(|_| Parked::default()).collect();
        let outside = Outside {
            shared: outers.iter().position(|outer| outer.is_shared),
            told,
            announcements: Announcements::default(),
            outers: outers.into(),
            stripes: (0..STRIPES).map(|_| Mutex::new(Keys::new())).collect(),
            leaving: (0..STRIPES).map(|_| Mutex::default()).collect(),
            numbers: AtomicU64::new(0),
            generations,
            pool,
            timers: Timers::new(clock.clone()),
            clock,
            behind,
            volume: Volume::new(),
            parked,
            given_up: AtomicU64::new(0),
            records,
            waits_when_busy,
            is_closed: AtomicBool::new(false),
        };
        outside.bounds_moved();
        outside
    }

    fn stripe(&self, hash: u64) -> MutexGuard<'_, Keys<Waiter>> {
        lock(&self.stripes[stripe_of(hash)])
    }

    /// With the lock of its stripe held.
    fn forget_idle(&self, keys: &mut Keys<Waiter>, hash: u64) {
        keys.forget_idle(hash, || lock(&self.leaving[stripe_of(hash)]).contains_key(&hash));
    }

    /// The bound of a tier has been set anew.
    pub(super) fn bounds_moved(&self) {
        self.volume.set_bounds(self.outers.iter().map(|outer| outer.tier.usage().max_bytes));
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

    /// From now on the shared tier tells of what others change. `false`: it tells another cache.
    pub(super) fn listen(&self, receiver: Weak<dyn Receiver>) -> bool {
        let Some(tier) = self.shared else { return true };
        // An error is no answer: who has no news of a tier is not to trust it.
        self.outers[tier]
            .call(None, |tier| Ok(tier.shared().is_none_or(|shared| shared.listen(receiver))))
            .unwrap_or(true)
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

    /// The tiers that no other process uses.
    pub(super) fn own_tiers(&self) -> impl Iterator<Item = usize> {
        (0..self.outers.len()).filter(|tier| Some(*tier) != self.shared)
    }

    /// Whether the calling thread may write to all of these.
    pub(super) fn is_prompt(&self) -> bool {
        self.own_tiers().all(|tier| self.outers[tier].tier.is_prompt())
    }

    /// The changes of the shared tier that there have been, for what is about to be read.
    pub(super) fn since(&self) -> Since {
        let Some(tier) = self.shared else { return Since::default() };
        let since = || self.outers[tier].tier.shared().map(|shared| shared.since());
        // Of nothing that is known nothing is to be stored.
        catch_unwind(AssertUnwindSafe(since)).ok().flatten().unwrap_or_default()
    }

    /// For whoever is about to read what may be stored.
    pub(super) fn ticket(self: &Arc<Outside>, hash: u64) -> Ticket {
        // Before the read, and before the number: either may only make it older.
        let era = self.generations.era();
        let since = self.since();
        let mut keys = self.stripe(hash);
        keys.hold(hash);
        let number = self.numbers.fetch_add(1, Ordering::AcqRel) + 1;
        drop(keys);
        Ticket { outside: Arc::clone(self), hash, number, era, since }
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
        let since = Since::default();
        (Ticket { outside: Arc::clone(self), hash, number, era, since }, begun)
    }

    /// What was read since its number was taken is to be stored, unless something newer began. It is no
    /// change: of a tier that others use nothing is removed for it.
    pub(super) fn offer(
        self: &Arc<Outside>,
        hash: u64,
        (number, since): (u64, Since),
        mut changes: Vec<Change>,
    ) -> Option<Begun> {
        changes.retain_mut(|change| match &mut change.action {
            _ if Some(change.tier) != self.shared => true,
            Action::Remove => false,
            Action::Put(_, terms) => {
                terms.since = Some(since);
                true
            }
        });
        self.offer_changes(hash, number, changes)
    }

    /// The same for what is a change: it was found that there is nothing any more.
    pub(super) fn offer_changes(
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
                    self.volume.doubt();
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
                self.volume.doubt();
                if action.is_fill() {
                    // What the tier has is as it was.
                    continue;
                }
                action = Action::Remove;
            }
            let goes_behind = waits_behind && matches!(action, Action::Put(..));
            let is_put = matches!(&action, Action::Put(_, terms) if !terms.pinned);
            let waiter = (!(goes_behind || is_put && outer.tier.is_prompt())).then(Promise::new);
            self.behind.add(action.len());
            let waiters = waiter.iter().cloned().collect();
            let begun =
                keys.push(hash, Op { tier, key, number, action, waiters, is_doubted: false });
            self.behind.take(begun.freed);
            outer.counts.coalesced.add(begun.coalesced);
            if goes_behind {
                // What made way was waiting: whoever was to write that writes this.
                if begun.coalesced == 0 && !self.behind.enqueue(hash, tier, self.clock.now()) {
                    // Closed since it was asked above.
                    let refused = keys.give_up(hash, tier);
                    self.behind.take(refused.freed);
                    outer.counts.lost_closed.add(refused.puts);
                }
            } else {
                tiers.push((tier, waiter));
            }
        }
        Begun { outside: Arc::clone(self), hash, tiers }
    }

    /// Whether what a caller has put in was invalidated while it waited to be stored in the shared
    /// tier, where it would be taken for newer than that.
    fn is_dead_on_its_way(&self, tier: usize, action: &Action) -> bool {
        let Action::Put(bytes, Terms { since: None, .. }) = action else { return false };
        if Some(tier) != self.shared {
            return false;
        }
        let Some((era, tags)) = era_and_tags(bytes) else { return false };
        self.generations.are_past(era, tags, || None)
    }

    /// Another process has changed the key in the shared tier: what waits for that is older.
    pub(super) fn overtake(self: &Arc<Outside>, hash: u64, key: &[u8]) {
        let Some(tier) = self.shared else { return };
        let mut keys = self.stripe(hash);
        let overtaken = keys.overtake(hash, tier, key);
        self.forget_idle(&mut keys, hash);
        drop(keys);
        self.behind.take(overtaken.freed);
        self.outers[tier].counts.overtaken.add(overtaken.puts);
        overtaken.waiters.iter().for_each(|waiter| _ = waiter.keep(Ok(())));
    }

    /// Has records kept in all tiers of this process, in the order in which this is called.
    pub(super) fn queue_records(self: &Arc<Outside>, records: Vec<Record>) -> Vec<Begun> {
        let mut begun = Vec::new();
        if self.own_tiers().next().is_none() {
            return begun;
        }
        for Record { name, bytes } in records {
            let key = self.record_key(name);
            // Any hash will do that is the same for the same record.
            let [kind, bucket] = name.to_bytes();
            let hash = u64::from(kind) << 40 | u64::from(bucket) << 32;
            let terms = Terms { expires_at: u64::MAX, written_at: 0, pinned: true, since: None };
            let bytes = Arc::new(bytes);
            let change = |tier| Change {
                tier,
                key: Arc::clone(&key),
                action: Action::Put(Arc::clone(&bytes), terms),
            };
            let changes = self.own_tiers().map(change).collect();
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

fn stripe_of(hash: u64) -> usize {
    (hash >> 32) as usize % STRIPES
}

/// Parts in which the keys are locked.
const STRIPES: usize = 64;
