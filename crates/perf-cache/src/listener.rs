//! Who is told of the entries that leave.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an entry left a cache.
#[doc(alias = "RemovalCause")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Made room for another.
    Size,
    /// Past its time to live or to idle.
    Expired,
    /// Made way for a new value of the same key.
    Replaced,
    /// Removed by a caller, by its key or by a closure.
    Removed,
    /// Never got in: heavier than the whole cache may be.
    TooLarge,
    /// Everything was removed.
    Cleared,
    /// One of its tags was invalidated.
    Tag,
    /// A pattern or a namespace was invalidated that its key belongs to.
    Pattern,
    /// Something that it depends on was invalidated.
    Dependency,
}

impl Cause {
    /// All of them, in the order of their declaration.
    pub const ALL: [Cause; 9] = [
        Cause::Size,
        Cause::Expired,
        Cause::Replaced,
        Cause::Removed,
        Cause::TooLarge,
        Cause::Cleared,
        Cause::Tag,
        Cause::Pattern,
        Cause::Dependency,
    ];

    /// Its name, as in the label `cause` of the signal `evictions`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Size => "size",
            Cause::Expired => "expired",
            Cause::Replaced => "replaced",
            Cause::Removed => "removed",
            Cause::TooLarge => "too_large",
            Cause::Cleared => "cleared",
            Cause::Tag => "tag",
            Cause::Pattern => "pattern",
            Cause::Dependency => "dependency",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Is told of each entry that leaves a cache, once, by the thread that made it leave.
///
/// It runs outside of the locks and may use the cache. The thread waits for it, so what takes long
/// belongs on another thread. Entries that are invalidated leave when they are met or swept, not
/// when they are invalidated. What a cache still holds when it is dropped is not told.
///
/// A panic of the listener stays here: it is counted, the message of the first is kept, and the
/// listener is called again for the next entry.
///
/// Closures of the same shape are listeners.
pub trait EvictionListener<K, V>: Send + Sync {
    /// An entry has left.
    fn on_eviction(&self, key: &K, value: &V, cause: Cause);
}

impl<K, V, F> EvictionListener<K, V> for F
where
    F: Fn(&K, &V, Cause) + Send + Sync,
{
    fn on_eviction(&self, key: &K, value: &V, cause: Cause) {
        self(key, value, cause);
    }
}

/// Takes over entries that make room for others.
pub(crate) trait Heir<K, V>: Send + Sync {
    /// An entry makes room and is not to be found any more: whether it is to be handed over. Under
    /// the lock of its shard: our own code, and short.
    fn wants(&self, value: &V) -> bool;

    /// It has left. Outside of the locks, before the listeners.
    fn take_over(&self, key: &K, value: &V);
}

/// The listeners of one cache.
pub(crate) struct Listeners<K, V> {
    listeners: Vec<Box<dyn EvictionListener<K, V>>>,
    heir: Option<Box<dyn Heir<K, V>>>,
    panics: AtomicU64,
    /// What the first panic said.
    first: OnceLock<String>,
}

impl<K, V> Listeners<K, V> {
    pub(crate) const fn new() -> Listeners<K, V> {
        Listeners {
            listeners: Vec::new(),
            heir: None,
            panics: AtomicU64::new(0),
            first: OnceLock::new(),
        }
    }

    #[cfg(feature = "tiered")]
    pub(crate) fn set_heir(&mut self, heir: impl Heir<K, V> + 'static) {
        self.heir = Some(Box::new(heir));
    }

    /// Whether anybody may want what makes room.
    #[inline]
    pub(crate) fn has_heir(&self) -> bool {
        self.heir.is_some()
    }

    /// An entry makes room for another: whether it is to be [handed over](Listeners::hand_over).
    pub(crate) fn is_wanted(&self, value: &V) -> bool {
        self.heir.as_ref().is_some_and(|heir| heir.wants(value))
    }

    /// Never panics. To be called outside of locks, once for each that is wanted.
    pub(crate) fn hand_over(&self, key: &K, value: &V) {
        if let Some(heir) = &self.heir {
            self.catch(|| heir.take_over(key, value));
        }
    }

    pub(crate) fn add(&mut self, listener: Box<dyn EvictionListener<K, V>>) {
        self.listeners.push(listener);
    }

    #[cfg(feature = "tiered")]
    pub(crate) fn into_all(self) -> Vec<Box<dyn EvictionListener<K, V>>> {
        self.listeners
    }

    /// Nobody to tell: then nobody needs to keep what left.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Tells all of them; never panics. To be called outside of locks, once for an entry.
    pub(crate) fn tell(&self, key: &K, value: &V, cause: Cause) {
        for listener in &self.listeners {
            self.catch(|| listener.on_eviction(key, value, cause));
        }
    }

    fn catch(&self, told: impl FnOnce()) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(told)) else { return };
        // A lost count would lose a panic; it is rare enough for a shared counter.
        self.panics.fetch_add(1, Ordering::Relaxed);
        self.first.get_or_init(|| message(&*panic));
        // What was thrown may panic again when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Counts from zero again; the first message stays.
    pub(crate) fn reset_count(&self) {
        self.panics.store(0, Ordering::Relaxed);
    }

    pub(crate) fn first_panic(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }
}

impl<K, V> fmt::Debug for Listeners<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners")
            .field("count", &self.listeners.len())
            .field("panics", &self.panics())
            .field("first_panic", &self.first_panic())
            .finish()
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // Bounded: a message may quote a value of any size.
    text.unwrap_or("a panic without a message").chars().take(MESSAGE_CHARS).collect()
}

const MESSAGE_CHARS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_panic_is_kept_and_silences_nobody() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut listeners = Listeners::new();
        listeners.add(Box::new(|key: &u8, _: &u8, _: Cause| panic!("no room for {key}")));
        let log = Arc::clone(&seen);
        listeners.add(Box::new(move |key: &u8, value: &u8, cause: Cause| {
            log.lock().unwrap().push((*key, *value, cause));
        }));
        listeners.tell(&1, &10, Cause::Size);
        listeners.tell(&2, &20, Cause::Tag);
        assert_eq!(*seen.lock().unwrap(), [(1, 10, Cause::Size), (2, 20, Cause::Tag)]);
        assert_eq!(listeners.panics(), 2);
        assert_eq!(listeners.first_panic(), Some("no room for 1"));
    }

    #[test]
    fn whatever_is_thrown_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let mut listeners = Listeners::new();
        listeners.add(Box::new(|_: &u8, _: &u8, _: Cause| panic_any(Bomb)));
        listeners.tell(&1, &1, Cause::Removed);
        assert_eq!(listeners.panics(), 1);
        assert_eq!(listeners.first_panic(), Some("a panic without a message"));
    }

    #[test]
    fn causes_have_names_of_their_own() {
        let names: std::collections::HashSet<_> = Cause::ALL.map(Cause::name).into();
        assert_eq!(names.len(), Cause::ALL.len());
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }
}
