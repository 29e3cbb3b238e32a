//! `perfkit run` with suites of real commands and checks of a real server.

use crate::program::{PATIENCE, Serving, page, perfkit, refusal, site, text};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use tempfile::TempDir;

fn suite(folder: &TempDir, content: &str) -> PathBuf {
    let path = folder.path().join("suite.toml");
    fs::write(&path, content).unwrap();
    path
}

/// Runs a suite with a bound of 200 cases at once.
fn run(suite: &Path, more: &[&str]) -> Output {
    let mut command = perfkit(&["run", text(suite)]);
    command.args(more).env("MAX_CONCURRENT_TESTS", "200").output().unwrap()
}

fn json(output: &Output) -> Value {
    let read = serde_json::from_slice(&output.stdout);
    read.unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn verdict(json: &Value, name: &str) -> String {
    let cases = json["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == name);
    case.unwrap_or_else(|| panic!("no {name} in {json}"))["verdict"].as_str().unwrap().to_owned()
}

/// Something of every kind. `flaky` fails once in this folder.
const MIXED: &str = r#"
retries = 1
env = { WORD = "from the suite" }
setup = [["touch", "set-up"]]

[[group]]
name = "shell"
max-concurrent = 2
setup = [["touch", "group"]]

[[case]]
name = "passes"
run = ["sh", "-c", "test -e set-up && test -e group && cat && echo $WORD"]
stdin = "<given> & \"taken\"\n"
group = "shell"
priority = 9
weight = 3
expect = { contains = ["given", "from the suite"] }

[[case]]
name = "fails <badly> & \"often\""
run = ["sh", "-c", "printf 'seen \\033[31m<red>\\n'; exit 3"]

[[case]]
name = "flaky"
run = ["sh", "-c", "test -e flag || { touch flag; exit 1; }"]

[[case]]
name = "hangs"
run = ["sleep", "600"]
timeout = "200ms"
retries = 0

[[case]]
name = "exit {}"
each = ["4", "5"]
run = ["sh", "-c", "exit {}"]
expect = { exit-code = 4 }
"#;

#[test]
fn a_suite_is_told_in_every_form_and_its_exit_code_means_something() {
    let folder = TempDir::new().unwrap();
    let path = suite(&folder, MIXED);
    let place = |name: &str| folder.path().join(name);
    let (xml, page, file) = (place("junit.xml"), place("page.html"), place("results.sqlite"));
    let forms = ["--junit", text(&xml), "--html", text(&page), "--results", text(&file)];
    let output = run(&path, &[&forms[..], &["--json", "--jobs", "100"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");

    let said = json(&output);
    assert_eq!(
        (&said["suite"], &said["passed"], &said["jobs"]),
        (&"suite".into(), &false.into(), &100.into())
    );
    let counts = &said["counts"];
    for (name, count) in
        [("total", 6), ("passed", 3), ("flaky", 1), ("failed", 2), ("timed_out", 1)]
    {
        assert_eq!(counts[name], count, "{name}: {counts}");
    }
    for (name, expected) in
        [("passes", "passed"), ("hangs", "timed_out"), ("exit 4", "passed"), ("exit 5", "failed")]
    {
        assert_eq!(verdict(&said, name), expected, "{said}");
    }
    assert_eq!((&said["flaky"][0], said["results_stored"].as_u64()), (&"flaky".into(), Some(6)));
    assert_eq!(said["slowest"][0], "hangs");

    let lines = String::from_utf8(output.stderr).unwrap();
    for part in ["6 cases", "FAIL ", "exit code 3", "<red>", "FLAKY ", "TIME-OUT ", "PASS "] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    assert!(fs::read_to_string(page).unwrap().contains("2 failed, 1 timed out, 3 passed"));

    let xml = fs::read_to_string(xml).unwrap();
    let xml = roxmltree::Document::parse(&xml).unwrap();
    let all = xml.root_element();
    assert_eq!((all.attribute("tests"), all.attribute("failures")), (Some("6"), Some("3")));
    let case = |name: &str| {
        let mut cases = all.descendants().filter(|node| node.has_tag_name("testcase"));
        cases.find(|node| node.attribute("name") == Some(name)).unwrap()
    };
    let inner = |name: &str| {
        let elements = case(name).children().filter(roxmltree::Node::is_element);
        elements.map(|node| node.tag_name().name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(inner("fails <badly> & \"often\""), ["failure", "system-out"]);
    assert_eq!(
        (inner("flaky"), inner("hangs")),
        (vec!["flakyFailure".into()], vec!["failure".into()])
    );
    assert_eq!((inner("passes").len(), case("passes").attribute("classname")), (0, Some("shell")));

    let kept = rusqlite::Connection::open(file).unwrap();
    let rows: i64 = kept
        .query_row(
            "SELECT count(*) FROM test_results WHERE run_id = ?1 AND created_at LIKE '20__-%Z' \
             AND duration_ms > 0 AND passed = (verdict = 'passed')",
            [said["run_id"].as_str()],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(rows, 6);
}

#[test]
fn the_table_names_what_failed_what_is_flaky_and_what_is_slow() {
    let folder = TempDir::new().unwrap();
    let output = run(&suite(&folder, MIXED), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    for part in [
        "2 failed, 1 timed out, 3 passed, 1 of them flaky",
        "Failed",
        "exit code 3 (2 attempts)",
        "Flaky",
        "passed at attempt 2 after: exit code 1",
        "Slowest",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let passes = run(&suite(&folder, MIXED), &["--filter", "pass*"]);
    assert_eq!(passes.status.code(), Some(0), "{passes:?}");
}

#[test]
fn what_has_not_changed_is_skipped_until_it_does() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("input"), "1").unwrap();
    let path = suite(
        &folder,
        "[[case]]\nname = 'known'\nrun = ['cat', 'input']\ninputs = ['input']\n\
         [[case]]\nname = 'always'\nrun = ['true']\n",
    );
    let file = folder.path().join("results.sqlite");
    let results = ["--json", "--results", text(&file)];
    for (change, force, expected) in [
        (None, false, "passed"),
        (None, false, "unchanged"),
        (None, true, "passed"),
        (Some("2"), false, "passed"),
        (None, false, "unchanged"),
    ] {
        if let Some(text) = change {
            fs::write(folder.path().join("input"), text).unwrap();
        }
        let more: &[&str] = if force { &["--force"] } else { &[] };
        let output = run(&path, &[&results[..], more].concat());
        assert_eq!(output.status.code(), Some(0));
        let said = json(&output);
        assert_eq!(
            (verdict(&said, "known"), verdict(&said, "always")),
            (expected.into(), "passed".into())
        );
    }
}

#[test]
fn hundreds_of_checks_ask_a_server() {
    let folder = site(&[("index.html", &page(9)), ("a.html", b"<p>page a</p>")]);
    let serving = Serving::start(text(folder.path()), &[]);
    let numbers: Vec<String> = (0..300).map(|n| format!("'{n}'")).collect();
    let content = format!(
        "[[case]]\nname = 'page'\neach = [{}]\nurl = 'http://{address}/a.html?{{}}'\n\
         expect = {{ status = 200, contains = 'page a', headers = {{ content-type = 'text/html' }} }}\n\
         [[case]]\nname = 'head'\nmethod = 'head'\nurl = 'http://{address}/'\n\
         [[case]]\nname = 'none'\nurl = 'http://{address}/none'\nexpect = {{ status = 404 }}\n\
         [[case]]\nname = 'wrong status'\nurl = 'http://{address}/none'\n\
         [[case]]\nname = 'wrong header'\nurl = 'http://{address}/'\nexpect = {{ headers = {{ x-a = 'b' }} }}\n\
         [[case]]\nname = 'wrong body'\nurl = 'http://{address}/'\nexpect = {{ contains = 'page a' }}\n",
        numbers.join(","),
        address = serving.address,
    );
    let checks = TempDir::new().unwrap();
    let output = run(&suite(&checks, &content), &["--json", "--jobs", "150"]);
    let said = json(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&said["counts"]["passed"], &said["counts"]["failed"]),
        (&302.into(), &3.into()),
        "{said}"
    );
    let reason = |name: &str| {
        let cases = said["cases"].as_array().unwrap();
        cases.iter().find(|case| case["name"] == name).unwrap()["reason"].as_str().unwrap()
    };
    assert_eq!(reason("wrong status"), "status 404");
    assert!(reason("wrong header").starts_with("header x-a is absent"));
    assert_eq!(reason("wrong body"), "the body does not contain `page a`");
}

#[test]
fn an_interrupt_ends_the_commands_and_tells_what_was_done() {
    let folder = TempDir::new().unwrap();
    let path = suite(
        &folder,
        "[[case]]\nname = 'quick'\nrun = ['true']\npriority = 10\n\
         [[case]]\nname = 'hangs {}'\neach = ['1', '2', '3']\ntimeout = '1h'\n\
         run = ['sh', '-c', 'sleep 600 & echo $! > pid{}; wait']\n",
    );
    let mut program = perfkit(&["run", text(&path), "--jobs", "2", "--json"])
        .env_remove("MAX_CONCURRENT_TESTS")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let grandchild = loop {
        // Two places: `quick` is done when the second of these runs.
        let pid = |n: u8| fs::read_to_string(folder.path().join(format!("pid{n}")));
        if let (Ok(one), Ok(_)) = (pid(1), pid(2))
            && one.ends_with('\n')
        {
            break one.trim().to_owned();
        }
        assert!(Instant::now() < deadline, "the cases do not start");
        std::thread::yield_now();
    };
    let killed = Command::new("kill").args(["-INT", &program.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let said = BufReader::new(program.stderr.take().unwrap()).lines();
    assert!(said.map(Result::unwrap).any(|line| line.starts_with("interrupt: ends 2 cases")));
    let output = program.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = json(&output);
    assert_eq!(
        (&said["interrupted"], &said["counts"]["passed"]),
        (&true.into(), &1.into()),
        "{said}"
    );
    assert_eq!(said["counts"]["cancelled"], 3);
    // A zombie has ended; whoever is first among processes has yet to take note.
    let stat = fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    assert!(stat.is_empty() || state.starts_with('Z'), "{stat}");
}

#[test]
fn what_is_wrong_with_a_suite_is_told_with_the_line() {
    let folder = TempDir::new().unwrap();
    for (content, line, part) in [
        ("[[case]]\nrun = ['true']\nretrys = 1\n", "line 3", "unknown field `retrys`"),
        ("\n[[case]]\nname = 'x'\n", "line 2", "needs `run` or `url`"),
        ("[[case]]\nrun = []\n", "line 1", "needs a program"),
        ("[[case]]\nrun = ['true']\nurl = 'http://x/'\n", "line 1", "not both"),
        ("[[case]]\nrun = ['true']\nmethod = 'GET'\n", "line 1", "`method` does not go with `run`"),
        ("[[case]]\nurl = 'http://x/'\nstdin = ''\n", "line 1", "`stdin` does not go with `url`"),
        ("[[case]]\nurl = 'https://x/'\n", "line 1", "cleartext"),
        ("[[case]]\nurl = '/x'\n", "line 1", "http://127.0.0.1:8080"),
        ("[[case]]\nrun = ['true']\ngroup = 'g'\n", "line 1", "add a [[group]]"),
        ("[[case]]\nrun = ['true']\npriority = 11\n", "line 1", "1 to 10"),
        ("[[case]]\nrun = ['true']\ntimeout = 'soon'\n", "line 3", "30s"),
        ("[[case]]\nrun = ['true']\n[[case]]\nrun = ['true']\n", "line 3", "two cases `true`"),
        ("[[case]]\nurl = 'http://x/'\nexpect = { status = 9 }\n", "line 1", "100 to 599"),
        ("[[case]]\nrun = ['true']\nweight = 0\n", "line 1", "use 1 or more"),
        ("setup = [[]]\n", "line 1", "needs a program"),
        ("retries = 1\n", "suite.toml", "add a [[case]]"),
        ("retries = 101\n[[case]]\nrun = ['true']\n", "retries", "0 to 100"),
    ] {
        let path = suite(&folder, content);
        let message = refusal(&["run", text(&path)], 2);
        assert!(message.contains(line) && message.contains(part), "{content}: {message}");
    }
    let path = suite(&folder, "[[case]]\nrun = ['true']\n");
    let not_sqlite = folder.path().join("text");
    fs::write(&not_sqlite, "no database, whatever its name may be").unwrap();
    for (arguments, part) in [
        (&["--filter", "none*"][..], "--list"),
        (&["--jobs", "0"], "jobs"),
        (&["--results", text(&not_sqlite)], "no place for results"),
        (&["--junit", "/no/such/place.xml"], "/no/such/place.xml"),
    ] {
        let message = refusal(&[&["run", text(&path)], arguments].concat(), 2);
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
    assert!(refusal(&["run", "/no/such.toml"], 2).contains("/no/such.toml"));
    let set_up = suite(&folder, "setup = [['false']]\n[[case]]\nrun = ['true']\n");
    assert!(refusal(&["run", text(&set_up)], 1).contains("set-up `false` failed"));
}

#[test]
fn the_environment_bounds_how_many_run_at_once() {
    let folder = TempDir::new().unwrap();
    let path = suite(&folder, "[[case]]\nrun = ['true']\n");
    let jobs = |bound: &str, more: &[&str]| {
        let mut command = perfkit(&["run", text(&path), "--json"]);
        let output = command.args(more).env("MAX_CONCURRENT_TESTS", bound).output().unwrap();
        json(&output)["jobs"].as_u64().unwrap()
    };
    assert_eq!(jobs("3", &["--jobs", "150"]), 3);
    assert_eq!(jobs("", &["--jobs", "150"]), 150);
    assert!((1..=20).contains(&jobs("", &[])));
    let mut command = perfkit(&["run", text(&path)]);
    let refused = command.env("MAX_CONCURRENT_TESTS", "many").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("MAX_CONCURRENT_TESTS"));
}

#[test]
fn the_cases_are_named_without_being_run() {
    let folder = TempDir::new().unwrap();
    let path = suite(&folder, MIXED);
    let names = String::from_utf8(run(&path, &["--list"]).stdout).unwrap();
    assert_eq!(names.lines().count(), 6, "{names}");
    assert!(names.contains("exit 4\nexit 5\n"));
    let listed = json(&run(&path, &["--list", "--json", "--filter", "exit*"]));
    assert_eq!(listed, serde_json::json!(["exit 4", "exit 5"]));
    assert!(!folder.path().join("set-up").exists());
}

#[test]
fn the_suite_of_this_workspace_is_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/suites/examples.toml");
    let output = run(&path, &["--list"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("example disk_log\n"));
}
