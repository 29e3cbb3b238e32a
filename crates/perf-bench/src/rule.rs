//! When is a bench red? A pure function from paired samples to a verdict.
//!
//! Not when a difference is significant: two builds of one source differ significantly as often as
//! not, since the linker lays them out differently and no number of repeats averages that out
//! (Mytkowicz, Diwan, Hauswirth and Sweeney, "Producing Wrong Data Without Doing Anything
//! Obviously Wrong!", ASPLOS 2009). A bench is red when even the lower end of the interval of its
//! ratio lies beyond a margin, and the margin of a bench is at least what it has shown between
//! builds of one source.

mod disturbed;
mod unmeasured;

pub(crate) use unmeasured::outcome_of_failures;

use crate::report::change_with_interval;
use crate::{Judged, Verdict};
use perf_stats::{
    Confidence, Estimate, StatsError, hodges_lehmann, holm, median, wilcoxon_signed_rank,
};

/// No interval of ours needs more pairs than this.
const MOST_NEEDED: i32 = 60;

/// The rule that turns paired samples into a verdict.
///
/// A change of the ratio of head over base is
/// - [`Regress`](Verdict::Regress) if the lower end of its interval lies above the margin,
/// - [`Improve`](Verdict::Improve) if the upper end lies below the margin's inverse,
/// - [`Same`](Verdict::Same) if the whole interval lies inside the *asked* margin,
/// - [`Inconclusive`](Verdict::Inconclusive) otherwise.
///
/// The margin is the asked one or the learnt one, whichever is larger, but no learnt one hides a
/// loss beyond the hard limit. A bench whose learnt margin is the larger one is never `Same`: where
/// builds of one source differ by 6 %, another layout may hide a loss of 5 %.
///
/// A few pairs that are far from the others are left out of the interval that makes a bench red or
/// green, since something else ran then. `Same` must hold with all of them: a program that stalls
/// in one of six processes is not the same.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// The asked margin as a fraction: smaller changes are no news. 2 % unless set.
    pub margin: f64,
    /// A loss as a fraction that is red without regard to how many benches were compared. 20 %
    /// unless set.
    pub hard: f64,
    /// Two-sided confidence of the intervals, and of the whole suite. 99 % unless set.
    pub confidence: Confidence,
}

/// One bench's samples on both sides, the n-th of the base taken beside the n-th of the head.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Paired<'a> {
    /// Name of the bench.
    pub bench: &'a str,
    /// Unit of the samples.
    pub unit: &'a str,
    /// The base's samples.
    pub base: &'a [f64],
    /// The head's samples.
    pub head: &'a [f64],
    /// The margin learnt from builds of one source, as a fraction, if there is one.
    pub learnt: Option<f64>,
}

impl<'a> Paired<'a> {
    /// Times in nanoseconds, with no margin learnt.
    #[must_use]
    pub fn new(bench: &'a str, base: &'a [f64], head: &'a [f64]) -> Paired<'a> {
        Paired { bench, unit: "ns", base, head, learnt: None }
    }

    /// The same with a learnt margin.
    #[must_use]
    pub fn learnt(mut self, margin: Option<f64>) -> Paired<'a> {
        self.learnt = margin;
        self
    }
}

impl Default for Rule {
    fn default() -> Rule {
        Rule { margin: 0.02, hard: 0.20, confidence: Confidence::P99 }
    }
}

impl Rule {
    /// Margin 2 %, hard 20 %, confidence 99 %.
    #[must_use]
    pub fn new() -> Rule {
        Rule::default()
    }

    /// Another margin, as a fraction.
    #[must_use]
    pub fn margin(mut self, margin: f64) -> Rule {
        self.margin = margin;
        self
    }

    /// Another hard limit, as a fraction.
    #[must_use]
    pub fn hard(mut self, hard: f64) -> Rule {
        self.hard = hard;
        self
    }

