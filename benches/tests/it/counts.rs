//! Counting for real: programs under Valgrind. Where there is no Valgrind, nothing can be counted
//! and the tests say so; the project's own test run requires it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that says why it cannot run")]

use perf_bench::{
    Callgrind, CountsError, CountsLimits, MeasureCounts, Outcome, SubjectProgram, Verdict,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

fn measure() -> Option<MeasureCounts> {
    match Callgrind::find() {
        Ok(callgrind) => Some(MeasureCounts::new(callgrind)),
        Err(error) => {
            assert!(matches!(error, CountsError::ValgrindMissing), "{error}");
            println!("skipped: {error}");
            None
        }
    }
}

/// The gate's own program of benches.
const SUBJECTS: &str = env!("CARGO_BIN_EXE_subjects");

#[test]
fn counts_are_the_same_in_every_run_and_five_per_cent_more_are_seen() {
    let Some(measure) = measure() else { return };
    let measure = measure.filter("core/histogram_m");
    let program = SubjectProgram::new(SUBJECTS);
    let seen = Mutex::new(Vec::new());
    let first = measure.measure(&program, &|at| {
        seen.lock().unwrap().push((at.bench.to_owned(), at.total));
    });
    let first = first.unwrap();
    let names: Vec<&str> = first.benches.iter().map(|bench| bench.name.as_str()).collect();
    assert_eq!(names, ["core/histogram_merge", "core/histogram_minus"]);
    let mut seen = seen.into_inner().unwrap();
    seen.sort();
    assert_eq!(
        seen,
        ["core/histogram_merge", "core/histogram_minus"].map(|name| (name.to_owned(), 2)),
        "progress names each once"
    );
    assert!(first.benches.iter().all(|bench| bench.allocations.unwrap() >= 1.0), "{first:?}");

    let again = measure.iterations(first.iterations());
    assert_eq!(again.measure(&program, &|_| {}).unwrap(), first);

    let limits = CountsLimits::default();
    let slower = program.clone().inject("5%");
    let report = again.compare(&program, &slower, &limits, &|_| {}).unwrap();
    assert_eq!(report.outcome(), Outcome::Regression);
    for judged in report.judged.iter().filter(|judged| judged.measure == "instructions") {
        assert_eq!(judged.verdict, Verdict::Regress, "{judged:?}");
        let change = judged.ratio.unwrap().value - 1.0;
        assert!((change - 0.05).abs() < 0.002, "{judged:?}");
    }
}

#[test]
fn equal_programs_are_not_counted_twice_unless_the_method_is_tested() {
    let Some(measure) = measure() else { return };
    let measure = measure.filter("core/counter_add");
    let program = SubjectProgram::new(SUBJECTS);
    let limits = CountsLimits::default();
    let report = measure.compare(&program, &program, &limits, &|_| {}).unwrap();
    assert!(report.notes[0].contains("byte for byte the same"), "{:?}", report.notes);
    let both = measure.identical_too().compare(&program, &program, &limits, &|_| {}).unwrap();
    assert_eq!((both.notes.len(), both.outcome()), (0, Outcome::Pass));
    assert_eq!(both.base, both.head);
}

#[cfg(unix)]
#[test]
fn a_bench_that_fails_is_kept_with_its_words_and_threads_are_left_out() {
    let Some(measure) = measure() else { return };
    let folder = tempfile::tempdir().unwrap();
    let program = script(
        folder.path(),
        &format!(
            "if [ $1 = list ]; then echo '{{\"format\":1,\"benches\":[{},{}]}}'; exit; fi\n\
             echo 'panicked: half way' >&2; exit 1",
            listed("threads", false),
            listed("bad", true)
        ),
    );
    let counted = measure.measure(&SubjectProgram::new(&program), &|_| {}).unwrap();
    assert!(!counted.is_complete());
    let [bad, threads] = &counted.benches[..] else { panic!("two benches") };
    assert!(bad.failure.as_ref().unwrap().contains("panicked: half way"), "{bad:?}");
    assert!(threads.skipped.as_ref().unwrap().contains("several threads"), "{threads:?}");
    let run = counted.run(perf_bench::Machine::default());
    assert_eq!((run.complete, run.benches.len()), (false, 1));
}

#[cfg(unix)]
#[test]
fn a_program_without_the_region_is_told_from_a_cheap_one() {
    let Some(measure) = measure() else { return };
    let folder = tempfile::tempdir().unwrap();
    let program = script(
        folder.path(),
        &format!(
            "if [ $1 = list ]; then echo '{{\"format\":1,\"benches\":[{}]}}'; exit; fi\n\
             echo '{{\"answer\":1,\"iterations\":1}}'",
            listed("a", true)
        ),
    );
    let counted = measure.measure(&SubjectProgram::new(&program), &|_| {}).unwrap();
    let failure = counted.benches[0].failure.as_ref().unwrap();
    assert!(failure.contains("stripped of its symbols"), "{failure}");
}

#[cfg(unix)]
#[test]
fn what_is_no_program_of_benches_is_refused() {
    let Some(measure) = measure() else { return };
    let folder = tempfile::tempdir().unwrap();
    let refused = |program: &Path| {
        let error = measure.measure(&SubjectProgram::new(program), &|_| {}).unwrap_err();
        error.source().unwrap().to_string()
    };
    assert!(refused(&folder.path().join("nothing")).contains("nothing"));
    assert!(refused(&script(folder.path(), "echo hello")).contains("no subject program"));
    assert!(refused(&script(folder.path(), "echo no >&2; exit 3")).contains("no"));
    let newer = script(folder.path(), r#"echo '{"format":99,"benches":[]}'"#);
    assert!(refused(&newer).contains("version 99"));
}

/// A bench as `list` names it.
#[cfg(unix)]
fn listed(name: &str, single_threaded: bool) -> String {
    format!(
        r#"{{"name":"{name}","work":"w","single_threaded":{single_threaded},"answer_iterations":1}}"#
    )
}

/// A program in the shell's language, made anew.
#[cfg(unix)]
fn script(folder: &Path, body: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("program");
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
