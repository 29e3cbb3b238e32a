//! What a tier has to be able to do that several processes use at the same time.

use super::tier::{OuterTier, TierError};
use crate::disk::{Put, PutTerms};
use perf_core::Glob;
use std::fmt;
use std::sync::Weak;
use std::time::Duration;

/// A tier that other processes use as well, each with a memory of its own.
///
/// Every removal, every value that a caller puts in, and every invalidation is a *change*. The tier
/// gives changes numbers, one after the other, the same in all processes, and tells each process of
/// those of the others. It keeps with every value the number that was last before the value was read
/// at its source, or, where a caller put it in, its own.
///
/// Its [`fetch`](OuterTier::fetch) answers [`FoundSince`](super::Fetched::FoundSince): what it answers
/// otherwise counts for nothing. Its [`put`](OuterTier::put) and [`remove`](OuterTier::remove) are
/// changes, it is given no pinned records, and it is not [cleared](OuterTier::clear).
pub trait SharedTier: OuterTier {
    /// The last change that was taken in here. Whatever is read at its source from now on is at least
    /// as new. Does not wait.
    fn since(&self) -> Since;

    /// From now on `receiver` is told of changes, until it is gone or the tier is closed; may wait for
    /// the tier as any call does. `false`: somebody else is told already, to whom the changes of this
    /// receiver would pass for his own, so this one is not.
    fn listen(&self, receiver: Weak<dyn Receiver>) -> bool;

    /// Puts in what was read at its source after `since`, unless the key has changed since then, or
    /// nobody can know: then it is refused as [overtaken](crate::disk::RefusedBecause).
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used.
    fn fill(
        &self,
        key: &[u8],
        bytes: &[u8],
        terms: PutTerms,
        since: Since,
    ) -> Result<Put, TierError>;

    /// Ends what the scope covers, in all processes; its number. When this has returned, `since` is
    /// not older.
    ///
    /// # Errors
    ///
    /// [`TierError`]: nobody knows whether others are told of it. Telling twice does no harm.
    fn announce(&self, scope: &Scope) -> Result<u64, TierError>;

    /// Asks to be the only one who loads the key, for so long at most or until it is
    /// [released](SharedTier::release). Who has it already gets it again. No more than a hint: it
    /// spares loads, and nothing depends on it. One short call. Everybody may load if not said.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used; the caller loads.
    fn lease(&self, key: &[u8], time: Duration) -> Result<Lease, TierError> {
        let _ = (key, time);
        Ok(Lease::Held)
    }

    /// Whoever was to load the key has ended, and what is stored of it is there: the lease is over, if
    /// it is still that of this tier. One short call. It ends with its time if not said.
    ///
    /// # Errors
    ///
    /// [`TierError`]: the tier cannot be used; the lease ends with its time.
    fn release(&self, key: &[u8]) -> Result<(), TierError> {
        let _ = key;
        Ok(())
    }
}

/// Whether to load a key, or to wait for another process that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lease {
    /// The caller is to load.
    Held,
    /// Another process loads.
    Taken,
}

/// A place in the order of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Since {
    /// Numbers of different epochs have nothing to do with each other. Zero: nothing is known.
    pub epoch: u64,
    /// The number of the last change.
    pub number: u64,
}

/// Something that changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// Its number.
    pub number: u64,
    /// Whether this tier made it: what is near knows of it already.
    pub is_own: bool,
    /// What it is about.
    pub what: Changed,
}

impl Change {
    /// From its parts.
    #[must_use]
    pub const fn new(number: u64, is_own: bool, what: Changed) -> Change {
        Change { number, is_own, what }
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Changed {
    /// A key, as the bytes by which the tier knows it: it was removed, or has another value.
    Key(Vec<u8>),
    /// All that a scope covers was invalidated.
    Scope(Scope),
}

/// Entries that are invalidated together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scope {
    /// Those with a tag.
    Tag(Box<str>),
    /// Those that depend on something.
    Dependencies(Box<str>),
    /// Those whose key begins with this and a colon.
    Namespace(Box<str>),
    /// Those whose key matches.
    Pattern(Glob),
    /// All.
    All,
}

/// Why all that is near has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// Changes were missed, or the tier has begun anew.
    Lost,
    /// The tier has not been heard of for as long as anything stale may be answered.
    Unheard,
}

/// Whoever holds what a shared tier holds as well, nearer.
pub trait Receiver: Send + Sync + fmt::Debug {
    /// Changes in the order of their numbers; they hold here when this returns. It does not wait for
    /// tiers.
    fn changed(&self, changes: &[Change]);

    /// Everything that is held near is dropped. Where changes were lost, `standing` is all there is to
    /// know of what was invalidated before; without, what is known of that still holds.
    fn doubted(&self, doubt: Doubt, standing: Option<Standing>);
}

/// Which values of a shared tier are dead, apart from the changes that are still to come.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Standing {
    /// Up to which change this goes.
    pub since: Since,
    /// Values of a lower number are dead.
    pub floor: u64,
    /// Scopes that were invalidated, with their numbers, in any order.
    pub scopes: Vec<(u64, Scope)>,
}

impl Standing {
    /// From its parts.
    #[must_use]
    pub const fn new(since: Since, floor: u64, scopes: Vec<(u64, Scope)>) -> Standing {
        Standing { since, floor, scopes }
    }
}
