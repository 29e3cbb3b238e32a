//! Values that are looked at where they lie.

use crate::Cache;
use crate::lookup::Lookup;
use crate::slots::Protected;
use equivalent::Equivalent;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;

/// A value that is looked at where it lies; see [`Cache::get_ref`].
#[must_use]
pub struct Ref<'a, K, V> {
    value: Value<'a, K, V>,
}

enum Value<'a, K, V> {
    Protected(Protected<'a, K, V>),
    Cloned(V),
}

impl<K: Hash + Eq, V, S: BuildHasher> Cache<K, V, S> {
    /// The value without a clone, which is marked as used.
    ///
    /// The guard holds no lock and keeps nothing but this one value from being dropped: the entry
    /// may be evicted, removed or replaced meanwhile, and the value stays as it is. The guard cannot
    /// leave its thread. Prefer [`with`](Cache::with), which cannot be held for too long.
    ///
    /// A thread can hold seven such guards of one cache; from the next on, and on threads beyond the
    /// first 127, it gets a clone.
    #[inline]
    pub fn get_ref<Q>(&self, key: &Q) -> Option<Ref<'_, K, V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let hash = self.hash(key);
        let value = match self.inner.look_up(hash, key, true) {
            Lookup::Hit(entry) => Value::Protected(entry),
            Lookup::Miss => return None,
            Lookup::Locked => Value::Cloned(self.inner.read_locked(hash, key, V::clone)?),
        };
        Some(Ref { value })
    }
}

impl<K, V> Deref for Ref<'_, K, V> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        match &self.value {
            Value::Protected(entry) => &entry.value,
            Value::Cloned(value) => value,
        }
    }
}

impl<K, V: fmt::Debug> fmt::Debug for Ref<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<K, V: fmt::Display> fmt::Display for Ref<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
