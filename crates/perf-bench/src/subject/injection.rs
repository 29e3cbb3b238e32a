//! A slowdown on purpose: a gate that cannot go red is worth nothing, so it is tried.

use std::fmt;

/// The environment variable that injects a slowdown: `5%`, or `NAME=5%` for one bench; several are
/// separated by commas.
pub(crate) const VARIABLE: &str = "PERFKIT_INJECT";

/// A slowdown on purpose, for all benches or for named ones.
///
/// The body runs more iterations than are reported: of 1000 with `5%` it runs 1050, and what is
/// left over is carried to the next call. So the change really costs 5 % more time and
/// instructions, wherever the bench spends them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injection {
    /// Name, or nothing for all; and the fraction. The last match counts.
    parts: Vec<(Option<String>, f64)>,
}

impl Injection {
    /// Nothing injected.
    #[must_use]
    pub fn none() -> Injection {
        Injection::default()
    }

    /// Reads `5%`, `NAME=5%` or several with commas between them.
    ///
    /// # Errors
    ///
    /// [`InjectionError`] if a part has no percentage from 0 to 1000.
    pub fn parse(text: &str) -> Result<Injection, InjectionError> {
        let mut parts = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, amount) = match part.rsplit_once('=') {
                Some((name, amount)) => (Some(name.trim().to_owned()), amount),
                None => (None, part),
            };
            let percent =
                amount.trim().strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
            match percent {
                Some(percent) if (0.0..=1000.0).contains(&percent) => {
                    parts.push((name, percent / 100.0));
                }
                _ => return Err(InjectionError { part: part.to_owned() }),
            }
        }
        Ok(Injection { parts })
    }

    /// Adds another's parts; they count before the ones already there.
    pub(super) fn extend(&mut self, other: Injection) {
        self.parts.extend(other.parts);
    }

    /// The fraction for this bench.
    #[must_use]
    pub fn fraction(&self, bench: &str) -> f64 {
        self.parts
            .iter()
            .rev()
            .find(|(name, _)| name.as_deref().is_none_or(|name| name == bench))
            .map_or(0.0, |(_, fraction)| *fraction)
    }
}

/// Stretches iterations by a fraction without losing the remainders.
#[derive(Debug)]
pub(super) struct Stretch {
    fraction: f64,
    carried: f64,
}

impl Stretch {
    pub(super) fn new(fraction: f64) -> Stretch {
        Stretch { fraction, carried: 0.0 }
    }

    /// How many iterations to run where `iterations` are reported.
    pub(super) fn apply(&mut self, iterations: u64) -> u64 {
        let extra = iterations as f64 * self.fraction + self.carried;
        // 10 × 5 % + 10 × 5 % is one iteration; in floats it may fall short of it by a hair.
        let whole = (extra + 1e-9).floor();
        self.carried = extra - whole;
        iterations.saturating_add(whole as u64)
    }
}

/// A text that names no slowdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionError {
    part: String,
}

impl fmt::Display for InjectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no slowdown to inject, write 5% or NAME=5%", self.part)
    }
}

impl std::error::Error for InjectionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_bench_alone_is_slowed() {
        let injection = Injection::parse("cache/hit=20%").unwrap();
        assert_eq!(injection.fraction("cache/hit"), 0.2);
        assert_eq!(injection.fraction("cache/miss"), 0.0);
        let both = Injection::parse("5%, cache/hit=0%").unwrap();
        assert_eq!((both.fraction("cache/hit"), both.fraction("cache/miss")), (0.0, 0.05));
    }

    #[test]
    fn remainders_are_carried() {
        let mut stretch = Stretch::new(0.05);
        let ran: u64 = (0..100).map(|_| stretch.apply(7)).sum();
        assert_eq!(ran, 735);
        assert_eq!(Stretch::new(0.05).apply(1000), 1050);
        assert_eq!(Stretch::new(0.0).apply(u64::MAX), u64::MAX);
    }

    #[test]
    fn other_texts_are_refused_by_name() {
        for text in ["5", "x%", "a=b", "-5%", "NaN%", "2000%"] {
            let error = Injection::parse(text).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
        assert_eq!(Injection::parse(""), Ok(Injection::none()));
    }
}
