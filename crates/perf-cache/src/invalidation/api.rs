//! The calls by which entries are invalidated and counted.

use super::{Full, Invalidated, TextOf};
use crate::entry::{Entry, Extra};
use crate::eviction::Leavers;
use crate::expiry::Life;
use crate::inner::Inner;
use crate::metadata::Usage;
use crate::policy::Slot;
use crate::shard::{Held, Shard};
use crate::slots::Look;
use crate::stats::Cause;
use crate::sync::AtomicU64;
use crate::{Cache, KeyText};
use equivalent::Equivalent;
use perf_core::{Glob, ParseGlobError};
use std::hash::{BuildHasher, Hash};

impl<K: Hash + Eq, V, S: BuildHasher> Cache<K, V, S> {
    /// Ends all entries that were put in with this [tag](crate::Terms::tags), and refuses what was
    /// read before this call and comes with it. O(1), however many that are.
    ///
    /// ```
    /// # let cache = perf_cache::Cache::builder().max_entries(10).build()?;
    /// use perf_cache::Terms;
    ///
    /// cache.insert_with("profile:7", 1, Terms::new().tags(["user:7"]));
    /// cache.insert_with("orders:7", 2, Terms::new().tags(["user:7", "orders"]));
    /// assert_eq!(cache.invalidate_tag("user:7").at_most, 2);
    /// assert_eq!(cache.get("orders:7"), None);
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    pub fn invalidate_tag(&self, tag: &str) -> Invalidated {
        Invalidated::new(self.inner.invalidations.invalidate_tag(tag))
    }

    /// How many entries have this tag. O(entries).
    #[must_use]
    pub fn count_tag(&self, tag: &str) -> u64 {
        self.inner.count_alive(|entry| entry.marks().is_some_and(|marks| marks.has_tag(tag)))
    }

    /// Ends all entries that [depend](crate::Terms::depends_on) on this directly. O(1), however many
    /// that are. What depends on them in turn stays; [`cascade_invalidate`](Cache::cascade_invalidate)
    /// is for that.
    pub fn invalidate_dependencies<P: KeyText + ?Sized>(&self, parent: &P) -> Invalidated {
        let died = self.inner.invalidations.invalidate_dependencies(&parent.key_text());
        Invalidated::new(died)
    }

    /// How many entries depend on this directly. O(entries).
    #[must_use]
    pub fn count_dependents<P: KeyText + ?Sized>(&self, parent: &P) -> u64 {
        let parent = parent.key_text();
        self.inner.count_alive(|entry| entry.marks().is_some_and(|marks| marks.depend_on(&parent)))
    }

    /// Frees up to `limit` entries that were invalidated and answers how many, for callers who want
    /// their memory back without waiting for insertions to come by. At most O(entries), a few
    /// microseconds in each holding of a lock, and nothing where nothing was invalidated.
    pub fn remove_dead(&self, limit: u64) -> u64 {
        self.inner.remove_invalidated(limit)
    }

    /// How many entries were invalidated and are not freed yet. They are part of
    /// [`len`](Cache::len) and [`memory_usage`](Cache::memory_usage). O(entries).
    #[must_use]
    pub fn dead(&self) -> u64 {
        self.inner.count_invalidated()
    }

    /// About how many that are, for whoever asks again and again: exact where 4 096 entries or fewer
    /// wait for a sweep, else within some hundredths of the entries. O(shards + tags), and looks at
    /// 4 096 entries at most.
    #[must_use]
    pub fn dead_estimate(&self) -> u64 {
        self.inner.estimate_invalidated()
    }

    /// What the first listener said that panicked, if one did; how often that was is in the
    /// [statistics](crate::CacheStats::listener_panics).
    #[must_use]
    pub fn listener_panic(&self) -> Option<&str> {
        self.inner.listeners.first_panic()
    }
}

impl<K: Hash + Eq + KeyText, V, S: BuildHasher> Cache<K, V, S> {
    /// Ends all entries whose key begins with this name and a colon, and refuses what was read for
    /// such keys before this call. The colon is not part of the name: `users`, not `users:`.
    ///
    /// O(1) for namespaces that were [declared](crate::CacheBuilder::namespace) and for names
    /// without a colon of their own; others are taken as
    /// [patterns](Cache::invalidate_by_glob).
    pub fn invalidate_namespace(&self, name: &str) -> Invalidated {
        self.end_namespace(name, K::key_text)
    }

