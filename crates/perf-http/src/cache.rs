//! The shared response cache (RFC 9111).
//!
//! A request takes one of three ways. *Answered*: a stored answer serves it, at once. *Fetched*:
//! the whole uncoded answer is asked for, once for all who want it, judged by `policy`, stored if
//! it may be, and only then conditions, ranges and codings of this client are applied to it.
//! *Passed*: it goes through as it came.

mod answer;
mod beyond;
mod builder;
mod collect;
mod conditional;
mod directives;
mod entry;
mod etag;
mod fetch;
mod flight;
mod invalidation;
mod key;
mod meters;
mod near;
#[cfg(feature = "tiers")]
mod outer;
#[cfg(not(feature = "tiers"))]
#[path = "cache/no_outer.rs"]
mod outer;
mod pass;
mod passes;
mod policy;
mod range;
mod service;
mod settings;
mod status;
mod store;
mod tags;
mod told;

pub use builder::ResponseCacheBuilder;
pub use entry::StoredResponse;
pub use invalidation::InvalidateError;
pub use key::ResponseKey;
#[cfg(feature = "tiers")]
pub use outer::{OuterReport, OuterTiers};
pub use service::{Background, ResponseCacheLayer, ResponseCacheService, ResponseFuture};
pub use told::Invalidation;

use crate::Coding;
use flight::Flights;
use meters::{Meters, Outcome};
use perf_cache::Cache;
use perf_core::{Clock, Component, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned};
use policy::Policy;
use settings::Settings;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// A shared cache for HTTP answers after RFC 9111. Clones are handles to the same cache.
///
/// Put its [`layer`](ResponseCache::layer) in front of any service. What the origin allows to be
/// stored is answered from memory, conditional and range requests included, in the coding that
/// the client likes best; each coding is made once and kept. Requests for the same missing answer
/// share one fetch.
///
/// Never stored: answers to requests with `Authorization` (unless the origin says `public`,
/// `s-maxage` or `must-revalidate`), with `Set-Cookie`, `Vary: *`, `private` or `no-store`, with
/// status 206, to methods but GET, cut bodies, bodies that take more than ten seconds to come,
/// event streams, and answers that an unsafe method has overtaken. What a request says in
/// `X-Forwarded-Host` and its like, or in `Forwarded` of host and scheme, counts as if `Vary` named
/// it. Where the origin does not say how long an answer is good, requests with a cookie are neither
/// stored nor answered from the store.
///
/// Register the handle with an engine for its signals and knobs, and
/// [`memory`](ResponseCache::memory) for those of the memory tier.
#[derive(Clone)]
#[doc(alias = "http_cache")]
#[doc(alias = "reverse_proxy_cache")]
pub struct ResponseCache {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    name: String,
    clock: Clock,
    store: Store,
    flights: Flights,
    aside: beyond::Aside,
    meters: Meters,
    settings: Settings,
    codings: Box<[Coding]>,
    min_encoded: u64,
    zstd_level: u8,
    gzip_level: u8,
    wait: Duration,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    ignore_request_directives: bool,
    ignore_cookies: bool,
    told: told::Told,
}

impl Shared {
    fn policy(&self) -> Policy {
        Policy {
            default_ttl: self.settings.default_ttl(),
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            ignore_request_directives: self.ignore_request_directives,
            ignore_cookies: self.ignore_cookies,
        }
    }

    fn answered(&self, outcome: Outcome, start: Instant) {
        let elapsed = self.clock.now() - start;
        self.meters.answered(outcome, u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl ResponseCache {
    /// Starts building.
    pub fn builder() -> ResponseCacheBuilder {
        ResponseCacheBuilder::new()
    }

    /// A layer that answers from this cache.
    #[must_use]
    pub fn layer(&self) -> ResponseCacheLayer {
        ResponseCacheLayer::new(self.clone())
    }

    /// The name in `Cache-Status`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The memory tier, a component of its own: capacity, entries, evictions.
    #[must_use]
    pub fn memory(&self) -> Cache<ResponseKey, StoredResponse> {
        self.shared.store.near.memory().clone()
    }

    /// The tiers beyond memory, if there are some.
    #[cfg(feature = "tiers")]
    #[must_use]
    pub fn outer(&self) -> Option<&OuterTiers> {
        self.shared.store.outer()
    }

    /// Whether requests are answered from the cache and bodies are encoded.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shared.settings.enabled()
    }

    /// Turns caching and encoding on or off. What is stored stays, and is still invalidated.
    pub fn set_enabled(&self, on: bool) {
        self.shared.settings.set_enabled(on);
    }

    /// The largest stored resources, largest first, with the bytes that they take. O(entries).
    #[must_use]
    pub fn largest(&self, most: usize) -> Vec<(ResponseKey, u64)> {
        let mut found: BinaryHeap<Reverse<(u64, ResponseKey)>> = BinaryHeap::new();
        for (key, stored) in self.shared.store.near.memory().iter() {
            found.push(Reverse((stored.weight(), key)));
            if found.len() > most {
                found.pop();
            }
        }
        let found = found.into_sorted_vec().into_iter();
        found.map(|Reverse((bytes, key))| (key, bytes)).collect()
    }
}

impl Observe for ResponseCache {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        self.shared.meters.observe(visit);
    }
}

impl Tune for ResponseCache {
    fn knobs(&self) -> Vec<Knob> {
        self.shared.settings.knobs()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        self.shared.settings.turn(turn)
    }
}

impl Component for ResponseCache {}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCache")
            .field("name", &self.shared.name)
            .field("entries", &self.shared.store.near.memory().len())
            .finish_non_exhaustive()
    }
}
