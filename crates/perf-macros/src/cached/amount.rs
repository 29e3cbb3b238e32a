//! Times, sizes and numbers as they are written in the attribute.

use std::time::Duration;
use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

/// A value that is known here, or an expression that is known when the cache is made.
#[derive(Clone)]
pub(super) enum Amount<T> {
    Known(T),
    Later(Box<Expr>),
}

/// When a value is to be loaded anew.
#[derive(Clone, Copy)]
pub(super) enum Refresh {
    Age(Duration),
    /// Of the time to live.
    Share(f64),
}

/// What a literal says, `None` for any other expression.
fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// So many entries.
pub(super) fn entries(expr: Expr) -> Result<Amount<u64>> {
    match literal(&expr) {
        Some(Lit::Int(number)) => match number.base10_parse::<u64>()? {
            0 => Err(Error::new_spanned(number, "a cache needs room for 1 entry or more")),
            entries => Ok(Amount::Known(entries)),
        },
        Some(other) => Err(Error::new_spanned(other, "write the number of entries as `1_000`")),
        None => Ok(Amount::Later(Box::new(expr))),
    }
}

/// So many bytes.
pub(super) fn bytes(expr: Expr) -> Result<Amount<u64>> {
    match literal(&expr) {
        Some(Lit::Str(text)) => match parse_bytes(&text.value()) {
            Some(0) => Err(Error::new_spanned(text, "a cache needs room for 1 byte or more")),
            Some(bytes) => Ok(Amount::Known(bytes)),
            None => {
                let problem = "this is not a size below 16 EiB: write it as `\"64MiB\"`, \
                               `\"512KiB\"` or `\"2GB\"`";
                Err(Error::new_spanned(text, problem))
            }
        },
        Some(other) => {
            Err(Error::new_spanned(other, "write the size with its unit, as `\"64MiB\"`"))
        }
        None => Ok(Amount::Later(Box::new(expr))),
    }
}

/// So long; zero turns off.
pub(super) fn span(expr: Expr) -> Result<Amount<Duration>> {
    match literal(&expr) {
        Some(Lit::Str(text)) => duration(text).map(Amount::Known),
        Some(Lit::Int(number)) => {
            let digits = number.base10_digits();
            let problem = format!("say in which unit: `\"{digits}s\"` are seconds");
            Err(Error::new_spanned(number, problem))
        }
        Some(other) => Err(Error::new_spanned(other, "write the time as `\"5m\"`")),
        None => Ok(Amount::Later(Box::new(expr))),
    }
}

/// A time, or a share of the time to live.
pub(super) fn refresh(expr: Expr) -> Result<Amount<Refresh>> {
    match literal(&expr) {
        Some(Lit::Str(text)) => duration(text).map(|age| Amount::Known(Refresh::Age(age))),
        Some(Lit::Float(number)) => {
            let share = number.base10_parse::<f64>()?;
            if share > 0.0 && share < 1.0 {
                return Ok(Amount::Known(Refresh::Share(share)));
            }
            let problem = "a share of the time to live lies between 0 and 1, as `0.8`";
            Err(Error::new_spanned(number, problem))
        }
        Some(other) => {
            let problem = "write a share of the time to live, as `0.8`, or a time, as `\"4m\"`";
            Err(Error::new_spanned(other, problem))
        }
        None => Ok(Amount::Later(Box::new(expr))),
    }
}

fn duration(text: &LitStr) -> Result<Duration> {
    parse_duration(&text.value()).ok_or_else(|| {
        let problem = "this is not a time: write it as `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"2h\"`, \
                       `\"1d\"` or `\"1h 30m\"`";
        Error::new_spanned(text, problem)
    })
}

/// Numbers with units, one after the other; a bare `0` as well.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0_u64;
    let mut largest = u64::MAX;
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest)?;
        let scale: u64 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        // From the largest unit down, so that a slip such as `5s 3h` is seen.
        if scale >= largest {
            return None;
        }
        largest = scale;
        nanos = nanos.checked_add(scaled(number, scale)?)?;
        rest = after.trim_start();
    }
    (largest != u64::MAX).then(|| Duration::from_nanos(nanos))
}

/// The spellings of `perf_core::ByteSize`.
fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit, rest) = number_and_unit(text.trim())?;
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    if rest.is_empty() { scaled(number, scale) } else { None }
}

fn number_and_unit(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    (!number.is_empty()).then_some((number, unit, rest))
}

fn scaled(number: &str, scale: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let scaled = number.parse::<f64>().ok()? * scale as f64;
    (scaled.is_finite() && scaled < u64::MAX as f64).then_some(scaled.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        let read = |text| parse_duration(text).map(|span| span.as_nanos());
        assert_eq!(read("500ms"), Some(500_000_000));
        assert_eq!(read("30 s"), Some(30_000_000_000));
        assert_eq!(read("1.5h"), Some(5_400_000_000_000));
        assert_eq!(read("1h 30m"), read("1.5h"));
        assert_eq!(read("1h30m"), read("90min"));
        assert_eq!(read("1d"), read("24h"));
        assert_eq!((read("0"), read("0s")), (Some(0), Some(0)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", " ", "5", "m", "5 parsecs", "5m 3h", "1s 1s", "-5s", "1.2.3s", "999999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_everywhere_else() {
        assert_eq!(parse_bytes("64MiB"), Some(64 << 20));
        assert_eq!(parse_bytes("1.5 GiB"), Some(1536 << 20));
        assert_eq!((parse_bytes("10MB"), parse_bytes("512")), (Some(10_000_000), Some(512)));
        for text in ["", "MiB", "12 parsecs", "1MiB 2", "99999999TiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
