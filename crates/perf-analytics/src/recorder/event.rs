//! Things that happened.

use serde::Serialize;
use std::collections::VecDeque;
use std::time::SystemTime;

/// How bad something is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Only for those who look for it.
    Debug,
    /// Good to know.
    #[default]
    Info,
    /// Will need somebody.
    Warning,
    /// Something failed.
    Error,
    /// Needs somebody now.
    Critical,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedEvent {
    /// When, in seconds after the Unix epoch in JSON.
    #[serde(serialize_with = "crate::seconds::serialize")]
    pub at: SystemTime,
    /// What.
    pub name: String,
    /// The particulars.
    pub data: Vec<(String, String)>,
    /// How bad.
    pub severity: Severity,
}

#[derive(Debug)]
pub(super) struct Events {
    kept: VecDeque<RecordedEvent>,
    max: usize,
    dropped: u64,
}

impl Events {
    pub(super) fn new(max: usize) -> Events {
        Events { kept: VecDeque::new(), max, dropped: 0 }
    }

    pub(super) fn push(
        &mut self,
        at: SystemTime,
        name: &str,
        data: &[(&str, &str)],
        severity: Severity,
    ) {
        if self.kept.len() >= self.max {
            self.kept.pop_front();
            self.dropped += 1;
        }
        let data = data.iter().take(MAX_PAIRS).map(|(k, v)| (cut(k), cut(v))).collect();
        self.kept.push_back(RecordedEvent { at, name: cut(name), data, severity });
    }

    pub(super) fn kept(&self) -> Vec<RecordedEvent> {
        self.kept.iter().cloned().collect()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

const MAX_PAIRS: usize = 16;
const MAX_TEXT: usize = 1024;

/// The text, at most a kilobyte of it.
pub(super) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT)].to_owned()
}
