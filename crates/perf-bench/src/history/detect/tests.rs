use super::*;
use crate::report::{Block, Chart};
use crate::{Bench, Counts, Run};

/// A run with one bench around `time`, and so many instructions.
fn entry(number: u32, time: f64, instructions: f64, machine: &Machine) -> Entry {
    let mut run = Run::new(machine.clone());
    run.commit = Some(format!("c{number}"));
    run.at = Some(u64::from(number) * 86_400);
    let mut bench =
        Bench::new("cache/get", (0..7).map(|i| time + f64::from((number * 5 + i) % 7)).collect());
    bench.counts = Some(Counts { instructions, allocations: 0.0, allocated_bytes: 0.0 });
    run.benches.push(bench);
    Entry::of(&run).unwrap()
}

fn history(entries: impl IntoIterator<Item = Entry>) -> History {
    History { entries: entries.into_iter().collect(), ..History::default() }
}

fn series<'a>(report: &'a HistoryReport, measure: &str) -> &'a Series {
    report.series.iter().find(|series| series.measure == measure).unwrap()
}

#[test]
fn creep_below_every_gate_is_found_with_its_commits() {
    // Three per cent at each of four commits: no pull request's gate would have seen it.
    let machine = Machine::default();
    let slower = |number: u32| 1.03_f64.powi((number / 20) as i32);
    let entries = (0..100).map(|n| entry(n, 1000.0 * slower(n), 500.0, &machine));
    let report = history(entries).detect(&Detect::default()).unwrap();
    let time = series(&report, "time");
    let found: Vec<&str> = time.changes.iter().map(|change| change.first.as_str()).collect();
    assert_eq!(found, ["c20", "c40", "c60", "c80"]);
    let change = &time.changes[0];
    assert_eq!(change.last, "c19");
    assert!((change.ratio.unwrap() - 1.03).abs() < 0.003, "{change:?}");
    assert!(change.p < 0.001 && change.also.is_empty());
    assert!(series(&report, "instructions").changes.is_empty());
    assert_eq!(report.series[0].measure, "time", "the worst first");
    assert_eq!(report.recent_slowdowns(20).count(), 1);
    assert_eq!(report.recent_slowdowns(19).count(), 0);
}

#[test]
fn machines_and_works_are_series_of_their_own() {
    let machine = |name: &str| Machine { processor: name.to_owned(), ..Machine::default() };
    let (here, there) = (machine("here"), machine("there"));
    let mut entries: Vec<Entry> =
        (0..30).map(|n| entry(n, if n % 2 == 0 { 100.0 } else { 300.0 }, 1.0, &here)).collect();
    for entry in entries.iter_mut().skip(1).step_by(2) {
        entry.machine = there.clone();
    }
    let report = history(entries.clone()).detect(&Detect::default()).unwrap();
    assert_eq!(report.series.len(), 8);
    assert!(report.series.iter().all(|series| series.changes.is_empty()));

    for entry in &mut entries {
        entry.machine = here.clone();
        entry.benches[0].work = Some(format!("{}", entry.commit.len()));
    }
    let report = history(entries).detect(&Detect::default()).unwrap();
    assert_eq!(report.series.len(), 8, "two works");
}

#[test]
fn a_change_with_the_compiler_says_so() {
    let machine = |rustc: &str| Machine { rustc: rustc.to_owned(), ..Machine::default() };
    let (old, new) = (machine("rustc 1.94.0"), machine("rustc 1.95.0"));
    let entries = (0..40)
        .map(|n| if n < 20 { entry(n, 100.0, 500.0, &old) } else { entry(n, 100.0, 450.0, &new) });
    let report = history(entries).detect(&Detect::default()).unwrap();
    let change = &series(&report, "instructions").changes[0];
    assert_eq!(change.also, ["compiler: rustc 1.94.0 / rustc 1.95.0"]);
    assert_eq!(change.ratio, Some(0.9));
    assert_eq!(report.recent_slowdowns(100).count(), 0);
}

#[test]
fn the_first_allocation_is_a_change_without_ratio() {
    let machine = Machine::default();
    let entries = (0..20).map(|n| {
        let mut entry = entry(n, 100.0, 1.0, &machine);
        let counts = Counts { allocations: f64::from(n / 10), ..Counts::default() };
        entry.benches[0].counts = Some(counts);
        entry
    });
    let report = history(entries).detect(&Detect::default()).unwrap();
    let change = &series(&report, "allocations").changes[0];
    assert_eq!((change.index, change.ratio, change.before, change.after), (10, None, 0.0, 1.0));
    assert_eq!(report.series[0].measure, "allocations");
    assert!(report.document().markdown().contains("from zero"));
    assert!(serde_json::to_string(&report).unwrap().contains("\"ratio\":null"));
}

#[test]
fn short_series_say_so() {
    let machine = Machine::default();
    let report =
        history((0..2).map(|n| entry(n, 1.0, 1.0, &machine))).detect(&Detect::default()).unwrap();
    let why = "2 runs so far, changes are looked for from 3";
    assert!(report.series.iter().all(|series| series.unsearched.as_deref() == Some(why)));
    assert!(report.document().markdown().contains(why));

    let nothing = History::default().detect(&Detect::default()).unwrap();
    assert_eq!(nothing.document().verdict.unwrap().1, "no change in 0 series");
}

#[test]
fn settings_and_filter_are_taken() {
    let machine = Machine::default();
    let entries: Vec<Entry> =
        (0..40).map(|n| entry(n, if n < 20 { 1000.0 } else { 1030.0 }, 1.0, &machine)).collect();
    let mut how = Detect::default();
    how.method.min_magnitude = 0.05;
    let report = history(entries.clone()).detect(&how).unwrap();
    assert!(series(&report, "time").changes.is_empty());
    how.filter = Some("database".to_owned());
    assert!(history(entries.clone()).detect(&how).unwrap().series.is_empty());
    how.method.p = 2.0;
    let error = history(entries).detect(&how).unwrap_err();
    assert_eq!(error.to_string(), "p is 2, it must be above 0 and at most 1");
}

#[test]
fn the_report_draws_the_changes_and_says_what_was_left_out() {
    let machine = Machine::default();
    let mut history =
        history((0..40).map(|n| entry(n, if n < 25 { 100.0 } else { 130.0 }, 1.0, &machine)));
    history.left_out.newer = 2;
    history.left_out.newest_format = Some(3);
    let report = history.detect(&Detect::default()).unwrap();
    let change = &report.series[0].changes[0];
    let document = report.document();
    let Block::Chart(Chart::Lines { lines, marks, .. }) = &document.sections[1].blocks[0] else {
        panic!("{:?}", document.sections[1].blocks[0]);
    };
    assert_eq!((lines.len(), marks.len()), (2, 1));
    assert_eq!(marks[0].at, 25.0);
    assert_eq!(lines[1].points[24..26], [(24.0, change.before), (25.0, change.after)]);
    assert!(marks[0].label.contains("c25"), "{}", marks[0].label);
    let text = document.terminal(120, false);
    assert!(text.contains("2 lines in a format up to 3") && text.contains("c24"), "{text}");
    assert!(document.html().contains("<svg"));
}
