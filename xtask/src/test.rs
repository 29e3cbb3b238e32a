//! `cargo xtask test`: every test that this machine can run.

use crate::command::{cargo, find, program, root, watch};
use crate::features;
use crate::setup::{
    self, BROWSER_PACKAGES, BROWSER_TEST, BULLMQ, CHROMIUM, EDGE, LIBCLANG, NODE, Need, POSTGRESQL,
    REDIS, VALGRIND,
};
use crate::stage::Stages;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the tests; `setup` installs first what is missing, `require_all` makes a skip a failure.
pub(crate) fn run(setup: bool, require_all: bool) -> Result<()> {
    let mut stages = Stages::default();
    let mut counts = Counts::default();
    if setup {
        stages.run("setup", || setup::run(true));
    }
    let (no_postgresql, no_redis) = (missing(&[&POSTGRESQL]), missing(&[&REDIS]));
    let (no_edge, no_bullmq) = (missing(&[&EDGE]), missing(&[&NODE, &BULLMQ]));
    let servers = [
        ("PERFKIT_REQUIRE_POSTGRESQL", no_postgresql.is_none()),
        ("PERFKIT_REQUIRE_REDIS", no_redis.is_none()),
        ("PERFKIT_REQUIRE_EDGE", no_edge.is_none()),
        ("PERFKIT_REQUIRE_BULLMQ", no_bullmq.is_none()),
    ];
    stages.run("tests", || unit_and_integration(&mut counts, servers));
    if let Some(what) = no_postgresql {
        skip(&mut stages, require_all, "database benchmark on PostgreSQL", &what);
    }
    if let Some(what) = no_redis {
        skip(&mut stages, require_all, "tier and jobs over Redis", &what);
    }
    if let Some(what) = no_edge {
        skip(&mut stages, require_all, "edge stores and purging", &what);
    }
    if let Some(what) = no_bullmq {
        skip(&mut stages, require_all, "jobs with BullMQ for Node.js", &what);
    }
    stages.run("doc tests", || doc_tests(&mut counts));
    match missing(&[&LIBCLANG]) {
        None => stages.run(ROCKSDB, || rocksdb(&mut counts)),
        Some(what) => skip(&mut stages, require_all, ROCKSDB, &what),
    }
    stages.run("examples", || examples(&mut counts));
    stages.run("models (loom)", || models(&mut counts));
    stages.run("cache under steady overwrites", || soak(&mut counts));
    match sanitizer_target() {
        Some(target) => stages.run(SANITIZER, || sanitized(&mut counts, &target)),
        None => skip(&mut stages, require_all, SANITIZER, "AddressSanitizer for this target"),
    }
    match missing(&[&CHROMIUM, &NODE, &BROWSER_PACKAGES]) {
        None => stages.run("dashboard in a real browser", || browser(&mut counts)),
        Some(what) => skip(&mut stages, require_all, "dashboard in a real browser", &what),
    }
    stages.run("benches run once", || rivals_once(&mut counts));
    match missing(&[&VALGRIND]) {
        None => stages.run(GATE, || gate_self_test(&mut counts)),
        Some(what) => skip(&mut stages, require_all, GATE, &what),
    }

    stages.print();
    if stages.skipped() > 0 {
        println!("  `cargo xtask setup` installs what is missing");
    }
    // A stage can fail without a failed test: a build that broke, a tool that did not start.
    counts.failed = counts.failed.max(stages.failed() as u64);
    println!(
        "\n{} passed, {} failed, {} skipped",
        counts.passed,
        counts.failed,
        counts.skipped + stages.skipped() as u64
    );
    stages.verdict()
}

fn skip(stages: &mut Stages, require_all: bool, name: &str, what: &str) {
    if require_all {
        stages.run(name, || bail!("missing: {what}; `cargo xtask setup` installs it"));
    } else {
        stages.skip(name, &format!("missing: {what}"));
    }
}

