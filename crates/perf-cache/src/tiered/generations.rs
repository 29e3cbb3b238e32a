//! What was invalidated, as it is kept beyond memory and over a restart.
//!
//! Every invalidation of a tag, a namespace, a pattern or of everything takes the next number. What
//! is sealed carries the number that was last before it was read, its *era*, and the ids of its
//! tags. It is dead if one of its tags, or a pattern that covers its key, has a number above its
//! era. So nothing needs to be found to be invalidated, and a value that was read before an
//! invalidation is dead wherever and whenever it is stored after it.
//!
//! The numbers are kept in pinned records of the outer tiers, tags in buckets by their ids, so that
//! opening reads a fixed number of records. A number becomes the era of new reads only when its
//! record is there. After a restart numbers begin far above all that were found: should the device
//! have lost the latest ones with the power, what was sealed under them is still below the next.
//!
//! Everything is bounded. The tags invalidated longest ago make way, and every tag that is not known
//! counts as invalidated with the last of those; of too many patterns the oldest makes way, and what
//! is older than it is dead. Either may end what could have been kept, and never the other way round.

mod table;
#[cfg(test)]
mod tests;
mod told;

pub(super) use self::table::{Pattern, Record, RecordName};
pub(super) use self::told::{Covers, Told};

use self::table::{Table, bucket_of};
use super::promise::lock;
use super::shared::Standing;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All that was invalidated.
#[derive(Debug)]
pub(super) struct Generations {
    /// The era of what is read now.
    era: AtomicU64,
    /// The last number that was given out. If it is the era, and something is of that era, nothing
    /// needs to be looked up.
    last: AtomicU64,
    table: RwLock<Table>,
    /// Held while a record is made and queued, so that they are queued in order.
    order: Mutex<()>,
    max_tags: usize,
    max_patterns: usize,
}

impl Generations {
    pub(super) fn new(max_tags: usize, max_patterns: usize) -> Generations {
        Generations {
            era: AtomicU64::new(0),
            last: AtomicU64::new(0),
            table: RwLock::default(),
            order: Mutex::new(()),
            max_tags,
            max_patterns,
        }
    }

    /// The id of a tag, the same in all processes.
    pub(super) fn id_of_tag(tag: &str) -> u64 {
        stable_hash(b't', tag.as_bytes())
    }

    /// The id of what something depends on.
    pub(super) fn id_of_parent(parent: &str) -> u64 {
        stable_hash(b'd', parent.as_bytes())
    }

    /// For what is about to be read.
    #[inline]
    pub(super) fn era(&self) -> u64 {
        // Acquire: what is read from here on is at least as new as the invalidations up to this one.
        self.era.load(Ordering::Acquire)
    }

