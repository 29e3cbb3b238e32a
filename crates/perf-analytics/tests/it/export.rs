//! Prometheus text and JSON, read back by a parser written from the format's description.

#![expect(clippy::unwrap_used, reason = "the parser of the tests panics on whatever is wrong")]

use perf_analytics::prometheus::Text;
use perf_analytics::{OwnedSignal, Recorder, json};
use perf_core::{Clock, Histogram, Instant, Observe, Signal, Unit};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// Name and labels.
type Key = (String, Vec<(String, String)>);

#[derive(Debug, Default)]
struct Parsed {
    types: HashMap<String, String>,
    samples: BTreeMap<Key, f64>,
}

impl Parsed {
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut labels: Vec<(String, String)> =
            labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        labels.sort();
        let key = (name.to_owned(), labels);
        *self.samples.get(&key).unwrap_or_else(|| panic!("no {key:?} in {self:#?}"))
    }
}

/// Panics on anything that the text format does not allow.
fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut current = String::new();
    let mut closed = HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (word, name) = (words.next().unwrap(), words.next().unwrap());
            assert_name(name);
            if name != current {
                assert!(closed.insert(current.clone()), "family {current} is in two pieces");
                assert!(!closed.contains(name), "family {name} is in two pieces");
                current = name.to_owned();
            }
            match word {
                "HELP" => {}
                "TYPE" => {
                    let kind = words.next().unwrap().to_owned();
                    assert!(["counter", "gauge", "histogram"].contains(&kind.as_str()), "{kind}");
                    assert!(parsed.types.insert(name.to_owned(), kind).is_none(), "{name} twice");
                }
                other => panic!("comment {other}"),
            }
            continue;
        }
        let (name, labels, value) = sample(line);
        assert_name(&name);
        let kind = parsed.types.get(&current).expect("TYPE comes first");
        match kind.as_str() {
            "counter" => assert!(name == current && name.ends_with("_total"), "{name}"),
            "gauge" => assert_eq!(name, current),
            _ => {
                let suffix = name.strip_prefix(current.as_str()).unwrap();
                assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{name} in {current}");
            }
        }
        let again = parsed.samples.insert((name, labels), value);
        assert!(again.is_none(), "twice: {line}");
    }
    histograms_are_cumulative(&parsed);
    parsed
}

fn sample(line: &str) -> (String, Vec<(String, String)>, f64) {
    let (name, mut rest) = line.split_once('{').expect("every sample has labels");
    let mut labels = Vec::new();
    loop {
        let (key, after) = rest.split_once("=\"").expect("label");
        assert_name(key);
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect("closing quote") {
                (i, '"') => break i,
                (_, '\\') => match chars.next().unwrap().1 {
                    'n' => value.push('\n'),
                    c @ ('"' | '\\') => value.push(c),
                    c => panic!("escape {c}"),
                },
                (_, c) => value.push(c),
            }
        };
        assert!(labels.iter().all(|(k, _)| k != key), "label {key} twice in {line}");
        labels.push((key.to_owned(), value));
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let value = rest.strip_prefix("} ").expect("value").parse().expect("number");
    labels.sort();
    (name.to_owned(), labels, value)
}

fn assert_name(name: &str) {
    assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()), "{name}");
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
}

fn histograms_are_cumulative(parsed: &Parsed) {
    let mut series: BTreeMap<Key, Vec<(f64, f64)>> = BTreeMap::new();
    for ((name, labels), value) in &parsed.samples {
        let Some(base) = name.strip_suffix("_bucket") else { continue };
        let le = labels.iter().find(|(k, _)| k == "le").expect("le");
        let rest = labels.iter().filter(|(k, _)| k != "le").cloned().collect();
        let bound: f64 = le.1.parse().unwrap();
        series.entry((base.to_owned(), rest)).or_default().push((bound, *value));
    }
    for ((base, labels), mut buckets) in series {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{base}: {buckets:?}");
        let (last, total) = *buckets.last().unwrap();
        assert_eq!(last, f64::INFINITY);
        assert_eq!(total, parsed.samples[&(format!("{base}_count"), labels.clone())]);
        assert!(parsed.samples.contains_key(&(format!("{base}_sum"), labels)));
    }
}

