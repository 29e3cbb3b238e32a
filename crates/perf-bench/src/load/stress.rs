//! Stress: the rate is raised until an objective breaks, and the knee narrowed down.

use super::config::Stress;
use super::void::{Void, VoidCause};
use super::{LoadFigures, ObjectiveOutcome};
use serde::{Deserialize, Serialize};

/// What a stress run found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StressReport {
    /// The steps in the order they were run.
    pub steps: Vec<StressStep>,
    /// The highest rate that held, if any did.
    pub knee: Option<f64>,
    /// The lowest rate that broke; `None` when none did.
    pub broke: Option<f64>,
    /// Whether a step said nothing of the target, since the generator gave out: then the knee is a
    /// lower bound.
    #[serde(default)]
    pub gave_out: bool,
    /// Why it ended where it did.
    pub why: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StressStep {
    /// Requests a second that were due.
    pub asked: f64,
    /// Answers a second that came.
    pub rate: f64,
    /// Median latency from the intended start, in nanoseconds.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// Failures among the requests that ended.
    pub error_ratio: f64,
    /// Whether every objective held.
    pub held: bool,
    /// What broke, or why the step says nothing.
    pub why: String,
}

/// What one step says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Held,
    Broke,
    /// The generator could not keep up: nothing is known of the target at this rate.
    Void,
}

/// Which rate comes next. A pure function of what the steps before said.
#[derive(Clone, Debug)]
pub(super) struct Search {
    stress: Stress,
    held: Option<f64>,
    broke: Option<f64>,
    refined: u32,
    voided: bool,
    steps: u32,
}

/// A search ends after so many steps, whatever they say.
const MOST_STEPS: u32 = 60;

impl Search {
    pub(super) fn new(stress: Stress) -> Search {
        Search { stress, held: None, broke: None, refined: 0, voided: false, steps: 0 }
    }

    /// The rate of the next step; `None` when the knee is known well enough.
    pub(super) fn next(&self) -> Option<f64> {
        if self.voided || self.steps >= MOST_STEPS {
            return None;
        }
        match (self.held, self.broke) {
            (None, None) => Some(self.stress.from),
            (Some(held), None) => Some(held * self.stress.factor),
            (held, Some(broke)) if self.refined < self.stress.refine => {
                let low = held.unwrap_or(0.0);
                Some((low + broke) / 2.0)
            }
            _ => None,
        }
    }

    pub(super) fn has_broken(&self) -> bool {
        self.broke.is_some()
    }

    /// Takes what the step at this rate said.
    pub(super) fn took(&mut self, rate: f64, step: Step) {
        self.steps += 1;
        if self.broke.is_some() {
            self.refined += 1;
        }
        match step {
            Step::Held => self.held = Some(rate),
            Step::Broke => self.broke = Some(rate),
            Step::Void => self.voided = true,
        }
    }

    pub(super) fn report(&self, steps: Vec<StressStep>, interrupted: Option<&str>) -> StressReport {
        let why = match (self.held, self.broke) {
            _ if interrupted.is_some() => interrupted.unwrap_or_default().to_owned(),
            _ if self.voided => "the generator gave out, so the knee may lie higher; the last \
                                 step says why"
                .to_owned(),
            (Some(held), Some(broke)) => format!(
                "held at {} requests/s and broke at {}",
                crate::report::figure(held, ""),
                crate::report::figure(broke, "")
            ),
            (None, Some(broke)) => format!(
                "broke at {} requests/s already, the lowest tried",
                crate::report::figure(broke, "")
            ),
            (_, None) => "nothing broke before the time was over; give it more with --for, or \
                          start higher with --rate"
                .to_owned(),
        };
        StressReport { steps, knee: self.held, broke: self.broke, gave_out: self.voided, why }
    }
}

