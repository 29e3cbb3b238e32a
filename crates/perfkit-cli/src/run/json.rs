//! The results as one JSON object.

use super::Ran;
use super::document::SLOWEST;
use perf_async::test_queue::{TestResult, Verdict};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

pub(super) fn json(suite: &str, ran: &Ran) -> Value {
    let report = &ran.report;
    let names = |results: Vec<&TestResult>| -> Vec<Value> {
        results.into_iter().map(|result| result.name.as_str().into()).collect()
    };
    json!({
        "suite": suite,
        "run_id": report.run_id,
        "passed": report.is_passed() && !ran.interrupted,
        "interrupted": ran.interrupted,
        "jobs": report.jobs,
        "elapsed_ms": millis(report.elapsed),
        "counts": {
            "total": report.results.len(),
            "passed": report.count(Verdict::Passed),
            "flaky": report.flaky().count(),
            "unchanged": report.count(Verdict::Unchanged),
            "failed": report.count(Verdict::Failed),
            "timed_out": report.count(Verdict::TimedOut),
            "cancelled": report.count(Verdict::Cancelled),
        },
        "cases": report.results.iter().map(|result| case(result)).collect::<Vec<Value>>(),
        "flaky": names(report.flaky().collect()),
        "slowest": names(report.slowest(SLOWEST)),
        "notices": report.notices,
        "results_stored": report.stored,
        "results_error": report.sink_error,
    })
}

fn case(result: &TestResult) -> Value {
    json!({
        "execution_id": result.execution_id,
        "name": result.name,
        "group": result.group,
        "verdict": word(result.verdict),
        "passed": result.is_passed(),
        "flaky": result.is_flaky(),
        "reason": result.reason,
        "attempts": result.attempts,
        "failures": result.failures,
        "duration_ms": millis(result.duration),
        "slow": result.slow,
        "created_at_ms": unix_millis(result.created_at),
        "fingerprint": result.fingerprint.map(|fingerprint| fingerprint.to_string()),
        "output": result.output,
        "output_bytes_cut": result.output_cut,
        "left_processes": result.left_processes,
    })
}

/// The verdict for machines.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Unchanged => "unchanged",
        Verdict::TimedOut => "timed_out",
        Verdict::Cancelled => "cancelled",
        _ => "failed",
    }
}

/// Milliseconds with a fraction, to the microsecond.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// Milliseconds since 1970.
pub(super) fn unix_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
