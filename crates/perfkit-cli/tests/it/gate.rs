//! `perfkit gate` over the files of each kind, and over files that are none.

use crate::program::{perfkit, refusal, run, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// Written by criterion 0.8.2: three benches of 12 samples, `sum/…` with ten times the work in `new`.
const CRITERION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/criterion-0.8.2");

fn write(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// Samples a per mille apart around a middle.
fn samples(middle: f64) -> Vec<f64> {
    (0..20).map(|i| middle * (1.0 + f64::from(i % 5) / 1000.0)).collect()
}

fn csv(benches: &[(&str, f64)]) -> String {
    let mut rows = "bench,sample\n".to_owned();
    for (name, middle) in benches {
        for sample in samples(*middle) {
            rows += &format!("{name},{sample}\n");
        }
    }
    rows
}

/// A folder of seven runs, which can show a loss among up to 17 benches.
fn runs(folder: &TempDir, name: &str, benches: &[(&str, f64)]) -> PathBuf {
    for run in 0..7 {
        let off = 1.0 + f64::from(run) / 5000.0;
        let benches: Vec<(&str, f64)> =
            benches.iter().map(|(name, middle)| (*name, middle * off)).collect();
        write(folder, &format!("{name}/{run}.csv"), &csv(&benches));
    }
    folder.path().join(name)
}

fn gate(base: &Path, head: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["gate", text(base), text(head)];
    arguments.extend(more);
    run(&arguments)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The verdicts by bench.
fn verdict<'a>(json: &'a serde_json::Value, bench: &str) -> &'a str {
    let judged = json["judged"].as_array().unwrap();
    let one = judged.iter().find(|j| j["bench"] == bench).unwrap();
    one["verdict"].as_str().unwrap()
}

#[test]
fn criterion_baselines_are_compared() {
    let base = PathBuf::from(format!("{CRITERION}@main"));
    let output = gate(&base, Path::new(CRITERION), &["--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let json = json(&output);
    assert_eq!(json["outcome"], "regression");
    assert_eq!(json["head"]["kinds"][0], "criterion");
    assert_eq!(verdict(&json, "sum/of squares/1000"), "regress");
    let ratio = json["judged"][1]["ratio"]["value"].as_f64().unwrap();
    assert!(ratio > 1.5, "{ratio}");

    let same = gate(Path::new(CRITERION), Path::new(CRITERION), &["--filter", "sum", "--json"]);
    assert!(matches!(same.status.code(), Some(0)), "{same:?}");
    assert!(out(&same).contains("the same measurement was given twice"));
}

#[test]
fn a_table_a_page_and_a_summary_tell_the_same() {
    let folder = TempDir::new().unwrap();
    let base = runs(&folder, "base", &[("hit", 100.0), ("miss", 50.0), ("put", 10.0)]);
    let head = runs(&folder, "head", &[("hit", 107.0), ("miss", 40.0), ("put", 10.01)]);
    let (page, summary) = (folder.path().join("r.html"), folder.path().join("summary.md"));
    let output = perfkit(&["gate", text(&base), text(&head), "--html", text(&page)])
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let table = out(&output);
    assert!(table.contains("1 of 3 is slower"), "{table}");
    let (hit, miss) = (table.find("\nhit ").unwrap(), table.find("\nmiss ").unwrap());
    assert!(hit < miss && table.contains("1 bench is unchanged"), "{table}");
    let page = fs::read_to_string(page).unwrap();
    let summary = fs::read_to_string(summary).unwrap();
    for text in [&page, &summary] {
        assert!(text.contains("1 of 3 is slower") && text.contains("+7.0 %"), "{text}");
    }
}

#[test]
fn the_margin_is_the_callers() {
    let folder = TempDir::new().unwrap();
    let base = runs(&folder, "base", &[("hit", 100.0)]);
    let head = runs(&folder, "head", &[("hit", 107.0)]);
    assert_eq!(gate(&base, &head, &["--margin", "10%"]).status.code(), Some(0));
    assert_eq!(gate(&base, &head, &["--margin", "0.05"]).status.code(), Some(3));
    assert_eq!(gate(&head, &base, &[]).status.code(), Some(0));
}

#[test]
fn kinds_may_differ_between_the_sides() {
    let folder = TempDir::new().unwrap();
    let times: Vec<f64> = samples(1e8).iter().map(|v| v / 1e9).collect();
    let hyperfine = serde_json::json!({"results": [{"command": "ls", "times": times,
        "mean": 0.1, "exit_codes": vec![0; times.len()]}]});
    let base = write(&folder, "times.json", &hyperfine.to_string());
    let run = serde_json::json!({"format": 1, "benches": [
        {"name": "ls", "unit": "ms", "samples": samples(130.0)}]});
    let head = write(&folder, "run.json", &run.to_string());
    let output = gate(&base, &head, &["--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(verdict(&json(&output), "ls"), "regress");
}

#[test]
fn no_answer_is_four_only_when_strict() {
    let folder = TempDir::new().unwrap();
    let head = write(&folder, "head.csv", &csv(&[("hit", 100.0)]));
    let few = write(&folder, "few.csv", "bench,sample\nhit,100\n");
    let nan = write(&folder, "nan.csv", "bench,sample\nhit,NaN\nhit,1\n");
    let none = folder.path().join("none.json");
    let empty = write(&folder, "empty.json", r#"{"format":1,"benches":[]}"#);
    for (base, part) in [
        (&few, "1 samples are too few, take at least"),
        (&nan, "sample 1 of the base is NaN"),
        (&none, "holds no baseline"),
        (&empty, "holds no baseline"),
    ] {
        let output = gate(base, &head, &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said: Vec<String> = out(&output).split_whitespace().map(str::to_owned).collect();
        assert!(said.join(" ").contains(part), "{part}: {}", out(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--strict"));
        assert_eq!(gate(base, &head, &["--strict"]).status.code(), Some(4));
    }
}

#[test]
fn one_run_of_each_side_is_told_how_many_it_takes() {
    let folder = TempDir::new().unwrap();
    let base = write(&folder, "base.csv", &csv(&[("hit", 100.0), ("miss", 100.0)]));
    let head = write(&folder, "head.csv", &csv(&[("hit", 107.0), ("miss", 100.0)]));
    let output = gate(&base, &head, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said: Vec<String> = out(&output).split_whitespace().map(str::to_owned).collect();
    assert!(said.join(" ").contains("at least 6 runs of each side"), "{}", out(&output));
    assert_eq!(gate(&base, &head, &["--strict"]).status.code(), Some(4));
    assert_eq!(gate(&base, &head, &["--hard", "5%"]).status.code(), Some(3));
}

#[test]
fn a_head_that_crashed_does_not_pass() {
    let folder = TempDir::new().unwrap();
    let bench = |name: &str, failure: Option<&str>| {
        let samples = if failure.is_some() { Vec::new() } else { samples(100.0) };
        serde_json::json!({"name": name, "unit": "ns", "samples": samples, "failure": failure})
    };
    let run = |name: &str, complete: bool, benches: &[serde_json::Value]| {
        let run = serde_json::json!({"format": 1, "complete": complete, "benches": benches});
        write(&folder, name, &run.to_string())
    };
    let (a, b, broken) = (bench("a", None), bench("b", None), bench("b", Some("panicked: nil")));
    let base = run("base.json", true, &[a.clone(), b.clone()]);
    let fails = run("fails.json", false, &[a.clone(), broken.clone()]);
    let half = run("half.json", false, std::slice::from_ref(&a));
    let alone = run("alone.json", true, std::slice::from_ref(&a));

    for base in [&base, &alone] {
        let output = gate(base, &fails, &["--json"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(json(&output)["outcome"], "failed");
    }
    assert_eq!(gate(&base, &half, &["--strict"]).status.code(), Some(4));
    assert_eq!(gate(&base, &alone, &["--strict"]).status.code(), Some(0), "it was removed");
    // Whoever mends a bench has no base to be compared with.
    assert_eq!(gate(&fails, &base, &[]).status.code(), Some(0));
}

#[test]
fn files_that_are_no_measurements_are_named_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let good = write(&folder, "good.csv", &csv(&[("hit", 100.0)]));
    for (name, content, part) in [
        ("newer.json", r#"{"format": 99, "benches": []}"#, "format 99 is newer"),
        ("cut.json", "{\"results\": [\n", "cut.json:2: "),
        ("other.json", r#"{"colour": "red"}"#, "none of the kinds"),
        ("words.csv", "bench,sample\nhit,fast\n", "words.csv:2: `fast` is no number"),
        ("bare.csv", "1\n2\n", "give it a heading"),
        ("empty.csv", "", "is empty"),
    ] {
        let bad = write(&folder, name, content);
        for pair in [[&good, &bad], [&bad, &good]] {
            let message = refusal(&["gate", text(pair[0]), text(pair[1])], 1);
            assert!(message.contains(part) && message.contains(name), "{name}: {message}");
        }
    }
    let nothing = TempDir::new().unwrap();
    let message = refusal(&["gate", text(&good), text(nothing.path())], 1);
    assert!(message.contains("holds no measurements"), "{message}");
    let message = refusal(&["gate", &format!("{CRITERION}@other"), CRITERION], 1);
    assert!(message.contains("--save-baseline other"), "{message}");
}

#[test]
fn the_page_spares_the_measurements() {
    let folder = TempDir::new().unwrap();
    let base = runs(&folder, "base", &[("hit", 100.0)]);
    let head = write(&folder, "head.csv", &csv(&[("hit", 100.0)]));
    let one = base.join("0.csv");
    let before = (fs::read(&one).unwrap(), fs::read(&head).unwrap());
    for page in [&one, &head] {
        let said = refusal(&["gate", text(&base), text(&head), "--html", text(page)], 2);
        assert!(said.contains("would overwrite what is measured"), "{said}");
    }
    assert_eq!((fs::read(&one).unwrap(), fs::read(&head).unwrap()), before);
}

#[test]
fn wrong_commands_are_usage_errors() {
    let folder = TempDir::new().unwrap();
    let good = write(&folder, "good.csv", &csv(&[("hit", 100.0)]));
    let good = text(&good);
    for (more, part) in [
        (&["/no/such/file"][..], "/no/such/file"),
        (&[good, "--margin", "5"], "`5%`"),
        (&[good, "--hard", "much"], "much"),
        (&[good, "--filter", "nobody"], "nobody"),
        (&[good, "--html", "/no/such/folder/r.html"], "cannot be written"),
        (&[], "HEAD"),
    ] {
        let mut arguments = vec!["gate", good];
        arguments.extend(more);
        let message = refusal(&arguments, 2);
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}
