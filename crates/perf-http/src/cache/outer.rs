//! The tiers beyond memory: what is stored is written to them, and asked for there before the origin
//! is.

mod codec;

use super::entry::{Elapsed, StoredResponse};
use super::key::ResponseKey;
use super::near::Near;
use super::status::Place;
use crate::body::BoxError;
use codec::ResponseCodec;
use perf_cache::disk::{self, DiskError, DiskStore};
#[cfg(feature = "redis")]
use perf_cache::remote::{RedisTier, RedisTierBuilder};
use perf_cache::tiered::{
    self, BuildError, Notice, OuterTier, Reservation, TieredEntry, TieredStats, TieredTerms,
    WritePolicy,
};
use perf_cache::{CacheKey, Terms, TieredCache};
#[cfg(feature = "redis")]
use perf_core::Ratio;
use perf_core::{ByteSize, Clock, ConfigError, Glob};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The tiers behind the memory of a [`ResponseCache`](crate::ResponseCache): a disk, a server that
/// several processes share, or both. Clones are handles to the same tiers.
///
/// Register [`tiered`](OuterTiers::tiered) with an engine for their signals and knobs.
#[derive(Clone, Debug)]
pub struct OuterTiers {
    tiered: TieredCache<ResponseKey, StoredResponse>,
    disk: Option<Arc<dyn DiskStore>>,
    #[cfg(feature = "redis")]
    redis: Option<Arc<RedisTier>>,
    clock: Clock,
    min_encoded: u64,
}

/// What came of closing them.
#[derive(Debug)]
#[non_exhaustive]
pub struct OuterReport {
    /// Of all of them: what was still written, and what was lost over their life.
    pub tiers: Arc<tiered::CloseReport>,
    /// Of the disk, if there is one; records of invalidations are not among its entries. An error:
    /// some of what was queued is lost.
    pub disk: Option<Result<disk::CloseReport, DiskError>>,
}

/// What [`OuterTiers`] are made of.
pub(crate) struct Setting {
    pub(crate) disk: Option<Arc<dyn DiskStore>>,
    /// What its prefix begins with, and how it is made otherwise.
    #[cfg(feature = "redis")]
    pub(crate) redis: Option<(String, RedisTierBuilder)>,
    /// Behind these, the nearest first.
    pub(crate) tiers: Vec<Arc<dyn OuterTier>>,
    pub(crate) clock: Clock,
    pub(crate) min_encoded: u64,
    pub(crate) whose: u64,
}

/// An answer that one of them had.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) stored: StoredResponse,
    pub(crate) place: Place,
}

type Reserved = Reservation<ResponseKey, StoredResponse>;

/// What they are found to have without waiting for them.
pub(crate) enum Looked {
    Known(Option<Found>),
    /// They have to be waited for.
    Later(Looking),
}

/// A look that goes on.
pub(crate) type Looking = Pin<Box<dyn Future<Output = Option<Found>> + Send>>;

impl CacheKey for ResponseKey {
    fn encode(&self, into: &mut Vec<u8>) {
        self.as_str().encode(into);
    }

    fn decode(bytes: &mut &[u8]) -> Option<ResponseKey> {
        String::decode(bytes).map(|text| ResponseKey::new(&text))
    }
}

impl OuterTiers {
    /// None if none is set. Where a tier is shared, `near` is told of what others change.
    pub(crate) fn build(
        setting: Setting,
        near: &Arc<Near>,
    ) -> Result<Option<Arc<OuterTiers>>, ConfigError> {
        #[cfg(feature = "redis")]
        let redis = setting.shared()?.map(Arc::new);
        let Setting { disk, mut tiers, clock, min_encoded, whose, .. } = setting;
        #[cfg(feature = "redis")]
        tiers.splice(..0, redis.iter().map(|redis| Arc::clone(redis) as Arc<dyn OuterTier>));
        if let Some(store) = &disk {
            tiers.insert(0, Arc::new(tiered::DiskTier::new(Arc::clone(store))));
        }
        if tiers.is_empty() {
            return Ok(None);
        }
        let mut builder = TieredCache::builder()
            .name("tiers")
            .without_memory()
            .codec(ResponseCodec { clock: clock.clone(), min_encoded, whose })
            .namespace("responses")
            // Patterns of the process before have to be compared with keys.
            .key_text()
            .write(WritePolicy::Behind { max_bytes: QUEUE, max_age: WAITS_AT_MOST })
            .clock(clock.clone());
        let told = Arc::clone(near);
        builder = builder.on_change(move |notice| told.changed(notice));
        for tier in tiers {
            builder = builder.tier(tier);
        }
        let tiered = builder.build().map_err(|error| match error {
            BuildError::Config(error) => error,
            BuildError::Disk(error) => ConfigError::new("disk", "the store", error.to_string()),
            error => ConfigError::new("tiers", "what is beyond memory", error.to_string()),
        })?;
        let outer = Arc::new(OuterTiers {
            tiered,
            disk,
            #[cfg(feature = "redis")]
            redis,
            clock,
            min_encoded,
        });
        near.set_outer(&outer);
        Ok(Some(outer))
    }

    /// The tiers as a component: their signals and knobs.
    #[must_use]
    pub fn tiered(&self) -> TieredCache<ResponseKey, StoredResponse> {
        self.tiered.clone()
    }

