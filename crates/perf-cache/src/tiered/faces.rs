//! The calls of a tiered cache. Each is written once, as a future or as a few steps around one; the
//! form that blocks runs that future on its own thread.

use super::generations::{Generations, Pattern};
use super::held::Held;
use super::inner::{Core, Loads};
use super::options::TieredTerms;
use super::promise::block_on;
use super::tier::TierError;
use super::{CloseReport, TieredCache, TieredEntry};
use crate::loading::{Found, Sought};
use crate::lookup::Lookup;
use crate::{CacheKey, Invalidated, KeyText, Terms};
use equivalent::Equivalent;
use perf_core::{Clock, Glob, Instant};
use std::convert::Infallible;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

/// What a loader answered.
enum Loaded<V, E> {
    Value(V, TieredTerms),
    Absent,
    Error(E),
}

/// A loader that runs; counted however it ends.
struct Loading<'a> {
    loads: &'a Loads,
    clock: &'a Clock,
    started: Instant,
    gave_value: bool,
    came_to_its_end: bool,
}

impl<'a> Loading<'a> {
    fn begin(loads: &'a Loads, clock: &'a Clock) -> Loading<'a> {
        let started = clock.now();
        Loading { loads, clock, started, gave_value: false, came_to_its_end: false }
    }

    fn end<V, E>(mut self, loaded: &Loaded<V, E>) {
        self.gave_value = !matches!(loaded, Loaded::Error(_));
        self.came_to_its_end = true;
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.loads.ended.increment();
        if !self.gave_value {
            self.loads.failed.increment();
        }
        if self.came_to_its_end {
            self.loads.duration.record_duration(self.clock.now() - self.started);
        }
    }
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Looks beyond memory for a key that memory does not have.
    fn seek(&self, hash: u64, key: K, is_counted: bool) -> Option<Held<V>> {
        if !self.has_outers() {
            return None;
        }
        let seek = |key: &K, _| match block_on(self.fetch(hash, key)) {
            Some((held, terms)) => Sought::Value(held, terms),
            None => Sought::<_, Infallible>::Nothing,
        };
        certain(self.memory.inner.seek(hash, key, (Some(is_counted), true), seek))
    }

    async fn seek_async(&self, hash: u64, key: K, is_counted: bool) -> Option<Held<V>> {
        if !self.has_outers() {
            return None;
        }
        let seek = |key: K, _| async move {
            match self.fetch(hash, &key).await {
                Some((held, terms)) => Sought::Value(held, terms),
                None => Sought::<_, Infallible>::Nothing,
            }
        };
        certain(self.memory.inner.seek_async(hash, key, (Some(is_counted), true), seek).await)
    }

    /// The value, found in any tier or loaded.
    fn ask<E>(
        &self,
        key: K,
        takes_absent: bool,
        load: impl FnOnce() -> Loaded<V, E>,
    ) -> Found<Held<V>, E>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.memory.hash(&key);
        self.memory.inner.seek(hash, key, (None, takes_absent), |key, refreshes| {
            // What is to be renewed is what the tiers have.
            if !refreshes && let Some((held, terms)) = block_on(self.fetch(hash, key)) {
                return Sought::Value(held, terms);
            }
            let ticket = self.outside.ticket(hash);
            let loading = Loading::begin(&self.loads, &self.clock);
            let loaded = load();
            loading.end(&loaded);
            match loaded {
                Loaded::Value(value, terms) => {
                    let kept = self.keep_loaded(&ticket, hash, key, value, terms);
                    let (held, terms) = block_on(kept);
                    Sought::Value(held, terms)
                }
                Loaded::Absent => {
                    if refreshes {
                        block_on(self.keep_absent(&ticket, hash, key));
                    }
                    Sought::Absent
                }
                Loaded::Error(error) => Sought::Error(error),
            }
        })
    }

    async fn ask_async<E>(
        &self,
        key: K,
        takes_absent: bool,
        load: impl Future<Output = Loaded<V, E>>,
    ) -> Found<Held<V>, E>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.memory.hash(&key);
        let seek = |key: K, refreshes: bool| async move {
            if !refreshes && let Some((held, terms)) = self.fetch(hash, &key).await {
                return Sought::Value(held, terms);
            }
            let ticket = self.outside.ticket(hash);
            let loading = Loading::begin(&self.loads, &self.clock);
            let loaded = load.await;
            loading.end(&loaded);
            match loaded {
                Loaded::Value(value, terms) => {
                    let kept = self.keep_loaded(&ticket, hash, &key, value, terms).await;
                    Sought::Value(kept.0, kept.1)
                }
                Loaded::Absent => {
                    if refreshes {
                        self.keep_absent(&ticket, hash, &key).await;
                    }
                    Sought::Absent
                }
                Loaded::Error(error) => Sought::Error(error),
            }
        };
        self.memory.inner.seek_async(hash, key, (None, takes_absent), seek).await
    }

    /// A lookup in memory: what `read` makes of the value, or whether the miss is counted. It is
    /// where nothing else is asked.
    fn get_near<Q, R>(&self, hash: u64, key: &Q, read: fn(&Held<V>) -> R) -> Result<R, bool>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let inner = &*self.memory.inner;
        if !self.has_outers() {
            return inner.read(hash, key, Held::clone, read).ok_or(true);
        }
        match inner.look_up(hash, key, false) {
            Lookup::Hit(entry) => Ok(read(&entry.value)),
            Lookup::Miss => Err(false),
            Lookup::Locked => {
                inner.read_locked(hash, key, Held::clone).map(|held| read(&held)).ok_or(true)
            }
        }
    }
}

