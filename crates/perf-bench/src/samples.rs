//! Measurements as they are kept and passed on: our JSON.

use crate::Machine;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the format that this crate writes. It reads this one and older ones.
pub const FORMAT: u32 = 1;

/// What one program measured in one go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Where it was measured.
    #[serde(default)]
    pub machine: Machine,
    /// The commit, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When, in seconds since 1970, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// `false` when it ended half way; what was measured until then is kept.
    #[serde(default = "yes")]
    pub complete: bool,
    /// The benches.
    pub benches: Vec<Bench>,
}

/// One bench's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bench {
    /// Name, unique in its run; parts are joined by `/`.
    pub name: String,
    /// What it does; benches of one name but different work are not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    /// Unit of the samples, `ns` unless named.
    #[serde(default = "nanoseconds")]
    pub unit: String,
    /// One value each, per iteration, in the order they were taken.
    #[serde(default)]
    pub samples: Vec<f64>,
    /// What was counted, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Why the bench failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What one iteration costs, counted rather than timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions.
    pub instructions: f64,
    /// Allocations, reallocations included.
    pub allocations: f64,
    /// Bytes asked of the allocator.
    pub allocated_bytes: f64,
}

impl Run {
    /// An empty run in the present format.
    #[must_use]
    pub fn new(machine: Machine) -> Run {
        Run { format: FORMAT, machine, commit: None, at: None, complete: true, benches: Vec::new() }
    }

    /// Reads a run.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the text is no run, or one of a newer format.
    pub fn read(json: &str) -> Result<Run, ReadError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let Header { format } =
            serde_json::from_str(json).map_err(|e| ReadError(format!("not a run of ours: {e}")))?;
        if format > FORMAT {
            return Err(ReadError(format!(
                "format {format} is newer than the {FORMAT} that this program reads, update it"
            )));
        }
        serde_json::from_str(json).map_err(|e| ReadError(format!("not a whole run: {e}")))
    }

    /// As JSON, indented.
    ///
    /// # Panics
    ///
    /// Never: plain values with string keys serialize.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain values with string keys serialize")
    }
}

impl Bench {
    /// A bench with samples in nanoseconds per iteration.
    #[must_use]
    pub fn new(name: impl Into<String>, samples: Vec<f64>) -> Bench {
        Bench { name: name.into(), unit: nanoseconds(), samples, ..Bench::default() }
    }
}

/// A file that cannot be read as measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(pub(crate) String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

fn yes() -> bool {
    true
}

fn nanoseconds() -> String {
    "ns".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_survives_its_json() {
        let mut run = Run::new(Machine::default());
        run.benches.push(Bench::new("cache/hit", vec![1.5, 2.5]));
        assert_eq!(Run::read(&run.to_json()), Ok(run));
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let error = Run::read(r#"{"format": 99, "benches": "what the future holds"}"#).unwrap_err();
        assert!(error.to_string().contains("format 99 is newer"), "{error}");
    }
}
