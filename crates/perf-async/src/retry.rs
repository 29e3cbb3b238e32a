//! Which attempts are followed by another, and when.

use crate::{OperationError, TimeoutClock};
use perf_guard::Backoff;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How often a failed attempt is followed by another, and how long after.
///
/// Exponential back-off with full jitter; see [`Backoff`]. Attempts that failed are followed by
/// another and so are those that ran into their `timeout`; panics are not, unless
/// [`retry_if`](Retry::retry_if) says so. An operation that was cancelled, turned away or refused
/// by its circuit breaker, or whose time in the queue or in all has passed, is never tried again.
///
/// While it waits for its next attempt an operation holds no place among the running; it then waits
/// for its turn with the priority and the age that it had.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    backoff: Backoff,
    test: Option<ErrorTest>,
}

impl Retry {
    /// At most so many attempts after the first, the first of them within 100 ms, then within twice
    /// the time for each, up to 20 s.
    ///
    /// # Panics
    ///
    /// Never: the times hold together.
    #[must_use]
    pub fn times(retries: u32) -> Retry {
        let backoff = Backoff::builder().retries(retries).build();
        Retry::with_backoff(backoff.expect("the default times hold together"))
    }

    /// As often and as late as the back-off says.
    #[must_use]
    pub const fn with_backoff(backoff: Backoff) -> Retry {
        Retry { backoff, test: None }
    }

    /// No attempt after the first: for an operation of a kind whose operations are tried again.
    #[must_use]
    pub fn never() -> Retry {
        Retry::times(0)
    }

    /// The same, only after errors for which this answers `true`. It is asked after failures,
    /// panics and attempts that ran into their `timeout`; it must not block. A panic of its own
    /// counts as `false`.
    #[must_use]
    pub fn retry_if(
        mut self,
        test: impl Fn(&OperationError) -> bool + Send + Sync + 'static,
    ) -> Retry {
        self.test = Some(ErrorTest::new(test));
        self
    }

    /// When and how often.
    #[must_use]
    pub const fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    /// Whether such an error can be followed by another attempt at all. Asks the test.
    #[must_use]
    pub fn covers(&self, error: &OperationError) -> bool {
        let retryable = match error {
            OperationError::Failed(_) => true,
            OperationError::TimedOut { clock, .. } => *clock == TimeoutClock::Run,
            OperationError::Panicked(_) => self.test.is_some(),
            _ => false,
        };
        retryable && self.test.as_ref().is_none_or(|test| test.ask(error) == Some(true))
    }

    /// The wait before the attempt after that one, counted from 1; `None` if it was the last.
    /// `random` is 64 random bits.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: u64) -> Option<Duration> {
        self.backoff.delay(attempt.saturating_sub(1), random)
    }
}

impl From<Backoff> for Retry {
    fn from(backoff: Backoff) -> Retry {
        Retry::with_backoff(backoff)
    }
}

/// A question to ask of an error: the user's code.
///
/// Two are equal if one is a clone of the other.
#[derive(Clone)]
pub struct ErrorTest(Arc<dyn Fn(&OperationError) -> bool + Send + Sync>);

impl ErrorTest {
    /// That question. It must not block.
    #[must_use]
    pub fn new(test: impl Fn(&OperationError) -> bool + Send + Sync + 'static) -> ErrorTest {
        ErrorTest(Arc::new(test))
    }

    /// The answer, `None` if it panics. To be called outside any lock.
    #[must_use]
    pub fn ask(&self, error: &OperationError) -> Option<bool> {
        catch_unwind(AssertUnwindSafe(|| (self.0)(error))).map_err(drop_thrown).ok()
    }
}

impl PartialEq for ErrorTest {
    fn eq(&self, other: &ErrorTest) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for ErrorTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorTest")
    }
}

/// Drops what a panic of the user's has thrown, which may throw again.
pub(crate) fn drop_thrown(thrown: Box<dyn Any + Send>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(thrown)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Overloaded;
    use std::error::Error;

    fn failed() -> OperationError {
        OperationError::Failed(Box::<dyn Error + Send + Sync>::from("no").into())
    }

    fn timed_out(clock: TimeoutClock) -> OperationError {
        OperationError::TimedOut { clock, limit: Duration::from_secs(1) }
    }

    #[test]
    fn failures_and_attempts_that_took_too_long_are_tried_again_and_nothing_else() {
        let retry = Retry::times(1);
        assert!(retry.covers(&failed()));
        assert!(retry.covers(&timed_out(TimeoutClock::Run)));
        let never = [
            timed_out(TimeoutClock::Queue),
            timed_out(TimeoutClock::Total),
            OperationError::Panicked("boom".into()),
            OperationError::Cancelled,
            OperationError::Overloaded(Overloaded { waiting: 1, limit: 1 }),
        ];
        assert!(!never.iter().any(|error| retry.covers(error)));
    }

    #[test]
    fn a_predicate_narrows_and_may_let_panics_in_but_nothing_that_is_final() {
        let all = Retry::times(1).retry_if(|_| true);
        assert!(all.covers(&OperationError::Panicked("boom".into())));
        assert!(!all.covers(&OperationError::Cancelled));
        assert!(!all.covers(&timed_out(TimeoutClock::Total)));
        let slow_only = all.retry_if(|error| matches!(error, OperationError::TimedOut { .. }));
        assert!(slow_only.covers(&timed_out(TimeoutClock::Run)));
        assert!(!slow_only.covers(&failed()));
        assert!(!Retry::times(1).retry_if(|_| panic!("in the test")).covers(&failed()));
    }

    #[test]
    fn the_last_retry_is_followed_by_none() {
        assert_eq!(Retry::never().delay(1, 0), None);
        let twice = Retry::times(2);
        assert_eq!(twice.delay(1, u64::MAX), Some(Duration::from_millis(100)));
        assert_eq!(twice.delay(2, u64::MAX), Some(Duration::from_millis(200)));
        assert_eq!(twice.delay(3, u64::MAX), None);
    }
}
