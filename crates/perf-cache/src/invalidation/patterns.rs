//! Invalidations by what a key looks like.
//!
//! Nobody knows which entries a pattern covers, so it is kept in a list, with an *era*: the number
//! of patterns given until then. An entry remembers the era in which it came in. Only where that is
//! not the era of the cache does a reader look at the list, for patterns that were given since;
//! whoever finds an entry alive moves it to the era that it looked at. Namespaces are patterns too,
//! found by name instead of by matching.
//!
//! Once a sweep has met all entries that a pattern found, the pattern is *retired*: it is kept only
//! for values that were read before it was given and are on their way. When it has to be dropped
//! for want of room, the list remembers its number and its era, and takes whatever is older as
//! covered.

use super::fence::Fence;
use crate::sync::{AtomicU32, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard};
use hashbrown::HashMap;
use perf_core::Glob;
use std::collections::VecDeque;
use std::sync::PoisonError;

/// The number of patterns given so far, in 24 bits: it wraps, and comparisons allow for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u32);

impl Era {
    pub(crate) const BITS: u32 = 24;
    const MASK: u32 = (1 << Era::BITS) - 1;

    pub(crate) const fn new(bits: u32) -> Era {
        Era(bits & Era::MASK)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    const fn next(self) -> Era {
        Era::new(self.0.wrapping_add(1))
    }

    /// How many eras lie between; right as long as it is less than half of all.
    const fn since(self, other: Era) -> u32 {
        self.0.wrapping_sub(other.0) & Era::MASK
    }

    pub(crate) const fn is_after(self, other: Era) -> bool {
        let ahead = self.since(other);
        ahead != 0 && ahead <= Era::MASK / 2
    }
}

/// When an invalidation was: in the sequence of the cache, and among the patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) number: u64,
    pub(crate) era: Era,
}

/// No room for another pattern until a sweep of the whole cache has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What keys are compared with.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Glob(Glob),
    Prefix(Box<str>),
}

impl Pattern {
    pub(crate) fn matches(&self, key: &str) -> bool {
        match self {
            Pattern::Glob(glob) => glob.matches(key),
            Pattern::Prefix(prefix) => key.starts_with(&**prefix),
        }
    }
}

/// The patterns that were given to a cache.
#[derive(Debug)]
pub(crate) struct Patterns {
    era: AtomicU32,
    list: RwLock<List>,
}

#[derive(Debug, Default)]
struct List {
    /// Oldest first, so the retired ones come first.
    globs: VecDeque<(Pattern, When)>,
    namespaces: HashMap<Box<str>, When>,
    /// The last invalidation that every shard was swept for.
    swept: When,
    /// The last of those that were dropped from here.
    dropped: When,
    last: When,
}

impl Patterns {
    pub(crate) fn new() -> Patterns {
        Patterns { era: AtomicU32::new(0), list: RwLock::new(List::default()) }
    }

    #[inline]
    pub(crate) fn era(&self) -> Era {
        Era(self.era.load(Ordering::Acquire))
    }

    /// Gives a pattern; `number` is asked for its place in the sequence.
    ///
    /// # Errors
    ///
    /// [`Full`]: nothing was done, sweep and ask again.
    pub(crate) fn add(&self, pattern: &Pattern, number: impl FnOnce() -> u64) -> Result<u64, Full> {
        let mut list = self.write();
        list.has_room()?;
        let open = list.globs.iter().filter(|(_, when)| when.number > list.swept.number).count();
        if open >= OPEN_GLOBS {
            return Err(Full);
        }
        while list.globs.len() >= OPEN_GLOBS + RETIRED_GLOBS {
            let Some((_, when)) = list.globs.pop_front() else { break };
            list.drop_until(when);
        }
        let when = list.advance(number());
        list.globs.push_back((pattern.clone(), when));
        self.era.store(when.era.bits(), Ordering::Release);
        Ok(when.number)
    }

