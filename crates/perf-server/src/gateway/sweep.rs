//! Frees memory that nobody asks for any more.

use perf_cache::Cache;
use std::hash::Hash;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Until told to stop, frees what has expired, what was invalidated, and what is above a bound that
/// was lowered.
///
/// The cache frees such entries by itself only as others come in; after the last request of the
/// day it would keep them all night.
pub(super) async fn run<K, V>(memory: Cache<K, V>, stop: CancellationToken)
where
    K: Hash + Eq,
{
    while stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        // In steps, so that requests on the same thread come in between.
        while memory.remove_expired(STEP) >= STEP
            || memory.remove_dead(STEP) >= STEP
            || memory.evict_excess(STEP) >= STEP
        {
            tokio::task::yield_now().await;
        }
    }
}

/// Expired entries cost memory only, so seconds do not matter.
const PAUSE: Duration = Duration::from_secs(10);
/// Entries freed at once.
const STEP: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use perf_core::Clock;

    #[tokio::test(start_paused = true)]
    async fn what_has_expired_goes_though_nobody_asks() {
        let (clock, hand) = Clock::manual();
        let memory = Cache::builder().max_entries(10_000).clock(clock).build().unwrap();
        for n in 0..2_000_u64 {
            memory.insert_with_ttl(n, n, Duration::from_secs(5));
        }
        memory.insert_with_ttl(2_000, 2_000, Duration::from_secs(500));
        let stop = CancellationToken::new();
        let sweeping = tokio::spawn(run(memory.clone(), stop.clone()));

        tokio::time::sleep(PAUSE * 3 / 2).await;
        assert_eq!(memory.len(), 2_001, "nothing has expired yet");
        hand.advance(Duration::from_secs(6));
        tokio::time::sleep(PAUSE).await;
        assert_eq!(memory.len(), 1);
        assert_eq!(memory.get(&2_000), Some(2_000));

        stop.cancel();
        sweeping.await.unwrap();
    }
}
