//! Signals as Prometheus text.
//!
//! Names are `perfkit_<signal>`, with the base unit and, for counters, `_total` behind:
//! `perfkit_requests_total`, `perfkit_cpu_time_seconds_total`, `perfkit_resident_bytes`. The label
//! `component` tells equal signals of two components apart. Durations are in seconds.
//!
//! Distributions are classic histograms with a fixed reduced set of bounds, so that they can be
//! added up over instances: 18 from 100 µs to 60 s for durations, 12 from 256 B to 1 GiB for bytes,
//! 19 from 1 to 1 000 000 for the rest. A value within 1.1 % of a bound may count on its other
//! side; sum and count are exact.

use crate::{OwnedReading, OwnedSignal};
use perf_core::{Histogram, Signal, Unit};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Signals of many components as one Prometheus text.
///
/// ```
/// use perf_analytics::prometheus::Text;
/// use perf_core::{Instant, Signal};
///
/// let mut text = Text::new();
/// let hits = Signal::counter("hits", 7, Instant::default()).help("Found in memory.");
/// text.add("memory", &hits);
/// let text = text.finish();
/// assert!(text.contains("# TYPE perfkit_hits_total counter\n"));
/// assert!(text.ends_with("\nperfkit_hits_total{component=\"memory\"} 7\n"));
/// ```
#[derive(Debug, Default)]
pub struct Text {
    families: BTreeMap<String, Family>,
}

impl Text {
    /// No signals.
    #[must_use]
    pub fn new() -> Text {
        Text::default()
    }

    /// Adds a signal of a component. One with a name, component and labels that are there already
    /// is left out: Prometheus would refuse the whole text.
    pub fn add(&mut self, component: &str, signal: &Signal<'_>) {
        if let Some(signal) = OwnedSignal::new(component, signal) {
            self.add_owned(&signal);
        }
    }

    /// Adds a signal that was read before.
    pub fn add_owned(&mut self, signal: &OwnedSignal) {
        let kind = match signal.reading {
            OwnedReading::Counter(_) => FamilyKind::Counter,
            OwnedReading::Gauge(_) => FamilyKind::Gauge,
            OwnedReading::Histogram(_) => FamilyKind::Histogram,
        };
        let mut name = family_name(&signal.name, signal.unit, kind);
        if self.families.get(&name).is_some_and(|family| family.kind != kind) {
            // Two components use one word for two things. Each keeps a name of its own.
            name = format!("{name}_{}", kind.word());
        }
        let family = self.families.entry(name.clone()).or_insert_with(|| Family {
            kind,
            help: String::new(),
            seen: HashSet::new(),
            samples: String::new(),
        });
        if family.help.is_empty() {
            family.help.push_str(&signal.help);
        }
        let labels = labels(signal, kind);
        if family.seen.insert(labels.clone()) {
            write_samples(&mut family.samples, &name, &labels, signal);
        }
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            let Family { kind, help, samples, .. } = family;
            let shadowed = ["_bucket", "_sum", "_count"].iter().any(|suffix| {
                let base = name.strip_suffix(suffix).and_then(|base| self.families.get(base));
                base.is_some_and(|family| family.kind == FamilyKind::Histogram)
            });
            // A gauge `x_count` beside a histogram `x` would be read as part of it.
            let (name, samples) = if shadowed {
                let renamed = format!("{name}_value");
                let lines = samples.lines().map(|line| line.replacen(name, &renamed, 1) + "\n");
                let samples = lines.collect();
                (renamed, samples)
            } else {
                (name.clone(), samples.clone())
            };
            if !help.is_empty() {
                let help = help.replace('\\', "\\\\").replace('\n', "\\n");
                let _ = writeln!(out, "# HELP {name} {help}");
            }
            let _ = writeln!(out, "# TYPE {name} {}", kind.word());
            out.push_str(&samples);
        }
        out
    }
}

impl<'a> FromIterator<&'a OwnedSignal> for Text {
    fn from_iter<I: IntoIterator<Item = &'a OwnedSignal>>(signals: I) -> Text {
        let mut text = Text::new();
        signals.into_iter().for_each(|signal| text.add_owned(signal));
        text
    }
}

