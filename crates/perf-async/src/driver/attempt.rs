//! Polls one operation until it ends, is told to stop, or its time has passed.

use super::clocks::Clocks;
use super::group::Operand;
use super::hedging::InPlace;
use super::shared::Shared;
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, lock};
use crate::work::Steps;
use crate::{Ended, Hedge, KindId, OperationError, OperationId, TimeoutClock, Work};
use perf_core::Instant;
use perf_guard::Deadline;
use pin_project_lite::pin_project;
use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::time::Sleep;

/// Tells a running operation to stop, and wakes it so that it hears.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    /// Tells it. The first call wakes it.
    pub(crate) fn request(&self) {
        // SeqCst with the load below: either the operation sees the flag after it has left its
        // waker, or this call finds the waker.
        self.requested.store(true, Ordering::SeqCst);
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Leaves a waker and answers whether to stop.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> bool {
        let old = {
            let mut waker = lock(&self.waker);
            match &*waker {
                Some(known) if known.will_wake(cx.waker()) => None,
                _ => waker.replace(cx.waker().clone()),
            }
        };
        drop(old);
        self.is_requested()
    }
}

/// What an attempt is told of the place it runs in.
pub(crate) trait Place {
    /// When the operation was submitted.
    fn submitted(&self) -> Instant;
    /// When it started.
    fn started(&self) -> Instant;
    fn shared(&self) -> &Arc<Shared>;
    /// What the operation is called.
    fn id(&self) -> OperationId;
    /// What the operation itself says about hedges.
    fn hedge(&self) -> Option<Hedge>;
    /// Those who wait for the operation, if there is a handle.
    fn operand(&self) -> Option<Arc<dyn Operand>>;
    /// Whether to stop, asked before the first poll.
    fn is_stopped(&self) -> bool;
    /// Leaves a waker and answers whether to stop. An operation that ends at its first poll never
    /// gets here.
    fn listen(&mut self, cx: &Context<'_>) -> bool;
}

pin_project! {
    /// Work on its way to its end, one attempt after the other.
    ///
    /// Written out, because an async function would hold the work three times.
    pub(crate) struct Supervised<W> {
        #[pin]
        work: Option<W>,
        clocks: Clocks,
        kind: KindId,
        is_new: bool,
        // Which clock it waits by for another attempt.
        resumes: Option<TimeoutClock>,
        // Made only once the attempt has to wait for something.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

impl<W> Supervised<W> {
    pub(crate) fn new(work: W, clocks: Clocks, kind: KindId) -> Supervised<W> {
        Supervised { work: Some(work), clocks, kind, is_new: true, resumes: None, sleep: None }
    }

    pub(crate) fn kind(&self) -> KindId {
        self.kind
    }

    pub(crate) fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Prepares to wait for another attempt that may start at that moment; answers when it must
    /// have.
    pub(crate) fn resume_by(self: Pin<&mut Self>, submitted: Instant, at: Instant) -> Deadline {
        let this = self.project();
        let (deadline, clock, _) = this.clocks.resume_by(submitted, at);
        *this.resumes = Some(clock);
        deadline
    }

    /// The error for one whose time passed while it waited.
    pub(crate) fn expired(&self) -> OperationError {
        self.resumes.map_or_else(|| self.clocks.expired(), |clock| self.clocks.passed(clock))
    }

    /// Drops the work; an error if that panics.
    pub(crate) fn discard(self: Pin<&mut Self>) -> Result<(), OperationError> {
        let mut work = self.project().work;
        contain(|| work.set(None))
    }

    /// Begins another attempt, with what was left of the last one.
    pub(crate) fn renew(self: Pin<&mut Self>, work: W) {
        let mut this = self.project();
        this.work.set(Some(work));
        *this.is_new = true;
        *this.sleep = None;
    }

    /// Goes on with the attempt in that place, until it ends, is told to stop, or its time has
    /// passed. When this answers, the attempt's future has been dropped.
    pub(crate) fn poll_in<T, P>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        place: &mut P,
    ) -> Poll<Ran<T, W>>
    where
        W: Work<T>,
        P: Place,
    {
        let result = ready!(self.as_mut().advance(cx, place));
        let again = match &result {
            Ok(_) | Err(OperationError::Cancelled) => None,
            Err(_) => self.as_mut().project().work.as_pin_mut().and_then(Steps::again),
        };
        // The user's destructors may panic too; the value is then as good as lost.
        Poll::Ready(Ran { result: self.discard().and(result), again })
    }

    fn advance<T, P>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        place: &mut P,
    ) -> Poll<Result<T, OperationError>>
    where
        W: Work<T>,
        P: Place,
    {
        let this = self.project();
        let is_new = std::mem::replace(this.is_new, false);
        if if is_new { place.is_stopped() } else { place.listen(cx) } {
            return Poll::Ready(Err(OperationError::Cancelled));
        }
        let work = this.work.as_pin_mut().expect("it is polled until it answers");
        let host = InPlace { place: &*place, deadline: this.clocks.total_by(place.submitted()) };
        match catch_unwind(AssertUnwindSafe(|| work.poll_attempt(cx, &host))) {
            Ok(Poll::Ready(answer)) => {
                return Poll::Ready(answer.map_err(|error| OperationError::Failed(error.into())));
            }
            Err(panic) => return Poll::Ready(Err(panicked(panic))),
            Ok(Poll::Pending) => {}
        }
        let (end_by, clock, limit) = this.clocks.end_by(place.submitted(), place.started());
        if is_new {
            if place.listen(cx) {
                return Poll::Ready(Err(OperationError::Cancelled));
            }
            if end_by.moment().is_some() {
                let remaining = end_by.remaining(place.shared().clock.now());
                *this.sleep = Some(Box::pin(tokio::time::sleep(remaining)));
            }
        }
        match this.sleep.as_mut().map(|sleep| sleep.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(OperationError::TimedOut { clock, limit })),
            _ => Poll::Pending,
        }
    }
}

