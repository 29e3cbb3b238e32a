//! What the handles of a tiered cache share, and what its calls come to.

use super::choosing::Lately;
use super::held::{Held, Sealer};
use super::options::WritePolicy;
use super::outside::Outside;
use super::promise::block_on;
use crate::inner::Weigher;
use crate::loading::RefreshAfter;
use crate::{Cache, CacheKey};
use perf_core::{Clock, Counter, Instant, StripedHistogram};
use std::borrow::Cow;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

pub(super) type TextOf<K> = for<'a> fn(&'a K) -> Cow<'a, str>;

pub(super) struct Core<K, V> {
    pub(super) memory: Cache<K, Held<V>>,
    /// Whether there is a memory tier. Without one `memory` holds nothing, and is where callers who
    /// want the same key find each other.
    pub(super) has_memory: bool,
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) outside: Arc<Outside>,
    pub(super) sealer: Option<Arc<Sealer<V>>>,
    pub(super) write: WritePolicy,
    /// What [`Strategy::Auto`](super::Strategy) chooses by; `None` where that is all tiers.
    pub(super) lately: Option<Lately>,
    /// What takes in what others change, where a tier tells.
    pub(super) news: Option<Arc<super::news::News<K, V>>>,
    /// How long one process at a time may load a key.
    pub(super) lease: Option<Duration>,
    pub(super) leases: super::leasing::LeaseCounts,
    /// How long entries live beyond memory that ask for nothing, in milliseconds; zero is for ever.
    pub(super) outer_ttl: AtomicU64,
    pub(super) refresh_after: Option<RefreshAfter>,
    pub(super) text: Arc<OnceLock<TextOf<K>>>,
    pub(super) clock: Clock,
    pub(super) loads: Loads,
    pub(super) closing: super::close::Closing,
    pub(super) baseline: super::stats::Baseline,
    pub(super) defaults: super::component::Defaults,
    /// When it was built, on its clock.
    pub(super) built: Instant,
    /// Held by whoever turns a knob.
    pub(super) turning: std::sync::Mutex<()>,
    #[cfg(feature = "cdn")]
    pub(super) purging: Option<super::purging::Purging<K>>,
}

/// Loaders that ran, which the memory tier cannot tell from other tiers.
#[derive(Debug, Default)]
pub(super) struct Loads {
    pub(super) ended: Counter,
    pub(super) failed: Counter,
    pub(super) duration: StripedHistogram,
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    pub(super) fn has_outers(&self) -> bool {
        !self.outside.outers.is_empty()
    }

    pub(super) fn now_ms(&self) -> u64 {
        wall_ms(&self.clock)
    }
}

impl<K, V> Drop for Core<K, V> {
    /// The last handle is gone: writes what it can, and tells the hook what it could not.
    fn drop(&mut self) {
        let promise = self.closing.begin(&self.outside);
        let _ = block_on(promise.wait(None, &self.outside.timers));
    }
}

/// Unix milliseconds.
pub(super) fn wall_ms(clock: &Clock) -> u64 {
    millis(clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
