//! The cache of a function: what it weighs, how it is made, where it is.

use crate::{Cache, CacheBuilder, CacheKind, Registry};
use perf_core::{ByteSize, Ratio};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{OnceLock, PoisonError, RwLock};

/// A share that the macro has checked.
#[must_use]
pub fn share(of: f64) -> Ratio {
    Ratio::new(of).unwrap_or(Ratio::ONE)
}

/// Bytes, in whatever type they are counted.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number of bytes",
    label = "is no number of bytes",
    note = "what `size` gives is an `usize`, `u32`, `u64` or `ByteSize`"
)]
pub trait Bytes {
    /// So many.
    fn bytes(self) -> u64;
}

impl Bytes for u64 {
    fn bytes(self) -> u64 {
        self
    }
}

impl Bytes for u32 {
    fn bytes(self) -> u64 {
        self.into()
    }
}

impl Bytes for usize {
    fn bytes(self) -> u64 {
        self.try_into().unwrap_or(u64::MAX)
    }
}

impl Bytes for ByteSize {
    fn bytes(self) -> u64 {
        self.as_u64()
    }
}

/// What entries weigh, if that is what key and value own on the heap.
pub fn weigher<K, V, B: Bytes>(
    size: impl Fn(&K, &V) -> B + Send + Sync + 'static,
) -> impl Fn(&K, &V) -> u64 + Send + Sync + 'static {
    move |key, value| size(key, value).bytes().saturating_add(Cache::<K, V>::ENTRY_OVERHEAD)
}

/// The same for keys that own nothing worth counting.
pub fn weigher_of_values<K, V, B: Bytes>(
    size: impl Fn(&V) -> B + Send + Sync + 'static,
) -> impl Fn(&K, &V) -> u64 + Send + Sync + 'static {
    weigher(move |_: &K, value: &V| size(value))
}

/// Makes a cache and registers it, as `name#2` where another one has its name.
///
/// # Panics
///
/// If it cannot be built as `set` says.
pub fn keep<K, V>(
    name: &str,
    kind: &CacheKind,
    set: impl Fn(CacheBuilder<K, V>) -> CacheBuilder<K, V>,
) -> Cache<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    let registry = Registry::global();
    let mut number = 1_u64;
    loop {
        let own = if number == 1 { name.to_owned() } else { format!("{name}#{number}") };
        let cache = match set(Cache::builder().name(&own)).build() {
            Ok(cache) => cache,
            Err(error) => panic!("the cache of `{name}` cannot be made: {error}"),
        };
        // Not registered though its name is free: the registry is full, and does without.
        if registry.register(kind.clone(), &cache).is_ok() || registry.get(&own).is_none() {
            return cache;
        }
        number += 1;
    }
}

/// Where the cache of a function within an `impl` is: one for each type that it is an `impl` of,
/// for a static knows neither `Self` nor type parameters.
pub struct Slot {
    /// The cache of the first type, which in most programs is the only one.
    first: OnceLock<Held>,
    others: OnceLock<RwLock<HashMap<TypeId, &'static Erased>>>,
}

type Erased = dyn Any + Send + Sync;

struct Held {
    of: TypeId,
    cache: Box<Erased>,
}

impl Slot {
    /// No cache yet.
    #[expect(clippy::new_without_default, reason = "called by the macro only")]
    #[must_use]
    pub const fn new() -> Slot {
        Slot { first: OnceLock::new(), others: OnceLock::new() }
    }

    /// The cache that belongs to a type.
    ///
    /// # Panics
    ///
    /// Where `make` does.
    pub fn get<O, K, V>(&'static self, make: impl FnOnce() -> Cache<K, V>) -> &'static Cache<K, V>
    where
        O: 'static,
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let of = TypeId::of::<(PhantomData<O>, K, V)>();
        let mut make = Some(make);
        let first = self.first.get_or_init(|| {
            let make = make.take().expect("nobody else takes it before");
            Held { of, cache: Box::new(make()) }
        });
        let cache: &'static Erased = if first.of == of {
            &*first.cache
        } else {
            let others = self.others.get_or_init(RwLock::default);
            let found = others.read().unwrap_or_else(PoisonError::into_inner).get(&of).copied();
            found.unwrap_or_else(|| {
                let make = make.take().expect("it has made no first one");
                // Not under the lock: it runs what the settings are computed from.
                let own = Box::new(make());
                let mut others = others.write().unwrap_or_else(PoisonError::into_inner);
                // For good, as the static that holds it. There are no more than types.
                *others.entry(of).or_insert_with(|| Box::leak(own))
            })
        };
        cache.downcast_ref().expect("the type of the cache is part of its id")
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
