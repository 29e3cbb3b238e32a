//! How a run ends: the exit codes, in one place.

/// What the whole run says. The exit code is part of the contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing got worse: 0.
    Pass,
    /// The noise allows no answer: 4 where the caller is strict, else 0.
    Inconclusive,
    /// Something got worse: 3.
    Regression,
    /// A tool failed, so nothing can be said: 1.
    ToolFailed,
}

impl Outcome {
    /// The exit code of a program that ends so. 2 is left to wrong usage.
    #[must_use]
    pub fn exit_code(self, strict: bool) -> u8 {
        match self {
            Outcome::Pass => 0,
            Outcome::ToolFailed => 1,
            Outcome::Regression => 3,
            Outcome::Inconclusive if strict => 4,
            Outcome::Inconclusive => 0,
        }
    }
}
