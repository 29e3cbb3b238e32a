//! Environment names that other tools use for the same settings.

use crate::failure::Failure;
use crate::span::Span;
use perf_core::ByteSize;
use std::fmt::Display;
use std::time::Duration;

/// What such names say, with the name that said it.
#[derive(Debug, Default)]
pub(super) struct KnownNames {
    pub(super) ttl: Option<(Span, &'static str)>,
    pub(super) cache_memory: Option<(ByteSize, &'static str)>,
    pub(super) sample_every: Option<(Span, &'static str)>,
}

impl KnownNames {
    pub(super) fn from_environment(
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<KnownNames, Failure> {
        let mut known = KnownNames::default();
        if let Some(text) = get("CACHE_TTL") {
            let span = bare(&text, Duration::from_millis)
                .ok_or_else(|| refuse("CACHE_TTL", &text, "write milliseconds, such as 300000"))?;
            known.ttl = Some((span, "CACHE_TTL"));
        }
        // Read last: it says its unit in its name.
        if let Some(text) = get("CACHE_DEFAULT_TTL_SECONDS") {
            let span = bare(&text, Duration::from_secs).ok_or_else(|| {
                refuse("CACHE_DEFAULT_TTL_SECONDS", &text, "write seconds, such as 300")
            })?;
            known.ttl = Some((span, "CACHE_DEFAULT_TTL_SECONDS"));
        }
        if let Some(text) = get("CACHE_MEMORY_MAX_SIZE") {
            const NAME: &str = "CACHE_MEMORY_MAX_SIZE";
            if text.trim().bytes().all(|b| b.is_ascii_digit()) {
                return Err(refuse(
                    NAME,
                    &text,
                    "a bare number counts entries, and the gateway bounds bytes: add a unit, such \
                     as 256MiB",
                ));
            }
            let size = text.parse().map_err(|e| refuse(NAME, &text, e))?;
            known.cache_memory = Some((size, NAME));
        }
        if let Some(text) = get("PERFORMANCE_MONITORING_INTERVAL") {
            const NAME: &str = "PERFORMANCE_MONITORING_INTERVAL";
            let span = match bare(&text, Duration::from_millis) {
                Some(span) => span,
                None => text.parse().map_err(|e| refuse(NAME, &text, e))?,
            };
            known.sample_every = Some((span, NAME));
        }
        Ok(known)
    }
}

fn bare(text: &str, unit: impl Fn(u64) -> Duration) -> Option<Span> {
    text.trim().parse().ok().map(|n| Span(unit(n)))
}

fn refuse(name: &str, text: &str, remedy: impl Display) -> Failure {
    Failure::usage(format!("the environment has {name}={text}: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<KnownNames, Failure> {
        KnownNames::from_environment(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn units_are_as_documented() {
        let known = read(&[
            ("CACHE_TTL", "1500"),
            ("CACHE_MEMORY_MAX_SIZE", "64MiB"),
            ("PERFORMANCE_MONITORING_INTERVAL", "5000"),
        ])
        .unwrap();
        assert_eq!(known.ttl, Some((Span(Duration::from_millis(1500)), "CACHE_TTL")));
        assert_eq!(known.cache_memory.unwrap().0, ByteSize::mib(64));
        assert_eq!(known.sample_every.unwrap().0, Span(Duration::from_secs(5)));

        let both = read(&[("CACHE_TTL", "1"), ("CACHE_DEFAULT_TTL_SECONDS", "60")]).unwrap();
        assert_eq!(both.ttl.unwrap(), (Span(Duration::from_secs(60)), "CACHE_DEFAULT_TTL_SECONDS"));
        let spelled = read(&[("PERFORMANCE_MONITORING_INTERVAL", "2s")]).unwrap();
        assert_eq!(spelled.sample_every.unwrap().0, Span(Duration::from_secs(2)));
    }

    #[test]
    fn a_wrong_value_names_itself_and_the_remedy() {
        for (name, value, remedy) in [
            ("CACHE_DEFAULT_TTL_SECONDS", "five", "300"),
            ("CACHE_MEMORY_MAX_SIZE", "1000", "unit"),
            ("CACHE_MEMORY_MAX_SIZE", "big", "512MiB"),
            ("PERFORMANCE_MONITORING_INTERVAL", "soon", "30s"),
        ] {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            for part in [name, value, remedy] {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}