    /// How many entries have a key that begins with this name and a colon. O(entries).
    #[must_use]
    pub fn count_namespace(&self, name: &str) -> u64 {
        let is_in = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
        self.inner.count_alive(|entry| is_in(&entry.key.key_text()))
    }

    /// Ends all entries whose key matches a pattern such as `users:*:mail`, see [`Glob`], and
    /// refuses what was read for such keys before this call.
    ///
    /// ```
    /// # let cache = perf_cache::Cache::builder().max_entries(10).build()?;
    /// cache.insert("users:7:mail", 1);
    /// cache.insert("users:7:name", 2);
    /// assert!(cache.invalidate_by_pattern("users:*:mail")?.at_most >= 1);
    /// assert_eq!((cache.get("users:7:mail"), cache.get("users:7:name")), (None, Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the pattern cannot be compiled.
    pub fn invalidate_by_pattern(&self, pattern: &str) -> Result<Invalidated, ParseGlobError> {
        Ok(self.invalidate_by_glob(&Glob::new(pattern)?))
    }

    /// The same for a pattern that is compiled already.
    ///
    /// The pattern `name:*` is a [namespace](Cache::invalidate_namespace). Any other is kept in a
    /// list, with which each entry that is older is compared once, when it is read or swept. The
    /// list has 32 places: who finds it full sweeps the cache first, which is O(entries).
    pub fn invalidate_by_glob(&self, pattern: &Glob) -> Invalidated {
        self.end_glob(pattern, K::key_text)
    }

    /// How many entries have a key that matches. O(entries).
    #[must_use]
    pub fn count_pattern(&self, pattern: &Glob) -> u64 {
        self.inner.count_alive(|entry| pattern.matches(&entry.key.key_text()))
    }

    /// Removes the entry of a key, and ends all that depend on it, directly or through others; what
    /// was read before this call for any of them is refused. O(dependencies between keys that are
    /// reached), however many entries that are.
    ///
    /// That something depends on an entry is known from when it came in until it has left, and
    /// beyond that for as long as something depends on it in turn. Circles do no harm.
    ///
    /// ```
    /// # let cache = perf_cache::Cache::builder().max_entries(10).build()?;
    /// use perf_cache::Terms;
    ///
    /// cache.insert("settings", 1);
    /// cache.insert_with("layout", 2, Terms::new().depends_on(["settings"]));
    /// cache.insert_with("page", 3, Terms::new().depends_on(["layout"]));
    /// assert_eq!(cache.cascade_invalidate("settings").at_most, 3);
    /// assert_eq!(cache.get("page"), None);
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    pub fn cascade_invalidate<Q>(&self, key: &Q) -> Invalidated
    where
        Q: Hash + Equivalent<K> + KeyText + ?Sized,
    {
        self.learn_text(K::key_text);
        let died = self.inner.invalidations.cascade(&key.key_text());
        let removed = self.inner.discard(self.hash(key), key, Cause::Removed);
        Invalidated::new(died + u64::from(removed))
    }

    /// Makes an entry that is there depend on something else as well, from now on: as if it had been
    /// put in by [`Terms::depends_on`](crate::Terms::depends_on). Whether there was such an entry,
    /// and room for the name of the parent.
    ///
    /// The entry is replaced by a copy of itself, which counts as an insertion.
    pub fn set_dependency<Q, P>(&self, child: &Q, parent: &P) -> bool
    where
        Q: Hash + Equivalent<K> + KeyText + ?Sized,
        P: KeyText + ?Sized,
        K: Clone,
        V: Clone,
    {
        self.learn_text(K::key_text);
        let (hash, parent) = (self.hash(child), parent.key_text());
        let child_text = child.key_text();
        loop {
            let added = self.inner.add_dependency(hash, child, &child_text, &parent);
            if let Some(added) = added {
                return added;
            }
        }
    }
}

/// For whoever knows how keys become text.
impl<K: Hash + Eq, V, S: BuildHasher> Cache<K, V, S> {
    pub(crate) fn end_namespace(&self, name: &str, text: TextOf<K>) -> Invalidated {
        self.invalidate_all(text, |invalidations| invalidations.invalidate_namespace(name))
    }

