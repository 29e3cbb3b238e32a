//! `perfkit cache replay` over a file of each kind, and over files that are none.

use crate::program::{Serving, perfkit, refusal, run, site, text};
use crate::wire;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tempfile::TempDir;

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn replay(arguments: &[&str]) -> serde_json::Value {
    let mut all = vec!["cache", "replay", "--json"];
    all.extend(arguments);
    json(&run(&all))
}

fn row<'a>(json: &'a serde_json::Value, size: &str, policy: &str) -> &'a serde_json::Value {
    let rows = json["rows"].as_array().unwrap();
    let found = rows.iter().find(|row| row["size"] == size && row["policy"] == policy);
    found.unwrap_or_else(|| panic!("no {policy} at {size}: {json}"))
}

/// Six requests for four keys: a b a c a d, of which only `a` comes again.
const KEYS: [u64; 6] = [1, 2, 1, 3, 1, 4];

fn log_of(paths: &[&str]) -> String {
    let line = |path: &&str| {
        format!(
            "127.0.0.1 - - [21/Nov/2026:15:00:00 +0000] \"GET {path} HTTP/1.1\" 200 100 \"-\" \"x\"\n"
        )
    };
    paths.iter().map(line).collect()
}

#[test]
fn every_format_comes_to_the_same() {
    let folder = TempDir::new().unwrap();
    let lines = |line: &dyn Fn(u64) -> String| KEYS.map(line).concat();
    let be: Vec<u8> = KEYS.iter().flat_map(|key| key.to_be_bytes()).collect();
    let short: Vec<u8> = KEYS.iter().flat_map(|key| (*key as u32).to_be_bytes()).collect();
    let combined = log_of(&["/1", "/2", "/1", "/3", "/1", "/4"])
        + "127.0.0.1 - - [21/Nov/2026:15:00:00 +0000] \"POST /1 HTTP/1.1\" 200 9 \"-\" \"x\"\n";
    let common = lines(&|k| format!("h - - [t] \"HEAD /{k}?q HTTP/1.0\" 304 -\r\n"));
    for (name, content, format, skipped) in [
        ("access.log", combined.into_bytes(), "log", 1),
        ("common", common.into_bytes(), "log", 0),
        ("a.jsonl", lines(&|k| format!("{{\"url\":\"/{k}\"}}\n")).into_bytes(), "json", 0),
        ("keys", lines(&|k| format!("user:{k}\n")).into_bytes(), "keys", 0),
        ("a.trace", format!("*\n\n{}", lines(&|k| format!("{k}\r\n"))).into_bytes(), "lirs", 0),
        ("a.lis", b"1 2 0 0\n1 1 0 1\n3 1 0 2\n1 1 0 3\n4 1 0 4\n".to_vec(), "arc", 0),
        ("sized", lines(&|k| format!("0.5 {k} 100\n")).into_bytes(), "sized", 0),
        ("gcc", lines(&|k| format!("l 0x{k:x} 4\n")).into_bytes(), "address", 0),
        ("u64", be, "u64", 0),
        ("u32", short, "u32", 0),
    ] {
        let path = write(&folder, name, content);
        let mut arguments = vec![text(&path), "--sizes", "2,50%,4", "--policies", "lru,fifo"];
        if format.starts_with('u') {
            arguments.extend(["--format", format]);
        }
        let json = replay(&arguments);
        let trace = &json["traces"][0];
        assert_eq!(trace["format"], format, "{name}");
        assert_eq!((&trace["requests"], &trace["keys"]), (&6.into(), &4.into()), "{name}");
        assert_eq!(trace["skipped"], skipped, "{name}");
        for (size, policy, hits) in
            [("2", "lru", 2.0), ("50%", "lru", 2.0), ("2", "fifo", 1.0), ("4", "fifo", 2.0)]
        {
            let row = row(&json, size, policy);
            assert_eq!(row["hit_ratio"], hits / 6.0, "{name}: {row}");
            assert_eq!(row["optimal"], 2.0 / 6.0, "{name}: {row}");
            assert_eq!(row["trace"], text(&path));
        }
        assert_eq!(row(&json, "50%", "lru")["entries"], 2);
    }
}

