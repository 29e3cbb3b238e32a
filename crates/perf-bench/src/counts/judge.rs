//! The rule for counts: a limit on the change, without statistics, since nothing varies.

use super::report::CountsReport;
use super::{Counted, CountedBench, CountsLimits, Limit};
use crate::report::change;
use crate::{Judged, Verdict};
use perf_stats::Estimate;
use std::collections::BTreeMap;

impl CountsReport {
    /// Judges the head's counts by the base's.
    #[must_use]
    pub fn judge(base: &Counted, head: &Counted, limits: &CountsLimits) -> CountsReport {
        let mut pairs: BTreeMap<&str, (Option<&CountedBench>, Option<&CountedBench>)> =
            BTreeMap::new();
        for bench in &base.benches {
            pairs.entry(&bench.name).or_default().0 = Some(bench);
        }
        for bench in &head.benches {
            pairs.entry(&bench.name).or_default().1 = Some(bench);
        }
        let judged = pairs
            .into_iter()
            .flat_map(|(name, (old, new))| {
                let mut judged = judge(old, new, limits.of(name));
                if let Some(reason) = limits.reason(name) {
                    for one in &mut judged {
                        one.why.push_str(&format!(" (its own limit: {reason})"));
                    }
                }
                judged
            })
            .collect();
        CountsReport {
            judged,
            base: base.clone(),
            head: head.clone(),
            notes: Vec::new(),
            recount: None,
        }
    }

    /// Takes back what a second count does not show again. One that failed shows nothing, so what
    /// looked worse stays so.
    pub(super) fn confirm(&mut self, again: CountsReport) {
        for judged in self.judged.iter_mut().filter(|j| j.verdict == Verdict::Regress) {
            let mut of_bench = again.judged.iter().filter(|j| j.bench == judged.bench);
            // Of a bench that failed there is but one verdict, whatever was measured before.
            let second = of_bench.find(|second| {
                second.measure == judged.measure || second.verdict == Verdict::Incomparable
            });
            match second {
                Some(second) if second.verdict == Verdict::Regress => {
                    judged.why.push_str(", counted twice");
                }
                Some(second) if second.verdict != Verdict::Incomparable => {
                    judged.verdict = Verdict::Inconclusive;
                    judged.why = format!(
                        "its counts wander, so fix its seeds and hashers: {}, then {}",
                        judged.why, second.why
                    );
                }
                failed => {
                    let why = failed.map_or("it was not counted", |failed| failed.why.as_str());
                    judged.why.push_str(&format!(", but it could not be counted again: {why}"));
                }
            }
        }
        self.recount = Some(Box::new(again));
    }

    /// Says that there was but one program.
    pub(super) fn identical(&mut self) {
        self.notes.push("the two programs are byte for byte the same".to_owned());
    }
}

/// The verdicts on one bench, instructions first. One that was skipped has none.
fn judge(old: Option<&CountedBench>, new: Option<&CountedBench>, limit: Limit) -> Vec<Judged> {
    let Some(named) = new.or(old) else { return Vec::new() };
    let single = |verdict, why: String| {
        let mut judged = Judged::new(named.name.clone(), INSTRUCTIONS, verdict);
        judged.base = old.and_then(|bench| bench.instructions);
        judged.head = new.and_then(|bench| bench.instructions);
        judged.why = why;
        vec![judged]
    };
    if [old, new].into_iter().flatten().any(|bench| bench.skipped.is_some()) {
        return Vec::new();
    }
    let failure = |bench: Option<&CountedBench>| bench.and_then(|bench| bench.failure.clone());
    match (failure(old), failure(new)) {
        (_, Some(why)) => return single(Verdict::Incomparable, format!("the head fails: {why}")),
        (Some(why), None) if new.is_some() => {
            return single(Verdict::Incomparable, format!("the base fails: {why}"));
        }
        _ => {}
    }
    match (old, new) {
        (Some(old), Some(new)) => match incomparable(old, new) {
            Some(why) => single(Verdict::Incomparable, why),
            None => measures(old, new, limit),
        },
        (None, _) => single(Verdict::New, "only the head has it".to_owned()),
        (_, None) => single(Verdict::Gone, "only the base has it".to_owned()),
    }
}

/// Whether the head answers something else to the same work: the answers of base and head.
pub(super) fn other_answer(old: &CountedBench, new: &CountedBench) -> Option<(u64, u64)> {
    let answers = old.answer.zip(new.answer).filter(|(old, new)| old != new);
    answers.filter(|_| old.work == new.work)
}

