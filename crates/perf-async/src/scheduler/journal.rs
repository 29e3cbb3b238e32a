//! What happens, as it happens, for those who listen.

use super::{KindId, Scheduler};
use crate::{OperationId, Status};
use perf_core::Instant;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

/// Something that has happened to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The operation.
    pub id: OperationId,
    /// What sort of work it is.
    pub kind: Cow<'static, str>,
    /// When.
    pub at: Instant,
    /// What.
    pub what: Happened,
}

/// What can happen to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened {
    /// It came and waits. One that starts when it comes is never queued.
    Queued,
    /// It runs, for the first time or again.
    Started {
        /// How long it waited.
        waited: Duration,
    },
    /// An attempt has ended without a value and another is to follow.
    Retried {
        /// Not before that moment.
        at: Instant,
    },
    /// It has ended.
    Ended {
        /// How.
        status: Status,
    },
}

/// The last things that happened. All who listen read the same, each from where it stands.
#[derive(Debug)]
pub(super) struct Journal {
    entries: VecDeque<(OperationId, KindId, Instant, Happened)>,
    /// How many are no longer kept.
    forgotten: u64,
    listeners: usize,
}

impl<P> Scheduler<P> {
    /// Begins to listen; answers where. Until then nothing is written down.
    pub fn listen(&mut self) -> u64 {
        let journal = self.journal.get_or_insert_with(|| {
            Box::new(Journal { entries: VecDeque::new(), forgotten: 0, listeners: 0 })
        });
        journal.listeners += 1;
        journal.forgotten + journal.entries.len() as u64
    }

    /// Ends what [`listen`](Scheduler::listen) began. When nobody listens any more, nothing is kept.
    pub fn stop_listening(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.listeners -= 1;
            if journal.listeners == 0 {
                self.journal = None;
            }
        }
    }

    /// The next event of one who stands there, which then stands behind it, and how many before it
    /// were forgotten unread. The last 1,024 are kept.
    pub fn next_event(&self, stand: &mut u64) -> (Option<Event>, u64) {
        let Some(journal) = &self.journal else { return (None, 0) };
        let lost = journal.forgotten.saturating_sub(*stand);
        *stand += lost;
        let entry = journal.entries.get((*stand - journal.forgotten) as usize);
        let event = entry.map(|(id, kind, at, what)| {
            let kind = self.kinds[*kind].name.clone();
            Event { id: *id, kind, at: *at, what: *what }
        });
        *stand += u64::from(event.is_some());
        (event, lost)
    }

    /// Writes down what has happened, if somebody listens.
    #[inline]
    pub(super) fn note(&mut self, id: OperationId, kind: KindId, at: Instant, what: Happened) {
        if let Some(journal) = &mut self.journal {
            journal.push((id, kind, at, what));
        }
    }
}

impl Journal {
    #[cold]
    fn push(&mut self, entry: (OperationId, KindId, Instant, Happened)) {
        if self.entries.len() >= KEPT {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
    }
}

const KEPT: usize = 1_024;