    /// Another confidence.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Rule {
        self.confidence = confidence;
        self
    }

    /// Judges one bench by itself.
    ///
    /// Never panics: samples that make no ratio are [`Incomparable`](Verdict::Incomparable), too
    /// few are [`Inconclusive`](Verdict::Inconclusive), and `why` names what is wrong.
    #[must_use]
    pub fn judge(&self, paired: &Paired<'_>) -> Judged {
        self.judge_among(paired, self.least_pairs(1))
    }

    /// Judges one bench without its disturbed pairs, as long as so many are left.
    fn judge_among(&self, paired: &Paired<'_>, keep: usize) -> Judged {
        let refused = |verdict, why| {
            let mut judged = Judged::new(paired.bench, "time", verdict);
            judged.unit = paired.unit.to_owned();
            judged.base = median(paired.base).ok();
            judged.head = median(paired.head).ok();
            judged.why = why;
            judged
        };
        if let Some(why) = unusable(paired) {
            return refused(Verdict::Incomparable, why);
        }
        let all = logarithms(paired);
        let kept = undisturbed(&all, keep);
        let left_out = all.len() - kept.len();
        let (all, kept) = match self.interval(&all).and_then(|all| Ok((all, self.interval(&kept)?)))
        {
            Ok(intervals) => intervals,
            Err(StatsError::TooFew { have, need }) => {
                let why = format!("{have} pairs are too few, at least {need} make an interval");
                return refused(Verdict::Inconclusive, why);
            }
            Err(error) => return refused(Verdict::Inconclusive, error.to_string()),
        };
        let without = self.decide(kept, paired.learnt);
        let (verdict, ratio) = match (without, self.decide(all, paired.learnt)) {
            (Verdict::Regress | Verdict::Improve, _) => (without, kept),
            (_, Verdict::Regress | Verdict::Improve) => (Verdict::Inconclusive, kept),
            (_, verdict) => (verdict, all),
        };
        let why = match (left_out, without == verdict) {
            (0, _) => self.explain(verdict, ratio, paired),
            (_, true) => {
                let of = paired.base.len();
                let why = self.explain(verdict, ratio, paired);
                format!("{why} ({left_out} of {of} pairs were disturbed)")
            }
            (_, false) => format!(
                "the same but for {left_out} of {} pairs that differ much: it stalls now and then, \
                 or the machine did, so take more pairs or a quieter machine",
                paired.base.len()
            ),
        };
        Judged {
            ratio: Some(ratio),
            margin: Some(self.effective_margin(paired.learnt)),
            ..refused(verdict, why)
        }
    }

    /// Judges a suite: what is red by itself stays red only if it also passes Holm's correction
    /// for the number of benches, or exceeds the hard limit. In the order given.
    ///
    /// Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
    /// Journal of Statistics 6, 1979.
    #[must_use]
    pub fn judge_suite(&self, suite: &[Paired<'_>]) -> Vec<Judged> {
        let keep = self.least_pairs(suite.len());
        let mut judged: Vec<Judged> =
            suite.iter().map(|paired| self.judge_among(paired, keep)).collect();
        for verdict in [Verdict::Regress, Verdict::Improve] {
            self.correct(suite, &mut judged, verdict);
        }
        judged
    }

    /// With fewer pairs no bench in a suite of so many can be red or green below the hard limit,
    /// whatever it lost: 8 for one bench at 99 %, 13 for thirty.
    ///
    /// The strongest evidence of `n` pairs is that all lie on one side, which happens by chance
    /// once in 2ⁿ; Holm's correction multiplies that by the number of benches.
    #[must_use]
    pub fn least_pairs(&self, benches: usize) -> usize {
        let chances = benches.max(1) as f64 / self.level();
        // A confidence next to 1 would take as many as there are bits to tell it from 1.
        (1..MOST_NEEDED).find(|pairs| 2_f64.powi(*pairs) >= chances).unwrap_or(MOST_NEEDED) as usize
    }

    /// What the interval says, without any words.
    #[must_use]
    pub fn decide(&self, ratio: Estimate, learnt: Option<f64>) -> Verdict {
        let beyond = 1.0 + self.effective_margin(learnt);
        let asked = 1.0 + self.margin;
        if ratio.low > beyond {
            Verdict::Regress
        } else if ratio.high < 1.0 / beyond {
            Verdict::Improve
        } else if beyond <= asked && ratio.low >= 1.0 / asked && ratio.high <= asked {
            Verdict::Same
        } else {
            Verdict::Inconclusive
        }
    }

    /// Whether a red bench has lost so much that a noisy machine is no excuse.
    #[must_use]
    pub fn is_hard(&self, judged: &Judged) -> bool {
        judged.verdict == Verdict::Regress
            && judged.ratio.is_some_and(|ratio| ratio.value > 1.0 + self.hard)
    }

    /// Judges a red or green bench again by a second measurement, for which both sides were linked
    /// in another order. The verdict stands only if both agree, else it is inconclusive: the second
    /// estimate lies beyond the margin too, and its interval on that side of no change.
    ///
    /// A second measurement without a ratio, because a side failed or there were too few pairs,
    /// disagrees with nothing: red stands, and green does not.
    ///
    /// Verdicts other than [`Regress`](Verdict::Regress) and [`Improve`](Verdict::Improve) are
    /// left as they are.
    #[must_use]
    pub fn confirm(&self, first: &Judged, second: &Judged) -> Judged {
        let mut confirmed = first.clone();
        let beyond = 1.0 + first.margin.unwrap_or(self.margin);
        let agrees = |ratio: Estimate| match first.verdict {
            Verdict::Regress => ratio.value > beyond && ratio.low > 1.0,
            _ => ratio.value < 1.0 / beyond && ratio.high < 1.0,
        };
        if !matches!(first.verdict, Verdict::Regress | Verdict::Improve) {
            return confirmed;
        }
        let told = |judged: &Judged| {
            judged.ratio.as_ref().map_or_else(|| judged.why.clone(), change_with_interval)
        };
        let now = told(second);
        // Programs that are byte for byte the same have no ratio, and yet an answer.
        let measured = second.ratio.is_some() || second.verdict == Verdict::Same;
        confirmed.why = if second.ratio.is_some_and(agrees) {
            format!("{}; linked in another order {now}", first.why)
        } else if measured {
            confirmed.verdict = Verdict::Inconclusive;
            format!("first {}, but linked in another order {now}: not confirmed", told(first))
        } else {
            if first.verdict == Verdict::Improve {
                confirmed.verdict = Verdict::Inconclusive;
            }
            format!("{}; linked in another order it could not be measured: {now}", first.why)
        };
        confirmed
    }

    fn effective_margin(&self, learnt: Option<f64>) -> f64 {
        // A learnt NaN must not switch the margin off: `max` answers the other one.
        self.margin.max(learnt.unwrap_or(0.0)).min(self.hard.max(self.margin))
    }

    /// What each side of an interval may miss.
    fn level(&self) -> f64 {
        (1.0 - self.confidence.as_f64()) / 2.0
    }

    /// The interval of the ratio, from logarithms.
    fn interval(&self, logarithms: &[f64]) -> Result<Estimate, StatsError> {
        let log = hodges_lehmann(logarithms, self.confidence)?;
        Ok(Estimate { value: log.value.exp(), low: log.low.exp(), high: log.high.exp() })
    }

    /// Takes back the verdicts of one kind that the number of benches explains.
    fn correct(&self, suite: &[Paired<'_>], judged: &mut [Judged], verdict: Verdict) {
        let keep = self.least_pairs(suite.len());
        // Whoever did not pass by itself cannot pass the correction: its p only has to be counted.
        let measured = judged.iter().enumerate().filter(|(_, judged)| judged.ratio.is_some());
        let (places, chances): (Vec<usize>, Vec<f64>) = measured
            .map(|(place, judged)| {
                let stands = judged.verdict == verdict;
                (place, if stands { self.chance(&suite[place], verdict, keep) } else { 1.0 })
            })
            .unzip();
        // An empty suite has nothing to correct; every value is a probability.
        let Ok(corrected) = holm(&chances) else { return };
        let level = self.level();
        for (place, p) in places.iter().zip(corrected) {
            let judged = &mut judged[*place];
            if judged.verdict == verdict && p > level && !self.is_hard(judged) {
                judged.verdict = Verdict::Inconclusive;
                judged.why = format!(
                    "beyond the margin, but one of {} benches may be by chance (p {p:.3} over the \
                     suite): take more pairs",
                    places.len()
                );
            }
        }
    }

    /// How likely such samples are where the change is no larger than the margin, one-sided.
    fn chance(&self, paired: &Paired<'_>, verdict: Verdict, keep: usize) -> f64 {
        let margin = self.effective_margin(paired.learnt).ln_1p();
        let shift = if verdict == Verdict::Regress { -margin } else { margin };
        let mut differences = undisturbed(&logarithms(paired), keep);
        differences.iter_mut().for_each(|log| *log += shift);
        // The verdict says that the sample lies beyond, so that half of the two sides is meant.
        wilcoxon_signed_rank(&differences).map_or(1.0, |test| test.p / 2.0)
    }

    fn explain(&self, verdict: Verdict, ratio: Estimate, paired: &Paired<'_>) -> String {
        let margin = percent(self.effective_margin(paired.learnt));
        let asked = percent(self.margin);
        match verdict {
            Verdict::Regress | Verdict::Improve => {
                format!("the whole interval lies beyond the margin of {margin}")
            }
            Verdict::Same => format!("the whole interval lies within {asked}"),
            _ if matches!(self.decide(ratio, None), Verdict::Regress | Verdict::Improve) => {
                format!("beyond {asked}, but builds of one source have differed by {margin} here")
            }
            _ if self.effective_margin(paired.learnt) > self.margin => format!(
                "builds of one source have differed by {margin} here, so that times within it say \
                 nothing: counts decide"
            ),
            _ => format!(
                "neither within nor beyond the margin of {asked}: take more pairs or a quieter \
                 machine"
            ),
        }
    }
}

/// A margin as people write it: 0.02 is `2 %`.
fn percent(fraction: f64) -> String {
    format!("{} %", (fraction * 1e4).round() / 1e2)
}

/// The logarithms of the ratios.
fn logarithms(paired: &Paired<'_>) -> Vec<f64> {
    paired.head.iter().zip(paired.base).map(|(head, base)| (head / base).ln()).collect()
}

/// Those of pairs that nothing disturbed.
fn undisturbed(logarithms: &[f64], keep: usize) -> Vec<f64> {
    let far = disturbed::disturbed(logarithms, keep);
    logarithms.iter().zip(far).filter(|(_, far)| !far).map(|(log, _)| *log).collect()
}

/// Why the samples make no ratios, if so.
fn unusable(paired: &Paired<'_>) -> Option<String> {
    let Paired { base, head, .. } = paired;
    if base.len() != head.len() {
        return Some(format!(
            "{} samples of the base and {} of the head make no pairs",
            base.len(),
            head.len()
        ));
    }
    for (side, samples) in [("base", base), ("head", head)] {
        let bad = samples.iter().position(|v| !(v.is_finite() && *v > 0.0));
        if let Some(index) = bad {
            return Some(format!(
                "sample {} of the {side} is {}, a time must be above zero: measure again",
                index + 1,
                samples[index]
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests;