fn missing(needs: &[&Need]) -> Option<String> {
    let missing: Vec<&str> =
        needs.iter().filter(|need| !need.is_met()).map(|need| need.what).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// With a server at hand, the tests that need one may not skip themselves: told by a variable for
/// each kind.
fn unit_and_integration(counts: &mut Counts, servers: [(&str, bool); 4]) -> Result<()> {
    // All features: the codecs, the runtimes and serde are tested too.
    let features = features::all()?;
    let features = ["--workspace", "--features", &features, "--no-fail-fast"];
    let nextest = find("cargo-nextest").is_some();
    let mut command = if nextest {
        cargo(&[&["nextest", "run"], &features[..]].concat())
    } else {
        cargo(&[&["test", "--all-targets"], &features[..]].concat())
    };
    for (required, is_here) in servers {
        if is_here {
            command.env(required, "1");
        }
    }
    counted(&mut command, counts)
}

fn doc_tests(counts: &mut Counts) -> Result<()> {
    let features = features::all()?;
    counted(&mut cargo(&["test", "--workspace", "--features", &features, "--doc"]), counts)
}

/// Some examples print what they promise: our own program runs them and looks.
fn examples(counts: &mut Counts) -> Result<()> {
    crate::command::run(program_of_ours()?.args(["run", "docs/suites/examples.toml"]))
        .context("an example did not run as docs/suites/examples.toml expects")?;
    counts.passed += 1;
    Ok(())
}

/// The program `perfkit`, built as it is by default.
fn program_of_ours() -> Result<Command> {
    crate::command::run(&mut cargo(&["build", "--package", "perfkit-cli"]))?;
    let path = target_dir()?.join("debug/perfkit");
    let mut command = Command::new(path);
    command.current_dir(root());
    Ok(command)
}

const ROCKSDB: &str = "store over RocksDB";

/// The suite of all stores, over RocksDB. In a package and a folder of its own, so that nothing
/// else waits for the C++, which takes a quarter of an hour the first time.
fn rocksdb(counts: &mut Counts) -> Result<()> {
    let mut command = cargo(&["test", "--release", "--locked", "--no-fail-fast"]);
    command
        .current_dir(root().join("crates/perf-cache/rocksdb-suite"))
        .env("CARGO_TARGET_DIR", target_dir()?.join("rocksdb"));
    counted(&mut command, counts)?;
    // What else has the feature is only checked: nothing is linked, so any folder will do.
    let mut rest = cargo(&["check", "--all-targets", "--package", "perfkit-cli"]);
    rest.args(["--package", "perf-cache", "--features", "perfkit-cli/rocksdb,perf-cache/rocksdb"]);
    crate::command::run(rest.env("ROCKSDB_LIB_DIR", root()))
}

/// The protocols between threads, in every order in which they may meet. In a folder of its own:
/// the flag is part of what every crate is built with.
fn models(counts: &mut Counts) -> Result<()> {
    models_of("perf-cache", counts)?;
    models_of("perf-async", counts)
}

fn models_of(package: &str, counts: &mut Counts) -> Result<()> {
    let sources = root().join("crates").join(package).join("src");
    let written =
        models_in(&sources).with_context(|| format!("cannot read the sources of {package}"))?;
    let mut command = cargo(&["test", "--package", package, "--release", "--lib", "loom_"]);
    command
        .env("RUSTFLAGS", "--cfg perf_loom")
        // Where a model says nothing else. Five turns against the scheduler show nearly every
        // fault; all orders would take hours.
        .env("LOOM_MAX_PREEMPTIONS", "5")
        .env("CARGO_TARGET_DIR", target_dir()?.join("loom"));
    let before = counts.passed;
    counted(&mut command, counts)?;
    let ran = counts.passed - before;
    println!("  {ran} of {written} models of {package} ran");
    if ran < written {
        bail!(
            "{package}: {written} models are written and {ran} ran: put `loom_` into the names of \
             the rest"
        );
    }
    Ok(())
}

/// How many models there are below a folder: the tests of each file that names loom.
fn models_in(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        if file.file_type()?.is_dir() {
            sum += models_in(&file.path())?;
        } else if file.path().extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(file.path())?;
            if text.contains("loom::") {
                sum += text.lines().filter(|line| line.trim() == "#[test]").count() as u64;
            }
        }
    }
    Ok(sum)
}

/// Twenty seconds or so of overwrites. A program of its own, for it looks at the memory that the
/// process takes, and with optimization, as no race shows without.
fn soak(counts: &mut Counts) -> Result<()> {
    counted(crate::bench::soak_command().env("PERFKIT_SOAK_ROUNDS", "40"), counts)
}

const SANITIZER: &str = "unsafe code under AddressSanitizer";

/// The host, if its toolchain brings the sanitizer's runtime.
fn sanitizer_target() -> Option<String> {
    let mut version = program("rustc", &["--version", "--verbose"]);
    let version = crate::command::output(&mut version).ok()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "))?.to_owned();
    let mut libraries = program("rustc", &["--print", "target-libdir"]);
    let libraries = crate::command::output(&mut libraries).ok()?;
    let names = std::fs::read_dir(libraries.trim()).ok()?.flatten();
    let is_it = |name: &str| name.contains("rt.asan") && name.ends_with(".a");
    names
        .filter_map(|file| file.file_name().into_string().ok())
        .any(|name| is_it(&name))
        .then_some(host)
}

