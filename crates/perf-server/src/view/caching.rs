//! The caching page: who answers, what the cache did, and its knobs.

use super::attention::by_label;
use super::charts;
use super::shapes::{Caching, CachingStats, Tier};
use super::traffic::{
    FETCHED, FROM_MEMORY, MEMORY, OUTERS, Outer, PASSED, RESPONSES, TIERS, Traffic, answer_times,
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
        hits: None,
        misses: None,
        breaker: None,
        compression_ratio: None,
    };
    let looked_up = |signal: &str| Some(history.counter(&Select::new(MEMORY, signal), span));
    let memory = Tier {
        hits: looked_up("hits"),
        misses: looked_up("misses"),
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
    for outer in OUTERS.into_iter().filter(|outer| outer.is_there(history, span)) {
        let outcomes = [outer.id];
        let times = answer_times(history, &outcomes, span);
        let answered = answered(history, &outcomes, span);
        tiers.push(beyond(scene, outer, span, tier(outer.id, outer.title, answered, &times)));
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
            .filter(|knob| [RESPONSES, MEMORY, TIERS].contains(&knob.component.as_str()))
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

/// What is known of a tier beyond memory.
fn beyond(scene: &Scene<'_>, outer: Outer, span: analytics::Span, tier: Tier) -> Tier {
    let history = scene.history;
    let gauge = |signal: &str| history.gauge(&outer.signal(signal), span);
    let count = |signal: &str| Some(history.counter(&outer.signal(signal), span));
    // Of what it holds a server does not tell.
    let holds = |signal: &str| gauge(signal).filter(|held| outer.id == "disk" || *held > 0.0);
    Tier {
        hits: count("tier_hits"),
        misses: count("tier_misses"),
        entries: holds("tier_entries"),
        bytes: holds("tier_bytes"),
        capacity_bytes: (outer.id == "disk").then(|| capacity(scene)).flatten(),
        breaker: gauge("tier_breaker").map(breaker),
        compression_ratio: compression(history, span),
        ..tier
    }
}

/// The bound of the disk, which is a knob.
fn capacity(scene: &Scene<'_>) -> Option<f64> {
    let mut knobs = scene.knobs.iter();
    let knob = knobs.find(|knob| knob.component == TIERS && knob.knob == "disk_capacity")?;
    knob.value.as_f64()
}

/// What was sealed for the tiers beyond memory, before and after.
fn compression(history: &History, span: analytics::Span) -> Option<f64> {
    let bytes = |signal: &str| history.counter(&Select::new(TIERS, signal), span) as f64;
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
fn per_second(history: &History, tier: &'static str, span: analytics::Span) -> Option<f64> {
    let outcomes: Vec<&str> = match tier {
        "memory" => FROM_MEMORY.to_vec(),
        "disk" | "remote" | "cdn" => vec![tier],
        _ => FETCHED.iter().chain(&PASSED).copied().collect(),
    };
    outcomes
        .into_iter()
        .filter_map(|outcome| history.rate(&super::traffic::answers(outcome), span))
        .fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
}
