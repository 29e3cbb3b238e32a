//! The gateway's cache of answers as the Caching page looks into it.

use crate::inspect::{
    CacheReport, CurveMark, CurvePoint, EntryOrder, EntryRow, Fact, InspectCache,
    InvalidateFailure, PolicyRow, Selection,
};
use perf_cache::insight::Insight;
use perf_cache::policy::PolicyKind;
use perf_cache::strategy::WorkloadAnalysis;
use perf_core::{Glob, Unit};
use perf_http::ResponseCache;
use std::error::Error;

/// The cache of answers.
#[derive(Debug)]
pub(super) struct Answers(pub(super) ResponseCache);

impl InspectCache for Answers {
    fn report(&self) -> CacheReport {
        let memory = self.0.memory();
        let policy = memory.policy().map_or_else(|| "custom".to_owned(), |kind| kind.to_string());
        let mut report = CacheReport { dead: memory.dead_estimate(), ..CacheReport::default() };
        if let Some(insight) = memory.insight() {
            describe(&insight, &policy, &mut report);
        }
        report.policy = policy;
        report
    }

    fn analysis(&self) -> Option<WorkloadAnalysis> {
        let memory = self.0.memory();
        let policy = memory.policy().unwrap_or(PolicyKind::Adaptive);
        Some(WorkloadAnalysis::of_insight(&memory.insight()?, policy))
    }

    fn entries(&self, order: EntryOrder, most: usize) -> Vec<EntryRow> {
        let memory = self.0.memory();
        let row = |key: &str, bytes, uses, left: Option<std::time::Duration>| EntryRow {
            key: shown(key),
            bytes: Some(bytes),
            uses,
            expires_in_seconds: left.map(|left| left.as_secs_f64()),
        };
        if order == EntryOrder::Largest {
            let largest = self.0.largest(most).into_iter();
            let rows = largest.map(|(key, bytes)| {
                let known = memory.entry_info(key.as_str());
                let left = known.and_then(|known| known.time_to_live);
                row(key.as_str(), bytes, None, left)
            });
            return rows.collect();
        }
        let hottest = memory.hottest(most).into_iter();
        let rows = hottest.map(|e| row(e.key.as_str(), e.size.as_u64(), e.hits, e.time_to_live));
        rows.collect()
    }

    fn count(&self, selection: &Selection) -> Result<u64, String> {
        let memory = self.0.memory();
        Ok(match selection {
            Selection::Key(key) => u64::from(memory.contains(key.as_str())),
            Selection::Tag(tag) => memory.count_tag(tag),
            Selection::Pattern(pattern) => memory.count_pattern(&glob(pattern)?),
        })
    }

    fn invalidate(&self, selection: &Selection) -> Result<u64, InvalidateFailure> {
        let forgotten = match selection {
            Selection::Key(key) => self.0.invalidate_key(key).map(u64::from),
            Selection::Tag(tag) => self.0.invalidate_tag(tag),
            Selection::Pattern(pattern) => self.0.invalidate_matching(&glob(pattern)?),
        };
        forgotten.map_err(|error| {
            let (mut why, mut next) = (Vec::new(), error.source());
            while let Some(cause) = next {
                why.push(cause.to_string());
                next = cause.source();
            }
            let cause = format!("{error} ({})", why.join(": "));
            InvalidateFailure::NotDurable { entries: error.forgotten(), cause }
        })
    }

    fn uncounted(&self) -> Option<&'static str> {
        self.0
            .outer()
            .map(|_| "What is only beyond memory is not counted, and forgotten all the same.")
    }
}

/// A key as it is shown: one that is cut ends in `…`, so that nobody takes it for the key.
fn shown(key: &str) -> String {
    match key.char_indices().nth(LONGEST_KEY) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}

fn glob(pattern: &str) -> Result<Glob, String> {
    Glob::new(pattern).map_err(|error| error.to_string())
}

fn describe(insight: &Insight, policy: &str, report: &mut CacheReport) {
    let in_bytes = insight.unit == Unit::Bytes;
    report.unit = if in_bytes { "bytes" } else { "count" };
    report.capacity = Some(insight.capacity as f64);
    report.sampled = insight.sampled_keys;
    report.sampled_share = Some(insight.sampling_rate);
    let steps = (-STEPS..=STEPS).map(|step| 2_f64.powf(f64::from(step) / 4.0));
    let hit_ratio = |factor: f64| insight.hit_ratio_with(factor);
    report.curve = steps
        .filter_map(|factor| {
            let capacity = insight.capacity as f64 * factor;
            Some(CurvePoint { capacity, hit_ratio: hit_ratio(factor)? })
        })
        .collect();
    let marks = [("half", 0.5), ("today", 1.0), ("twice", 2.0), ("four times", 4.0)];
    let mark = |(title, factor)| {
        let capacity = insight.capacity as f64 * factor;
        Some(CurveMark { title, capacity, hit_ratio: hit_ratio(factor)? })
    };
    report.marks = marks.into_iter().filter_map(mark).collect();
    let mut policies: Vec<PolicyRow> = insight
        .policies
        .iter()
        .map(|(kind, hit_ratio)| {
            let name = kind.to_string();
            PolicyRow { in_use: name == policy, policy: name, hit_ratio: *hit_ratio }
        })
        .collect();
    // What the default one would hit needs no shadow: it is measured.
    if let (false, Some(hit_ratio)) = (policies.iter().any(|row| row.in_use), insight.hit_ratio) {
        policies.push(PolicyRow { policy: policy.to_owned(), hit_ratio, in_use: true });
    }
    policies.sort_by(|a, b| b.hit_ratio.total_cmp(&a.hit_ratio));
    report.policies = policies;
    report.workload = facts(insight, in_bytes);
}

/// What is known of the workload, in words.
fn facts(insight: &Insight, in_bytes: bool) -> Vec<Fact> {
    let workload = &insight.workload;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let bytes = |n: u64| {
        if in_bytes { perf_core::ByteSize::from_bytes(n).to_string() } else { n.to_string() }
    };
    let mut facts = Vec::new();
    let mut add = |title, value: Option<String>, help| {
        facts.extend(value.map(|value| Fact { title, value, help }));
    };
    let help = "The exponent of the Zipf law that fits best: 0 is all alike, web traffic is about 0.6 to 1.";
    add("Skew", workload.skew.map(|skew| format!("{skew:.2}")), help);
    let help = "Lookups of keys that were seen only once.";
    add("Used once", workload.scan_share.map(percent), help);
    for (q, distance) in workload.reuse_distance {
        let help = "Half of all keys come back before so much else was used.";
        if q == 0.5 {
            add("Comes back after", distance.map(bytes), help);
        }
    }
    let help = "Half of the entries that come in are smaller than this.";
    add("Typical size", workload.weights.quantile(0.5).map(bytes), help);
    let help = "Insertions that gave a key a new value.";
    add("Replaced", workload.change_share.map(percent), help);
    facts
}

/// Quarters of a doubling on each side of today's capacity: four doublings.
const STEPS: i32 = 16;
const LONGEST_KEY: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_cut_ends_in_dots() {
        let whole = "é".repeat(LONGEST_KEY);
        assert_eq!(shown(&whole), whole);
        assert_eq!(shown(&format!("{whole}x")), format!("{whole}…"));
    }
}
