//! Two programs side by side: what goes right, and what goes wrong in one of them.

use perf_bench::{
    Compare, Comparison, Judged, NoiseKind, NoiseRecord, Outcome, Rule, SubjectProgram, Verdict,
};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The example of this name, which cargo builds with the tests unless told not to.
fn program() -> SubjectProgram {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path: PathBuf = folder.join("examples").join("subject_program");
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    if !path.exists() {
        let target = folder.parent().unwrap();
        let built = Command::new(env!("CARGO"))
            .args(["build", "-p", "perf-bench", "--example", "subject_program", "--target-dir"])
            .arg(target)
            .status();
        assert!(built.unwrap().success());
    }
    SubjectProgram::new(path)
}

fn in_mode(mode: &str) -> SubjectProgram {
    program().env("SUBJECT_MODE", mode)
}

fn quick() -> Compare {
    Compare::new().pairs(10).block(5).sample(Duration::from_micros(200))
}

fn compared(base: &SubjectProgram, head: &SubjectProgram) -> Comparison {
    quick().run(base, head, |_| ()).unwrap()
}

fn of<'a>(comparison: &'a Comparison, bench: &str) -> &'a Judged {
    comparison.judged.iter().find(|judged| judged.bench == bench).unwrap()
}

/// How many pairs were kept of a bench.
fn pairs(comparison: &Comparison, bench: &str) -> usize {
    let side = |run: &perf_bench::Run| {
        run.benches.iter().find(|b| b.name == bench).map_or(0, |b| b.samples.len())
    };
    assert_eq!(side(&comparison.base), side(&comparison.head), "one sample each");
    side(&comparison.base)
}

#[test]
fn identical_programs_are_not_measured() {
    let comparison = compared(&program(), &program());
    assert!(comparison.identical && comparison.complete);
    assert_eq!(comparison.outcome(), Outcome::Pass);
    let sum = of(&comparison, "sum/thousand");
    assert_eq!(sum.verdict, Verdict::Same);
    assert_eq!(sum.why, "the two programs are byte for byte the same");
    assert_eq!(pairs(&comparison, "sum/thousand"), 0);
}

#[test]
fn all_samples_are_kept_in_pairs_and_progress_is_told() {
    let mut told = Vec::new();
    let comparison = quick()
        .pairs(12)
        .even_identical(true)
        .filter("sum")
        .run(&program(), &program(), |progress| told.push((progress.done, progress.total)))
        .unwrap();
    assert_eq!(told, [(0, 12), (5, 12), (10, 12)]);
    assert_eq!(pairs(&comparison, "sum/thousand"), 12);
    assert!(comparison.base.benches[0].samples.iter().all(|ns| *ns > 0.0));
    assert!(comparison.judged.len() == 1 && comparison.complete);
    // The last bit of a sample may change on the way through decimal digits.
    let read = Comparison::read(&serde_json::to_string(&comparison).unwrap()).unwrap();
    assert_eq!(read.judged[0].why, comparison.judged[0].why);
    assert_eq!(pairs(&read, "sum/thousand"), 12);
}

#[test]
fn a_slowdown_on_one_side_is_red_and_in_the_report() {
    let slow = program().inject("sum/thousand=300%");
    let comparison = quick().filter("sum").run(&program(), &slow, |_| ()).unwrap();
    let sum = of(&comparison, "sum/thousand");
    assert_eq!(sum.verdict, Verdict::Regress, "{}", sum.why);
    assert_eq!(comparison.outcome(), Outcome::Regression);
    assert_eq!(comparison.to_confirm().collect::<Vec<_>>(), ["sum/thousand"]);
    let text = comparison.document().markdown();
    assert!(text.contains("sum/thousand") && text.contains("slower"), "{text}");
}

#[test]
fn a_bench_that_panics_half_way_keeps_its_pairs_and_the_others_go_on() {
    let comparison = compared(&program(), &in_mode("panic"));
    let moody = of(&comparison, "moody");
    assert_eq!(moody.verdict, Verdict::Incomparable);
    assert!(moody.why.contains("head: panicked: cannot go on after 4 calls"), "{}", moody.why);
    assert!(!comparison.complete);
    assert_eq!(comparison.outcome(), Outcome::ToolFailed);
    assert!((1..10).contains(&pairs(&comparison, "moody")), "the partial result is kept");
    let failed = |run: &perf_bench::Run| run.benches.iter().any(|bench| bench.failure.is_some());
    assert!(failed(&comparison.head) && !failed(&comparison.base), "and marked where it failed");
    assert_eq!(pairs(&comparison, "sum/thousand"), 10);
    let sum = of(&comparison, "sum/thousand");
    assert_ne!(sum.verdict, Verdict::Incomparable, "{}", sum.why);
}

