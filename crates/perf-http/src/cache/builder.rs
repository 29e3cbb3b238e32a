//! Building a response cache.

use super::entry::StoredResponse;
use super::flight::{Flights, MAX_FLIGHTS};
use super::key::ResponseKey;
use super::meters::Meters;
use super::near::Near;
use super::settings::{Defaults, MAX_OBJECT_SIZE, MAX_TTL, MIN_OBJECT, Settings};
use super::store::Store;
use super::told::{Invalidation, Told};
use super::{ResponseCache, Shared};
use crate::{Coding, ConfigError};
use perf_cache::Cache;
use perf_core::{ByteSize, Clock};
use std::sync::Arc;
use std::time::Duration;

/// Builds a [`ResponseCache`].
#[derive(Debug)]
#[must_use]
pub struct ResponseCacheBuilder {
    pub(super) name: String,
    pub(super) clock: Clock,
    pub(super) capacity: ByteSize,
    pub(super) max_object: ByteSize,
    pub(super) default_ttl: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) wait: Duration,
    pub(super) codings: Vec<Coding>,
    pub(super) min_encoded: ByteSize,
    pub(super) brotli_level: u8,
    pub(super) zstd_level: u8,
    pub(super) gzip_level: u8,
    pub(super) ignore_request_directives: bool,
    pub(super) ignore_cookies: bool,
    pub(super) told: Told,
    #[cfg(feature = "tiers")]
    pub(super) disk: Option<Arc<dyn perf_cache::disk::DiskStore>>,
    #[cfg(feature = "tiers")]
    pub(super) tiers: Vec<Arc<dyn perf_cache::tiered::OuterTier>>,
    #[cfg(feature = "redis")]
    pub(super) redis: Option<(String, perf_cache::remote::RedisTierBuilder)>,
    #[cfg(feature = "tiers")]
    pub(super) origin: String,
}

impl ResponseCacheBuilder {
    pub(super) fn new() -> ResponseCacheBuilder {
        ResponseCacheBuilder {
            name: "perfkit".into(),
            clock: Clock::system(),
            capacity: ByteSize::mib(256),
            max_object: ByteSize::mib(8),
            default_ttl: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            wait: Duration::from_secs(30),
            codings: Coding::AVAILABLE.to_vec(),
            min_encoded: ByteSize::kib(1),
            brotli_level: 4,
            zstd_level: 3,
            gzip_level: 6,
            ignore_request_directives: false,
            ignore_cookies: false,
            told: Told::default(),
            #[cfg(feature = "tiers")]
            disk: None,
            #[cfg(feature = "tiers")]
            tiers: Vec::new(),
            #[cfg(feature = "redis")]
            redis: None,
            #[cfg(feature = "tiers")]
            origin: String::new(),
        }
    }

    /// The name in `Cache-Status`, `perfkit` by default.
    pub fn name(mut self, name: impl Into<String>) -> ResponseCacheBuilder {
        self.name = name.into();
        self
    }

    /// The clock; the system's by default.
    pub fn clock(mut self, clock: Clock) -> ResponseCacheBuilder {
        self.clock = clock;
        self
    }

    /// How many bytes the memory tier may hold, codings included; 256 MiB by default.
    pub fn capacity(mut self, capacity: ByteSize) -> ResponseCacheBuilder {
        self.capacity = capacity;
        self
    }

    /// A disk behind memory, none by default: what is stored is written to it too, and what memory
    /// does not have is asked for there before the origin is, also by the next process. No two caches
    /// may use one store. Say whose answers these are with [`origin`](ResponseCacheBuilder::origin).
    #[cfg(feature = "tiers")]
    pub fn disk(mut self, store: Arc<dyn perf_cache::disk::DiskStore>) -> ResponseCacheBuilder {
        self.disk = Some(store);
        self
    }

    /// Another tier beyond memory, behind the disk and behind those that were given before. Answers
    /// that it has are counted and noted as of `cdn` if that is its name, and as `remote` otherwise.
    #[cfg(feature = "tiers")]
    pub fn tier(mut self, tier: Arc<dyn perf_cache::tiered::OuterTier>) -> ResponseCacheBuilder {
        self.tiers.push(tier);
        self
    }

