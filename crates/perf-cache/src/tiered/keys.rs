//! What is going on with each key beyond memory, as a pure state machine.
//!
//! Everything that may reach an outer tier has a *number*: that of the write or the removal, or for
//! a value that was read, of the moment before it was read. A key with anything going on has a
//! *floor*, and nothing older than the floor is stored any more. Writes and removals raise it when
//! they begin. So what was read before a removal is never stored after it, whoever comes first to
//! the store, and of two values the one that was begun later stays.
//!
//! What is to be done for a key is done one after the other, tier by tier, in the order in which it
//! was begun; a value that has not been handed over yet makes way for what comes after it. A removal
//! never does, since its caller is told of it only when it cannot be undone by a crash. Readers look
//! here first, so they never see behind what has been begun.
//!
//! A key is remembered as long as somebody *holds* it: who reads what may be stored, and who is in
//! the middle of a write; and while an old value of it has left memory and may be about to be stored.
//! Keys of the same hash share floor and order, which is stricter than needed and never less.

use super::shared::Since;
use hashbrown::HashMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The bytes of a key, shared.
pub(super) type KeyBytes = Arc<[u8]>;

/// What a tier is to do for a key.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Store these bytes on these terms.
    Put(Arc<Vec<u8>>, Terms),
    Remove,
}

/// On what terms bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// Unix milliseconds.
    pub(super) expires_at: u64,
    pub(super) written_at: u64,
    pub(super) pinned: bool,
    /// For a tier that others use as well, of what was read at its source: after which change that
    /// was. It is no change itself, so it never takes the place of one, and lost it is missed by
    /// nobody. `None` for what a caller puts in, and for all other tiers.
    pub(super) since: Option<Since>,
}

/// Something to be done, with those who wait for it.
#[derive(Debug)]
pub(super) struct Op<W> {
    pub(super) tier: usize,
    pub(super) key: KeyBytes,
    pub(super) number: u64,
    pub(super) action: Action,
    pub(super) waiters: Vec<W>,
    /// Whether others have changed the key in the tier since this was handed over: which of the two is
    /// newer the tier alone knows.
    pub(super) is_doubted: bool,
}

/// What somebody has been told to do.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) key: KeyBytes,
    pub(super) action: Action,
}

/// What a reader has to know of a key.
#[derive(Clone, Debug)]
pub(super) enum Peek {
    /// Nothing is on its way: ask the tier.
    AsStored,
    /// This is what the tier will hold.
    Put(Arc<Vec<u8>>),
    /// The tier will hold nothing.
    Removed,
}

#[derive(Debug)]
struct Key<W> {
    floor: u64,
    holds: u32,
    /// In the order of their numbers.
    queue: Vec<Op<W>>,
    /// One for each tier at most.
    running: Vec<Op<W>>,
}

/// The keys with anything going on.
#[derive(Debug)]
pub(super) struct Keys<W> {
    keys: HashMap<u64, Key<W>>,
}

/// What came of beginning something.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// Bytes of values that were waiting and have made way.
    pub(super) freed: u64,
    /// How many these were.
    pub(super) coalesced: u64,
}

/// What came of refusing.
#[derive(Debug)]
pub(super) struct Refused<W> {
    pub(super) waiters: Vec<W>,
    /// Bytes of values that were waiting.
    pub(super) freed: u64,
    /// How many these were.
    pub(super) puts: u64,
}

impl<W> Keys<W> {
    pub(super) fn new() -> Keys<W> {
        Keys { keys: HashMap::default() }
    }

    /// How many keys are remembered.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Remembers the key until it is released as often as it was held.
    pub(super) fn hold(&mut self, hash: u64) {
        self.key(hash).holds += 1;
    }

    pub(super) fn release(&mut self, hash: u64) {
        if let Some(key) = self.keys.get_mut(&hash) {
            key.holds = key.holds.saturating_sub(1);
        }
    }

    /// Forgets the key if nothing is going on with it. `is_leaving`: whether an old value of it has
    /// left memory, and may be about to be stored.
    pub(super) fn forget_idle(&mut self, hash: u64, is_leaving: impl FnOnce() -> bool) {
        let is_idle =
            |key: &Key<W>| key.holds == 0 && key.queue.is_empty() && key.running.is_empty();
        if self.keys.get(&hash).is_some_and(is_idle) && !is_leaving() {
            self.keys.remove(&hash);
        }
    }