fn incomparable(old: &CountedBench, new: &CountedBench) -> Option<String> {
    if old.work != new.work {
        return Some(format!("does other work: `{}`, before `{}`", new.work, old.work));
    }
    match other_answer(old, new) {
        Some((old, new)) => Some(format!(
            "answers {new} where the base answers {old}: it is wrong, or its work has changed and \
             its description has not"
        )),
        None if old.iterations != new.iterations => Some(format!(
            "counted over {} iterations, the base over {}",
            new.iterations, old.iterations
        )),
        None => None,
    }
}

const INSTRUCTIONS: &str = "instructions";
const ALLOCATIONS: &str = "allocations";
const ALLOCATED_BYTES: &str = "allocated_bytes";

fn measures(old: &CountedBench, new: &CountedBench, limit: Limit) -> Vec<Judged> {
    let mut judged = Vec::new();
    if let (Some(base), Some(head)) = (old.instructions, new.instructions) {
        judged.push(by_ratio(&new.name, INSTRUCTIONS, "", base, head, limit.instructions));
    }
    if let (Some(base), Some(head)) = (old.allocations, new.allocations) {
        judged.push(by_difference(&new.name, base, head, limit.allocations));
    }
    if let (Some(base), Some(head), Some(limit)) =
        (old.allocated_bytes, new.allocated_bytes, limit.allocated_bytes)
    {
        judged.push(by_ratio(&new.name, ALLOCATED_BYTES, "bytes", base, head, limit));
    }
    judged
}

fn by_ratio(name: &str, measure: &str, unit: &str, base: f64, head: f64, limit: f64) -> Judged {
    // A bench without a single instruction is none, but nothing to a few bytes is a change.
    let ratio = match (base > 0.0, head > 0.0) {
        (true, _) => head / base,
        (false, false) => 1.0,
        (false, true) => f64::INFINITY,
    };
    let verdict = if ratio > 1.0 + limit {
        Verdict::Regress
    } else if ratio < 1.0 / (1.0 + limit) {
        Verdict::Improve
    } else {
        Verdict::Same
    };
    let mut judged = Judged::new(name, measure, verdict);
    unit.clone_into(&mut judged.unit);
    (judged.base, judged.head) = (Some(base), Some(head));
    judged.margin = Some(limit);
    // JSON knows no infinity; the two values say it.
    judged.ratio = ratio.is_finite().then_some(Estimate { value: ratio, low: ratio, high: ratio });
    judged.why = format!("{}, limit {}", change(ratio), change(1.0 + limit));
    judged
}

/// Less than one allocation in a hundred iterations is a table that grew at another moment.
const NOW_AND_THEN: f64 = 0.01;

