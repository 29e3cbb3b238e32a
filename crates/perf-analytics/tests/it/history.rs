//! Windows: resets, gaps, first readings, bounds.

use perf_analytics::{History, HistoryConfig, Points, Select, Span};
use perf_core::{ByteSize, Histogram, Instant, Signal, Unit};
use std::time::{Duration, SystemTime};

const START: Instant = Instant::from_nanos(1_000_000_000_000);

fn at(seconds: f64) -> Instant {
    START + Duration::from_secs_f64(seconds)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn last(n: u64) -> Span {
    Span::last(seconds(n))
}

fn history() -> History {
    History::new(HistoryConfig::default())
}

fn requests() -> Select {
    Select::new("gateway", "requests")
}

fn count(history: &History, at: Instant, total: u64, since: Instant) {
    history.sample(at, "gateway", &Signal::counter("requests", total, since));
    history.advance(at, SystemTime::UNIX_EPOCH + (at - START));
}

#[test]
fn half_a_round_is_not_seen() {
    let history = history();
    for s in 0..=10 {
        count(&history, at(s as f64), s * 2, START);
    }
    let before = history.rates(&requests(), last(10), 10);
    history.sample(at(11.0), "gateway", &Signal::counter("requests", 99, START));
    assert_eq!(history.counter(&requests(), last(10)), 20);
    assert_eq!(history.rates(&requests(), last(10), 10), before);
    history.advance(at(11.0), SystemTime::UNIX_EPOCH + seconds(11));
    assert_eq!(history.counter(&requests(), last(1)), 79);
}

#[test]
fn a_counter_is_the_difference_of_its_readings() {
    let history = history();
    for s in 0..=20 {
        count(&history, at(s as f64), s * s, START);
    }
    assert_eq!(history.counter(&requests(), last(1)), 400 - 361);
    assert_eq!(history.counter(&requests(), last(10)), 400 - 100);
    assert_eq!(history.counter(&requests(), last(10).previous()), 100);
    assert_eq!(history.rate(&requests(), last(10)), Some(30.0));
}

#[test]
fn a_reset_begins_afresh_and_never_goes_negative() {
    let history = history();
    count(&history, at(0.0), 0, START);
    count(&history, at(1.0), 100, START);
    count(&history, at(2.0), 4, at(1.5));
    assert_eq!(history.counter(&requests(), last(1)), 4);
    assert_eq!(history.rate(&requests(), last(1)), Some(8.0), "four in half a second");
    assert_eq!(history.counter(&requests(), last(10)), 104);
    // A component that forgets to move `since`.
    count(&history, at(3.0), 1, at(1.5));
    assert_eq!(history.counter(&requests(), last(1)), 1);
}

#[test]
fn a_gap_stays_a_gap_and_rates_know_how_long_it_was() {
    let history = history();
    for s in [0, 1, 2, 7, 8] {
        count(&history, at(s as f64), s * 10, START);
    }
    let Points { time, values } = history.rates(&requests(), last(8), 8);
    assert_eq!(time, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let ten = Some(10.0);
    assert_eq!(values, [ten, ten, None, None, None, None, ten, ten]);
    assert_eq!(history.counter(&requests(), last(8)), 80);
    assert_eq!(history.rate(&requests(), last(8)), ten);
}

#[test]
fn a_reading_a_little_early_or_late_stays_in_its_own_step() {
    let history = history();
    for (s, jitter) in [(0, 0.0), (1, 0.3), (2, -0.3), (3, 0.4), (4, -0.4), (5, 0.0)] {
        count(&history, at(s as f64 + jitter), s * 10, START);
    }
    let values = history.rates(&requests(), last(5), 5).values;
    assert!(values.iter().all(Option::is_some), "{values:?}");
}

#[test]
fn a_component_that_is_older_than_the_history_does_not_begin_with_a_peak() {
    let history = history();
    count(&history, at(100.0), 1_000_000, START);
    assert_eq!(history.counter(&requests(), last(60)), 0);
    count(&history, at(101.0), 1_000_007, START);
    assert_eq!(history.counter(&requests(), last(60)), 7);
}

#[test]
fn a_new_component_counts_from_its_beginning() {
    let history = history();
    count(&history, at(0.9), 5, at(0.2));
    assert_eq!(history.counter(&requests(), last(60)), 5);
}

#[test]
fn a_label_that_appears_later_counts_from_the_round_before() {
    let history = history();
    let read = |at, route, total| {
        let labels = [("route", route)];
        let signal = Signal::counter("requests", total, START).labels(&labels);
        history.sample(at, "gateway", &signal);
    };
    read(at(100.0), "/", 9);
    read(at(101.0), "/", 10);
    read(at(101.0), "/new", 3);
    assert_eq!(history.counter(&requests(), last(60)), 4);
    let new = requests().label("route", "/new");
    assert_eq!(history.counter(&new, last(60)), 3);
    assert_eq!(history.rate(&new, last(60)), Some(3.0));
}

#[test]
fn labels_select_by_subset_and_components_may_be_left_open() {
    let history = history();
    for s in 0..=1 {
        for (component, route, class) in
            [("a", "/", "2xx"), ("a", "/", "5xx"), ("a", "/x", "2xx"), ("b", "/", "2xx")]
        {
            let labels = [("route", route), ("class", class)];
            let signal = Signal::counter("requests", s, START).labels(&labels);
            history.sample(at(s as f64), component, &signal);
        }
    }
    let all = |select: &Select| history.counter(select, last(60));
    let a = Select::new("a", "requests");
    assert_eq!(all(&a), 3);
    assert_eq!(all(&a.clone().label("class", "2xx")), 2);
    assert_eq!(all(&a.clone().label("class", "2xx").label("route", "/x")), 1);
    assert_eq!(all(&a.label("class", "9xx")), 0);
    assert_eq!(all(&Select::of_any_component("requests")), 4);
    assert_eq!(history.series().len(), 4);
}

#[test]
fn gauges_of_one_step_add_up_and_bins_hold_means() {
    let history = history();
    let select = Select::new("memory", "bytes");
    let read = |at, tier, level| {
        let labels = [("tier", tier)];
        let signal = Signal::gauge("bytes", Unit::Bytes, level).labels(&labels);
        history.sample(at, "memory", &signal);
    };
    for s in 0..20 {
        read(at(s as f64), "hot", s as f64);
        if s < 10 {
            read(at(s as f64), "cold", 100.0);
        }
    }
    assert_eq!(history.gauge(&select, last(60)), Some(19.0), "cold has gone");
    let cold = select.clone().label("tier", "cold");
    assert_eq!(history.gauge(&cold, last(60)), Some(100.0));
    assert_eq!(history.gauge(&cold, last(5)), None);
    let values = history.gauges(&select, last(20), 2).values;
    assert_eq!(values, [Some(104.5), Some(14.5)]);
    read(at(19.2), "hot", 7.0);
    assert_eq!(history.gauge(&select, last(60)), Some(7.0), "the latest of the step");
    read(at(20.0), "hot", f64::NAN);
    assert_eq!(history.gauge(&select, last(60)), Some(7.0), "not a number is no level");
}

#[test]
fn quantiles_over_series_and_windows_are_those_of_all_values() {
    let history = history();
    let mut fast = Histogram::new();
    let mut slow = Histogram::new();
    for s in 0..=60u64 {
        for (route, histogram) in [("fast", &fast), ("slow", &slow)] {
            let labels = [("route", route)];
            let signal = Signal::histogram("duration", Unit::Nanoseconds, histogram, START);
            history.sample(at(s as f64), "gateway", &signal.labels(&labels));
        }
        (0..99).for_each(|i| fast.record(1_000 + i));
        slow.record(1_000_000 + s);
    }
    let select = Select::new("gateway", "duration");
    let all = history.distribution(&select, last(60));
    assert_eq!(all.count(), 6_000);
    assert!(all.quantile(0.98).unwrap() < 1_200);
    assert!(all.quantile(0.995).unwrap() > 980_000, "an average of quantiles would be half of it");
    let p995 = history.quantiles(&select, 0.995, last(60), 6).values;
    assert_eq!(p995.len(), 6);
    assert!(p995.iter().all(|v| v.is_some_and(|v| v > 980_000.0)), "{p995:?}");
    let slow = history.distribution(&select.label("route", "slow"), last(10));
    assert_eq!(slow.count(), 10);
}

#[test]
fn long_spans_come_from_coarser_tiers_without_losing_a_count() {
    let history = history();
    for s in 0..=7_200u64 {
        count(&history, at(s as f64), s * 3, START);
    }
    // An edge within a window of ten steps takes all of it in; the rate knows.
    let hour = history.counter(&requests(), last(3_600));
    assert!(hour.abs_diff(3 * 3_600) < 3 * 10, "{hour}");
    assert_eq!(history.rate(&requests(), last(3_600)), Some(3.0));
    assert_eq!(history.counter(&requests(), last(86_400)), 3 * 7_200);
    // Neighbouring spans share no window and miss none, in whatever tier their edges fall.
    for length in [299, 300, 301, 777, 1_795] {
        let span = last(length);
        let whole = history.counter(&requests(), last(length * 2));
        let halves =
            history.counter(&requests(), span.previous()) + history.counter(&requests(), span);
        assert!(halves.abs_diff(whole) < 3 * 10, "{length}: {halves} {whole}");
    }
    let points = history.rates(&requests(), last(3_600), 60);
    assert_eq!(points.values.len(), 60);
    assert!(points.values.iter().all(|v| *v == Some(3.0)), "{points:?}");
    assert!(points.time.is_sorted());
}

#[test]
fn a_chart_does_not_change_its_past() {
    let history = history();
    for s in 0..=100u64 {
        count(&history, at(s as f64), s * s, START);
    }
    let before = history.rates(&requests(), last(60), 12);
    count(&history, at(101.0), 101 * 101, START);
    let after = history.rates(&requests(), last(60), 12);
    for (time, value) in before.time.iter().zip(&before.values).skip(1).take(10) {
        let same = after.time.iter().position(|t| t == time).map(|i| &after.values[i]);
        assert!(same.is_none_or(|same| same == value), "{before:?} {after:?}");
    }
    assert_eq!(before.time[1..11], after.time[1..11]);
}

#[test]
fn series_are_capped_and_those_no_longer_read_make_room() {
    let history = History::new(HistoryConfig::default().max_series(3));
    let read = |s: u64, route: &str| {
        let labels = [("route", route)];
        let signal = Signal::counter("requests", s, START).labels(&labels);
        history.sample(at(s as f64), "gateway", &signal);
    };
    ["a", "b", "c"].iter().for_each(|r| read(1, r));
    read(1, "d");
    assert_eq!(history.stats().refused_readings, 1);
    assert_eq!(history.stats().series, 3);
    for s in 2..=4 {
        ["a", "b"].iter().for_each(|r| read(s, r));
    }
    read(4, "d");
    let stats = history.stats();
    assert_eq!((stats.series, stats.evicted_series, stats.refused_readings), (3, 1, 1));
    // Nobody knows when what `d` had counted by then happened.
    assert_eq!(history.counter(&requests().label("route", "d"), last(60)), 0);
    read(5, "d");
    assert_eq!(history.counter(&requests().label("route", "d"), last(60)), 1);
}

#[test]
fn a_series_without_readings_for_a_day_is_forgotten() {
    let history = history();
    let gone = Signal::counter("requests", 1, START);
    history.sample(at(0.0), "gone", &gone);
    count(&history, at(0.0), 0, START);
    let day = 86_400.0;
    count(&history, at(day / 2.0), 1, START);
    assert_eq!(history.series().len(), 2);
    count(&history, at(day + 700.0), 2, START);
    assert_eq!(history.series().len(), 1);
    assert_eq!(history.stats().evicted_series, 1);
}

#[test]
fn memory_stays_within_its_bound_and_what_went_is_counted() {
    let bound = ByteSize::from_bytes(300_000);
    let history = History::new(HistoryConfig::default().max_bytes(bound));
    let mut histogram = Histogram::new();
    for s in 0..2_000u64 {
        for i in 0..60 {
            histogram.record((s * 7919 + i * 104_729) % 1_000_003 * 1000);
        }
        for route in ["a", "b", "c", "d"] {
            let labels = [("route", route)];
            let signal = Signal::histogram("duration", Unit::Nanoseconds, &histogram, START);
            history.sample(at(s as f64), "gateway", &signal.labels(&labels));
        }
        assert!(history.stats().bytes <= bound, "{} at {s}", history.stats().bytes);
    }
    assert!(history.stats().trimmed_windows > 0);
    let recent = history.distribution(&Select::new("gateway", "duration"), last(1));
    assert_eq!(recent.count(), 240, "the newest windows are the last to go");
}

#[test]
fn a_series_costs_what_the_documentation_says() {
    let cost = |signal: &dyn Fn(u64) -> Signal<'static>| {
        let history = history();
        // A day, in the steps that each tier keeps.
        let day =
            (0..86_400).step_by(300).chain((86_400..90_000).step_by(10)).chain(90_000..90_400);
        for s in day {
            history.sample(at(s as f64), "c", &signal(s));
        }
        let full = history.stats().bytes.as_u64();
        for s in 90_400..92_000 {
            history.sample(at(s as f64), "c", &signal(s));
        }
        assert!(history.stats().bytes.as_u64() < full + full / 4, "it goes on growing");
        full
    };
    let idle = cost(&|_| Signal::counter("idle", 7, START));
    assert!(idle < 7 << 10, "{idle}");
    let busy = cost(&|s| Signal::counter("busy", s * 1_000, START));
    assert!(busy < 9 << 10, "{busy}");
    let gauge = cost(&|s| Signal::gauge("gauge", Unit::Bytes, s as f64));
    assert!(gauge < 18 << 10, "{gauge}");
}

#[test]
fn an_empty_history_answers_with_nothing() {
    let history = history();
    assert_eq!(history.counter(&requests(), last(60)), 0);
    assert_eq!(history.rate(&requests(), last(60)), None);
    assert_eq!(history.gauge(&requests(), last(60)), None);
    assert!(history.distribution(&requests(), last(60)).is_empty());
    assert!(history.rates(&requests(), last(60), 60).values.iter().all(Option::is_none));
    assert!(history.rates(&requests(), Span::last(Duration::ZERO), 0).values.len() <= 1);
    let endless = Span { length: Duration::MAX, ago: Duration::MAX };
    assert_eq!(history.counter(&requests(), endless), 0);
    assert!(history.quantiles(&requests(), f64::NAN, endless, usize::MAX).values.len() < 1_000_000);
}
