//! A histogram that many threads record into.

use crate::Histogram;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A [`Histogram`] that many threads record into at once.
#[derive(Debug, Default)]
pub struct StripedHistogram {
    inner: Mutex<Histogram>,
}

impl StripedHistogram {
    /// An empty histogram.
    #[must_use]
    pub const fn new() -> StripedHistogram {
        StripedHistogram { inner: Mutex::new(Histogram::new()) }
    }

    /// Records one value.
    pub fn record(&self, value: u64) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).record(value);
    }

    /// Records a duration in nanoseconds.
    pub fn record_duration(&self, elapsed: Duration) {
        self.record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What all threads have recorded so far.
    #[must_use]
    pub fn snapshot(&self) -> Histogram {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
