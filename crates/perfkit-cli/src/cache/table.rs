//! The results as a table and as rows of JSON.

use super::advice::Advice;
use super::cells::{Results, SizeResults};
use super::read::Recorded;
use super::sizes::{Size, count, percent};
use perf_bench::report::{Block, Document, Level, Section, Table, Tone};
use perf_bench::trace::Malformed;
use perf_cache::policy::PolicyKind;
use perf_cache::replay::Room;
use perf_core::ByteSize;
use serde_json::{Value, json};

/// What was read, and the hit ratios by size and policy, the best of each size marked.
pub(super) fn document(
    recorded: &Recorded,
    sizes: &[Size],
    policies: &[PolicyKind],
    results: &Results,
) -> Document {
    let mut blocks: Vec<Block> = warnings(recorded).into_iter().collect();
    let names = policies.iter().map(|policy| format!("{policy} >"));
    let columns = ["size >", "entries >"].map(str::to_owned).into_iter().chain(names);
    let mut table = Table::new(columns.chain(["optimal >".to_owned()]));
    for (size, found) in sizes.iter().zip(&results.sizes) {
        table.push(row(size, found));
    }
    let mut note = "Hits in % of the requests; * hits most.".to_owned();
    if sizes.iter().any(Size::is_bytes) {
        note += " Entries of a size in bytes: the most held at once by any policy.";
    }
    table.note = Some(note);
    blocks.push(Block::Table(table));
    Document::new(&recorded.name, about(recorded)).section(Section::new("", blocks))
}

fn row(size: &Size, found: &SizeResults) -> Vec<(String, Tone)> {
    let tenths = |ratio: f64| (ratio * 1000.0).round();
    let best = found.policies.iter().map(|done| tenths(done.hit_ratio)).fold(0.0, f64::max);
    let mut cells = vec![(size.to_string(), Tone::Plain), (count(entries(found)), Tone::Quiet)];
    for done in &found.policies {
        let ratio = tenths(done.hit_ratio);
        let is_best = ratio == best && best > 0.0;
        let mark = if is_best { "*" } else { "" };
        let tone = if is_best { Tone::Good } else { Tone::Plain };
        cells.push((format!("{mark}{:.1}", ratio / 10.0), tone));
    }
    let optimal = found.optimal.map_or("–".to_owned(), |ratio| format!("{:.1}", ratio * 100.0));
    cells.push((optimal, Tone::Quiet));
    cells
}

fn entries(found: &SizeResults) -> u64 {
    match found.room {
        Room::Entries(entries) => entries,
        Room::Bytes(_) => found.policies.iter().map(|done| done.entries).max().unwrap_or(0),
    }
}

/// One sentence on the trace.
pub(super) fn about(recorded: &Recorded) -> String {
    let trace = &recorded.trace;
    let weight = if trace.has_weights() {
        format!(" of {}", ByteSize::from_bytes(trace.weight()))
    } else {
        String::new()
    };
    format!(
        "{}: {} requests, {} keys{weight}; with room for everything {} hits",
        recorded.summary.format,
        count(trace.len() as u64),
        count(trace.keys() as u64),
        percent(trace.repeats())
    )
}

fn warnings(recorded: &Recorded) -> Vec<Block> {
    let summary = &recorded.summary;
    let mut blocks = Vec::new();
    if summary.malformed > 0 {
        let first: Vec<String> = summary
            .first_malformed
            .iter()
            .map(|Malformed { line, text }| format!("line {line} is `{text}`"))
            .collect();
        let (n, plural) = (count(summary.malformed), if summary.malformed == 1 { "" } else { "s" });
        let words = format!(
            "{n} malformed line{plural} left out: {}{}",
            first.join(", "),
            if summary.malformed > first.len() as u64 { ", …" } else { "" }
        );
        blocks.push(Block::Notice(Level::Warning, words));
    }
    if summary.skipped > 0 {
        let words =
            format!("{} lines left out: no GET or HEAD, or another status", count(summary.skipped));
        blocks.push(Block::Notice(Level::Info, words));
    }
    if recorded.is_cut {
        let words = "cut off at the limit: --limit reads more".to_owned();
        blocks.push(Block::Notice(Level::Warning, words));
    }
    blocks
}

/// The trace, its curve and the recommendation for `--json`.
pub(super) fn trace_json(recorded: &Recorded, results: &Results, advice: Option<&Advice>) -> Value {
    let (trace, summary) = (&recorded.trace, &recorded.summary);
    let curve: Vec<Value> =
        results.curve.points(CURVE_POINTS).iter().map(|(n, hit)| json!([n, hit])).collect();
    let advice = advice.map(|advice| {
        let found = &advice.found;
        json!({
            "size": found.size,
            "unit": if advice.is_bytes { "bytes" } else { "entries" },
            "policy": found.policy,
            "hit_ratio": found.hit_ratio,
            "best_policy": found.best.0,
            "best_hit_ratio": found.best.1,
            "optimal": advice.optimal,
            "gain_per_doubling_before": found.gain_before(),
            "gain_per_doubling_after": found.gain_after(),
            "is_everything": found.is_everything,
            "reasons": advice.reasons(),
        })
    });
    json!({
        "trace": recorded.name,
        "format": summary.format.name(),
        "requests": trace.len(),
        "keys": trace.keys(),
        "bytes": trace.has_weights().then(|| trace.weight()),
        "skipped": summary.skipped,
        "malformed": summary.malformed,
        "cut": recorded.is_cut,
        "unbounded_hit_ratio": trace.repeats(),
        "lru_curve": { "sampled": results.curve.rate(), "points": curve },
        "recommendation": advice,
    })
}

const CURVE_POINTS: usize = 100;

/// The rows of one trace for `--json`.
pub(super) fn rows_json(
    recorded: &Recorded,
    sizes: &[Size],
    policies: &[PolicyKind],
    results: &Results,
) -> Vec<Value> {
    let mut rows = Vec::new();
    for (size, found) in sizes.iter().zip(&results.sizes) {
        for (policy, done) in policies.iter().zip(&found.policies) {
            let entries = match found.room {
                Room::Entries(entries) => entries,
                Room::Bytes(_) => done.entries,
            };
            rows.push(json!({
                "trace": recorded.name,
                "requests": recorded.trace.len(),
                "keys": recorded.trace.keys(),
                "size": size.to_string(),
                "entries": entries,
                "policy": policy.name(),
                "hit_ratio": done.hit_ratio,
                "optimal": found.optimal,
            }));
        }
    }
    rows
}
