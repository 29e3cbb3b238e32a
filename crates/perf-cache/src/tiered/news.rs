//! What other processes have changed, taken in here.

use super::TieredCache;
use super::generations::{Generations, Pattern};
use super::held::Sealer;
use super::inner::TextOf;
use super::invalidating::Near;
use super::keys::Action;
use super::outside;
use super::shared::{Change, Changed, Doubt, Receiver, Scope, Standing};
use crate::CacheKey;
use hashbrown::HashSet;
use perf_core::Counter;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// Something that another process has changed, or may have. See
/// [`TieredCacheBuilder::on_change`](super::TieredCacheBuilder::on_change).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a, K> {
    /// A key was removed or has another value.
    Key {
        /// The key, if it can be made of its bytes: see [`CacheKey::decode`].
        key: Option<&'a K>,
        /// What [`CacheKey::encode`] makes of it.
        bytes: &'a [u8],
    },
    /// What a scope covers was invalidated.
    Scope(&'a Scope),
    /// Nobody knows what has changed: nothing that was there before is to be answered any more.
    Everything(Doubt),
}

/// Who is told of what changed elsewhere.
pub(super) type Told<K> = Arc<dyn Fn(&Notice<'_, K>) + Send + Sync>;

/// What was taken in.
#[derive(Debug, Default)]
pub(super) struct NewsCounts {
    /// Changes that others made.
    pub(super) changes: Counter,
    /// Times that memory was looked through for keys that were told as bytes.
    pub(super) scans: Counter,
    /// Times that everything near was dropped.
    pub(super) doubts: Counter,
    /// Panics of keys, values and listeners.
    pub(super) panics: Counter,
}

/// What is near, for a tier that knows of changes. It keeps no cache open.
pub(super) struct News<K, V> {
    pub(super) near: Near<K, V>,
    pub(super) sealer: Arc<Sealer<V>>,
    pub(super) text: Arc<OnceLock<TextOf<K>>>,
    pub(super) on_change: Option<Told<K>>,
    pub(super) counts: NewsCounts,
}

impl<K, V> News<K, V>
where
    K: Hash + Eq + Clone + CacheKey + 'static,
    V: Clone + 'static,
{
    fn take_in(&self, changes: &[Change]) -> Vec<(usize, K)> {
        let outside = &self.near.outside;
        let mut keys = Vec::new();
        let mut unknown = HashSet::new();
        for (at, change) in changes.iter().enumerate() {
            match &change.what {
                Changed::Scope(scope) => {
                    // Before it holds here: what is found after that is judged by it.
                    outside.told.note(change.number, scope);
                    if !change.is_own {
                        self.end(scope);
                    }
                }
                Changed::Key(_) if change.is_own => {}
                Changed::Key(name) => match self.sealer.bytes_of(name) {
                    // Of another cache.
                    None => {}
                    Some(bytes) => match decode::<K>(bytes) {
                        Some(key) => {
                            self.forget(&key, name);
                            keys.push((at, key));
                        }
                        None => _ = unknown.insert(bytes),
                    },
                },
            }
        }
        if !unknown.is_empty() {
            self.look_for(&unknown);
        }
        keys
    }

    /// Removes a key from all that is near. Does not wait.
    fn forget(&self, key: &K, name: &[u8]) {
        let Near { memory, outside } = &self.near;
        let (hash, inner) = (memory.hash(key), &*memory.inner);
        let change = |tier| outside::Change { tier, key: name.into(), action: Action::Remove };
        let changes = outside.own_tiers().map(change).collect();
        let mut ended = None;
        let (ticket, begun) = outside.begin(hash, changes, |_| {
            ended = inner.shard(hash).lock().loads.detach(hash, key);
        });
        drop(ended);
        outside.overtake(hash, name);
        let _ = inner.remove(hash, key);
        drop(ticket);
        // Sets out and does not wait.
        drop(begun);
    }

    /// The same for keys that are not known but as bytes. What they are called in the order of writes
    /// is not known either, so of what is stored beyond memory nothing is answered any more.
    fn look_for(&self, names: &HashSet<&[u8]>) {
        self.counts.scans.increment();
        let mut bytes = Vec::new();
        self.near.memory.inner.retain(|key, _| {
            bytes.clear();
            key.encode(&mut bytes);
            !names.contains(bytes.as_slice())
        });
        self.near.forget_beyond();
    }

    /// Ends what a scope covers in all that is near.
    fn end(&self, scope: &Scope) {
        // Nobody waits for the records.
        match scope {
            Scope::Tag(tag) => drop(self.near.end_id(Generations::id_of_tag(tag))),
            Scope::Dependencies(parent) => {
                drop(self.near.end_id(Generations::id_of_parent(parent)));
            }
            Scope::Namespace(name) => {
                drop(self.near.end_pattern(Pattern::Namespace(name.clone())));
                match self.text.get() {
                    Some(text) => _ = self.near.memory.end_namespace(name, *text),
                    None => self.near.memory.clear(),
                }
            }
            Scope::Pattern(glob) => {
                drop(self.near.end_pattern(Pattern::Glob(glob.clone())));
                match self.text.get() {
                    Some(text) => _ = self.near.memory.end_glob(glob, *text),
                    None => self.near.memory.clear(),
                }
            }
            Scope::All => drop(self.near.end_all()),
        }
    }

    /// Nobody knows what holds.
    fn drop_all(&self) {
        self.counts.doubts.increment();
        drop(self.near.end_all());
    }

    fn tell(&self, notice: &Notice<'_, K>) {
        if let Some(told) = &self.on_change
            && catch_unwind(AssertUnwindSafe(|| told(notice))).is_err()
        {
            self.counts.panics.increment();
        }
    }
}

/// What others have changed.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Ends once more, in this process alone, what a notice is about. Does not wait, and tells nobody.
    ///
    /// For listeners that keep something near of what the cache answers, and give it to the cache by
    /// [reservations](TieredCache::reserve): between the moment in which the change held here and the
    /// one in which they were told, they may have given it what is older. Tiers that are shared refuse
    /// that by themselves.
    pub fn end_here(&self, notice: &Notice<'_, K>) {
        let Some(news) = &self.core.news else { return };
        match *notice {
            Notice::Key { key: Some(key), .. } => {
                let mut name = Vec::new();
                news.sealer.name(key, &mut name);
                news.forget(key, &name);
            }
            Notice::Key { key: None, bytes } => news.look_for(&HashSet::from_iter([bytes])),
            Notice::Scope(scope) => news.end(scope),
            Notice::Everything(_) => drop(news.near.end_all()),
        }
    }
}

