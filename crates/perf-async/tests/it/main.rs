//! The manager as its users see it. Time is tokio's paused clock.

#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is a failed test")]

mod adaptive;
mod attempts;
mod batching;
mod by_id;
mod cancelling;
mod closing;
mod destructors;
mod faults;
mod freed;
mod going_away;
mod keeping;
mod kinds;
mod knobs;
#[cfg(feature = "lanes")]
mod lanes;
#[cfg(feature = "tower")]
mod layer;
mod lazy;
mod limits;
mod order;
mod pages;
mod pools;
mod preloading;
mod random;
mod room;
mod sharing;
#[cfg(feature = "test-queue")]
mod test_queue;
mod threads;
mod timeouts;

use perf_async::{AsyncStats, Manager};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

fn manager(concurrent: usize) -> Manager {
    Manager::builder().max_concurrent(concurrent).build().unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Sleeps from its first poll on, unlike tokio's `sleep`, which counts from when it is made.
async fn nap(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Lets every task that can go on do so, without moving the clock.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future so many times, with that time in between, and drops it. Answers whether it had
/// answered by then.
async fn give_up_after<F: Future>(polls: usize, future: F, pause: Duration) -> bool {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        if polled {
            return true;
        }
        settle().await;
        tokio::time::advance(pause).await;
        settle().await;
    }
    false
}

/// Everything taken on has ended, waits or runs.
fn assert_balanced(stats: &AsyncStats) {
    let ended = stats.completed + stats.failed + stats.timed_out + stats.cancelled;
    assert_eq!(stats.submitted, ended + (stats.pending + stats.running) as u64, "{stats:?}");
}

/// Nothing waits or runs, and everything taken on has ended.
fn assert_idle(manager: &Manager) {
    let stats = manager.stats();
    assert_eq!((stats.pending, stats.running), (0, 0), "{stats:?}");
    assert_balanced(&stats);
}

/// Counts how many are alive, to see whether futures are dropped.
#[derive(Clone, Debug, Default)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn token(&self) -> Token {
        self.0.fetch_add(1, Ordering::SeqCst);
        Token(self.clone())
    }
}

#[derive(Debug)]
struct Token(Alive);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