#[test]
fn a_process_that_dies_is_named_with_its_last_words() {
    let comparison = compared(&program(), &in_mode("exit"));
    let why = &of(&comparison, "moody").why;
    assert!(why.contains("ended at `sample moody") && why.ends_with("out of luck"), "{why}");
    assert_eq!(pairs(&comparison, "sum/thousand"), 10);
}

#[test]
fn a_process_that_hangs_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("process");
    let hanging = in_mode("hang").env("SUBJECT_PROCESS", &file);
    let comparison =
        quick().limit(Duration::from_secs(2)).run(&program(), &hanging, |_| ()).unwrap();
    let why = &of(&comparison, "moody").why;
    assert!(why.contains("gave no answer") && why.contains("was ended"), "{why}");
    if cfg!(target_os = "linux") {
        let process = std::fs::read_to_string(file).unwrap();
        assert!(!PathBuf::from(format!("/proc/{process}")).exists(), "process {process} goes on");
    }
}

#[test]
fn a_bench_that_prints_is_told_not_to() {
    let comparison = compared(&program(), &in_mode("print"));
    let why = &of(&comparison, "moody").why;
    assert!(why.contains("`a line for the reader`") && why.contains("must not print"), "{why}");
}

#[test]
fn different_work_and_different_answers_are_not_compared() {
    let comparison = compared(&program(), &in_mode("other-work"));
    let moody = of(&comparison, "moody");
    assert_eq!(moody.verdict, Verdict::Incomparable);
    assert!(moody.why.contains("`sums 1000, version 2`"), "{}", moody.why);
    assert_ne!(comparison.outcome(), Outcome::ToolFailed);

    let comparison = compared(&program(), &in_mode("wrong"));
    let moody = of(&comparison, "moody");
    assert_eq!(moody.verdict, Verdict::Incomparable);
    assert!(moody.why.contains("the answers differ"), "{}", moody.why);
    assert_eq!(comparison.outcome(), Outcome::ToolFailed, "fast and wrong must fail");
}

#[test]
fn benches_of_one_side_are_new_or_gone() {
    let comparison = compared(&program(), &in_mode("more"));
    assert_eq!(of(&comparison, "more").verdict, Verdict::New);
    let comparison = quick().filter("more").run(&in_mode("more"), &program(), |_| ()).unwrap();
    assert_eq!(of(&comparison, "more").verdict, Verdict::Gone);
    assert_eq!(comparison.outcome(), Outcome::Pass);
}

#[test]
fn programs_that_are_none_are_refused_by_name() {
    for (mode, part) in [
        ("no-subjects", "is no subject program"),
        ("older", "speaks version 0 of the protocol"),
        ("newer", "speaks version 99 of the protocol"),
        ("mute", "ended at `list`"),
    ] {
        let error = quick().run(&program(), &in_mode(mode), |_| ()).unwrap_err().to_string();
        assert!(error.starts_with("the head's program") && error.contains(part), "{error}");
    }
    let missing = SubjectProgram::new("/nowhere/at/all");
    let error = quick().run(&missing, &program(), |_| ()).unwrap_err().to_string();
    assert!(error.contains("base") && error.contains("cannot be started"), "{error}");
}

#[test]
fn short_time_leaves_the_pairs_without_which_nothing_can_be_red() {
    let in_no_time = quick().pairs(20).time(Some(Duration::from_nanos(1)));
    let comparison = in_no_time.run(&program(), &in_mode("plain"), |_| ()).unwrap();
    assert_eq!(Rule::new().least_pairs(2), 9);
    for bench in ["sum/thousand", "moody"] {
        assert_eq!(pairs(&comparison, bench), 10, "whole blocks");
        assert!(of(&comparison, bench).ratio.is_some());
    }
    assert_eq!(comparison.notes[0], "the time allowed 10 of 20 pairs a bench");
    let slow = program().inject("300%");
    let comparison = in_no_time.run(&program(), &slow, |_| ()).unwrap();
    assert_eq!(comparison.outcome(), Outcome::Regression);
}

