//! What is kept of a run: histograms and counts of fixed size, however long it lasts.

use super::windows::Windows;
use perf_core::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// Nobody listened.
    Refused,
    /// The connection was reset, or closed before the answer was whole.
    Reset,
    /// The answer was not whole in time.
    TimedOut,
    /// The answer was not HTTP of the version asked for.
    Protocol,
    /// The body was longer than allowed.
    TooLong,
    /// The status was not one of the right ones.
    WrongStatus,
    /// This machine had no socket, port or memory left for it.
    System,
}

impl Failure {
    /// Whether the target may be gone: no answer at all came.
    pub(super) fn is_of_the_connection(self) -> bool {
        matches!(self, Failure::Refused | Failure::Reset)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Refused => "refused",
            Failure::Reset => "reset or closed",
            Failure::TimedOut => "timed out",
            Failure::Protocol => "not HTTP",
            Failure::TooLong => "body too long",
            Failure::WrongStatus => "wrong status",
            Failure::System => "no socket left here",
        })
    }
}

/// A failure with the words for the report.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: Failure,
    pub(super) message: String,
}

/// An answer as it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    pub(super) wire_bytes: u64,
}

/// One request that has ended, with its times since the run began.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) request: usize,
    pub(super) intended: Duration,
    pub(super) sent: Duration,
    pub(super) done: Duration,
    pub(super) outcome: Result<Done, Fault>,
}

/// Everything that is kept.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Requests count from here on.
    from: Duration,
    /// And until here.
    until: Duration,
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) failed: u64,
    /// Answers that came before the end of the time, which makes the rate.
    pub(super) in_time: u64,
    pub(super) from_intended: Histogram,
    pub(super) from_sent: Histogram,
    pub(super) lag: Histogram,
    pub(super) lag_blocked: Histogram,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) failures: BTreeMap<Failure, (u64, String)>,
    pub(super) body_bytes: u64,
    pub(super) wire_bytes: u64,
    pub(super) per_request: Vec<PerRequest>,
    pub(super) windows: Windows,
    pub(super) live: Live,
}

/// One kind of request.
#[derive(Clone, Debug, Default)]
pub(super) struct PerRequest {
    pub(super) ended: u64,
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) body_bytes: u64,
    pub(super) latency: Histogram,
}

/// What has happened since the progress was last told, warm-up included.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) latency: Histogram,
}

impl Recorder {
    pub(super) fn new(from: Duration, length: Duration, requests: usize) -> Recorder {
        Recorder {
            from,
            until: from + length,
            sent: 0,
            answered: 0,
            failed: 0,
            in_time: 0,
            from_intended: Histogram::new(),
            from_sent: Histogram::new(),
            lag: Histogram::new(),
            lag_blocked: Histogram::new(),
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            body_bytes: 0,
            wire_bytes: 0,
            per_request: vec![PerRequest::default(); requests],
            windows: Windows::new(),
            live: Live::default(),
        }
    }

    /// Whether a request that was due then counts.
    pub(super) fn counts(&self, intended: Duration) -> bool {
        (self.from..self.until).contains(&intended)
    }

    /// A request has left.
    pub(super) fn sent(&mut self, intended: Duration, sent: Duration, blocked: bool) {
        if !self.counts(intended) {
            return;
        }
        self.sent += 1;
        let lag = sent.saturating_sub(intended);
        self.lag.record_duration(lag);
        if blocked {
            self.lag_blocked.record_duration(lag);
        }
        self.windows.at(intended - self.from).sent += 1;
    }

    /// A request has ended.
    ///
    /// A time-out counts with the time that it was waited for: leaving it out would hide the worst.
    pub(super) fn ended(&mut self, ended: &Ended, expected: bool) {
        let from_intended = ended.done.saturating_sub(ended.intended);
        let waited = match &ended.outcome {
            Ok(_) => true,
            Err(fault) => fault.kind == Failure::TimedOut,
        };
        let failed = !expected || ended.outcome.is_err();
        self.live.answered += u64::from(ended.outcome.is_ok());
        self.live.failed += u64::from(failed);
        if waited {
            self.live.latency.record_duration(from_intended);
        }
        if !self.counts(ended.intended) {
            return;
        }
        let per_request = &mut self.per_request[ended.request];
        per_request.ended += 1;
        per_request.failed += u64::from(failed);
        self.failed += u64::from(failed);
        let window = self.windows.at(ended.intended - self.from);
        if waited {
            self.from_intended.record_duration(from_intended);
            self.from_sent.record_duration(ended.done.saturating_sub(ended.sent));
            per_request.latency.record_duration(from_intended);
            window.latency.record_duration(from_intended);
        }
        window.failed += u64::from(failed);
        match &ended.outcome {
            Ok(done) => {
                self.answered += 1;
                self.body_bytes += done.body_bytes;
                per_request.answered += 1;
                per_request.body_bytes += done.body_bytes;
                self.wire_bytes += done.wire_bytes;
                // At most 900 of them: the parsers take three digits.
                *self.statuses.entry(done.status).or_default() += 1;
                if ended.done < self.until {
                    self.in_time += 1;
                    self.windows.at(ended.done - self.from).answered += 1;
                }
                if !expected {
                    self.fail(Failure::WrongStatus, || format!("status {}", done.status));
                }
            }
            Err(fault) => self.fail(fault.kind, || fault.message.clone()),
        }
    }

    fn fail(&mut self, kind: Failure, words: impl FnOnce() -> String) {
        self.failures.entry(kind).or_insert_with(|| (0, words())).0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ended(at: u32, outcome: Result<u16, Failure>) -> Ended {
        Ended {
            request: 0,
            intended: MS * at,
            sent: MS * (at + 2),
            done: MS * (at + 10),
            outcome: outcome
                .map(|status| Done { status, body_bytes: 5, wire_bytes: 50 })
                .map_err(|kind| Fault { kind, message: "why".into() }),
        }
    }

    #[test]
    fn only_what_was_due_in_the_measured_time_counts() {
        let mut record = Recorder::new(MS * 100, MS * 100, 1);
        for at in [99, 100, 199, 200] {
            record.sent(MS * at, MS * at, false);
            record.ended(&ended(at, Ok(200)), true);
        }
        assert_eq!((record.sent, record.answered, record.in_time), (2, 2, 1));
        assert_eq!((record.lag.count(), record.statuses[&200]), (2, 2));
        assert_eq!(record.live.answered, 4);
    }

    #[test]
    fn latency_counts_from_the_intended_start_and_from_the_sending() {
        let mut record = Recorder::new(Duration::ZERO, MS * 100, 1);
        record.ended(&ended(0, Ok(200)), true);
        assert_eq!(record.from_intended.max(), Some(10_000_000));
        assert_eq!(record.from_sent.max(), Some(8_000_000));
    }

    #[test]
    fn time_outs_stay_in_the_latency_and_broken_connections_do_not() {
        let mut record = Recorder::new(Duration::ZERO, MS * 100, 1);
        record.ended(&ended(0, Err(Failure::TimedOut)), false);
        record.ended(&ended(0, Err(Failure::Refused)), false);
        record.ended(&ended(0, Ok(500)), false);
        assert_eq!((record.from_intended.count(), record.failed, record.answered), (2, 3, 1));
        let kinds: Vec<_> = record.failures.iter().map(|(kind, (n, _))| (*kind, *n)).collect();
        assert_eq!(
            kinds,
            [(Failure::Refused, 1), (Failure::TimedOut, 1), (Failure::WrongStatus, 1)]
        );
    }
}
