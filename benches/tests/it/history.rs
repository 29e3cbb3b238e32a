//! `bench history`, as its users call it.

use perf_bench::{Bench, Machine, Run};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Runs `bench history` in a folder.
fn history(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perfkit-bench"))
        .current_dir(folder)
        .arg("history")
        .args(arguments)
        .env_remove("GITHUB_STEP_SUMMARY")
        .env_remove("PERFKIT_BENCH_STORE")
        // Cargo's word for where the checkout is.
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .expect("cargo has built the program")
}

/// Writes the run of a commit: eight samples around `time`.
fn write_run(folder: &Path, number: u32, time: f64) {
    let mut run = Run::new(Machine::default());
    run.commit = Some(format!("c{number}"));
    let samples = (0..8).map(|i| time + f64::from((number * 5 + i) % 7)).collect();
    run.benches.push(Bench::new("cache/get", samples));
    std::fs::write(folder.join("run.json"), run.to_json()).expect("the folder is ours");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_slow_down_in_a_file_is_found_with_its_commit() {
    let folder = TempDir::new().unwrap();
    let here = folder.path();
    for number in 0..30 {
        write_run(here, number, if number < 20 { 1000.0 } else { 1100.0 });
        let output = history(here, &["append", "--file", "history.jsonl", "run.json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let output = history(here, &["detect", "--file", "history.jsonl", "--html", "page.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("c19") && table.contains("c20") && table.contains("cache/get"));
    assert!(std::fs::read_to_string(here.join("page.html")).unwrap().contains("<svg"));

    let recent = |n| history(here, &["detect", "--file", "history.jsonl", "--recent", n]);
    assert_eq!(recent("10").status.code(), Some(3));
    assert_eq!(recent("9").status.code(), Some(0));

    let output = history(here, &["detect", "--file", "history.jsonl", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["series"][0]["changes"][0]["first"], "c20");

    let output = history(here, &["detect", "--file", "history.jsonl", "--min-change", "50%"]);
    assert!(text(&output.stdout).contains("no change"), "{}", text(&output.stdout));
}

#[test]
fn a_branch_is_made_and_read() {
    let folder = TempDir::new().unwrap();
    let here = folder.path();
    let made = Command::new("git").arg("init").arg("--quiet").current_dir(here).output().unwrap();
    assert!(made.status.success());
    let output = history(here, &["detect"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("no history on branch bench-data yet"));
    let output = history(here, &["detect", "--strict"]);
    assert_eq!(output.status.code(), Some(4));

    for number in 0..3 {
        write_run(here, number, 1000.0);
        let output = history(here, &["append", "run.json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.starts_with("appended 1 bench of c"), "{said}");
        assert!(said.contains("git push origin bench-data"), "{said}");
    }
    let output = history(here, &["detect"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("3 runs"), "{}", text(&output.stdout));

    // The last run is the one that is appended unless another is named.
    let output = history(here, &["append"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    std::fs::copy(here.join("run.json"), here.join(".git/perfkit-bench/last/run.json")).unwrap();
    assert!(history(here, &["append"]).status.success());
    assert!(text(&history(here, &["detect"]).stdout).contains("4 runs"));
}

#[test]
fn counts_are_a_history_of_their_own() {
    let folder = TempDir::new().unwrap();
    let here = folder.path();
    for number in 0..12 {
        let instructions = if number < 6 { 500.0 } else { 510.0 };
        let record = serde_json::json!({
            "format": 1,
            "environment": {},
            "benches": [{ "name": "cache/get", "instructions": instructions, "allocations": 0.0 }],
        });
        std::fs::write(here.join("counts.json"), record.to_string()).unwrap();
        let commit = format!("c{number}");
        let append = ["append", "--file", "h", "--commit", &commit, "counts.json"];
        let output = history(here, &append);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let output = history(here, &["detect", "--file", "h"]);
    let table = text(&output.stdout);
    assert!(table.contains("instructions") && table.contains("c5") && table.contains("c6"));
}

#[test]
fn what_is_wrong_is_named_with_its_exit_code() {
    let folder = TempDir::new().unwrap();
    let here = folder.path();
    let failed = |arguments: &[&str], code: i32, words: &str| {
        let output = history(here, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    failed(&["append", "--file", "h", "no.json"], 1, "cannot read no.json");
    std::fs::write(here.join("run.json"), "{\"format\": 99}").unwrap();
    failed(&["append", "--file", "h", "run.json"], 1, "format 99 is newer");
    std::fs::write(here.join("run.json"), "{\"format\": 1, \"benches\": []}").unwrap();
    failed(&["append", "--file", "h", "run.json"], 2, "names no commit, add --commit");
    failed(&["append", "--commit", "c", "--file", "h", "run.json"], 1, "none of the run's 0");
    write_run(here, 1, 10.0);
    failed(&["append", "--file", "no/such/h", "run.json"], 1, "cannot append to no/such/h");
    failed(&["append", "--file", "h", "--branch", "b", "run.json"], 2, "cannot be used with");
    failed(&["append", "run.json"], 1, "needs a repository");
    failed(&["detect", "--file", "h"], 1, "cannot read h");
    std::fs::write(here.join("h"), "").unwrap();
    failed(&["detect", "--file", "h", "--window", "1"], 2, "window is 1, it must be from 2");
    failed(&["detect", "--file", "h", "--p", "7"], 2, "p is 7");
    failed(&["detect", "--file", "h", "--min-change", "7"], 2, "write a percentage");
}
