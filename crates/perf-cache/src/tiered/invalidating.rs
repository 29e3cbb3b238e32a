//! Invalidation in memory and beyond.

use super::TieredCache;
use super::announcing::Telling;
use super::generations::{Generations, Pattern};
use super::held::Held;
use super::inner::Core;
use super::outside::{Begun, Outside};
use super::planning::name_of;
use super::promise::block_on;
use super::shared::Scope;
use super::tier::TierError;
use crate::{Cache, CacheKey, Invalidated, KeyText};
use perf_core::Glob;
use std::hash::Hash;
use std::sync::Arc;

/// An invalidation that holds in this process, and whose records are on their way.
#[must_use]
pub(super) struct Invalidation {
    outside: Arc<Outside>,
    number: u64,
    begun: Vec<Begun>,
    telling: Option<Telling>,
}

impl Invalidation {
    fn new(outside: &Arc<Outside>, number: u64, begun: Vec<Begun>) -> Invalidation {
        Invalidation { outside: Arc::clone(outside), number, begun, telling: None }
    }

    /// Waits until no crash can undo it, and the other processes are told.
    pub(super) async fn settle(mut self) -> Result<(), TierError> {
        let mut first = Ok(());
        for begun in std::mem::take(&mut self.begun) {
            let outcome = self.outside.carry(begun).await;
            if first.is_ok() {
                first = outcome;
            }
        }
        // The records are there. What is put in while others are told is newer than this.
        self.outside.generations.settle(self.number);
        if let Some(telling) = self.telling.take() {
            let outcome = self.outside.await_told(telling).await;
            first = first.and(outcome);
        }
        first
    }
}

impl Drop for Invalidation {
    fn drop(&mut self) {
        self.begun.clear();
        self.outside.generations.settle(self.number);
    }
}

/// What is near: memory, and what no other process uses of what is beyond. A handle.
pub(super) struct Near<K, V> {
    pub(super) memory: Cache<K, Held<V>>,
    pub(super) outside: Arc<Outside>,
}

impl<K, V> Near<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// Ends the entries with a tag, or that depend on something, in memory at once.
    pub(super) fn end_id(&self, id: u64) -> (u64, Invalidation) {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_tag(id, queue);
        let invalidation = Invalidation::new(outside, number, begun);
        (self.memory.invalidate_tag(&name_of(id)).at_most, invalidation)
    }

    /// The same for what memory ends by a pattern, beyond memory alone.
    pub(super) fn end_pattern(&self, pattern: Pattern) -> Invalidation {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_pattern(pattern, queue);
        Invalidation::new(outside, number, begun)
    }

    /// Ends everything beyond memory.
    pub(super) fn end_beyond(&self) -> Invalidation {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_all(queue);
        Invalidation::new(outside, number, begun)
    }

    /// Ends everything.
    pub(super) fn end_all(&self) -> Invalidation {
        let invalidation = self.end_beyond();
        self.memory.clear();
        invalidation
    }
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// An invalidation of which the other processes are told as well.
    fn invalidate<R>(
        &self,
        scope: impl FnOnce() -> Scope,
        end: impl FnOnce(&Near<K, V>) -> (R, Invalidation),
    ) -> (R, Invalidation) {
        // Before it holds here: what is found after that has been judged by it.
        let intended = self.outside.intend(scope);
        let (answer, mut invalidation) = end(&self.near());
        invalidation.telling = self.outside.tell(intended);
        (answer, invalidation)
    }

    pub(super) fn near(&self) -> Near<K, V> {
        Near { memory: self.memory.clone(), outside: Arc::clone(&self.outside) }
    }
}

/// Invalidation.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Ends all entries with a [tag](crate::Terms::tags), in all tiers; the answer counts those in
    /// memory.
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
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(|purging| purging.of_tag(tag));
        let (at_most, invalidation) = self
            .core
            .invalidate(|| Scope::Tag(tag.into()), |near| near.end_id(Generations::id_of_tag(tag)));
        invalidation.settle().await?;
        Ok(Invalidated::new(at_most))
    }

    /// Ends all entries that [depend](crate::Terms::depends_on) on this directly, as
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
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(super::purging::Purging::of_all);
        // Not held over the wait: nobody knows whether it may go to another thread.
        let (at_most, invalidation) = {
            let parent = parent.key_text();
            self.core.invalidate(
                || Scope::Dependencies(parent.as_ref().into()),
                |near| near.end_id(Generations::id_of_parent(&parent)),
            )
        };
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
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(super::purging::Purging::of_all);
        let ((), invalidation) = self.core.invalidate(|| Scope::All, |near| ((), near.end_all()));
        invalidation.settle().await?;
        // It is all dead by now; this gives its room back.
        self.core.outside.clear_tiers().await
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
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(super::purging::Purging::of_all);
        self.core.text.get_or_init(|| K::key_text);
        let (invalidated, invalidation) = self.core.invalidate(
            || Scope::Namespace(name.into()),
            |near| {
                let beyond = near.end_pattern(Pattern::Namespace(name.into()));
                (near.memory.invalidate_namespace(name), beyond)
            },
        );
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
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(super::purging::Purging::of_all);
        self.core.text.get_or_init(|| K::key_text);
        let (invalidated, invalidation) = self.core.invalidate(
            || Scope::Pattern(pattern.clone()),
            |near| {
                let beyond = near.end_pattern(Pattern::Glob(pattern.clone()));
                (near.memory.invalidate_by_glob(pattern), beyond)
            },
        );
        invalidation.settle().await?;
        Ok(invalidated)
    }
}