impl<K, V> Receiver for News<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn changed(&self, changes: &[Change]) {
        let others = changes.iter().filter(|change| !change.is_own).count();
        self.counts.changes.add(others as u64);
        // Keys and values are the caller's code.
        let Ok(keys) = catch_unwind(AssertUnwindSafe(|| self.take_in(changes))) else {
            self.counts.panics.increment();
            for change in changes {
                if let Changed::Scope(scope) = &change.what {
                    self.near.outside.told.note(change.number, scope);
                }
            }
            return self.doubted(Doubt::Lost, None);
        };
        if self.on_change.is_none() {
            return;
        }
        let mut keys = keys.iter().peekable();
        for (at, change) in changes.iter().enumerate() {
            let key = keys.next_if(|(known, _)| *known == at).map(|(_, key)| key);
            match &change.what {
                _ if change.is_own => {}
                Changed::Scope(scope) => self.tell(&Notice::Scope(scope)),
                Changed::Key(name) => {
                    if let Some(bytes) = self.sealer.bytes_of(name) {
                        self.tell(&Notice::Key { key, bytes });
                    }
                }
            }
        }
    }

    fn doubted(&self, doubt: Doubt, standing: Option<Standing>) {
        if let Some(standing) = standing {
            self.near.outside.told.replace(&standing);
        }
        if catch_unwind(AssertUnwindSafe(|| self.drop_all())).is_err() {
            // What a value does when it is dropped: the others have gone all the same.
            self.counts.panics.increment();
            let _ = catch_unwind(AssertUnwindSafe(|| self.drop_all()));
        }
        self.tell(&Notice::Everything(doubt));
    }
}

impl<K, V> fmt::Debug for News<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("News").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl<K, V> Near<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// Nothing that this process has stored beyond memory is answered any more.
    fn forget_beyond(&self) {
        if self.outside.own_tiers().next().is_some() {
            // Relaxed: a number to show.
            self.outside.given_up.fetch_add(1, Ordering::Relaxed);
            drop(self.end_beyond());
        }
    }
}

/// A key that all of the bytes are of.
fn decode<K: CacheKey>(mut bytes: &[u8]) -> Option<K> {
    K::decode(&mut bytes).filter(|_| bytes.is_empty())
}
