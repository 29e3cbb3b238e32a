//! How much more a bench may cost before it is called worse.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much more a bench may cost before it is called worse: for all benches, and for single ones.
///
/// As TOML:
///
/// ```toml
/// instructions = 0.03          # a fraction
/// allocations = 0              # so many more per iteration
///
/// [bench."http/head"]          # what is left out is as for all
/// allocations = 1
/// reason = "the table of headers grows once, sooner or later"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct CountsLimits {
    #[serde(flatten)]
    all: Limit,
    bench: BTreeMap<String, LimitOfBench>,
}

/// How much more one bench may cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Limit {
    /// Instructions, as a fraction of the base's.
    pub instructions: f64,
    /// Allocations per iteration.
    pub allocations: f64,
    /// Allocated bytes, as a fraction of the base's; unlimited where it is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_bytes: Option<f64>,
}

/// One bench's own limits; what is `None` is as for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitOfBench {
    /// Instructions, as a fraction of the base's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<f64>,
    /// Allocations per iteration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocations: Option<f64>,
    /// Allocated bytes, as a fraction of the base's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_bytes: Option<f64>,
    /// Why it has its own; shown beside the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Default for Limit {
    /// 3 % more instructions, not one more allocation, any number of bytes.
    fn default() -> Limit {
        Limit { instructions: 0.03, allocations: 0.0, allocated_bytes: None }
    }
}

impl CountsLimits {
    /// The limit of one bench.
    #[must_use]
    pub fn of(&self, bench: &str) -> Limit {
        let own = self.bench.get(bench).cloned().unwrap_or_default();
        Limit {
            instructions: own.instructions.unwrap_or(self.all.instructions),
            allocations: own.allocations.unwrap_or(self.all.allocations),
            allocated_bytes: own.allocated_bytes.or(self.all.allocated_bytes),
        }
    }

    /// Why a bench has limits of its own, if it has and somebody wrote it down.
    #[must_use]
    pub fn reason(&self, bench: &str) -> Option<&str> {
        self.bench.get(bench)?.reason.as_deref()
    }

    /// Benches with limits of their own.
    pub fn benches(&self) -> impl Iterator<Item = &str> {
        self.bench.keys().map(String::as_str)
    }
}

/// The limits as somebody wrote them, before anybody has looked whether they make sense.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    instructions: f64,
    allocations: f64,
    allocated_bytes: Option<f64>,
    bench: BTreeMap<String, LimitOfBench>,
}

impl Default for Written {
    fn default() -> Written {
        let Limit { instructions, allocations, allocated_bytes } = Limit::default();
        Written { instructions, allocations, allocated_bytes, bench: BTreeMap::new() }
    }
}

impl TryFrom<Written> for CountsLimits {
    type Error = String;

    fn try_from(written: Written) -> Result<CountsLimits, String> {
        let Written { instructions, allocations, allocated_bytes, bench } = written;
        check("", Some(instructions), Some(allocations), allocated_bytes)?;
        for (name, own) in &bench {
            let place = format!(" of `{name}`");
            check(&place, own.instructions, own.allocations, own.allocated_bytes)?;
        }
        Ok(CountsLimits { all: Limit { instructions, allocations, allocated_bytes }, bench })
    }
}

fn check(
    place: &str,
    instructions: Option<f64>,
    allocations: Option<f64>,
    allocated_bytes: Option<f64>,
) -> Result<(), String> {
    let fields = [
        ("instructions", instructions, "a fraction such as 0.03"),
        ("allocations", allocations, "a number per iteration such as 1"),
        ("allocated_bytes", allocated_bytes, "a fraction such as 0.1"),
    ];
    for (field, value, wanted) in fields {
        if let Some(value) = value
            && !(value.is_finite() && value >= 0.0)
        {
            return Err(format!("`{field}`{place} is {value}, write {wanted}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<CountsLimits, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bench_takes_from_all_what_it_does_not_say() {
        let limits = read(r#"{"instructions": 0.01, "bench": {"a": {"allocations": 2}}}"#).unwrap();
        let a = limits.of("a");
        assert_eq!((a.instructions, a.allocations, a.allocated_bytes), (0.01, 2.0, None));
        assert_eq!(limits.of("b").allocations, 0.0);
        assert_eq!(read("{}").unwrap().of("b"), Limit::default());
    }

    #[test]
    fn limits_survive_their_json() {
        let limits = read(r#"{"bench": {"a": {"instructions": 0.1, "reason": "why"}}}"#).unwrap();
        assert_eq!(read(&serde_json::to_string(&limits).unwrap()), Ok(limits.clone()));
        assert_eq!(limits.reason("a"), Some("why"));
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        let error = read(r#"{"bench": {"a": {"instructions": -0.1}}}"#).unwrap_err();
        assert!(error.contains("`instructions` of `a` is -0.1"), "{error}");
        assert!(read(r#"{"instruction": 0.1}"#).unwrap_err().contains("unknown field"));
    }
}
