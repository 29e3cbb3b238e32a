//! `perfkit load` on a `perfkit serve`.

use crate::program::{Serving, page, perfkit, refusal, run, site, text};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn serving() -> (tempfile::TempDir, Serving) {
    let folder = site(&[("index.html", &page(50)), ("a.html", &page(100)), ("b.html", &page(300))]);
    let serving = Serving::start(text(folder.path()), &[]);
    (folder, serving)
}

fn report(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_rate_is_kept_and_reported_as_table_json_and_page() {
    let (folder, serving) = serving();
    let url = format!("http://{}/a.html", serving.address);
    let html = folder.path().join("report.html");
    let short = ["load", &url, "--rate", "100", "--for", "1s", "--warm-up", "100ms"];
    let output = run(&[&short[..], &["--json", "--html", text(&html)]].concat());
    let json = report(&output);
    assert_eq!(output.status.code(), Some(0), "{json}");
    assert_eq!((json["sent"].as_u64(), json["failed"].as_u64()), (Some(100), Some(0)), "{json}");
    assert!(json["latency"]["p99"].as_f64() >= json["latency"]["p50"].as_f64(), "{json}");
    assert!(json["system"]["machine"].is_array(), "{json}");
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("<svg") && page.contains("Latency distribution"), "{page}");

    let output = run(&short);
    let table = String::from_utf8(output.stdout).unwrap();
    for part in ["answers/s", "from intended start", "p99.9", "left late by", "Settings"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("answers/s"), "{said}");
}

#[test]
fn objectives_decide_the_exit_code() {
    let (_folder, serving) = serving();
    let url = format!("http://{}/none", serving.address);
    let short = ["load", &url, "--users", "2", "--for", "300ms", "--warm-up", "0s", "--json"];
    let missing = run(&short);
    assert_eq!((missing.status.code(), &report(&missing)["error_ratio"]), (Some(0), &1.0.into()));
    let limited = run(&[&short[..], &["--objective", "errors=1%"]].concat());
    assert_eq!(limited.status.code(), Some(3));
    assert_eq!(report(&limited)["objectives"][0]["held"], false);
    let expected = run(&[&short[..], &["--objective", "errors=1%", "--expect", "404"]].concat());
    assert_eq!(expected.status.code(), Some(0));
}

#[test]
fn a_scenario_is_run_and_flags_override_it() {
    let (folder, serving) = serving();
    let scenario = folder.path().join("mix.toml");
    let urls = folder.path().join("urls.txt");
    std::fs::write(&urls, "/a.html\n/b.html\n").unwrap();
    let toml = format!(
        "target = 'http://{}'\nfor = '1h'\nwarm-up = '0s'\nrate = 200\n\
         [[request]]\nname = 'pages'\nweight = 3\nurls-file = 'urls.txt'\nzipf = 1.0\n\
         [[request]]\nname = 'home'\nurl = '/index.html'\n",
        serving.address
    );
    std::fs::write(&scenario, toml).unwrap();
    let output = run(&["load", text(&scenario), "--for", "500ms", "--json"]);
    let json = report(&output);
    assert_eq!((json["sent"].as_u64(), json["failed"].as_u64()), (Some(100), Some(0)), "{json}");
    let ended = |n: usize| json["requests"][n]["ended"].as_u64().unwrap();
    assert!(ended(0) > ended(1) && ended(0) + ended(1) == 100, "{json}");
}

#[test]
fn a_budget_holds_each_request_of_a_scenario_to_its_own_limits() {
    let (folder, serving) = serving();
    let (scenario, budget) = (folder.path().join("mix.toml"), folder.path().join("budget.toml"));
    let toml = format!(
        "target = 'http://{}'\nfor = '500ms'\nwarm-up = '0s'\nrate = 100\n\
         [[request]]\nname = 'a'\nurl = '/a.html'\n[[request]]\nname = 'b'\nurl = '/b.html'\n",
        serving.address
    );
    std::fs::write(&scenario, toml).unwrap();
    let limits = "[[route]]\nroute = 'a'\np95 = '1h'\nresponse = '9MB'\n\
                  [[route]]\nroute = 'b'\np95 = '1h'\nresponse = '1B'\n";
    std::fs::write(&budget, limits).unwrap();
    let output = run(&["load", text(&scenario), "--budget", text(&budget), "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let json = report(&output);
    let rows = json["budget"]["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["measured"].is_number()) || json["void"].is_string());
    assert!(rows.len() == 4 && rows[0]["verdict"] == "broken", "{rows:?}");
}

#[test]
fn what_cannot_be_done_is_refused_with_the_right_code() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("http://127.0.0.1:{port}/");
    let error = refusal(&["load", &nobody], 1);
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("start"), "{error}");
    for (arguments, part) in [
        (&["load", "https://example.org/"][..], "cleartext"),
        (&["load", "http://"], "not a URL"),
        (&["load", &nobody, "--rate", "0"], "a rate of 0"),
        (&["load", &nobody, "--users", "0"], "0 users"),
        (&["load", &nobody, "--ramp", "5"], "100..1000"),
        (&["load", &nobody, "--steps", "5,0"], "a rate of 0"),
        (&["load", &nobody, "--objective", "p98=1s"], "p98"),
        (&["load", &nobody, "--header", "nothing"], "accept: text/html"),
        (&["load", &nobody, "--rate", "5", "--users", "5"], "--users"),
        (&["load", &nobody, "--connections", "0"], "0 connections"),
        (&["load", &nobody, "--html", "/no/such/place.html"], "/no/such/place.html"),
        (&["load", "no-such.toml"], "no-such.toml"),
    ] {
        let error = refusal(arguments, 2);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    let folder = site(&[
        ("unknown.toml", b"target = 'http://x'\nrat = 5\n"),
        ("empty.toml", b"target = 'http://x'\n[[request]]\nurls = []\n"),
        ("zero.toml", b"target = 'http://x'\n\nrate = 0\n"),
    ]);
    for (name, line, part) in [
        ("unknown.toml", "line 2", "rat"),
        ("empty.toml", "line 3", "no URL"),
        ("zero.toml", "line 3", "a rate of 0"),
    ] {
        let path = folder.path().join(name);
        let error = refusal(&["load", text(&path)], 2);
        assert!(error.contains(name) && error.contains(line) && error.contains(part), "{error}");
        let error = refusal(&["load", text(&path), "--body", "x"], 2);
        assert!(error.contains("[[request]]"), "{error}");
    }
}

#[test]
fn an_interrupt_ends_it_with_what_was_measured() {
    let (_folder, serving) = serving();
    let url = format!("http://{}/a.html", serving.address);
    let mut load =
        perfkit(&["load", &url, "--rate", "50", "--for", "1h", "--warm-up", "0s", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let said = BufReader::new(load.stderr.take().unwrap());
    // The first line that tells of answers is the second one at the latest.
    let told = said.lines().any(|line| line.unwrap().starts_with("measuring"));
    assert!(told);
    let status = Command::new("kill").args(["-INT", &load.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = load.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(report(&output)["ended"], "interrupted");
}
