//! `perfkit bench` as its users see it.

use crate::postgres_server::Server;
use crate::program::{perfkit, refusal, run, site, text};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::process::Stdio;

const SMALL: [&str; 6] = ["--rows", "400", "--operations", "100", "--synchronous", "off"];

fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn db(target: &str, more: &[&str]) -> Value {
    json(&[&["bench", "db", target, "--json"], SMALL.as_slice(), more].concat())
}

#[test]
fn a_new_database_is_measured_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    let page = folder.path().join("report.html");
    let report = db(text(&file), &["--concurrency", "2", "--html", text(&page)]);
    assert_eq!(report["complete"], true);
    assert_eq!(report["settings"]["concurrency"], 2);
    assert_eq!(report["steps"].as_array().unwrap().len(), 7);
    assert_eq!(report["check"]["read_back"], report["check"]["expected"]);
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    let page_text = fs::read_to_string(&page).unwrap();
    assert!(page_text.contains("SQLite") && page_text.contains("insert batch"));
    assert!(!page_text.contains("<script"), "the page needs no script");
    assert!(!file.exists());

    let output = run(&[&["bench", "db", text(&file)], SMALL.as_slice()].concat());
    let table = String::from_utf8(output.stdout).unwrap();
    for words in ["complete, every answer right", "read point", "p99", "journal"] {
        assert!(table.contains(words), "{words}: {table}");
    }
}

#[test]
fn the_summary_of_a_ci_job_gets_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let file = folder.path().join("new.db");
    let mut command = perfkit(&[&["bench", "db", text(&file)], SMALL.as_slice()].concat());
    assert!(command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap().status.success());
    let summary = fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("before\n") && summary.contains("| insert batch"), "{summary}");
}

#[test]
fn wrong_targets_and_settings_are_refused_by_name() {
    let folder = site(&[("notes.txt", b"no database")]);
    let notes = folder.path().join("notes.txt");
    let said = refusal(&["bench", "db", text(&notes)], 1);
    assert!(said.contains("notes.txt is not an SQLite database"), "{said}");
    let none = folder.path().join("none/new.db");
    assert!(refusal(&["bench", "db", text(&none)], 1).contains("none/new.db"));
    let new = folder.path().join("new.db");
    for (more, words) in [
        (["--rows", "0"], "rows 0 is not within"),
        (["--concurrency", "1000"], "concurrency 1000 is not within"),
        (["--journal", "paper"], "write wal or delete"),
        (["--synchronous", "often"], "write full, normal or off"),
        (["--html", "/nowhere/report.html"], "/nowhere/report.html cannot be written"),
    ] {
        let said = refusal(&[&["bench", "db", text(&new)], more.as_slice()].concat(), 2);
        assert!(said.contains(words), "{said}");
    }
    let said = refusal(&["bench", "db", "postgres://ada:secret@127.0.0.1:1/shop"], 1);
    assert!(said.contains("database shop at 127.0.0.1:1") && !said.contains("secret"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_page_spares_the_database_and_what_was_there() {
    let folder = site(&[("app.db", b"SQLite format 3\0, and more"), ("old.html", b"old")]);
    let file = |name: &str| folder.path().join(name);
    for (database, page) in [
        ("app.db", "app.db"),
        ("app.db", "app.db-wal"),
        ("new.db", "new.db"),
        ("new.db", "./new.db"),
    ] {
        let page = file(page);
        let said = refusal(&["bench", "db", text(&file(database)), "--html", text(&page)], 2);
        assert!(said.contains("would overwrite what is measured"), "{said}");
    }
    // A run that comes to nothing leaves the former page, and no empty one.
    for page in ["old.html", "new.html"] {
        refusal(&["bench", "db", text(&file("app.db")), "--html", text(&file(page))], 1);
    }
    assert_eq!(fs::read(file("app.db")).unwrap(), b"SQLite format 3\0, and more");
    assert_eq!(fs::read(file("old.html")).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn ctrl_c_ends_it_early_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    let arguments = ["bench", "db", text(&file), "--rows", "10000000", "--json"];
    let mut child =
        perfkit(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !file.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::yield_now();
    }
    // The signal is listened for before the file is made.
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["stopped"], &report["complete"]), (&true.into(), &false.into()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_postgresql_server_is_measured() {
    let Some(server) = Server::start() else { return };
    let report = db(&server.url(), &["--concurrency", "2"]);
    assert_eq!(report["complete"], true);
    assert!(report["engine"].as_str().unwrap().starts_with("PostgreSQL"), "{report}");
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'perfkit%'";
    assert_eq!(server.psql(tables), "0");
}

#[test]
fn the_suite_has_the_figures_that_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("suite.html");
    let arguments = ["bench", "suite", "--quick", "--json", "--html", text(&page)];
    let report = json(&[arguments.as_slice(), &["--folder", text(folder.path())]].concat());
    assert_eq!((&report["complete"], &report["quick"]), (&true.into(), &true.into()));
    let figures: Vec<(&str, f64)> = report["sections"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|section| section["figures"].as_array().unwrap())
        .map(|figure| (figure["id"].as_str().unwrap(), figure["value"].as_f64().unwrap()))
        .collect();
    for id in [
        "cache/lookup",
        "cache/set",
        "cache/round_trip",
        "cache/zipf_hit_ratio",
        "operations/queue",
        "analytics/record",
        "engine/threshold_check",
        "engine/knob_check",
        "http/hit",
        "gateway/start_up",
        "gateway/page",
        "gateway/page_first",
        "gateway/api",
        "gateway/bytes_saved",
        "gateway/page_hit_ratio",
        "gateway/resident",
        "disk/put",
        "disk/get",
        "disk/efficiency",
        "disk/storage_efficiency",
        "database/insert_single",
    ] {
        assert!(figures.iter().any(|(name, value)| *name == id && *value > 0.0), "no {id}");
    }
    assert!(fs::read_to_string(&page).unwrap().contains("Performance benchmark"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn sections_and_pages_can_be_chosen() {
    let page = crate::program::page(500);
    let folder = site(&[("a.html", &page), ("deep/b.html", &page), ("c.txt", b"no page")]);
    let origin = text(folder.path());
    let report = json(&[
        "bench",
        "suite",
        "--quick",
        "--only",
        "analytics,gateway",
        "--origin",
        origin,
        "--json",
    ]);
    let sections = report["sections"].as_array().unwrap();
    let names: Vec<&str> =
        sections.iter().map(|section| section["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["analytics", "gateway"]);
    assert!(sections[1]["notes"].to_string().contains("2 pages of"), "{}", sections[1]);

    let said = refusal(&["bench", "suite", "--only", "cash"], 2);
    assert!(said.contains("no section is called `cash`: there are cache, operations"), "{said}");
    let said = refusal(&["bench", "suite", "--origin", "/nowhere"], 2);
    assert!(said.contains("--origin /nowhere is no folder"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let output = run(&[
        "bench",
        "suite",
        "--only",
        "gateway,analytics",
        "--quick",
        "--origin",
        text(empty.path()),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("it holds no .html file") && table.contains("record through a handle"));
}
