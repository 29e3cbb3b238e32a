//! What a run found.

use super::engine::{Measured, Stop};
use super::record::Failure;
use super::trend::Trend;
use super::{Distribution, Form, Jitter, ObjectiveOutcome, StressReport, VoidCause};
use crate::{Machine, Outcome};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a load run found. Times are nanoseconds unless they say seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadReport {
    /// Version of this format.
    pub format: u32,
    /// Where the generator ran.
    pub machine: Machine,
    /// When the run began, in seconds since 1970.
    pub started: u64,
    /// What was asked to be loaded.
    pub target: String,
    /// The address it was found at.
    pub address: String,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: String,
    /// How requests came.
    pub form: Form,
    /// How their arrivals scattered.
    pub jitter: Jitter,
    /// The seed.
    pub seed: u64,
    /// Connections at most.
    pub connections: usize,
    /// Connections that were asked for; the limit on open files may allow fewer.
    #[serde(default)]
    pub connections_asked: usize,
    /// How long was asked for, in seconds.
    pub length: f64,
    /// How long was measured, in seconds; less when it ended early.
    pub measured: f64,
    /// What went before and is not counted, in seconds.
    pub warm_up: f64,
    /// The time-out of a request, in seconds.
    pub timeout: f64,
    /// How the run ended.
    pub ended: LoadEnd,
    /// Why the figures are the generator's rather than the target's, if they are.
    pub void: Option<String>,
    /// What makes it void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void_cause: Option<VoidCause>,
    /// What is counted.
    #[serde(flatten)]
    pub figures: LoadFigures,
    /// The objectives and whether they held.
    pub objectives: Vec<ObjectiveOutcome>,
    /// The steps of a stress run; the figures above are then those of the highest step that held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<StressReport>,
    /// How latency and memory went over the run, where it was long enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// Processor and memory beside the run.
    #[cfg(feature = "system")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<crate::system::Samples>,
}

/// What a run counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadFigures {
    /// Answers a second over the measured time.
    pub rate: f64,
    /// Requests that left.
    pub sent: u64,
    /// Answers, right or wrong.
    pub answered: u64,
    /// Requests without answer or with a wrong one.
    pub failed: u64,
    /// Requests still open when the draining ended; they count as failed unless somebody ended the
    /// run.
    pub abandoned: u64,
    /// Requests that were due and never left.
    pub unsent: u64,
    /// Failures among the requests that ended or were given up.
    pub error_ratio: f64,
    /// Latency from the intended start to the last byte. Time-outs count as long as they lasted.
    pub latency: Distribution,
    /// The same from the real sending.
    pub latency_from_sending: Distribution,
    /// By how much requests left after their intended time.
    pub lag: Distribution,
    /// From how many nanoseconds on they count as late.
    pub lag_threshold: f64,
    /// The share that was late.
    pub late_ratio: f64,
    /// Answers by status.
    pub statuses: Vec<(u16, u64)>,
    /// Failures by kind, with the first one's words.
    pub failures: Vec<FailureCount>,
    /// Bytes of bodies.
    pub body_bytes: u64,
    /// Bytes of answers, heads included where the protocol shows them.
    pub wire_bytes: u64,
    /// Connections opened.
    pub opened: u64,
    /// Most requests under way at once.
    pub most_in_flight: u64,
    /// Requests that were sent again, warm-up included: the connection had been kept alive and
    /// broke before anything of the answer came, which a target may do to an idle one.
    #[serde(default)]
    pub retried: u64,
    /// Seconds that one window lasts.
    pub window_seconds: f64,
    /// The run window by window.
    pub windows: Vec<LoadWindow>,
    /// Each kind of request.
    pub requests: Vec<RequestFigures>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadEnd {
    /// After its time.
    Complete,
    /// Because somebody asked for it.
    Interrupted,
    /// Because the target no longer answered.
    TargetLost {
        /// When it last answered, in seconds since the measuring began.
        at: f64,
    },
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailureCount {
    /// The kind.
    pub kind: Failure,
    /// How many.
    pub count: u64,
    /// The words of the first.
    pub example: String,
}

/// One window of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadWindow {
    /// Requests due in it that left.
    pub sent: u64,
    /// Answers that came in it.
    pub answered: u64,
    /// Requests due in it that failed.
    pub failed: u64,
    /// Median latency of what was due in it, if anything was answered.
    pub p50: Option<f64>,
    /// The 99th percentile likewise.
    pub p99: Option<f64>,
    /// The largest likewise.
    pub max: Option<f64>,
}

