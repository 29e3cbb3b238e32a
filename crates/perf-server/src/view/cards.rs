//! The cards of the overview.

use super::course::{self, Course, SPARK_POINTS, spark};
use super::shapes::Card;
use super::traffic::{FETCHED, SERVED, Traffic, answers, failed, latency, requests, score};
use perf_analytics::{History, Points, Span};

/// The cards over a span, compared with the span before.
pub(super) fn cards(history: &History, span: Span, now: &Traffic) -> Vec<Card> {
    let before = Traffic::of(history, span.previous());
    let lines = Lines::of(history, span);
    let percent = |ratio: Option<f64>| ratio.map(|ratio| ratio * 100.0);
    let asked = now.served + now.fetched;
    vec![
        Card {
            id: "score",
            title: "Performance score",
            value: now.score(),
            unit: "points",
            previous: before.score(),
            count: now.requests,
            better: "up",
            help: "From 0 to 100: 40 x min(1, 100 ms / p95) + 40 x max(0, 1 - error ratio / 5 %) \
                   + 20 x hit ratio; a part without data is left out and the others count for it.",
            spark: spark(lines.score()),
        },
        Card {
            id: "hit_ratio",
            title: "Cache hit ratio",
            value: percent(now.hit_ratio()),
            unit: "%",
            previous: percent(before.hit_ratio()),
            count: asked,
            better: "up",
            help: "(hit + stale) / (hit + stale + miss + revalidated): answers from the cache out \
                   of those it could have known; requests that bypass it are not counted.",
            spark: spark(course::scale(&lines.hits, 100.0)),
        },
        Card {
            id: "response_p95",
            title: "Response time p95",
            value: now.p95_ms(),
            unit: "ms",
            previous: before.p95_ms(),
            count: now.latency.count(),
            better: "down",
            help: "95 of 100 requests took at most this long, from the request to the end of the \
                   answer.",
            spark: spark(lines.p95_ms.clone()),
        },
        Card {
            id: "efficiency",
            title: "Resource efficiency",
            value: percent(now.efficiency()),
            unit: "%",
            previous: percent(before.efficiency()),
            count: asked,
            better: "up",
            help: "Time saved / time without the cache: hit ratio x (1 - mean time of a hit / mean \
                   time of a fetch).",
            spark: spark(match now.saved_per_hit() {
                Some(saved) => course::scale(&lines.hits, 100.0 * saved),
                None => Vec::new(),
            }),
        },
        Card {
            id: "requests",
            title: "Requests per second",
            value: now.per_second,
            unit: "/s",
            previous: before.per_second,
            count: now.requests,
            better: "up",
            help: "Requests / seconds, all routes and outcomes together.",
            spark: spark(lines.requests.clone()),
        },
        Card {
            id: "errors",
            title: "Errors",
            value: percent(now.error_ratio()),
            unit: "%",
            previous: percent(before.error_ratio()),
            count: now.requests,
            better: "down",
            help: "Answers of class 5xx / all answers.",
            spark: spark(course::scale(&lines.errors, 100.0)),
        },
    ]
}

/// The courses behind the cards: ratios are from 0 to 1.
struct Lines {
    requests: Vec<Option<f64>>,
    errors: Vec<Option<f64>>,
    hits: Vec<Option<f64>>,
    p95_ms: Vec<Option<f64>>,
}

impl Lines {
    fn of(history: &History, span: Span) -> Lines {
        let rates = |select| history.rates(&select, span, SPARK_POINTS);
        let all = rates(requests());
        let course = Course::of(&all);
        let sum_of = |outcomes: &[&str]| {
            let lines: Vec<_> =
                outcomes.iter().map(|outcome| course.values(&rates(answers(outcome)))).collect();
            course::sum(&lines)
        };
        let requests = course.values(&all);
        let failed = course.values(&rates(failed()));
        let errors = requests
            .iter()
            .zip(&failed)
            .map(|(all, failed)| {
                let all = (*all).filter(|all| *all > 0.0)?;
                Some(failed.unwrap_or(0.0) / all)
            })
            .collect();
        let p95: Points = history.quantiles(&latency(), 0.95, span, SPARK_POINTS);
        Lines {
            requests,
            errors,
            hits: course::part(&sum_of(&SERVED), &sum_of(&FETCHED)),
            p95_ms: course::scale(&course.values(&p95), 1e-6),
        }
    }

    fn score(&self) -> Vec<Option<f64>> {
        let at = |line: &[Option<f64>], i: usize| line.get(i).copied().flatten();
        (0..self.requests.len())
            .map(|i| score(at(&self.p95_ms, i), at(&self.errors, i), at(&self.hits, i)))
            .collect()
    }
}
