//! Waiting for what another thread does, as a future that any runtime can poll and that a thread
//! can wait for.

use perf_core::{Clock, Instant};
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// Something that will be known once.
#[derive(Debug)]
pub(super) struct Promise<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
enum State<T> {
    Open(Vec<Waker>),
    Kept(T),
}

impl<T: Clone> Promise<T> {
    pub(super) fn new() -> Arc<Promise<T>> {
        Arc::new(Promise { state: Mutex::new(State::Open(Vec::new())) })
    }

    /// Tells everybody. Only the first call counts; answers whether this was it.
    pub(super) fn keep(&self, answer: T) -> bool {
        let mut state = lock(&self.state);
        if matches!(*state, State::Kept(_)) {
            return false;
        }
        let State::Open(wakers) = std::mem::replace(&mut *state, State::Kept(answer)) else {
            return false;
        };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    /// The answer, or `None` if it is not there by the deadline.
    pub(super) fn wait<'a>(
        self: &Arc<Promise<T>>,
        deadline: Option<Instant>,
        timers: &'a Timers,
    ) -> Wait<'a, T> {
        Wait { promise: Arc::clone(self), deadline, alarm: timers.alarm() }
    }

    #[cfg(test)]
    pub(super) fn peek(&self) -> Option<T> {
        match &*lock(&self.state) {
            State::Kept(answer) => Some(answer.clone()),
            State::Open(_) => None,
        }
    }
}

/// A wait for a [`Promise`].
#[derive(Debug)]
pub(super) struct Wait<'a, T> {
    promise: Arc<Promise<T>>,
    deadline: Option<Instant>,
    alarm: Alarm<'a>,
}

impl<T: Clone> Future for Wait<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = context.waker().clone();
        let mut state = lock(&self.promise.state);
        match &mut *state {
            State::Kept(answer) => return Poll::Ready(Some(answer.clone())),
            State::Open(wakers) => {
                if !wakers.iter().any(|known| known.will_wake(&waker)) {
                    wakers.push(waker);
                }
            }
        }
        drop(state);
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if self.alarm.timers.clock.now() >= deadline {
            return Poll::Ready(None);
        }
        self.alarm.set(deadline, context.waker());
        Poll::Pending
    }
}

/// Runs a future to its end on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    // Most have nothing to wait for.
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
        return answer;
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wakes at deadlines. One thread, which begins with the first and ends when it has none for a
/// while: time-outs are for what is slow, so nobody minds the start.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    heap: Mutex<Heap>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Heap {
    timers: BinaryHeap<Timer>,
    is_running: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Timer {
    at: Instant,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Timer) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Timer) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    /// The earliest is the greatest: it is to be on top.
    fn cmp(&self, other: &Timer) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

impl Timers {
    pub(super) fn new(clock: Clock) -> Timers {
        Timers { clock, shared: Arc::default() }
    }

    pub(super) const fn alarm(&self) -> Alarm<'_> {
        Alarm { timers: self, is_set_for: None }
    }

    /// The waker must not run anybody else's code, and not for long.
    pub(super) fn wake_at(&self, at: Instant, waker: &Waker) {
        let timer = Timer { at, waker: waker.clone() };
        let mut heap = lock(&self.shared.heap);
        heap.timers.push(timer);
        if !heap.is_running {
            heap.is_running = true;
            let (shared, clock) = (Arc::clone(&self.shared), self.clock.clone());
            let spawned = thread::Builder::new()
                .name("cache-timer".to_owned())
                .spawn(move || shared.run(&clock));
            heap.is_running = spawned.is_ok();
        }
        drop(heap);
        self.shared.changed.notify_one();
    }
}

/// What wakes one future at one deadline, set once however often that is polled: one of many that
/// wait together is polled for each of them.
#[derive(Debug)]
pub(super) struct Alarm<'a> {
    timers: &'a Timers,
    is_set_for: Option<Waker>,
}

impl Alarm<'_> {
    pub(super) fn set(&mut self, at: Instant, waker: &Waker) {
        if !self.is_set_for.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.timers.wake_at(at, waker);
            self.is_set_for = Some(waker.clone());
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        lock(&self.shared.heap).is_over = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn run(&self, clock: &Clock) {
        let mut heap = lock(&self.heap);
        loop {
            let now = clock.now();
            let mut due = Vec::new();
            while heap.timers.peek().is_some_and(|timer| timer.at <= now) {
                due.extend(heap.timers.pop());
            }
            if !due.is_empty() {
                drop(heap);
                due.into_iter().for_each(|timer| timer.waker.wake());
                heap = lock(&self.heap);
                continue;
            }
            if heap.is_over {
                return;
            }
            // Another clock than the system's may be faster: it is asked again now and then.
            let left = heap.timers.peek().map_or(IDLE, |timer| (timer.at - now).min(LOOK_AGAIN));
            let (next, waited) =
                self.changed.wait_timeout(heap, left).unwrap_or_else(PoisonError::into_inner);
            heap = next;
            if waited.timed_out() && heap.timers.is_empty() {
                heap.is_running = false;
                return;
            }
        }
    }
}

/// How long the thread stays without anything to do.
const IDLE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What may panic runs outside of the locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_kept_once_and_told_to_all() {
        let timers = Timers::new(Clock::system());
        let promise = Promise::new();
        thread::scope(|scope| {
            let waits: Vec<_> =
                (0..3).map(|_| scope.spawn(|| block_on(promise.wait(None, &timers)))).collect();
            assert!(promise.keep(1) && !promise.keep(2));
            for wait in waits {
                assert_eq!(wait.join().unwrap(), Some(1));
            }
        });
        assert_eq!(promise.peek(), Some(1));
    }

    #[test]
    fn a_wait_ends_at_its_deadline_by_the_clock_that_it_was_given() {
        let (clock, hand) = Clock::manual();
        let timers = Timers::new(clock.clone());
        let promise = Promise::<u8>::new();
        let deadline = clock.now() + Duration::from_millis(5);
        thread::scope(|scope| {
            let wait = scope.spawn(|| block_on(promise.wait(Some(deadline), &timers)));
            while !lock(&timers.shared.heap).is_running {
                thread::yield_now();
            }
            assert!(!wait.is_finished());
            hand.advance(Duration::from_millis(5));
            assert_eq!(wait.join().unwrap(), None);
        });
        assert_eq!(block_on(promise.wait(Some(deadline), &timers)), None);
        promise.keep(3);
        assert_eq!(block_on(promise.wait(Some(deadline), &timers)), Some(3));
    }

    #[test]
    fn however_often_a_wait_is_polled_it_has_one_timer() {
        let (clock, hand) = Clock::manual();
        let timers = Timers::new(clock.clone());
        let promise = Promise::<u8>::new();
        let deadline = clock.now() + Duration::from_millis(5);
        let mut wait = pin!(promise.wait(Some(deadline), &timers));
        let wakers: [Waker; 2] =
            std::array::from_fn(|_| Arc::new(Unpark(thread::current())).into());
        for waker in &wakers {
            for _ in 0..100 {
                let mut context = Context::from_waker(waker);
                assert!(wait.as_mut().poll(&mut context).is_pending());
            }
        }
        assert_eq!(lock(&timers.shared.heap).timers.len(), wakers.len());
        hand.advance(Duration::from_millis(5));
        let mut context = Context::from_waker(&wakers[1]);
        assert!(wait.as_mut().poll(&mut context).is_ready());
    }
}
