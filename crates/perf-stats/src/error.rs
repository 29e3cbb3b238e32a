//! What a statistic cannot be computed from.

use std::fmt;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StatsError {
    /// Fewer values than the method needs.
    TooFew {
        /// How many there are.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// Two paired rows are not equally long.
    Unpaired {
        /// Length of the first.
        first: usize,
        /// Length of the second.
        second: usize,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Where it stands.
        index: usize,
        /// What it is.
        value: f64,
    },
    /// A value is zero or negative where a logarithm is taken.
    NotPositive {
        /// Where it stands.
        index: usize,
        /// What it is.
        value: f64,
    },
    /// A setting, or a value, is outside of its range.
    OutOfRange {
        /// Which one.
        setting: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
}

impl fmt::Display for StatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatsError::TooFew { have, need } => {
                write!(f, "{have} values are too few, take at least {need}")
            }
            StatsError::Unpaired { first, second } => {
                write!(f, "{first} and {second} values make no pairs, measure both equally often")
            }
            StatsError::NotFinite { index, value } => {
                write!(f, "value {index} is {value}, drop it or measure again")
            }
            StatsError::NotPositive { index, value } => {
                write!(f, "value {index} is {value}, a ratio needs values above zero")
            }
            StatsError::OutOfRange { setting, value, allowed } => {
                write!(f, "{setting} is {value}, it must be {allowed}")
            }
        }
    }
}

impl std::error::Error for StatsError {}
