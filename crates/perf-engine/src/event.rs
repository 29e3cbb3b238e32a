//! What was turned, when, and by whom.

use perf_core::{KnobId, KnobValue};
use serde::{Serialize, Serializer};
use std::collections::VecDeque;
use std::time::SystemTime;

/// A knob that was turned, or turned back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// Unique within its engine, ascending.
    pub id: u64,
    /// When, in seconds after the Unix epoch in JSON.
    #[serde(serialize_with = "seconds")]
    pub at: SystemTime,
    /// Whether it was turned or turned back.
    pub kind: EventKind,
    /// The component.
    pub component: String,
    /// Its knob.
    pub knob: KnobId,
    /// The value before.
    pub from: KnobValue,
    /// The value that was really set.
    pub to: KnobValue,
    /// Who did it.
    pub by: String,
    /// The event that turned it back.
    pub undone_by: Option<u64>,
}

/// What an [`Event`] was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A knob was turned.
    Turn,
    /// A knob was set back to what it was before an event.
    Undo,
}

/// The latest events.
#[derive(Debug)]
pub(crate) struct Events {
    kept: VecDeque<Event>,
    next: u64,
    max: usize,
    dropped: u64,
}

impl Events {
    pub(crate) fn new(max: usize) -> Events {
        Events { kept: VecDeque::new(), next: 1, max, dropped: 0 }
    }

    /// Adds an event under the next number and answers it.
    pub(crate) fn push(&mut self, mut event: Event) -> Event {
        event.id = self.next;
        self.next += 1;
        if self.kept.len() >= self.max {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(event.clone());
        event
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Event> {
        self.kept.iter().find(|e| e.id == id)
    }

    pub(crate) fn mark_undone(&mut self, id: u64, by: u64) {
        if let Some(event) = self.kept.iter_mut().find(|e| e.id == id) {
            event.undone_by = Some(by);
        }
    }

    /// The last event on a knob.
    pub(crate) fn last_on(&self, component: &str, knob: &KnobId) -> Option<&Event> {
        self.kept.iter().rev().find(|e| e.component == component && e.knob == *knob)
    }

    pub(crate) fn kept(&self) -> Vec<Event> {
        self.kept.iter().cloned().collect()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

pub(crate) fn seconds<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_f64(since.as_secs_f64())
}
