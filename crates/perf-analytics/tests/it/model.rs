//! The history and the recorder against models that keep every value with its time.

use perf_analytics::{History, HistoryConfig, Outcome, Recorder, Select, Span};
use perf_core::{Clock, Histogram, Instant, Signal, Unit};
use proptest::prelude::*;
use std::time::Duration;

const START: u64 = 5_000;

/// What happens in a step: how many steps pass before it, whether there is a reset, and what is
/// recorded before the reading.
#[derive(Clone, Debug)]
struct Step {
    pass: u64,
    reset: bool,
    values: Vec<u64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![0u64..50, 1_000u64..100_000, 1u64 << 30..1 << 40];
    let pass = prop_oneof![8 => Just(1u64), 1 => 2u64..6, 1 => 20u64..700];
    let step = (pass, prop::bool::weighted(0.03), prop::collection::vec(value, 0..6));
    prop::collection::vec(
        step.prop_map(|(pass, reset, values)| Step { pass, reset, values }),
        1..120,
    )
}

/// Every value with the second of the reading that brought it.
#[derive(Debug, Default)]
struct Model {
    values: Vec<(u64, u64)>,
    now: u64,
}

impl Model {
    fn within(&self, from: u64, to: u64) -> Vec<u64> {
        self.values.iter().filter(|(s, _)| from < *s && *s <= to).map(|(_, v)| *v).collect()
    }
}

fn run(steps: &[Step]) -> (History, Model) {
    let history = History::new(HistoryConfig::default());
    let mut model = Model { now: START, ..Model::default() };
    let (mut durations, mut total) = (Histogram::new(), 0u64);
    let second = |s: u64| Instant::from_nanos(s * 1_000_000_000);
    let mut since = second(START);
    let read = |now: u64, durations: &Histogram, total: u64, since: Instant| {
        let signal = Signal::histogram("duration", Unit::Nanoseconds, durations, since);
        history.sample(second(now), "c", &signal);
        history.sample(second(now), "c", &Signal::counter("total", total, since));
    };
    read(START, &durations, total, since);
    for step in steps {
        model.now += step.pass;
        if step.reset {
            (durations, total) = (Histogram::new(), 0);
            since = second(model.now);
        }
        for value in &step.values {
            durations.record(*value);
            total += value % 1_000;
            model.values.push((model.now, *value));
        }
        read(model.now, &durations, total, since);
    }
    (history, model)
}

/// The tier that a span comes from, and the steps of its windows.
fn tier_step(now: u64, from: u64) -> u64 {
    let tiers = [(1, 301), (10, 361), (300, 289)];
    let holds = |(step, windows): (u64, u64)| (now / step + 1).saturating_sub(windows) * step;
    tiers.into_iter().find(|t| holds(*t) <= from + 1).map_or(300, |t| t.0)
}

proptest! {
    #![proptest_config(crate::test_cases())]

    #[test]
    fn any_span_holds_exactly_what_was_read_in_it(
        steps in steps(), length in 1u64..2_000, ago in 0u64..400,
    ) {
        let (history, model) = run(&steps);
        let to = model.now - ago;
        let from = to - length;
        let span = Span { length: Duration::from_secs(length), ago: Duration::from_secs(ago) };
        // Windows of a coarser tier belong to the span that their last second falls in.
        let step = tier_step(model.now, from);
        let edge = |s: u64| {
            if s == model.now { s } else { ((s + 1) / step * step).saturating_sub(1) }
        };
        let values = model.within(edge(from), edge(to));
        let mut wanted = Histogram::new();
        values.iter().for_each(|v| wanted.record(*v));

        let got = history.distribution(&Select::new("c", "duration"), span);
        prop_assert_eq!(got.buckets().collect::<Vec<_>>(), wanted.buckets().collect::<Vec<_>>());
        prop_assert_eq!(got.sum(), wanted.sum());
        let total = history.counter(&Select::new("c", "total"), span);
        prop_assert_eq!(total, values.iter().map(|v| v % 1_000).sum::<u64>());
    }

    #[test]
    fn points_are_the_values_of_their_bins(
        steps in steps(), length in 1u64..290, points in 1usize..40,
    ) {
        let (history, model) = run(&steps);
        let span = Span::last(Duration::from_secs(length));
        let select = Select::new("c", "duration");
        let medians = history.quantiles(&select, 0.5, span, points);
        prop_assert!(medians.values.len() <= points.max(1));
        prop_assert_eq!(medians.values.len(), medians.time.len());
        let ends: Vec<u64> = medians.time.iter().map(|t| *t as u64).collect();
        let width = length.div_ceil(points as u64);
        for (end, value) in ends.iter().zip(&medians.values) {
            let mut wanted = Histogram::new();
            let from = end / width * width;
            let from = if from == 0 { 0 } else { from - 1 };
            model.within(from, *end).iter().for_each(|v| wanted.record(*v));
            // The median of buckets is the same whether minimum and maximum are known or not, but
            // for the clamping to them.
            let near = |a: f64, b: u64| (a - b as f64).abs() <= b as f64 * 0.023 + 0.5;
            match (value, wanted.quantile(0.5)) {
                (Some(got), Some(wanted)) => prop_assert!(near(*got, wanted), "{got} {wanted}"),
                (got, wanted) => prop_assert_eq!(got.is_some(), wanted.is_some()),
            }
        }
        // The bins are whole, adjoin, and the last one ends now.
        prop_assert_eq!(*ends.last().unwrap(), model.now);
    }

    #[test]
    fn a_recorder_answers_for_any_window_whoever_asked_before(
        steps in prop::collection::vec(
            (0u64..2_500, 0usize..3, 0u64..5_000, any::<bool>(), 0u8..8, 1u64..200),
            1..80,
        ),
        window in 1u64..250,
    ) {
        let (clock, hand) = Clock::manual();
        let recorder = Recorder::builder().clock(clock.clone()).build();
        let tags = ["a", "b", "c"];
        let handles = tags.map(|tag| recorder.operation("op", &[("tag", tag)]));
        let mut model: Vec<(u64, usize, u64, bool)> = Vec::new();
        let second = |clock: &Clock| clock.now().as_nanos() / 1_000_000_000;
        for (pass, which, took, failed, ask, about) in steps {
            hand.advance(Duration::from_millis(pass));
            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
            handles[which].record(Duration::from_millis(took), outcome);
            model.push((second(&clock), which, took, failed));
            if ask == 0 {
                // Asking must not change what is answered later.
                let _ = recorder.metrics("op", Duration::from_secs(about));
            }
        }
        let now = second(&clock);
        let within = |s: u64| s + window > now;
        let wanted: Vec<_> = model.iter().filter(|(s, ..)| within(*s)).collect();
        let metrics = recorder.metrics("op", Duration::from_secs(window)).unwrap();
        prop_assert_eq!(metrics.count, wanted.len() as u64);
        prop_assert_eq!(metrics.errors, wanted.iter().filter(|r| r.3).count() as u64);
        prop_assert_eq!(metrics.total_ms, wanted.iter().map(|r| r.2).sum::<u64>() as f64);
        for (row, tag) in recorder.all_metrics(Duration::from_secs(window)).iter().zip(tags) {
            prop_assert_eq!(&row.tags, &[("tag".to_owned(), tag.to_owned())]);
            let own = wanted.iter().filter(|r| tags[r.1] == tag).count();
            prop_assert_eq!(row.count, own as u64);
        }
    }
}
