//! Verdicts in a report: how many of each, the intervals, and a table with the worst first.

use super::document::{Axis, Block, Chart, Group, IntervalRow, Mark, Scale, Table, Tone};
use super::figure::{change_with_interval, figure};
use crate::{Judged, Verdict};
use perf_stats::median;

/// Intervals that are drawn; the table has them all.
const DRAWN: usize = 40;

/// Verdicts as blocks of a section: facts, intervals and a table, worst first; what is unchanged is
/// folded to one line.
///
/// `margin` is the one that was asked for, as a fraction.
#[must_use]
pub fn judged_blocks(judged: &[Judged], margin: f64) -> Vec<Block> {
    let sorted = worst_first(judged);
    let (same, told): (Vec<&Judged>, Vec<&Judged>) =
        sorted.into_iter().partition(|j| j.verdict == Verdict::Same);
    let mut blocks = Vec::new();
    let facts = facts(judged);
    if !facts.is_empty() {
        blocks.push(Block::Facts(facts));
    }
    let drawn: Vec<&Judged> =
        told.iter().copied().filter(|j| j.ratio.is_some()).take(DRAWN).collect();
    if !drawn.is_empty() {
        blocks.push(Block::Chart(intervals(&drawn, margin)));
    }
    if !told.is_empty() || judged.is_empty() {
        blocks.push(Block::Table(table(&told)));
    }
    if !same.is_empty() {
        let noun = if same.len() == 1 { "bench is" } else { "benches are" };
        let line = format!("{} {noun} unchanged", same.len());
        blocks.push(Block::Folded(line, vec![Block::Table(table(&same))]));
    }
    blocks
}

/// The samples of both sides as one drawing, each with its median.
#[must_use]
pub fn before_and_after(title: &str, unit: &str, base: &[f64], head: &[f64]) -> Chart {
    let all = || base.iter().chain(head).copied().filter(|v| v.is_finite());
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    // A few far out would press all others into one column.
    let far = least > 0.0 && most > 8.0 * least;
    let scale = if far { Scale::Logarithmic } else { Scale::Fitted };
    let label = if unit == "ns" { "time per iteration" } else { "value" };
    let sides = [("base", base), ("head", head)];
    let mark = |(name, samples): (&str, &[f64])| {
        let at = median(samples).ok()?;
        Some(Mark::new(at, format!("{name} {}", figure(at, unit)), Tone::Plain))
    };
    Chart::Distribution {
        title: title.to_owned(),
        x: Axis::new(label, unit).scale(scale),
        groups: sides.map(|(name, samples)| Group::of(name, samples)).to_vec(),
        marks: sides.into_iter().filter_map(mark).collect(),
    }
}

/// The verdicts in the order of their weight, within one by the size of the change.
#[must_use]
pub fn worst_first(judged: &[Judged]) -> Vec<&Judged> {
    let mut sorted: Vec<&Judged> = judged.iter().collect();
    let size = |j: &Judged| j.ratio.map_or(1.0, |ratio| ratio.value);
    sorted.sort_by(|a, b| {
        let weight = weight(a.verdict).cmp(&weight(b.verdict));
        weight.then(size(b).total_cmp(&size(a))).then_with(|| a.bench.cmp(&b.bench))
    });
    sorted
}

/// A verdict in a word, and how it is meant.
#[must_use]
pub fn verdict_word(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Regress => ("slower", Tone::Bad),
        Verdict::Incomparable => ("not comparable", Tone::Warn),
        Verdict::Inconclusive => ("inconclusive", Tone::Warn),
        Verdict::Improve => ("faster", Tone::Good),
        Verdict::New => ("new", Tone::Quiet),
        Verdict::Gone => ("gone", Tone::Quiet),
        Verdict::Same => ("unchanged", Tone::Quiet),
    }
}

fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Regress => 0,
        Verdict::Incomparable => 1,
        Verdict::Inconclusive => 2,
        Verdict::Improve => 3,
        Verdict::New => 4,
        Verdict::Gone => 5,
        Verdict::Same => 6,
    }
}

