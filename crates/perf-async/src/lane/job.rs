//! One attempt on a thread, and the work that makes them.

use super::LaneContext;
use super::seat::Seat;
use super::threads::{Crew, Run};
use crate::driver::contain;
use crate::pools::Lane;
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, lock};
use crate::work::{Answer, Host, Steps};
use crate::{Attempt, OperationError};
use std::fmt;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

/// Work on one of the manager's threads: what [`Operation::cpu`](crate::Operation::cpu) and its
/// like are made of.
pub struct OnThread<T> {
    seat: Arc<Seat>,
    /// Not there once it has been handed over for the only time.
    body: Option<Body<T>>,
    job: Option<Arc<Job<T>>>,
    number: u32,
    last_error: Option<OperationError>,
}

/// The user's code.
pub(super) enum Body<T> {
    Once(Box<OnceBody<T>>),
    Many(Arc<ManyBody<T>>),
}

type OnceBody<T> = dyn FnOnce(&LaneContext<'_>) -> Answer<T> + Send;
type ManyBody<T> = dyn Fn(&LaneContext<'_>) -> Answer<T> + Send + Sync;

impl<T> Body<T> {
    pub(super) fn once(
        work: impl FnOnce(&LaneContext<'_>) -> Answer<T> + Send + 'static,
    ) -> Body<T> {
        Body::Once(Box::new(work))
    }

    pub(super) fn many(
        work: impl Fn(&LaneContext<'_>) -> Answer<T> + Send + Sync + 'static,
    ) -> Body<T> {
        Body::Many(Arc::new(work))
    }

    fn call(self, context: &LaneContext<'_>) -> Answer<T> {
        match self {
            Body::Once(work) => work(context),
            Body::Many(work) => work(context),
        }
    }
}

impl<T> OnThread<T> {
    pub(super) fn new(lane: Lane, body: Body<T>) -> OnThread<T> {
        let seat = Seat::new(lane);
        OnThread { seat, body: Some(body), job: None, number: 1, last_error: None }
    }
}

impl<T: Send + 'static> Steps<T> for OnThread<T> {
    fn poll_attempt(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        host: &impl Host,
    ) -> Poll<Answer<T>> {
        let this = self.get_mut();
        if let Some(job) = &this.job {
            return job.poll(cx);
        }
        let body = match &this.body {
            Some(Body::Many(work)) => Body::Many(Arc::clone(work)),
            _ => this.body.take().expect("an attempt that is over is not begun again"),
        };
        let job = Arc::new(Job {
            state: Mutex::new(State::Queued(body, cx.waker().clone())),
            cancelled: AtomicBool::new(false),
            attempt: host.told().numbered(this.number, this.last_error.take()),
            seat: Arc::clone(&this.seat),
        });
        this.job = Some(Arc::clone(&job));
        match this.seat.lanes().send(this.seat.lane, job) {
            Ok(()) => Poll::Pending,
            Err(why) => Poll::Ready(Err(why)),
        }
    }

    fn again(self: Pin<&mut Self>) -> Option<OnThread<T>> {
        let Some(Body::Many(work)) = &self.body else { return None };
        if self.seat.is_busy() {
            return None;
        }
        Some(OnThread {
            seat: Arc::clone(&self.seat),
            body: Some(Body::Many(Arc::clone(work))),
            job: None,
            number: self.number.saturating_add(1),
            last_error: None,
        })
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn remember(&mut self, error: OperationError) {
        self.last_error = Some(error);
    }

    fn seat(&self) -> Option<&Arc<Seat>> {
        Some(&self.seat)
    }
}

impl<T> Drop for OnThread<T> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.abandon();
        }
    }
}

impl<T> fmt::Debug for OnThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnThread")
            .field("lane", &self.seat.lane)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// One attempt on its way to a thread and back.
struct Job<T> {
    state: Mutex<State<T>>,
    cancelled: AtomicBool,
    attempt: Attempt,
    seat: Arc<Seat>,
}

enum State<T> {
    Queued(Body<T>, Waker),
    Running(Waker),
    Done(thread::Result<Answer<T>>),
    /// Nobody waits for it any more, or it has been answered.
    Gone,
}

impl<T> Job<T> {
    fn poll(&self, cx: &Context<'_>) -> Poll<Answer<T>> {
        let mut state = lock(&self.state);
        let old = match &mut *state {
            State::Queued(_, waker) | State::Running(waker) if waker.will_wake(cx.waker()) => None,
            State::Queued(_, waker) | State::Running(waker) => {
                Some(replace(waker, cx.waker().clone()))
            }
            State::Done(_) => match replace(&mut *state, State::Gone) {
                State::Done(Ok(answer)) => return Poll::Ready(answer),
                // To be caught where all panics of operations are.
                State::Done(Err(panic)) => {
                    drop(state);
                    resume_unwind(panic)
                }
                _ => unreachable!("it was done a line above, and the lock is held"),
            },
            State::Gone => unreachable!("an attempt is not polled after it has answered"),
        };
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Nobody waits for it any more. If no thread has begun with it none will, and the user's code
    /// is dropped here; else the thread is asked to stop.
    fn abandon(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        let before = replace(&mut *lock(&self.state), State::Gone);
        drop(before);
    }
}

impl<T: Send + 'static> Run for Job<T> {
    fn run(self: Arc<Self>, crew: &Mutex<Crew>) {
        let body = {
            let mut state = lock(&self.state);
            match replace(&mut *state, State::Gone) {
                State::Queued(body, waker) => {
                    *state = State::Running(waker);
                    // With the lock held: whoever abandons it sees it waiting, or sees it busy.
                    self.seat.enter();
                    body
                }
                _ => {
                    drop(state);
                    Crew::is_free(crew);
                    return;
                }
            }
        };
        let context = LaneContext {
            attempt: &self.attempt,
            cancelled: &self.cancelled,
            #[cfg(feature = "rayon")]
            lanes: self.seat.lanes(),
        };
        let result = catch_unwind(AssertUnwindSafe(|| body.call(&context)));
        // Before anybody is told: whoever comes next finds this thread free.
        Crew::is_free(crew);
        let then = self.seat.leave();
        let mut state = lock(&self.state);
        match replace(&mut *state, State::Gone) {
            State::Running(waker) => {
                *state = State::Done(result);
                drop(state);
                contain(|| waker.wake()).unwrap_or_default();
            }
            _ => {
                drop(state);
                // Nobody is left to hear of a value that panics when it is dropped.
                contain(|| drop(result)).unwrap_or_default();
            }
        }
        if let Some(then) = then {
            then();
        }
    }

    fn refuse(self: Arc<Self>, why: &str) {
        let mut state = lock(&self.state);
        if let State::Queued(..) = &*state
            && let State::Queued(body, waker) =
                replace(&mut *state, State::Done(Ok(Err(why.to_owned().into()))))
        {
            drop(state);
            contain(|| drop(body)).unwrap_or_default();
            contain(|| waker.wake()).unwrap_or_default();
        }
    }
}