    /// The store on disk among them, if there is one.
    #[must_use]
    pub fn disk(&self) -> Option<&Arc<dyn DiskStore>> {
        self.disk.as_ref()
    }

    /// The server among them that several processes share, if there is one.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn redis(&self) -> Option<&Arc<RedisTier>> {
        self.redis.as_ref()
    }

    /// What they have counted, and what they hold.
    #[must_use]
    pub fn stats(&self) -> TieredStats {
        self.tiered.stats()
    }

    /// Waits until what was stored so far has been handed over: to a server, or to the system. Waits
    /// for devices and networks.
    pub fn flush(&self) {
        self.tiered.flush();
        if let Some(store) = &self.disk {
            // What could not be written stays queued and is counted.
            let _ = store.flush();
        }
    }

    /// Writes what waits and closes the tiers, and the store on disk; what could not be written is in
    /// the report. A second call answers the first one's report. Waits for devices and networks, at
    /// most ten seconds and a sync.
    pub fn close(&self) -> OuterReport {
        let tiers = self.tiered.close();
        let disk = self.disk.as_ref().map(|store| {
            let pinned = store.usage().pinned;
            let mut report = store.close()?;
            report.entries = report.entries.saturating_sub(pinned);
            report.lost_bytes = report.lost_bytes.max(tiers.lost_bytes);
            Ok(report)
        });
        OuterReport { tiers, disk }
    }

    /// Looks for a key, and goes on looking where a tier has to be waited for.
    pub(crate) fn look(&self, key: &ResponseKey) -> Looked {
        let (own, key) = (self.clone(), key.clone());
        let mut looking: Looking = Box::pin(async move {
            let entry = own.tiered.get_entry_async(&key).await?;
            Some(own.found(entry))
        });
        // Whoever polls it again gives it a waker of his own.
        match looking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => Looked::Known(found),
            Poll::Pending => Looked::Later(looking),
        }
    }

    /// Ages have gone on since it was written.
    fn found(&self, entry: TieredEntry<StoredResponse>) -> Found {
        let place = Place::of_tier(entry.tier.unwrap_or_default());
        let now = self.clock.wall();
        let elapsed = match now.duration_since(entry.written_at) {
            Ok(elapsed) => Elapsed::For(elapsed),
            Err(ahead) if ahead.duration() <= STEP => Elapsed::For(Duration::ZERO),
            Err(_) => Elapsed::NobodyKnows,
        };
        // What other machines wrote was judged by their clocks then, and is not by ours now.
        let now = (place == Place::Disk).then_some(now);
        Found { stored: entry.value.aged(elapsed, now, self.min_encoded), place }
    }

    /// For what is about to be read, and is to be kept unless it changes meanwhile, wherever that is.
    pub(crate) fn reserve(&self, key: &ResponseKey) -> Reserved {
        self.tiered.reserve(key)
    }

    /// Hands a value to the writer: encodes and compresses it, and does not wait for tiers.
    pub(crate) fn keep(&self, reserved: Reserved, stored: StoredResponse, useful_for: Duration) {
        // What is left of the whole tells how old it is, so none may be shortened.
        let mut terms = Terms::new().time_to_live(useful_for.min(LONGEST));
        if stored.tags().next().is_some() {
            terms = terms.tags(stored.tags());
        }
        // What was not to be kept has been overtaken, which is counted.
        let _ = reserved.insert(stored, TieredTerms::from(terms));
    }

    /// Ends once more what another process has changed, in the tiers of this process.
    pub(crate) fn end_here(&self, notice: &Notice<'_, ResponseKey>) {
        self.tiered.end_here(notice);
    }

    // What cannot be removed is not answered by this process, and tried again.

    pub(crate) fn forget(&self, key: &ResponseKey) -> Result<(), BoxError> {
        Ok(self.tiered.remove(key).map(|_| ())?)
    }

    pub(crate) fn forget_tag(&self, tag: &str) -> Result<(), BoxError> {
        Ok(self.tiered.invalidate_tag(tag).map(|_| ())?)
    }

    pub(crate) fn forget_matching(&self, keys: &Glob) -> Result<(), BoxError> {
        Ok(self.tiered.invalidate_by_pattern(keys).map(|_| ())?)
    }

    pub(crate) fn clear(&self) -> Result<(), BoxError> {
        Ok(self.tiered.clear()?)
    }
}

#[cfg(feature = "redis")]
impl Setting {
    /// The server that is shared, under a prefix that nobody else has but those who may share.
    fn shared(&self) -> Result<Option<RedisTier>, ConfigError> {
        let Some((prefix, server)) = &self.redis else { return Ok(None) };
        let server = server
            .clone()
            .prefix(format!("{prefix}{:016x}:", self.whose))
            .jitter(Ratio::ZERO)
            .max_time_to_live(LONGEST)
            .clock(self.clock.clone());
        server.build().map(Some)
    }
}

/// How long any answer is kept beyond memory. Whoever uses it for longer asks the origin again.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// How much may wait to be written: with what a store on disk queues, all that a killed process
/// loses.
const QUEUE: ByteSize = ByteSize::mib(32);
const WAITS_AT_MOST: Duration = Duration::from_millis(50);
/// By how much clocks are put back all the time, to keep them right.
const STEP: Duration = Duration::from_secs(1);