    /// A write or a removal begins: whatever is older is stored no more. Numbers must be given out
    /// under the same lock.
    pub(super) fn raise(&mut self, hash: u64, number: u64) {
        let key = self.key(hash);
        key.floor = key.floor.max(number);
    }

    /// Whether a value of that number may still be stored.
    pub(super) fn admits(&self, hash: u64, number: u64) -> bool {
        self.keys.get(&hash).is_none_or(|key| number >= key.floor)
    }

    /// Whether the value of that number is older than what is on its way to the tier, or the same.
    pub(super) fn is_overtaken(&self, hash: u64, tier: usize, bytes: &[u8], number: u64) -> bool {
        self.keys.get(&hash).is_some_and(|key| {
            let mut ops = key.running.iter().chain(&key.queue);
            ops.any(|op| op.is_for(tier, bytes) && op.number >= number)
        })
    }

    /// Something is to be done after all that was begun before. The caller has raised the floor, or
    /// asked whether the number is admitted and not overtaken.
    pub(super) fn push(&mut self, hash: u64, mut op: Op<W>) -> Begun {
        let mut begun = Begun::default();
        let key = self.key(hash);
        key.floor = key.floor.max(op.number);
        let (tier, bytes) = (op.tier, Arc::clone(&op.key));
        let is_removal = matches!(op.action, Action::Remove);
        let is_fill = op.action.is_fill();
        let mut at = 0;
        while at < key.queue.len() {
            let old = &key.queue[at];
            let makes_way = old.is_for(tier, &bytes)
                && (is_removal || matches!(old.action, Action::Put(..)))
                && (!is_fill || old.action.is_fill());
            if makes_way {
                let old = key.queue.remove(at);
                begun.freed += old.action.len();
                begun.coalesced += u64::from(matches!(old.action, Action::Put(..)));
                op.waiters.extend(old.waiters);
            } else {
                at += 1;
            }
        }
        key.queue.push(op);
        begun
    }

    /// What to do next for a key in a tier, unless somebody is doing something for it there.
    pub(super) fn next(&mut self, hash: u64, tier: usize) -> Option<Job> {
        let key = self.keys.get_mut(&hash)?;
        if key.running.iter().any(|op| op.tier == tier) {
            return None;
        }
        let at = key.queue.iter().position(|op| op.tier == tier)?;
        let op = key.queue.remove(at);
        let job = op.job();
        key.running.push(op);
        Some(job)
    }

    /// What was to be done has been done; answers who waits for it.
    pub(super) fn done(&mut self, hash: u64, tier: usize) -> Vec<W> {
        self.end(hash, tier).map_or(Vec::new(), |op| op.waiters)
    }

    /// What was to be done could not be. Whatever the tier has for the key must not be answered any
    /// more, so it is to be removed, unless something newer is coming; a pinned record is to be put
    /// again. Answers who waits, and whether something is due now. Where the tier only `refused`, who
    /// waits goes on to wait for that.
    pub(super) fn failed(&mut self, hash: u64, tier: usize, refused: bool) -> (Vec<W>, bool) {
        let Some(mut op) = self.end(hash, tier) else { return (Vec::new(), false) };
        let key = self.key(hash);
        let is_due =
            !op.action.is_fill() && !key.queue.iter().any(|later| later.is_for(tier, &op.key));
        let goes_on = is_due && refused;
        let waiters = if goes_on { Vec::new() } else { std::mem::take(&mut op.waiters) };
        if is_due {
            if !matches!(op.action, Action::Put(_, Terms { pinned: true, .. })) {
                op.action = Action::Remove;
            }
            op.is_doubted = false;
            key.queue.insert(0, op);
        }
        (waiters, is_due)
    }