/// One kind of request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestFigures {
    /// Its name.
    pub name: String,
    /// How many ended.
    pub ended: u64,
    /// How many of them were answered, right or wrong.
    #[serde(default)]
    pub answered: u64,
    /// Bytes of the bodies of those answers.
    #[serde(default)]
    pub body_bytes: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Latency from the intended start: median.
    pub p50: f64,
    /// The 95th percentile.
    #[serde(default)]
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl LoadReport {
    /// Whether requests left and none of them was answered.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.figures.sent > 0 && self.figures.answered == 0
    }

    /// How the run ends for scripts: a target that is lost or never answered is a failed tool; a
    /// broken objective a regression, unless the run is void, for then only errors and latencies
    /// that are lower bounds can be believed; a void run, or one too short for its objectives, says
    /// nothing; all else passes, error answers included where no objective names them.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if matches!(self.ended, LoadEnd::TargetLost { .. }) || self.is_unanswered() {
            return Outcome::ToolFailed;
        }
        let believed = |o: &&ObjectiveOutcome| {
            let errors = o.what == "errors" && self.void_cause != Some(VoidCause::System);
            o.measured.is_some() && (self.void.is_none() || errors || o.lower_bound)
        };
        // Those of a stress run are of the highest step that held, or of the last if none did.
        if self.objectives.iter().filter(believed).any(|o| !o.held) {
            return Outcome::Regression;
        }
        let unknown = self.objectives.iter().any(|o| o.measured.is_none());
        if self.void.is_some() || unknown { Outcome::Inconclusive } else { Outcome::Pass }
    }

    /// As JSON, indented.
    ///
    /// # Panics
    ///
    /// Never: all of it is plain values.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain values with string keys serialize")
    }
}

impl LoadFigures {
    /// The share of failures, `None` when no request has ended.
    pub(super) fn errors(&self) -> Option<f64> {
        (self.answered + self.failed > 0).then_some(self.error_ratio)
    }

    pub(super) fn of(measured: &Measured, names: &[String], open: bool) -> LoadFigures {
        let record = &measured.record;
        let latency = Distribution::of(&record.from_intended);
        let given_up = match measured.stop {
            Some(Stop::Asked) => 0,
            _ => measured.abandoned,
        };
        let failed = record.failed + given_up;
        let ended = given_up
            + record.answered
            + record
                .failures
                .iter()
                .filter(|(k, _)| **k != Failure::WrongStatus)
                .map(|(_, (n, _))| n)
                .sum::<u64>();
        let ran = measured.ran.as_secs_f64();
        let ratio =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let window = |w: &super::windows::Window| {
            let at = |q| w.latency.quantile(q).map(|v| v as f64);
            LoadWindow {
                sent: w.sent,
                answered: w.answered,
                failed: w.failed,
                p50: at(0.5),
                p99: at(0.99),
                max: w.latency.max().map(|v| v as f64),
            }
        };
        let request = |(name, r): (&String, &super::record::PerRequest)| {
            let at = |q| r.latency.quantile(q).unwrap_or(0) as f64;
            RequestFigures {
                name: name.clone(),
                ended: r.ended,
                answered: r.answered,
                body_bytes: r.body_bytes,
                failed: r.failed,
                p50: at(0.5),
                p95: at(0.95),
                p99: at(0.99),
                max: r.latency.max().unwrap_or(0) as f64,
            }
        };
        LoadFigures {
            rate: if ran > 0.0 { record.in_time as f64 / ran } else { 0.0 },
            sent: record.sent,
            answered: record.answered,
            failed,
            abandoned: measured.abandoned,
            unsent: measured.unsent,
            error_ratio: ratio(failed, ended),
            latency,
            latency_from_sending: Distribution::of(&record.from_sent),
            lag: if open { Distribution::of(&record.lag) } else { Distribution::default() },
            lag_threshold: 0.0,
            late_ratio: 0.0,
            statuses: record.statuses.iter().map(|(s, n)| (*s, *n)).collect(),
            failures: record
                .failures
                .iter()
                .map(|(kind, (count, example))| FailureCount {
                    kind: *kind,
                    count: *count,
                    example: example.clone(),
                })
                .collect(),
            body_bytes: record.body_bytes,
            wire_bytes: record.wire_bytes,
            opened: measured.opened,
            most_in_flight: measured.most_in_flight,
            retried: measured.retried,
            window_seconds: record.windows.width().as_secs_f64(),
            windows: record.windows.iter().map(window).collect(),
            requests: names.iter().zip(&record.per_request).map(request).collect(),
        }
    }
}

impl LoadEnd {
    pub(super) fn of(stop: Option<Stop>) -> LoadEnd {
        match stop {
            None => LoadEnd::Complete,
            Some(Stop::Asked) => LoadEnd::Interrupted,
            Some(Stop::TargetLost(at)) => LoadEnd::TargetLost { at: seconds(at) },
        }
    }
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}
