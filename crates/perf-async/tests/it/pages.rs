use crate::{assert_idle, give_up_after, manager, ms, nap, settle};
use perf_async::{Manager, Operation, OperationError, Page, PageRequest, Pages, PagesBuilder};
use perf_core::Priority;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::time::{advance, sleep};

/// A list of the numbers below `length`, each page of which takes 10 ms; notes which were begun.
fn numbers(builder: PagesBuilder, length: u64) -> (Pages<u64>, Arc<Mutex<Vec<u64>>>) {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&begun);
    let pages = builder.load(move |request: PageRequest| {
        noted.lock().unwrap().push(request.page);
        async move {
            sleep(ms(10)).await;
            let end = length.min(request.offset + request.size as u64);
            Ok::<_, OperationError>(Page::new((request.offset.min(end)..end).collect()))
        }
    });
    (pages.unwrap(), begun)
}

async fn read(pages: &mut Pages<u64>) -> Vec<u64> {
    let mut items = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        items.extend(page);
    }
    items
}

#[tokio::test(start_paused = true)]
async fn all_items_come_once_and_in_order() {
    for (length, size, ahead) in [(0, 3, 2), (7, 3, 0), (9, 3, 2), (10, 3, 64), (5, 50, 1)] {
        let manager = manager(3);
        let builder = Pages::builder(&manager, "numbers").page_size(size).read_ahead(ahead);
        let (mut pages, _) = numbers(builder, length);
        assert!(pages.has_more());
        assert_eq!(read(&mut pages).await, (0..length).collect::<Vec<_>>());
        assert!(!pages.has_more());
        assert_eq!(pages.next_page().await.unwrap(), None);
        assert_eq!(pages.stats().items, length);
        settle().await;
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn pages_are_loaded_ahead_but_no_more_than_allowed() {
    let manager = manager(8);
    let builder = Pages::builder(&manager, "numbers").page_size(2).read_ahead(3);
    let (mut pages, begun) = numbers(builder, 1_000);
    settle().await;
    assert!(begun.lock().unwrap().is_empty()); // Nothing before somebody asks.
    assert_eq!(pages.next_page().await.unwrap(), Some(vec![0, 1]));
    advance(ms(1_000)).await;
    settle().await;
    assert_eq!(*begun.lock().unwrap(), [0, 1, 2, 3, 4]);
    // What is there already answers at once, and starts the next.
    assert_eq!(pages.next_page().await.unwrap(), Some(vec![2, 3]));
    settle().await;
    assert_eq!(begun.lock().unwrap().len(), 5 + 1);
    let stats = pages.stats();
    assert_eq!((stats.pages, stats.hits, stats.loads), (2, 1, 6));
    assert_eq!(pages.next_number(), 2);
    drop(pages);
    settle().await;
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_page_somebody_waits_for_is_lifted() {
    let manager = manager(1);
    let builder = Pages::builder(&manager, "numbers").page_size(2).priority(Priority::HIGHEST);
    let (mut pages, _) = numbers(builder, 10);
    pages.next_page().await.unwrap();
    settle().await;
    // The next page runs ahead; the one behind it will wait behind other work.
    let other = manager.submit(Operation::infallible("other", nap(ms(10)))).unwrap();
    pages.next_page().await.unwrap();
    settle().await;
    assert_eq!(manager.pending()[0].priority, Priority::LOWEST);
    assert_eq!(pages.next_page().await.unwrap(), Some(vec![4, 5]));
    assert!(other.is_finished());
    // Two wait, and the page asked for goes first.
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(5)))).unwrap();
    pages.next_page().await.unwrap();
    let other = manager.submit(Operation::infallible("other", nap(ms(10)))).unwrap();
    assert_eq!(pages.next_page().await.unwrap(), Some(vec![8, 9]));
    assert!(!other.is_finished());
    blocking.await.unwrap();
    other.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_error_belongs_to_its_page_which_is_tried_again() {
    let manager = manager(4);
    let tries = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&tries);
    let mut pages = Pages::builder(&manager, "shaky")
        .page_size(1)
        .read_ahead(2)
        .load(move |request| {
            let counter = Arc::clone(&counter);
            async move {
                if request.page == 1 && counter.fetch_add(1, Ordering::SeqCst) < 2 {
                    return Err("no connection");
                }
                Ok(Page::new(vec![request.page]).has_more(request.page < 3))
            }
        })
        .unwrap();
    assert_eq!(pages.next_page().await.unwrap(), Some(vec![0]));
    for _ in 0..2 {
        let error = pages.next_page().await.unwrap_err();
        assert!(matches!(error, OperationError::Failed(e) if e.to_string() == "no connection"));
        assert_eq!(pages.next_number(), 1);
    }
    for number in 1..4 {
        assert_eq!(pages.next_page().await.unwrap(), Some(vec![number]));
    }
    assert_eq!(pages.next_page().await.unwrap(), None);
    let stats = pages.stats();
    // Pages 4 and 5 were begun ahead of knowing that page 3 is the last.
    assert_eq!((stats.pages, stats.failures, stats.loads, stats.wasted), (4, 2, 8, 2));
    settle().await;
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_loaded_behind_a_known_total() {
    let manager = manager(4);
    let loads = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&loads);
    let mut pages = Pages::builder(&manager, "known")
        .page_size(2)
        .read_ahead(0)
        .load(move |request| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { Ok::<_, OperationError>(Page::new(vec![request.page; 2]).total(4)) }
        })
        .unwrap();
    assert_eq!(pages.total(), None);
    while pages.next_page().await.unwrap().is_some() {
        assert_eq!(pages.total(), Some(4));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2); // The last page is full, and still the last.
    assert_eq!(pages.stats().wasted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_at_any_await_loses_no_page() {
    for polls in 0..6 {
        let manager = manager(1);
        let builder = Pages::builder(&manager, "numbers").page_size(2).read_ahead(1);
        let (mut pages, _) = numbers(builder, 5);
        let mut items = pages.next_page().await.unwrap().unwrap();
        let mut given_up = false;
        // Given up over and over, with a poll more each time.
        for more in 0..polls {
            given_up |= !give_up_after(more, pages.next_page(), ms(4)).await;
            if pages.next_number() > 1 {
                break;
            }
        }
        let answered = pages.next_number() > 1;
        items.extend(read(&mut pages).await);
        let lost = if answered { 2 } else { 0 }; // Answered to one who dropped the answer.
        assert_eq!(items.len(), 5 - lost, "after {polls} polls, {given_up}");
        settle().await;
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_answered_and_the_page_comes_later() {
    let manager = Manager::builder().max_concurrent(1).queue_limit(0).build().unwrap();
    let builder = Pages::builder(&manager, "numbers").page_size(2).read_ahead(2);
    let (mut pages, _) = numbers(builder, 3);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    assert!(matches!(pages.next_page().await, Err(OperationError::Overloaded(_))));
    blocking.await.unwrap();
    // With one place and no queue nothing can be loaded ahead, and nothing is lost.
    assert_eq!(read(&mut pages).await, [0, 1, 2]);
    assert!(pages.stats().turned_away > 1);
    settle().await;
    assert_idle(&manager);
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let manager = manager(1);
    let builder = || Pages::builder(&manager, "numbers");
    for builder in
        [builder().page_size(0), builder().page_size(1_000_001), builder().read_ahead(65)]
    {
        let load = |_| async { Ok::<_, OperationError>(Page::new(vec![0])) };
        assert!(builder.load(load).is_err());
    }
}

#[cfg(feature = "stream")]
#[tokio::test(start_paused = true)]
async fn it_is_a_stream() {
    use futures_core::Stream;
    use std::future::poll_fn;
    use std::pin::Pin;

    let manager = manager(2);
    let (mut pages, _) = numbers(Pages::builder(&manager, "numbers").page_size(4), 6);
    let mut items = Vec::new();
    while let Some(page) = poll_fn(|cx| Pin::new(&mut pages).poll_next(cx)).await {
        items.extend(page.unwrap());
    }
    assert_eq!(items, [0, 1, 2, 3, 4, 5]);
}