/// Reading.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A clone of the value, from the nearest tier that has it; what is found beyond memory is in
    /// memory afterwards.
    ///
    /// Waits where a tier has to wait for its device, at most for the tier's
    /// [deadline](super::TieredCacheBuilder::deadline).
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.core.memory.hash(key);
        match self.core.get_near(hash, key, value_of) {
            Ok(value) => Some(value),
            Err(counted) => self.core.seek(hash, key.to_owned(), counted).map(|held| held.value),
        }
    }

    /// Like [`get`](TieredCache::get), for tasks on any runtime.
    pub async fn get_async<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.core.memory.hash(key);
        match self.core.get_near(hash, key, value_of) {
            Ok(value) => Some(value),
            Err(counted) => {
                let held = self.core.seek_async(hash, key.to_owned(), counted).await?;
                Some(held.value)
            }
        }
    }

    /// The value with what is known of it: where it was found, how old it is, what is left of its
    /// life. Counts as a lookup.
    #[doc(alias = "get_metadata")]
    pub fn get_entry<Q>(&self, key: &Q) -> Option<TieredEntry<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.core.memory.hash(key);
        match self.core.get_near(hash, key, Held::clone) {
            Ok(held) => Some(self.core.describe(held, true)),
            Err(counted) => {
                let held = self.core.seek(hash, key.to_owned(), counted)?;
                Some(self.core.describe(held, false))
            }
        }
    }

    /// Like [`get_entry`](TieredCache::get_entry), for tasks on any runtime.
    pub async fn get_entry_async<Q>(&self, key: &Q) -> Option<TieredEntry<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.core.memory.hash(key);
        match self.core.get_near(hash, key, Held::clone) {
            Ok(held) => Some(self.core.describe(held, true)),
            Err(counted) => {
                let held = self.core.seek_async(hash, key.to_owned(), counted).await?;
                Some(self.core.describe(held, false))
            }
        }
    }

    /// The value, from the nearest tier that has it, or made by `load` and put in all of them.
    /// Callers who ask for the same key meanwhile, synchronous or not, wait for this one.
    ///
    /// # Panics
    ///
    /// Where `load` panics, and where `load` asks this cache for this key.
    #[doc(alias = "get_or_fetch")]
    pub fn get_with(&self, key: K, load: impl FnOnce() -> V) -> V {
        self.get_with_terms(key, || (load(), Terms::new()))
    }

    /// Like [`get_with`](TieredCache::get_with), for a `load` that says as well what the entry asks
    /// for: [`Terms`], a [`Strategy`](super::Strategy) or [`TieredTerms`].
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn get_with_terms<T: Into<TieredTerms>>(&self, key: K, load: impl FnOnce() -> (V, T)) -> V {
        match self.try_get_with_terms(key, || Ok::<_, Infallible>(load())) {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`get_with`](TieredCache::get_with), for a `load` that may fail; the error goes to
    /// everybody who waits for this load.
    ///
    /// # Errors
    ///
    /// What `load` answered, or the `load` of the caller who was first.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn try_get_with<E>(&self, key: K, load: impl FnOnce() -> Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        self.try_get_with_terms(key, || load().map(|value| (value, Terms::new())))
    }

    /// Like [`try_get_with`](TieredCache::try_get_with), for a `load` that says as well what the
    /// entry asks for.
    ///
    /// # Errors
    ///
    /// As [`try_get_with`](TieredCache::try_get_with).
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn try_get_with_terms<E, T>(
        &self,
        key: K,
        load: impl FnOnce() -> Result<(V, T), E>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
        T: Into<TieredTerms>,
    {
        sure(self.core.ask(key, false, || load().into()))
    }

    /// Like [`get_with`](TieredCache::get_with), for a `load` that may find that there is no value.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn optionally_get_with(&self, key: K, load: impl FnOnce() -> Option<V>) -> Option<V> {
        certain(self.core.ask(key, true, || perhaps(load()))).map(|held| held.value)
    }

    /// Like [`get_with`](TieredCache::get_with), for a future on any runtime. It runs as part of the
    /// returned future; if that is dropped, one of those who wait loads instead.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn get_with_async(&self, key: K, load: impl Future<Output = V>) -> V {
        self.get_with_terms_async(key, async { (load.await, Terms::new()) }).await
    }

    /// Like [`get_with_terms`](TieredCache::get_with_terms), for a future on any runtime.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn get_with_terms_async<T: Into<TieredTerms>>(
        &self,
        key: K,
        load: impl Future<Output = (V, T)>,
    ) -> V {
        let load = async { Ok::<_, Infallible>(load.await) };
        match self.try_get_with_terms_async(key, load).await {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`try_get_with`](TieredCache::try_get_with), for a future on any runtime.
    ///
    /// # Errors
    ///
    /// What `load` answered, or the `load` of the caller who was first.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn try_get_with_async<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let load = async { load.await.map(|value| (value, Terms::new())) };
        self.try_get_with_terms_async(key, load).await
    }

    /// Like [`try_get_with_terms`](TieredCache::try_get_with_terms), for a future on any runtime.
    ///
    /// # Errors
    ///
    /// As [`try_get_with_async`](TieredCache::try_get_with_async).
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn try_get_with_terms_async<E, T>(
        &self,
        key: K,
        load: impl Future<Output = Result<(V, T), E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
        T: Into<TieredTerms>,
    {
        sure(self.core.ask_async(key, false, async { load.await.into() }).await)
    }

    /// Like [`optionally_get_with`](TieredCache::optionally_get_with), for a future on any runtime.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn optionally_get_with_async(
        &self,
        key: K,
        load: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        let found = self.core.ask_async(key, true, async { perhaps(load.await) }).await;
        certain(found).map(|held| held.value)
    }
}

