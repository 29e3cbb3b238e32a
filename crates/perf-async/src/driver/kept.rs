//! Values that outlive their operations for a while, to answer later callers with the same key.

use super::attempt::contain;
use super::shared::Shared;
use crate::operation::Choices;
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering, lock};
use crate::{OperationId, OperationKey};
use perf_core::Instant;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

/// A value, whatever its type.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// How the value of an operation is to be kept.
pub(crate) struct Keep<T> {
    pub(crate) time: Duration,
    /// Copies a value. The user's code.
    pub(crate) copy: fn(&T) -> Value,
    /// `None` if the operation has no key, and so nobody can ask for its value.
    pub(crate) key: Option<Arc<OperationKey>>,
}

impl Shared {
    /// Keeps the value of an operation that is about to end, if it is to be kept. To be called
    /// before it leaves the scheduler, so that nobody with its key comes in between.
    pub(super) fn keep<T>(&self, id: OperationId, value: &T, choices: &Choices<T>) {
        let Some(keep) = choices.as_ref().and_then(|chosen| chosen.keep.as_ref()) else { return };
        let Some(key) = &keep.key else { return };
        // A value that panics when it is copied is not kept.
        contain(|| {
            let value = (keep.copy)(value);
            let now = self.clock.now();
            drop(self.kept.put(Arc::clone(key), id, value, (now, now + keep.time)));
        })
        .unwrap_or_default();
    }
}

/// The values kept by one manager: at most so many, each for its time.
pub(crate) struct Kept {
    limit: usize,
    /// How many there are, for those who need not ask for the lock.
    len: AtomicUsize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Arc<OperationKey>, Entry>,
    /// In the order in which their times pass; the number tells apart those of one moment.
    by_end: BTreeMap<(Instant, u64), Arc<OperationKey>>,
    number: u64,
    counts: KeptCounts,
}

struct Entry {
    value: Value,
    id: OperationId,
    end: (Instant, u64),
}

/// What has happened to kept values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptCounts {
    /// Callers who were answered with one.
    pub(crate) answered: u64,
    /// Values that made room for others before their time had passed.
    pub(crate) evicted: u64,
}

impl Kept {
    pub(crate) fn new(limit: usize) -> Kept {
        Kept { limit, len: AtomicUsize::new(0), entries: Mutex::new(Entries::default()) }
    }

    /// The value for that key, and the operation that made it.
    pub(crate) fn get(&self, key: &OperationKey, now: Instant) -> Option<(OperationId, Value)> {
        let mut entries = lock(&self.entries);
        let entry = entries.by_key.get(key).filter(|entry| entry.end.0 > now)?;
        let found = (entry.id, Arc::clone(&entry.value));
        entries.counts.answered += 1;
        Some(found)
    }

    /// Keeps a value from the one moment to the other. Answers what has made room for it, to be
    /// dropped without a lock.
    pub(crate) fn put(
        &self,
        key: Arc<OperationKey>,
        id: OperationId,
        value: Value,
        time: (Instant, Instant),
    ) -> Vec<Value> {
        let mut entries = lock(&self.entries);
        let gone = entries.put(key, id, value, time, self.limit);
        // Relaxed: whoever must see it takes a lock that was taken after this.
        self.len.store(entries.by_key.len(), Ordering::Relaxed);
        gone
    }

    /// How many there are, also of those whose time has passed and that nobody has made room for.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> KeptCounts {
        lock(&self.entries).counts
    }

    pub(crate) fn reset_counts(&self) {
        lock(&self.entries).counts = KeptCounts::default();
    }
}

impl Entries {
    fn put(
        &mut self,
        key: Arc<OperationKey>,
        id: OperationId,
        value: Value,
        (now, until): (Instant, Instant),
        limit: usize,
    ) -> Vec<Value> {
        let mut gone = Vec::new();
        while let Some((&end, _)) = self.by_end.first_key_value()
            && end.0 <= now
        {
            gone.extend(self.remove(end));
        }
        if let Some(before) = self.by_key.get(&key).map(|entry| entry.end) {
            gone.extend(self.remove(before));
        }
        self.number += 1;
        let end = (until, self.number);
        self.by_end.insert(end, Arc::clone(&key));
        self.by_key.insert(key, Entry { value, id, end });
        while self.by_key.len() > limit
            && let Some((&end, _)) = self.by_end.first_key_value()
        {
            gone.extend(self.remove(end));
            self.counts.evicted += 1;
        }
        gone
    }

    fn remove(&mut self, end: (Instant, u64)) -> Option<Value> {
        let key = self.by_end.remove(&end)?;
        Some(self.by_key.remove(&key)?.value)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Arc<OperationKey> {
        Arc::new(OperationKey::new::<u32>("fetch".into(), name.into()))
    }

    fn at(second: u64) -> Instant {
        Instant::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn values_go_when_their_time_passes_or_when_there_are_too_many() {
        let kept = Kept::new(2);
        let id = OperationId::from_u64(7);
        let put = |name: &str, seconds: u64, now: u64| {
            kept.put(key(name), id, Arc::new(now), (at(now), at(now + seconds))).len()
        };
        let has = |name: &str, now: u64| kept.get(&key(name), at(now)).is_some();
        assert_eq!((put("a", 10, 0), put("b", 20, 0)), (0, 0));
        assert!(has("a", 9) && !has("a", 10) && has("b", 19) && !has("c", 1));
        // The one whose time passes first makes room.
        assert_eq!(put("c", 30, 5), 1);
        assert!(!has("a", 6) && has("b", 6) && has("c", 6));
        assert_eq!(kept.counts().evicted, 1);
        // A value that is replaced, or whose time has passed, is not evicted.
        assert_eq!((put("c", 5, 6), put("d", 5, 15)), (1, 1));
        assert!(!has("c", 15) && has("b", 15) && has("d", 15));
        assert_eq!((kept.len(), kept.counts().evicted), (2, 1));
        assert_eq!((put("e", 5, 25), kept.len()), (2, 1));
    }

    #[test]
    fn none_are_kept_where_none_may() {
        let kept = Kept::new(0);
        let value: Value = Arc::new(1);
        assert_eq!(kept.put(key("a"), OperationId::from_u64(1), value, (at(0), at(1))).len(), 1);
        assert_eq!((kept.len(), kept.get(&key("a"), at(0)).is_none()), (0, true));
    }
}