/// All samples of one name.
#[derive(Debug)]
struct Family {
    kind: FamilyKind,
    help: String,
    seen: HashSet<String>,
    samples: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

impl FamilyKind {
    fn word(self) -> &'static str {
        match self {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        }
    }
}

fn family_name(signal: &str, unit: Unit, kind: FamilyKind) -> String {
    let mut name = format!("perfkit_{}", identifier(signal));
    let unit = match unit {
        Unit::Bytes => "_bytes",
        Unit::Nanoseconds | Unit::Seconds => "_seconds",
        Unit::Ratio => "_ratio",
        _ => "",
    };
    if !name.ends_with(unit) {
        name.push_str(unit);
    }
    if kind == FamilyKind::Counter {
        name.push_str("_total");
    }
    name
}

/// The labels without braces, `component` first.
fn labels(signal: &OwnedSignal, kind: FamilyKind) -> String {
    let mut out = String::from("component=\"");
    escape(&mut out, &signal.component);
    out.push('"');
    let mut taken = vec!["component".to_owned()];
    if kind == FamilyKind::Histogram {
        taken.push("le".to_owned());
    }
    for (key, value) in &signal.labels {
        let mut key = identifier(key);
        while taken.contains(&key) {
            key.insert_str(0, "exported_");
        }
        let _ = write!(out, ",{key}=\"");
        escape(&mut out, value);
        out.push('"');
        taken.push(key);
    }
    out
}

fn write_samples(out: &mut String, name: &str, labels: &str, signal: &OwnedSignal) {
    let scale = if signal.unit == Unit::Nanoseconds { 1e-9 } else { 1.0 };
    let _ = match &signal.reading {
        OwnedReading::Counter(total) if scale == 1.0 => {
            writeln!(out, "{name}{{{labels}}} {total}")
        }
        OwnedReading::Counter(total) => {
            writeln!(out, "{name}{{{labels}}} {}", number(*total as f64 * scale))
        }
        OwnedReading::Gauge(level) => writeln!(out, "{name}{{{labels}}} {}", number(level * scale)),
        OwnedReading::Histogram(histogram) => {
            write_histogram(out, name, labels, histogram, signal.unit, scale);
            Ok(())
        }
    };
}

fn write_histogram(
    out: &mut String,
    name: &str,
    labels: &str,
    histogram: &Histogram,
    unit: Unit,
    scale: f64,
) {
    let bounds: &[u64] = match unit {
        Unit::Nanoseconds => &DURATION_BOUNDS,
        Unit::Bytes => &BYTE_BOUNDS,
        _ => &COUNT_BOUNDS,
    };
    let mut buckets = histogram.buckets().peekable();
    let mut below = 0;
    for bound in bounds {
        // A bucket that straddles the bound counts where its middle lies.
        while let Some(bucket) = buckets.next_if(|b| b.low / 2 + b.high / 2 <= *bound) {
            below += bucket.count;
        }
        let le = number(*bound as f64 * scale);
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{le}\"}} {below}");
    }
    let count = histogram.count();
    let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}", number(histogram.sum() as f64 * scale));
    let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
}

/// Letters, digits and underscores, and no digit first.
fn identifier(text: &str) -> String {
    let mut out: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        // Scaling nanoseconds leaves tails such as 0.30000000000000004; nine places are enough.
        let rounded = (value * 1e9).round() / 1e9;
        if rounded.is_finite() && rounded != 0.0 { rounded.to_string() } else { value.to_string() }
    }
}

const MICROS: u64 = 1_000;
const MILLIS: u64 = 1_000_000;
const SECONDS: u64 = 1_000_000_000;

const DURATION_BOUNDS: [u64; 18] = [
    100 * MICROS,
    250 * MICROS,
    500 * MICROS,
    MILLIS,
    2_500 * MICROS,
    5 * MILLIS,
    10 * MILLIS,
    25 * MILLIS,
    50 * MILLIS,
    100 * MILLIS,
    250 * MILLIS,
    500 * MILLIS,
    SECONDS,
    2_500 * MILLIS,
    5 * SECONDS,
    10 * SECONDS,
    30 * SECONDS,
    60 * SECONDS,
];

const BYTE_BOUNDS: [u64; 12] = [
    1 << 8,
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
    1 << 26,
    1 << 28,
    1 << 30,
];

const COUNT_BOUNDS: [u64; 19] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
    200_000, 500_000, 1_000_000,
];
