//! What a target is to keep under load.

use super::{Distribution, LoadError};
use crate::report::figure;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Limits that a target is to keep: `p99=50ms,errors=1%`.
///
/// Latencies are those from the intended start. Known are `p50`, `p90`, `p95`, `p99`, `p99.9`,
/// `max`, `mean` with a time, and `errors` with a share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    limits: Vec<Limit>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Limit {
    what: String,
    /// Nanoseconds, or a share from 0 to 1.
    most: f64,
}

/// One limit and whether it held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObjectiveOutcome {
    /// What is limited: `p99`, `errors`.
    pub what: String,
    /// The limit: nanoseconds, or a share from 0 to 1 for `errors`.
    pub limit: f64,
    /// What was measured, in the same unit; `None` when nothing was answered.
    pub measured: Option<f64>,
    /// Whether it held.
    pub held: bool,
    /// Whether `measured` is the least that it can be: the latency from sending, in a run that is
    /// void for want of connections.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lower_bound: bool,
}

/// Puts those outcomes that are broken by a lower bound in place of their own: however the run is
/// void, they are broken.
pub(super) fn take_broken(outcomes: &mut [ObjectiveOutcome], least: Vec<ObjectiveOutcome>) {
    for (outcome, least) in outcomes.iter_mut().zip(least) {
        if least.measured.is_some() && !least.held {
            *outcome = ObjectiveOutcome { lower_bound: true, ..least };
        }
    }
}

impl Objectives {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Compares them with what was measured. With nothing answered, none holds; the error ratio is
    /// `None` when no request has ended.
    #[must_use]
    pub fn judge(&self, latency: &Distribution, error_ratio: Option<f64>) -> Vec<ObjectiveOutcome> {
        let judge = |limit: &Limit| {
            let measured = match limit.what.as_str() {
                "errors" => error_ratio,
                what => latency.named(what),
            };
            ObjectiveOutcome {
                what: limit.what.clone(),
                limit: limit.most,
                measured,
                held: measured.is_some_and(|measured| measured <= limit.most),
                lower_bound: false,
            }
        };
        self.limits.iter().map(judge).collect()
    }
}

impl fmt::Display for ObjectiveOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: f64| match self.what.as_str() {
            "errors" => format!("{:.2} %", value * 100.0),
            _ => figure(value, "ns"),
        };
        let verdict = if self.held { "held" } else { "broken" };
        match self.measured {
            Some(value) => write!(
                f,
                "{} {}{} of at most {}: {verdict}",
                self.what,
                if self.lower_bound { "at least " } else { "" },
                show(value),
                show(self.limit)
            ),
            None => write!(
                f,
                "{} of at most {}: {verdict}, nothing was answered",
                self.what,
                show(self.limit)
            ),
        }
    }
}

impl FromStr for Objectives {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Objectives, LoadError> {
        let mut limits: Vec<Limit> = Vec::new();
        for part in text.split(',') {
            let refuse = |why: &str| {
                LoadError::usage(format!(
                    "objective `{}` {why}; write it like p99=50ms,errors=1%",
                    part.trim()
                ))
            };
            let (what, most) = part.split_once('=').ok_or_else(|| refuse("has no ="))?;
            let (what, most) = (what.trim(), most.trim());
            let most = match what {
                "errors" => share(most).ok_or_else(|| refuse("is not a share of 0 to 100 %"))?,
                "p50" | "p90" | "p95" | "p99" | "p99.9" | "max" | "mean" => {
                    let time = time(most).ok_or_else(|| refuse("is not a time"))?;
                    time.as_nanos() as f64
                }
                _ => {
                    return Err(refuse(
                        "limits nothing that is known (p50, p90, p95, p99, p99.9, max, mean, errors)",
                    ));
                }
            };
            if limits.iter().any(|limit| limit.what == what) {
                return Err(refuse("is named twice"));
            }
            limits.push(Limit { what: what.to_owned(), most });
        }
        Ok(Objectives { limits })
    }
}

fn share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

/// A time as people write it: `250us`, `50ms`, `1.5s`, `2m`, `1h`.
pub(super) fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_core::Histogram;

    #[test]
    fn limits_are_read_and_judged() {
        let objectives: Objectives = "p99=50ms, errors=1%".parse().unwrap();
        let mut latency = Histogram::new();
        latency.record_n(10_000_000, 95);
        latency.record_n(60_000_000, 5);
        let outcomes = objectives.judge(&Distribution::of(&latency), Some(0.01));
        assert_eq!(outcomes.iter().map(|o| o.held).collect::<Vec<_>>(), [false, true]);
        assert!(outcomes[0].to_string().contains("broken"), "{}", outcomes[0]);
        let nothing = objectives.judge(&Distribution::of(&Histogram::new()), None);
        assert!(nothing.iter().all(|o| !o.held && o.measured.is_none()));
    }

    #[test]
    fn a_lower_bound_breaks_a_limit_and_never_keeps_one() {
        let objectives: Objectives = "p50=1ms,p99=50ms".parse().unwrap();
        let of = |ns| {
            let mut latency = Histogram::new();
            latency.record_n(ns, 100);
            Distribution::of(&latency)
        };
        let mut outcomes = objectives.judge(&of(100_000_000), None);
        take_broken(&mut outcomes, objectives.judge(&of(10_000_000), None));
        let seen: Vec<_> = outcomes.iter().map(|o| (o.held, o.lower_bound)).collect();
        assert_eq!(seen, [(false, true), (false, false)]);
        assert!(outcomes[0].to_string().contains("at least"), "{}", outcomes[0]);
    }

    #[test]
    fn others_are_refused_by_name() {
        for text in ["p99", "p98=1ms", "p99=50", "errors=101%", "errors=x", "p50=1s,p50=1s", ""] {
            let error = text.parse::<Objectives>().unwrap_err().to_string();
            assert!(error.contains(text.split(',').next().unwrap()), "{text}: {error}");
        }
    }
}
