//! What caches have learnt of their use: what they load ahead, and for how long they keep what.

use super::Scene;
use super::shapes::{Ahead, KnobRow, Learning, LifeStep, Lives};
use perf_analytics::{History, Select, Span};
use perf_core::Histogram;
use std::collections::BTreeSet;

/// Of every component that tells of it.
pub(super) fn learning(scene: &Scene<'_>, span: Span) -> Learning {
    let with = |signal: &str| components(scene.history, signal);
    Learning {
        ahead: with("prefetch_named").iter().map(|name| ahead(scene, name, span)).collect(),
        lives: with("ttl_reloads").iter().map(|name| lives(scene, name, span)).collect(),
    }
}

/// The components that have a signal of this name.
fn components(history: &History, signal: &str) -> BTreeSet<String> {
    let of = history.series().into_iter().filter(|series| series.signal == signal);
    of.map(|series| series.component).collect()
}

fn ahead(scene: &Scene<'_>, component: &str, span: Span) -> Ahead {
    let history = scene.history;
    let gauge = |signal: &str| history.gauge(&Select::new(component, signal), span);
    let count = |signal: &str| history.counter(&Select::new(component, signal), span);
    let knob = |name: &str| knob(scene, component, name);
    let in_bytes = gauge("prefetch_held_bytes");
    let capacity = gauge(if in_bytes.is_some() { "capacity_bytes" } else { "capacity_entries" });
    let share = knob("prefetch_budget").and_then(|knob| knob.value.as_f64());
    Ahead {
        component: component.to_owned(),
        enabled: knob("prefetch").and_then(|knob| knob.value.as_bool()),
        precision: gauge("prefetch_precision"),
        least_precision: knob("prefetch_least_precision").and_then(|knob| knob.value.as_f64()),
        named: count("prefetch_named"),
        used: count("prefetch_used"),
        unused: count("prefetch_unused"),
        late: count("prefetch_late"),
        failed: count("prefetch_failed"),
        skipped: count("prefetch_skipped"),
        held: in_bytes.or_else(|| gauge("prefetch_held_entries")),
        held_most: capacity.zip(share).map(|(capacity, share)| (capacity * share).floor()),
        unit: if in_bytes.is_some() { "bytes" } else { "count" },
    }
}

fn lives(scene: &Scene<'_>, component: &str, span: Span) -> Lives {
    let history = scene.history;
    let gauge = |signal: &str| history.gauge(&Select::new(component, signal), span);
    let count = |signal: &str| history.counter(&Select::new(component, signal), span);
    let given = history.distribution(&Select::new(component, "ttl_given"), span);
    let seconds = |quantile: f64| given.quantile(quantile).map(|nanos| nanos as f64 / 1e9);
    Lives {
        component: component.to_owned(),
        given: given.count(),
        p10_seconds: seconds(0.1),
        p50_seconds: seconds(0.5),
        p90_seconds: seconds(0.9),
        steps: steps(&given),
        stale_share: gauge("stale_share_expected"),
        stale_share_stated: gauge("stale_share_stated"),
        reloads: count("ttl_reloads"),
        changed: count("ttl_changed"),
        forgotten: count("ttl_forgotten"),
    }
}

fn knob<'s>(scene: &'s Scene<'_>, component: &str, name: &str) -> Option<&'s KnobRow> {
    scene.knobs.iter().find(|knob| knob.component == component && knob.knob == name)
}

/// How many lives are no longer than each of these lengths, and longer than the one before.
fn steps(given: &Histogram) -> Vec<LifeStep> {
    let mut steps: Vec<LifeStep> = UP_TO
        .iter()
        .map(|seconds| LifeStep { up_to_seconds: Some(*seconds), count: 0 })
        .chain([LifeStep { up_to_seconds: None, count: 0 }])
        .collect();
    for bucket in given.buckets() {
        // By its middle: a bucket is narrow beside a step.
        let middle = (bucket.low as f64 + bucket.high as f64) / 2e9;
        let at = UP_TO.iter().position(|up_to| middle <= *up_to).unwrap_or(UP_TO.len());
        steps[at].count += bucket.count;
    }
    steps
}

