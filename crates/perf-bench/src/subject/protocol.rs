//! What a subject program and its driver say to each other: a line each way, answers in JSON.

use serde::{Deserialize, Serialize};

/// Version of the protocol that this crate speaks. A driver refuses programs of another one.
pub const PROTOCOL: u32 = 1;

/// One line from the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `answer NAME`: the answer from a fresh set-up; nothing is injected.
    Answer { bench: String },
    /// `calibrate NAME NANOSECONDS`: how many iterations take so long.
    Calibrate { bench: String, nanoseconds: u64 },
    /// `sample NAME ITERATIONS`: how long so many iterations take.
    Sample { bench: String, iterations: u64 },
    /// `end`.
    End,
}

impl Request {
    /// Reads a line; a name may hold spaces, the number is the last word.
    pub(crate) fn parse(line: &str) -> Result<Request, String> {
        let line = line.trim();
        let Some((word, rest)) = line.split_once(' ') else {
            return match line {
                "end" => Ok(Request::End),
                _ => Err(format!("`{line}` is no request")),
            };
        };
        let numbered = || {
            rest.trim()
                .rsplit_once(' ')
                .and_then(|(name, number)| Some((name.trim().to_owned(), number.parse().ok()?)))
                .ok_or_else(|| format!("`{line}` does not end in a number"))
        };
        match word {
            "answer" => Ok(Request::Answer { bench: rest.trim().to_owned() }),
            "calibrate" => {
                numbered().map(|(bench, nanoseconds)| Request::Calibrate { bench, nanoseconds })
            }
            "sample" => numbered().map(|(bench, iterations)| Request::Sample { bench, iterations }),
            _ => Err(format!("`{line}` is no request")),
        }
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> String {
        match self {
            Request::Answer { bench } => format!("answer {bench}"),
            Request::Calibrate { bench, nanoseconds } => format!("calibrate {bench} {nanoseconds}"),
            Request::Sample { bench, iterations } => format!("sample {bench} {iterations}"),
            Request::End => "end".to_owned(),
        }
    }
}

/// What `list` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) format: u32,
    pub(crate) benches: Vec<ListedSubject>,
}

/// A bench as `list` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListedSubject {
    /// Its name.
    pub name: String,
    /// What it does; benches of one name but different work are not compared.
    pub work: String,
    /// Whether it runs on one thread, so that its instructions repeat and it may be pinned.
    pub single_threaded: bool,
    /// How many iterations its answer is taken of.
    pub answer_iterations: u64,
}

/// Answer to `answer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) answer: u64,
}

/// Answer to `calibrate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Calibrated {
    pub(crate) iterations: u64,
    pub(crate) ns: u64,
}

/// Answer to `sample`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timed {
    /// By the clock on the wall, with the waiting for a core.
    pub(crate) ns: u64,
    /// How much of it was waiting for a core, if that was counted. The driver takes it off where
    /// both sides tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<u64>,
    pub(crate) answer: u64,
}

/// Answer to a request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) failure: String,
}

/// What `count` prints: one pass over the counted region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CountedRegion {
    /// The answer from a fresh set-up, as the other side must have it too.
    pub answer: u64,
    /// The iterations that are reported; an injected slowdown ran more.
    pub iterations: u64,
    /// Allocations inside the region, if its allocator is a [`CountingAllocator`](crate::CountingAllocator).
    #[serde(default)]
    pub allocations: Option<u64>,
    /// Bytes asked for inside the region, if its allocator is a [`CountingAllocator`](crate::CountingAllocator).
    #[serde(default)]
    pub allocated_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_their_lines() {
        let bench = "a name with spaces/and 7".to_owned();
        for request in [
            Request::Answer { bench: bench.clone() },
            Request::Calibrate { bench: bench.clone(), nanoseconds: 20 },
            Request::Sample { bench, iterations: u64::MAX },
            Request::End,
        ] {
            assert_eq!(Request::parse(&request.line()), Ok(request));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "sample", "sample x", "sample x y", "calibrate x -1", "stop now"] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
    }
}
