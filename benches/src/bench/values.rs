//! Values on the command line: per cents and spans of time.

use std::time::Duration;

/// `2%` as 0.02.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write a percentage such as 2%".to_owned()),
    }
}

/// `60s`, `2m` or `500ms`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text[..text.len() - unit.len()].parse::<f64>();
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    number
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .filter(|span| !span.is_zero())
        .ok_or_else(|| "write a span of time such as 500ms, 60s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_cents_need_their_sign() {
        assert_eq!(percent("2%"), Ok(0.02));
        assert_eq!(percent("0.5 %"), Ok(0.005));
        for text in ["2", "%", "-1%", "NaN%", "5000%", "two%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_need_their_unit() {
        assert_eq!(span("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(span("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        for text in ["60", "s", "0s", "-1s", "1e400s", "5 days", "é"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
