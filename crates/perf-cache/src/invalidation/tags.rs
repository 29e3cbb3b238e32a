//! Names that many entries share, and by which they are invalidated at once.
//!
//! A tag is a counter of its own invalidations, its *epoch*. An entry remembers the epoch of each
//! of its tags from when it came in; once one of them has moved on, the entry is dead. So
//! invalidating costs the same for one entry as for a million, and a read compares two words of
//! which neither is written but by an invalidation.
//!
//! Tags are looked up by name in one table of bounded size. Those that no entry has are kept for a
//! while, since a read that began before their invalidation may come with its value any time. When
//! they are dropped, the table remembers the latest invalidation among them, and treats every name
//! that it does not know as invalidated then: that may refuse a value which could have been kept,
//! and never the other way round.

use super::fence::Fence;
use crate::Cause;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// One name and what became of its entries.
#[derive(Debug)]
pub(crate) struct Tag {
    name: Name,
    /// The number of its last invalidation in the sequence of the cache.
    last: AtomicU64,
    /// The epoch for readers: written by invalidations only.
    epoch: AtomicU32,
    crowd: Crowd,
}

/// What a tag is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// By a caller.
    Tag(Box<str>),
    /// By the prefix of a declared namespace.
    Namespace(Box<str>),
    /// By what others depend on, usually the text of a key.
    Parent(Box<str>),
}

/// A name without its text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Label<'a> {
    Tag(&'a str),
    Parent(&'a str),
}

/// The counts of a tag, written whenever an entry comes or goes: off the line that readers read.
#[derive(Debug)]
#[repr(align(64))]
struct Crowd {
    /// Epoch and number of entries alive in it, in one word so that an invalidation takes exactly
    /// those that came before it.
    alive: AtomicU64,
    /// Entries that are dead by this tag and have not left.
    dead: AtomicU64,
    /// Entries, and calls that are at it. Grows from zero under the lock of the table only.
    holders: AtomicU64,
}

/// A tag that stays in its table.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Tag>);

impl Hold {
    /// For whoever has the table, or got the tag from one that is never dropped.
    pub(crate) fn new(tag: &Arc<Tag>) -> Hold {
        tag.crowd.holders.fetch_add(1, Ordering::AcqRel);
        Hold(Arc::clone(tag))
    }

    /// Another one beside that of an entry; `None` if the entry has left meanwhile.
    pub(crate) fn beside(tag: &Arc<Tag>) -> Option<Hold> {
        let more = |holders: u64| (holders > 0).then_some(holders + 1);
        let holders = &tag.crowd.holders;
        holders.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Hold(Arc::clone(tag)))
    }

    /// Hands the hold over to an entry, which ends it by [`Tag::let_go`].
    pub(crate) fn keep(self) -> Arc<Tag> {
        let tag = Arc::clone(&self.0);
        tag.crowd.holders.fetch_add(1, Ordering::AcqRel);
        tag
    }
}

impl Deref for Hold {
    type Target = Arc<Tag>;

