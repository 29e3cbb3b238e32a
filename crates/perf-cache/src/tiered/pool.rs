//! The threads that may wait for a device.

use super::promise::{Timers, lock};
use perf_core::Instant;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

/// Something to do that may wait.
pub(super) type Work = Box<dyn FnOnce() + Send>;

/// A few threads of its own, started when there is something for them to do, and a bounded queue.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    has_work: Condvar,
    max_threads: usize,
    max_queued: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
    is_over: bool,
    /// Who waits for a place in the queue.
    waiting: Vec<Waker>,
    refused: u64,
}

impl Pool {
    pub(super) fn new(max_threads: usize, max_queued: usize) -> Pool {
        let state = Mutex::new(State::default());
        Pool {
            shared: Arc::new(Shared { state, has_work: Condvar::new(), max_threads, max_queued }),
        }
    }

    /// Has a thread do this.
    ///
    /// # Errors
    ///
    /// The work, if the queue is full; that is counted.
    pub(super) fn submit(&self, work: Work) -> Result<(), Work> {
        self.offer(work, |state| state.refused += 1)
    }

    /// The same, waiting for a place in the queue, until a deadline if there is one: `false` if it
    /// has passed, which is counted.
    pub(super) async fn submit_when_free(
        &self,
        work: Work,
        deadline: Option<Instant>,
        timers: &Timers,
    ) -> bool {
        let mut work = Some(work);
        let mut alarm = timers.alarm();
        std::future::poll_fn(|context| {
            let Some(now) = work.take() else { return Poll::Ready(true) };
            // The caller's code: not under the lock, as is what is dropped.
            let waker = context.waker();
            let mut own = Some(waker.clone());
            let mut gone = None;
            let is_late = deadline.is_some_and(|deadline| timers.clock.now() >= deadline);
            let offered = self.offer(now, |state| {
                let known = state.waiting.iter().position(|known| known.will_wake(waker));
                match known {
                    Some(at) if is_late => gone = Some(state.waiting.swap_remove(at)),
                    None if !is_late => state.waiting.extend(own.take()),
                    _ => {}
                }
                state.refused += u64::from(is_late);
            });
            drop((own, gone));
            match (offered, deadline) {
                (Ok(()), _) => return Poll::Ready(true),
                (Err(_), _) if is_late => return Poll::Ready(false),
                (Err(back), deadline) => {
                    work = Some(back);
                    if let Some(deadline) = deadline {
                        alarm.set(deadline, waker);
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    fn offer(&self, work: Work, if_full: impl FnOnce(&mut State)) -> Result<(), Work> {
        let shared = &self.shared;
        let mut state = lock(&shared.state);
        if state.queue.len() >= shared.max_queued && state.idle <= state.queue.len() {
            if_full(&mut state);
            return Err(work);
        }
        state.queue.push_back(work);
        if state.idle < state.queue.len() && state.threads < shared.max_threads {
            let own = Arc::clone(shared);
            let spawned =
                thread::Builder::new().name("cache-tier".to_owned()).spawn(move || own.run());
            state.threads += usize::from(spawned.is_ok());
        }
        if state.threads == 0
            && let Some(work) = state.queue.pop_back()
        {
            // The system gives no thread.
            state.refused += 1;
            return Err(work);
        }
        drop(state);
        shared.has_work.notify_one();
        Ok(())
    }

    /// How much may wait for a thread.
    pub(super) fn max_queued(&self) -> usize {
        self.shared.max_queued
    }

    /// What was not taken for want of room.
    pub(super) fn refused(&self) -> u64 {
        lock(&self.shared.state).refused
    }

    /// What waits for a thread.
    pub(super) fn queued(&self) -> usize {
        lock(&self.shared.state).queue.len()
    }
}

impl Drop for Pool {
    /// What is queued is still done. Nobody waits for the threads: one may hang in a store.
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.has_work.notify_all();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(work) = state.queue.pop_front() {
                let free = std::mem::take(&mut state.waiting);
                drop(state);
                free.into_iter().for_each(Waker::wake);
                // Whoever waits for what it was to do is told by the guard of that.
                let _ = catch_unwind(AssertUnwindSafe(work));
                state = lock(&self.state);
            } else if state.is_over {
                state.threads -= 1;
                return;
            } else {
                state.idle += 1;
                state = self.has_work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.shared.state);
        f.debug_struct("Pool")
            .field("threads", &state.threads)
            .field("queued", &state.queue.len())
            .field("refused", &state.refused)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::promise::{Promise, Timers, block_on};
    use super::*;
    use perf_core::Clock;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_full_queue_refuses_and_says_so() {
        let pool = Pool::new(1, 1);
        let (clock, hand) = Clock::manual();
        let timers = Timers::new(clock.clone());
        let (go, gate) = channel::<()>();
        let (tell, told) = channel();
        let started = tell.clone();
        assert!(
            pool.submit(Box::new(move || {
                started.send(0).unwrap();
                gate.recv().unwrap();
            }))
            .is_ok()
        );
        assert_eq!(told.recv(), Ok(0));
        let second = tell.clone();
        assert!(pool.submit(Box::new(move || second.send(1).unwrap())).is_ok());
        assert!(pool.submit(Box::new(|| {})).is_err());
        assert_eq!((pool.refused(), pool.queued()), (1, 1));
        let at = clock.now() + Duration::from_secs(1);
        thread::scope(|scope| {
            let late = Box::new(|| unreachable!("nobody waits for it"));
            let late = scope.spawn(|| block_on(pool.submit_when_free(late, Some(at), &timers)));
            while lock(&pool.shared.state).waiting.is_empty() {
                thread::yield_now();
            }
            hand.advance(Duration::from_secs(1));
            assert!(!late.join().unwrap());
        });
        let forgets = |waker: &Waker| waker.will_wake(Waker::noop());
        assert!(lock(&pool.shared.state).waiting.iter().all(forgets), "who has given up");
        assert_eq!(pool.refused(), 2);
        let waiting = thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let work = Box::new(move || tell.send(2).unwrap());
                assert!(block_on(pool.submit_when_free(work, None, &timers)));
            });
            go.send(()).unwrap();
            waiting.join()
        });
        assert!(waiting.is_ok());
        assert_eq!((told.recv(), told.recv()), (Ok(1), Ok(2)));
    }

    #[test]
    fn a_panic_costs_no_thread() {
        let pool = Pool::new(1, 8);
        assert!(pool.submit(Box::new(|| panic!("the store is broken"))).is_ok());
        let done = Promise::new();
        let own = Arc::clone(&done);
        assert!(pool.submit(Box::new(move || _ = own.keep(1))).is_ok());
        let timers = Timers::new(Clock::system());
        assert_eq!(block_on(done.wait(None, &timers)), Some(1));
    }
}
