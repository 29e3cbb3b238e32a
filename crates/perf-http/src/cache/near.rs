//! The memory tier, and what guards it against answers that came too late.

use super::entry::{StoredResponse, Variant};
use super::key::ResponseKey;
#[cfg(feature = "tiers")]
use super::outer::OuterTiers;
use super::policy::NotStored;
use http::HeaderMap;
#[cfg(feature = "tiers")]
use perf_cache::tiered::{Notice, Scope};
use perf_cache::{Cache, Terms};
use perf_core::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
#[cfg(feature = "tiers")]
use std::sync::{OnceLock, Weak};

pub(crate) struct Near {
    memory: Cache<ResponseKey, StoredResponse>,
    clock: Clock,
    /// Held while an entry is read, changed and written back; never while reading only.
    writing: Mutex<()>,
    /// Invalidations that memory has done and the tiers beyond it may not have: until then what is
    /// found there stays there, or it could be written there again afterwards.
    forgetting: AtomicU64,
    epochs: Box<[AtomicU64]>,
    /// Held for reading from the look at memory until the tiers beyond it have the value, and for
    /// writing to invalidate: what is invalidated does not reach them afterwards. Before `writing`.
    ordering: RwLock<()>,
    /// What is behind memory, once that is known.
    #[cfg(feature = "tiers")]
    outer: OnceLock<Weak<OuterTiers>>,
}

/// When a fetch began, as far as invalidation is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// Which answers are on their way that an invalidation refuses.
#[derive(Clone, Copy)]
pub(crate) enum Covers<'a> {
    /// Those for one URL.
    Key(&'a ResponseKey),
    /// Which ones is not known before they are there: all.
    Any,
}

impl Near {
    pub(crate) fn new(memory: Cache<ResponseKey, StoredResponse>, clock: Clock) -> Near {
        Near {
            memory,
            clock,
            writing: Mutex::new(()),
            forgetting: AtomicU64::new(0),
            epochs: (0..EPOCHS).map(|_| AtomicU64::new(0)).collect(),
            ordering: RwLock::new(()),
            #[cfg(feature = "tiers")]
            outer: OnceLock::new(),
        }
    }

    pub(crate) fn memory(&self) -> &Cache<ResponseKey, StoredResponse> {
        &self.memory
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
        let existing = self.peek(key);
        let (stored, dropped) = StoredResponse::with(existing.as_ref(), variant, request);
        self.put(key, stored)?;
        Ok(dropped)
    }

    /// Weighs an entry again whose codings have grown, if it is still the one stored.
    pub(crate) fn reweigh(&self, key: &ResponseKey, variant: &Arc<Variant>, request: &HeaderMap) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stored) = self.peek(key)
            && stored.select(request).is_some_and(|now| Arc::ptr_eq(now, variant))
        {
            // Where it no longer fits the old one has left, too.
            let _ = self.put(key, stored);
        }
    }

    /// Takes in what was found beyond memory, unless its URL has been invalidated since `epoch`,
    /// something is being invalidated, or something newer is there.
    pub(crate) fn promote(&self, key: &ResponseKey, epoch: Epoch, stored: StoredResponse) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: it comes down with `writing` held, and goes up before memory forgets, which takes
        // that as well.
        let is_forgetting = self.forgetting.load(Ordering::Relaxed) > 0;
        if !is_forgetting && self.epoch(key) == epoch && !self.contains(key) {
            // Where memory has no room, the tiers beyond it are asked again.
            let _ = self.put(key, stored);
        }
    }

    /// What memory has for a key. As long as the answer is held, nothing is invalidated.
    pub(crate) fn hold(
        &self,
        key: &ResponseKey,
    ) -> Option<(StoredResponse, RwLockReadGuard<'_, ()>)> {
        let ordering = self.ordering.read().unwrap_or_else(PoisonError::into_inner);
        self.peek(key).map(|stored| (stored, ordering))
    }

    /// Runs what forgets in memory, and refuses answers that are still on their way.
    pub(crate) fn forget<T>(&self, covers: Covers<'_>, forget: impl FnOnce() -> T) -> T {
        let _ordering = self.ordering.write().unwrap_or_else(PoisonError::into_inner);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let epochs = match covers {
            Covers::Key(key) => std::slice::from_ref(self.epoch_of(key)),
            Covers::Any => &self.epochs,
        };
        for epoch in epochs {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
        forget()
    }

    /// The same in memory and beyond it: once, then there, and once more for what came back
    /// meanwhile. Answers what both runs in memory did, and what came of it beyond.
    pub(crate) fn forget_beyond<T, E>(
        &self,
        covers: Covers<'_>,
        forget: impl Fn() -> T,
        beyond: impl FnOnce() -> E,
    ) -> ([T; 2], E) {
        let forgetting = Forgetting::begin(&self.forgetting);
        let first = self.forget(covers, &forget);
        let told = beyond();
        // What was looked for there before that is of an epoch that ends here.
        let second = self.forget(covers, || {
            drop(forgetting);
            forget()
        });
        ([first, second], told)
    }

    /// What is behind memory.
    #[cfg(feature = "tiers")]
    pub(crate) fn set_outer(&self, outer: &Arc<OuterTiers>) {
        // Told once, when the cache is built.
        let _ = self.outer.set(Arc::downgrade(outer));
    }

    /// Another process has changed something: memory forgets it, and refuses answers that are still
    /// on their way.
    ///
    /// The tiers of this process have forgotten it already. What memory had until now may have been
    /// written to them since, so they do it once more. Where there are none that is not needed: a tier
    /// that is shared refuses what is older than the change.
    #[cfg(feature = "tiers")]
    pub(crate) fn changed(&self, notice: &Notice<'_, ResponseKey>) {
        let covers = match notice {
            Notice::Key { key: Some(key), .. } => Covers::Key(key),
            _ => Covers::Any,
        };
        let forget = || match notice {
            Notice::Key { key: Some(key), .. } => drop(self.memory.remove(key.as_str())),
            Notice::Scope(Scope::Tag(tag)) => _ = self.memory.invalidate_tag(tag),
            Notice::Scope(Scope::Pattern(keys)) => _ = self.memory.invalidate_by_glob(keys),
            _ => self.memory.clear(),
        };
        let outer = self.outer.get().and_then(Weak::upgrade);
        match outer.filter(|outer| outer.disk().is_some()) {
            Some(outer) => _ = self.forget_beyond(covers, forget, || outer.end_here(notice)),
            None => self.forget(covers, forget),
        }
    }

    /// `contains` first: a lookup of ours is no miss of a client's.
    fn peek(&self, key: &ResponseKey) -> Option<StoredResponse> {
        self.contains(key).then(|| self.memory.get(key.as_str())).flatten()
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

/// An invalidation that the tiers beyond memory have not done yet.
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

/// The number of a key, in this process.
pub(crate) fn number(key: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key.as_bytes())
}

const EPOCHS: usize = 1024;