    /// What others have changed in the tier is newer than the values that wait for it, and may be newer
    /// than the one that it is being given.
    pub(super) fn overtake(&mut self, hash: u64, tier: usize, bytes: &[u8]) -> Refused<W> {
        let mut refused = Refused { waiters: Vec::new(), freed: 0, puts: 0 };
        let Some(key) = self.keys.get_mut(&hash) else { return refused };
        key.queue.retain_mut(|op| {
            let goes = op.is_for(tier, bytes) && matches!(op.action, Action::Put(..));
            if goes {
                refused.add(op);
            }
            !goes
        });
        for op in key.running.iter_mut().filter(|op| op.is_for(tier, bytes)) {
            op.is_doubted = true;
        }
        refused
    }

    /// Nobody can do what is to be done for a key in a tier: values that wait are lost, and what the
    /// tier has is to be removed instead.
    pub(super) fn refuse(&mut self, hash: u64, tier: usize) -> Refused<W> {
        let mut refused = Refused { waiters: Vec::new(), freed: 0, puts: 0 };
        let Some(key) = self.keys.get_mut(&hash) else { return refused };
        key.queue.retain_mut(|op| {
            if op.tier != tier {
                return true;
            }
            let is_fill = op.action.is_fill();
            refused.add(op);
            if matches!(op.action, Action::Put(_, Terms { pinned: false, .. })) {
                op.action = Action::Remove;
            }
            !is_fill
        });
        refused
    }

    /// Forgets what was to be done for a key in a tier.
    pub(super) fn give_up(&mut self, hash: u64, tier: usize) -> Refused<W> {
        let refused = self.refuse(hash, tier);
        if let Some(key) = self.keys.get_mut(&hash) {
            key.queue.retain(|op| op.tier != tier || matches!(op.action, Action::Put(..)));
        }
        refused
    }

    /// What a reader of the tier would find, as far as that is being changed.
    pub(super) fn peek(&self, hash: u64, tier: usize, bytes: &[u8]) -> Peek {
        let Some(key) = self.keys.get(&hash) else { return Peek::AsStored };
        let mut latest_first = key.queue.iter().rev().chain(&key.running);
        // What is to be filled in counts for nothing until the tier has looked at it.
        let is_for = |op: &&Op<W>| op.is_for(tier, bytes) && !op.action.is_fill();
        let latest = latest_first.find(is_for);
        match latest.map(|op| &op.action) {
            Some(Action::Put(..)) if latest.is_some_and(|op| op.is_doubted) => Peek::AsStored,
            Some(Action::Put(bytes, _)) => Peek::Put(Arc::clone(bytes)),
            Some(Action::Remove) => Peek::Removed,
            None => Peek::AsStored,
        }
    }

    fn end(&mut self, hash: u64, tier: usize) -> Option<Op<W>> {
        let key = self.keys.get_mut(&hash)?;
        let at = key.running.iter().position(|op| op.tier == tier)?;
        Some(key.running.swap_remove(at))
    }

    fn key(&mut self, hash: u64) -> &mut Key<W> {
        let new = || Key { floor: 0, holds: 0, queue: Vec::new(), running: Vec::new() };
        self.keys.entry(hash).or_insert_with(new)
    }
}

impl<W> Op<W> {
    fn is_for(&self, tier: usize, key: &[u8]) -> bool {
        self.tier == tier && *self.key == *key
    }

    fn job(&self) -> Job {
        Job { key: Arc::clone(&self.key), action: self.action.clone() }
    }
}

impl<W> Refused<W> {
    /// Takes from what is not done what somebody may wait for.
    fn add(&mut self, op: &mut Op<W>) {
        self.waiters.append(&mut op.waiters);
        if matches!(op.action, Action::Put(_, Terms { pinned: false, .. })) {
            self.freed += op.action.len();
            self.puts += 1;
        }
    }
}

impl Action {
    /// Whether it puts something into a tier that others use that is no change.
    pub(super) fn is_fill(&self) -> bool {
        matches!(self, Action::Put(_, Terms { since: Some(_), .. }))
    }

    /// Bytes of a value that wait for it.
    pub(super) fn len(&self) -> u64 {
        match self {
            Action::Put(bytes, Terms { pinned: false, .. }) => bytes.len() as u64,
            Action::Put(..) | Action::Remove => 0,
        }
    }
}
