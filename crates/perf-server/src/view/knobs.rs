//! Knobs and their values, as people and programs read and write them.

use super::shapes::{KnobRow, Move};
use perf_core::{Bounds, ByteSize, Direction, Knob, KnobValue, Unit};
use serde_json::Value;
use std::time::Duration;

/// A knob as it stands, under its component.
pub(crate) fn row(component: &str, knob: &Knob) -> KnobRow {
    let (min, max, step) = ends(&knob.bounds);
    let options = match &knob.bounds {
        Bounds::OneOf { options } => Some(options.iter().map(ToString::to_string).collect()),
        _ => None,
    };
    KnobRow {
        id: format!("{component}/{}", knob.id),
        component: component.to_owned(),
        knob: knob.id.to_string(),
        title: knob.title.to_owned(),
        unit: match (&knob.value, knob.unit) {
            (KnobValue::Duration(_), _) => "seconds".to_owned(),
            (_, Unit::None) => String::new(),
            (_, unit) => unit.to_string(),
        },
        kind: knob.value.kind(),
        value: plain(&knob.value),
        display: display(&knob.value),
        default: plain(&knob.default),
        min,
        max,
        step,
        options,
        trades: knob.trades.to_owned(),
        moves: knob
            .moves
            .iter()
            .map(|effect| Move {
                signal: effect.signal.to_string(),
                direction: match effect.direction {
                    Direction::Up => "up",
                    Direction::Down => "down",
                },
            })
            .collect(),
        pending: knob.pending.as_ref().map_or(Value::Null, plain),
    }
}

/// The value as plain JSON: sizes in bytes, durations in seconds.
pub(crate) fn plain(value: &KnobValue) -> Value {
    match value {
        KnobValue::Switch(on) => Value::from(*on),
        KnobValue::Count(n) => Value::from(*n),
        KnobValue::Number(n) => Value::from(*n),
        KnobValue::Duration(d) => seconds(*d),
        KnobValue::Bytes(size) => Value::from(size.as_u64()),
        KnobValue::Choice(name) => Value::from(name.as_ref()),
        other => Value::from(other.to_string()),
    }
}

/// The value for people.
pub(crate) fn display(value: &KnobValue) -> String {
    match value {
        KnobValue::Duration(d) => display_duration(*d),
        other => other.to_string(),
    }
}

/// Reads a value for a knob like this one from plain JSON or from text such as `"512MiB"`, `"5s"`,
/// `"on"`. Bounds are not looked at: the component is asked for that.
pub(crate) fn read(knob: &Knob, json: &Value) -> Result<KnobValue, String> {
    let text = json.as_str().map(str::trim);
    let read = match &knob.value {
        KnobValue::Switch(_) => match text {
            None => json.as_bool(),
            Some("on" | "true" | "yes") => Some(true),
            Some("off" | "false" | "no") => Some(false),
            Some(_) => None,
        }
        .map(KnobValue::Switch),
        KnobValue::Count(_) => whole(json).map(KnobValue::Count),
        KnobValue::Number(_) => number(json).map(KnobValue::Number),
        KnobValue::Duration(_) => match text {
            Some(text) => read_duration(text),
            None => json.as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok()),
        }
        .map(KnobValue::Duration),
        KnobValue::Bytes(_) => match text {
            Some(text) => text.parse().ok(),
            None => whole(json).map(ByteSize::from_bytes),
        }
        .map(KnobValue::Bytes),
        KnobValue::Choice(_) => text.map(|name| KnobValue::Choice(name.to_owned().into())),
        _ => None,
    };
    read.ok_or_else(|| {
        let said: String = json.to_string().chars().take(60).collect();
        format!(
            "{said} is not a value for this knob: it takes {} from {}",
            how_to_write(&knob.value),
            bounds(&knob.bounds)
        )
    })
}

