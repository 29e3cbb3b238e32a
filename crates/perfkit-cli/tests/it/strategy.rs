//! `perfkit cache strategy` over a log and over a gateway, and `perfkit serve --cache-strategy`.

use crate::program::{Serving, refusal, run, site};
use std::fs;
use tempfile::TempDir;

fn log(paths: impl Iterator<Item = u64>) -> String {
    let line = |path| {
        format!(
            "127.0.0.1 - - [21/Nov/2026:15:00:00 +0000] \"GET /{path} HTTP/1.1\" 200 1000 \"-\" \"x\"\n"
        )
    };
    paths.map(line).collect()
}

#[test]
fn a_log_becomes_a_strategy_that_a_gateway_serves_with() {
    let folder = TempDir::new().unwrap();
    let (file, kept) = (folder.path().join("access.log"), folder.path().join("kept.json"));
    fs::write(&file, log((0..6_000).map(|n| n % 300))).unwrap();
    let (file, kept) = (file.to_str().unwrap(), kept.to_str().unwrap());
    let made = run(&["cache", "strategy", file, "--max-bytes", "64KiB", "--output", kept]);
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(text.contains("memory: 64 KiB, policy adaptive"), "{text}");
    assert!(text.contains("loads ahead: up to 5 %"), "{text}");
    let json = run(&["cache", "strategy", file, "--max-entries", "50", "--json", "--name", "few"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["name"], &json["tiers"][0]["max_entries"]), (&"few".into(), &50.into()));

    let site = site(&[("index.html", b"hello")]);
    let serving = Serving::start(site.path().to_str().unwrap(), &["--cache-strategy", kept]);
    let admin = serving.start_line["dashboard"].as_str().unwrap().to_owned();
    // It was not used yet.
    let early = refusal(&["cache", "strategy", &admin, "--max-bytes", "1MiB"], 2);
    assert!(early.contains("was not used enough"), "{early}");
    let address = admin.split('#').next().unwrap();
    let early = refusal(&["cache", "strategy", address], 2);
    assert!(early.contains("wants its token"), "{early}");
    serving.signal("TERM");
    let (status, told) = serving.end();
    assert!(status.success());
    assert!(told.contains("strategy generated: memory/prefetch stays: it does not load"), "{told}");
    assert!(told.contains("memory/capacity stays: it is so already"), "{told}");
}

#[test]
fn what_cannot_be_is_refused_with_its_remedy() {
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys");
    fs::write(&keys, "a\nb\na\n").unwrap();
    let keys = keys.to_str().unwrap();
    let error = refusal(&["cache", "strategy", keys, "--max-bytes", "1MiB"], 2);
    assert!(error.contains("no sizes to hold bytes against: give --max-entries"), "{error}");
    let error = refusal(&["cache", "strategy", keys, "--name", "a/b"], 2);
    assert!(error.contains("`name` cannot be"), "{error}");
    let error = refusal(&["cache", "strategy", "https://example.org"], 2);
    assert!(error.contains("no address of a dashboard"), "{error}");
    let bad = folder.path().join("bad.json");
    fs::write(&bad, "{\n  \"name\": 5\n}").unwrap();
    let site = site(&[("index.html", b"hello")]);
    let (site, bad) = (site.path().to_str().unwrap(), bad.to_str().unwrap());
    let error = refusal(&["serve", "--origin", site, "--cache-strategy", bad], 2);
    assert!(error.contains("line 2 column"), "{error}");
}
