//! `PerformanceBenchmark`: what becomes of sections that work, fail and panic.

use perf_bench::suite::{
    Better, Context, Figure, PerformanceBenchmark, Section, SectionFailure, SuiteReport,
};
use std::ops::ControlFlow;

/// A section that does what the function says.
struct Part(&'static str, fn(&mut Context<'_>) -> Result<(), SectionFailure>);

impl Section for Part {
    fn name(&self) -> &str {
        self.0
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        context.keep(Figure::new("first", "first", 1.0, "s", Better::Lower));
        (self.1)(context)
    }
}

fn suite() -> PerformanceBenchmark {
    PerformanceBenchmark::new()
        .quick(true)
        .section(Part("wrong", |context| context.check(false, "two and two are four")))
        .section(Part("mad", |_| panic!("out of its mind")))
        .section(Part("sound", |context| {
            context.time("sum", "sum of numbers", |n| (0..100).fold(n, |a, b| a ^ b))?;
            context.check(true, "it adds up")
        }))
}

#[test]
fn a_section_that_fails_is_marked_and_its_figures_are_kept() {
    let report = suite().run();
    assert!(!report.complete && !report.stopped);
    let failure = |i: usize| report.sections[i].failure.as_deref();
    assert_eq!(failure(0), Some("wrong answer: not so that two and two are four"));
    assert_eq!(failure(1), Some("it panicked: out of its mind"));
    assert_eq!((failure(2), report.sections[2].checked), (None, 1));
    for section in ["wrong", "mad", "sound"] {
        assert!(report.figure(&format!("{section}/first")).is_some());
    }
    let sum = report.figure("sound/sum").unwrap();
    let spread = sum.spread.as_ref().unwrap();
    assert!(sum.value > 0.0 && spread.calls > 1 && spread.p50 <= spread.p99);
    let (_, words) = report.document().verdict.unwrap();
    assert_eq!(words, "2 of 3 sections failed");
}

#[test]
fn sections_are_chosen_by_name() {
    let report = suite().only(&["sound"]).unwrap().run();
    assert_eq!(report.sections.len(), 1);
    assert!(report.complete);
    let error = suite().only(&["sound", "cash"]).unwrap_err().to_string();
    assert_eq!(error, "no section is called `cash`: there are wrong, mad, sound");
}

#[test]
fn whoever_watches_may_end_it() {
    let mut seen = Vec::new();
    let report = suite().section(Part("late", |_| Ok(()))).run_watched(&mut |progress| {
        seen.push((progress.section.clone(), progress.number, progress.sections));
        ControlFlow::Break(())
    });
    assert_eq!(seen, [("sound".to_owned(), 3, 4)]);
    assert!(report.stopped && !report.complete);
    assert_eq!(report.sections[2].failure.as_deref(), Some("stopped"));
    assert_eq!(report.sections[3].failure.as_deref(), Some("not run"));
    assert!(report.figure("sound/first").is_some() && report.figure("late/first").is_none());
}

#[test]
fn the_report_survives_its_json() {
    let report = suite().section(Part("none", |context| {
        context.keep(Figure::of("nothing", "of nothing", &[], 1, "ns", Better::Lower));
        Ok(())
    }));
    let report = report.run();
    let json = serde_json::to_string(&report).unwrap();
    let read: SuiteReport = serde_json::from_str(&json).unwrap();
    assert_eq!(read.document().sections.len(), report.document().sections.len());
    assert_eq!(read.sections[3].notes, ["of nothing: nothing was measured"]);
}

#[cfg(feature = "bundled-sqlite")]
#[test]
fn the_database_section_measures_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let section = perf_bench::suite::DatabaseSection::new(folder.path());
    let report = PerformanceBenchmark::new().quick(true).section(section).run();
    assert!(report.complete, "{report:?}");
    for id in ["insert_single", "read_point", "mixed", "insert_batch_rate", "busy_share"] {
        assert!(report.figure(&format!("database/{id}")).is_some(), "{id}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
