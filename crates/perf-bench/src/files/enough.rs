//! How many runs a side it takes before a loss can be told from chance at all.

use crate::Rule;

/// From so many runs a side on, the middle values of the runs are compared instead of the
/// samples: between two runs more differs than within one. Fewer make no interval at 99 %.
pub(super) const RUNS: usize = 5;

/// Whether so many runs of the base and the head can show a loss among so many benches.
///
/// The strongest evidence is that all runs of one side lie above all of the other, which happens by
/// chance in one of C(a + b, a) orders; Holm's correction multiplies that by the number of benches.
pub(super) fn can_show(rule: &Rule, base: usize, head: usize, benches: usize) -> bool {
    orders(base, head) * level(rule) >= benches as f64
}

/// The least runs a side that can show a loss among so many benches: 5 for one at 99 %, 6 for up to
/// 4, 7 for up to 17, 8 for up to 64.
pub(super) fn least_runs(rule: &Rule, benches: usize) -> usize {
    // A confidence next to 1 would take as many as there are bits to tell it from 1.
    (RUNS..60).find(|runs| can_show(rule, *runs, *runs, benches)).unwrap_or(60)
}

/// What each side of an interval may miss.
pub(super) fn level(rule: &Rule) -> f64 {
    (1.0 - rule.confidence.as_f64()) / 2.0
}

/// C(a + b, a), up to infinity.
fn orders(a: usize, b: usize) -> f64 {
    let (few, many) = (a.min(b), a.max(b) as f64);
    (1..=few).map(|n| (many + n as f64) / n as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_benches_take_more_runs() {
        let rule = Rule::new();
        let least = |benches| least_runs(&rule, benches);
        assert_eq!([1, 2, 4, 5, 17, 18, 64, 65, 243].map(least), [5, 6, 6, 7, 7, 8, 8, 9, 9]);
        assert!(can_show(&rule, 4, 7, 1) && !can_show(&rule, 4, 5, 1), "330 and 126 orders");
        assert!(can_show(&rule, 10_000, 10_000, 1_000_000));
        assert!(!can_show(&rule, 0, 10_000, 1));
    }
}
