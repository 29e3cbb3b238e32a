//! Operations of one kind handed over together: one call of a handler for many items.
//!
//! Two rules say when a batch is full enough. [`Batch::natural`] never waits for company: whatever
//! has gathered while the batch before was under way goes next, so an idle kind answers at once and
//! a busy one fills its batches by itself (group commit). [`Batch::window`] waits for company, up to
//! a size or a time.
//!
//! The members of a batch wait as operations of their own, each with its priority, key and time
//! limits, so a batch is made up when it starts and never before: those who left while they waited
//! are not in it, and the most urgent comes first.
//!
//! Sources: group commit, DeWitt et al., "Implementation techniques for main memory database
//! systems", SIGMOD 1984; per-item results and their check, graphql/dataloader.

mod error;
mod handler;
#[cfg(feature = "tokio")]
mod item;
mod stats;

pub use error::{BatchError, WrongAnswers};
pub use handler::Batching;
#[cfg(feature = "tokio")]
pub(crate) use handler::{Answers, Handler};
#[cfg(feature = "tokio")]
pub use item::Item;
pub use stats::{BatchStats, Flushed};

use crate::ConfigError;
use perf_core::Instant;
use std::time::Duration;

/// When the items of a kind are handed over, and how many at once.
///
/// ```
/// use perf_async::Batch;
/// use std::time::Duration;
///
/// let at_once = Batch::natural(100);
/// let patient = Batch::window(100, Duration::from_millis(20)).max_weight(1 << 20);
/// assert_eq!((at_once.waits(), patient.waits()), (None, Some(Duration::from_millis(20))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    max: usize,
    window: Option<Duration>,
    max_weight: u64,
}

impl Batch {
    /// At most `max` items as soon as the kind has a place free: at once when idle, and what has
    /// gathered meanwhile when busy.
    ///
    /// A kind has one place for its batches unless its `max_concurrent` says otherwise.
    #[must_use]
    pub const fn natural(max: usize) -> Batch {
        Batch { max, window: None, max_weight: u64::MAX }
    }

    /// `max` items, or fewer once the oldest has waited the window.
    ///
    /// It puts the window under every answer of a quiet kind, so prefer
    /// [`natural`](Batch::natural) unless a call costs much more than the waiting.
    #[must_use]
    pub const fn window(max: usize, window: Duration) -> Batch {
        Batch { max, window: Some(window), max_weight: u64::MAX }
    }

    /// The same, with items of at most this weight together, such as bytes; an item that weighs
    /// more goes alone. The default is no bound. What an item weighs its operation says; the
    /// default is 1.
    ///
    /// The weight bounds a batch that starts; it does not start one before its window has passed.
    #[must_use]
    pub const fn max_weight(mut self, weight: u64) -> Batch {
        self.max_weight = weight;
        self
    }

    /// How many items at once.
    #[must_use]
    pub const fn max(self) -> usize {
        self.max
    }

    /// How long the oldest item may wait for others; `None` if nobody waits for company.
    #[must_use]
    pub const fn waits(self) -> Option<Duration> {
        self.window
    }

    /// How much the items of one batch may weigh together.
    #[must_use]
    pub const fn weight_limit(self) -> u64 {
        self.max_weight
    }

    /// When a batch may start, given how many wait and since when the oldest of them does: `None`
    /// means at once.
    #[must_use]
    pub fn due(self, waiting: usize, oldest: Instant) -> Option<Instant> {
        if waiting >= self.max { None } else { self.window.map(|window| oldest + window) }
    }

    /// The same with so many items at once.
    #[must_use]
    pub const fn with_max(mut self, max: usize) -> Batch {
        self.max = max;
        self
    }

    /// The same with that window, also where there was none.
    #[must_use]
    pub const fn with_window(mut self, window: Duration) -> Batch {
        self.window = Some(window);
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a batch could never start, or would wait or grow beyond all use.
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        if self.max == 0 || self.max > MAX_BATCH {
            let remedy = format!("use 1 to {MAX_BATCH} items");
            return Err(ConfigError::new("batch size", self.max, remedy));
        }
        if let Some(window) = self.window
            && !(MIN_WINDOW..=MAX_WINDOW).contains(&window)
        {
            let remedy =
                format!("use {MIN_WINDOW:?} to {MAX_WINDOW:?}, or `Batch::natural` for no waiting");
            return Err(ConfigError::new("batch window", format_args!("{window:?}"), remedy));
        }
        if self.max_weight == 0 {
            return Err(ConfigError::new("batch weight", 0, "use at least 1, or leave it out"));
        }
        Ok(())
    }
}

impl Default for Batch {
    /// Ten items, or fewer once the oldest has waited 100 ms.
    fn default() -> Batch {
        Batch::window(crate::DEFAULT_BATCH, crate::DEFAULT_BATCH_WINDOW)
    }
}

pub(crate) const MAX_BATCH: usize = 10_000;
pub(crate) const MIN_WINDOW: Duration = Duration::from_millis(1);
pub(crate) const MAX_WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_natural_batch_never_waits_and_a_window_ends_by_size_or_by_time() {
        let (start, window) = (Instant::from_nanos(5), Duration::from_millis(100));
        assert_eq!(Batch::natural(10).due(1, start), None);
        let patient = Batch::window(3, window);
        assert_eq!(patient.due(2, start), Some(start + window));
        assert_eq!(patient.due(3, start), None);
        assert_eq!(patient.due(4, start), None);
    }

    #[test]
    fn rules_that_cannot_be_are_named() {
        let error = Batch::natural(0).check().unwrap_err();
        assert_eq!(error.to_string(), "`batch size` cannot be 0: use 1 to 10000 items");
        let error = Batch::window(5, Duration::ZERO).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`batch window` cannot be 0ns: use 1ms to 60s, or `Batch::natural` for no waiting"
        );
        assert!(Batch::natural(2).max_weight(0).check().is_err());
        assert!(Batch::default().check().is_ok());
        assert!(Batch::natural(MAX_BATCH).max_weight(1).check().is_ok());
    }
}
