//! Invalidation in memory and beyond.

use super::TieredCache;
use super::generations::{Generations, Pattern};
use super::inner::Core;
use super::outside::{Begun, Outside};
use super::planning::name_of;
use super::promise::block_on;
use super::tier::TierError;
use crate::{CacheKey, Invalidated, KeyText};
use perf_core::Glob;
use std::hash::Hash;
use std::sync::Arc;

/// An invalidation that holds in this process, and whose records are on their way.
#[must_use]
pub(super) struct Invalidation {
    outside: Arc<Outside>,
    number: u64,
    begun: Vec<Begun>,
}

impl Invalidation {
    /// Waits until no crash can undo it.
    pub(super) async fn settle(mut self) -> Result<(), TierError> {
        let mut first = Ok(());
        for begun in std::mem::take(&mut self.begun) {
            let outcome = self.outside.carry(begun).await;
            if first.is_ok() {
                first = outcome;
            }
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

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// Ends the entries with a tag, or that depend on something, in memory at once.
    pub(super) fn invalidate_id(&self, id: u64) -> (u64, Invalidation) {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_tag(id, queue);
        let invalidation = Invalidation { outside: Arc::clone(outside), number, begun };
        (self.memory.invalidate_tag(&name_of(id)).at_most, invalidation)
    }

    /// The same for what memory ends by a pattern.
    pub(super) fn invalidate_pattern(&self, pattern: Pattern) -> Invalidation {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_pattern(pattern, queue);
        Invalidation { outside: Arc::clone(outside), number, begun }
    }

    /// Ends everything.
    pub(super) fn clear(&self) -> Invalidation {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_all(queue);
        let invalidation = Invalidation { outside: Arc::clone(outside), number, begun };
        self.memory.clear();
        invalidation
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
        let (at_most, invalidation) = self.core.invalidate_id(Generations::id_of_tag(tag));
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
