//! What an operation does: one future, or a new one for each attempt.

use crate::driver::BoxError;
use crate::{Attempt, OperationError};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
    /// Goes on with the attempt under way, or begins one. Asks for what the attempt is told only
    /// when it begins one.
    fn poll_attempt(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        told: impl FnOnce() -> Attempt,
    ) -> Poll<Answer<T>>;

    /// What the next attempt needs, taken out of this; `None` if there can only be one.
    fn again(self: Pin<&mut Self>) -> Option<Self>;

    /// Which attempt this is or will be, from 1.
    fn number(&self) -> u32;

    /// Notes why the last attempt ended, for this one to be told.
    fn remember(&mut self, error: OperationError);
}

impl<T, F: Future<Output = Answer<T>>> Steps<T> for F {
    fn poll_attempt(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: impl FnOnce() -> Attempt,
    ) -> Poll<Answer<T>> {
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
    }
}

impl<M, F> Retryable<M, F> {
    pub(crate) fn new(make: M) -> Retryable<M, F> {
        Retryable { make: Some(make), future: None, number: 1, last_error: None }
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
        told: impl FnOnce() -> Attempt,
    ) -> Poll<Answer<T>> {
        let mut this = self.project();
        if this.future.is_none() {
            let make = this.make.as_mut().expect("taken out only when the attempt has ended");
            let attempt = told().numbered(*this.number, this.last_error.take());
            this.future.set(Some(make(attempt)));
        }
        let future = this.future.as_pin_mut().expect("made above");
        future.poll(cx).map_err(Into::into)
    }

    fn again(self: Pin<&mut Self>) -> Option<Retryable<M, F>> {
        let this = self.project();
        let number = this.number.saturating_add(1);
        Some(Retryable { make: this.make.take(), future: None, number, last_error: None })
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
