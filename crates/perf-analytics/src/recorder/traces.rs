//! Operations that have begun and not ended.

use super::operation::OperationSeries;
use perf_core::Instant;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Names an operation between [`start_operation`](crate::Recorder::start_operation) and
/// [`end_operation`](crate::Recorder::end_operation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u64);

impl TraceId {
    /// The number, unique within its recorder.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The trace of that number.
    #[must_use]
    pub const fn from_u64(number: u64) -> TraceId {
        TraceId(number)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Debug)]
pub(super) struct Traces {
    /// Numbers ascend, so the first one is the oldest.
    open: BTreeMap<u64, (Arc<OperationSeries>, Instant)>,
    next: u64,
    max: usize,
    abandoned: u64,
}

impl Traces {
    pub(super) fn new(max: usize) -> Traces {
        Traces { open: BTreeMap::new(), next: 1, max, abandoned: 0 }
    }

    pub(super) fn open(&mut self, series: Arc<OperationSeries>, start: Instant) -> TraceId {
        if self.open.len() >= self.max {
            self.open.pop_first();
            self.abandoned += 1;
        }
        let id = self.next;
        self.next += 1;
        self.open.insert(id, (series, start));
        TraceId(id)
    }

    pub(super) fn close(&mut self, id: TraceId) -> Option<(Arc<OperationSeries>, Instant)> {
        self.open.remove(&id.0)
    }

    /// How many are open, and how many were given up.
    pub(super) fn counts(&self) -> (usize, u64) {
        (self.open.len(), self.abandoned)
    }
}