#[test]
fn pairs_with_which_nothing_can_be_red_are_refused() {
    for (pairs, filter, part) in [
        (8, "", "with 8 pairs no loss could be told from chance among 2 benches"),
        (7, "sum", "take at least 8"),
        (0, "sum", "take at least 8"),
    ] {
        let asked = quick().pairs(pairs).filter(filter);
        let error = asked.run(&program(), &in_mode("plain"), |_| ()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "{error}");
    }
    let other = SubjectProgram::new("/nowhere/at/all");
    assert!(!quick().run(&program(), &other, |_| ()).unwrap_err().is_usage());
}

#[test]
fn nothing_compared_is_no_answer() {
    let comparison =
        quick().filter("no such bench").run(&program(), &in_mode("plain"), |_| ()).unwrap();
    assert!(comparison.judged.is_empty() && comparison.complete);
    assert_eq!(comparison.outcome(), Outcome::Inconclusive);
    assert!(comparison.document().markdown().contains("no benches"));
}

#[test]
fn a_base_that_fails_alone_leaves_the_answer_open_and_a_head_that_fails_does_not() {
    for mode in ["panic", "exit"] {
        let mended = compared(&in_mode(mode), &program());
        assert_eq!(mended.outcome(), Outcome::Inconclusive, "the change that mends it can pass");
        let broken = compared(&program(), &in_mode(mode));
        assert_eq!(broken.outcome(), Outcome::ToolFailed);
        // The base is the first to fail.
        let both = compared(&in_mode(mode), &in_mode(mode).env("OTHER", "side"));
        assert_eq!(both.outcome(), Outcome::ToolFailed);
        let why = &of(&both, "moody").why;
        assert!(why.contains("base: ") && why.contains("; head: "), "{why}");
    }
}

#[test]
fn a_red_bench_that_fails_the_second_time_is_not_forgiven() {
    let measure =
        |head: &SubjectProgram| quick().filter("moody").run(&program(), head, |_| ()).unwrap();
    let mut slow = measure(&program().inject("300%"));
    slow.confirm(&Rule::new(), measure(&in_mode("panic")));
    assert_eq!(of(&slow, "moody").verdict, Verdict::Regress, "{}", of(&slow, "moody").why);
    assert_eq!(slow.outcome(), Outcome::ToolFailed);

    let mut slow = measure(&program().inject("300%"));
    slow.confirm(&Rule::new(), quick().filter("sum").run(&program(), &program(), |_| ()).unwrap());
    assert_eq!(slow.outcome(), Outcome::Regression);
    assert!(of(&slow, "moody").why.ends_with("it was not among the benches"));
}

#[test]
fn a_machine_that_was_noisy_teaches_no_margin() {
    let measure = quick().filter("sum").even_identical(true);
    let mut comparison = measure.run(&program(), &program(), |_| ()).unwrap();
    let learnt = |of: &Comparison| NoiseRecord::of(of, NoiseKind::SameProgram, 0).len();
    assert_eq!(learnt(&comparison), 1);
    comparison.doubt(&Rule::new(), &["12 % of the time was stolen".to_owned()]);
    assert_eq!(learnt(&comparison), 0);
}

#[test]
fn red_needs_the_second_measurement_to_agree() {
    let slow = program().inject("300%");
    let measure =
        |head: &SubjectProgram| quick().filter("sum").run(&program(), head, |_| ()).unwrap();
    let mut confirmed = measure(&slow);
    confirmed.confirm(&Rule::new(), measure(&slow));
    assert_eq!(confirmed.outcome(), Outcome::Regression);
    let mut not_confirmed = measure(&slow);
    not_confirmed.confirm(&Rule::new(), measure(&program()));
    assert_eq!(not_confirmed.outcome(), Outcome::Inconclusive);
    assert!(not_confirmed.confirmation.is_some());
}

#[test]
fn a_noisy_machine_puts_small_losses_in_doubt_and_no_large_ones() {
    let slow = program().inject("300%");
    let mut comparison = quick().filter("sum").run(&program(), &slow, |_| ()).unwrap();
    comparison.doubt(&Rule::new(), &["12 % of the time was stolen".to_owned()]);
    assert_eq!(comparison.outcome(), Outcome::Regression);
    comparison.doubt(&Rule::new().hard(9.0), &["12 % of the time was stolen".to_owned()]);
    assert_eq!(comparison.outcome(), Outcome::Inconclusive);
}
