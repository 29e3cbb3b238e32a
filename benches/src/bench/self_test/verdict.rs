//! Whether the gate does what it promises.

use super::Tested;
use super::tally::{Plan, Tally, Votes};
use crate::layouts::LayoutNoise;
use perf_bench::report::{Block, Document, Level, Section, Table, Tone};

/// A bench whose link orders differ by no more than this is one that time can judge.
const QUIET: f64 = 0.005;

/// How often time must find the slowdown on the benches that it can judge.
const FOUND: f64 = 0.85;

/// False alarms of time that a whole test may have.
const ALARMS: u32 = 1;

/// What is promised and not so.
pub(super) fn broken(plan: &Plan, layout: &[LayoutNoise], tallies: &[Tally]) -> Vec<String> {
    let mut broken = Vec::new();
    for tally in tallies {
        let (equal, slowed) = (tally.counts_equal, tally.counts_slowed);
        if equal.red > 0 {
            broken.push(format!("{}: {} false alarms of counts", tally.bench, equal.red));
        }
        if slowed.red < slowed.all() || slowed.all() == 0 {
            let (red, all) = (slowed.red, slowed.all());
            broken.push(format!("{}: counts found the slowdown {red} times of {all}", tally.bench));
        }
    }
    if !plan.timed {
        return broken;
    }
    let alarms: u32 = tallies.iter().map(|tally| tally.time_equal.red).sum();
    if alarms > ALARMS {
        broken.push(format!("{alarms} false alarms of time, at most {ALARMS} is allowed"));
    }
    let (quiet, restless): (Vec<_>, Vec<_>) =
        tallies.iter().partition(|tally| is_quiet(layout, &tally.bench));
    for tally in &quiet {
        let (red, all) = (tally.time_slowed.red, tally.time_slowed.all());
        if f64::from(red) < FOUND * f64::from(all) {
            broken.push(format!("{}: time found the slowdown {red} times of {all}", tally.bench));
        }
    }
    for tally in restless.iter().chain(&quiet).filter(|tally| tally.time_slowed.green > 0) {
        let times = tally.time_slowed.green;
        broken.push(format!("{}: time called the slowdown unchanged {times} times", tally.bench));
    }
    if quiet.is_empty() {
        broken.push("no bench is quiet enough for time: use a quieter machine".to_owned());
    }
    broken
}

fn noise<'a>(layout: &'a [LayoutNoise], bench: &str) -> Option<&'a LayoutNoise> {
    layout.iter().find(|noise| noise.bench == bench)
}

fn is_quiet(layout: &[LayoutNoise], bench: &str) -> bool {
    noise(layout, bench).is_some_and(|noise| noise.sigma.is_some_and(|sigma| sigma <= QUIET))
}

/// As a report.
pub(super) fn document(tested: &Tested) -> Document {
    let Tested { plan, layout, tallies, broken, .. } = tested;
    let subtitle = format!(
        "{} runs in {:.0} min, slowdown {:.0} %, {} pairs of {:.0} ms, {} link orders; {}",
        plan.runs,
        tested.seconds / 60.0,
        plan.injected * 100.0,
        plan.pairs,
        plan.sample_ms,
        plan.orders,
        tested.machine.summary(),
    );
    let (tone, words) = match broken.as_slice() {
        [] => (Tone::Good, "the gate does what it promises".to_owned()),
        [one] => (Tone::Bad, one.clone()),
        some => (Tone::Bad, format!("{} promises are broken", some.len())),
    };
    let mut blocks: Vec<Block> =
        broken.iter().map(|words| Block::Notice(Level::Error, words.clone())).collect();
    let mut columns = vec!["bench", "counts equal", "counts slowed", "wander>"];
    if plan.timed {
        columns.extend(["layout sigma>", "margin>", "time equal", "time slowed"]);
    }
    let mut table = Table::new(columns);
    for tally in tallies {
        let percent = |value: f64| format!("{:.2} %", value * 100.0);
        let mut row = vec![
            (tally.bench.clone(), Tone::Plain),
            votes(tally.counts_equal, false),
            votes(tally.counts_slowed, true),
            (percent(tally.counts_wander), Tone::Quiet),
        ];
        if plan.timed {
            let noise = noise(layout, &tally.bench);
            let tone = if is_quiet(layout, &tally.bench) { Tone::Plain } else { Tone::Warn };
            row.push((noise.and_then(|noise| noise.sigma).map_or_else(String::new, percent), tone));
            row.push((
                noise.and_then(|noise| noise.margin).map_or_else(String::new, percent),
                Tone::Quiet,
            ));
            row.push(votes(tally.time_equal, false));
            row.push(votes(tally.time_slowed, true));
        }
        table.push(row);
    }
    table.note = Some(format!(
        "red / green / no answer. Time must find the slowdown in {:.0} % of the runs where the \
         layout sigma is at most {:.1} %, and may never call it unchanged.",
        FOUND * 100.0,
        QUIET * 100.0
    ));
    blocks.push(Block::Table(table));
    Document::new("Self-test of the gate", subtitle)
        .verdict(tone, words)
        .section(Section::new("Judgements", blocks))
}

fn votes(votes: Votes, red_is_right: bool) -> (String, Tone) {
    let wrong = if red_is_right { votes.green > 0 } else { votes.red > 0 };
    let tone = if wrong { Tone::Bad } else { Tone::Plain };
    (format!("{} / {} / {}", votes.red, votes.green, votes.open), tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan { runs: 60, injected: 0.05, pairs: 30, sample_ms: 10.0, orders: 5, timed: true }
    }

    fn layout(bench: &str, sigma: f64) -> LayoutNoise {
        let (sigma, margin) = (Some(sigma), Some(2.0 * sigma));
        LayoutNoise { bench: bench.to_owned(), ratios: Vec::new(), sigma, margin }
    }

    /// A bench as it should be.
    fn tally(bench: &str) -> Tally {
        let mut tally = Tally::new(bench);
        tally.counts_equal.green = 60;
        tally.counts_slowed.red = 60;
        tally.time_equal.green = 60;
        tally.time_slowed.red = 60;
        tally
    }

    #[test]
    fn a_gate_that_works_breaks_no_promise() {
        let mut restless = tally("b");
        restless.time_slowed = Votes { red: 10, green: 0, open: 50 };
        restless.time_equal = Votes { red: 1, green: 20, open: 39 };
        let layout = [layout("a", 0.004), layout("b", 0.02)];
        assert_eq!(broken(&plan(), &layout, &[tally("a"), restless]), Vec::<String>::new());
    }

    #[test]
    fn each_promise_can_break() {
        let layout = [layout("a", 0.004), layout("b", 0.02)];
        let breaks = |change: fn(&mut Tally, &mut Tally)| {
            let (mut a, mut b) = (tally("a"), tally("b"));
            change(&mut a, &mut b);
            broken(&plan(), &layout, &[a, b]).len()
        };
        assert_eq!(breaks(|_, _| ()), 0);
        assert_eq!(breaks(|a, _| a.counts_equal.red = 1), 1);
        assert_eq!(breaks(|a, _| a.counts_slowed.open = 1), 1);
        assert_eq!(breaks(|a, b| (a.time_equal.red, b.time_equal.red) = (1, 1)), 1);
        assert_eq!(breaks(|a, _| a.time_slowed = Votes { red: 50, green: 0, open: 10 }), 1);
        assert_eq!(breaks(|_, b| b.time_slowed = Votes { red: 59, green: 1, open: 0 }), 1);
        assert_eq!(broken(&plan(), &[], &[tally("a")]).len(), 1, "nothing was quiet");
    }
}
