//! The traffic of one span as a handful of numbers, and what follows from them.
//!
//! Everything is derived from counters and distributions that add up, so a number over a span is
//! exact: no ratio is an average of ratios.

use perf_analytics::{History, Select, Span};
use perf_core::{Histogram, Ratio};

/// The components that a gateway registers.
pub(crate) const GATEWAY: &str = "gateway";
pub(crate) const RESPONSES: &str = "responses";
pub(crate) const MEMORY: &str = "memory";
pub(crate) const TIERS: &str = "tiers";
pub(super) const REDIS: &str = "redis";
pub(crate) const PROCESS: &str = "process";

/// Outcomes that the cache answered without waiting for the origin.
pub(super) const SERVED: [&str; 5] = ["hit", "disk", "remote", "cdn", "stale"];
/// Those of them that were in memory.
pub(super) const FROM_MEMORY: [&str; 2] = ["hit", "stale"];
/// Outcomes that waited for the origin though the cache could have known the answer.
pub(super) const FETCHED: [&str; 2] = ["miss", "revalidated"];
/// Outcomes that the cache has no part in.
pub(super) const PASSED: [&str; 2] = ["bypass", "error"];

/// A tier beyond memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outer {
    /// On the page, and as the outcome of what it answered.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it calls itself in its signals.
    name: &'static str,
}

/// The nearest first.
pub(super) const OUTERS: [Outer; 3] = [
    Outer { id: "disk", title: "Disk", name: "disk" },
    Outer { id: "remote", title: "Remote", name: "redis" },
    Outer { id: "cdn", title: "CDN", name: "cdn" },
];

impl Outer {
    /// One of its signals.
    pub(super) fn signal(self, signal: &str) -> Select {
        Select::new(TIERS, signal).label("tier", self.name)
    }

    /// In a sentence.
    pub(super) fn spoken(self) -> String {
        let article = if self.id == "remote" { "the shared" } else { "the" };
        let name = if self.id == "cdn" { self.title } else { self.name };
        format!("{article} {name}")
    }

    /// Whether there is one.
    pub(super) fn is_there(self, history: &History, span: Span) -> bool {
        history.gauge(&self.signal("tier_breaker"), span).is_some()
    }
}

/// What happened in one span.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) per_second: Option<f64>,
    /// Answers of class 5xx.
    pub(super) errors: u64,
    pub(super) served: u64,
    pub(super) fetched: u64,
    pub(super) passed: u64,
    /// Durations of whole requests, in nanoseconds.
    pub(super) latency: Histogram,
    /// Time to the answer's head where the cache answered.
    pub(super) served_time: Histogram,
    /// Time to the answer's head where the origin answered.
    pub(super) fetched_time: Histogram,
}

impl Traffic {
    pub(super) fn of(history: &History, span: Span) -> Traffic {
        Traffic {
            requests: history.counter(&requests(), span),
            per_second: history.rate(&requests(), span),
            errors: history.counter(&failed(), span),
            served: answered(history, &SERVED, span),
            fetched: answered(history, &FETCHED, span),
            passed: answered(history, &PASSED, span),
            latency: history.distribution(&latency(), span),
            served_time: answer_times(history, &SERVED, span),
            fetched_time: answer_times(history, &FETCHED, span),
        }
    }

    /// Served from the cache, out of all that the cache could have known.
    pub(super) fn hit_ratio(&self) -> Option<f64> {
        Ratio::of(self.served, self.served + self.fetched).map(Ratio::as_f64)
    }

    pub(super) fn error_ratio(&self) -> Option<f64> {
        Ratio::of(self.errors, self.requests).map(Ratio::as_f64)
    }

    pub(super) fn p95_ms(&self) -> Option<f64> {
        self.latency.quantile(0.95).map(ms)
    }

    /// Which part of the time that all answers would have taken without the cache was saved.
    pub(super) fn efficiency(&self) -> Option<f64> {
        Some(self.hit_ratio()? * self.saved_per_hit()?)
    }

    /// Which part of a fetch a hit saves, on average. Without hits, nothing.
    pub(super) fn saved_per_hit(&self) -> Option<f64> {
        let fetch = self.fetched_time.mean()?;
        let hit = self.served_time.mean().unwrap_or(fetch);
        (fetch > 0.0).then(|| (1.0 - hit / fetch).max(0.0))
    }

