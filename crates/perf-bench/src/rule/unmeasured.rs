//! What the whole says where a bench could not be compared: one answer for time, counts and files.

use crate::Outcome;

/// How a run ends, at best, of which a bench failed on these sides. A head that answers differently
/// has failed as well: fast and wrong must not pass. A base that fails alone leaves the answer open,
/// so that the change that mends it can pass.
pub(crate) fn outcome_of_failures(base_failed: bool, head_failed: bool) -> Outcome {
    match (base_failed, head_failed) {
        (_, true) => Outcome::ToolFailed,
        (true, false) => Outcome::Inconclusive,
        (false, false) => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_base_that_fails_alone_is_forgiven() {
        assert_eq!(outcome_of_failures(false, false), Outcome::Pass);
        assert_eq!(outcome_of_failures(true, false), Outcome::Inconclusive);
        assert_eq!(outcome_of_failures(false, true), Outcome::ToolFailed);
        assert_eq!(outcome_of_failures(true, true), Outcome::ToolFailed);
    }
}
