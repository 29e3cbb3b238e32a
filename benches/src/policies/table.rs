//! The results as a page and as lines of JSON.

use serde_json::json;
use std::fmt::Write;

/// What each candidate hit of one workload at one size.
#[derive(Debug)]
pub(crate) struct Cell {
    pub workload: String,
    pub requests: u64,
    pub keys: u64,
    pub size: String,
    pub entries: u64,
    pub optimal: u64,
    /// One for each candidate.
    pub hits: Vec<u64>,
}

impl Cell {
    fn ratio(&self, hits: u64) -> f64 {
        hits as f64 / self.requests.max(1) as f64
    }

    /// Against the optimum, which counts as half a hundredth at least: below that, it is noise.
    fn of_optimal(&self, hits: u64) -> f64 {
        self.ratio(hits) / self.ratio(self.optimal).max(0.005)
    }

    /// In points of hit ratio, against LRU, which is the first candidate.
    fn against_lru(&self, hits: u64) -> f64 {
        100.0 * (self.ratio(hits) - self.ratio(self.hits[0]))
    }
}

pub(crate) fn json_lines(names: &[String], cells: &[Cell]) -> serde_json::Result<String> {
    let mut lines = String::new();
    for cell in cells {
        for (policy, &hits) in names.iter().zip(&cell.hits) {
            let row = json!({
                "trace": cell.workload, "requests": cell.requests, "keys": cell.keys,
                "size": cell.size, "entries": cell.entries, "policy": policy,
                "hit_ratio": cell.ratio(hits), "optimal": cell.ratio(cell.optimal),
            });
            lines.push_str(&serde_json::to_string(&row)?);
            lines.push('\n');
        }
    }
    Ok(lines)
}

/// Two tables in Markdown: all cells, and what they come to.
pub(crate) fn page(names: &[String], cells: &[Cell]) -> String {
    let mut page = format!("| workload | entries | optimal | {} |\n", names.join(" | "));
    page.push_str(&format!("|---|---|---|{}\n", "---|".repeat(names.len())));
    for cell in cells {
        let percent = |hits: u64| format!("{:.1}", 100.0 * cell.ratio(hits));
        let row: Vec<String> = cell.hits.iter().map(|&hits| percent(hits)).collect();
        let (optimal, row) = (percent(cell.optimal), row.join(" | "));
        let _ = writeln!(page, "| {} | {} | {optimal} | {row} |", cell.workload, cell.entries);
    }
    page.push_str("\nHit ratios in per cent.\n\n");
    page.push_str(
        "| policy | mean of hit/optimal | cells under LRU - 1 | worst against LRU | where |\n",
    );
    page.push_str("|---|---|---|---|---|\n");
    let mean = |hits: &dyn Fn(&Cell) -> u64| {
        cells.iter().map(|cell| cell.of_optimal(hits(cell))).sum::<f64>() / cells.len() as f64
    };
    for (i, name) in names.iter().enumerate() {
        let leads = cells.iter().map(|cell| (cell.against_lru(cell.hits[i]), cell));
        let under = leads.clone().filter(|(lead, _)| *lead < -1.0).count();
        let Some((worst, cell)) = leads.min_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
        let mean = mean(&|cell| cell.hits[i]);
        let place = if worst < 0.0 {
            format!("{} at {}", cell.workload, cell.entries)
        } else {
            String::new()
        };
        let _ = writeln!(page, "| {name} | {mean:.4} | {under} | {worst:.1} | {place} |");
    }
    let best = mean(&|cell| cell.hits.iter().copied().max().unwrap_or(0));
    let _ = writeln!(page, "| best in each cell | {best:.4} | | | |");
    page
}
