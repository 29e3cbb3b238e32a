//! The demo on a site of a few pages.

use crate::program::{page, perfkit, run, site, text};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn its_numbers_fit_together() {
    let pages: Vec<(String, Vec<u8>)> =
        (0..40).map(|n| (format!("{}/page {n}.html", n % 3), page(100 + 10 * n))).collect();
    let files: Vec<(&str, &[u8])> = pages.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    let folder = site(&files);
    let output =
        run(&["demo", "--origin", text(folder.path()), "--for", "2s", "--json", "--seed", "7"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Dashboard http://127.0.0.1:"), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{report}"));
    assert!(number(&report["requests"]) > 0.0);
    let (reached, best) = (number(&report["hit_ratio"]), number(&report["best_possible"]));
    assert!(reached >= 0.97 * best && best <= 1.0, "{report}");
    for side in ["cached", "uncached"] {
        let side = &report[side];
        let [p50, p95, p99] = ["p50_ms", "p95_ms", "p99_ms"].map(|q| number(&side[q]));
        assert!(p50 > 0.0 && p50 <= p95 && p95 <= p99, "{report}");
        assert!(number(&side["ttfb_p50_ms"]) <= p50, "{report}");
    }
    assert!(number(&report["bytes_saved"]) > 0.0, "{report}");
    assert!(number(&report["checked_bodies"]) > 0.0, "{report}");
}

#[test]
fn the_table_has_both_sides() {
    let folder = site(&[("a.html", &page(100)), ("b.html", &page(300))]);
    let output = run(&["demo", "--origin", text(folder.path()), "--for", "600ms"]);
    let table = String::from_utf8(output.stdout).unwrap();
    for part in ["Hit ratio reached", "Best possible", "cache off", "cache on", "Bytes saved"] {
        assert!(table.contains(part), "{table}");
    }
}

#[test]
fn an_interrupt_ends_it_with_its_results() {
    let folder = site(&[("a.html", &page(100)), ("b.html", &page(300))]);
    let mut demo = perfkit(&["demo", "--origin", text(folder.path()), "--for", "1h", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(demo.stderr.take().unwrap());
    // From the moment it names its dashboard it listens to signals.
    let named = said.lines().any(|line| line.unwrap().starts_with("Dashboard"));
    assert!(named);
    for _ in 0..2 {
        let status = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
    let output = demo.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["requests"].as_u64().unwrap() > 0, "{report}");
}
