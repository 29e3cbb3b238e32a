//! Sizes of a cache, as people write them.

use perf_cache::replay::{Room, Trace};
use perf_core::ByteSize;
use std::fmt;
use std::str::FromStr;

/// `5%`, `1000` or `64MiB`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Size {
    text: String,
    amount: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    Share(f64),
    Entries(u64),
    Bytes(ByteSize),
}

impl Size {
    /// What it comes to for a trace.
    pub(super) fn room(&self, trace: &Trace) -> Room {
        match self.amount {
            Amount::Share(share) => Room::Entries(((trace.keys() as f64 * share) as u64).max(1)),
            Amount::Entries(entries) => Room::Entries(entries),
            Amount::Bytes(bytes) => Room::Bytes(bytes),
        }
    }

    /// Whether it is held against the sizes in the trace.
    pub(super) fn is_bytes(&self) -> bool {
        matches!(self.amount, Amount::Bytes(_))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let text = text.trim();
        let refuse = || {
            format!(
                "`{text}` is no size: write a share of the keys as 5%, entries as 1000, or bytes as 64MiB"
            )
        };
        let amount = if let Some(share) = text.strip_suffix('%') {
            let share: f64 = share.trim_end().parse().map_err(|_| refuse())?;
            if !(share > 0.0 && share <= 100.0) {
                return Err(format!("`{text}` is no share: it lies above 0% and up to 100%"));
            }
            Amount::Share(share / 100.0)
        } else if text.ends_with(|last: char| last.is_ascii_digit() || last == '.') {
            Amount::Entries(text.parse().map_err(|_| refuse())?)
        } else {
            Amount::Bytes(text.parse().map_err(|_| refuse())?)
        };
        if matches!(amount, Amount::Entries(0)) || amount == Amount::Bytes(ByteSize::default()) {
            return Err(format!("`{text}` holds nothing: use 1 or more"));
        }
        Ok(Size { text: text.to_owned(), amount })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A whole number for readers: `1 234 567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 4 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A ratio in per cent: `55.2 %`.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shares_entries_or_bytes() {
        let mut trace = Trace::new();
        for key in 0..150_u64 {
            trace.push(key).unwrap();
        }
        for (text, room) in [
            ("1%", Room::Entries(1)),
            ("0.1 %", Room::Entries(1)),
            ("99%", Room::Entries(148)),
            ("1000", Room::Entries(1000)),
            ("64MiB", Room::Bytes(ByteSize::mib(64))),
            ("10b", Room::Bytes(ByteSize::from_bytes(10))),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.room(&trace), room, "{text}");
            assert_eq!(size.to_string(), text);
        }
    }

    #[test]
    fn the_rest_is_refused_by_name() {
        for text in ["", "%", "0%", "101%", "-1%", "NaN%", "0", "-5", "1.5", "5 parsecs", "0MiB"] {
            let problem = text.parse::<Size>().unwrap_err();
            assert!(problem.contains(&format!("`{text}`")), "{problem}");
        }
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(
            [0, 999, 9_999, 10_000, 1_234_567].map(count).join(","),
            "0,999,9999,10 000,1 234 567"
        );
    }
}
