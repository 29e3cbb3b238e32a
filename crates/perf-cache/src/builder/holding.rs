//! The settings of one cache for another that holds its values in something.

use super::CacheBuilder;
use crate::expiry::Expiry;
use crate::inner::Weigher;
use crate::listener::Listeners;
use crate::loading::RefreshAfter;
use crate::{Cause, EvictionListener};
use std::time::Duration;

/// How the value of that is found in it.
pub(crate) type ValueOf<V, H> = fn(&H) -> &V;

/// What deals in values is asked for the value within.
struct Within<T: ?Sized, V, H> {
    value: ValueOf<V, H>,
    of: Box<T>,
}

impl<K, V, H> EvictionListener<K, H> for Within<dyn EvictionListener<K, V>, V, H> {
    fn on_eviction(&self, key: &K, held: &H, cause: Cause) {
        self.of.on_eviction(key, (self.value)(held), cause);
    }
}

impl<K, V, H> Expiry<K, H> for Within<dyn Expiry<K, V>, V, H> {
    fn on_create(&self, key: &K, held: &H) -> Option<Duration> {
        self.of.on_create(key, (self.value)(held))
    }

    fn on_update(&self, key: &K, held: &H, remaining: Option<Duration>) -> Option<Duration> {
        self.of.on_update(key, (self.value)(held), remaining)
    }

    fn on_read(&self, key: &K, held: &H, remaining: Option<Duration>) -> Option<Duration> {
        self.of.on_read(key, (self.value)(held), remaining)
    }

    fn watches_reads(&self) -> bool {
        self.of.watches_reads()
    }
}

impl<K: 'static, V: 'static> CacheBuilder<K, V> {
    /// Whether a number of bytes is its bound that nobody can count.
    pub(crate) const fn needs_weigher(&self) -> bool {
        self.basics.capacity.bytes.is_some() && self.weigher.is_none()
    }

    pub(crate) const fn refreshes_after(&self) -> Option<RefreshAfter> {
        self.loading.refreshes_after()
    }

    /// The same for a cache that holds such values in something, and the weigher, which has not
    /// gone along.
    pub(crate) fn holding<H: 'static>(
        self,
        value: ValueOf<V, H>,
    ) -> (CacheBuilder<K, H>, Option<Weigher<K, V>>) {
        let mut listeners = Listeners::new();
        for of in self.listeners.into_all() {
            listeners.add(Box::new(Within { value, of }));
        }
        let builder = CacheBuilder {
            basics: self.basics,
            weigher: None,
            expiry: self.expiry.with_custom(move |of| Box::new(Within { value, of })),
            insight: self.insight,
            policy: self.policy,
            cold_share: self.cold_share,
            adaptive_min_capacity: self.adaptive_min_capacity,
            loading: self.loading,
            declared: self.declared,
            listeners,
        };
        (builder, self.weigher)
    }
}
