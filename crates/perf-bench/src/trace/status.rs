//! Which answers of a server count.

use std::fmt;
use std::str::FromStr;

/// A choice of status codes: `200,304` or `2xx`.
///
/// ```
/// use perf_bench::trace::Statuses;
/// let statuses: Statuses = "2xx,304".parse()?;
/// assert!(statuses.has(206) && statuses.has(304) && !statuses.has(404));
/// assert!("ok".parse::<Statuses>().is_err());
/// # Ok::<(), perf_bench::trace::ParseStatusesError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// From where to where, both included.
    ranges: Vec<(u16, u16)>,
}

impl Statuses {
    /// Whether this one is chosen.
    #[must_use]
    pub fn has(&self, status: u16) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

impl FromStr for Statuses {
    type Err = ParseStatusesError;

    fn from_str(text: &str) -> Result<Statuses, ParseStatusesError> {
        let one = |part: &str| {
            let part = part.trim().to_ascii_lowercase();
            let (low, high) = match part.strip_suffix("xx") {
                Some(class) => (format!("{class}00"), format!("{class}99")),
                None => (part.clone(), part),
            };
            let (low, high) = (low.parse().ok()?, high.parse().ok()?);
            (100..=599).contains(&low).then_some((low, high))
        };
        let ranges: Option<Vec<(u16, u16)>> = text.split(',').map(one).collect();
        ranges
            .map(|ranges| Statuses { ranges })
            .ok_or_else(|| ParseStatusesError { text: text.to_owned() })
    }
}

/// A text that names no status codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseStatusesError {
    text: String,
}

impl fmt::Display for ParseStatusesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` names no status codes: write them like 200,304 or 2xx", self.text)
    }
}

impl std::error::Error for ParseStatusesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_server_answers() {
        for text in ["", "2", "2x", "xx", "6xx", "099", "200;304", "2xx,", "-200"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
        assert!(" 3XX ".parse::<Statuses>().unwrap().has(301));
    }
}
