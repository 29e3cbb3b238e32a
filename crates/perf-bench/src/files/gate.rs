//! Two sides measured one after the other: the rule of the paired gate over an unpaired interval.

use super::{Measured, Measurements};
use crate::{Judged, Outcome, Rule, Verdict};
use perf_stats::{StatsError, hodges_lehmann_ratio_unpaired, holm, mann_whitney, median};
use serde::Serialize;
use std::collections::BTreeSet;

/// From so many files a side on, the middle values of the files are compared instead of the
/// samples: between two runs more differs than within one.
const RUNS: usize = 5;

/// A comparison of measurements from files.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FileComparison {
    /// The base.
    pub base: Measurements,
    /// The head.
    pub head: Measurements,
    /// The margin that was asked for, as a fraction.
    pub margin: f64,
    /// A verdict for each bench, by name.
    pub judged: Vec<Judged>,
    /// What the reader should know besides.
    pub notes: Vec<String>,
}

impl FileComparison {
    /// Judges every bench that either side has. Never panics: what cannot be compared says why.
    #[must_use]
    pub fn new(base: Measurements, head: Measurements, rule: &Rule) -> FileComparison {
        let names: BTreeSet<&String> = base.benches.keys().chain(head.benches.keys()).collect();
        let mut judged = Vec::new();
        let mut chances = Vec::new();
        for name in names {
            let (one, chance) = match (base.benches.get(name), head.benches.get(name)) {
                (Some(base), Some(head)) => judge(rule, name, base, head),
                (None, Some(head)) => (alone(name, head, Verdict::New), None),
                (Some(base), None) => (alone(name, base, Verdict::Gone), None),
                (None, None) => continue,
            };
            judged.push(one);
            chances.push(chance);
        }
        correct(rule, &mut judged, &chances);
        let notes = notes(&base, &head, &judged);
        FileComparison { base, head, margin: rule.margin, judged, notes }
    }

    /// How the gate ends. Where nothing was compared, nothing is known.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let of = |judged: &Judged| match judged.verdict {
            Verdict::Regress => Outcome::Regression,
            Verdict::Same | Verdict::Improve | Verdict::New | Verdict::Gone => Outcome::Pass,
            _ => Outcome::Inconclusive,
        };
        let compared = self.judged.iter().any(|j| j.ratio.is_some());
        let least = if compared { Outcome::Pass } else { Outcome::Inconclusive };
        self.judged.iter().map(of).max().unwrap_or(least).max(least)
    }
}

fn alone(name: &str, measured: &Measured, verdict: Verdict) -> Judged {
    let mut judged = Judged::new(name, measure(&measured.unit), verdict);
    judged.unit.clone_from(&measured.unit);
    let middle = median(&measured.samples).ok();
    if verdict == Verdict::New {
        judged.head = middle;
        judged.why = "the base does not have it".to_owned();
    } else {
        judged.base = middle;
        judged.why = "the head does not have it".to_owned();
    }
    judged
}

fn measure(unit: &str) -> &str {
    if unit == "ns" { "time" } else { "value" }
}

/// The verdict of one bench by itself, and how likely it is by chance where it is red or green.
fn judge(rule: &Rule, name: &str, base: &Measured, head: &Measured) -> (Judged, Option<f64>) {
    let mut judged = Judged::new(name, measure(&base.unit), Verdict::Incomparable);
    judged.unit.clone_from(&base.unit);
    judged.base = median(&base.samples).ok();
    judged.head = median(&head.samples).ok();
    if let Some(why) = unusable(base, head) {
        judged.why = why;
        return (judged, None);
    }
    let by_runs = base.runs.len() >= RUNS && head.runs.len() >= RUNS;
    let (before, after, noun) = if by_runs {
        (&base.runs, &head.runs, "runs")
    } else {
        (&base.samples, &head.samples, "samples")
    };
    judged.verdict = Verdict::Inconclusive;
    let ratio = match hodges_lehmann_ratio_unpaired(before, after, rule.confidence) {
        Ok(ratio) => ratio,
        Err(StatsError::TooFew { have, need }) => {
            judged.why = format!("{have} {noun} are too few, take at least {need} on both sides");
            return (judged, None);
        }
        Err(error) => {
            judged.why = error.to_string();
            return (judged, None);
        }
    };
    judged.ratio = Some(ratio);
    judged.margin = Some(rule.margin);
    judged.verdict = rule.decide(ratio, None);
    let counts = format!("{} and {} {noun}", before.len(), after.len());
    let margin = per_cent(rule.margin);
    judged.why = match judged.verdict {
        Verdict::Regress | Verdict::Improve => {
            format!("the whole interval lies beyond the margin of {margin} ({counts})")
        }
        Verdict::Same => format!("the whole interval lies within {margin} ({counts})"),
        _ => format!(
            "the interval reaches across the margin of {margin} ({counts}): take more, or a \
             quieter machine"
        ),
    };
    let shift = match judged.verdict {
        Verdict::Regress => 1.0 + rule.margin,
        _ => 1.0 / (1.0 + rule.margin),
    };
    let moved: Vec<f64> = before.iter().map(|v| v * shift).collect();
    // The verdict says on which side it lies, so that half of the two sides is meant.
    let chance = mann_whitney(&moved, after).map_or(1.0, |test| test.p / 2.0);
    (judged, Some(chance))
}

