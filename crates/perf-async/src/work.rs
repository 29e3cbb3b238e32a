//! What an operation does: one future, or a new one for each attempt.

use crate::driver::{BoxError, HedgeSeat};
#[cfg(feature = "lanes")]
use crate::lane::Seat;
#[cfg(feature = "lanes")]
use crate::sync::Arc;
use crate::{Attempt, OperationError};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// What an operation's future has as its output inside the manager.
pub(crate) type Answer<T> = Result<T, BoxError>;

/// What an operation with a value of type `T` does.
///
/// Every future whose output is `Result<T, Box<dyn Error + Send + Sync>>` is work that is done
/// once; [`Operation::retryable`](crate::Operation::retryable) makes work that can be done again.
/// Sealed: nothing else is.
pub trait Work<T>: Steps<T> {}

impl<T, W: Steps<T>> Work<T> for W {}

/// How work is done.
///
/// Every method is called outside any lock, and may panic as the user's code does.
pub trait Steps<T>: Sized {
    /// Goes on with the attempt under way, or begins one.
    fn poll_attempt(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        host: &impl Host,
    ) -> Poll<Answer<T>>;

    /// What the next attempt needs, taken out of this; `None` if there can only be one.
    fn again(self: Pin<&mut Self>) -> Option<Self>;

    /// Which attempt this is or will be, from 1.
    fn number(&self) -> u32;

    /// Notes why the last attempt ended, for this one to be told.
    fn remember(&mut self, error: OperationError);

    /// The thread that it needs, if it needs one.
    #[cfg(feature = "lanes")]
    fn seat(&self) -> Option<&Arc<Seat>> {
        None
    }
}

/// What work asks for that is done in attempts.
pub trait Host {
    /// What an attempt is told.
    fn told(&self) -> Attempt;

    /// How long after its start the attempt is to have a hedge.
    fn hedge_after(&self) -> Option<Duration>;

    /// A place for a hedge, if there is one.
    fn hedge_seat(&self) -> Option<HedgeSeat>;
}

impl<T, F: Future<Output = Answer<T>>> Steps<T> for F {
    fn poll_attempt(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &impl Host) -> Poll<Answer<T>> {
        self.poll(cx)
    }

    fn again(self: Pin<&mut Self>) -> Option<F> {
        None
    }

    fn number(&self) -> u32 {
        1
    }

    fn remember(&mut self, _: OperationError) {}
}

// Written out, because an async block would hold the future twice.
pin_project! {
    /// Done once, and may fail.
    pub(crate) struct Fallible<F> {
        #[pin]
        pub(crate) future: F,
    }
}

impl<T, E: Into<BoxError>, F: Future<Output = Result<T, E>>> Future for Fallible<F> {
    type Output = Answer<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        self.project().future.poll(cx).map_err(Into::into)
    }
}

pin_project! {
    /// Done once, and always has a value.
    pub(crate) struct Infallible<F> {
        #[pin]
        pub(crate) future: F,
    }
}

impl<T, F: Future<Output = T>> Future for Infallible<F> {
    type Output = Answer<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        self.project().future.poll(cx).map(Ok)
    }
}

pin_project! {
    /// Work that can be done again: a function that makes the future of each attempt.
    pub struct Retryable<M, F> {
        // Not there once it has been taken out for the next attempt.
        make: Option<M>,
        #[pin]
        future: Option<F>,
        number: u32,
        last_error: Option<OperationError>,
        // Made only once the attempt has to wait for something, if it may have one.
        hedging: Option<Box<Hedging<F>>>,
    }
}

/// A hedge, or the time until there is one.
struct Hedging<F> {
    sleep: Option<Pin<Box<Sleep>>>,
    // Before the seat, so that it is dropped before its place is free.
    future: Option<Pin<Box<F>>>,
    seat: Option<HedgeSeat>,
}

impl<M, F> Retryable<M, F> {
    pub(crate) fn new(make: M) -> Retryable<M, F> {
        Retryable { make: Some(make), future: None, number: 1, last_error: None, hedging: None }
    }
}

impl<T, E, M, F> Steps<T> for Retryable<M, F>
where
    M: FnMut(Attempt) -> F,
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    fn poll_attempt(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        host: &impl Host,
    ) -> Poll<Answer<T>> {
        let mut this = self.project();
        let is_new = this.future.is_none() && this.hedging.is_none();
        let told = || host.told().numbered(*this.number, this.last_error.clone());
        if is_new {
            let make = this.make.as_mut().expect("taken out only when the attempt has ended");
            this.future.set(Some(make(told())));
        }
        if let Some(first) = this.future.as_mut().as_pin_mut()
            && let Poll::Ready(answer) = first.poll(cx)
        {
            let hedged = this.hedging.as_ref().is_some_and(|hedging| hedging.future.is_some());
            if answer.is_ok() || !hedged {
                return Poll::Ready(answer.map_err(Into::into));
            }
            // The answer is the hedge's.
            this.future.set(None);
        }
        if is_new && let Some(after) = host.hedge_after() {
            let sleep = Some(Box::pin(tokio::time::sleep(after)));
            *this.hedging = Some(Box::new(Hedging { sleep, future: None, seat: None }));
        }
        let Some(hedging) = this.hedging else { return Poll::Pending };
        if let Some(sleep) = &mut hedging.sleep
            && sleep.as_mut().poll(cx).is_ready()
        {
            hedging.sleep = None;
            hedging.seat = host.hedge_seat();
            if hedging.seat.is_some() {
                let make = this.make.as_mut().expect("taken out only when the attempt has ended");
                hedging.future = Some(Box::pin(make(told().hedge())));
            }
        }
        let Some(hedge) = &mut hedging.future else { return Poll::Pending };
        let answer = ready!(hedge.as_mut().poll(cx));
        hedging.future = None;
        match (answer, hedging.seat.take()) {
            (Ok(value), seat) => {
                if let Some(seat) = seat {
                    seat.won();
                }
                Poll::Ready(Ok(value))
            }
            (Err(error), seat) => {
                if let Some(seat) = seat {
                    seat.failed();
                }
                if this.future.is_some() { Poll::Pending } else { Poll::Ready(Err(error.into())) }
            }
        }
    }

    fn again(self: Pin<&mut Self>) -> Option<Retryable<M, F>> {
        let this = self.project();
        let number = this.number.saturating_add(1);
        Some(Retryable {
            make: this.make.take(),
            future: None,
            number,
            last_error: None,
            hedging: None,
        })
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn remember(&mut self, error: OperationError) {
        self.last_error = Some(error);
    }
}

impl<M, F> fmt::Debug for Retryable<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retryable").field("number", &self.number).finish_non_exhaustive()
    }
}