/// Judges one step: what breaks it besides its objectives is that it was answered markedly less
/// often than asked, or ran out of connections, which is how a saturated target shows first.
pub(super) fn judge(
    asked: f64,
    figures: &LoadFigures,
    objectives: &[ObjectiveOutcome],
    void: Option<&Void>,
) -> (Step, StressStep) {
    let mut step = StressStep {
        asked,
        rate: figures.rate,
        p50: figures.latency.p50,
        p99: figures.latency.p99,
        error_ratio: figures.error_ratio,
        held: false,
        why: String::new(),
    };
    // A target that turns requests away bears those that it serves.
    let right = figures.rate * (1.0 - figures.error_ratio);
    let broken: Vec<String> =
        objectives.iter().filter(|o| !o.held).map(ToString::to_string).collect();
    let verdict = match void {
        Some(void) => {
            step.why.clone_from(&void.why);
            if void.cause == VoidCause::Connections { Step::Broke } else { Step::Void }
        }
        None if !broken.is_empty() => {
            step.why = broken.join("; ");
            Step::Broke
        }
        None if right < LEAST_ANSWERED * asked => {
            step.why = format!("only {} right answers/s", crate::report::figure(right, ""));
            Step::Broke
        }
        None => {
            step.held = true;
            Step::Held
        }
    };
    (verdict, step)
}

const LEAST_ANSWERED: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried against a target whose knee is known.
    fn tried(knee: f64, refine: u32) -> (Vec<f64>, Search) {
        let mut search =
            Search::new(Stress { from: 100.0, factor: 2.0, refine, ..Stress::default() });
        let mut rates = Vec::new();
        while let Some(rate) = search.next() {
            rates.push(rate);
            search.took(rate, if rate <= knee { Step::Held } else { Step::Broke });
        }
        (rates, search)
    }

    #[test]
    fn the_rate_grows_until_it_breaks_and_then_closes_in() {
        let (rates, search) = tried(900.0, 3);
        assert_eq!(rates, [100.0, 200.0, 400.0, 800.0, 1600.0, 1200.0, 1000.0, 900.0]);
        assert_eq!((search.held, search.broke), (Some(900.0), Some(1000.0)));
    }

    #[test]
    fn a_target_that_breaks_at_once_is_tried_lower() {
        let (rates, search) = tried(30.0, 3);
        assert_eq!(rates, [100.0, 50.0, 25.0, 37.5]);
        assert_eq!(search.held, Some(25.0));
        let (_, search) = tried(1.0, 2);
        assert!(search.report(vec![], None).why.contains("already"));
    }

    #[test]
    fn a_target_that_never_breaks_ends_the_search_all_the_same() {
        let (rates, _) = tried(f64::INFINITY, 3);
        assert_eq!(rates.len(), MOST_STEPS as usize);
    }

    #[test]
    fn a_void_step_ends_it() {
        let mut search = Search::new(Stress::default());
        search.took(500.0, Step::Held);
        search.took(750.0, Step::Void);
        assert_eq!(search.next(), None);
        let report = search.report(vec![], None);
        assert!(report.knee == Some(500.0) && report.why.contains("generator"));
        assert!(report.gave_out);
    }

    #[test]
    fn a_step_breaks_by_objective_by_want_of_connections_and_by_missing_answers() {
        let figures = LoadFigures { rate: 100.0, ..LoadFigures::default() };
        assert_eq!(judge(100.0, &figures, &[], None).0, Step::Held);
        assert_eq!(judge(120.0, &figures, &[], None).0, Step::Broke);
        let shed = LoadFigures { error_ratio: 0.5, ..figures.clone() };
        assert_eq!(judge(100.0, &shed, &[], None).0, Step::Broke);
        let void = |cause| Void { cause, why: "why".into() };
        let short = void(VoidCause::Connections);
        assert_eq!(judge(100.0, &figures, &[], Some(&short)).0, Step::Broke);
        let slow = void(VoidCause::Generator);
        assert_eq!(judge(100.0, &figures, &[], Some(&slow)).0, Step::Void);
        let broken = ObjectiveOutcome {
            what: "p99".into(),
            limit: 1e6,
            measured: Some(2e6),
            held: false,
            lower_bound: false,
        };
        let (step, row) = judge(100.0, &figures, &[broken], None);
        assert_eq!(step, Step::Broke);
        assert!(row.why.contains("p99"), "{}", row.why);
    }
}
