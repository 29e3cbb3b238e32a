//! What prefetching brings, and what it loads in vain.

use crate::suites::Size;
use perf_cache::learning::Prefetch;
use perf_cache::policy::{Adaptive, PolicyKind};
use perf_cache::replay::{ReplayedAhead, Room, Trace, simulate_ahead, simulate_kind};
use serde_json::json;
use std::fmt::Write;

/// One workload at one size, both ways.
#[derive(Debug)]
pub(crate) struct Pair {
    workload: String,
    requests: u64,
    size: Size,
    entries: u64,
    without: u64,
    with: ReplayedAhead,
}

impl Pair {
    /// Replays the workload under the default policy, with a budget of a twentieth of the cache.
    pub(crate) fn replay(workload: &str, trace: &Trace, size: Size) -> anyhow::Result<Pair> {
        let entries = size.entries(trace.keys());
        let room = Room::Entries(entries);
        let prefetch = Prefetch::builder((entries / 20).max(1)).build()?;
        Ok(Pair {
            workload: workload.to_owned(),
            requests: trace.len() as u64,
            size,
            entries,
            without: simulate_kind(trace, room, PolicyKind::Adaptive).hits,
            with: simulate_ahead(trace, room, Adaptive::alone(), prefetch),
        })
    }

    fn ratio(&self, hits: u64) -> f64 {
        hits as f64 / self.requests.max(1) as f64
    }

    fn gain(&self) -> f64 {
        self.ratio(self.with.replayed.hits) - self.ratio(self.without)
    }
}

pub(crate) fn json_lines(pairs: &[Pair]) -> serde_json::Result<String> {
    let mut lines = String::new();
    for pair in pairs {
        let ahead = pair.with.prefetch;
        let row = json!({
            "trace": pair.workload, "requests": pair.requests, "size": pair.size.to_string(),
            "entries": pair.entries, "hit_ratio": pair.ratio(pair.without),
            "hit_ratio_ahead": pair.ratio(pair.with.replayed.hits), "loaded_ahead": ahead.named,
            "used": ahead.used, "unused": ahead.unused, "precision": ahead.precision(),
            "is_on": pair.with.is_on,
        });
        lines.push_str(&serde_json::to_string(&row)?);
        lines.push('\n');
    }
    Ok(lines)
}

/// A table in Markdown, and what it comes to.
pub(crate) fn page(pairs: &[Pair]) -> String {
    let mut page = String::from(
        "| workload | entries | without | with | loaded ahead | precision | at the end |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for pair in pairs {
        let percent = |hits: u64| 100.0 * pair.ratio(hits);
        let ahead = pair.with.prefetch;
        let precision = ahead.precision().map_or_else(String::new, |share| format!("{share:.2}"));
        let _ = writeln!(
            page,
            "| {} | {} | {:.2} | {:.2} | {} | {precision} | {} |",
            pair.workload,
            pair.entries,
            percent(pair.without),
            percent(pair.with.replayed.hits),
            ahead.named,
            if pair.with.is_on { "on" } else { "off" },
        );
    }
    let mean = pairs.iter().map(Pair::gain).sum::<f64>() / pairs.len().max(1) as f64;
    let worst = pairs.iter().min_by(|a, b| a.gain().total_cmp(&b.gain()));
    let _ = writeln!(page, "\nHit ratios in per cent. {:+.2} points in the mean", 100.0 * mean);
    if let Some(worst) = worst {
        let gain = 100.0 * worst.gain();
        let _ = writeln!(page, "{gain:+.3} at worst, {} at {}.", worst.workload, worst.entries);
    }
    page
}
