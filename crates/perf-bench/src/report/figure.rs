//! Figures for readers: scaled to the unit that suits them, rounded to what matters.

/// A value in its unit with three significant digits: `12.4 ms`, `1.50 GiB`, `+5.2 %`.
///
/// - `ns`, `us`, `ms` and `s` are scaled to the unit of time that suits, up to hours;
/// - `bytes` and `bytes/s` are scaled by 1024;
/// - `ratio` is shown as a [`change`];
/// - `fraction` is shown in per cent, `%` is taken to be in per cent;
/// - `unix`, in seconds since 1970, is shown as date and time in UTC;
/// - anything else is appended as it is; one that starts with `/` is set without a space.
///
/// Not a number is `–`.
#[must_use]
pub fn figure(value: f64, unit: &str) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    if let Some(seconds) = time_unit(unit) {
        return duration(value * seconds);
    }
    match unit {
        "bytes" => bytes(value),
        "bytes/s" => format!("{}/s", bytes(value)),
        "ratio" => change(value),
        "fraction" => format!("{} %", digits(value * 100.0)),
        "unix" => instant(value),
        "" => count(value),
        _ if unit.starts_with('/') => format!("{}{unit}", count(value)),
        _ => format!("{} {unit}", count(value)),
    }
}

/// A ratio as a change: 1.052 is `+5.2 %`, 0.9 is `−10.0 %`; from 3 on it is a factor, `×12.0`.
#[must_use]
pub fn change(ratio: f64) -> String {
    if ratio.is_nan() {
        return "–".to_owned();
    }
    if ratio >= FACTOR || ratio.is_infinite() {
        return format!("×{}", digits(ratio));
    }
    format!("{} %", per_cent(ratio))
}

/// A ratio with its interval as a change: `+5.2 % [+4.1, +6.3]`.
#[must_use]
pub fn change_with_interval(estimate: &perf_stats::Estimate) -> String {
    let perf_stats::Estimate { value, low, high } = *estimate;
    if ![value, low, high].iter().all(|x| x.is_finite()) {
        return format!("{} [{}, {}]", change(value), change(low), change(high));
    }
    if value >= FACTOR {
        return format!("×{} [{}, {}]", digits(value), digits(low), digits(high));
    }
    format!("{} [{}, {}]", change(value), per_cent(low), per_cent(high))
}

/// From here on a change is a factor.
const FACTOR: f64 = 3.0;

fn per_cent(ratio: f64) -> String {
    let change = (ratio - 1.0) * 100.0;
    let rounded = (change * 10.0).round() / 10.0;
    let sign = if rounded > 0.0 {
        "+"
    } else if rounded < 0.0 {
        "−"
    } else {
        ""
    };
    let size = change.abs();
    if size >= 99.95 { format!("{sign}{size:.0}") } else { format!("{sign}{size:.1}") }
}

/// Seconds in a unit of time.
pub(super) fn time_unit(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e-9),
        "us" | "µs" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        _ => None,
    }
}

/// The unit of time that suits so many seconds, and its seconds.
pub(super) fn suiting_time(seconds: f64) -> (&'static str, f64) {
    // What rounds to 1000 of a unit is one of the next.
    let size = seconds.abs() * 1.0005;
    match size {
        _ if size >= 7200.0 => ("h", 3600.0),
        _ if size >= 120.0 => ("min", 60.0),
        _ if size >= 1.0 => ("s", 1.0),
        _ if size >= 1e-3 => ("ms", 1e-3),
        _ if size >= 1e-6 => ("µs", 1e-6),
        _ if size >= 1e-9 || size == 0.0 => ("ns", 1e-9),
        _ => ("ps", 1e-12),
    }
}

/// The unit of size that suits so many bytes, and its bytes.
pub(super) fn suiting_size(bytes: f64) -> (&'static str, f64) {
    const KIB: f64 = 1024.0;
    let size = bytes.abs() * 1.0005;
    match size {
        _ if size >= KIB * KIB * KIB * KIB => ("TiB", KIB * KIB * KIB * KIB),
        _ if size >= KIB * KIB * KIB => ("GiB", KIB * KIB * KIB),
        _ if size >= KIB * KIB => ("MiB", KIB * KIB),
        _ if size >= KIB => ("KiB", KIB),
        _ => ("B", 1.0),
    }
}

fn duration(seconds: f64) -> String {
    if seconds.is_infinite() {
        return infinite(seconds).to_owned();
    }
    let (unit, scale) = suiting_time(seconds);
    format!("{} {unit}", digits(seconds / scale))
}

fn bytes(value: f64) -> String {
    if value.is_infinite() {
        return infinite(value).to_owned();
    }
    let (unit, scale) = suiting_size(value);
    let scaled = value / scale;
    if scaled.fract() == 0.0 && scaled.abs() < 1e4 {
        format!("{scaled:.0} {unit}")
    } else {
        format!("{} {unit}", digits(scaled))
    }
}

/// A number that has no unit to be scaled by.
pub(super) fn count(value: f64) -> String {
    let size = value.abs();
    let (scaled, suffix) = match size {
        _ if size.is_infinite() => return infinite(value).to_owned(),
        _ if size >= 9.995e14 => return format!("{value:.2e}"),
        _ if size >= 9.995e11 => (value / 1e12, " T"),
        _ if size >= 9.995e8 => (value / 1e9, " G"),
        _ if size >= 9.995e5 => (value / 1e6, " M"),
        _ if size >= 999.5 || value.fract() == 0.0 => return grouped(value.round()),
        _ => (value, ""),
    };
    format!("{}{suffix}", digits(scaled))
}

