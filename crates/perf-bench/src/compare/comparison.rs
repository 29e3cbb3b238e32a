//! What a comparison found.

use crate::report::worst_first;
use crate::rule::outcome_of_failures;
use crate::{FORMAT, Judged, Machine, Outcome, ReadError, Rule, Run, Verdict};
use serde::{Deserialize, Serialize};

/// What a comparison found: the verdicts, and all samples of both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The verdicts, worst first.
    pub judged: Vec<Judged>,
    /// The base's samples, the n-th of a bench taken beside the n-th of the head.
    pub base: Run,
    /// The head's samples.
    pub head: Run,
    /// The asked margin, as a fraction.
    pub margin: f64,
    /// The two programs were byte for byte the same, started alike.
    pub identical: bool,
    /// `false` when a bench failed or the time ran out; what was measured until then is kept.
    pub complete: bool,
    /// What the reader should know of how it went.
    pub notes: Vec<String>,
    /// Why the machine was too noisy for it; see [`doubt`](Comparison::doubt).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noisy: Vec<String>,
    /// The second measurement of those that looked red or green, after both sides were linked in
    /// another order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Box<Comparison>>,
}

impl Comparison {
    pub(super) fn new(rule: Rule, machine: Machine) -> Comparison {
        Comparison {
            format: FORMAT,
            judged: Vec::new(),
            base: Run::new(machine.clone()),
            head: Run::new(machine),
            margin: rule.margin,
            identical: false,
            complete: true,
            notes: Vec::new(),
            noisy: Vec::new(),
            confirmation: None,
        }
    }

    /// Reads a comparison.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the text is no comparison, or one of a newer format.
    pub fn read(json: &str) -> Result<Comparison, ReadError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let told = |e| ReadError(format!("not a comparison of ours: {e}"));
        let Header { format } = serde_json::from_str(json).map_err(told)?;
        if format > FORMAT {
            return Err(ReadError(format!(
                "format {format} is newer than the {FORMAT} that this program reads, update it"
            )));
        }
        serde_json::from_str(json).map_err(told)
    }

    /// What the whole of it says: the worst of a failed bench, a regression, and no answer.
    ///
    /// A bench that fails in the head, or answers differently there, is a failure of the tool, in
    /// the second measurement too; one that fails in the base alone leaves the answer open. Nothing
    /// compared is no answer either.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let of = |judged: &Judged| match judged.verdict {
            Verdict::Regress => Outcome::Regression,
            Verdict::Inconclusive | Verdict::Incomparable => Outcome::Inconclusive,
            _ => Outcome::Pass,
        };
        let finished = self.complete && !self.judged.is_empty();
        let least = if finished { Outcome::Pass } else { Outcome::Inconclusive };
        let measurements = [Some(self), self.confirmation.as_deref()].into_iter().flatten();
        let failures = measurements.flat_map(Comparison::failures);
        self.judged.iter().map(of).chain(failures).fold(least, Outcome::max)
    }

    /// What is to be said of each bench that failed. Another answer is kept as a failure of both
    /// sides.
    fn failures(&self) -> impl Iterator<Item = Outcome> {
        let failed = |run: &Run, name: &str| {
            run.benches.iter().any(|bench| bench.name == name && bench.failure.is_some())
        };
        let names = self.base.benches.iter().chain(&self.head.benches).map(|bench| &bench.name);
        names.map(move |name| {
            outcome_of_failures(failed(&self.base, name), failed(&self.head, name))
        })
    }

    /// Names of the benches that look red, and so are to be measured again after both sides were
    /// linked in another order.
    pub fn to_confirm(&self) -> impl Iterator<Item = &str> {
        let red = self.judged.iter().filter(|judged| judged.verdict == Verdict::Regress);
        red.map(|judged| judged.bench.as_str())
    }

    /// Takes in the second measurement: see [`Rule::confirm`]. A bench that the second one failed
    /// to measure stays red.
    pub fn confirm(&mut self, rule: &Rule, second: Comparison) {
        for judged in self.judged.iter_mut().filter(|judged| judged.verdict == Verdict::Regress) {
            let missing = || {
                let mut missing = Judged::new(&judged.bench, "time", Verdict::Incomparable);
                "it was not among the benches".clone_into(&mut missing.why);
                missing
            };
            let again = second.judged.iter().find(|again| again.bench == judged.bench);
            *judged = rule.confirm(judged, &again.cloned().unwrap_or_else(missing));
        }
        self.complete &= second.complete;
        self.confirmation = Some(Box::new(second));
        self.sort();
    }

    /// Takes back what a noisy machine puts in doubt: red below the hard limit, and green. What is
    /// the same although the machine was noisy stays the same.
    pub fn doubt(&mut self, rule: &Rule, reasons: &[String]) {
        if reasons.is_empty() {
            return;
        }
        self.noisy.extend_from_slice(reasons);
        let reasons = reasons.join(", ");
        for judged in &mut self.judged {
            let doubtful = matches!(judged.verdict, Verdict::Regress | Verdict::Improve);
            if doubtful && !rule.is_hard(judged) {
                judged.verdict = Verdict::Inconclusive;
                judged.why = format!("{}; but the machine is noisy ({reasons})", judged.why);
            }
        }
        self.notes.push(format!("the machine is noisy: {reasons}"));
        self.sort();
    }

    pub(super) fn one_sided(&mut self, bench: &str, verdict: Verdict, why: &str) {
        let mut judged = Judged::new(bench, "time", verdict);
        judged.why = why.to_owned();
        self.judged.push(judged);
    }

    /// Worst first; of one verdict, the largest loss first.
    pub(super) fn sort(&mut self) {
        self.judged = worst_first(&self.judged).into_iter().cloned().collect();
    }
}
