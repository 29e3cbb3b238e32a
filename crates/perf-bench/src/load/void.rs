//! Whether a run measured the target or the generator.

use super::Distribution;
use serde::{Deserialize, Serialize};

/// Requests may leave this late, or a tenth of the median later, whichever is more.
const LEAST_LAG: f64 = 1e6;
const SHARE_OF_MEDIAN: f64 = 0.1;
/// More than this share late, or refused by this machine, makes a run void.
const MOST_LATE: f64 = 0.01;

/// What makes a run void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VoidCause {
    /// All connections were busy, as they are when the target is slow: the latencies from sending
    /// are the least that can be said of it.
    Connections,
    /// The generator was too slow.
    Generator,
    /// This machine had no socket, port or memory left.
    System,
}

/// Why a run is void.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Void {
    pub(super) cause: VoidCause,
    pub(super) why: String,
}

/// How late requests left.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lateness {
    /// From how many nanoseconds on a request counts as late.
    pub(super) threshold: f64,
    /// The share of requests that left later than that, or never.
    pub(super) late_ratio: f64,
    /// Why the run is void, if it is.
    pub(super) void: Option<Void>,
}

/// Judges an open run. `lag` is by how much requests left after their intended time, `blocked` the
/// same for those that waited for a connection, `unsent` how many were due and never left and whether
/// one of them waited for a connection at the end.
pub(super) fn judge(
    median: f64,
    lag: &Distribution,
    blocked: &Distribution,
    (unsent, starved): (u64, bool),
    cap: &str,
) -> Lateness {
    let threshold = LEAST_LAG.max(SHARE_OF_MEDIAN * median);
    let late = lag.above(threshold) + unsent;
    let all = lag.count + unsent;
    let late_ratio = if all == 0 { 0.0 } else { late as f64 / all as f64 };
    let void = (late_ratio > MOST_LATE).then(|| {
        let share = format!(
            "{:.1} % of the requests left more than {} after their time",
            late_ratio * 100.0,
            crate::report::figure(threshold, "ns"),
        );
        // A slow generator delays those that wait too, so the majority tells; what never left is of
        // the same cause as what left late, unless it is known to have waited for a connection.
        let waiting = if starved { unsent } else { 0 };
        let for_want = blocked.above(threshold) + waiting;
        if for_want > 0 && 2 * for_want >= lag.above(threshold) + waiting {
            let why = format!(
                "{share}, for want of a connection: all {cap} were busy; raise --connections, or \
                 lower the rate to what the target bears"
            );
            Void { cause: VoidCause::Connections, why }
        } else {
            let why = format!(
                "{share}, since the generator was too slow; lower the rate, or give it a core of \
                 its own"
            );
            Void { cause: VoidCause::Generator, why }
        }
    });
    Lateness { threshold, late_ratio, void }
}

/// Judges how many of the requests that ended found no socket, port or memory on this machine:
/// what the target would have made of them is in no figure.
pub(super) fn of_system(refused: u64, ended: u64, words: &str) -> Option<Void> {
    let share = refused as f64 / ended.max(1) as f64;
    (share > MOST_LATE).then(|| Void {
        cause: VoidCause::System,
        why: format!(
            "{:.1} % of the requests found no socket, port or memory on this machine ({words}); \
             raise its limits (ulimit -n), or take fewer --connections",
            share * 100.0
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_core::Histogram;

    fn of(values: &[(u64, u64)]) -> Distribution {
        let mut histogram = Histogram::new();
        values.iter().for_each(|(value, n)| histogram.record_n(*value, *n));
        Distribution::of(&histogram)
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn one_in_a_hundred_may_be_late_and_no_more() {
        let none = of(&[]);
        let at_limit = judge(0.0, &of(&[(10, 990), (2 * MS, 10)]), &none, (0, false), "9");
        assert_eq!((at_limit.late_ratio, at_limit.void), (0.01, None));
        let above =
            judge(0.0, &of(&[(10, 989), (2 * MS, 11)]), &none, (0, false), "9").void.unwrap();
        assert_eq!(above.cause, VoidCause::Generator);
        assert!(above.why.contains("generator was too slow"), "{above:?}");
    }

    #[test]
    fn the_threshold_grows_with_the_median() {
        let lag = of(&[(2 * MS, 100)]);
        assert!(judge(1e6, &lag, &of(&[]), (0, false), "9").void.is_some());
        let slow = judge(30e6, &lag, &of(&[]), (0, false), "9");
        assert_eq!((slow.threshold, slow.void), (3e6, None));
    }

    #[test]
    fn a_want_of_connections_names_the_cap() {
        let lag = of(&[(10, 500), (5 * MS, 500)]);
        let why =
            judge(1e6, &lag, &of(&[(5 * MS, 490)]), (0, false), "7 connections").void.unwrap();
        assert_eq!(why.cause, VoidCause::Connections);
        let why = why.why;
        assert!(why.contains("7 connections") && why.contains("--connections"), "{why}");
    }

    #[test]
    fn what_this_machine_refused_voids_from_one_in_a_hundred() {
        assert_eq!(of_system(1, 100, "too many open files"), None);
        assert_eq!(of_system(0, 0, ""), None);
        let void = of_system(2, 100, "too many open files").unwrap();
        assert_eq!(void.cause, VoidCause::System);
        assert!(void.why.contains("too many open files") && void.why.contains("ulimit"));
    }

    #[test]
    fn what_never_left_is_late() {
        let sent = of(&[(10, 95)]);
        let judged = judge(1e6, &sent, &of(&[]), (5, false), "9");
        assert_eq!(judged.late_ratio, 0.05);
        assert_eq!(judged.void.unwrap().cause, VoidCause::Generator);
        let starved = judge(1e6, &sent, &of(&[]), (5, true), "9");
        assert_eq!(starved.void.unwrap().cause, VoidCause::Connections);
        assert_eq!(judge(1e6, &of(&[]), &of(&[]), (0, false), "9").late_ratio, 0.0);
    }
}
