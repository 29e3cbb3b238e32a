//! Why an item was not taken on, or has no answer.

use crate::{OperationError, Overloaded, Refused};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why an item was not taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// The kind has no batching.
    NotBatching {
        /// The kind.
        kind: String,
    },
    /// The kind's handler takes or answers something else.
    WrongType {
        /// The kind.
        kind: String,
        /// The types of an item and of an answer that the handler works with.
        handler: (&'static str, &'static str),
        /// The types of the item that came and of the answer that was asked for.
        item: (&'static str, &'static str),
    },
    /// As many operations wait as may.
    Overloaded(Overloaded),
    /// The manager was closed.
    Closed,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::NotBatching { kind } => write!(
                f,
                "an item of kind `{kind}`, which has no batching: call enable_batching first, or \
                 submit an operation with a future of its own"
            ),
            BatchError::WrongType { kind, handler, item } => write!(
                f,
                "an item of type {} with answer {} for kind `{kind}`, whose handler takes {} and \
                 answers {}: submit those, or use another kind",
                item.0, item.1, handler.0, handler.1
            ),
            BatchError::Overloaded(overloaded) => overloaded.fmt(f),
            BatchError::Closed => Refused::Closed.fmt(f),
        }
    }
}

impl Error for BatchError {}

impl From<Overloaded> for BatchError {
    fn from(overloaded: Overloaded) -> BatchError {
        BatchError::Overloaded(overloaded)
    }
}

impl From<Refused> for BatchError {
    fn from(refused: Refused) -> BatchError {
        match refused {
            Refused::Overloaded(overloaded) => BatchError::Overloaded(overloaded),
            Refused::Closed => BatchError::Closed,
        }
    }
}

impl From<BatchError> for OperationError {
    fn from(error: BatchError) -> OperationError {
        match error {
            BatchError::Overloaded(overloaded) => OperationError::Overloaded(overloaded),
            BatchError::Closed => OperationError::Closed,
            error => OperationError::Failed(Arc::new(error)),
        }
    }
}

/// A handler that gave another number of answers than it got items, so that nobody knows which
/// answer is whose. Every item of that batch fails with this error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongAnswers {
    /// How many items it got.
    pub items: usize,
    /// How many answers it gave.
    pub answers: usize,
}

impl fmt::Display for WrongAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answers for a batch of {} items: let the handler answer each item, in their order",
            self.answers, self.items
        )
    }
}

impl Error for WrongAnswers {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_both_types_and_the_remedy() {
        let error = BatchError::WrongType {
            kind: "insert".into(),
            handler: ("Row", "u64"),
            item: ("Line", "u32"),
        };
        assert_eq!(
            error.to_string(),
            "an item of type Line with answer u32 for kind `insert`, whose handler takes Row and \
             answers u64: submit those, or use another kind"
        );
    }
}
