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

use super::promise::lock;
use hashbrown::HashMap;
use perf_core::Glob;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

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

#[derive(Debug, Default)]
struct Table {
    tags: HashMap<u64, u64>,
    /// The number of every tag that is not here.
    forgotten: u64,
    /// Oldest first.
    patterns: Vec<(Arc<Pattern>, u64)>,
    /// What is older is dead.
    floor: u64,
    /// Whether a record could not be read.
    is_broken: bool,
}

/// What keys are compared with.
#[derive(Debug, PartialEq)]
pub(super) enum Pattern {
    Glob(Glob),
    /// The keys that begin with this and a colon.
    Namespace(Box<str>),
}

/// A record that is to be kept: which one, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: RecordName,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordName {
    Tags(u8),
    Patterns,
    Floor,
}

impl RecordName {
    /// All that there can be.
    pub(super) fn all() -> impl Iterator<Item = RecordName> {
        (0..=u8::MAX).map(RecordName::Tags).chain([RecordName::Patterns, RecordName::Floor])
    }

    pub(super) fn to_bytes(self) -> [u8; 2] {
        match self {
            RecordName::Tags(bucket) => [b't', bucket],
            RecordName::Patterns => [b'p', 0],
            RecordName::Floor => [b'f', 0],
        }
    }
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

    fn table_mut(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn are_past<'a>(
        &self,
        era: u64,
        tags: impl IntoIterator<Item = u64>,
        key: impl FnOnce() -> Option<Cow<'a, str>>,
    ) -> bool {
        if era < self.floor {
            return true;
        }
        let number = |id: u64| self.tags.get(&id).copied().unwrap_or(self.forgotten);
        if tags.into_iter().any(|id| era < number(id)) {
            return true;
        }
        let mut since = self.patterns.iter().rev().take_while(|(_, number)| era < *number);
        let Some(first) = since.next() else { return false };
        // A key of which nobody knows the text may be covered by any.
        let Some(key) = key() else { return true };
        std::iter::once(first).chain(since).any(|(pattern, _)| pattern.covers(&key))
    }

    /// Drops the half of the tags that was invalidated longest ago; answers what changes by it.
    fn forget_tags(&mut self) -> Vec<RecordName> {
        let mut numbers: Vec<u64> = self.tags.values().copied().collect();
        let middle = numbers.len() / 2;
        let newest_gone = *numbers.select_nth_unstable(middle).1;
        let mut changed = vec![RecordName::Floor];
        self.tags.retain(|id, number| {
            if *number > newest_gone {
                return true;
            }
            let bucket = RecordName::Tags(bucket_of(*id));
            if !changed.contains(&bucket) {
                changed.push(bucket);
            }
            false
        });
        self.forgotten = self.forgotten.max(newest_gone);
        changed
    }

