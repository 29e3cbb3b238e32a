//! Two sides measured one after the other: the rule of the paired gate over an unpaired interval.

use super::enough::{RUNS, can_show, least_runs, level};
use super::{Measured, Measurements};
use crate::rule::outcome_of_failures;
use crate::{Judged, Outcome, Rule, Verdict};
use perf_stats::{Estimate, StatsError, hodges_lehmann_ratio_unpaired, holm, mann_whitney, median};
use serde::Serialize;
use std::collections::BTreeSet;

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
                (None, Some(one)) => (only_head(name, one, base.complete), None),
                (Some(one), None) => (only_base(name, one, head.complete), None),
                (None, None) => continue,
            };
            judged.push(one);
            chances.push(chance);
        }
        correct(rule, &mut judged, &chances);
        let notes = notes(rule, &base, &head, &judged);
        FileComparison { base, head, margin: rule.margin, judged, notes }
    }

    /// How the gate ends. A bench that failed in the head is a failure of the tool; where nothing
    /// was compared, or a run ended half way, not all is known.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let of = |judged: &Judged| match judged.verdict {
            Verdict::Regress => Outcome::Regression,
            Verdict::Same | Verdict::Improve | Verdict::New | Verdict::Gone => Outcome::Pass,
            _ => Outcome::Inconclusive,
        };
        let compared = self.judged.iter().any(|j| j.ratio.is_some());
        let complete = self.base.complete && self.head.complete;
        let least = if compared && complete { Outcome::Pass } else { Outcome::Inconclusive };
        // A base's failure is of no account where the head has no such bench.
        let failures = self.head.benches.iter().map(|(name, head)| {
            let base = self.base.benches.get(name).is_some_and(|base| base.failure.is_some());
            outcome_of_failures(base, head.failure.is_some())
        });
        self.judged.iter().map(of).chain(failures).fold(least, Outcome::max)
    }

    /// Benches that failed in the head.
    pub(super) fn failed(&self) -> usize {
        self.head.benches.values().filter(|bench| bench.failure.is_some()).count()
    }
}

fn alone(name: &str, measured: &Measured, verdict: Verdict, why: &str) -> Judged {
    let mut judged = Judged::new(name, measure(&measured.unit), verdict);
    judged.unit.clone_from(&measured.unit);
    why.clone_into(&mut judged.why);
    judged
}

fn only_head(name: &str, measured: &Measured, base_complete: bool) -> Judged {
    let mut judged = match &measured.failure {
        Some(failure) => {
            let why = format!("the head failed: {failure}");
            alone(name, measured, Verdict::Incomparable, &why)
        }
        None if base_complete => alone(name, measured, Verdict::New, "the base does not have it"),
        None => {
            let why = "the base's run ended half way, before it had this: measure the base again";
            alone(name, measured, Verdict::Inconclusive, why)
        }
    };
    judged.head = median(&measured.samples).ok();
    judged
}

fn only_base(name: &str, measured: &Measured, head_complete: bool) -> Judged {
    let mut judged = if head_complete {
        alone(name, measured, Verdict::Gone, "the head does not have it")
    } else {
        let why = "the head's run ended half way, before it had this: measure the head again";
        alone(name, measured, Verdict::Inconclusive, why)
    };
    judged.base = median(&measured.samples).ok();
    judged
}

fn measure(unit: &str) -> &str {
    if unit == "ns" { "time" } else { "value" }
}

/// How likely a verdict is by chance, and of how many values a side it is.
struct Chance {
    p: f64,
    values: (usize, usize),
    noun: &'static str,
}

/// The verdict of one bench by itself, and how likely it is by chance where it is red or green.
fn judge(rule: &Rule, name: &str, base: &Measured, head: &Measured) -> (Judged, Option<Chance>) {
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
    let p = mann_whitney(&moved, after).map_or(1.0, |test| test.p / 2.0);
    let moved = matches!(judged.verdict, Verdict::Regress | Verdict::Improve);
    if moved && !by_runs && !is_far(rule, ratio) {
        judged.verdict = Verdict::Inconclusive;
        judged.why = format!(
            "beyond the margin of {margin} ({counts}), but so may two runs of one program differ: \
             give several runs of each side"
        );
    }
    (judged, Some(Chance { p, values: (before.len(), after.len()), noun }))
}

/// Whether a change is so large that no run of the same program explains it.
fn is_far(rule: &Rule, ratio: Estimate) -> bool {
    let far = 1.0 + rule.hard;
    ratio.value > far || ratio.value < 1.0 / far
}

/// Why two sides cannot be compared, if so.
fn unusable(base: &Measured, head: &Measured) -> Option<String> {
    // The head's failure decides how the gate ends.
    for (side, measured) in [("head", head), ("base", base)] {
        if let Some(failure) = &measured.failure {
            return Some(format!("the {side} failed: {failure}"));
        }
    }
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
fn correct(rule: &Rule, judged: &mut [Judged], chances: &[Option<Chance>]) {
    for verdict in [Verdict::Regress, Verdict::Improve] {
        let mut places = Vec::new();
        let mut p_values = Vec::new();
        for (place, (one, chance)) in judged.iter().zip(chances).enumerate() {
            let Some(chance) = chance else { continue };
            places.push((place, chance));
            p_values.push(if one.verdict == verdict { chance.p } else { 1.0 });
        }
        let Ok(corrected) = holm(&p_values) else { continue };
        let benches = places.len();
        for ((place, chance), p) in places.into_iter().zip(corrected) {
            let one = &mut judged[place];
            if one.verdict != verdict || p <= level(rule) || rule.is_hard(one) {
                continue;
            }
            one.verdict = Verdict::Inconclusive;
            let Chance { values: (before, after), noun, .. } = *chance;
            one.why = if can_show(rule, before, after, benches) {
                format!(
                    "one of {benches} benches may look so by chance (p {p:.3} over all): take \
                     more {noun}"
                )
            } else {
                format!(
                    "{before} and {after} {noun} can show nothing among {benches} benches: take at \
                     least {} of each side",
                    least_runs(rule, benches)
                )
            };
        }
    }
}

fn notes(rule: &Rule, base: &Measurements, head: &Measurements, judged: &[Judged]) -> Vec<String> {
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
    notes.extend(too_few(rule, base, head, &compared));
    notes
}

/// How many runs this suite needs, where it has fewer.
fn too_few(
    rule: &Rule,
    base: &Measurements,
    head: &Measurements,
    compared: &[&str],
) -> Option<String> {
    let runs = |name: &&str| {
        let of = |side: &Measurements| side.benches.get(*name).map_or(0, |b| b.runs.len());
        (of(base), of(head))
    };
    let fewest = compared.iter().map(runs).min_by_key(|(base, head)| base.min(head).to_owned())?;
    let (before, after) = fewest;
    let benches = compared.len();
    let enough = before.min(after) >= RUNS && can_show(rule, before, after, benches);
    (!enough).then(|| {
        let hard = per_cent(rule.hard);
        format!(
            "{} cannot show a loss below {hard} among {}, since two runs of one program differ as \
             well: give directories of at least {} runs of each side, taken in turns.",
            match fewest {
                (1, 1) => "One run of each side".to_owned(),
                _ => format!("{before} and {after} runs"),
            },
            if benches == 1 { "1 bench".to_owned() } else { format!("{benches} benches") },
            least_runs(rule, benches)
        )
    })
}

fn per_cent(fraction: f64) -> String {
    let text = format!("{:.1}", fraction * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
