//! A load in flight, and those who wait for it.
//!
//! Waiting is written once, as a future with its own list of wakers; a synchronous caller drives
//! that future on its own thread. So both kinds of caller can wait for each other, on any runtime.

#[cfg(all(test, perf_loom))]
mod loom_models;

use super::scope::LeaderId;
use crate::invalidation::Fence;
use crate::sync::{Mutex, MutexGuard};
use perf_core::{Clock, Instant};
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// One run of a loader, for one key.
pub(crate) struct Load<V> {
    state: Mutex<State<V>>,
    leader: LeaderId,
    fence: Fence,
}

struct State<V> {
    /// Shared: cloning a value is the caller's code, which must not run under the lock.
    outcome: Option<Arc<Outcome<V>>>,
    /// One place for each waiter; a waiter that gives up leaves its place to another.
    places: Vec<Option<Waker>>,
    vacant: Vec<usize>,
}

/// How a load ended.
#[derive(Debug)]
pub(crate) enum Outcome<V> {
    Value(V),
    /// A value that is not kept: something was invalidated while it was being loaded. It is for
    /// those only who asked before that.
    Outdated(V),
    /// The loader says that there is none.
    Absent,
    /// An `Arc<E>`, for those waiters who asked for the same `E`.
    Failed(Arc<dyn Any + Send + Sync>),
    /// The loader panicked or was cancelled: a waiter takes over.
    Abandoned,
}

impl<V> Load<V> {
    pub(crate) fn new(leader: LeaderId, fence: Fence) -> Load<V> {
        let state = State { outcome: None, places: Vec::new(), vacant: Vec::new() };
        Load { state: Mutex::new(state), leader, fence }
    }

    /// What its value may be older than.
    pub(crate) const fn fence(&self) -> Fence {
        self.fence
    }

    /// Who runs the loader.
    pub(crate) const fn leader(&self) -> LeaderId {
        self.leader
    }

    /// Tells everybody how it ended. Only the first call counts.
    ///
    /// # Panics
    ///
    /// With the first panic of a waker, once all of them were called; not during another panic.
    pub(crate) fn settle(&self, outcome: Outcome<V>) {
        let outcome = Arc::new(outcome);
        let mut state = self.lock();
        if state.outcome.is_some() {
            drop(state);
            return;
        }
        state.outcome = Some(outcome);
        let places = std::mem::take(&mut state.places);
        drop(state);
        wake_all(places);
    }

    /// Waits on this thread, until `deadline` if there is one: then `None`.
    pub(crate) fn wait(&self, deadline: Option<Instant>, clock: &Clock) -> Option<Arc<Outcome<V>>> {
        let mut join = pin!(self.join());
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(outcome) = join.as_mut().poll(&mut context) {
                return Some(outcome);
            }
            let Some(deadline) = deadline else {
                thread::park();
                continue;
            };
            let left = deadline - clock.now();
            if left.is_zero() {
                return None;
            }
            // Another clock than the system's may be slower or faster: it is asked again after.
            thread::park_timeout(left);
        }
    }

    /// Waits as a future.
    pub(crate) const fn join(&self) -> Join<'_, V> {
        Join { load: self, place: None }
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        // Nothing that panics runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes everybody, whatever a waker does.
fn wake_all(places: Vec<Option<Waker>>) {
    let mut first = None;
    for waker in places.into_iter().flatten() {
        // Whether a waker leaves itself whole is its own affair: it is called no more.
        let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        first = first.or(woken.err());
    }
    // A second panic would end the process.
    if let Some(panic) = first
        && !thread::panicking()
    {
        resume_unwind(panic);
    }
}

/// Answers how a load ended, once it has.
pub(crate) struct Join<'a, V> {
    load: &'a Load<V>,
    place: Option<usize>,
}

impl<V> Future for Join<'_, V> {
    type Output = Arc<Outcome<V>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Arc<Outcome<V>>> {
        let load = self.load;
        // Cloned before the lock is taken: a waker's code is not ours.
        let waker = context.waker().clone();
        let mut state = load.lock();
        if let Some(outcome) = &state.outcome {
            let outcome = Arc::clone(outcome);
            drop(state);
            return Poll::Ready(outcome);
        }
        let place = self.place.or_else(|| state.vacant.pop());
        let place = place.unwrap_or_else(|| {
            state.places.push(None);
            state.places.len() - 1
        });
        let old = state.places[place].replace(waker);
        drop(state);
        self.place = Some(place);
        // It may be the last hold on a task that waits for this load as well, and leaves now.
        drop(old);
        Poll::Pending
    }
}

impl<V> Drop for Join<'_, V> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut state = self.load.lock();
            // Gone already where the load has been settled.
            let waker = state.places.get_mut(place).and_then(Option::take);
            if waker.is_some() {
                state.vacant.push(place);
            }
            drop(state);
            drop(waker);
        }
    }
}

/// Wakes a thread.
pub(super) struct Unpark(pub(super) Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn load<V>() -> Load<V> {
        Load::new(LeaderId::new(), Fence::default())
    }

    #[test]
    fn a_waiter_that_gives_up_leaves_its_place() {
        let load = load::<u8>();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            assert!(pin!(load.join()).poll(&mut context).is_pending());
        }
        assert_eq!(load.lock().places.len(), 1);
    }

    #[test]
    fn a_waker_is_dropped_outside_of_the_lock() {
        /// The last hold on a task that waits for the load itself.
        struct Task(Arc<Load<u8>>);
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        impl Drop for Task {
            fn drop(&mut self) {
                assert!(self.0.state.try_lock().is_ok(), "it could not leave");
            }
        }
        let load = Arc::new(load());
        let mut join = pin!(load.join());
        for _ in 0..3 {
            let waker = Waker::from(Arc::new(Task(Arc::clone(&load))));
            assert!(join.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_asleep() {
        struct Broken;
        impl Wake for Broken {
            fn wake(self: Arc<Self>) {
                panic!("the executor is gone");
            }
        }
        struct Woken(AtomicUsize);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let load = load::<u8>();
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let good = Waker::from(Arc::clone(&woken));
        let bad = Waker::from(Arc::new(Broken));
        let mut joins: Vec<_> = (0..6).map(|_| Box::pin(load.join())).collect();
        for (n, join) in joins.iter_mut().enumerate() {
            let waker = if n % 3 == 0 { &bad } else { &good };
            assert!(join.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        }
        let settled = catch_unwind(AssertUnwindSafe(|| load.settle(Outcome::Value(1))));
        assert!(settled.is_err(), "the panic is surfaced");
        assert_eq!(woken.0.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn waiters_on_threads_and_in_futures_learn_the_same() {
        let load = load();
        let mut future = pin!(load.join());
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        let is_seven = |outcome: &Outcome<i32>| matches!(outcome, Outcome::Value(7));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| is_seven(&load.wait(None, &Clock::system()).unwrap()));
            load.settle(Outcome::Value(7));
            load.settle(Outcome::Value(8));
            assert!(waiting.join().unwrap());
        });
        match future.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => assert!(is_seven(&outcome)),
            Poll::Pending => panic!("it has ended"),
        }
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let load = load::<u8>();
        let (clock, hand) = Clock::manual();
        let deadline = clock.now() + Duration::from_millis(1);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| load.wait(Some(deadline), &clock).is_none());
            while load.lock().places.is_empty() {
                thread::yield_now();
            }
            hand.advance(Duration::from_millis(1));
            assert!(waiting.join().unwrap());
        });
        assert!(load.wait(Some(deadline), &clock).is_none());
        load.settle(Outcome::Absent);
        assert!(load.wait(Some(deadline), &clock).is_some());
    }
}