    fn write(&self, name: RecordName) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        match name {
            RecordName::Tags(bucket) => {
                for (id, number) in self.tags.iter().filter(|(id, _)| bucket_of(**id) == bucket) {
                    bytes.extend(id.to_le_bytes());
                    bytes.extend(number.to_le_bytes());
                }
            }
            RecordName::Patterns => {
                for (pattern, number) in &self.patterns {
                    let (kind, text) = match &**pattern {
                        Pattern::Glob(glob) => (b'g', glob.as_str()),
                        Pattern::Namespace(name) => (b'n', &**name),
                    };
                    bytes.push(kind);
                    bytes.extend(number.to_le_bytes());
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
            RecordName::Floor => {
                bytes.extend(self.floor.to_le_bytes());
                bytes.extend(self.forgotten.to_le_bytes());
            }
        }
        bytes
    }

    fn read(&mut self, name: RecordName, bytes: &[u8]) -> Option<()> {
        let (version, mut rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        while !rest.is_empty() {
            match name {
                RecordName::Tags(_) => {
                    let (id, number) = (take_u64(&mut rest)?, take_u64(&mut rest)?);
                    let known = self.tags.entry(id).or_default();
                    *known = number.max(*known);
                }
                RecordName::Patterns => {
                    let kind = take(&mut rest, 1)?[0];
                    let number = take_u64(&mut rest)?;
                    let len = usize::try_from(take_u64(&mut rest)?).ok()?;
                    let text = std::str::from_utf8(take(&mut rest, len)?).ok()?;
                    let pattern = match kind {
                        b'g' => Pattern::Glob(Glob::new(text).ok()?),
                        b'n' => Pattern::Namespace(text.into()),
                        _ => return None,
                    };
                    let at = self.patterns.partition_point(|(_, known)| *known <= number);
                    self.patterns.insert(at, (Arc::new(pattern), number));
                }
                RecordName::Floor => {
                    self.floor = self.floor.max(take_u64(&mut rest)?);
                    self.forgotten = self.forgotten.max(take_u64(&mut rest)?);
                }
            }
        }
        Some(())
    }
}

impl Pattern {
    fn covers(&self, key: &str) -> bool {
        match self {
            Pattern::Glob(glob) => glob.matches(key),
            Pattern::Namespace(name) => {
                key.strip_prefix(&**name).is_some_and(|rest| rest.starts_with(':'))
            }
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?))
}

const fn bucket_of(id: u64) -> u8 {
    (id >> 56) as u8
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

const VERSION: u8 = 1;
/// Ids below stand for something else than tags, see [`super::sealer`].
pub(super) const FIRST_ID: u64 = 16;
/// More invalidations than one process makes between two syncs.
const GAP: u64 = 1 << 20;
/// More than one process makes.
const BROKEN_GAP: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn no_key() -> Option<Cow<'static, str>> {
        panic!("nobody needs it")
    }

    fn key(text: &'static str) -> impl FnOnce() -> Option<Cow<'static, str>> {
        move || Some(text.into())
    }

    /// What a store would have after these invalidations, read by the next process.
    fn reopened(kept: &[Record]) -> Generations {
        let next = Generations::new(4, 2);
        for name in RecordName::all() {
            // The latest is the one that is there.
            if let Some(record) = kept.iter().rev().find(|record| record.name == name) {
                next.recover(name, &record.bytes);
            }
        }
        next.recovered(0);
        next
    }

    fn invalidate(generations: &Generations, id: u64, kept: &mut Vec<Record>) {
        let (number, records) = generations.invalidate_tag(id, |records| records);
        kept.extend(records);
        generations.settle(number);
    }

    #[test]
    fn what_was_read_before_an_invalidation_is_dead_and_what_is_read_after_it_is_not() {
        let generations = Generations::new(100, 100);
        let (before, id) = (generations.era(), Generations::id_of_tag("a"));
        assert!(!generations.are_past(before, [id], no_key));
        let (number, ()) = generations.invalidate_tag(id, |_| ());
        assert!(generations.are_past(before, [id], no_key));
        assert!(!generations.are_past(before, [Generations::id_of_parent("a")], no_key));
        assert_eq!(generations.era(), before, "its record is not there yet");
        generations.settle(number);
        assert!(!generations.are_past(generations.era(), [id], no_key));
    }

    #[test]
    fn patterns_and_namespaces_cover_what_is_older() {
        let generations = Generations::new(100, 100);
        let before = generations.era();
        let glob = Pattern::Glob(Glob::new("users:*:mail").unwrap());
        let (number, ()) = generations.invalidate_pattern(glob, |_| ());
        generations.settle(number);
        let between = generations.era();
        let namespace = Pattern::Namespace("pages".into());
        generations.settle(generations.invalidate_pattern(namespace, |_| ()).0);
        assert!(generations.are_past(before, [], key("users:7:mail")));
        assert!(!generations.are_past(before, [], key("users:7:name")));
        assert!(!generations.are_past(between, [], key("users:7:mail")));
        assert!(generations.are_past(between, [], key("pages:1")));
        assert!(!generations.are_past(between, [], key("pages2")));
        assert!(generations.are_past(between, [], || None), "it may be covered");
        assert!(!generations.are_past(generations.era(), [], no_key));
    }

    #[test]
    fn everything_outlives_the_process_and_numbers_go_on_above() {
        let mut kept = Vec::new();
        let generations = Generations::new(4, 2);
        generations.recovered(0);
        let before = generations.era();
        invalidate(&generations, 7, &mut kept);
        let glob = Pattern::Glob(Glob::new("a*").unwrap());
        let (number, records) = generations.invalidate_pattern(glob, |records| records);
        kept.extend(records);
        generations.settle(number);
        let era = generations.era();
        let next = reopened(&kept);
        assert!(next.era() >= era + GAP);
        assert!(next.are_past(before, [7], no_key) && !next.are_past(before, [8], key("b")));
        assert!(next.are_past(before, [8], key("ab")) && !next.are_past(era, [7], key("ab")));
        let (_, records) = next.invalidate_all(|records| records);
        assert!(next.are_past(era, [], no_key));
        kept.extend(records);
        assert!(reopened(&kept).are_past(era, [], no_key));
    }

    #[test]
    fn tags_that_make_way_count_as_invalidated_with_the_last_of_them() {
        let mut kept = Vec::new();
        let generations = Generations::new(4, 2);
        generations.recovered(0);
        let mut eras = vec![generations.era()];
        for id in 1..=20_u64 {
            invalidate(&generations, id << 56, &mut kept);
            eras.push(generations.era());
        }
        assert!(generations.len().0 <= 4);
        for generations in [&generations, &reopened(&kept)] {
            for id in 1..=20_u64 {
                // Read before the invalidation of that tag.
                assert!(generations.are_past(eras[id as usize - 1], [id << 56], no_key));
            }
            assert!(!generations.are_past(eras[20], [20 << 56, 3 << 56, 99], no_key));
        }
    }

    #[test]
    fn the_oldest_pattern_makes_way_and_takes_what_is_older_with_it() {
        let mut kept = Vec::new();
        let generations = Generations::new(4, 2);
        generations.recovered(0);
        let mut eras = vec![generations.era()];
        for name in ["a", "b", "c", "c"] {
            let pattern = Pattern::Namespace(name.into());
            let (number, records) = generations.invalidate_pattern(pattern, |records| records);
            kept.extend(records);
            generations.settle(number);
            eras.push(generations.era());
        }
        for generations in [&generations, &reopened(&kept)] {
            assert!(generations.are_past(eras[0], [], no_key), "the floor is above it");
            assert!(!generations.are_past(eras[1], [], key("a:1")));
            assert!(generations.are_past(eras[1], [], key("b:1")));
            assert!(generations.are_past(eras[3], [], key("c:1")), "invalidated again");
            assert_eq!(generations.len(), (0, 2));
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_ends_what_is_older() {
        for (name, bytes) in [
            (RecordName::Tags(3), &[VERSION, 1, 2][..]),
            (RecordName::Patterns, &[VERSION, b'x', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (RecordName::Floor, &[9]),
            (RecordName::Floor, &[]),
        ] {
            let generations = Generations::new(4, 2);
            generations.recover(name, bytes);
            assert!(generations.recovered(0).is_some());
            assert!(generations.are_past(1 << 30, [], no_key), "{name:?}");
            assert!(!generations.are_past(generations.era(), [], no_key));
        }
    }

    #[test]
    fn what_a_lost_record_ended_stays_dead_when_the_record_is_written_anew() {
        let mut kept = Vec::new();
        let generations = Generations::new(4, 2);
        generations.recovered(0);
        let before = generations.era();
        invalidate(&generations, 7, &mut kept);
        let tags = kept.len() - 1;
        kept[tags].bytes.truncate(3);
        let next = Generations::new(4, 2);
        next.recover(kept[tags].name, &kept[tags].bytes);
        kept.extend(next.recovered(0));
        let after = next.era();
        invalidate(&next, 8, &mut kept);
        let last = reopened(&kept);
        assert!(last.are_past(before, [7], no_key));
        assert!(!last.are_past(after, [7], no_key));
    }

    #[test]
    fn another_lost_record_does_not_bring_numbers_back() {
        let mut kept = Vec::new();
        let first = Generations::new(4, 2);
        first.recover(RecordName::Tags(3), &[]);
        kept.extend(first.recovered(0));
        let before = first.era();
        invalidate(&first, 7, &mut kept);
        let next = Generations::new(4, 2);
        // The floor is there, the tag is not.
        next.recover(RecordName::Floor, &kept[0].bytes);
        next.recover(RecordName::Tags(0), &[]);
        assert!(next.recovered(0).is_some());
        assert!(next.era() > before && next.are_past(before, [7], no_key));
    }

    #[test]
    fn an_era_that_is_yet_to_come_is_dead() {
        let generations = Generations::new(4, 2);
        generations.recovered(0);
        assert!(generations.are_past(generations.era() + 1, [], no_key));
    }

    #[test]
    fn ids_stay_what_they_are() {
        let ids = [Generations::id_of_tag("user:7"), Generations::id_of_parent("user:7")];
        assert_eq!(ids, [8_473_576_893_961_714_935, 2_962_068_783_633_397_075]);
    }
}