    /// Invalidates a namespace, of which the name is given without its colon.
    ///
    /// # Errors
    ///
    /// [`Full`]: nothing was done, sweep and ask again.
    pub(crate) fn add_namespace(
        &self,
        name: &str,
        number: impl FnOnce() -> u64,
    ) -> Result<u64, Full> {
        let mut list = self.write();
        list.has_room()?;
        if list.namespaces.len() >= NAMESPACES && !list.namespaces.contains_key(name) {
            list.forget_namespaces()?;
        }
        let when = list.advance(number());
        match list.namespaces.get_mut(name) {
            Some(last) => *last = when,
            None => _ = list.namespaces.insert(name.into(), when),
        }
        self.era.store(when.era.bits(), Ordering::Release);
        Ok(when.number)
    }

    /// Whether a key was covered by a pattern that was given after this era.
    pub(crate) fn cover_since(&self, era: Era, key: &str) -> bool {
        let list = self.read();
        list.dropped.era.is_after(era) || list.cover(key, |when| when.era.is_after(era))
    }

    /// Whether a key was covered by a pattern that was given after a read began.
    pub(crate) fn cover_after(&self, fence: Fence, key: &str) -> bool {
        let list = self.read();
        fence.is_before(list.last.number)
            && (fence.is_before(list.dropped.number)
                || list.cover(key, |when| fence.is_before(when.number)))
    }

    /// Every shard has been swept: whatever was dead by an invalidation up to this one has left,
    /// and all others are of that era or a later one.
    pub(crate) fn retire(&self, swept: When) {
        if self.read().swept.number >= swept.number {
            return;
        }
        let mut list = self.write();
        if swept.number > list.swept.number {
            list.swept = swept;
        }
    }

    /// How many patterns and namespaces were given and not yet swept for.
    pub(crate) fn open(&self) -> usize {
        let list = self.read();
        let globs = list.globs.iter().map(|(_, when)| when);
        let all = globs.chain(list.namespaces.values());
        all.filter(|when| when.number > list.swept.number).count()
    }

    fn read(&self) -> RwLockReadGuard<'_, List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, List> {
        self.list.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn cover(&self, key: &str, counts: impl Fn(When) -> bool) -> bool {
        let namespace = key.split_once(':').and_then(|(name, _)| self.namespaces.get(name));
        namespace.is_some_and(|when| counts(*when))
            || self.globs.iter().rev().any(|(glob, when)| counts(*when) && glob.matches(key))
    }

    /// Eras must not wrap round an entry that nobody has looked at.
    fn has_room(&self) -> Result<(), Full> {
        if self.last.era.since(self.swept.era) < MOST_ERAS { Ok(()) } else { Err(Full) }
    }

    fn advance(&mut self, number: u64) -> When {
        self.last = When { number, era: self.last.era.next() };
        self.last
    }

    /// Drops half of the namespaces that were swept for.
    fn forget_namespaces(&mut self) -> Result<(), Full> {
        let swept = self.swept.number;
        let retired = self.namespaces.values().filter(|when| when.number <= swept);
        let mut retired: Vec<When> = retired.copied().collect();
        if retired.is_empty() {
            return Err(Full);
        }
        let middle = retired.len() / 2;
        let until = *retired.select_nth_unstable_by_key(middle, |when| when.number).1;
        self.namespaces.retain(|_, when| when.number > until.number);
        self.drop_until(until);
        Ok(())
    }

    fn drop_until(&mut self, when: When) {
        if when.number > self.dropped.number {
            self.dropped = when;
        }
    }
}

/// Patterns that wait for a sweep; beyond that whoever gives one sweeps before it returns.
const OPEN_GLOBS: usize = 32;
/// Patterns that are kept for values on their way.
const RETIRED_GLOBS: usize = 32;
/// Namespaces whose last invalidation is remembered.
const NAMESPACES: usize = 1024;
/// Eras until a sweep must have ended: far from half of what 24 bits tell apart.
const MOST_ERAS: u32 = 1 << (Era::BITS - 2);
