//! What a comparison of counts says, and how it is shown.

use super::judge::other_answer;
use super::{Counted, CountedBench};
use crate::report::{Block, Document, Level, Section, Table, Tone, change, figure};
use crate::rule::outcome_of_failures;
use crate::{Judged, Outcome, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a comparison of counts says: for each bench and measure a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CountsReport {
    /// The verdicts, by bench; instructions before allocations.
    pub judged: Vec<Judged>,
    /// The base's counts.
    pub base: Counted,
    /// The head's counts.
    pub head: Counted,
    /// What the reader should know besides.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The second count of those that looked worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recount: Option<Box<CountsReport>>,
}

impl CountsReport {
    /// How the run ends. A bench that fails in the head, or answers something else there, is a
    /// failure of the tool, since of its counts nothing is known; one that fails in the base alone
    /// leaves the answer open, and so does having no bench at all. Whatever fails in the second
    /// count is a failure.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let of = |verdict| match verdict {
            Verdict::Regress => Outcome::Regression,
            Verdict::Inconclusive | Verdict::Incomparable => Outcome::Inconclusive,
            _ => Outcome::Pass,
        };
        let empty = self.base.benches.is_empty() && self.head.benches.is_empty();
        let least = if empty { Outcome::Inconclusive } else { Outcome::Pass };
        let verdicts = self.judged.iter().map(|judged| of(judged.verdict));
        let failures = self.failures().map(|(_, outcome)| outcome);
        verdicts.chain(failures).fold(least, Outcome::max)
    }

    /// What is to be said of each bench that failed; one may be named several times.
    fn failures(&self) -> impl Iterator<Item = (&str, Outcome)> {
        let first = self.head.benches.iter().map(|head| {
            let base = self.base.benches.iter().find(|base| base.name == head.name);
            let wrong = base.is_some_and(|base| other_answer(base, head).is_some());
            let base_failed = base.is_some_and(|base| base.failure.is_some());
            (&head.name, outcome_of_failures(base_failed, wrong || head.failure.is_some()))
        });
        // Both sides could be counted before.
        let again = self.recount.iter().flat_map(|again| {
            let base = again.base.benches.iter().filter(|base| base.failure.is_some());
            let base = base.map(|base| (base.name.as_str(), Outcome::ToolFailed));
            again.failures().chain(base).collect::<Vec<_>>()
        });
        first.map(|(name, outcome)| (name.as_str(), outcome)).chain(again)
    }

    /// Benches that were not counted, with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.benches.iter().filter_map(|b| Some((b.name.as_str(), b.skipped.as_deref()?)))
    }

    /// The worst first; what has not changed comes last, by name.
    #[must_use]
    pub fn worst_first(&self) -> Vec<&Judged> {
        let mut sorted: Vec<&Judged> = self.judged.iter().collect();
        let size = |judged: &Judged| judged.ratio.map_or(1.0, |ratio| ratio.value);
        sorted.sort_by(|a, b| {
            rank(a.verdict).cmp(&rank(b.verdict)).then(size(b).total_cmp(&size(a)))
        });
        sorted
    }

    /// As a report.
    #[must_use]
    pub fn document(&self) -> Document {
        let environment = &self.head.environment;
        let parts = [&environment.rustc, &environment.valgrind, &environment.libc];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let (tone, words) = self.headline();
        let mut blocks: Vec<Block> =
            self.notes.iter().map(|note| Block::Notice(Level::Info, note.clone())).collect();
        let first = self.base.benches.is_empty();
        if first {
            blocks.push(Block::Table(all(&self.head)));
            for bench in &self.head.benches {
                let failed = bench.failure.iter();
                blocks.extend(failed.map(|why| {
                    Block::Notice(Level::Error, format!("{} failed: {why}", bench.name))
                }));
            }
        } else {
            blocks.extend(self.changes());
        }
        for (name, why) in self.skipped() {
            blocks.push(Block::Text(format!("{name} was not counted: it {why}.")));
        }
        if !first {
            let table = Block::Table(all(&self.head));
            blocks.push(Block::Folded("All counts of the head".to_owned(), vec![table]));
        }
        Document::new("Counts", format!("per iteration; {}", parts.join(", ")))
            .verdict(tone, words)
            .section(Section::new("Instructions and allocations", blocks))
    }

    fn headline(&self) -> (Tone, String) {
        let count = |verdict| self.judged.iter().filter(|judged| judged.verdict == verdict).count();
        match self.outcome() {
            Outcome::Regression => (
                Tone::Bad,
                format!("{} worse", counted(count(Verdict::Regress), "count is", "counts are")),
            ),
            Outcome::ToolFailed => {
                let failed = self.failures().filter(|(_, outcome)| *outcome == Outcome::ToolFailed);
                let failed: BTreeSet<&str> = failed.map(|(name, _)| name).collect();
                (Tone::Bad, format!("{} failed", counted(failed.len(), "bench", "benches")))
            }
            Outcome::Inconclusive if self.judged.is_empty() => {
                (Tone::Warn, "no benches".to_owned())
            }
            Outcome::Inconclusive => {
                (Tone::Warn, "nothing worse, but not all can be said".to_owned())
            }
            Outcome::Pass if self.base.benches.is_empty() => (
                Tone::Plain,
                format!("{} counted", counted(self.head.benches.len(), "bench", "benches")),
            ),
            Outcome::Pass => match count(Verdict::Improve) {
                0 => (Tone::Good, "nothing worse".to_owned()),
                n => {
                    (Tone::Good, format!("nothing worse, {} better", counted(n, "count", "counts")))
                }
            },
        }
    }

    /// What has changed, worst first; the rest is said in one line.
    fn changes(&self) -> Option<Block> {
        let mut table =
            Table::new(["bench", "measure", "base>", "head>", "change>", "verdict", "why"]);
        let mut same = Vec::new();
        for judged in self.worst_first() {
            if judged.verdict == Verdict::Same {
                same.push(judged);
                continue;
            }
            let tone = tone(judged.verdict);
            let value = |value: Option<f64>| {
                value.map_or_else(|| "–".to_owned(), |value| figure(value, &judged.unit))
            };
            let ratio = judged.ratio.map_or_else(|| "–".to_owned(), |ratio| change(ratio.value));
            table.push([
                (judged.bench.clone(), Tone::Plain),
                (judged.measure.replace('_', " "), Tone::Plain),
                (value(judged.base), Tone::Plain),
                (value(judged.head), Tone::Plain),
                (ratio, tone),
                (word(judged.verdict).to_owned(), tone),
                (judged.why.clone(), Tone::Quiet),
            ]);
        }
        table.note = unchanged(&same);
        match table.rows.is_empty() {
            true => table.note.map(Block::Text),
            false => Some(Block::Table(table)),
        }
    }
}

