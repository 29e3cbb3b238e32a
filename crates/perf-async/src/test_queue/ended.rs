//! How an attempt ended.

use super::Verdict;

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<String>,
    pub(super) left_processes: bool,
}

impl Ended {
    pub(super) fn passed() -> Ended {
        Ended { verdict: Verdict::Passed, reason: None, left_processes: false }
    }

    pub(super) fn with(verdict: Verdict, reason: impl Into<String>) -> Ended {
        Ended { verdict, reason: Some(reason.into()), left_processes: false }
    }
}
