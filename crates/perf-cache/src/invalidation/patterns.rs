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
struct When {
    number: u64,
    era: Era,
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
    /// No entry is of an era before this one.
    swept: Era,
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
        let open = list.globs.iter().filter(|(_, when)| list.is_open(*when)).count();
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

    /// Every shard has been swept: whatever was covered by a pattern of this era or an earlier one
    /// has left, and all that is left is of that era or a later one.
    pub(crate) fn retire(&self, swept: Era) {
        if !swept.is_after(self.read().swept) {
            return;
        }
        let mut list = self.write();
        if swept.is_after(list.swept) {
            list.swept = swept;
        }
    }

    /// How many patterns and namespaces were given and not yet swept for.
    pub(crate) fn open(&self) -> usize {
        let list = self.read();
        let globs = list.globs.iter().map(|(_, when)| when);
        let all = globs.chain(list.namespaces.values());
        all.filter(|when| list.is_open(**when)).count()
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

    /// Whether there may be entries that it found and no sweep has met.
    fn is_open(&self, when: When) -> bool {
        when.era.is_after(self.swept)
    }

    /// Eras must not wrap round an entry that nobody has looked at.
    fn has_room(&self) -> Result<(), Full> {
        if self.last.era.since(self.swept) < MOST_ERAS { Ok(()) } else { Err(Full) }
    }

    fn advance(&mut self, number: u64) -> When {
        self.last = When { number, era: self.last.era.next() };
        if self.last.era.bits().is_multiple_of(FORGET_EVERY) {
            self.forget_before(Era::new(self.last.era.bits().wrapping_sub(MOST_ERAS)));
        }
        self.last
    }

    /// Drops what is so old that its era would soon pass for one to come. Every entry is younger:
    /// else there would have been no room for a new pattern.
    fn forget_before(&mut self, era: Era) {
        let is_old = |when: &When| era.is_after(when.era);
        let globs = self.globs.iter().map(|(_, when)| when);
        let old = globs.chain(self.namespaces.values()).filter(|when| is_old(when));
        let number = old.map(|when| when.number).max().unwrap_or_default();
        self.globs.retain(|(_, when)| !is_old(when));
        self.namespaces.retain(|_, when| !is_old(when));
        self.dropped.number = self.dropped.number.max(number);
        if era.is_after(self.dropped.era) {
            self.dropped.era = era;
        }
    }

    /// Drops half of the namespaces that were swept for.
    fn forget_namespaces(&mut self) -> Result<(), Full> {
        let retired = self.namespaces.values().filter(|when| !self.is_open(**when));
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
/// Eras after which the oldest are forgotten.
const FORGET_EVERY: u32 = 1 << (Era::BITS - 4);

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_never_passes_for_what_is_new() {
        let patterns = Patterns::new();
        let mut number = 0;
        let mut give = |name: &str| {
            number += 1;
            patterns.add_namespace(name, || number)
        };
        give("old").unwrap();
        patterns.retire(patterns.era());
        // Three times round, as if somebody had invalidated another namespace all the while.
        for _ in 0..48 {
            let era = patterns.era();
            let next = Era::new(era.bits() | (FORGET_EVERY - 1));
            patterns.write().last.era = next;
            give("new").unwrap();
            let now = patterns.era();
            assert!(now.is_after(era));
            assert!(!patterns.cover_since(era, "other:1"));
            assert!(!patterns.cover_since(era, "old:1"));
            assert!(patterns.cover_since(era, "new:1"));
            patterns.retire(now);
        }
        assert_eq!(patterns.open(), 0);
        assert!(patterns.read().namespaces.len() == 1, "the old one was forgotten");
    }

    #[test]
    fn eras_do_not_run_away_from_a_sweep() {
        let patterns = Patterns::new();
        patterns.add_namespace("a", || 1).unwrap();
        patterns.write().last.era = Era::new(MOST_ERAS);
        assert_eq!(patterns.add_namespace("a", || 2), Err(Full));
        patterns.retire(Era::new(1));
        assert_eq!(patterns.add_namespace("a", || 2), Ok(2));
    }
}
