//! A tier over a Redis that each test starts for itself.

mod caches;
mod cluster;
mod faults;
mod leasing;
mod many;
mod nodes;
mod proxy;
mod server;
mod shared;
mod tier;
#[cfg(feature = "redis-tls")]
mod tls;

use perf_cache::remote::{RedisTier, RedisTierBuilder};
use perf_cache::tiered::TieredCacheBuilder;
use perf_core::{Clock, ManualClock};
use server::Server;
use std::sync::Arc;
use std::time::Duration;

/// Nothing is to take that long, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Short, for what is to hang.
const SHORT: Duration = Duration::from_millis(100);

fn patient(server: &Server) -> RedisTierBuilder {
    RedisTier::builder(server.url()).deadline(PATIENCE).connect_timeout(PATIENCE)
}

/// A cache of nothing but the tier, with a clock of its own, which the tier shares.
fn over(
    tier: RedisTierBuilder,
) -> (Arc<RedisTier>, TieredCacheBuilder<String, String>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let tier = Arc::new(tier.clock(clock.clone()).build().unwrap());
    let builder = super::tiered::builder().without_memory().tier(Arc::clone(&tier) as _);
    (tier, builder.clock(clock), hand)
}
