//! What threads do to one operation at the same time, in every order in which they may meet.
//!
//! The managers here are whole. Their tasks are on a tokio runtime of one thread, which one of the
//! model's threads turns by hand: it never sleeps, so that only loom decides who is next. Where
//! somebody waits who ought not to, nobody is left to go on, and loom says so.

mod answers;
mod doors;
mod tasks;

use crate::{Manager, ManagerBuilder};
use loom::sync::{Condvar, Mutex};
use perf_core::{Clock, Instant};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::runtime::{Builder, Runtime};

/// Runs a model in every order with at most so many turns that a thread did not ask for.
fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 50_000;
    builder.check(run);
}

/// Waits for an answer.
fn wait<F: Future>(future: F) -> F::Output {
    let signal = Arc::new(Signal { woken: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(Arc::clone(&signal));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
            return answer;
        }
        let mut woken = signal.woken.lock().unwrap();
        while !*woken {
            woken = signal.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A runtime that is turned by hand, and on whose clock no time passes by itself.
fn runtime() -> Arc<Runtime> {
    Arc::new(Builder::new_current_thread().enable_time().start_paused(true).build().unwrap())
}

/// Lets the tasks of a runtime go on, for a bounded time.
fn turn(runtime: &Runtime, times: usize) {
    runtime.block_on(async {
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    });
}

/// On a clock that stands still.
fn manager(set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Manager {
    let builder = Manager::builder().clock(Clock::from_fn(|| Instant::from_nanos(1)));
    set(builder).build().unwrap()
}

/// Nothing waits, runs or is being dropped, and all that was taken on has ended.
fn assert_idle(manager: &Manager) {
    let stats = manager.stats();
    assert_eq!((stats.pending, stats.running), (0, 0), "{stats:?}");
    let ended = stats.completed + stats.failed + stats.timed_out + stats.cancelled;
    assert_eq!(stats.submitted, ended, "{stats:?}");
    assert!(poll_once(&mut Box::pin(manager.shared.core.drained())).is_ready());
}

/// Counts how often something is dropped. Only a counter: loom's own would be a turn each.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn token(&self) -> Token {
        Token(self.clone())
    }
}

struct Token(Drops);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}
