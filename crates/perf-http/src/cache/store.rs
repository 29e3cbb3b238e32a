//! The memory tier, the disk behind it, and what guards both against answers that came too late.

use super::disk::{DiskTier, Looked};
use super::entry::{StoredResponse, Variant};
use super::invalidation::Forgotten;
use super::key::ResponseKey;
use super::policy::NotStored;
use crate::body::BoxError;
use http::HeaderMap;
use perf_cache::{Cache, Terms};
use perf_core::{Clock, Instant};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub(crate) struct Store {
    memory: Cache<ResponseKey, StoredResponse>,
    disk: Option<DiskTier>,
    clock: Clock,
    /// Held while an entry is read, changed and written back; never while reading only.
    writing: Mutex<()>,
    /// Invalidations that memory has done and the disk may not have: until then what is found on
    /// disk stays there, or it could be written to it again afterwards.
    forgetting: AtomicU64,
    epochs: Box<[AtomicU64]>,
    /// Held for reading from the look at memory until the disk has the value, and for writing to
    /// invalidate: what is invalidated does not reach the disk afterwards. Before `writing`.
    ordering: RwLock<()>,
    passes: Passes,
}

/// When a fetch began, as far as invalidation is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl Store {
    pub(crate) fn new(
        memory: Cache<ResponseKey, StoredResponse>,
        disk: Option<DiskTier>,
        clock: Clock,
    ) -> Store {
        Store {
            memory,
            disk,
            clock,
            ordering: RwLock::new(()),
            writing: Mutex::new(()),
            forgetting: AtomicU64::new(0),
            epochs: (0..EPOCHS).map(|_| AtomicU64::new(0)).collect(),
            passes: Passes::new(),
        }
    }

    pub(crate) fn memory(&self) -> &Cache<ResponseKey, StoredResponse> {
        &self.memory
    }

    pub(crate) fn disk(&self) -> Option<&DiskTier> {
        self.disk.as_ref()
    }

    pub(crate) fn get(&self, key: &str) -> Option<StoredResponse> {
        self.memory.get(key)
    }

    pub(crate) fn contains(&self, key: &ResponseKey) -> bool {
        self.memory.contains(key.as_str())
    }

    pub(crate) fn epoch(&self, key: &ResponseKey) -> Epoch {
        Epoch(self.epoch_of(key).load(Ordering::Acquire))
    }

    /// Stores an answer, unless its URL has been invalidated since `epoch` or there is no room for
    /// it or its tags; how many variants of the URL had to go for it.
    pub(crate) fn insert(
        &self,
        key: &ResponseKey,
        epoch: Epoch,
        variant: Arc<Variant>,
        request: &HeaderMap,
    ) -> Result<u64, NotStored> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.epoch(key) != epoch {
            return Err(NotStored::Changed);
        }
        // `contains` first: a lookup of ours is no miss of a client's.
        let existing = self.contains(key).then(|| self.memory.get(key.as_str())).flatten();
        let (stored, dropped) = StoredResponse::with(existing.as_ref(), variant, request);
        self.put(key, stored)?;
        Ok(dropped)
    }

    /// Weighs an entry again whose codings have grown, if it is still the one stored.
    pub(crate) fn reweigh(&self, key: &ResponseKey, variant: &Arc<Variant>, request: &HeaderMap) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.contains(key)
            && let Some(stored) = self.memory.get(key.as_str())
            && stored.select(request).is_some_and(|now| Arc::ptr_eq(now, variant))
        {
            // Where it no longer fits the old one has left, too.
            let _ = self.put(key, stored);
        }
    }

    /// What the disk has for a key that memory has not, as far as that is known without waiting for
    /// it; it is in memory then.
    pub(crate) fn look_on_disk(&self, key: &str) -> Option<(ResponseKey, Epoch, Looked)> {
        let disk = self.disk.as_ref()?;
        let key = ResponseKey::new(key);
        // Before the look: an invalidation after it must show.
        let epoch = self.epoch(&key);
        let looked = disk.look(&key);
        if let Looked::Known(Some(stored)) = &looked {
            self.promote(&key, epoch, stored.clone());
        }
        Some((key, epoch, looked))
    }

    /// Puts into memory what was found on disk, unless its URL has been invalidated since `epoch`,
    /// something is being invalidated, or something newer is there.
    pub(crate) fn promote(&self, key: &ResponseKey, epoch: Epoch, stored: StoredResponse) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: it comes down with `writing` held, and goes up before memory forgets, which takes
        // that as well.
        let is_forgetting = self.forgetting.load(Ordering::Relaxed) > 0;
        if !is_forgetting && self.epoch(key) == epoch && !self.contains(key) {
            // Where memory has no room, the disk is asked again.
            let _ = self.put(key, stored);
        }
    }

    /// Writes to the disk what memory has for a key.
    pub(crate) fn keep_on_disk(&self, key: &ResponseKey) {
        let Some(disk) = &self.disk else { return };
        // While this is held, what memory has is not invalidated.
        let _ordering = self.ordering.read().unwrap_or_else(PoisonError::into_inner);
        if self.contains(key)
            && let Some(stored) = self.memory.get(key.as_str())
        {
            let useful_for = stored.useful_for(self.clock.coarse());
            disk.keep(key, stored, useful_for);
        }
    }

    /// Forgets one URL, and refuses answers that are still on their way; whether memory had it.
    /// Waits for the disk, if there is one.
    pub(crate) fn invalidate(&self, key: &ResponseKey) -> Forgotten<bool> {
        let epochs = std::slice::from_ref(self.epoch_of(key));
        let forget = || self.memory.remove(key.as_str()).is_some();
        let Some(disk) = &self.disk else {
            let in_memory = self.forget_in_memory(epochs, forget);
            return Forgotten { in_memory, untold: None };
        };
        let forgetting = Forgetting::begin(&self.forgetting);
        let was_there = self.forget_in_memory(epochs, forget);
        let untold = disk.forget(key).err();
        // What was looked for on disk before that is of an epoch that ends here.
        let is_there_again = self.forget_in_memory(epochs, || {
            drop(forgetting);
            forget()
        });
        Forgotten { in_memory: was_there || is_there_again, untold }
    }

    /// Forgets what some invalidation of the memory tier names, and refuses answers that are still
    /// on their way: which of them it would name is not known yet. Answers what memory did. Waits
    /// for the disk, if there is one.
    pub(crate) fn invalidate_by<T>(
        &self,
        forget: impl Fn(&Cache<ResponseKey, StoredResponse>) -> T,
        forget_on_disk: impl FnOnce(&DiskTier) -> Result<(), BoxError>,
    ) -> Forgotten<T> {
        let forget = || forget(&self.memory);
        let Some(disk) = &self.disk else {
            let in_memory = self.forget_in_memory(&self.epochs, forget);
            return Forgotten { in_memory, untold: None };
        };
        let forgetting = Forgetting::begin(&self.forgetting);
        let in_memory = self.forget_in_memory(&self.epochs, forget);
        let untold = forget_on_disk(disk).err();
        self.forget_in_memory(&self.epochs, || {
            drop(forgetting);
            forget()
        });
        Forgotten { in_memory, untold }
    }

    fn forget_in_memory<T>(&self, epochs: &[AtomicU64], forget: impl FnOnce() -> T) -> T {
        let _ordering = self.ordering.write().unwrap_or_else(PoisonError::into_inner);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for epoch in epochs {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
        forget()
    }

    pub(crate) fn is_passed(&self, key: &str, class: u64, now: Instant) -> bool {
        self.passes.has(number(key) ^ class, now)
    }

    pub(crate) fn pass(&self, key: &ResponseKey, class: u64) {
        self.passes.set(number(key.as_str()) ^ class, self.clock.coarse());
    }

    pub(crate) fn unpass(&self, key: &ResponseKey, class: u64) {
        self.passes.unset(number(key.as_str()) ^ class);
    }

    fn put(&self, key: &ResponseKey, stored: StoredResponse) -> Result<(), NotStored> {
        let mut terms = Terms::new().time_to_live(stored.useful_for(self.clock.coarse()));
        let is_tagged = stored.tags().next().is_some();
        if is_tagged {
            terms = terms.tags(stored.tags());
        }
        if self.memory.insert_with(key.clone(), stored, terms) {
            return Ok(());
        }
        Err(if is_tagged { NotStored::Tags } else { NotStored::TooLarge })
    }

    /// Keys share epochs; an invalidation then refuses a stranger's answer once, which costs a
    /// fetch and nothing else.
    fn epoch_of(&self, key: &ResponseKey) -> &AtomicU64 {
        &self.epochs[number(key.as_str()) as usize % EPOCHS]
    }
}