    /// A Redis or Valkey server behind the disk, or instead of one, that caches of other processes use
    /// as well: what one of them has fetched the others answer, and what one invalidates the others
    /// do not answer any more.
    ///
    /// Those share that say the same `prefix`, the same [`origin`](ResponseCacheBuilder::origin) and
    /// the same [`ignore_cookies`](ResponseCacheBuilder::ignore_cookies); whatever differs keeps them
    /// apart. Prefix, jitter, the longest time to live and the clock of the builder are set here.
    #[cfg(feature = "redis")]
    pub fn redis(
        mut self,
        prefix: impl Into<String>,
        server: perf_cache::remote::RedisTierBuilder,
    ) -> ResponseCacheBuilder {
        self.redis = Some((prefix.into(), server));
        self
    }

    /// Whose answers these are: any text that changes with the origin, such as its address. What
    /// the tiers have of another origin, or was stored with another
    /// [`ignore_cookies`](ResponseCacheBuilder::ignore_cookies), is not answered. Invalidations
    /// reach it all the same.
    #[cfg(feature = "tiers")]
    pub fn origin(mut self, origin: impl Into<String>) -> ResponseCacheBuilder {
        self.origin = origin.into();
        self
    }

    /// The largest body that is stored, 8 MiB by default. Larger ones go through as they come.
    pub fn max_object(mut self, max: ByteSize) -> ResponseCacheBuilder {
        self.max_object = max;
        self
    }

    /// How long an answer stays fresh when the origin says nothing. Zero, the default, stores only
    /// what has explicit freshness, a `Last-Modified` to guess from, or a validator to ask with.
    pub fn default_ttl(mut self, ttl: Duration) -> ResponseCacheBuilder {
        self.default_ttl = ttl;
        self
    }

    /// How long a stale answer may be served while it is fetched anew, when the origin says
    /// nothing; zero by default.
    pub fn stale_while_revalidate(mut self, span: Duration) -> ResponseCacheBuilder {
        self.stale_while_revalidate = span;
        self
    }

    /// How long a stale answer may be served while the origin fails, when the origin says nothing;
    /// zero by default.
    pub fn stale_if_error(mut self, span: Duration) -> ResponseCacheBuilder {
        self.stale_if_error = span;
        self
    }

    /// How long a request waits for another one's fetch of the same URL before it goes to the
    /// origin itself; 30 seconds by default. Within a tokio runtime, its timer must be enabled;
    /// outside of one the wait lasts until the fetch ends.
    pub fn collapsed_wait(mut self, wait: Duration) -> ResponseCacheBuilder {
        self.wait = wait;
        self
    }

    /// The codings to offer, best first; brotli, zstd, gzip by default, as far as their features
    /// are on. A client's q-values go before this order. An empty list turns encoding off.
    pub fn codings(mut self, codings: impl IntoIterator<Item = Coding>) -> ResponseCacheBuilder {
        self.codings = codings.into_iter().collect();
        self
    }

    /// Bodies smaller than this are not encoded; 1 KiB by default.
    pub fn min_encoded(mut self, min: ByteSize) -> ResponseCacheBuilder {
        self.min_encoded = min;
        self
    }

    /// Brotli's level, 0 to 11; 4 by default.
    pub fn brotli_level(mut self, level: u8) -> ResponseCacheBuilder {
        self.brotli_level = level;
        self
    }

    /// Zstandard's level, 1 to 19; 3 by default.
    pub fn zstd_level(mut self, level: u8) -> ResponseCacheBuilder {
        self.zstd_level = level;
        self
    }

    /// Gzip's level, 1 to 9; 6 by default.
    pub fn gzip_level(mut self, level: u8) -> ResponseCacheBuilder {
        self.gzip_level = level;
        self
    }

    /// Whether `Cache-Control` and `Pragma` of requests are ignored, so that a client cannot send
    /// every request to the origin; `false` by default.
    pub fn ignore_request_directives(mut self, ignore: bool) -> ResponseCacheBuilder {
        self.ignore_request_directives = ignore;
        self
    }

    /// Whether cookies do not matter to the origin, as with a folder of files; `false` by default.
    ///
    /// Otherwise a request with a cookie is neither answered from nor stored as an answer whose
    /// freshness is only assumed: the origin must have said how long it is good for.
    pub fn ignore_cookies(mut self, ignore: bool) -> ResponseCacheBuilder {
        self.ignore_cookies = ignore;
        self
    }

