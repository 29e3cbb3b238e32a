//! Memory and tiers beyond it as one cache.

mod choosing;
mod crash;
mod extremes;
mod faults;
mod hub;
mod late;
mod model;
mod overflow;
mod sharing;
mod sharing_model;
mod store;
mod telling;
mod tiers;
mod writing;

use perf_cache::codec::RawBytes;
use perf_cache::tiered::{DiskTier, TieredCacheBuilder};
use perf_cache::{Cache, TieredCache};
use perf_core::{Clock, ManualClock};
use std::sync::Arc;
use store::Store;

pub(crate) type Texts = TieredCache<String, String>;

/// Over a store to which the calling thread writes, with a clock of its own.
pub(crate) fn prompt(store: &Arc<Store>) -> (TieredCacheBuilder<String, String>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let tier = Arc::new(DiskTier::prompt(Arc::clone(store) as _));
    (builder().tier(tier).clock(clock), hand)
}

/// Over a store that may wait.
pub(crate) fn waiting(store: &Arc<Store>) -> (TieredCacheBuilder<String, String>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (builder().disk(Arc::clone(store) as _).clock(clock), hand)
}

pub(crate) fn builder() -> TieredCacheBuilder<String, String> {
    Texts::builder().codec(RawBytes).memory(Cache::builder().max_entries(1_000)).key_text()
}

pub(crate) fn text(text: &str) -> String {
    text.to_owned()
}