/// What has not changed beyond its limits, in one line.
fn unchanged(same: &[&Judged]) -> Option<String> {
    let largest = same.iter().filter_map(|judged| judged.ratio.map(|ratio| ratio.value)).fold(
        None::<f64>,
        |largest, ratio| match largest {
            Some(largest) if (largest - 1.0).abs() >= (ratio - 1.0).abs() => Some(largest),
            _ => Some(ratio),
        },
    );
    let mut benches: Vec<&str> = same.iter().map(|judged| judged.bench.as_str()).collect();
    benches.sort_unstable();
    benches.dedup();
    (!same.is_empty()).then(|| {
        format!(
            "{} of {} within their limits{}",
            counted(same.len(), "count", "counts"),
            counted(benches.len(), "bench", "benches"),
            match largest {
                Some(1.0) | None => ", all the same as before".to_owned(),
                Some(largest) => format!(", the largest change is {}", change(largest)),
            }
        )
    })
}

fn counted(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

fn all(counted: &Counted) -> Table {
    let mut table = Table::new(["bench", "instructions>", "allocations>", "bytes>", "iterations>"]);
    let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v}"));
    for bench in counted.benches.iter().filter(|bench| bench.skipped.is_none()) {
        let CountedBench { name, instructions, allocations, allocated_bytes, .. } = bench;
        table.push([
            (name.clone(), Tone::Plain),
            (value(*instructions), Tone::Plain),
            (value(*allocations), Tone::Plain),
            (value(*allocated_bytes), Tone::Plain),
            (bench.iterations.to_string(), Tone::Quiet),
        ]);
    }
    table
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Regress => 0,
        Verdict::Incomparable => 1,
        Verdict::Inconclusive => 2,
        Verdict::Gone => 3,
        Verdict::New => 4,
        Verdict::Improve => 5,
        Verdict::Same => 6,
    }
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Regress => Tone::Bad,
        Verdict::Improve => Tone::Good,
        Verdict::Same | Verdict::New => Tone::Plain,
        Verdict::Inconclusive | Verdict::Gone | Verdict::Incomparable => Tone::Warn,
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regress => "worse",
        Verdict::Improve => "better",
        Verdict::Same => "same",
        Verdict::Inconclusive => "inconclusive",
        Verdict::New => "new",
        Verdict::Gone => "gone",
        Verdict::Incomparable => "not comparable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CountsLimits;

    fn counted(figures: &[(&str, f64)]) -> Counted {
        let bench = |&(name, instructions): &(&str, f64)| CountedBench {
            name: name.to_owned(),
            iterations: 10,
            instructions: Some(instructions),
            ..CountedBench::default()
        };
        Counted { benches: figures.iter().map(bench).collect(), ..Counted::default() }
    }

    fn report(base: &Counted, head: &Counted) -> CountsReport {
        CountsReport::judge(base, head, &CountsLimits::default())
    }

    #[test]
    fn the_worst_comes_first_and_the_unchanged_last() {
        let base = counted(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("d", 100.0)]);
        let head = counted(&[("a", 101.0), ("b", 110.0), ("c", 150.0), ("e", 1.0)]);
        let report = report(&base, &head);
        let order: Vec<&str> =
            report.worst_first().iter().map(|judged| judged.bench.as_str()).collect();
        assert_eq!(order, ["c", "b", "d", "e", "a"]);
        assert_eq!(report.outcome(), Outcome::Regression);
    }

    #[test]
    fn a_head_that_fails_is_a_failure_and_a_base_that_does_leaves_it_open() {
        let good = counted(&[("a", 100.0), ("b", 5.0)]);
        let mut bad = good.clone();
        bad.benches[0].failure = Some("panicked".to_owned());
        assert_eq!(report(&good, &bad).outcome(), Outcome::ToolFailed);
        assert_eq!(report(&bad, &good).outcome(), Outcome::Inconclusive);
        assert_eq!(report(&good, &bad).judged.len(), 2, "the other bench is kept");
    }

    #[test]
    fn another_answer_or_a_failure_in_the_second_count_is_said() {
        let mut base = counted(&[("a", 100.0), ("b", 100.0)]);
        let mut head = counted(&[("a", 100.0), ("b", 110.0)]);
        let mut again = head.clone();
        again.benches[1].failure = Some("was killed".to_owned());
        let mut killed = report(&base, &head);
        killed.confirm(report(&base, &again));
        assert_eq!(killed.document().verdict.unwrap().1, "1 bench failed");
        (base.benches[0].answer, head.benches[0].answer) = (Some(7), Some(8));
        assert_eq!(report(&base, &head).document().verdict.unwrap().1, "1 bench failed");
        assert_eq!(report(&base, &head).outcome(), Outcome::ToolFailed);
    }

    #[test]
    fn no_bench_at_all_is_no_answer() {
        let nothing = report(&counted(&[]), &counted(&[]));
        assert_eq!(nothing.outcome(), Outcome::Inconclusive);
        assert_eq!(nothing.document().verdict.unwrap().1, "no benches");
    }

    #[test]
    fn the_document_folds_what_has_not_changed() {
        let base = counted(&[("a", 100.0), ("b", 100.0), ("c", 100.0)]);
        let head = counted(&[("a", 101.0), ("b", 100.0), ("c", 150.0)]);
        let document = report(&base, &head).document();
        let Block::Table(table) = &document.sections[0].blocks[0] else { panic!("no table") };
        assert_eq!(table.rows.len(), 1);
        let note = table.note.as_deref().unwrap();
        assert_eq!(note, "2 counts of 2 benches within their limits, the largest change is +1.0 %");
    }

    #[test]
    fn without_a_base_all_counts_are_shown() {
        let document = report(&counted(&[]), &counted(&[("a", 100.0), ("b", 5.0)])).document();
        let Block::Table(table) = &document.sections[0].blocks[0] else { panic!("no table") };
        assert_eq!(
            (table.rows.len(), document.verdict.unwrap().1.as_str()),
            (2, "2 benches counted")
        );
    }

    #[test]
    fn a_report_survives_its_json() {
        let report = report(&counted(&[("a", 100.0)]), &counted(&[("a", 120.0)]));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<CountsReport>(&json).unwrap(), report);
    }
}