    /// Is told of each invalidation that somebody makes by a call, after it holds: whoever keeps
    /// the same answers in front of this cache can forget them too. Nobody is told of what ends by
    /// itself, or by a client's POST or PUT: what is in front has seen that request, and strangers
    /// could make it forget as much as they like. It is called on the thread of the call.
    pub fn on_invalidation(
        mut self,
        told: impl Fn(&Invalidation<'_>) + Send + Sync + 'static,
    ) -> ResponseCacheBuilder {
        self.told = Told::new(told);
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a level, `default_ttl` or `max_object` is out of its range, the name is no
    /// token, the capacity is zero, a coding's feature is off, or a tier cannot be set up.
    pub fn build(self) -> Result<ResponseCache, ConfigError> {
        let levels = [
            ("brotli_level", self.brotli_level, 0, 11),
            ("zstd_level", self.zstd_level, 1, 19),
            ("gzip_level", self.gzip_level, 1, 9),
        ];
        for (setting, level, min, max) in levels {
            if !(min..=max).contains(&level) {
                return Err(ConfigError::new(setting, level, format!("use {min} to {max}")));
            }
        }
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if !self.name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !self.name.bytes().all(token)
        {
            let remedy = "use letters, digits and -._, a letter first";
            return Err(ConfigError::new("name", format_args!("{:?}", self.name), remedy));
        }
        if let Some(coding) = self.codings.iter().find(|c| !Coding::AVAILABLE.contains(c)) {
            let remedy = format!("it is not built in; turn on the feature `{coding}`");
            return Err(ConfigError::new("codings", coding, remedy));
        }
        if !(MIN_OBJECT..=MAX_OBJECT_SIZE).contains(&self.max_object) {
            let remedy = format!("use {MIN_OBJECT} to {MAX_OBJECT_SIZE}");
            return Err(ConfigError::new("max_object", self.max_object, remedy));
        }
        if self.default_ttl > MAX_TTL {
            let remedy = format!("use at most {MAX_TTL:?}");
            return Err(ConfigError::new(
                "default_ttl",
                format_args!("{:?}", self.default_ttl),
                remedy,
            ));
        }
        let memory = Cache::builder()
            .name("memory")
            .max_bytes(self.capacity)
            .weigher(|key: &ResponseKey, stored: &StoredResponse| {
                key.as_str().len() as u64 + stored.weight()
            })
            .clock(self.clock.clone())
            .build()
            .map_err(|error| ConfigError::new("capacity", self.capacity, error.to_string()))?;
        let min_encoded = self.min_encoded.as_u64().max(1);
        let near = Arc::new(Near::new(memory, self.clock.clone()));
        #[cfg(feature = "tiers")]
        let setting = super::outer::Setting {
            disk: self.disk,
            #[cfg(feature = "redis")]
            redis: self.redis,
            tiers: self.tiers,
            clock: self.clock.clone(),
            min_encoded,
            whose: xxhash_rust::xxh3::xxh3_64_with_seed(
                self.origin.as_bytes(),
                u64::from(self.ignore_cookies),
            ),
        };
        #[cfg(feature = "tiers")]
        let outer = super::OuterTiers::build(setting, &near)?;
        #[cfg(not(feature = "tiers"))]
        let outer = None;
        let defaults = Defaults {
            default_ttl: self.default_ttl,
            brotli_level: self.brotli_level,
            max_object: self.max_object,
        };
        Ok(ResponseCache {
            shared: Arc::new(Shared {
                meters: Meters::new(&self.clock),
                store: Store::new(near, outer, self.clock.clone()),
                settings: Settings::new(defaults),
                flights: Flights::new(MAX_FLIGHTS),
                aside: Default::default(),
                clock: self.clock,
                name: self.name,
                codings: self.codings.into(),
                min_encoded,
                zstd_level: self.zstd_level,
                gzip_level: self.gzip_level,
                wait: self.wait,
                stale_while_revalidate: self.stale_while_revalidate,
                stale_if_error: self.stale_if_error,
                ignore_request_directives: self.ignore_request_directives,
                ignore_cookies: self.ignore_cookies,
                told: self.told,
            }),
        })
    }
}
