//! Files: module docs, size, one home for each kind of machinery, nothing of this machine.

use super::File;

/// Lines of code, without tests, above which a file must be split.
const LARGEST: usize = 800;

/// Machinery that has one home; a second one elsewhere is refused.
const HOMES: [(&str, &[&str]); 2] = [
    (
        "crates/perf-guard/",
        &[
            "struct CircuitBreaker",
            "struct Gcra",
            "struct Backoff",
            "struct RetryBudget",
            "struct RateLimit",
            "struct TokenBucket",
        ],
    ),
    (
        "crates/perf-stats/",
        &[
            "fn welch",
            "fn mann_whitney",
            "fn wilcoxon",
            "fn theil_sen",
            "fn mann_kendall",
            "fn bootstrap",
        ],
    ),
];

/// One complaint for each file that breaks a rule.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let File { path, text } = file;
        for place in places_of_one_machine() {
            if path != "Cargo.lock" && !path.ends_with("/Cargo.lock") && text.contains(&place) {
                complaints
                    .push(format!("{path}: names `{place}`, a place of one machine or network"));
            }
        }
        if !path.ends_with(".rs") {
            continue;
        }
        if !is_test(path) && !text.trim_start().starts_with("//!") {
            complaints.push(format!("{path}: its first line must say what it is (`//! …`)"));
        }
        let lines = lines_without_tests(text);
        if lines > LARGEST && !is_test(path) {
            complaints
                .push(format!("{path}: {lines} lines without tests; split it below {LARGEST}"));
        }
        for (home, machinery) in HOMES {
            if path.starts_with(home) || path.starts_with("xtask/") || path.starts_with("benches/")
            {
                continue;
            }
            for what in machinery.iter().filter(|what| text.contains(**what)) {
                complaints.push(format!("{path}: `{what}` belongs in {home}"));
            }
        }
    }
    complaints
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn lines_without_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "mod tests {").count()
}

/// Spelt in pieces, so that this file passes its own check.
fn places_of_one_machine() -> Vec<String> {
    [
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/tmp/", "wt"],
        ["registry.", "npmjs"],
        ["static.", "crates.io"],
        ["index.", "crates.io"],
        ["files.", "pythonhosted"],
        ["deb.", "debian.org"],
    ]
    .iter()
    .map(|pieces| pieces.concat())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_file_without_a_first_line_is_found() {
        assert_eq!(check(&[file("crates/a/src/b.rs", "fn x() {}")]).len(), 1);
        assert_eq!(check(&[file("crates/a/src/b.rs", "//! B.\nfn x() {}")]).len(), 0);
        assert_eq!(check(&[file("crates/a/src/b/tests.rs", "fn x() {}")]).len(), 0);
    }

    #[test]
    fn a_long_file_is_found_but_its_tests_do_not_count() {
        let long = format!("//! L.\n{}", "fn x() {}\n".repeat(LARGEST));
        assert_eq!(check(&[file("crates/a/src/b.rs", &long)]).len(), 1);
        let tested = format!("//! L.\nmod tests {{\n{}}}\n", "fn x() {}\n".repeat(LARGEST));
        assert_eq!(check(&[file("crates/a/src/b.rs", &tested)]).len(), 0);
    }

    #[test]
    fn a_second_breaker_is_refused() {
        let text = format!("//! B.\npub {} {{}}\n", HOMES[0].1[0]);
        assert_eq!(check(&[file("crates/perf-http/src/b.rs", &text)]).len(), 1);
        assert_eq!(check(&[file("crates/perf-guard/src/b.rs", &text)]).len(), 0);
    }

    #[test]
    fn a_place_of_this_machine_is_found() {
        let text = format!("see {}x", places_of_one_machine()[0]);
        assert_eq!(check(&[file("docs/x.md", &text)]).len(), 1);
    }
}
