//! Which entry goes when room is needed.
//!
//! A policy orders the entries of one shard. It sees no keys and no values: an entry is a [`Slot`]
//! to it, with a hash, a weight and the number of hits that were noted since the policy last set
//! it to zero, all of which it reads from [`Entries`]. Everything but the noting of hits happens
//! under the lock of the shard, so a policy is an ordinary, single-threaded data structure.

mod adaptive;
mod checked;
mod chooser;
mod fifo;
mod ghost;
mod kind;
mod lfu;
mod lru;
mod queue;
mod random;
mod s3fifo;
mod simulate;
mod switch;

pub use adaptive::Adaptive;
pub(crate) use checked::Checked;
pub use chooser::{Choice, Chooser};
pub use fifo::Fifo;
pub use kind::PolicyKind;
pub use lfu::Lfu;
pub use lru::Lru;
pub use random::Random;
pub use s3fifo::S3Fifo;
pub use simulate::Simulation;
pub(crate) use switch::hand_over;

use std::fmt;

/// The place of an entry in its shard, from its insertion to its removal; used again afterwards.
/// Slots are dense: a shard of `n` entries uses little more than the first `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);

impl Slot {
    /// The slot with this index.
    #[must_use]
    pub const fn new(index: u32) -> Slot {
        Slot(index)
    }

    /// Its index, for tables beside the entries.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The same in the width that links want.
    #[inline]
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// What a policy may know of the entries of its shard.
pub trait Entries {
    /// Hits noted since [`set_hits`](Entries::set_hits) last said otherwise, up to what
    /// [`Hits::Counted`] asked for; an insertion starts at zero.
    fn hits(&self, slot: Slot) -> u8;

    /// Sets the number of hits. A hit that is noted at the same instant may be lost.
    fn set_hits(&self, slot: Slot, hits: u8);

    /// The hash of the key. 32 bits, well mixed: enough to tell keys apart in a ghost list, where a
    /// mistake costs one wrong guess.
    fn hash(&self, slot: Slot) -> u32;

    /// What the entry weighs, 1 where the cache counts entries.
    fn weight(&self, slot: Slot) -> u64;
}

/// How hits reach a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hits {
    /// Not at all.
    Ignored,
    /// Counted beside the entry up to so many, at most 3, without the lock; nothing is written
    /// once the count is full.
    Counted(u8),
    /// Each one by [`Policy::on_hit`], under the lock of the shard: hits of different threads wait
    /// for each other.
    Reported,
}

/// The order in which the entries of one shard leave it.
///
/// Between `on_insert` and the moment when it is removed or answered by `victim`, a slot is *held*
/// by the policy. Each call must cost O(1), amortized, and none may panic or block: the shard is
/// locked meanwhile. What a policy answers wrongly costs hits, but neither entries nor the bounds: the
/// cache keeps a list of its own beside a
/// [custom policy](crate::CacheBuilder::custom_policy).
///
/// ```
/// use perf_cache::policy::{Entries, Hits, Policy, Simulation, Slot};
///
/// /// Evicts what came in last, so that what came first stays.
/// #[derive(Debug, Default)]
/// struct Lifo {
///     stack: Vec<Slot>,
/// }
///
/// impl Policy for Lifo {
///     fn name(&self) -> &'static str {
///         "lifo"
///     }
///     fn hits(&self) -> Hits {
///         Hits::Ignored
///     }
///     fn set_capacity(&mut self, _: usize) {}
///     fn on_insert(&mut self, slot: Slot, _: &dyn Entries) {
///         self.stack.push(slot);
///     }
///     fn on_remove(&mut self, slot: Slot, _: &dyn Entries) {
///         // Simple, but not O(1).
///         self.stack.retain(|&other| other != slot);
///     }
///     fn victim(&mut self, _: &dyn Entries) -> Option<Slot> {
///         self.stack.pop()
///     }
///     fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
///         self.stack.iter().rev().for_each(|&slot| visit(slot));
///     }
/// }
///
/// // A loop over four keys, with room for three: the first two always hit.
/// let mut cache = Simulation::new(Lifo::default(), 3);
/// let hits = (0..40).filter(|n| cache.access(n % 4, n % 4, 1)).count();
/// assert_eq!(hits, 9 * 2);
/// ```
pub trait Policy: Send + fmt::Debug {
    /// What it is called: lower case, words joined by `-`.
    fn name(&self) -> &'static str;

    /// How it wants to learn of hits. Asked again after each [`set_capacity`](Policy::set_capacity)
    /// and each switch, not on each hit.
    fn hits(&self) -> Hits;

    /// Told before the first insertion, and whenever it changes: about how many entries the shard
    /// will hold when it is full.
    fn set_capacity(&mut self, entries: usize);

    /// Takes a new entry in.
    fn on_insert(&mut self, slot: Slot, entries: &dyn Entries);

    /// An entry was hit; only for [`Hits::Reported`].
    fn on_hit(&mut self, slot: Slot, entries: &dyn Entries) {
        let _ = (slot, entries);
    }

    /// An entry leaves for another reason than room: removed, expired, invalidated.
    fn on_remove(&mut self, slot: Slot, entries: &dyn Entries);

    /// An entry got a new value, and by that a new slot; both are readable during the call. Counts
    /// as a use; a policy that ignores uses may leave the entry where it is.
    fn on_replace(&mut self, old: Slot, new: Slot, entries: &dyn Entries) {
        self.on_remove(old, entries);
        self.on_insert(new, entries);
    }

    /// Chooses the entry that makes room and lets go of it; `None` if it holds none.
    fn victim(&mut self, entries: &dyn Entries) -> Option<Slot>;

    /// Visits all held slots, the next victim first as far as that is known. For a switch of
    /// policy on a live cache: the new one gets them by `on_insert` in this order.
    fn for_each(&self, visit: &mut dyn FnMut(Slot));
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn hits(&self) -> Hits {
        (**self).hits()
    }

    fn set_capacity(&mut self, entries: usize) {
        (**self).set_capacity(entries);
    }

    fn on_insert(&mut self, slot: Slot, entries: &dyn Entries) {
        (**self).on_insert(slot, entries);
    }

    fn on_hit(&mut self, slot: Slot, entries: &dyn Entries) {
        (**self).on_hit(slot, entries);
    }

    fn on_remove(&mut self, slot: Slot, entries: &dyn Entries) {
        (**self).on_remove(slot, entries);
    }

    fn on_replace(&mut self, old: Slot, new: Slot, entries: &dyn Entries) {
        (**self).on_replace(old, new, entries);
    }

    fn victim(&mut self, entries: &dyn Entries) -> Option<Slot> {
        (**self).victim(entries)
    }

    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        (**self).for_each(visit);
    }
}

#[cfg(test)]
mod tests;