/// Writing.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Puts a value in, on the terms of the cache, in all tiers as the
    /// [`WritePolicy`](super::WritePolicy) says. Readers see it when this returns. A tier that fails
    /// is counted, and what it has for the key is not answered any more.
    #[doc(alias = "set")]
    #[doc(alias = "put")]
    pub fn insert(&self, key: K, value: V) {
        self.insert_with(key, value, TieredTerms::new());
    }

    /// Puts a value in on terms of its own: [`Terms`], a [`Strategy`](super::Strategy) or
    /// [`TieredTerms`].
    #[doc(alias = "set_with_ttl")]
    pub fn insert_with(&self, key: K, value: V, terms: impl Into<TieredTerms>) {
        if let Some(begun) = self.core.insert(key, value, terms.into()) {
            // What comes of it is counted.
            let _ = block_on(self.core.outside.carry(begun));
        }
    }

    /// Like [`insert`](TieredCache::insert), for tasks on any runtime. Memory has the value when this
    /// is first polled; if the future is dropped then, the other tiers get it all the same.
    pub async fn insert_async(&self, key: K, value: V) {
        self.insert_with_async(key, value, TieredTerms::new()).await;
    }

    /// Like [`insert_with`](TieredCache::insert_with), for tasks on any runtime.
    pub async fn insert_with_async(&self, key: K, value: V, terms: impl Into<TieredTerms>) {
        if let Some(begun) = self.core.insert(key, value, terms.into()) {
            // What comes of it is counted.
            let _ = self.core.outside.carry(begun).await;
        }
    }

    /// Removes a key from all tiers; whether memory had it. When this has returned `Ok`, no crash of
    /// the process brings it back, and whatever was read before is not kept.
    ///
    /// # Errors
    ///
    /// If a tier could not remove it. This process does not answer it any more, but the next one
    /// may, unless the tier gets well: then it is removed.
    #[doc(alias = "invalidate")]
    #[doc(alias = "delete")]
    pub fn remove<Q>(&self, key: &Q) -> Result<bool, TierError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        block_on(self.remove_async(key))
    }

    /// Like [`remove`](TieredCache::remove), for tasks on any runtime.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub async fn remove_async<Q>(&self, key: &Q) -> Result<bool, TierError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let (was_there, begun) = self.core.remove(self.core.memory.hash(key), &key.to_owned());
        if let Some(begun) = begun {
            self.core.outside.carry(begun).await?;
        }
        Ok(was_there)
    }

    /// Ends all entries with a [tag](Terms::tags), in all tiers; the answer counts those in memory.
    /// O(1), however many that are. When this has returned `Ok`, no crash of the process brings one
    /// back, and whatever was read before is not kept.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub fn invalidate_tag(&self, tag: &str) -> Result<Invalidated, TierError> {
        block_on(self.invalidate_tag_async(tag))
    }

    /// Like [`invalidate_tag`](TieredCache::invalidate_tag), for tasks on any runtime.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub async fn invalidate_tag_async(&self, tag: &str) -> Result<Invalidated, TierError> {
        let (at_most, invalidation) = self.core.invalidate_id(Generations::id_of_tag(tag));
        invalidation.settle().await?;
        Ok(Invalidated::new(at_most))
    }

    /// Ends all entries that [depend](Terms::depends_on) on this directly, as
    /// [`invalidate_tag`](TieredCache::invalidate_tag).
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub fn invalidate_dependencies<P: KeyText + ?Sized>(
        &self,
        parent: &P,
    ) -> Result<Invalidated, TierError> {
        block_on(self.invalidate_dependencies_async(parent))
    }

    /// Like [`invalidate_dependencies`](TieredCache::invalidate_dependencies), for tasks on any
    /// runtime.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub async fn invalidate_dependencies_async<P: KeyText + ?Sized>(
        &self,
        parent: &P,
    ) -> Result<Invalidated, TierError> {
        let id = Generations::id_of_parent(&parent.key_text());
        let (at_most, invalidation) = self.core.invalidate_id(id);
        invalidation.settle().await?;
        Ok(Invalidated::new(at_most))
    }

    /// Ends everything. When this has returned `Ok`, no crash of the process brings anything back.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub fn clear(&self) -> Result<(), TierError> {
        block_on(self.clear_async())
    }

    /// Like [`clear`](TieredCache::clear), for tasks on any runtime.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub async fn clear_async(&self) -> Result<(), TierError> {
        self.core.clear().settle().await?;
        // It is all dead by now; this gives its room back.
        self.core.outside.clear_tiers().await
    }

    /// Waits until what is to be [written behind](super::WritePolicy::Behind) has been.
    pub fn flush(&self) {
        block_on(self.flush_async());
    }

    /// Like [`flush`](TieredCache::flush), for tasks on any runtime.
    pub async fn flush_async(&self) {
        let drained = self.core.outside.behind.drain();
        let _ = drained.wait(None, &self.core.outside.timers).await;
    }

    /// Writes what still waits, closes the tiers beyond memory, and tells what was done and what was
    /// lost; takes no longer than [set](super::TieredCacheBuilder::close_within). Memory goes on, and
    /// loads are still made; they are not stored any more. Later calls get the same report.
    #[must_use = "it tells what was lost"]
    pub fn close(&self) -> Arc<CloseReport> {
        block_on(self.close_async())
    }

    /// Like [`close`](TieredCache::close), for tasks on any runtime.
    #[must_use = "it tells what was lost"]
    pub async fn close_async(&self) -> Arc<CloseReport> {
        let outside = &self.core.outside;
        let promise = self.core.closing.begin(outside);
        promise.wait(None, &outside.timers).await.unwrap_or_default()
    }
}