/// The bounds for people.
pub(crate) fn bounds(bounds: &Bounds) -> String {
    match bounds {
        Bounds::Duration { min, max, .. } => {
            format!("{} to {}", display_duration(*min), display_duration(*max))
        }
        other => other.to_string(),
    }
}

fn how_to_write(value: &KnobValue) -> &'static str {
    match value {
        KnobValue::Switch(_) => "true, false, \"on\" or \"off\",",
        KnobValue::Count(_) => "a whole number",
        KnobValue::Number(_) => "a number",
        KnobValue::Duration(_) => "a number of seconds or a text like \"1.5s\", \"200ms\", \"5m\",",
        KnobValue::Bytes(_) => "a number of bytes or a text like \"512MiB\",",
        _ => "a name",
    }
}

fn ends(bounds: &Bounds) -> (Value, Value, Value) {
    match bounds {
        Bounds::Count { min, max, step } => ((*min).into(), (*max).into(), (*step).into()),
        Bounds::Number { min, max, step } => ((*min).into(), (*max).into(), (*step).into()),
        Bounds::Duration { min, max, step } => (seconds(*min), seconds(*max), seconds(*step)),
        Bounds::Bytes { min, max, step } => {
            (min.as_u64().into(), max.as_u64().into(), step.as_u64().into())
        }
        _ => (Value::Null, Value::Null, Value::Null),
    }
}

/// A whole number of seconds as a whole number, so that `300` comes back as `300`.
fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 {
        Value::from(duration.as_secs())
    } else {
        Value::from(duration.as_secs_f64())
    }
}

fn whole(json: &Value) -> Option<u64> {
    match json {
        Value::String(text) => text.trim().parse().ok(),
        // 5.0 is what some languages write for 5.
        _ => json.as_u64().or_else(|| {
            json.as_f64()
                .filter(|n| n.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(n))
                .map(|n| n as u64)
        }),
    }
}

fn number(json: &Value) -> Option<f64> {
    match json {
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => json.as_f64(),
    }
}

pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

fn display_duration(duration: Duration) -> String {
    let whole = duration.as_secs();
    if duration.subsec_nanos() != 0 || whole < 120 {
        return if duration.is_zero() { "0 s".to_owned() } else { spaced(duration) };
    }
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("min", 60)] {
        if whole >= length && whole.is_multiple_of(length) {
            return format!("{} {unit}", whole / length);
        }
    }
    format!("{whole} s")
}