    pub(crate) fn end_glob(&self, pattern: &Glob, text: TextOf<K>) -> Invalidated {
        match pattern.as_str().strip_suffix(":*") {
            Some(name) if pattern.literal_prefix().len() == name.len() + 1 => {
                self.end_namespace(name, text)
            }
            _ => self.invalidate_all(text, |invalidations| {
                invalidations.invalidate_glob(pattern).map(|()| None)
            }),
        }
    }

    fn learn_text(&self, text: TextOf<K>) {
        self.inner.invalidations.learn_text(text);
        // Those that came in, or were about to, when it was not known how keys become text.
        if self.inner.invalidations.has_nameless() {
            self.inner.name_dependents();
        }
    }

    fn invalidate_all(
        &self,
        text: TextOf<K>,
        invalidate: impl Fn(&super::Invalidations<K>) -> Result<Option<u64>, Full>,
    ) -> Invalidated {
        self.learn_text(text);
        let entries = self.inner.len();
        loop {
            match invalidate(&self.inner.invalidations) {
                Ok(died) => return Invalidated::new(died.unwrap_or(entries)),
                Err(Full) => _ = self.inner.remove_invalidated(u64::MAX),
            }
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    /// Whether the entry is there and depends on the parent now; `None`: it was overtaken.
    fn add_dependency<Q>(
        &self,
        hash: u64,
        child: &Q,
        child_text: &str,
        parent: &str,
    ) -> Option<bool>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shard = self.shard(hash);
        // Read before the entry is looked at, as in `examine`.
        let era = self.invalidations.era().bits();
        let found = self.readers.own().map(|own| self.protect(shard, own, hash, child));
        let mut left = self.leavers();
        match found {
            Some(Look::Live(entry)) => {
                let copy = self.dependent(&entry, entry.era(), child_text, parent);
                let mut held = shard.lock();
                if !entry.is_live() {
                    drop(held);
                    return None;
                }
                let Some(copy) = copy else { return Some(false) };
                self.put_copy(shard, &mut held, hash, entry.slot(), (copy, era), &mut left);
                drop(held);
                drop(entry);
            }
            Some(Look::Gone) => return Some(false),
            Some(Look::NoWord) | None => {
                let held = shard.lock();
                let Some(slot) = shard.find(&held, hash, child) else { return Some(false) };
                let Some(entry) = self.pin(shard, &held, slot) else { return Some(false) };
                let its_era = shard.slots.era(slot);
                drop(held);
                let copy = self.dependent(&entry, its_era, child_text, parent);
                let mut held = shard.lock();
                if !entry.is_live() {
                    drop(held);
                    return None;
                }
                let Some(copy) = copy else { return Some(false) };
                self.put_copy(shard, &mut held, hash, slot, (copy, era), &mut left);
                drop(held);
                drop(entry);
            }
        }
        self.see_off(left);
        Some(true)
    }

    /// A copy of an entry that depends on something else as well; `None` if it is dead, or if there
    /// is no room for the name of the parent.
    fn dependent(
        &self,
        entry: &Entry<K, V>,
        era: u32,
        child: &str,
        parent: &str,
    ) -> Option<Entry<K, V>> {
        if self.why_dead(entry, era).is_some() {
            return None;
        }
        let nothing = super::Marks::default();
        let marks = entry.marks().unwrap_or(&nothing);
        let marks = self.invalidations.add_dependency(marks, child, parent)?;
        let (life, usage) = match &entry.extra {
            Some(extra) => (extra.life.copy(), extra.usage.copy()),
            None => (Life::until(entry.look_at()), Usage::default()),
        };
        Some(Entry {
            key: entry.key.clone(),
            value: entry.value.clone(),
            look_at: AtomicU64::new(entry.look_at()),
            extra: Some(Box::new(Extra { life, marks, usage })),
        })
    }

    /// Puts a copy in the place of what it is one of.
    fn put_copy<'a>(
        &'a self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        hash: u64,
        slot: Slot,
        (copy, era): (Entry<K, V>, u32),
        left: &mut Leavers<'a, K, V>,
    ) {
        let weight = held.weights.get(slot);
        left.add_some(shard.replace(held, slot, hash, era, copy, weight));
        self.retire(shard, held, slot, Cause::Replaced, left);
    }
}

impl<K, V> Entry<K, V> {
    fn marks(&self) -> Option<&super::Marks> {
        self.extra.as_ref().map(|extra| &extra.marks)
    }
}
