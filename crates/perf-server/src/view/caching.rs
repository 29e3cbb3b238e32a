//! The caching page: who answers, what the cache did, and its knobs.

use super::attention::by_label;
use super::charts;
use super::shapes::{Caching, CachingStats, Tier};
use super::traffic::{
    DISK, FETCHED, FROM_DISK, FROM_MEMORY, MEMORY, PASSED, RESPONSES, Traffic, answer_times,
    answered, ms,
};
use super::{Scene, Span};
use perf_analytics::{self as analytics, History, Select};
use perf_core::{Histogram, Ratio};

/// What the caching page shows over a span.
pub(crate) fn caching(scene: &Scene<'_>, shown: Span) -> Caching {
    let (history, span) = (scene.history, analytics::Span::last(shown.duration()));
    let traffic = Traffic::of(history, span);
    let all = traffic.served + traffic.fetched + traffic.passed;
    let stats = stats(history, span, &traffic);
    let mut origin_time = traffic.fetched_time.clone();
    origin_time.merge(&answer_times(history, &PASSED, span));
    let tier = |id, title, requests: u64, time: &Histogram| Tier {
        id,
        title,
        share: Ratio::of(requests, all).map(Ratio::as_f64),
        requests,
        per_second: per_second(history, id, span),
        p50_ms: time.quantile(0.5).map(ms),
        p95_ms: time.quantile(0.95).map(ms),
        entries: None,
        bytes: None,
        capacity_bytes: None,
        breaker: None,
        compression_ratio: None,
    };
    let memory = Tier {
        entries: stats.entries,
        bytes: stats.bytes,
        capacity_bytes: stats.capacity_bytes,
        ..tier(
            "memory",
            "Memory",
            answered(history, &FROM_MEMORY, span),
            &answer_times(history, &FROM_MEMORY, span),
        )
    };
    let mut tiers = vec![memory];
    let on_disk = |signal: &str| history.gauge(&Select::new(DISK, signal), span);
    if let Some(entries) = on_disk("tier_entries") {
        let times = answer_times(history, &FROM_DISK, span);
        tiers.push(Tier {
            entries: Some(entries),
            bytes: on_disk("tier_bytes"),
            capacity_bytes: capacity(scene),
            breaker: on_disk("tier_breaker").map(breaker),
            compression_ratio: compression(history, span),
            ..tier("disk", "Disk", answered(history, &FROM_DISK, span), &times)
        });
    }
    tiers.push(tier("origin", "Origin", traffic.fetched + traffic.passed, &origin_time));
    Caching {
        at: scene.at,
        span_seconds: shown.seconds(),
        tiers,
        requests: all,
        per_second: history.rate(&Select::new(RESPONSES, "answers"), span),
        stats,
        charts: vec![
            charts::hit_ratio(history, span),
            charts::answer_times(history, span),
            charts::tier_memory(history, span),
        ],
        knobs: scene
            .knobs
            .iter()
            .filter(|knob| [RESPONSES, MEMORY, DISK].contains(&knob.component.as_str()))
            .cloned()
            .collect(),
        events: scene.events_within(shown),
    }
}

fn stats(history: &History, span: analytics::Span, traffic: &Traffic) -> CachingStats {
    let gauge = |signal: &str| history.gauge(&Select::new(MEMORY, signal), span);
    let count =
        |component: &str, signal: &str| history.counter(&Select::new(component, signal), span);
    CachingStats {
        entries: gauge("entries"),
        bytes: gauge("bytes"),
        capacity_bytes: gauge("capacity_bytes"),
        hits: traffic.served,
        misses: traffic.fetched,
        hit_ratio: traffic.hit_ratio(),
        evictions: by_label(history, MEMORY, "evictions", "cause", span),
        insertions: count(MEMORY, "insertions"),
        joins: count(RESPONSES, "collapsed"),
        stored: count(RESPONSES, "stored"),
        not_stored: by_label(history, RESPONSES, "not_stored", "reason", span),
        not_modified: count(RESPONSES, "not_modified"),
        bytes_saved: count(RESPONSES, "bytes_identity")
            .saturating_sub(count(RESPONSES, "bytes_sent")),
        encoded: by_label(history, RESPONSES, "encoded", "coding", span),
    }
}

/// The bound of the disk, which is a knob of it.
fn capacity(scene: &Scene<'_>) -> Option<f64> {
    let mut knobs = scene.knobs.iter();
    let knob = knobs.find(|knob| knob.component == DISK && knob.knob == "disk_capacity")?;
    knob.value.as_f64()
}

/// What was sealed for the disk, before and after.
fn compression(history: &History, span: analytics::Span) -> Option<f64> {
    let bytes = |signal: &str| history.counter(&Select::new(DISK, signal), span) as f64;
    let sealed = bytes("codec_stored_bytes");
    (sealed > 0.0).then(|| bytes("codec_raw_bytes") / sealed)
}

/// The state of a circuit breaker by the number of its signal.
fn breaker(state: f64) -> &'static str {
    match state {
        ..0.5 => "closed",
        ..1.5 => "half open",
        _ => "open",
    }
}

/// The rate of one tier: of its outcomes, added up.
fn per_second(history: &History, tier: &str, span: analytics::Span) -> Option<f64> {
    let outcomes: Vec<&str> = match tier {
        "memory" => FROM_MEMORY.to_vec(),
        "disk" => FROM_DISK.to_vec(),
        _ => FETCHED.iter().chain(&PASSED).copied().collect(),
    };
    outcomes
        .into_iter()
        .filter_map(|outcome| history.rate(&super::traffic::answers(outcome), span))
        .fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
}
