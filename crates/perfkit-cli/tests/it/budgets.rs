//! Budgets from the command line.

use crate::program::{Serving, page, refusal, run, site, text};
use crate::wire;
use std::net::SocketAddr;

/// An answer of the API.
fn get(address: SocketAddr, path: &str) -> serde_json::Value {
    let answer = wire::get(address, path, &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

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

#[test]
fn a_running_server_shows_its_budget() {
    let folder = site(&[
        ("index.html", &page(200)),
        (
            "perf-budget.toml",
            b"[start-up]\ntime = \"1ns\"\n[[route]]\nroute = \"/\"\nerrors = \"1%\"\n\
              [[bundle]]\nbundle = \"not of a server\"\nraw = \"1KB\"",
        ),
    ]);
    let file = folder.path().join("perf-budget.toml");
    let serving = Serving::start(text(folder.path()), &["--budget", text(&file)]);
    let admin = serving.start_line["admin"].as_str().unwrap().strip_prefix("http://").unwrap();
    let answer = get(admin.parse().unwrap(), "/api/performance/budgets");
    let rows = answer["budgets"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{answer}");
    assert_eq!(
        (&rows[0]["what"], &rows[0]["verdict"]),
        (&"start-up time".into(), &"broken".into())
    );
    assert_eq!(rows[1]["verdict"], "not_measured", "{answer}");
    let overview = get(admin.parse().unwrap(), "/api/performance/overview");
    assert_eq!(overview["attention"][0]["title"], "Start-up time is over its budget", "{overview}");
}

#[test]
fn a_server_refuses_a_budget_that_is_wrong() {
    let folder = site(&[("perf-budget.toml", b"[memory]\nresident = 7")]);
    let file = folder.path().join("perf-budget.toml");
    let origin = text(folder.path());
    let said = refusal(&["serve", "--origin", origin, "--budget", text(&file)], 2);
    assert!(said.contains("line 2: `resident = 7`: write a size"), "{said}");
}
