//! Where each key's record is: tables behind short locks, which hold hashes and no keys.

use super::place::Place;
use super::segment::Segment;
use super::table::Table;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Two keys whose 64 bits of seeded hash are the same count as one, the later put: reads compare
/// the key, so neither is answered for the other.
#[derive(Debug)]
pub(super) struct Index {
    shards: Box<[Mutex<Shard>]>,
}

/// With the segments, so that a place and the file that it is in are found under one lock.
#[derive(Debug)]
struct Shard {
    table: Table,
    segments: Vec<Option<Arc<Segment>>>,
    /// Entries of which nothing is to be had.
    dead: usize,
}

const SHARDS: usize = 32;

impl Index {
    pub(super) fn new() -> Index {
        let shard = || Mutex::new(Shard { table: Table::new(), segments: Vec::new(), dead: 0 });
        Index { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[hash as usize % SHARDS])
    }

    /// Gives a slot to a segment, or takes it back, before any place in it is known, or when none
    /// is any more.
    pub(super) fn set_segment(&self, slot: u16, segment: Option<&Arc<Segment>>) {
        let slot = usize::from(slot);
        for shard in &self.shards {
            let mut shard = lock(shard);
            if shard.segments.len() <= slot {
                shard.segments.resize(slot + 1, None);
            }
            shard.segments[slot] = segment.cloned();
        }
    }

    /// The place of a living entry and its segment. `read` marks it as used.
    pub(super) fn find(&self, hash: u64, read: bool) -> Option<(Place, Arc<Segment>)> {
        let mut shard = self.shard(hash);
        let place = shard.table.get(hash).filter(|place| !place.dead())?;
        if read && !place.hot() {
            shard.table.replace(hash, place.made_hot());
        }
        let segment = shard.segments.get(place.slot())?.as_ref()?;
        Some((place, Arc::clone(segment)))
    }

    /// What is known of a hash, be it dead.
    pub(super) fn get(&self, hash: u64) -> Option<Place> {
        self.shard(hash).table.get(hash)
    }

    /// Sets the place of a hash, and takes what was there before off its segment's account.
    pub(super) fn insert(&self, hash: u64, place: Place) -> Option<Place> {
        let mut shard = self.shard(hash);
        let old = shard.table.insert(hash, place);
        if let Some(segment) = shard.segments.get(place.slot()).and_then(Option::as_ref) {
            segment.account(place);
        }
        shard.left(old);
        old
    }

    /// Forgets a hash.
    pub(super) fn remove(&self, hash: u64) -> Option<Place> {
        let mut shard = self.shard(hash);
        let old = shard.table.remove(hash);
        shard.left(old);
        old
    }

    /// Forgets a hash if it still means that record.
    pub(super) fn remove_if(&self, hash: u64, place: Place) -> bool {
        let mut shard = self.shard(hash);
        if !shard.table.get(hash).is_some_and(|found| found.same_record(place)) {
            return false;
        }
        let old = shard.table.remove(hash);
        shard.left(old);
        true
    }

    /// Notes that nothing is to be had of a record. It stays known, so that a later removal writes
    /// a tombstone: what made it dead may be undone by a restart.
    pub(super) fn mark_dead(&self, hash: u64, place: Place, segment: &Arc<Segment>) -> bool {
        let mut shard = self.shard(hash);
        let here = shard.segments.get(place.slot()).and_then(Option::as_ref);
        let same = here.is_some_and(|here| Arc::ptr_eq(here, segment));
        let found = shard.table.get(hash);
        match found.filter(|found| same && found.same_record(place) && !found.dead()) {
            Some(found) => {
                shard.table.replace(hash, found.made_dead());
                shard.dead += 1;
                segment.mark_dead(found);
                true
            }
            None => false,
        }
    }

    /// As [`mark_dead`](Index::mark_dead), whichever record it is. Answers what was there.
    pub(super) fn kill(&self, hash: u64) -> Option<Place> {
        let mut shard = self.shard(hash);
        let found = shard.table.get(hash).filter(|found| !found.dead())?;
        shard.table.replace(hash, found.made_dead());
        shard.dead += 1;
        if let Some(segment) = shard.segments.get(found.slot()).and_then(Option::as_ref) {
            segment.mark_dead(found);
        }
        Some(found)
    }

    /// Makes room for that many entries in all, evenly spread.
    pub(super) fn reserve(&self, entries: usize) {
        for shard in &self.shards {
            lock(shard).table.reserve(entries / SHARDS);
        }
    }

    /// Entries, and those of them that are dead.
    pub(super) fn len(&self) -> (u64, u64) {
        self.shards.iter().fold((0, 0), |(len, dead), shard| {
            let shard = lock(shard);
            (len + shard.table.len() as u64, dead + shard.dead as u64)
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        let one = |shard: &Mutex<Shard>| {
            let shard = lock(shard);
            let segments = shard.segments.capacity() * size_of::<Option<Arc<Segment>>>();
            (shard.table.bytes() + segments + size_of::<Mutex<Shard>>()) as u64
        };
        self.shards.iter().map(one).sum()
    }

    /// The entries of one shard after the other, each copied under its lock.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = Vec<(u64, Place)>> {
        self.shards.iter().map(|shard| lock(shard).table.iter().collect())
    }
}

impl Shard {
    /// An entry has left the table.
    fn left(&mut self, old: Option<Place>) {
        let Some(old) = old else { return };
        if old.dead() {
            self.dead -= 1;
        }
        if let Some(segment) = self.segments.get(old.slot()).and_then(Option::as_ref) {
            segment.unaccount(old);
        }
    }
}

/// No code of others runs under these locks, so a poisoned one is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