/// An attempt that has ended.
pub(crate) struct Ran<T, W> {
    pub(crate) result: Result<T, OperationError>,
    /// What another attempt needs, if there can be one and this one has no value.
    pub(crate) again: Option<W>,
}

pin_project! {
    /// Work in a place of its own.
    pub(crate) struct Inline<T, W, P> {
        #[pin]
        pub(crate) supervised: Supervised<W>,
        pub(crate) place: P,
        pub(crate) value: PhantomData<fn() -> T>,
    }
}

impl<T, W, P> Future for Inline<T, W, P>
where
    W: Work<T>,
    P: Place,
{
    type Output = Ran<T, W>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ran<T, W>> {
        let this = self.project();
        this.supervised.poll_in(cx, this.place)
    }
}

/// Runs code of the user's that has no say in how things go on: a destructor, a waker. A panic
/// there is answered as an error, for those who have somebody to tell.
pub(crate) fn contain(run: impl FnOnce()) -> Result<(), OperationError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(panicked)
}

/// The error for a caught panic.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> OperationError {
    let message: Arc<str> = match panic.downcast_ref::<&'static str>() {
        Some(text) => Arc::from(*text),
        None => match panic.downcast_ref::<String>() {
            Some(text) => Arc::from(text.as_str()),
            None => Arc::from("a panic without a text"),
        },
    };
    // What was thrown is the user's, and may throw again when dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    OperationError::Panicked(message)
}

/// What the scheduler is told of a result.
pub(crate) fn ended<T>(result: &Result<T, OperationError>) -> Ended {
    match result {
        Ok(_) => Ended::Completed,
        Err(error) => ended_by(error),
    }
}

/// What the scheduler is told of an error.
pub(crate) fn ended_by(error: &OperationError) -> Ended {
    match error {
        OperationError::Failed(user) => {
            // The user's own code writes this text.
            let text = catch_unwind(AssertUnwindSafe(|| user.to_string()));
            Ended::Failed(shorten(text.unwrap_or_else(|_| "its error panicked".into())))
        }
        OperationError::Cancelled => Ended::Cancelled,
        OperationError::TimedOut { .. } => Ended::TimedOut(error.to_string()),
        _ => Ended::Failed(shorten(error.to_string())),
    }
}

pub(super) fn shorten(text: String) -> String {
    match text.char_indices().nth(ERROR_CHARS) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// How much of an error's text is remembered.
const ERROR_CHARS: usize = 256;