/// An invalidation that the disk has not done yet.
struct Forgetting<'a>(&'a AtomicU64);

impl Forgetting<'_> {
    fn begin(count: &AtomicU64) -> Forgetting<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Forgetting(count)
    }
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// URLs whose answers were lately not worth storing. Requests for them need not wait for one
/// another, and may keep their own conditions.
///
/// A lossy table of fixed size: a mark may be forgotten, and a stranger may look marked; both cost
/// time only.
struct Passes {
    /// The upper bits of the number, and the second in which the mark ends.
    marks: Box<[AtomicU64]>,
}

impl Passes {
    fn new() -> Passes {
        Passes { marks: (0..PASSES).map(|_| AtomicU64::new(0)).collect() }
    }

    fn has(&self, number: u64, now: Instant) -> bool {
        // Relaxed: a mark says nothing about other memory.
        let mark = self.at(number).load(Ordering::Relaxed);
        mark >> 32 == number >> 32 && mark & LOW > seconds(now)
    }

    fn set(&self, number: u64, now: Instant) {
        let until = (seconds(now) + PASS_SECONDS) & LOW;
        self.at(number).store(number & !LOW | until, Ordering::Relaxed);
    }

    fn unset(&self, number: u64) {
        let at = self.at(number);
        if at.load(Ordering::Relaxed) >> 32 == number >> 32 {
            at.store(0, Ordering::Relaxed);
        }
    }

