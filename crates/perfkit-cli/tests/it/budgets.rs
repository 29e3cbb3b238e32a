//! Budgets from the command line.

use crate::program::{Serving, page, refusal, run, site, text};

/// A run against a served page with this budget: exit code, standard output.
fn load(budget: &str, more: &[&str]) -> (Option<i32>, String) {
    let folder = site(&[("index.html", &page(200))]);
    let serving = Serving::start(text(folder.path()), &[]);
    let file = folder.path().join("perf-budget.toml");
    std::fs::write(&file, budget).unwrap();
    let url = format!("http://{}/", serving.address);
    let arguments = ["load", &url, "--rate", "50", "--for", "1s", "--warm-up", "0s", "--budget"];
    let output = run(&[&arguments[..], &[text(&file)], more].concat());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_broken_limit_ends_a_load_with_3_and_is_named() {
    let (code, said) = load("[[route]]\nroute = \"all\"\nerrors = \"0%\"\nresponse = \"9B\"", &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("route all response"), "{said}");
    assert!(said.contains("1 of 2 limits broken"), "{said}");
}

#[test]
fn a_kept_budget_passes_and_stands_in_the_json() {
    let (code, said) = load("[[route]]\nroute = \"*\"\nresponse = \"9MB\"", &["--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let row = &report["budget"]["rows"][0];
    assert_eq!(row["verdict"], "within", "{row}");
    assert!(row["room"].as_f64().unwrap() > 0.9, "{row}");
}

#[test]
fn a_limit_on_what_was_not_asked_is_not_green() {
    let (code, said) = load("[[route]]\nroute = \"other\"\np95 = \"1s\"", &["--strict"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("not measured"), "{said}");
}

#[test]
fn a_budget_that_is_wrong_or_limits_no_route_is_refused_before_the_load() {
    let folder = site(&[("perf-budget.toml", b"[start-up]\ntime = \"200ms\"")]);
    let file = folder.path().join("perf-budget.toml");
    let arguments = ["load", "http://127.0.0.1:9/", "--budget", text(&file)];
    let said = refusal(&arguments, 2);
    assert!(said.contains("limits no route"), "{said}");
    std::fs::write(&file, "[[route]]\nroute = \"/\"\np95 = 100").unwrap();
    let said = refusal(&arguments, 2);
    assert!(said.contains("line 3: `p95 = 100`: write a time above 0 with its unit"), "{said}");
}
