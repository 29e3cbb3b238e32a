//! The summary of a run.

use super::Ran;
use crate::output::many;
use perf_async::test_queue::{TestReport, TestResult, Verdict};
use perf_bench::report::{Block, Document, Level, Section, Table, Tone, figure};

/// How many of the slowest cases are named.
pub(super) const SLOWEST: usize = 10;

pub(super) fn document(suite: &str, ran: &Ran) -> Document {
    let report = &ran.report;
    let about = format!(
        "{}, {} at once, {}",
        many(report.results.len() as u64, "case", "cases"),
        report.jobs,
        figure(report.elapsed.as_secs_f64(), "s"),
    );
    let (tone, words) = verdict(ran);
    let mut document = Document::new(suite, about).verdict(tone, words);
    let notices: Vec<Block> = notices(report);
    if !notices.is_empty() {
        document = document.section(Section::new("", notices));
    }
    let cut: Vec<&TestResult> =
        report.results.iter().filter(|r| r.verdict == Verdict::Cancelled).map(|r| &**r).collect();
    let failed: Vec<&TestResult> = report.failed().collect();
    let flaky: Vec<&TestResult> = report.flaky().collect();
    for (title, results, why) in [
        ("Failed", failed, why_failed as fn(&TestResult) -> String),
        ("Flaky", flaky, why_flaky),
        ("Cut off", started(cut), why_failed),
    ] {
        if !results.is_empty() {
            document = document.section(Section::new(title, [Block::Table(table(&results, why))]));
        }
    }
    let slowest = report.slowest(SLOWEST);
    if slowest.len() > 1 {
        let blocks = [Block::Table(table(&slowest, slow))];
        document = document.section(Section::new("Slowest", blocks));
    }
    document
}

/// Of those that were cut off, the ones that ran.
fn started(mut cut: Vec<&TestResult>) -> Vec<&TestResult> {
    cut.retain(|result| result.attempts > 0);
    cut
}

fn verdict(ran: &Ran) -> (Tone, String) {
    let report = &ran.report;
    let mut parts = Vec::new();
    let flaky = report.flaky().count();
    for (count, word) in [
        (report.count(Verdict::Failed), "failed"),
        (report.count(Verdict::TimedOut), "timed out"),
        (report.count(Verdict::Cancelled), "cancelled"),
        (report.count(Verdict::Passed), "passed"),
        (flaky, "of them flaky"),
        (report.count(Verdict::Unchanged), "unchanged"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let tone = match () {
        () if !report.is_passed() => Tone::Bad,
        () if flaky > 0 || ran.interrupted => Tone::Warn,
        () => Tone::Good,
    };
    let mut words = parts.join(", ");
    if ran.interrupted {
        words = format!("interrupted: {words}");
    }
    (tone, words)
}

fn notices(report: &TestReport) -> Vec<Block> {
    let warn = |text: String| Block::Notice(Level::Warning, text);
    let mut notices: Vec<Block> = report.notices.iter().cloned().map(warn).collect();
    if let Some(why) = &report.sink_error {
        notices.push(Block::Notice(Level::Error, format!("results were not kept: {why}")));
    }
    if report.events_dropped > 0 {
        notices.push(warn(format!("{} lines fell off above", report.events_dropped)));
    }
    notices
}

fn table(results: &[&TestResult], why: fn(&TestResult) -> String) -> Table {
    let mut table = Table::new(["case", "time >", ""]);
    for result in results {
        let tone = match result.verdict {
            Verdict::Failed | Verdict::TimedOut => Tone::Bad,
            _ if result.is_flaky() => Tone::Warn,
            _ => Tone::Plain,
        };
        table.push([
            (result.name.clone(), tone),
            (figure(result.duration.as_secs_f64(), "s"), Tone::Plain),
            (why(result), Tone::Quiet),
        ]);
    }
    table
}

fn why_failed(result: &TestResult) -> String {
    let why = result.reason.clone().unwrap_or_default();
    match result.attempts {
        0 | 1 => why,
        attempts => format!("{why} ({attempts} attempts)"),
    }
}

fn why_flaky(result: &TestResult) -> String {
    let failures = result.failures.join("; ");
    format!("passed at attempt {} after: {failures}", result.attempts)
}

fn slow(result: &TestResult) -> String {
    let mark = if result.slow { "slow" } else { "" };
    mark.to_owned()
}