    fn at(&self, number: u64) -> &AtomicU64 {
        &self.marks[number as usize % PASSES]
    }
}

fn number(key: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key.as_bytes())
}

fn seconds(at: Instant) -> u64 {
    at.as_nanos() / 1_000_000_000
}

const LOW: u64 = 0xffff_ffff;
const EPOCHS: usize = 1024;
const PASSES: usize = 4096;
const PASS_SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_ends_by_time_or_by_word() {
        let passes = Passes::new();
        let at = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        let one = number("a");
        assert!(!passes.has(one, at(5)));
        passes.set(one, at(5));
        assert!(passes.has(one, at(64)));
        assert!(!passes.has(one, at(65)));
        assert!(!passes.has(number("b"), at(6)));
        passes.unset(number("b"));
        assert!(passes.has(one, at(6)));
        passes.unset(one);
        assert!(!passes.has(one, at(6)));
    }

    #[cfg(feature = "disk")]
    #[test]
    fn what_is_found_on_disk_while_that_forgets_it_is_not_written_there_again() {
        use super::super::entry::Representation;
        use super::super::policy::Freshness;
        use perf_cache::disk::LogStore;
        use std::time::Duration;

        let folder = tempfile::tempdir().unwrap();
        let log = LogStore::builder(folder.path()).open().unwrap();
        let disk = DiskTier::new(Arc::new(log), Clock::system(), 1_024, 0).unwrap();
        let memory = Cache::builder().max_entries(10).build().unwrap();
        let clock = Clock::system();
        let store = Store::new(memory, Some(disk), clock.clone());
        let freshness = Freshness {
            lifetime: Duration::from_secs(60),
            initial_age: Duration::ZERO,
            explicit: true,
            always_validate: false,
            authorized: false,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            must_revalidate: false,
            no_transform: false,
        };
        let request = http::Request::get("http://h/a").body(()).unwrap().into_parts().0;
        let body = Arc::new(Representation::new("old".into()));
        let (status, none) = (http::StatusCode::OK, HeaderMap::new());
        let now = clock.now();
        let variant = Variant::new(&request, status, none.clone(), freshness, body, now, 1_024);
        let stored = StoredResponse::with(None, Arc::new(variant), &none).0;
        let key = ResponseKey::new("h/a");
        let is_on_disk = || store.disk().unwrap().tier().get(&key).is_some();

        store.promote(&key, store.epoch(&key), stored.clone());
        store.keep_on_disk(&key);
        assert!(is_on_disk() && store.contains(&key));
        // Somebody has found it on disk, and goes on while memory has forgotten it and the disk has
        // just done so.
        let forget = |memory: &Cache<ResponseKey, StoredResponse>| memory.clear();
        store.invalidate_by(forget, |disk| {
            store.promote(&key, store.epoch(&key), stored.clone());
            disk.clear().unwrap();
            store.keep_on_disk(&key);
            Ok(())
        });
        assert!(!is_on_disk() && !store.contains(&key));
        store.promote(&key, store.epoch(&key), stored.clone());
        assert!(store.contains(&key), "it is over");
    }
}
