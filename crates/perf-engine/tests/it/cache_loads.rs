//! Loads of a cache that run as operations of a manager.

use perf_async::{Manager, Operation};
use perf_cache::{Cache, Terms};
use perf_core::{Clock, Priority};
use perf_engine::CacheLoads;
use std::time::Duration;
use tokio::sync::oneshot;

#[tokio::test(start_paused = true)]
async fn what_is_loaded_behind_a_value_is_an_operation_that_gives_way() {
    let manager = Manager::builder().max_concurrent(1).build().unwrap();
    let (clock, hand) = Clock::manual();
    let cache: Cache<u32, u32> = Cache::builder()
        .max_entries(10)
        .time_to_live(Duration::from_secs(60))
        .refresh_after(Duration::from_secs(10))
        .spawner(CacheLoads::ahead(&manager))
        .clock(clock)
        .build()
        .unwrap();
    let load = async |value| {
        cache
            .fetch_async(1, async move { Ok::<_, std::io::Error>((value, Terms::new())) })
            .await
            .unwrap()
    };
    assert_eq!(load(1).await, 1);

    let (release, released) = oneshot::channel::<()>();
    let holder =
        manager.submit(Operation::infallible("hold", async move { drop(released.await) })).unwrap();
    hand.advance(Duration::from_secs(11));
    let before = load(2).await;
    assert_eq!(before, 1, "it is answered at once, and loads behind");
    let waiting = manager.pending();
    assert_eq!(waiting.len(), 1);
    assert_eq!((&*waiting[0].kind, waiting[0].priority), ("preload", Priority::LOWEST));

    release.send(()).unwrap();
    holder.await.unwrap();
    while manager.stats().completed < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.get(&1), Some(2));
}