/// A whole number with commas.
fn grouped(value: f64) -> String {
    let plain = format!("{:.0}", value.abs());
    let mut text = String::new();
    if value < 0.0 {
        text.push('−');
    }
    for (i, digit) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits, without an exponent where it can be helped.
fn digits(value: f64) -> String {
    let size = value.abs();
    let sign = if value < 0.0 { "−" } else { "" };
    match size {
        _ if size.is_infinite() => infinite(value).to_owned(),
        _ if size == 0.0 => "0".to_owned(),
        _ if !(0.000_999_5..999_500.0).contains(&size) => format!("{sign}{size:.2e}"),
        _ if size >= 999.5 => grouped(value.round()),
        _ if size >= 99.95 => format!("{sign}{size:.0}"),
        _ if size >= 9.995 => format!("{sign}{size:.1}"),
        _ if size >= 0.099_95 => format!("{sign}{size:.2}"),
        _ => format!("{sign}{size:.4}"),
    }
}

fn infinite(value: f64) -> &'static str {
    if value > 0.0 { "∞" } else { "−∞" }
}

fn instant(seconds: f64) -> String {
    match Civil::of(seconds) {
        Some(at) => format!("{} {} UTC", at.date(), at.time()),
        None => "–".to_owned(),
    }
}

/// A time in UTC, taken apart.
///
/// Source: Hinnant, "chrono-compatible low-level date algorithms", 2013 (`civil_from_days`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    year: i64,
    month: u32,
    day: u32,
    second: u32,
}

impl Civil {
    /// `None` for what is no time in the years 0 to 9999.
    pub(super) fn of(seconds: f64) -> Option<Civil> {
        if !(-62_135_596_800.0..253_402_300_800.0).contains(&seconds) {
            return None;
        }
        let whole = seconds.floor() as i64;
        let shifted = whole.div_euclid(86_400) + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = (of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Some(Civil { year, month, day, second: whole.rem_euclid(86_400) as u32 })
    }

    pub(super) fn date(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// Such as `Nov 21`.
    pub(super) fn day(self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        format!("{} {}", MONTHS[(self.month as usize - 1) % 12], self.day)
    }

    pub(super) fn is_midnight(self) -> bool {
        self.second == 0
    }

    pub(super) fn time(self) -> String {
        let Civil { second, .. } = self;
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_stats::Estimate;

    #[test]
    fn times_are_scaled_to_the_unit_that_suits() {
        assert_eq!(figure(0.42, "ns"), "420 ps");
        assert_eq!(figure(12.44, "ns"), "12.4 ns");
        assert_eq!(figure(999.7, "ns"), "1.00 µs");
        assert_eq!(figure(12_387_100.0, "ns"), "12.4 ms");
        assert_eq!(figure(12.4, "ms"), "12.4 ms");
        assert_eq!(figure(90.0, "s"), "90.0 s");
        assert_eq!(figure(150.0, "s"), "2.50 min");
        assert_eq!(figure(3.0 * 3600.0, "s"), "3.00 h");
        assert_eq!(figure(0.0, "ns"), "0 ns");
        assert_eq!(figure(-1500.0, "ns"), "−1.50 µs");
    }

    #[test]
    fn sizes_are_scaled_by_1024() {
        assert_eq!(figure(512.0, "bytes"), "512 B");
        assert_eq!(figure(65_536.0, "bytes"), "64 KiB");
        assert_eq!(figure(1.5 * 1024.0 * 1024.0 * 1024.0, "bytes"), "1.50 GiB");
        assert_eq!(figure(2048.0, "bytes/s"), "2 KiB/s");
    }

    #[test]
    fn counts_are_grouped_and_then_shortened() {
        assert_eq!(figure(30_000.0, "/s"), "30,000/s");
        assert_eq!(figure(1234.5, "requests"), "1,235 requests");
        assert_eq!(figure(1_234_567.0, ""), "1.23 M");
        assert_eq!(figure(999_999.0, ""), "1.00 M");
        assert_eq!(figure(0.25, ""), "0.25");
        assert_eq!(figure(7.0, ""), "7");
        assert_eq!(figure(0.0625, "fraction"), "6.25 %");
    }

    #[test]
    fn ratios_read_as_changes() {
        assert_eq!(change(1.052), "+5.2 %");
        assert_eq!(change(0.9), "−10.0 %");
        assert_eq!(change(0.999_99), "0.0 %");
        assert_eq!(change(2.5), "+150 %");
        assert_eq!(change(12.0), "×12.0");
        let estimate = Estimate { value: 1.052, low: 1.041, high: 1.063 };
        assert_eq!(change_with_interval(&estimate), "+5.2 % [+4.1, +6.3]");
        let estimate = Estimate { value: 10.5, low: 4.81, high: 27.2 };
        assert_eq!(change_with_interval(&estimate), "×10.5 [4.81, 27.2]");
    }

    #[test]
    fn what_is_no_number_is_a_dash_and_never_a_panic() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, -0.0];
        for value in odd {
            for unit in ["ns", "s", "bytes", "ratio", "unix", "fraction", "", "/s", "x"] {
                let text = figure(value, unit);
                assert!(!text.contains("NaN") && !text.contains("inf"), "{value} {unit}: {text}");
            }
        }
        assert_eq!(figure(f64::NAN, "ns"), "–");
    }

    #[test]
    fn instants_are_civil() {
        assert_eq!(figure(0.0, "unix"), "1970-01-01 00:00:00 UTC");
        assert_eq!(figure(1_709_208_000.0, "unix"), "2024-02-29 12:00:00 UTC");
        assert_eq!(figure(-1.0, "unix"), "1969-12-31 23:59:59 UTC");
    }
}