/// Lengths that people speak of, in seconds: a second to a day.
const UP_TO: [f64; 10] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0];

#[cfg(test)]
mod tests {
    use super::super::caching::tests::scene;
    use super::*;
    use crate::view::knobs;
    use perf_analytics::HistoryConfig;
    use perf_core::{Bounds, Instant, Knob, KnobValue, Signal, Unit};
    use std::time::Duration;

    const AT: Instant = Instant::from_nanos(1_000_000_000);

    fn span() -> Span {
        Span::last(Duration::from_secs(300))
    }

    #[test]
    fn where_nothing_learns_there_is_nothing() {
        let history = History::new(HistoryConfig::default());
        history.sample(AT, "memory", &Signal::counter("hits", 5, AT));
        assert_eq!(learning(&scene(&history), span()), Learning::default());
    }

    #[test]
    fn what_is_loaded_ahead_is_told_with_its_bound() {
        let history = History::new(HistoryConfig::default());
        for (signal, count) in [("named", 40), ("used", 30), ("unused", 8), ("late", 2)] {
            let name = format!("prefetch_{signal}");
            history.sample(AT, "pages", &Signal::counter(&name, count, AT));
        }
        for (name, level) in [
            ("prefetch_held_bytes", 3_000.0),
            ("prefetch_precision", 0.75),
            ("capacity_bytes", 100_000.0),
        ] {
            history.sample(AT, "pages", &Signal::gauge(name, Unit::Bytes, level));
        }
        let number = |id: &'static str, value: f64| {
            let bounds = Bounds::Number { min: 0.0, max: 1.0, step: 0.05 };
            let value = KnobValue::Number(value);
            knobs::row("pages", &Knob::new(id, id, value.clone(), value, bounds))
        };
        let mut scene = scene(&history);
        scene.knobs =
            vec![number("prefetch_budget", 0.05), number("prefetch_least_precision", 0.5)];
        let found = learning(&scene, span());
        let [ahead] = found.ahead.as_slice() else { panic!("{found:?}") };
        assert_eq!((ahead.named, ahead.used, ahead.unused, ahead.late), (40, 30, 8, 2));
        assert_eq!((ahead.precision, ahead.least_precision), (Some(0.75), Some(0.5)));
        assert_eq!(
            (ahead.held, ahead.held_most, ahead.unit),
            (Some(3_000.0), Some(5_000.0), "bytes")
        );
        assert_eq!(ahead.enabled, None, "there is no such knob");
        assert!(found.lives.is_empty());
    }

    #[test]
    fn lives_are_counted_by_lengths_that_people_speak_of() {
        let history = History::new(HistoryConfig::default());
        let mut given = Histogram::new();
        for (seconds, times) in [(2_u64, 10), (50, 5), (100_000, 1)] {
            given.record_n(seconds * 1_000_000_000, times);
        }
        history.sample(AT, "pages", &Signal::counter("ttl_reloads", 16, AT));
        let signal = Signal::histogram("ttl_given", Unit::Nanoseconds, &given, AT);
        history.sample(AT, "pages", &signal);
        history.sample(AT, "pages", &Signal::gauge("stale_share_stated", Unit::Ratio, 0.05));
        let found = learning(&scene(&history), span());
        let [lives] = found.lives.as_slice() else { panic!("{found:?}") };
        assert_eq!((lives.given, lives.reloads), (16, 16));
        let counts: Vec<_> = lives.steps.iter().map(|step| step.count).collect();
        assert_eq!(counts, [0, 10, 0, 5, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(lives.steps[1].up_to_seconds, Some(5.0));
        assert_eq!(lives.steps[10].up_to_seconds, None);
        assert!((lives.p50_seconds.unwrap() - 2.0).abs() < 0.1, "{lives:?}");
        assert_eq!((lives.stale_share_stated, lives.stale_share), (Some(0.05), None));
    }
}