#[test]
fn names_say_unit_and_kind_and_values_are_in_base_units() {
    let start = Instant::default();
    let mut durations = Histogram::new();
    for millis in [1, 3, 30, 300, 90_000] {
        durations.record_duration(Duration::from_millis(millis));
    }
    let mut text = Text::new();
    let busy = Signal::counter("cpu_time", 1_500_000_000, start).unit(Unit::Nanoseconds);
    text.add("process", &busy);
    text.add("process", &Signal::gauge("resident_bytes", Unit::Bytes, 4096.0));
    text.add("memory", &Signal::gauge("free", Unit::Bytes, 0.0));
    text.add("a", &Signal::histogram("wait", Unit::Nanoseconds, &durations, start));
    let parsed = parse(&text.finish());
    assert_eq!(parsed.value("perfkit_cpu_time_seconds_total", &[("component", "process")]), 1.5);
    assert_eq!(parsed.value("perfkit_resident_bytes", &[("component", "process")]), 4096.0);
    assert_eq!(parsed.value("perfkit_free_bytes", &[("component", "memory")]), 0.0);
    let below = |le| parsed.value("perfkit_wait_seconds_bucket", &[("component", "a"), ("le", le)]);
    assert_eq!(below("0.0005"), 0.0);
    assert_eq!(below("0.005"), 2.0);
    assert_eq!(below("0.5"), 4.0);
    assert_eq!(below("60"), 4.0);
    assert_eq!(below("+Inf"), 5.0);
    let sum = parsed.value("perfkit_wait_seconds_sum", &[("component", "a")]);
    assert!((sum - 90.334).abs() < 1e-9, "{sum}");
}

#[test]
fn labels_are_escaped_and_never_collide() {
    let nasty = "a\"b\\c\nd{}=,";
    let mut text = Text::new();
    let labels = [("component", "x"), ("ro ute", nasty), ("ro_ute", "y"), ("1st", "z")];
    text.add("gate\"way", &Signal::counter("requests", 1, Instant::default()).labels(&labels));
    let parsed = parse(&text.finish());
    let wanted = [
        ("component", "gate\"way"),
        ("exported_component", "x"),
        ("ro_ute", nasty),
        ("exported_ro_ute", "y"),
        ("_1st", "z"),
    ];
    assert_eq!(parsed.value("perfkit_requests_total", &wanted), 1.0);
}

#[test]
fn one_word_for_two_things_keeps_both() {
    let start = Instant::default();
    let histogram = Histogram::new();
    let mut text = Text::new();
    text.add("a", &Signal::gauge("pending", Unit::Count, 3.0));
    text.add("b", &Signal::histogram("pending", Unit::Count, &histogram, start));
    text.add("b", &Signal::histogram("size", Unit::Bytes, &histogram, start));
    text.add("c", &Signal::gauge("size_bytes_count", Unit::Count, 9.0));
    text.add("c", &Signal::counter("size_bytes", 4, start));
    text.add("c", &Signal::counter("size_bytes", 5, start));
    let parsed = parse(&text.finish());
    assert_eq!(parsed.value("perfkit_pending", &[("component", "a")]), 3.0);
    assert_eq!(parsed.value("perfkit_pending_histogram_count", &[("component", "b")]), 0.0);
    assert_eq!(parsed.value("perfkit_size_bytes_count", &[("component", "b")]), 0.0);
    assert_eq!(parsed.value("perfkit_size_bytes_count_value", &[("component", "c")]), 9.0);
    assert_eq!(parsed.value("perfkit_size_bytes_total", &[("component", "c")]), 4.0, "the first");
}

#[test]
fn a_recorder_can_be_scraped() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    let query = recorder.operation("db.query", &[("table", "users")]);
    for _ in 0..3 {
        let _timing = query.start();
        hand.advance(Duration::from_millis(2));
    }
    recorder.record_metric("queue depth", -2.5, &[]);
    let mut signals = Vec::new();
    recorder.observe(&mut |s| signals.extend(OwnedSignal::new("app", &s)));
    let parsed = parse(&signals.iter().collect::<Text>().finish());
    let labels = [("component", "app"), ("operation", "db.query"), ("table", "users")];
    assert_eq!(parsed.value("perfkit_operation_duration_seconds_count", &labels), 3.0);
    assert_eq!(parsed.value("perfkit_operation_errors_total", &labels), 0.0);
    let depth = [("component", "app"), ("metric", "queue depth")];
    assert_eq!(parsed.value("perfkit_value", &depth), -2.5);

    let json: serde_json::Value = serde_json::from_str(&json::signals(&signals)).unwrap();
    let signals = json["signals"].as_array().unwrap();
    let duration = signals.iter().find(|s| s["name"] == "operation_duration").unwrap();
    assert_eq!(duration["reading"]["kind"], "histogram");
    assert_eq!(duration["reading"]["value"]["count"], 3);
    assert_eq!(duration["unit"], "nanoseconds");
}

#[test]
fn metrics_as_json_name_their_units() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    let id = recorder.start_operation("load");
    hand.advance(Duration::from_millis(8));
    recorder.end_operation(id, false, Some("no route"));
    let all = recorder.all_metrics(Duration::from_secs(60));
    let json: serde_json::Value = serde_json::from_str(&json::metrics(&all)).unwrap();
    let load = &json["metrics"][0];
    assert_eq!(load["name"], "load");
    assert_eq!(load["window_seconds"], 60.0);
    assert_eq!(load["total_ms"], 8.0);
    assert_eq!(load["success_rate"], 0.0);
    assert_eq!(load["last_error"], "no route");
}