    fn deref(&self) -> &Arc<Tag> {
        &self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

const COUNT: u64 = u32::MAX as u64;

impl Tag {
    pub(crate) fn new(name: Name, last: u64) -> Tag {
        let zero = || AtomicU64::new(0);
        let crowd = Crowd { alive: zero(), dead: zero(), holders: zero() };
        Tag { name, last: AtomicU64::new(last), epoch: AtomicU32::new(0), crowd }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// What an entry that dies by this tag dies of.
    pub(crate) fn cause(&self) -> Cause {
        match self.name {
            Name::Tag(_) => Cause::Tag,
            Name::Namespace(_) => Cause::Pattern,
            Name::Parent(_) => Cause::Dependency,
        }
    }

    /// Counts an entry that comes in and answers its epoch; `None` if what it holds may have been
    /// read before the last invalidation.
    pub(crate) fn join(&self, fence: Option<Fence>) -> Option<u32> {
        // First in, then the question: an invalidation that comes between finds the entry.
        let epoch = (self.crowd.alive.fetch_add(1, Ordering::AcqRel) >> 32) as u32;
        if fence.is_some_and(|fence| self.is_after(fence)) {
            self.leave(epoch);
            return None;
        }
        Some(epoch)
    }

    /// Whether it was invalidated since a read began.
    pub(crate) fn is_after(&self, fence: Fence) -> bool {
        fence.is_before(self.last.load(Ordering::Acquire))
    }

    /// Ends the hold of an entry.
    pub(crate) fn let_go(&self) {
        self.crowd.holders.fetch_sub(1, Ordering::AcqRel);
    }

    /// Counts another entry of an epoch that may be over: a copy of one that is counted.
    pub(crate) fn join_again(&self, epoch: u32) {
        let mut alive = self.crowd.alive.load(Ordering::Acquire);
        while (alive >> 32) as u32 == epoch {
            let word = &self.crowd.alive;
            match word.compare_exchange(alive, alive + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => alive = now,
            }
        }
        self.crowd.dead.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an entry that leaves.
    pub(crate) fn leave(&self, epoch: u32) {
        let mut alive = self.crowd.alive.load(Ordering::Acquire);
        while (alive >> 32) as u32 == epoch {
            let fewer = alive - 1;
            let word = &self.crowd.alive;
            match word.compare_exchange(alive, fewer, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => alive = now,
            }
        }
        self.crowd.dead.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the entries of that epoch are dead.
    #[inline]
    pub(crate) fn is_past(&self, epoch: u32) -> bool {
        // Not just another one: an entry may have joined an epoch that readers are not told of yet.
        is_ahead(self.epoch.load(Ordering::Acquire), epoch)
    }

    /// Ends the epoch; answers how many entries died with it.
    pub(crate) fn invalidate(&self, number: u64) -> u64 {
        // Before the epoch: who joins the next one must see it.
        self.last.fetch_max(number, Ordering::AcqRel);
        let mut alive = self.crowd.alive.load(Ordering::Acquire);
        loop {
            let next = ((alive >> 32) + 1) << 32;
            // Counted first: those who leave after the exchange count themselves down.
            self.crowd.dead.fetch_add(alive & COUNT, Ordering::Relaxed);
            let word = &self.crowd.alive;
            match word.compare_exchange(alive, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => {
                    self.crowd.dead.fetch_sub(alive & COUNT, Ordering::Relaxed);
                    alive = now;
                }
            }
        }
        self.show(((alive >> 32) as u32).wrapping_add(1));
        alive & COUNT
    }

    /// Tells readers of an epoch, unless somebody has told them of a later one.
    fn show(&self, epoch: u32) {
        let mut shown = self.epoch.load(Ordering::Relaxed);
        while is_ahead(epoch, shown) {
            let word = &self.epoch;
            match word.compare_exchange(shown, epoch, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => shown = now,
            }
        }
    }

    pub(crate) fn dead(&self) -> u64 {
        // A count that is taken back for a moment must not show as 2^64.
        self.crowd.dead.load(Ordering::Relaxed).min(COUNT)
    }
}

/// Whether an epoch comes after another; they wrap.
#[inline]
const fn is_ahead(epoch: u32, other: u32) -> bool {
    let ahead = epoch.wrapping_sub(other);
    ahead != 0 && ahead < 1 << 31
}

impl Label<'_> {
    fn is_of(self, tag: &Tag) -> bool {
        match (self, tag.name()) {
            (Label::Tag(text), Name::Tag(name)) => *text == **name,
            (Label::Parent(text), Name::Parent(name)) => *text == **name,
            _ => false,
        }
    }

    fn to_name(self) -> Name {
        match self {
            Label::Tag(text) => Name::Tag(text.into()),
            Label::Parent(text) => Name::Parent(text.into()),
        }
    }
}

/// The tags of a cache by their names.
#[derive(Debug)]
pub(crate) struct Tags {
    table: RwLock<Table>,
    hasher: DefaultHashBuilder,
    max: usize,
}

#[derive(Debug)]
struct Table {
    tags: HashTable<Arc<Tag>>,
    /// The latest invalidation of a name that is not here.
    forgotten: u64,
    /// The same for some names that nothing depended on when a cascade came by.
    cascaded: HashMap<u64, u64>,
    /// So many tags are a reason to look for some that nobody has.
    full_at: usize,
}

impl Tags {
    pub(crate) fn new(max: usize) -> Tags {
        let full_at = max.min(KEPT);
        let table =
            Table { tags: HashTable::new(), forgotten: 0, cascaded: HashMap::default(), full_at };
        Tags { table: RwLock::new(table), hasher: DefaultHashBuilder::default(), max }
    }

    /// The tag of that name, new if need be; `None` if there are too many in use.
    pub(crate) fn intern(&self, label: Label<'_>) -> Option<Hold> {
        self.find(label).or_else(|| self.add(label, &mut self.write()))
    }

    fn find(&self, label: Label<'_>) -> Option<Hold> {
        self.read().tags.find(self.hash(label), |tag| label.is_of(tag)).map(Hold::new)
    }

    /// Invalidates the entries of a tag; answers how many at most.
    pub(crate) fn invalidate(&self, label: Label<'_>, number: u64) -> u64 {
        let tag = self.find(label).or_else(|| {
            let mut table = self.write();
            let tag = self.add(label, &mut table);
            if tag.is_none() {
                table.forgotten = table.forgotten.max(number);
            }
            tag
        });
        tag.map_or(0, |tag| tag.invalidate(number))
    }

    /// Invalidates what depends on the names with these hashes, whether it is here or on its way;
    /// answers how many entries died at most.
    pub(crate) fn cascade(&self, parents: &[u64], number: u64) -> u64 {
        let mut table = self.write();
        let mut died = 0;
        for hash in parents {
            let is_it = |tag: &Arc<Tag>| self.hash(tag.name().label()) == *hash;
            match table.tags.find(*hash, is_it) {
                Some(tag) => died += tag.invalidate(number),
                None => table.remember(*hash, number),
            }
        }
        died
    }

    /// How many tags there are, in use or not.
    pub(crate) fn len(&self) -> usize {
        self.read().tags.len()
    }

    /// Entries that are dead and have not left, an entry once for each of its tags that it is dead
    /// by. O(tags).
    pub(crate) fn dead(&self) -> u64 {
        self.read().tags.iter().map(|tag| tag.dead()).sum()
    }

    fn add(&self, label: Label<'_>, table: &mut Table) -> Option<Hold> {
        let hash = self.hash(label);
        if let Some(tag) = table.tags.find(hash, |tag| label.is_of(tag)) {
            return Some(Hold::new(tag));
        }
        if table.tags.len() >= table.full_at {
            table.forget(self.max);
        }
        if table.tags.len() >= self.max {
            return None;
        }
        let cascaded = table.cascaded.get(&hash).map_or(0, |number| *number);
        let tag = Arc::new(Tag::new(label.to_name(), table.forgotten.max(cascaded)));
        let rehash = |tag: &Arc<Tag>| self.hash(tag.name().label());
        let hold = Hold::new(&tag);
        table.tags.insert_unique(hash, tag, rehash);
        Some(hold)
    }

    /// What the label is called in the graph of dependencies. Two that share a number are
    /// invalidated together there.
    pub(crate) fn hash(&self, label: Label<'_>) -> u64 {
        match label {
            Label::Tag(text) => self.hasher.hash_one((false, text)),
            Label::Parent(text) => self.hasher.hash_one((true, text)),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remember(&mut self, hash: u64, number: u64) {
        if self.cascaded.len() >= CASCADED {
            self.forgotten = self.forgotten.max(number);
            self.cascaded.clear();
        }
        self.cascaded.insert(hash, number);
    }

    /// Drops the tags that no entry has, but for the half of them that was invalidated last.
    fn forget(&mut self, max: usize) {
        // Nobody can take hold of a tag but through this table, which is locked, and beside others
        // that have it.
        let is_idle = |tag: &Arc<Tag>| tag.crowd.holders.load(Ordering::Acquire) == 0;
        let last = |tag: &Arc<Tag>| tag.last.load(Ordering::Acquire);
        let mut idle: Vec<u64> = self.tags.iter().filter(|tag| is_idle(tag)).map(last).collect();
        if !idle.is_empty() {
            let middle = idle.len() / 2;
            let oldest = *idle.select_nth_unstable(middle).1;
            self.tags.retain(|tag| !(is_idle(tag) && last(tag) <= oldest));
            self.forgotten = self.forgotten.max(oldest);
        }
        self.full_at = (self.tags.len() * 2).clamp(KEPT.min(max), max);
    }
}

impl Name {
    pub(crate) fn text(&self) -> &str {
        match self {
            Name::Tag(text) | Name::Namespace(text) | Name::Parent(text) => text,
        }
    }

    fn label(&self) -> Label<'_> {
        match self {
            Name::Tag(text) | Name::Namespace(text) => Label::Tag(text),
            Name::Parent(text) => Label::Parent(text),
        }
    }
}

/// So many tags are kept without asking whether somebody has them.
const KEPT: usize = 1024;
/// So many names of a cascade that are no tags are remembered one by one.
const CASCADED: usize = 4096;
