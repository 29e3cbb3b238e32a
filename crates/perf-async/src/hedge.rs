//! When a second attempt is made beside a slow one.

use std::time::Duration;

/// When a second attempt is made beside one that takes long: the first of the two that succeeds is
/// the answer, and the other is dropped.
///
/// Only [retryable](crate::Operation::retryable) operations can have one, and only what may be done
/// twice should. The second attempt, the hedge, takes a place of its own, within every limit that
/// holds for operations of its kind, and only while none of them waits; it comes out of the kind's
/// [budget](crate::KindSettings::retry_budget) for retries. If there is no place or no budget for
/// it at that moment, none is made. It is listed and counted as an operation of its own, with the
/// same kind and priority; one that is no longer needed ends as cancelled.
///
/// Both are polled in the same task. An attempt that fails while the other goes on leaves the answer
/// to the other.
///
/// Source: Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// `None` for the kind's own figure.
    after: Option<Duration>,
}

impl Hedge {
    /// After an attempt has taken that long.
    #[must_use]
    pub const fn after(time: Duration) -> Hedge {
        Hedge { after: Some(time) }
    }

    /// After an attempt has taken longer than 95 of 100 of its kind have lately been running; never
    /// while fewer than 20 have run.
    #[must_use]
    pub const fn p95() -> Hedge {
        Hedge { after: None }
    }

    /// The fixed time, `None` if it is the kind's own figure.
    #[must_use]
    pub const fn fixed(&self) -> Option<Duration> {
        self.after
    }
}
