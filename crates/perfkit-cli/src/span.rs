//! A span of time as people write it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time: `250ms`, `30s`, `1.5m`, `2h`, `0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let refuse = || format!("`{text}` is not a time: write it like 250ms, 30s, 5m or 2h");
        let trimmed = text.trim();
        let unit_at = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refuse)?;
        let (number, unit) = trimmed.split_at(unit_at);
        let seconds = match unit.trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(refuse()),
        };
        let number: f64 = number.parse().map_err(|_| refuse())?;
        Duration::try_from_secs_f64(number * seconds).map(Span).map_err(|_| refuse())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1000) {
            write!(f, "{}s", millis / 1000)
        } else {
            write!(f, "{millis}ms")
        }
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_what_people_write() {
        for (text, millis, printed) in
            [("250ms", 250, "250ms"), ("30s", 30_000, "30s"), ("1.5 m", 90_000, "90s")]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0.as_millis(), millis);
            assert_eq!(span.to_string(), printed);
        }
    }

    #[test]
    fn refuses_the_rest_and_names_it() {
        for text in ["", "30", "s", "-5s", "1e3s", "5 weeks", "99999999999999999999999h"] {
            assert!(text.parse::<Span>().unwrap_err().contains(text), "{text}");
        }
    }
}
