//! What batches, retries and the lazy faces do when their callers go away at any await, and code of
//! the user's that panics or never gives way.

use crate::{Alive, assert_idle, give_up_after, manager, ms, nap, settle};
use perf_async::{
    Attempt, Batch, Lazy, Manager, Operation, OperationError, Page, PageRequest, Pages, Preloader,
    Retry,
};
use perf_core::Priority;
use perf_guard::Backoff;
use tokio::time::timeout;

async fn doubled(alive: Alive, items: Vec<u32>) -> Vec<Result<u32, OperationError>> {
    let _token = alive.token();
    nap(ms(5)).await;
    items.into_iter().map(|item| Ok(2 * item)).collect()
}

/// After each number of polls: the manager comes to rest, nothing is alive, and others go on.
async fn rests(manager: &Manager, alive: &Alive, polls: usize) {
    let after = manager.run(Operation::infallible("after", async { 7 }));
    assert_eq!(timeout(ms(1_000), after).await.unwrap().unwrap(), 7);
    let left = timeout(ms(10_000), manager.drain(ms(5_000))).await.unwrap();
    assert!(left.is_complete(), "after {polls} polls: {left:?}");
    settle().await;
    assert_eq!(alive.count(), 0, "after {polls} polls");
    assert_idle(manager);
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_its_source_may_be_dropped_at_every_await() {
    for (polls, inline) in (0..12).flat_map(|polls| [(polls, false), (polls, true)]) {
        let (manager, alive) = (manager(1), Alive::default());
        let counting = alive.clone();
        let backoff = Backoff::builder().base(ms(3)).cap(ms(3)).retries(1).build().unwrap();
        let flaky = Operation::retryable("flaky", move |attempt: Attempt| {
            let token = counting.token();
            async move {
                let _token = token;
                nap(ms(2)).await;
                if attempt.number() == 1 { Err("not yet") } else { Ok(1) }
            }
        });
        let flaky = flaky.retry(Retry::with_backoff(backoff)).fallback(|_| Some(2));
        if inline {
            give_up_after(polls, manager.run_answered(flaky), ms(1)).await;
        } else {
            give_up_after(polls, manager.submit(flaky).unwrap().answered(), ms(1)).await;
        }
        rests(&manager, &alive, polls).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_items_of_a_batch_may_be_dropped_at_every_await() {
    for (polls, cancels) in (0..10).flat_map(|polls| [(polls, false), (polls, true)]) {
        let (manager, alive) = (manager(1), Alive::default());
        let counting = alive.clone();
        let handler = move |items: Vec<u32>| doubled(counting.clone(), items);
        manager.enable_batching("double", Batch::natural(8), handler).unwrap();
        let others = manager.submit_items::<u32, _>("double", [1_u32, 2]).unwrap();
        let mut item = manager.submit_item::<u32, _>("double", 3_u32).unwrap();
        if cancels {
            item = item.cancel_on_drop();
        }
        give_up_after(polls, item, ms(2)).await;
        for (other, answer) in others.into_iter().zip([2, 4]) {
            assert_eq!(timeout(ms(1_000), other).await.unwrap().unwrap(), answer);
        }
        rests(&manager, &alive, polls).await;
    }
}

#[tokio::test(start_paused = true)]
async fn lazy_values_pages_and_preloads_may_be_dropped_at_every_await() {
    for polls in 0..10 {
        let (manager, alive) = (manager(1), Alive::default());
        let counting = alive.clone();
        let lazy = Lazy::new(&manager, "lazy", move || {
            let token = counting.token();
            async move {
                let _token = token;
                nap(ms(3)).await;
                Ok::<_, OperationError>(1)
            }
        });
        give_up_after(polls, lazy.get(), ms(1)).await;
        assert_eq!(timeout(ms(1_000), lazy.get()).await.unwrap().unwrap(), 1);

        let counting = alive.clone();
        let pages =
            Pages::builder(&manager, "pages").page_size(2).load(move |page: PageRequest| {
                let token = counting.token();
                async move {
                    let _token = token;
                    nap(ms(3)).await;
                    let end = (page.offset + 2).min(3);
                    Ok::<_, OperationError>(Page::new((page.offset.min(end)..end).collect()))
                }
            });
        let mut pages = pages.unwrap();
        give_up_after(polls, pages.next_page(), ms(1)).await;
        let mut rest = Vec::new();
        while let Some(page) = timeout(ms(1_000), pages.next_page()).await.unwrap().unwrap() {
            rest.extend(page);
        }
        // A page that was answered to the one who gave up is not answered again.
        assert!(rest == [0, 1, 2] || rest == [2], "{rest:?}");
        drop(pages);

        let preloader = Preloader::builder(&manager).build().unwrap();
        lazy.reset();
        preloader.register(&lazy, Priority::NORMAL).unwrap();
        preloader.start();
        give_up_after(polls, preloader.finished(), ms(1)).await;
        timeout(ms(1_000), preloader.finished()).await.unwrap();
        give_up_after(polls, manager.clone().drain(ms(50)), ms(1)).await;
        drop((preloader, lazy));
        let left = timeout(ms(10_000), manager.drain(ms(5_000))).await.unwrap();
        assert!(left.is_complete());
        settle().await;
        assert_eq!(alive.count(), 0);
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn stale_values_fallbacks_and_handlers_that_panic_harm_nobody() {
    let manager = manager(1);
    let fails = || Operation::new("fails", async { Err::<u32, _>("no") });
    let stale = || fails().stale(|| panic!("in stale"));
    for answer in [manager.run(stale()).await, manager.submit(stale()).unwrap().await] {
        assert!(answer.is_err());
    }
    let both = fails().fallback(|_| panic!("in fallback")).stale(|| Some(3));
    let both = manager.submit(both).unwrap().await;
    assert!(both.is_err() || both.unwrap() == 3);
    let handler = |items: Vec<u32>| -> std::future::Ready<Vec<Result<u32, OperationError>>> {
        panic!("with {} items", items.len())
    };
    manager.enable_batching("batch", Batch::natural(8), handler).unwrap();
    for item in manager.submit_items::<u32, _>("batch", [1_u32, 2, 3]).unwrap() {
        assert!(matches!(item.await, Err(OperationError::Failed(_) | OperationError::Panicked(_))));
    }
    assert_eq!(manager.run(Operation::infallible("next", async { 1 })).await.unwrap(), 1);
    assert_idle(&manager);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_gives_way_leaves_the_other_thread_to_the_rest() {
    let manager = manager(2);
    let (go, stop) = std::sync::mpsc::channel::<()>();
    let stop = std::sync::Mutex::new(stop);
    let stuck = Operation::infallible("stuck", async move {
        // Holds its thread until the others are done.
        let _ = stop.lock().unwrap().recv();
    });
    let stuck = manager.submit(stuck.timeout(std::time::Duration::MAX)).unwrap();
    let others = manager.clone();
    let others = tokio::spawn(async move {
        for i in 0..500_u32 {
            let work = async move {
                tokio::task::yield_now().await;
                i
            };
            assert_eq!(others.submit(Operation::infallible("w", work)).unwrap().await.unwrap(), i);
        }
    });
    others.await.unwrap();
    go.send(()).unwrap();
    stuck.await.unwrap();
    assert_idle(&manager);
}