fn by_difference(name: &str, base: f64, head: f64, limit: f64) -> Judged {
    let more = head - base;
    let verdict = if more > limit + NOW_AND_THEN {
        Verdict::Regress
    } else if more < -(limit + NOW_AND_THEN) {
        Verdict::Improve
    } else {
        Verdict::Same
    };
    let mut judged = Judged::new(name, ALLOCATIONS, verdict);
    (judged.base, judged.head) = (Some(base), Some(head));
    if base > 0.0 {
        let ratio = head / base;
        judged.ratio = Some(Estimate { value: ratio, low: ratio, high: ratio });
    }
    judged.why = match verdict {
        Verdict::Same => format!("{head} an iteration"),
        _ => format!("{head} an iteration where there were {base}"),
    };
    if limit > 0.0 {
        judged.why.push_str(&format!(", {limit} more allowed"));
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn bench(name: &str, instructions: f64, allocations: f64) -> CountedBench {
        CountedBench {
            name: name.to_owned(),
            work: "work".to_owned(),
            iterations: 100,
            answer: Some(7),
            instructions: Some(instructions),
            allocations: Some(allocations),
            allocated_bytes: Some(allocations * 8.0),
            ..CountedBench::default()
        }
    }

    fn of(benches: Vec<CountedBench>) -> Counted {
        Counted { benches, ..Counted::default() }
    }

    fn report(base: CountedBench, head: CountedBench) -> CountsReport {
        CountsReport::judge(&of(vec![base]), &of(vec![head]), &CountsLimits::default())
    }

    fn verdicts(base: CountedBench, head: CountedBench) -> Vec<Verdict> {
        report(base, head).judged.iter().map(|judged| judged.verdict).collect()
    }

    #[test]
    fn three_per_cent_more_instructions_are_allowed() {
        use Verdict::{Improve, Regress, Same};
        let one = |head| verdicts(bench("a", 1000.0, 0.0), bench("a", head, 0.0))[0];
        assert_eq!([one(1030.0), one(1031.0)], [Same, Regress]);
        assert_eq!([one(971.0), one(970.0)], [Same, Improve]);
    }

    #[test]
    fn one_more_allocation_is_not() {
        use Verdict::{Improve, Regress, Same};
        let one = |head| verdicts(bench("a", 1000.0, 2.0), bench("a", 1000.0, head))[1];
        assert_eq!([one(2.0), one(2.01), one(2.02), one(3.0)], [Same, Same, Regress, Regress]);
        assert_eq!(one(1.0), Improve);
    }

    #[test]
    fn a_bench_has_the_limits_that_it_is_given() {
        let limits = r#"{"bench": {"a": {"instructions": 0.5, "allocations": 1,
                        "allocated_bytes": 0.1, "reason": "grows"}}}"#;
        let limits: CountsLimits = serde_json::from_str(limits).unwrap();
        let base = of(vec![bench("a", 100.0, 1.0)]);
        let head = of(vec![bench("a", 140.0, 2.0)]);
        let report = CountsReport::judge(&base, &head, &limits);
        let verdicts: Vec<Verdict> = report.judged.iter().map(|judged| judged.verdict).collect();
        assert_eq!(verdicts, [Verdict::Same, Verdict::Same, Verdict::Regress]);
        assert!(report.judged[0].why.contains("its own limit: grows"));
    }

    #[test]
    fn other_work_or_another_answer_is_not_compared() {
        let mut other = bench("a", 5000.0, 0.0);
        other.work = "other".to_owned();
        assert_eq!(verdicts(bench("a", 1.0, 0.0), other), [Verdict::Incomparable]);
        let mut wrong = bench("a", 5.0, 0.0);
        wrong.answer = Some(8);
        let report = report(bench("a", 1000.0, 0.0), wrong);
        assert_eq!(report.judged[0].verdict, Verdict::Incomparable);
        assert!(report.judged[0].why.contains("answers 8 where the base answers 7"));
        assert_eq!(report.outcome(), Outcome::ToolFailed, "fast and wrong must not pass");
    }

    #[test]
    fn what_one_side_lacks_is_new_or_gone() {
        let (none, some) = (of(vec![]), of(vec![bench("a", 5.0, 0.0)]));
        let limits = CountsLimits::default();
        let one = |base, head| CountsReport::judge(base, head, &limits).judged[0].verdict;
        assert_eq!([one(&none, &some), one(&some, &none)], [Verdict::New, Verdict::Gone]);
        let mut failed = some.clone();
        failed.benches[0].failure = Some("panicked".to_owned());
        assert_eq!(one(&failed, &none), Verdict::Gone);
        assert_eq!(one(&none, &failed), Verdict::Incomparable);
    }

    #[test]
    fn what_was_skipped_has_no_verdict() {
        let mut skipped = bench("a", 1.0, 0.0);
        skipped.skipped = Some("threads".to_owned());
        assert!(verdicts(bench("a", 1.0, 0.0), skipped).is_empty());
    }

    #[test]
    fn a_count_that_is_not_shown_again_is_inconclusive() {
        let mut first = report(bench("a", 1000.0, 0.0), bench("a", 1100.0, 0.0));
        first.confirm(report(bench("a", 1000.0, 0.0), bench("a", 1001.0, 0.0)));
        assert_eq!(first.outcome(), Outcome::Inconclusive);
        assert_eq!(first.judged[0].verdict, Verdict::Inconclusive);
        assert!(first.judged[0].why.contains("its counts wander"), "{}", first.judged[0].why);
        let mut second = report(bench("a", 1000.0, 0.0), bench("a", 1100.0, 0.0));
        second.confirm(second.clone());
        assert_eq!(second.judged[0].verdict, Verdict::Regress);
        assert_eq!(second.outcome(), Outcome::Regression);
    }

    #[test]
    fn a_second_count_that_fails_takes_nothing_back() {
        let good = || bench("a", 1000.0, 0.0);
        let fails = |instructions| CountedBench {
            failure: Some("was killed".to_owned()),
            ..bench("a", instructions, 0.0)
        };
        for (base, head) in [(good(), fails(1100.0)), (fails(1000.0), bench("a", 1100.0, 0.0))] {
            let mut first = report(good(), bench("a", 1100.0, 1.0));
            first.confirm(report(base, head));
            for judged in &first.judged {
                assert_eq!(judged.verdict, Verdict::Regress, "{judged:?}");
                assert!(judged.why.contains("could not be counted again"), "{judged:?}");
                assert!(judged.why.contains("was killed"), "{judged:?}");
            }
            assert_eq!((first.judged.len(), first.outcome()), (2, Outcome::ToolFailed));
        }
        let mut first = report(good(), bench("a", 1100.0, 0.0));
        first.confirm(CountsReport::judge(&of(vec![]), &of(vec![]), &CountsLimits::default()));
        assert_eq!(first.outcome(), Outcome::Regression);
    }
}
