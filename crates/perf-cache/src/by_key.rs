//! One key, and what to do about it.

use crate::Cache;
use std::fmt;
use std::hash::{BuildHasher, Hash};

/// A key of a cache, present or not; see [`Cache::entry`].
#[must_use = "it does nothing by itself"]
pub struct Entry<'a, K, V, S> {
    cache: &'a Cache<K, V, S>,
    key: K,
}

impl<K: Hash + Eq, V, S: BuildHasher> Cache<K, V, S> {
    /// What to do about one key.
    ///
    /// ```
    /// # let cache = perf_cache::Cache::builder().max_entries(10).build()?;
    /// assert_eq!(cache.entry("a").or_insert(1), 1);
    /// assert_eq!(cache.entry("a").and_modify(|n| *n += 1).or_insert(7), 2);
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    pub const fn entry(&self, key: K) -> Entry<'_, K, V, S> {
        Entry { cache: self, key }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Entry<'_, K, V, S> {
    /// The value, or this one where there is none. Of callers who come at once one is first, and
    /// all get its value.
    pub fn or_insert(self, value: V) -> V {
        self.or_insert_with(|| value)
    }

    /// The value, made where there is none: the same as [`Cache::get_with`].
    ///
    /// # Panics
    ///
    /// As [`Cache::get_with`].
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> V {
        self.cache.get_with(self.key, make)
    }

    /// The value, or the default one where there is none.
    pub fn or_default(self) -> V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Puts a changed clone of the value in, if there is a value, on the terms of the cache.
    ///
    /// Not atomic: what others put in between the reading and the writing is overwritten.
    pub fn and_modify(self, modify: impl FnOnce(&mut V)) -> Self {
        if let Some(mut value) = self.cache.peek(&self.key) {
            modify(&mut value);
            self.cache.insert(self.key.clone(), value);
        }
        self
    }
}

impl<K: fmt::Debug, V, S> fmt::Debug for Entry<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.key).finish()
    }
}
