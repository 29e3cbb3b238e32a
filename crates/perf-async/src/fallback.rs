//! What answers where the operation itself cannot.

use crate::OperationError;
use crate::operation::Choices;
use crate::retry::drop_thrown;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A value, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// The value.
    pub value: T,
    /// Who answered.
    pub source: Source,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The operation itself.
    #[default]
    Fresh,
    /// Its [`fallback`](crate::Operation::fallback).
    Fallback,
    /// Its [`stale`](crate::Operation::stale) value.
    Stale,
    /// An operation before it, whose value was [kept](crate::Operation::keep_for).
    Kept,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Fresh => "fresh",
            Source::Fallback => "fallback",
            Source::Stale => "stale",
            Source::Kept => "kept",
        })
    }
}

/// What answers in the place of an operation that has no value: the fallback, then the stale value.
pub(crate) struct Degrade<T> {
    fallback: Option<AskFallback<T>>,
    stale: Option<AskStale<T>>,
}

type AskFallback<T> = Box<dyn FnOnce(&OperationError) -> Option<T> + Send>;
type AskStale<T> = Box<dyn FnOnce() -> Option<T> + Send>;

impl<T> Default for Degrade<T> {
    fn default() -> Degrade<T> {
        Degrade { fallback: None, stale: None }
    }
}

impl<T> Degrade<T> {
    pub(crate) fn set_fallback(
        &mut self,
        fallback: impl FnOnce(&OperationError) -> Option<T> + Send + 'static,
    ) {
        self.fallback = Some(Box::new(fallback));
    }

    pub(crate) fn set_stale(&mut self, stale: impl FnOnce() -> Option<T> + Send + 'static) {
        self.stale = Some(Box::new(stale));
    }

    /// What answers in the place of this error. Runs the user's code; one that panics is as good as
    /// one that has no answer. One who cancelled wants none.
    pub(crate) fn answer(self, error: &OperationError) -> Option<Answered<T>> {
        let asked = !matches!(error, OperationError::Cancelled);
        let Degrade { fallback, stale } = self;
        let ask_fallback = || asked.then_some(fallback?).and_then(|fallback| fallback(error));
        // Each with its destructor inside.
        if let Some(value) = contained(ask_fallback) {
            // What is not asked is the user's to drop.
            contained(|| drop_all(stale));
            return Some(Answered { value, source: Source::Fallback });
        }
        let value = contained(|| asked.then_some(stale?).and_then(|stale| stale()))?;
        Some(Answered { value, source: Source::Stale })
    }
}

/// The result, or what answers in the place of an error. Never panics.
pub(crate) fn or_degraded<T>(
    result: Result<T, OperationError>,
    choices: Choices<T>,
) -> Result<Answered<T>, OperationError> {
    let fresh = |value| Answered { value, source: Source::Fresh };
    let Some(chosen) = choices else { return result.map(fresh) };
    match result {
        Ok(value) => {
            contained(|| drop_all(chosen));
            Ok(fresh(value))
        }
        Err(error) => chosen.degrade.answer(&error).ok_or(error),
    }
}

fn drop_all<T>(value: T) -> Option<()> {
    drop(value);
    None
}

fn contained<T>(ask: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|thrown| {
        drop_thrown(thrown);
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrade(fallback: Option<u32>, stale: Option<u32>) -> Degrade<u32> {
        let mut degrade = Degrade::default();
        degrade.set_fallback(move |_| fallback);
        degrade.set_stale(move || stale);
        degrade
    }

    #[test]
    fn the_fallback_is_asked_before_the_stale_value() {
        let error = OperationError::Panicked("boom".into());
        let answer = |fallback, stale| degrade(fallback, stale).answer(&error);
        assert_eq!(answer(Some(1), Some(2)), Some(Answered { value: 1, source: Source::Fallback }));
        assert_eq!(answer(None, Some(2)), Some(Answered { value: 2, source: Source::Stale }));
        assert_eq!(answer(None, None), None);
        assert_eq!(Degrade::<u32>::default().answer(&error), None);
    }

    #[test]
    fn nobody_is_asked_for_one_who_cancelled() {
        assert_eq!(degrade(Some(1), Some(2)).answer(&OperationError::Cancelled), None);
    }

    #[test]
    fn one_that_panics_has_no_answer() {
        let error = OperationError::Panicked("boom".into());
        let mut degrade = degrade(None, Some(2));
        degrade.set_fallback(|_| panic!("in the fallback"));
        let answer = degrade.answer(&error);
        assert_eq!(answer, Some(Answered { value: 2, source: Source::Stale }));
    }
}
