//! Ratios in words.

use perf_stats::Estimate;

/// A fraction as per cent, with as many digits as it deserves.
pub(crate) fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let text = if percent.abs() < 9.95 { format!("{percent:.1}") } else { format!("{percent:.0}") };
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// A ratio as a change: `5.1 % slower`.
pub(crate) fn change(ratio: f64) -> String {
    let change = ratio - 1.0;
    if change.abs() < 0.0005 {
        "no change".to_owned()
    } else if change > 0.0 {
        format!("{} slower", percent(change))
    } else {
        format!("{} faster", percent(-change))
    }
}

/// An estimate with its interval: `5.1 % slower (3.4 % to 6.8 %)`.
pub(super) fn interval(ratio: Estimate) -> String {
    let end = |value: f64| {
        let text = percent(value - 1.0);
        let text = text.strip_prefix("-0 %").map(|_| "0 %".to_owned()).unwrap_or(text);
        if value > 1.0 && text != "0 %" { format!("+{text}") } else { text }
    };
    format!("{} ({} to {})", change(ratio.value), end(ratio.low), end(ratio.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_read_as_changes() {
        assert_eq!(change(1.051), "5.1 % slower");
        assert_eq!(change(0.8), "20 % faster");
        assert_eq!(change(1.0001), "no change");
        let ratio = Estimate { value: 1.02, low: 0.9999, high: 1.043 };
        assert_eq!(interval(ratio), "2 % slower (0 % to +4.3 %)");
    }
}
