//! Limits against measurements.

use super::{Figure, Kind, Limit};
use crate::Outcome;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What was measured, to be held against a budget.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    values: Vec<(Kind, String, Figure, f64)>,
}

/// How a limit was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetVerdict {
    /// More than the limit.
    Broken,
    /// Nothing was measured, so nothing can be said.
    NotMeasured,
    /// Kept, with less than a tenth of room.
    Tight,
    /// Kept.
    Within,
}

/// One limit and how it was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetRow {
    /// The limit in words: `route GET /docs/* p95`.
    pub what: String,
    /// What the limit is about.
    pub kind: Kind,
    /// The figure that is limited.
    pub figure: Figure,
    /// Unit of `limit` and `measured`: `ns`, `bytes` or `fraction`.
    pub unit: String,
    /// The most it may be.
    pub limit: f64,
    /// What it was.
    pub measured: Option<f64>,
    /// The share of the limit that is left; below 0 when it is broken.
    pub room: Option<f64>,
    /// How it was kept.
    pub verdict: BudgetVerdict,
    /// What the figure is of, where the limit is a glob; how many more it covers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A budget held against measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetReport {
    /// One for each limit, worst first.
    pub rows: Vec<BudgetRow>,
}

impl Measured {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Measured {
        Measured::default()
    }

    /// Adds a figure, in the figure's unit. One that is not a finite number was not measured.
    #[must_use]
    pub fn with(
        mut self,
        kind: Kind,
        name: impl Into<String>,
        figure: Figure,
        value: f64,
    ) -> Measured {
        if value.is_finite() {
            self.values.push((kind, name.into(), figure, value));
        }
        self
    }

    /// Adds a figure of a route, in the figure's unit.
    #[must_use]
    pub fn route(self, name: impl Into<String>, figure: Figure, value: f64) -> Measured {
        self.with(Kind::Route, name, figure, value)
    }

    /// Adds the time of an operation.
    #[must_use]
    pub fn operation(self, name: impl Into<String>, time: Duration) -> Measured {
        self.with(Kind::Operation, name, Figure::Time, time.as_secs_f64() * 1e9)
    }

    /// Adds a size of a bundle: [`Figure::Raw`] or [`Figure::Brotli`].
    #[must_use]
    pub fn bundle(self, name: impl Into<String>, figure: Figure, bytes: u64) -> Measured {
        self.with(Kind::Bundle, name, figure, bytes as f64)
    }

    /// Adds the resident memory.
    #[must_use]
    pub fn resident(self, bytes: u64) -> Measured {
        self.with(Kind::Memory, "", Figure::Resident, bytes as f64)
    }

    /// Adds the time of the start.
    #[must_use]
    pub fn start_up(self, time: Duration) -> Measured {
        self.with(Kind::StartUp, "", Figure::Time, time.as_secs_f64() * 1e9)
    }
}

impl BudgetReport {
    /// Broken is a regression; a limit without a measurement makes the whole inconclusive.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |verdict| self.rows.iter().any(|row| row.verdict == verdict);
        if any(BudgetVerdict::Broken) {
            Outcome::Regression
        } else if any(BudgetVerdict::NotMeasured) {
            Outcome::Inconclusive
        } else {
            Outcome::Pass
        }
    }
}

pub(super) fn check(limits: &[Limit], measured: &Measured) -> BudgetReport {
    let mut rows: Vec<BudgetRow> = limits.iter().map(|limit| row(limit, measured)).collect();
    rows.sort_by(|a, b| {
        let room = |row: &BudgetRow| row.room.unwrap_or(0.0);
        a.verdict.cmp(&b.verdict).then_with(|| room(a).total_cmp(&room(b)))
    });
    BudgetReport { rows }
}

fn row(limit: &Limit, measured: &Measured) -> BudgetRow {
    let covered: Vec<(&str, f64)> = measured
        .values
        .iter()
        .filter(|(kind, name, figure, _)| {
            (*kind, *figure) == (limit.kind(), limit.figure()) && limit.covers(name)
        })
        .map(|(_, name, _, value)| (name.as_str(), *value))
        .collect();
    let worst = covered.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let value = worst.map(|(_, value)| *value);
    let room = value.map(|value| match limit.most() {
        // Nothing at all is allowed: kept or not, there is no share to speak of.
        most if most <= 0.0 => (most - value).min(0.0),
        most => (most - value) / most,
    });
    BudgetRow {
        what: limit.what(),
        kind: limit.kind(),
        figure: limit.figure(),
        unit: limit.figure().unit().to_owned(),
        limit: limit.most(),
        measured: value,
        room,
        verdict: match (value, room) {
            (Some(value), _) if value > limit.most() => BudgetVerdict::Broken,
            (Some(_), Some(room)) if room < TIGHT && limit.most() > 0.0 => BudgetVerdict::Tight,
            (Some(_), _) => BudgetVerdict::Within,
            (None, _) => BudgetVerdict::NotMeasured,
        },
        note: match (worst, covered.len()) {
            (Some((name, _)), 1) if *name != limit.name() => (*name).to_owned(),
            (Some((name, _)), count) if count > 1 => format!("{name}, the worst of {count}"),
            _ => String::new(),
        },
    }
}

