//! The caching page: who answers, what the cache did, and its knobs.

use super::attention::by_label;
use super::charts;
use super::learning::learning;
use super::purging::purgers;
use super::shapes::{Caching, CachingStats, KnobRow, Learning, Purger, Sharing, Tier};
use super::traffic::{
    FETCHED, FROM_MEMORY, MEMORY, OUTERS, Outer, PASSED, REDIS, RESPONSES, TIERS, Traffic,
    answer_times, answered, ms,
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
        failed: None,
        passed_by: None,
        sharing: None,
        lag_seconds: None,
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
    let (learning, purgers) = (learning(scene, span), purgers(scene, span));
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
        knobs: knobs(scene, &learning, &purgers),
        learning,
        purgers,
        events: scene.events_within(shown),
    }
}

/// The knobs of all that the page speaks of.
fn knobs(scene: &Scene<'_>, learning: &Learning, purgers: &[Purger]) -> Vec<KnobRow> {
    let ahead = learning.ahead.iter().map(|row| row.component.as_str());
    let lives = learning.lives.iter().map(|row| row.component.as_str());
    let purgers = purgers.iter().map(|row| row.component.as_str());
    let spoken_of: Vec<&str> =
        [RESPONSES, MEMORY, TIERS].into_iter().chain(ahead).chain(lives).chain(purgers).collect();
    let knobs = scene.knobs.iter().filter(|knob| spoken_of.contains(&knob.component.as_str()));
    knobs.cloned().collect()
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
        failed: count("tier_failed")
            .zip(count("tier_timed_out"))
            .map(|(failed, late)| failed + late),
        passed_by: count("tier_passed_by"),
        sharing: (outer.id == "remote").then(|| sharing(history, span)).flatten(),
        lag_seconds: (outer.id == "remote")
            .then(|| history.gauge(&Select::new(REDIS, "unheard_for"), span))
            .flatten(),
        compression_ratio: compression(history, span),
        ..tier
    }
}

/// How a tier that other processes share and this process are in step, where that is told.
fn sharing(history: &History, span: analytics::Span) -> Option<Sharing> {
    let gauge = |signal: &str| history.gauge(&Select::new(TIERS, signal), span);
    let count = |signal: &str| history.counter(&Select::new(TIERS, signal), span);
    gauge("change_number").map(|_| Sharing {
        pending: gauge("unannounced"),
        changes: count("changes"),
        doubts: count("doubts"),
    })
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::view::shapes::{HealthSummary, Service};
    use perf_analytics::HistoryConfig;
    use perf_core::{Instant, Signal, Unit};

    /// One in which nothing is known but history.
    pub(in crate::view) fn scene(history: &History) -> Scene<'_> {
        let service = Service {
            name: String::new(),
            version: String::new(),
            uptime_seconds: 0.0,
            origin: None,
            listen: None,
        };
        Scene {
            history,
            at: 0.0,
            service,
            health: HealthSummary { status: "healthy", summary: String::new() },
            components: Vec::new(),
            knobs: Vec::new(),
            events: Vec::new(),
            budgets: Vec::new(),
        }
    }

    fn shown(history: &History) -> Caching {
        caching(&scene(history), Span::default())
    }

    #[test]
    fn every_tier_has_its_place_and_what_is_known_of_it() {
        let history = History::new(HistoryConfig::default());
        let at = Instant::from_nanos(1_000_000_000);
        let ids = |shown: &Caching| shown.tiers.iter().map(|tier| tier.id).collect::<Vec<_>>();
        assert_eq!(ids(&shown(&history)), ["memory", "origin"]);
        for (outcome, count) in
            [("hit", 50), ("disk", 20), ("remote", 10), ("cdn", 5), ("miss", 15)]
        {
            let labels = [("outcome", outcome)];
            let answers = Signal::counter("answers", count, at).labels(&labels);
            history.sample(at, RESPONSES, &answers);
        }
        for (name, breaker) in [("cdn", 1.0), ("redis", 2.0), ("disk", 0.0)] {
            let labels = [("tier", name)];
            let counters = [("tier_failed", 3), ("tier_timed_out", 4), ("tier_passed_by", 90)];
            for (signal, count) in counters {
                let signal = Signal::counter(signal, count, at).labels(&labels);
                history.sample(at, TIERS, &signal);
            }
            let breaker = Signal::gauge("tier_breaker", Unit::None, breaker).labels(&labels);
            history.sample(at, TIERS, &breaker);
        }
        let page = shown(&history);
        assert_eq!(ids(&page), ["memory", "disk", "remote", "cdn", "origin"]);
        let shares: Vec<_> = page.tiers.iter().filter_map(|tier| tier.share).collect();
        assert_eq!(shares, [0.5, 0.2, 0.1, 0.05, 0.15]);
        let breakers: Vec<_> = page.tiers.iter().map(|tier| tier.breaker).collect();
        assert_eq!(breakers, [None, Some("closed"), Some("open"), Some("half open"), None]);
        assert_eq!((page.tiers[2].failed, page.tiers[2].passed_by), (Some(7), Some(90)));
        assert_eq!((page.tiers[0].failed, page.tiers[4].passed_by), (None, None));
        assert!(page.tiers.iter().all(|tier| tier.sharing.is_none()), "nobody has told of it");
    }

    #[test]
    fn only_the_tier_that_is_shared_tells_of_those_who_share_it() {
        let history = History::new(HistoryConfig::default());
        let at = Instant::from_nanos(1_000_000_000);
        for name in ["redis", "disk"] {
            let labels = [("tier", name)];
            let breaker = Signal::gauge("tier_breaker", Unit::None, 0.0).labels(&labels);
            history.sample(at, TIERS, &breaker);
        }
        for (signal, level) in [("change_number", 12.0), ("unannounced", 2.0)] {
            history.sample(at, TIERS, &Signal::gauge(signal, Unit::Count, level));
        }
        history.sample(at, TIERS, &Signal::counter("changes", 9, at));
        let page = shown(&history);
        let sharing = page.tiers[2].sharing.clone().unwrap();
        assert_eq!((sharing.pending, sharing.changes, sharing.doubts), (Some(2.0), 9, 0));
        assert!(page.tiers[0].sharing.is_none() && page.tiers[1].sharing.is_none());
    }
}
