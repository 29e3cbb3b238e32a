//! The span of time that a page shows.

use super::knobs::read_duration;
use std::time::Duration;

/// From ten seconds to the day that history reaches back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(u64);

impl Span {
    /// An hour.
    pub(crate) const HOUR: Span = Span(3_600);

    /// Reads a number of seconds, or a text like `5m`, `1h`.
    pub(crate) fn parse(text: &str) -> Result<Span, String> {
        let seconds = read_duration(text.trim()).map(|duration| duration.as_secs());
        match seconds {
            Some(seconds) if (SHORTEST..=LONGEST).contains(&seconds) => Ok(Span(seconds)),
            _ => {
                let said: String = text.chars().take(40).collect();
                Err(format!(
                    "the span {said:?} is refused: use {SHORTEST} to {LONGEST} seconds, such as \
                     300, 5m or 1h"
                ))
            }
        }
    }

    /// The span of that many seconds, or the nearest there is.
    pub(crate) fn nearest(seconds: u64) -> Span {
        Span(seconds.clamp(SHORTEST, LONGEST))
    }

    pub(crate) fn seconds(self) -> u64 {
        self.0
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Default for Span {
    /// Five minutes.
    fn default() -> Span {
        Span(300)
    }
}

const SHORTEST: u64 = 10;
const LONGEST: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_seconds_or_what_people_write() {
        for (text, seconds) in [("300", 300), ("5m", 300), ("1h", 3_600), ("86400", 86_400)] {
            assert_eq!(Span::parse(text).map(Span::seconds), Ok(seconds), "{text}");
        }
        for text in ["", "9", "86401", "-1", "soon", "NaN", "1e9", "\u{1f980}"] {
            let error = Span::parse(text).unwrap_err();
            assert!(error.contains("10 to 86400"), "{error}");
        }
    }
}