/// Why two sides cannot be compared, if so.
fn unusable(base: &Measured, head: &Measured) -> Option<String> {
    if base.unit != head.unit {
        return Some(format!("the base is in {} and the head in {}", base.unit, head.unit));
    }
    if base.unit.ends_with("/s") {
        return Some(format!("{} is a rate: give the time per operation instead", base.unit));
    }
    if let (Some(before), Some(after)) = (&base.work, &head.work)
        && before != after
    {
        return Some(format!("different work under one name: `{before}` and `{after}`"));
    }
    for (side, measured) in [("base", base), ("head", head)] {
        if let Some(failure) = &measured.failure {
            return Some(format!("the {side} failed: {failure}"));
        }
        if measured.samples.is_empty() {
            return Some(format!("the {side} has no samples, measure again"));
        }
        let bad = measured.samples.iter().position(|v| !(v.is_finite() && *v > 0.0));
        if let Some(index) = bad {
            return Some(format!(
                "sample {} of the {side} is {}, it must be above zero: measure again",
                index + 1,
                measured.samples[index]
            ));
        }
    }
    None
}

/// Takes back what the number of benches explains, unless it exceeds the hard limit.
fn correct(rule: &Rule, judged: &mut [Judged], chances: &[Option<f64>]) {
    for verdict in [Verdict::Regress, Verdict::Improve] {
        let of = |(place, (judged, chance)): (usize, (&Judged, &Option<f64>))| {
            let chance = (*chance)?;
            Some((place, if judged.verdict == verdict { chance } else { 1.0 }))
        };
        let (places, chances): (Vec<usize>, Vec<f64>) =
            judged.iter().zip(chances).enumerate().filter_map(of).unzip();
        let Ok(corrected) = holm(&chances) else { continue };
        let level = (1.0 - rule.confidence.as_f64()) / 2.0;
        for (place, p) in places.iter().zip(corrected) {
            let one = &mut judged[*place];
            if one.verdict == verdict && p > level && !rule.is_hard(one) {
                one.verdict = Verdict::Inconclusive;
                one.why = format!(
                    "one of {} benches may look so by chance (p {p:.3} over all): take more \
                     samples",
                    places.len()
                );
            }
        }
    }
}

fn notes(base: &Measurements, head: &Measurements, judged: &[Judged]) -> Vec<String> {
    let mut notes = Vec::new();
    if base.benches.is_empty() {
        notes.push(format!(
            "{} holds no baseline: every bench is new, nothing was compared.",
            base.path.display()
        ));
    }
    for (side, measurements) in [("base", base), ("head", head)] {
        if !measurements.complete {
            notes.push(format!("The {side}'s run ended half way; what it has was compared."));
        }
    }
    if let (Some(before), Some(after)) = (&base.machine, &head.machine) {
        let differences = before.differences(after);
        if !differences.is_empty() {
            notes.push(format!(
                "The two sides were measured on different machines: {}.",
                differences.join("; ")
            ));
        }
    }
    let compared: Vec<&str> =
        judged.iter().filter(|j| j.ratio.is_some()).map(|j| j.bench.as_str()).collect();
    let equal = |name: &&str| {
        base.benches.get(*name).map(|b| &b.samples) == head.benches.get(*name).map(|h| &h.samples)
    };
    if !compared.is_empty() && compared.iter().all(equal) {
        notes.push(
            "Both sides hold the same samples to the last digit: the same measurement was given \
             twice."
                .to_owned(),
        );
    }
    let enough = |side: &Measurements| side.benches.values().any(|b| b.runs.len() >= RUNS);
    let by_runs = enough(base) && enough(head);
    if !compared.is_empty() && !by_runs {
        notes.push(format!(
            "The sides were measured one after the other: what the machine did in between is in no \
             interval. Give directories of at least {RUNS} runs a side, taken in turns, to have it \
             in."
        ));
    }
    notes
}

fn per_cent(fraction: f64) -> String {
    let text = format!("{:.1}", fraction * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