#[test]
fn compressed_files_are_read_as_if_they_were_not() {
    let folder = TempDir::new().unwrap();
    let log = log_of(&["/1", "/2", "/1", "/3", "/1", "/4"]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(log.as_bytes()).unwrap();
    let gz = write(&folder, "access.log.1.gz", gz.finish().unwrap());
    let zst = write(&folder, "access.log.zst", zstd::encode_all(log.as_bytes(), 1).unwrap());
    let json = replay(&[text(&gz), text(&zst), "--sizes", "2", "--policies", "lru"]);
    assert_eq!(json["rows"].as_array().unwrap().len(), 2, "each file is a trace of its own");
    assert_eq!(json["rows"][0]["hit_ratio"], json["rows"][1]["hit_ratio"]);
    assert_eq!(json["traces"][1]["requests"], 6);
}

#[test]
fn standard_input_is_a_file_too() {
    let mut child = perfkit(&["cache", "replay", "-", "--json", "--policies", "lru"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a\nb\na\n").unwrap();
    let json = json(&child.wait_with_output().unwrap());
    assert_eq!(json["traces"][0]["trace"], "standard input");
    assert_eq!(json["traces"][0]["unbounded_hit_ratio"], 1.0 / 3.0);
}

#[test]
fn bytes_are_held_against_the_sizes_of_the_log() {
    let folder = TempDir::new().unwrap();
    let log = write(&folder, "access.log", log_of(&["/1", "/2", "/1", "/3", "/1", "/4"]));
    let json = replay(&[text(&log), "--sizes", "200B,1KiB", "--policies", "lru"]);
    let row = row(&json, "200B", "lru");
    assert_eq!((row["hit_ratio"].as_f64(), &row["entries"]), (Some(2.0 / 6.0), &2.into()));
    assert!(row["optimal"].is_null());
    assert_eq!(json["traces"][0]["recommendation"]["unit"], "bytes");
}

#[test]
fn a_field_and_a_status_are_chosen() {
    let folder = TempDir::new().unwrap();
    let lines = "{\"user\":{\"id\":1},\"status\":200}\n{\"user\":{\"id\":1},\"status\":404}\n\
                 {\"user\":{\"id\":2},\"status\":304}\n";
    let file = write(&folder, "events.jsonl", lines);
    let arguments = [text(&file), "--key", "user.id", "--status", "2xx,304"];
    let trace = &replay(&arguments)["traces"][0];
    assert_eq!((&trace["requests"], &trace["keys"]), (&2.into(), &2.into()));
    assert_eq!(trace["skipped"], 1);
}

#[test]
fn tables_plots_and_reasons_are_printed() {
    let folder = TempDir::new().unwrap();
    let mut keys = String::new();
    // A loop over 300 keys, and a hot key before each turn.
    for n in 0..6_000 {
        keys += &format!("{}\n", if n % 3 == 0 { 9_999 } else { n % 300 });
    }
    keys += "what?\n";
    let file = write(&folder, "loop.trace", keys);
    let svg = folder.path().join("curve.svg");
    let output = perfkit(&["cache", "replay", text(&file), "--svg", text(&svg)])
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    for part in
        ["a number a line: 6000 requests", "adaptive", "optimal", "*", "Miss ratio", "⠒ lru"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(printed.contains("1 malformed line left out: line 6001 is `what?`"), "{printed}");
    assert!(printed.contains("Recommended: ") && printed.contains("Size: "), "{printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("million a second") && said.contains("curve.svg"), "{said}");
    let drawn = fs::read_to_string(&svg).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.contains("loop.trace"), "{drawn}");
}

#[test]
fn what_cannot_be_replayed_is_named_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let keys = write(&folder, "keys", "a\nb\na\n");
    let empty = write(&folder, "empty", "");
    let json = write(&folder, "a.jsonl", "{\"colour\":\"red\"}\n");
    let keys = text(&keys);
    let files = text(folder.path());
    for (arguments, part) in [
        (&[][..], "FILE"),
        (&["/no/such/file"], "/no/such/file cannot be read"),
        (&[files], "is a folder"),
        (&[text(&empty)], "is empty"),
        (&[text(&json)], "--key"),
        (&[keys, "--format", "log"], "access log"),
        (&[keys, "--format", "csv"], "one of log, json, keys"),
        (&[keys, "--sizes", "0%"], "`0%`"),
        (&[keys, "--sizes", "many"], "`many`"),
        (&[keys, "--sizes", "1MiB"], "no sizes"),
        (&[keys, "--policies", "mru"], "use one of lru"),
        (&[keys, "--status", "ok"], "`ok`"),
        (&[keys, "--threads", "0"], "--threads"),
        (&[keys, "--svg", keys], "would overwrite"),
        (&[keys, "--svg", "/no/such/folder/a.svg"], "cannot be written"),
    ] {
        let mut all = vec!["cache", "replay"];
        all.extend(arguments);
        let message = refusal(&all, 2);
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
    let cut = write(&folder, "cut.gz", [0x1f, 0x8b, 0x08, 0, 0]);
    let message = refusal(&["cache", "replay", text(&cut)], 1);
    assert!(message.contains("cut.gz"), "{message}");
    let help = String::from_utf8(run(&["cache", "replay", "--help"]).stdout).unwrap();
    assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
}

#[test]
fn the_log_of_a_gateway_is_replayed() {
    let folder = site(&[("a.html", b"<p>a</p>"), ("b.html", b"<p>longer</p>")]);
    let logs = TempDir::new().unwrap();
    let log = logs.path().join("access.log");
    let serving = Serving::start(text(folder.path()), &["--access-log", text(&log)]);
    for path in ["/a.html", "/b.html?v=1", "/a.html", "/none", "/a.html"] {
        wire::get(serving.address, path, &[]);
    }
    serving.signal("TERM");
    let (status, _) = serving.end();
    assert!(status.success());
    let written = fs::read_to_string(&log).unwrap();
    assert_eq!(written.lines().count(), 5, "{written}");
    assert!(written.starts_with("127.0.0.1 - - ["), "{written}");

    let json = replay(&[text(&log), "--status", "200", "--policies", "lru", "--sizes", "1KiB"]);
    let trace = &json["traces"][0];
    assert_eq!(
        (&trace["requests"], &trace["keys"], &trace["format"]),
        (&4.into(), &2.into(), &"log".into())
    );
    assert_eq!(trace["malformed"], 0);
    assert_eq!(trace["bytes"], 8 + 13);
    assert_eq!(row(&json, "1KiB", "lru")["hit_ratio"], 0.5);
}

#[test]
fn a_log_that_cannot_be_opened_is_named() {
    let folder = site(&[("a.html", b"x")]);
    let message = refusal(
        &[
            "serve",
            "--origin",
            text(folder.path()),
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--access-log",
            "/no/such/folder/a.log",
        ],
        1,
    );
    assert!(message.contains("access-log") && message.contains("/no/such/folder"), "{message}");
}
