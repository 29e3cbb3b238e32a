use crate::{Alive, assert_idle, give_up_after, manager, ms, nap, settle};
use perf_async::{Lazy, LazyState, Manager, Operation, OperationError, TimeoutClock};
use perf_core::Priority;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::{advance, sleep};

/// Counts its loads, each of which takes 10 ms and answers the count.
fn counting(manager: &Manager) -> (Lazy<u32>, Arc<AtomicU32>) {
    let loads = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&loads);
    let lazy = Lazy::new(manager, "number", move || {
        let counter = Arc::clone(&counter);
        async move {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(ms(10)).await;
            Ok::<_, OperationError>(number)
        }
    });
    (lazy, loads)
}

#[tokio::test(start_paused = true)]
async fn it_is_loaded_once_when_somebody_asks() {
    let manager = manager(4);
    let (lazy, loads) = counting(&manager);
    assert_eq!(lazy.try_get(), None);
    settle().await;
    assert_eq!(loads.load(Ordering::SeqCst), 0);
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let lazy = lazy.clone();
            tokio::spawn(async move { lazy.get().await })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap(), 1);
    }
    assert_eq!(lazy.get().await.unwrap(), 1);
    assert_eq!(lazy.try_get(), Some(1));
    let stats = lazy.stats();
    assert_eq!((stats.gets, stats.hits, stats.loads, stats.failures), (11, 2, 1, 0));
    assert_eq!(stats.state, LazyState::Ready);
    assert_eq!(stats.load_duration, Some(ms(10)));
    assert_eq!(manager.stats().submitted, 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_not_kept() {
    let manager = manager(1);
    let tries = AtomicU32::new(0);
    let lazy = Lazy::new(&manager, "shaky", move || {
        let number = tries.fetch_add(1, Ordering::SeqCst);
        async move { if number == 0 { Err("not yet") } else { Ok(number) } }
    });
    let error = lazy.get().await.unwrap_err();
    assert!(matches!(error, OperationError::Failed(e) if e.to_string() == "not yet"));
    let stats = lazy.stats();
    assert_eq!((stats.state, stats.failures), (LazyState::Empty, 1));
    assert_eq!(stats.last_error.as_deref(), Some("not yet"));
    assert_eq!(lazy.get().await.unwrap(), 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_error_can_be_kept_for_a_time() {
    let manager = manager(1);
    let lazy = Lazy::builder(&manager, "gone")
        .keep_errors(Duration::from_secs(1))
        .load(|| async { Err::<u32, _>("no such table") });
    assert!(lazy.get().await.is_err());
    assert!(lazy.get().await.is_err());
    assert_eq!((lazy.stats().loads, lazy.stats().state), (1, LazyState::Failed));
    advance(ms(999)).await;
    assert!(lazy.get().await.is_err());
    assert_eq!(lazy.stats().loads, 1);
    advance(ms(1)).await;
    assert_eq!(lazy.stats().state, LazyState::Empty);
    assert!(lazy.get().await.is_err());
    assert_eq!(lazy.stats().loads, 2);
    // A reset forgets an error too.
    assert!(!lazy.reset());
    assert!(lazy.get().await.is_err());
    assert_eq!(lazy.stats().loads, 3);
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_value_is_not_kept_as_an_error() {
    let manager = Manager::builder().max_concurrent(1).queue_limit(0).build().unwrap();
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let lazy = Lazy::builder(&manager, "number")
        .keep_errors(Duration::MAX)
        .load(|| async { Ok::<_, OperationError>(1) });
    assert!(matches!(lazy.get().await, Err(OperationError::Overloaded(_))));
    manager.set_queue_limit(1);
    let late = Lazy::builder(&manager, "late")
        .keep_errors(Duration::MAX)
        .queue_timeout(ms(5))
        .load(|| async { Ok::<_, OperationError>(2) });
    let error = late.get().await.unwrap_err();
    assert!(matches!(error, OperationError::TimedOut { clock: TimeoutClock::Queue, .. }));
    blocking.await.unwrap();
    assert_eq!(lazy.get().await.unwrap(), 1);
    assert_eq!(late.get().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_or_takes_too_long_is_tried_again() {
    let manager = manager(1);
    let tries = AtomicU32::new(0);
    let lazy = Lazy::builder(&manager, "stubborn").timeout(ms(50)).load(move || {
        let number = tries.fetch_add(1, Ordering::SeqCst);
        assert_ne!(number, 0, "boom");
        async move {
            if number == 1 {
                sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, OperationError>(number)
        }
    });
    assert!(matches!(lazy.get().await, Err(OperationError::Panicked(_))));
    let error = lazy.get().await.unwrap_err();
    assert!(matches!(error, OperationError::TimedOut { clock: TimeoutClock::Run, .. }));
    assert_eq!(lazy.get().await.unwrap(), 2);
    let stats = lazy.stats();
    assert_eq!((stats.loads, stats.failures), (3, 2));
    assert_eq!(stats.last_error.as_deref(), Some("panicked, or stopped midway"));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_before_a_reset_is_not_kept() {
    let manager = manager(4);
    let (lazy, loads) = counting(&manager);
    let before = {
        let lazy = lazy.clone();
        tokio::spawn(async move { lazy.get().await })
    };
    settle().await;
    assert!(!lazy.reset());
    // Nobody joins the old load; those who wait for it get its value.
    assert_eq!(lazy.get().await.unwrap(), 2);
    assert_eq!(before.await.unwrap().unwrap(), 1);
    assert_eq!(lazy.get().await.unwrap(), 2);
    assert!(lazy.reset());
    assert_eq!(lazy.get().await.unwrap(), 3);
    assert_eq!((loads.load(Ordering::SeqCst), lazy.stats().resets), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn one_who_asks_goes_before_other_work() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let other = manager.submit(Operation::infallible("other", nap(ms(10)))).unwrap();
    let (lazy, _) = counting(&manager);
    let asked = {
        let lazy = lazy.clone();
        tokio::spawn(async move { lazy.get().await })
    };
    settle().await;
    let levels: HashSet<_> = manager.pending().iter().map(|one| one.priority.level()).collect();
    assert_eq!(levels, HashSet::from([5, 9]));
    blocking.await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), 1);
    assert!(!other.is_finished());
    other.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_at_any_await_leaves_the_load_to_go_on() {
    for polls in 0..8 {
        let manager = manager(1);
        let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
        let (lazy, loads) = counting(&manager);
        let answered = give_up_after(polls, lazy.get(), ms(4)).await;
        assert_eq!(lazy.get().await.unwrap(), 1, "after {polls} polls");
        // One who was never polled has asked for nothing.
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert_eq!(lazy.stats().gets, 1 + u64::from(polls > 0));
        assert_eq!(answered, polls > 6, "after {polls} polls");
        blocking.await.unwrap();
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_cancelled_is_dropped_and_tried_again() {
    let manager = manager(1);
    let alive = Alive::default();
    let tokens = alive.clone();
    let lazy = Lazy::builder(&manager, "slow").kind("tables").load(move || {
        let token = tokens.token();
        async move {
            let _token = token;
            sleep(ms(10)).await;
            Ok::<_, OperationError>(Arc::new([1, 2, 3]))
        }
    });
    let asked = {
        let lazy = lazy.clone();
        tokio::spawn(async move { lazy.get().await })
    };
    settle().await;
    assert_eq!((alive.count(), lazy.stats().state), (1, LazyState::Loading));
    let running = manager.running();
    assert_eq!((running.len(), &*running[0].kind), (1, "tables"));
    manager.cancel(running[0].id);
    assert!(matches!(asked.await.unwrap(), Err(OperationError::Cancelled)));
    assert_eq!((alive.count(), lazy.stats().state), (0, LazyState::Empty));
    assert_eq!(lazy.get().await.unwrap()[2], 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_copied_harms_only_the_one_who_asks() {
    struct Shy;
    impl Clone for Shy {
        fn clone(&self) -> Shy {
            panic!("I am unique");
        }
    }
    let manager = manager(1);
    let lazy = Lazy::new(&manager, "shy", || async { Ok::<_, OperationError>(Shy) });
    for _ in 0..2 {
        let lazy = lazy.clone();
        assert!(
            tokio::spawn(async move { lazy.get().await.is_ok() }).await.unwrap_err().is_panic()
        );
    }
    assert_eq!(lazy.stats().state, LazyState::Ready);
    let run = manager.run(Operation::infallible("other", async { 1 }).priority(Priority::LOWEST));
    assert_eq!(run.await.unwrap(), 1);
    assert_idle(&manager);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_on_several_threads_load_it_once() {
    let manager = manager(4);
    for _ in 0..500 {
        let loads = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&loads);
        let lazy = Lazy::new(&manager, "number", move || {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok::<_, OperationError>(number) }
        });
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let lazy = lazy.clone();
                tokio::spawn(async move { lazy.get().await })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap().unwrap(), 1);
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }
}