    /// Whether what was read in that era is dead.
    #[inline]
    pub(super) fn are_past<'a>(
        &self,
        era: u64,
        tags: impl IntoIterator<Item = u64>,
        key: impl FnOnce() -> Option<Cow<'a, str>>,
    ) -> bool {
        let last = self.last.load(Ordering::Acquire);
        // One that is yet to come is from before numbers were lost: nothing is known of it.
        era > last || era < last && self.table().are_past(era, tags, key)
    }

    /// Takes in a record that was found. Those that cannot be read end everything that is older than
    /// this process.
    pub(super) fn recover(&self, name: RecordName, bytes: &[u8]) {
        let mut table = self.table_mut();
        if table.read(name, bytes).is_none() {
            table.is_broken = true;
        }
    }

    /// The end of recovery: numbers go on from here. Where a record could not be read, this answers
    /// one to be kept: when the others are written anew, the next process finds nothing wrong with
    /// them and has to know that they are not complete. `at_least`: above what is found in no record,
    /// as far as anybody can tell.
    pub(super) fn recovered(&self, at_least: u64) -> Option<Record> {
        let mut table = self.table_mut();
        let is_broken = std::mem::take(&mut table.is_broken);
        let numbers = table.tags.values().chain(table.patterns.iter().map(|(_, number)| number));
        let last = numbers.copied().max().unwrap_or(0).max(table.floor).max(table.forgotten);
        let start = if is_broken { at_least.max(last + BROKEN_GAP) } else { last + GAP };
        if is_broken {
            table.floor = start;
        }
        self.last.store(start, Ordering::Release);
        self.era.store(start, Ordering::Release);
        let name = RecordName::Floor;
        is_broken.then(|| Record { name, bytes: table.write(name) })
    }

    /// A tag is invalidated: `queue` is given what is to be kept, and the number to be
    /// [settled](Generations::settle) when it is.
    pub(super) fn invalidate_tag<R>(
        &self,
        id: u64,
        queue: impl FnOnce(Vec<Record>) -> R,
    ) -> (u64, R) {
        self.change(queue, |table, number| {
            let mut changed = Vec::new();
            if table.tags.len() >= self.max_tags && !table.tags.contains_key(&id) {
                changed = table.forget_tags();
            }
            table.tags.insert(id, number);
            let bucket = RecordName::Tags(bucket_of(id));
            changed.retain(|name| *name != bucket);
            changed.push(bucket);
            changed
        })
    }

    /// A pattern is invalidated.
    pub(super) fn invalidate_pattern<R>(
        &self,
        pattern: Pattern,
        queue: impl FnOnce(Vec<Record>) -> R,
    ) -> (u64, R) {
        self.change(queue, |table, number| {
            table.patterns.retain(|(known, _)| **known != pattern);
            let mut changed = vec![RecordName::Patterns];
            if table.patterns.len() >= self.max_patterns {
                let (_, oldest) = table.patterns.remove(0);
                table.floor = table.floor.max(oldest);
                changed.insert(0, RecordName::Floor);
            }
            table.patterns.push((Arc::new(pattern), number));
            changed
        })
    }

    /// Everything is invalidated.
    pub(super) fn invalidate_all<R>(&self, queue: impl FnOnce(Vec<Record>) -> R) -> (u64, R) {
        self.change(queue, |table, number| {
            table.floor = number;
            table.tags.clear();
            table.patterns.clear();
            table.forgotten = number;
            // The others hold nothing above the floor.
            vec![RecordName::Floor]
        })
    }

    fn change<R>(
        &self,
        queue: impl FnOnce(Vec<Record>) -> R,
        change: impl FnOnce(&mut Table, u64) -> Vec<RecordName>,
    ) -> (u64, R) {
        let _order = lock(&self.order);
        let number = self.last.load(Ordering::Acquire) + 1;
        let mut table = self.table_mut();
        // Readers look it up from here on.
        self.last.store(number, Ordering::Release);
        let changed = change(&mut table, number);
        let record = |name| Record { name, bytes: table.write(name) };
        let records = changed.into_iter().map(record).collect();
        drop(table);
        (number, queue(records))
    }

    /// The records of an invalidation are there, or will never be.
    pub(super) fn settle(&self, number: u64) {
        self.era.fetch_max(number, Ordering::AcqRel);
    }

    /// Tags and patterns that are kept.
    pub(super) fn len(&self) -> (usize, usize) {
        let table = self.table();
        (table.tags.len(), table.patterns.len())
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// FNV-1a in 64 bits, mixed by the end of MurmurHash3 so that all bits are good.
///
/// Source: Fowler, Noll and Vo, IETF draft "The FNV Non-Cryptographic Hash Algorithm"; Appleby,
/// MurmurHash3, `fmix64`. Two names that share an id are invalidated together.
fn stable_hash(kind: u8, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = bytes.iter().fold(step(0xcbf2_9ce4_8422_2325, &kind), step);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    // Those below are the ids of no tags.
    (hash ^ (hash >> 33)).max(FIRST_ID)
}

/// Ids below stand for something else than tags, see [`super::held`].
pub(super) const FIRST_ID: u64 = 16;
/// More invalidations than one process makes between two syncs.
const GAP: u64 = 1 << 20;
/// More than one process makes.
const BROKEN_GAP: u64 = 1 << 40;