/// `1.5s` as `1.5 s`.
fn spaced(duration: Duration) -> String {
    let text = format!("{duration:?}");
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    format!("{} {}", &text[..unit], &text[unit..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn knob(value: KnobValue, bounds: Bounds) -> Knob {
        Knob::new("knob", "A knob", value.clone(), value, bounds)
    }

    fn ttl() -> Knob {
        let bounds = Bounds::Duration {
            min: Duration::ZERO,
            max: Duration::from_secs(86_400),
            step: Duration::from_secs(30),
        };
        knob(KnobValue::Duration(Duration::from_secs(300)), bounds)
    }

    fn capacity() -> Knob {
        let bounds =
            Bounds::Bytes { min: ByteSize::mib(1), max: ByteSize::gib(1), step: ByteSize::mib(1) };
        knob(KnobValue::Bytes(ByteSize::mib(256)), bounds)
    }

    #[test]
    fn values_are_read_as_numbers_and_as_people_write_them() {
        let seconds = |s| KnobValue::Duration(Duration::from_secs_f64(s));
        for (json, value) in [
            (json!(300), seconds(300.0)),
            (json!(1.5), seconds(1.5)),
            (json!("1.5s"), seconds(1.5)),
            (json!("200 ms"), seconds(0.2)),
            (json!("5m"), seconds(300.0)),
            (json!("2h"), seconds(7_200.0)),
        ] {
            assert_eq!(read(&ttl(), &json), Ok(value), "{json}");
        }
        for json in [json!(268_435_456), json!(268_435_456.0), json!("256MiB"), json!("256 mib")] {
            assert_eq!(
                read(&capacity(), &json),
                Ok(KnobValue::Bytes(ByteSize::mib(256))),
                "{json}"
            );
        }
        let switch = knob(KnobValue::Switch(true), Bounds::Switch);
        assert_eq!(read(&switch, &json!("off")), Ok(KnobValue::Switch(false)));
        assert_eq!(read(&switch, &json!(true)), Ok(KnobValue::Switch(true)));
        let count = knob(KnobValue::Count(4), Bounds::Count { min: 0, max: 11, step: 1 });
        assert_eq!(read(&count, &json!("7")), Ok(KnobValue::Count(7)));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_can() {
        for json in [
            json!(null),
            json!("soon"),
            json!(-1),
            json!([]),
            json!("-5s"),
            json!("1e400s"),
            json!(true),
        ] {
            let error = read(&ttl(), &json).unwrap_err();
            assert!(error.contains(&json.to_string()), "{error}");
            assert!(error.contains("\"1.5s\"") && error.contains("0 s to 1 d"), "{error}");
        }
        for json in [json!(-1), json!(1.5), json!("a lot"), json!(1e300)] {
            assert!(read(&capacity(), &json).unwrap_err().contains("1 MiB to 1 GiB"), "{json}");
        }
        let long = json!("x".repeat(5_000));
        assert!(read(&ttl(), &long).unwrap_err().len() < 300);
    }

    #[test]
    fn a_row_says_everything_about_its_knob() {
        let knob = capacity().trades("memory against hits").moves("misses", Direction::Down);
        let row = row("memory", &knob);
        assert_eq!(row.id, "memory/knob");
        assert_eq!((row.kind, row.unit.as_str()), ("bytes", "bytes"));
        assert_eq!((row.value, row.display.as_str()), (json!(268_435_456), "256 MiB"));
        assert_eq!((row.min, row.max), (json!(1 << 20), json!(1 << 30)));
        assert_eq!(row.moves[0].direction, "down");
        assert_eq!(row.pending, Value::Null);
        let row = super::row("memory", &ttl());
        assert_eq!((row.value, row.display.as_str()), (json!(300), "5 min"));
        assert_eq!(row.unit, "seconds");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..proptest::test_runner::Config::with_cases(256)
        })]

        /// What is shown can be sent back: an expected value is what was read before.
        #[test]
        fn a_plain_value_reads_back_as_itself(
            nanos in 0..10_u64.pow(15), bytes: u64, count: u64, number: f64, on: bool,
        ) {
            let bounds = Bounds::Switch;
            for value in [
                KnobValue::Duration(Duration::from_nanos(nanos / 1_000 * 1_000)),
                KnobValue::Bytes(ByteSize::from_bytes(bytes)),
                KnobValue::Count(count),
                KnobValue::Number(number),
                KnobValue::Switch(on),
            ] {
                let knob = knob(value.clone(), bounds.clone());
                let sent: Value = serde_json::from_str(&plain(&value).to_string()).unwrap();
                proptest::prop_assert_eq!(read(&knob, &sent), Ok(value));
            }
        }

        #[test]
        fn no_text_makes_reading_panic(text in ".*") {
            for value in [KnobValue::Duration(Duration::ZERO), KnobValue::Bytes(ByteSize::mib(1))] {
                let _ = read(&knob(value, Bounds::Switch), &json!(text));
            }
            let _ = crate::view::Span::parse(&text);
        }
    }

    #[test]
    fn durations_read_well() {
        for (millis, text) in [
            (0, "0 s"),
            (1_500, "1.5 s"),
            (200, "200 ms"),
            (90_000, "90 s"),
            (300_000, "5 min"),
            (3_600_000, "1 h"),
            (3_601_000, "3601 s"),
            (86_400_000, "1 d"),
        ] {
            assert_eq!(display_duration(Duration::from_millis(millis)), text);
        }
    }
}
