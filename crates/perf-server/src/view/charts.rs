//! The charts of both pages.

use super::course::{self, CHART_POINTS, Course, series};
use super::shapes::{Chart, Series};
use super::traffic::{FETCHED, MEMORY, OUTERS, PROCESS, SERVED, answer_time, answers, latency};
use perf_analytics::{History, Points, Select, Span};

/// Requests per second by outcome.
pub(super) fn requests(history: &History, span: Span) -> Chart {
    let groups: [(&str, &str, &[&str]); 4] = [
        ("hit", "Hit", &["hit", "disk", "remote", "cdn"]),
        ("stale", "Stale", &["stale"]),
        ("miss", "Miss", &["miss", "revalidated", "bypass"]),
        ("error", "Error", &["error"]),
    ];
    let lines = groups.map(|(id, title, outcomes)| {
        let rates =
            outcomes.iter().map(|o| history.rates(&answers(o), span, CHART_POINTS)).collect();
        (id, title, rates)
    });
    chart(
        "requests",
        "Requests per second",
        "/s",
        "By where the answer came from: the cache (hit, or stale while it is fetched anew), the \
         origin (miss, which includes what was checked there or bypassed the cache), or an error.",
        &lines,
    )
}

/// Response times.
pub(super) fn response_times(history: &History, span: Span) -> Chart {
    let quantiles = history.many_quantiles(&latency(), &[0.5, 0.95, 0.99], span, CHART_POINTS);
    let course = quantiles.first().map(Course::of).unwrap_or_default();
    let names = ["p50", "p95", "p99"];
    let lines = names
        .iter()
        .zip(&quantiles)
        .map(|(name, points)| series(name, name, course::scale(&course.values(points), 1e-6)));
    Chart {
        id: "latency",
        title: "Response time",
        unit: "ms",
        help: "From the request to the end of the answer: half of the requests were faster than \
               p50, 95 of 100 faster than p95, 99 of 100 faster than p99.",
        time: course.times(),
        series: lines.collect(),
    }
}

/// Memory by tier.
pub(super) fn memory(history: &History, span: Span) -> Chart {
    let gauge = |component: &str, signal: &str| {
        vec![history.gauges(&Select::new(component, signal), span, CHART_POINTS)]
    };
    chart(
        "memory",
        "Memory",
        "bytes",
        "What the memory tier of the cache holds, and what the whole process has in memory.",
        &[
            ("memory", "Memory tier", gauge(MEMORY, "bytes")),
            ("process", "Process", gauge(PROCESS, "resident_bytes")),
        ],
    )
}

/// The hit ratio over time.
pub(super) fn hit_ratio(history: &History, span: Span) -> Chart {
    let rates = |outcomes: &[&str]| -> Vec<Points> {
        outcomes.iter().map(|o| history.rates(&answers(o), span, CHART_POINTS)).collect()
    };
    let (served, fetched) = (rates(&SERVED), rates(&FETCHED));
    let course = longest(served.iter().chain(&fetched));
    let total = |points: &[Points]| {
        course::sum(&points.iter().map(|points| course.values(points)).collect::<Vec<_>>())
    };
    let ratio = course::part(&total(&served), &total(&fetched));
    let help = match OUTERS.iter().any(|outer| outer.is_there(history, span)) {
        true => {
            "(hit + disk + remote + cdn + stale) / (hit + disk + remote + cdn + stale + miss + \
             revalidated)."
        }
        false => "(hit + stale) / (hit + stale + miss + revalidated).",
    };
    Chart {
        id: "hit_ratio",
        title: "Hit ratio",
        unit: "%",
        help,
        time: course.times(),
        series: vec![series("hit_ratio", "Hit ratio", course::scale(&ratio, 100.0))],
    }
}

/// The p95 of the time to an answer's head, by outcome.
pub(super) fn answer_times(history: &History, span: Span) -> Chart {
    let outers = OUTERS.iter().filter(|outer| outer.is_there(history, span));
    let outers: Vec<_> = outers.map(|outer| (outer.id, outer.title)).collect();
    let near = ("hit", if outers.is_empty() { "Hit" } else { "Memory" });
    let outcomes = [near].into_iter().chain(outers);
    let outcomes = outcomes.chain([("stale", "Stale"), ("miss", "Miss")]);
    let lines: Vec<_> = outcomes
        .map(|(id, title)| {
            let mut points = history.quantiles(&answer_time(id), 0.95, span, CHART_POINTS);
            for value in points.values.iter_mut().flatten() {
                *value *= 1e-6;
            }
            (id, title, vec![points])
        })
        .collect();
    chart(
        "latency",
        "Time to answer, p95",
        "ms",
        "Until the head of the answer is ready, by outcome; 95 of 100 were at least this fast.",
        &lines,
    )
}

/// What the memory tier holds against what it may.
pub(super) fn tier_memory(history: &History, span: Span) -> Chart {
    let gauge =
        |signal: &str| vec![history.gauges(&Select::new(MEMORY, signal), span, CHART_POINTS)];
    chart(
        "memory",
        "Memory tier",
        "bytes",
        "What the memory tier holds, and what it may hold at most.",
        &[("bytes", "In use", gauge("bytes")), ("capacity", "Capacity", gauge("capacity_bytes"))],
    )
}

/// A chart whose lines are each the sum of some points.
pub(super) fn chart(
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    help: &'static str,
    lines: &[(&str, &str, Vec<Points>)],
) -> Chart {
    let course = longest(lines.iter().flat_map(|(_, _, points)| points));
    let series: Vec<Series> = lines
        .iter()
        .map(|(id, title, points)| {
            let values: Vec<_> = points.iter().map(|points| course.values(points)).collect();
            series(id, title, course::sum(&values))
        })
        .collect();
    Chart { id, title, unit, help, time: course.times(), series }
}

fn longest<'a>(points: impl Iterator<Item = &'a Points>) -> Course {
    points.max_by_key(|points| points.time.len()).map(Course::of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::traffic::TIERS;
    use super::*;
    use perf_analytics::HistoryConfig;
    use perf_core::{Instant, Signal, Unit};
    use std::time::Duration;

    #[test]
    fn tiers_are_spoken_of_where_they_are() {
        let history = History::new(HistoryConfig::default());
        let span = Span::last(Duration::from_secs(300));
        let titles = |history| answer_times(history, span).series.into_iter().map(|s| s.title);
        assert!(!hit_ratio(&history, span).help.contains("disk"));
        assert!(titles(&history).all(|title| title != "Disk"));
        for (name, shown) in [("redis", "Remote"), ("disk", "Disk")] {
            let labels = [("tier", name)];
            let breaker = Signal::gauge("tier_breaker", Unit::None, 0.0).labels(&labels);
            history.sample(Instant::from_nanos(1_000_000_000), TIERS, &breaker);
            assert!(hit_ratio(&history, span).help.contains("disk"));
            assert!(titles(&history).any(|title| title == shown));
            assert_eq!(titles(&history).any(|title| title == "Disk"), name == "disk");
        }
    }
}