    pub(super) fn score(&self) -> Option<f64> {
        score(self.p95_ms(), self.error_ratio(), self.hit_ratio())
    }
}

/// 0 to 100: 40 points for speed, 40 for answers without error, 20 for answers from the cache.
///
/// Speed is the target of 100 ms over the p95, at most 1; errors cost everything at 5 %. A part
/// that nothing is known about is left out and the others count for it.
pub(super) fn score(p95_ms: Option<f64>, errors: Option<f64>, hits: Option<f64>) -> Option<f64> {
    let speed = p95_ms.map(|p95| (TARGET_P95_MS / p95.max(1e-6)).min(1.0));
    let sound = errors.map(|errors| (1.0 - errors / WORST_ERROR_RATIO).max(0.0));
    let parts = [(0.4, speed), (0.4, sound), (0.2, hits)];
    let (sum, weight) = parts.iter().fold((0.0, 0.0), |(sum, weight), (w, part)| match part {
        Some(part) => (sum + w * part, weight + w),
        None => (sum, weight),
    });
    (speed.is_some() || sound.is_some()).then(|| 100.0 * sum / weight)
}

pub(super) const TARGET_P95_MS: f64 = 100.0;
pub(super) const WORST_ERROR_RATIO: f64 = 0.05;

/// Every request that was measured.
pub(super) fn requests() -> Select {
    Select::new(GATEWAY, "requests")
}

/// Requests that ended in the server's error.
pub(super) fn failed() -> Select {
    requests().label("class", "5xx")
}

/// How long requests took.
pub(super) fn latency() -> Select {
    Select::new(GATEWAY, "request_duration")
}

/// Answers of the response cache with one outcome.
pub(super) fn answers(outcome: &str) -> Select {
    Select::new(RESPONSES, "answers").label("outcome", outcome)
}

/// Times to the head of answers with one outcome.
pub(super) fn answer_time(outcome: &str) -> Select {
    Select::new(RESPONSES, "answer_duration").label("outcome", outcome)
}

pub(super) fn answered(history: &History, outcomes: &[&str], span: Span) -> u64 {
    outcomes.iter().map(|outcome| history.counter(&answers(outcome), span)).sum()
}

pub(super) fn answer_times(history: &History, outcomes: &[&str], span: Span) -> Histogram {
    let mut all = Histogram::new();
    for outcome in outcomes {
        all.merge(&history.distribution(&answer_time(outcome), span));
    }
    all
}

/// Nanoseconds as milliseconds.
pub(super) fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_service_scores_100_and_a_failing_one_loses_points() {
        assert_eq!(score(Some(5.0), Some(0.0), Some(1.0)), Some(100.0));
        assert_eq!(score(Some(200.0), Some(0.0), Some(1.0)).map(f64::round), Some(80.0));
        assert_eq!(score(Some(5.0), Some(0.05), Some(1.0)).map(f64::round), Some(60.0));
        assert_eq!(score(Some(5.0), Some(0.5), Some(0.0)).map(f64::round), Some(40.0));
    }

    #[test]
    fn unknown_parts_are_left_out_and_nothing_known_is_no_score() {
        assert_eq!(score(Some(50.0), None, None), Some(100.0));
        assert_eq!(score(None, None, Some(0.9)), None);
        assert_eq!(score(None, None, None), None);
    }

    #[test]
    fn efficiency_is_the_time_saved_over_the_time_without_the_cache() {
        let mut traffic = Traffic { served: 3, fetched: 1, ..Traffic::default() };
        traffic.served_time.record_n(1_000, 3);
        traffic.fetched_time.record_n(100_000, 1);
        // Without: 4 x 100 us. Saved: 3 x 99 us.
        let efficiency = traffic.efficiency().unwrap();
        assert!((efficiency - 297.0 / 400.0).abs() < 0.01, "{efficiency}");
        traffic.fetched_time = Histogram::new();
        assert_eq!(traffic.efficiency(), None, "nobody knows what a fetch would have cost");
    }

    #[test]
    fn a_cache_slower_than_its_origin_saves_nothing() {
        let mut traffic = Traffic { served: 1, fetched: 1, ..Traffic::default() };
        traffic.served_time.record(9_000);
        traffic.fetched_time.record(1_000);
        assert_eq!(traffic.efficiency(), Some(0.0));
    }
}