/// Invalidation by what keys look like.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + KeyText + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Ends all entries whose key begins with this name and a colon, as
    /// [`invalidate_tag`](TieredCache::invalidate_tag).
    ///
    /// Names and [patterns](TieredCache::invalidate_by_pattern) are kept, 256 of them; each entry
    /// beyond memory that is older is compared with them when it is read.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub fn invalidate_namespace(&self, name: &str) -> Result<Invalidated, TierError> {
        block_on(self.invalidate_namespace_async(name))
    }

    /// Like [`invalidate_namespace`](TieredCache::invalidate_namespace), for tasks on any runtime.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub async fn invalidate_namespace_async(&self, name: &str) -> Result<Invalidated, TierError> {
        self.core.text.get_or_init(|| K::key_text);
        let invalidation = self.core.invalidate_pattern(Pattern::Namespace(name.into()));
        let invalidated = self.core.memory.invalidate_namespace(name);
        invalidation.settle().await?;
        Ok(invalidated)
    }

    /// Ends all entries whose key matches a pattern such as `users:*:mail`, as
    /// [`invalidate_namespace`](TieredCache::invalidate_namespace).
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub fn invalidate_by_pattern(&self, pattern: &Glob) -> Result<Invalidated, TierError> {
        block_on(self.invalidate_by_pattern_async(pattern))
    }

    /// Like [`invalidate_by_pattern`](TieredCache::invalidate_by_pattern), for tasks on any runtime.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub async fn invalidate_by_pattern_async(
        &self,
        pattern: &Glob,
    ) -> Result<Invalidated, TierError> {
        self.core.text.get_or_init(|| K::key_text);
        let invalidation = self.core.invalidate_pattern(Pattern::Glob(pattern.clone()));
        let invalidated = self.core.memory.invalidate_by_glob(pattern);
        invalidation.settle().await?;
        Ok(invalidated)
    }
}

fn value_of<V: Clone>(held: &Held<V>) -> V {
    held.value.clone()
}

impl<V, T: Into<TieredTerms>, E> From<Result<(V, T), E>> for Loaded<V, E> {
    fn from(answer: Result<(V, T), E>) -> Loaded<V, E> {
        match answer {
            Ok((value, terms)) => Loaded::Value(value, terms.into()),
            Err(error) => Loaded::Error(error),
        }
    }
}

fn perhaps<V>(answer: Option<V>) -> Loaded<V, Infallible> {
    answer.map_or(Loaded::Absent, |value| Loaded::Value(value, TieredTerms::new()))
}

fn certain<V>(found: Found<V, Infallible>) -> Option<V> {
    match found {
        Ok(value) => value,
        Err(never) => match *never {},
    }
}

fn sure<V, E>(found: Found<Held<V>, E>) -> Result<V, Arc<E>> {
    match found {
        Ok(Some(held)) => Ok(held.value),
        Err(error) => Err(error),
        Ok(None) => unreachable!("it was not asked whether there is a value"),
    }
}