fn facts(judged: &[Judged]) -> Vec<(String, String, Tone)> {
    const ORDER: [Verdict; 7] = [
        Verdict::Regress,
        Verdict::Incomparable,
        Verdict::Inconclusive,
        Verdict::Improve,
        Verdict::New,
        Verdict::Gone,
        Verdict::Same,
    ];
    ORDER
        .into_iter()
        .filter_map(|verdict| {
            let n = judged.iter().filter(|j| j.verdict == verdict).count();
            let (word, tone) = verdict_word(verdict);
            let tone = if tone == Tone::Quiet { Tone::Plain } else { tone };
            let mut label = word.to_owned();
            label[..1].make_ascii_uppercase();
            (n > 0).then(|| (label, n.to_string(), tone))
        })
        .collect()
}

/// The name of the bench, with the measure where it is not time.
fn name(judged: &Judged) -> String {
    match judged.measure.as_str() {
        "" | "time" => judged.bench.clone(),
        measure => format!("{} ({measure})", judged.bench),
    }
}

fn intervals(drawn: &[&Judged], margin: f64) -> Chart {
    let rows: Vec<IntervalRow> = drawn
        .iter()
        .filter_map(|j| {
            let ratio = j.ratio?;
            Some(IntervalRow {
                label: name(j),
                value: ratio.value,
                low: ratio.low,
                high: ratio.high,
                tone: verdict_word(j.verdict).1,
            })
        })
        .collect();
    let wide = rows.iter().any(|r| r.value > 3.0 || r.value < 1.0 / 3.0);
    let scale = if wide { Scale::Logarithmic } else { Scale::Fitted };
    Chart::Intervals {
        title: "Head against base".to_owned(),
        x: Axis::new("change, with its interval; to the right is slower", "ratio").scale(scale),
        reference: 1.0,
        margin: (margin > 0.0).then(|| (1.0 / (1.0 + margin), 1.0 + margin)),
        rows,
    }
}

fn table(rows: &[&Judged]) -> Table {
    let mut table = Table::new(["bench", "base >", "head >", "change >", "verdict", "why"]);
    for judged in rows {
        let (word, tone) = verdict_word(judged.verdict);
        let side = |value: Option<f64>| value.map_or("–".to_owned(), |v| figure(v, &judged.unit));
        let change = judged.ratio.as_ref().map_or("–".to_owned(), change_with_interval);
        table.push([
            (name(judged), Tone::Plain),
            (side(judged.base), Tone::Plain),
            (side(judged.head), Tone::Plain),
            (change, tone),
            (word.to_owned(), tone),
            (judged.why.clone(), Tone::Quiet),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Document, Section};
    use perf_stats::Estimate;

    fn judged(bench: &str, verdict: Verdict, value: f64) -> Judged {
        let mut judged = Judged::new(bench, "time", verdict);
        judged.unit = "ns".into();
        judged.base = Some(1000.0);
        judged.head = Some(1000.0 * value);
        judged.ratio = Some(Estimate { value, low: value - 0.01, high: value + 0.01 });
        judged
    }

    #[test]
    fn the_worst_comes_first_and_what_is_unchanged_in_one_line() {
        let all = [
            judged("a", Verdict::Same, 1.0),
            judged("b", Verdict::Improve, 0.8),
            judged("c", Verdict::Regress, 1.1),
            judged("d", Verdict::Regress, 1.3),
            judged("e", Verdict::Same, 1.0),
        ];
        let order: Vec<&str> = worst_first(&all).iter().map(|j| j.bench.as_str()).collect();
        assert_eq!(order, ["d", "c", "b", "a", "e"]);
        let section = Section::new("Time", judged_blocks(&all, 0.02));
        let text = Document::new("t", "").section(section).terminal(100, false);
        assert!(text.contains("Slower     2\nFaster     1\nUnchanged  2\n"), "{text}");
        assert!(text.contains("d      1.00 µs  1.30 µs  +30.0 % [+29.0, +31.0]  slower"), "{text}");
        assert!(text.contains("2 benches are unchanged\n"), "{text}");
    }

    #[test]
    fn no_verdicts_are_no_data() {
        let section = Section::new("Time", judged_blocks(&[], 0.02));
        assert!(Document::new("t", "").section(section).html().contains("no data"));
    }
}
