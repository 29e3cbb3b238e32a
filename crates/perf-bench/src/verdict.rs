//! What a comparison says of one bench.

use perf_stats::Estimate;
use serde::{Deserialize, Serialize};

/// What a comparison says of one bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Slower, beyond the margin and the noise.
    Regress,
    /// Faster, beyond the margin and the noise.
    Improve,
    /// The difference, if any, is smaller than the margin.
    Same,
    /// The noise allows no answer.
    Inconclusive,
    /// Only the head has it.
    New,
    /// Only the base has it.
    Gone,
    /// The two sides do different work under one name, or one side failed.
    Incomparable,
}

/// One bench with its two sides and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Judged {
    /// Name of the bench.
    pub bench: String,
    /// What is compared: `time`, `instructions`, `allocations`, `allocated_bytes`.
    pub measure: String,
    /// Unit of `base` and `head`.
    pub unit: String,
    /// The base's middle value, per iteration.
    pub base: Option<f64>,
    /// The head's middle value, per iteration.
    pub head: Option<f64>,
    /// Head over base, with its interval; above 1 is slower.
    pub ratio: Option<Estimate>,
    /// The margin that the lower bound had to pass, as a fraction.
    pub margin: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence for the reader: why this verdict.
    pub why: String,
}

impl Judged {
    /// A bench of which nothing is known yet but its name.
    #[must_use]
    pub fn new(bench: impl Into<String>, measure: impl Into<String>, verdict: Verdict) -> Judged {
        Judged {
            bench: bench.into(),
            measure: measure.into(),
            unit: String::new(),
            base: None,
            head: None,
            ratio: None,
            margin: None,
            verdict,
            why: String::new(),
        }
    }
}