/// The share of room below which a limit that is kept is marked.
const TIGHT: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::super::Budget;
    use super::*;

    fn report(text: &str, measured: &Measured) -> BudgetReport {
        Budget::read(text).unwrap().check(measured)
    }

    #[test]
    fn room_is_the_share_that_is_left() {
        let text = "[start-up]\ntime = \"200ms\"";
        for (millis, room, verdict) in [
            (50, 0.75, BudgetVerdict::Within),
            (190, 0.05, BudgetVerdict::Tight),
            (200, 0.0, BudgetVerdict::Tight),
            (300, -0.5, BudgetVerdict::Broken),
        ] {
            let report = report(text, &Measured::new().start_up(Duration::from_millis(millis)));
            let row = &report.rows[0];
            assert!((row.room.unwrap() - room).abs() < 1e-9, "{row:?}");
            assert_eq!(row.verdict, verdict, "{row:?}");
        }
    }

    #[test]
    fn what_was_not_measured_is_never_green() {
        let text = "[memory]\nresident = \"1MiB\"\n[start-up]\ntime = \"1s\"";
        let measured = Measured::new().resident(10);
        let report = report(text, &measured);
        assert_eq!(report.outcome(), Outcome::Inconclusive);
        assert_eq!(report.rows[0].what, "start-up time");
        assert_eq!(report.rows[0].verdict, BudgetVerdict::NotMeasured);
    }

    #[test]
    fn a_figure_that_is_no_number_was_not_measured() {
        let text = "[[route]]\nroute = \"/\"\nerrors = \"1%\"";
        let report = report(text, &Measured::new().route("/", Figure::Errors, f64::NAN));
        assert_eq!(report.rows[0].verdict, BudgetVerdict::NotMeasured);
    }

    #[test]
    fn a_glob_is_held_against_the_worst_it_covers() {
        let text = "[[route]]\nroute = \"GET /docs/*\"\np95 = \"10ms\"";
        let measured = Measured::new()
            .route("GET /docs/a", Figure::P95, 1e6)
            .route("GET /docs/b", Figure::P95, 12e6)
            .route("GET /other", Figure::P95, 90e6)
            .route("GET /docs/b", Figure::P99, 99e6);
        let report = report(text, &measured);
        assert_eq!(report.rows[0].measured, Some(12e6));
        assert_eq!(report.rows[0].note, "GET /docs/b, the worst of 2");
        assert_eq!(report.outcome(), Outcome::Regression);
    }

    #[test]
    fn no_error_at_all_can_be_asked_for() {
        let text = "[[route]]\nroute = \"/\"\nerrors = \"0%\"";
        let kept = report(text, &Measured::new().route("/", Figure::Errors, 0.0));
        assert_eq!(kept.outcome(), Outcome::Pass);
        assert_eq!(kept.rows[0].verdict, BudgetVerdict::Within);
        let broken = report(text, &Measured::new().route("/", Figure::Errors, 0.001));
        assert_eq!(broken.outcome(), Outcome::Regression);
    }

    #[test]
    fn the_worst_comes_first() {
        let text = "[[operation]]\noperation = \"a\"\ntime = \"10ms\"\n\
                    [[operation]]\noperation = \"b\"\ntime = \"10ms\"\n\
                    [[operation]]\noperation = \"c\"\ntime = \"10ms\"\n[memory]\nresident = \"1B\"";
        let millis = Duration::from_millis;
        let measured = Measured::new()
            .operation("a", millis(1))
            .operation("b", millis(2))
            .operation("c", millis(11));
        let names: Vec<String> =
            report(text, &measured).rows.into_iter().map(|row| row.what).collect();
        assert_eq!(
            names,
            ["operation c time", "memory resident", "operation b time", "operation a time"]
        );
    }
}
