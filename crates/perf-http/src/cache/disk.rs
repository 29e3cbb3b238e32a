//! The tier behind memory: what is stored is written to a disk, and asked for there before the
//! origin is.

mod codec;

use super::entry::StoredResponse;
use super::key::ResponseKey;
use crate::body::BoxError;
use codec::ResponseCodec;
use perf_cache::disk::{CloseReport, DiskStore};
use perf_cache::tiered::{BuildError, TieredStats, TieredTerms, WritePolicy};
use perf_cache::{CacheKey, Terms, TieredCache};
use perf_core::{ByteSize, Clock, ConfigError, Glob};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Answers on a disk: the tier behind memory of a [`ResponseCache`](crate::ResponseCache). Clones
/// are handles to the same tier.
///
/// Register [`tier`](DiskTier::tier) with an engine for its signals and knobs.
#[derive(Clone, Debug)]
pub struct DiskTier {
    tiered: TieredCache<ResponseKey, StoredResponse>,
    store: Arc<dyn DiskStore>,
}

/// What a disk is found to have without waiting for it.
pub(crate) enum Looked {
    Known(Option<StoredResponse>),
    /// It has to be waited for.
    Later(Looking),
}

/// A look at a disk that goes on.
pub(crate) type Looking = Pin<Box<dyn Future<Output = Option<StoredResponse>> + Send>>;

impl CacheKey for ResponseKey {
    fn encode(&self, into: &mut Vec<u8>) {
        self.as_str().encode(into);
    }
}

impl DiskTier {
    pub(crate) fn new(
        store: Arc<dyn DiskStore>,
        clock: Clock,
        min_encoded: u64,
        whose: u64,
    ) -> Result<DiskTier, ConfigError> {
        let tiered = TieredCache::builder()
            .name("disk")
            .without_memory()
            .disk(Arc::clone(&store))
            .codec(ResponseCodec { clock: clock.clone(), min_encoded, whose })
            .namespace("responses")
            // Patterns of the process before have to be compared with keys.
            .key_text()
            .write(WritePolicy::Behind { max_bytes: QUEUE, max_age: WAITS_AT_MOST })
            .clock(clock)
            .build()
            .map_err(|error| match error {
                BuildError::Config(error) => error,
                error => ConfigError::new("disk", store.path().display(), error.to_string()),
            })?;
        Ok(DiskTier { tiered, store })
    }

    /// The tier as a component: its signals and knobs.
    #[must_use]
    pub fn tier(&self) -> TieredCache<ResponseKey, StoredResponse> {
        self.tiered.clone()
    }

    /// The store that it keeps them in.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn DiskStore> {
        &self.store
    }

    /// What it has counted, and what it holds.
    #[must_use]
    pub fn stats(&self) -> TieredStats {
        self.tiered.stats()
    }

    /// Waits until what was stored so far has been handed to the system. Waits for the device.
    pub fn flush(&self) {
        self.tiered.flush();
        // What could not be written stays queued and is counted.
        let _ = self.store.flush();
    }

    /// Writes what waits and closes the store; what could not be written is in the report. A second
    /// call answers the first one's report. Waits for the device, at most ten seconds and a sync.
    ///
    /// # Errors
    ///
    /// What the store answered: then some of what was queued is lost.
    pub fn close(&self) -> Result<CloseReport, perf_cache::disk::DiskError> {
        let behind = self.tiered.close();
        let pinned = self.store.usage().pinned;
        let mut report = self.store.close()?;
        // Records of invalidations are no answers.
        report.entries = report.entries.saturating_sub(pinned);
        report.lost_bytes = report.lost_bytes.max(behind.lost_bytes);
        Ok(report)
    }

    /// Looks for a key, and goes on looking where the disk has to be waited for.
    pub(crate) fn look(&self, key: &ResponseKey) -> Looked {
        let (tiered, key) = (self.tiered.clone(), key.clone());
        let mut looking: Looking = Box::pin(async move { tiered.get_async(&key).await });
        // Whoever polls it again gives it a waker of his own.
        match looking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => Looked::Known(found),
            Poll::Pending => Looked::Later(looking),
        }
    }

    /// Hands a value to the writer: encodes and compresses it, and does not wait for the device.
    pub(crate) fn keep(&self, key: &ResponseKey, stored: StoredResponse, useful_for: Duration) {
        let mut terms = Terms::new().time_to_live(useful_for);
        if stored.tags().next().is_some() {
            terms = terms.tags(stored.tags());
        }
        self.tiered.insert_with(key.clone(), stored, TieredTerms::from(terms));
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

/// How much may wait to be written: with what the store queues, all that a killed process loses.
const QUEUE: ByteSize = ByteSize::mib(32);
const WAITS_AT_MOST: Duration = Duration::from_millis(50);
