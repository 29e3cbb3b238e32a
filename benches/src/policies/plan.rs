//! What a generated strategy hits against the default: made from the first half of each trace, judged
//! on the second half alone and on the whole.

use crate::suites::Size;
use perf_cache::policy::PolicyKind;
use perf_cache::replay::{Room, Trace, simulate_kind};
use perf_cache::strategy::{CacheStrategy, Constraints, Place, WorkloadAnalysis};
use serde_json::json;
use std::fmt::Write;

/// One workload at one size.
#[derive(Debug)]
pub(crate) struct Judgement {
    workload: String,
    size: Size,
    entries: u64,
    strategy: CacheStrategy,
    second: Sides,
    whole: Sides,
}

/// Hit ratios of the default, of the strategy, and of the strategy without loading ahead.
#[derive(Clone, Copy, Debug)]
struct Sides {
    default: f64,
    strategy: f64,
    without_ahead: f64,
}

impl Sides {
    fn of(strategy: &CacheStrategy, trace: &Trace, room: Room) -> Sides {
        let mut plain = strategy.clone();
        plain.prefetch = None;
        Sides {
            default: simulate_kind(trace, room, PolicyKind::Adaptive).hit_ratio,
            strategy: strategy.replay(trace, room).replayed.hit_ratio,
            without_ahead: plain.replay(trace, room).replayed.hit_ratio,
        }
    }

    fn gain(self) -> f64 {
        self.strategy - self.default
    }
}

impl Judgement {
    pub(crate) fn of(workload: &str, trace: &Trace, size: Size) -> Judgement {
        let entries = size.entries(trace.keys());
        let room = Room::Entries(entries);
        let half = trace.len() / 2;
        let analysis = WorkloadAnalysis::of_trace(&trace.part(0..half), &[room], |_, _| ());
        let bound = Constraints::new().max_entries(entries);
        let strategy = CacheStrategy::generate("judged", &analysis, &bound);
        Judgement {
            workload: workload.to_owned(),
            size,
            entries,
            second: Sides::of(&strategy, &trace.part(half..trace.len()), room),
            whole: Sides::of(&strategy, trace, room),
            strategy,
        }
    }

    /// What it chose, in words.
    fn chosen(&self) -> String {
        let memory = self.strategy.tier(Place::Memory);
        let policy = memory.and_then(|memory| memory.policy).unwrap_or(PolicyKind::Adaptive);
        let share = memory.and_then(|memory| memory.cold_share);
        let share = share.map_or_else(String::new, |share| format!(", cold share {share:.2}"));
        let ahead = if self.strategy.prefetch.is_some() { ", ahead" } else { "" };
        format!("{policy}{share}{ahead}")
    }
}

pub(crate) fn json_lines(all: &[Judgement]) -> serde_json::Result<String> {
    let mut lines = String::new();
    for one in all {
        let sides = |sides: Sides| {
            json!({
                "default": sides.default, "strategy": sides.strategy,
                "without_ahead": sides.without_ahead,
            })
        };
        let row = json!({
            "trace": one.workload, "size": one.size.to_string(), "entries": one.entries,
            "chosen": one.chosen(), "second_half": sides(one.second), "whole": sides(one.whole),
        });
        lines.push_str(&serde_json::to_string(&row)?);
        lines.push('\n');
    }
    Ok(lines)
}

/// A table in Markdown, and what it comes to.
pub(crate) fn page(all: &[Judgement]) -> String {
    let mut page = String::from(
        "| workload | entries | chosen from the first half | second half: default | strategy | \
         whole: default | strategy |\n|---|---|---|---|---|---|---|\n",
    );
    for one in all {
        let percent = |ratio: f64| 100.0 * ratio;
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            one.workload,
            one.entries,
            one.chosen(),
            percent(one.second.default),
            percent(one.second.strategy),
            percent(one.whole.default),
            percent(one.whole.strategy),
        );
    }
    page.push_str(
        "\nHit ratios in per cent.\n\n| | mean gain | of it by the policy | cells that gain | \
         cells that lose | worst | where |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, is_whole) in [("second half", false), ("whole", true)] {
        let sides = |one: &Judgement| if is_whole { one.whole } else { one.second };
        let count = all.len().max(1) as f64;
        let gains = || all.iter().map(|one| sides(one).gain());
        let mean = 100.0 * gains().sum::<f64>() / count;
        let policy = |one: &Judgement| sides(one).without_ahead - sides(one).default;
        let policy = 100.0 * all.iter().map(policy).sum::<f64>() / count;
        let up = gains().filter(|gain| *gain > 0.0).count();
        let down = gains().filter(|gain| *gain < 0.0).count();
        let worst = all.iter().min_by(|a, b| sides(a).gain().total_cmp(&sides(b).gain()));
        let (least, place) = worst.map_or((0.0, String::new()), |one| {
            let least = sides(one).gain();
            let place = (least < 0.0).then(|| format!("{} at {}", one.workload, one.entries));
            (100.0 * least, place.unwrap_or_default())
        });
        let _ = writeln!(
            page,
            "| {name} | {mean:+.2} | {policy:+.2} | {up} | {down} | {least:+.3} | {place} |"
        );
    }
    page
}