/// The tests that meet unsafe code; each of the three names must find some. The sanitizer is unstable, so this stage alone lets the
/// compiler accept such flags; the target is named so that build scripts do without.
fn sanitized(counts: &mut Counts, target: &str) -> Result<()> {
    for tests in
        [&["--lib", "slots::"][..], &["--test", "it", "reclaiming::"], &["--test", "it", "drops::"]]
    {
        let mut command = cargo(&["test", "--package", "perf-cache", "--target", target]);
        command
            .args(tests)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-Zsanitizer=address")
            .env("CARGO_TARGET_DIR", target_dir()?.join("sanitizer"));
        counted(&mut command, counts)?;
    }
    Ok(())
}

fn browser(counts: &mut Counts) -> Result<()> {
    let perfkit = program_of_ours()?;
    let mut node = program("node", &["--test", "--test-reporter=tap"]);
    node.current_dir(root().join(BROWSER_TEST)).env("PERFKIT_BIN", perfkit.get_program());
    if let Some(browser) = setup::browser() {
        node.env("PERFKIT_CHROMIUM", browser);
    }
    counted(&mut node, counts)
}

/// The benchmark programs build, run and find their answers right. No figure is judged.
fn rivals_once(counts: &mut Counts) -> Result<()> {
    for suite in crate::bench::SUITES {
        crate::bench::rivals(&[suite, "--quick"])
            .with_context(|| format!("the rivals suite `{suite}` failed"))?;
        counts.passed += 1;
    }
    crate::bench::stack(&["--quick"]).context("the stack benchmark failed")?;
    counts.passed += 1;
    Ok(())
}

const GATE: &str = "gate self-test (counts)";

/// A gate that cannot turn red looks like one that has nothing to say: equal programs must pass it,
/// slower ones must not. Only counts, for a machine that runs tests cannot time.
fn gate_self_test(counts: &mut Counts) -> Result<()> {
    crate::bench::program(&["self-test", "--short"])
        .context("the gate did not tell equal programs from slower ones")?;
    counts.passed += 1;
    Ok(())
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let text =
        crate::command::output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let dir = metadata["target_directory"].as_str().context("cargo names no target directory")?;
    Ok(PathBuf::from(dir))
}

fn counted(command: &mut Command, counts: &mut Counts) -> Result<()> {
    let before = *counts;
    let passed = watch(command, &mut |line| counts.read(line))?;
    if !passed {
        if counts.failed == before.failed {
            counts.failed += 1;
        }
        bail!("{} of the tests failed", counts.failed - before.failed);
    }
    if counts.passed == before.passed {
        bail!("no test ran");
    }
    Ok(())
}

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// Adds what a runner's summary line says: cargo test, cargo-nextest or node's TAP reporter.
    fn read(&mut self, line: &str) {
        // nextest repeats, further in, what a test that failed has written, its own summary too.
        let of_cargo_test = line.starts_with("test result:");
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.split(' ');
            if let (Some(word), Some(Ok(n)), None) =
                (words.next(), words.next().map(str::parse::<u64>), words.next())
            {
                match word {
                    "pass" => self.passed += n,
                    "fail" | "cancelled" => self.failed += n,
                    "skipped" | "todo" => self.skipped += n,
                    _ => {}
                }
            }
            return;
        }
        if !(of_cargo_test || line.starts_with("Summary [")) {
            return;
        }
        let words: Vec<&str> =
            line.split(|c: char| c.is_whitespace() || ",;.:".contains(c)).collect();
        for pair in words.windows(2) {
            let Ok(n) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += n,
                "failed" | "timed" => self.failed += n,
                "ignored" | "skipped" => self.skipped += n,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Counts {
        let mut counts = Counts::default();
        counts.read(line);
        counts
    }

    #[test]
    fn reads_the_summary_of_cargo_test() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; \
                    3 filtered out; finished in 0.07s";
        assert_eq!(read(line), Counts { passed: 12, failed: 2, skipped: 1 });
    }

    #[test]
    fn reads_the_summary_of_nextest() {
        let line = "     Summary [   1.234s] 15 tests run: 12 passed (1 slow), 2 failed, 1 skipped";
        assert_eq!(read(line), Counts { passed: 12, failed: 2, skipped: 1 });
    }

    #[test]
    fn what_a_failed_test_has_written_is_not_counted_again() {
        let line = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; \
                    430 filtered out; finished in 0.62s";
        assert_eq!(read(line), Counts::default());
    }

    #[test]
    fn reads_the_summary_of_node() {
        let mut counts = Counts::default();
        for line in ["# tests 9", "# pass 7", "# fail 2", "# skipped 0", "# duration_ms 12.5"] {
            counts.read(line);
        }
        assert_eq!(counts, Counts { passed: 7, failed: 2, skipped: 0 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(read("12 passed the exam, 3 failed"), Counts::default());
        assert_eq!(read("# pass me the salt"), Counts::default());
    }
}
