//! The last operations that ended.

use super::KindId;
use crate::brief::Brief;
use crate::{OperationId, Status};
use perf_core::{Instant, Priority};
use std::collections::VecDeque;

/// Remembers the last few; counts those that fell off.
#[derive(Debug)]
pub(super) struct Ring {
    ended: VecDeque<EndedOperation>,
    capacity: usize,
    forgotten: u64,
}

/// An operation that has ended. 56 bytes and the error's text.
#[derive(Debug)]
pub(super) struct EndedOperation {
    pub(super) id: OperationId,
    pub(super) queued_at: Instant,
    /// The end of time if it never started.
    pub(super) started_at: Instant,
    pub(super) ended_at: Instant,
    pub(super) timeout: Brief,
    pub(super) error: Option<Box<str>>,
    pub(super) kind: KindId,
    pub(super) priority: Priority,
    pub(super) status: Status,
}

impl Ring {
    pub(super) const fn new(capacity: usize) -> Ring {
        Ring { ended: VecDeque::new(), capacity, forgotten: 0 }
    }

    pub(super) fn push(&mut self, ended: EndedOperation) {
        if self.ended.len() >= self.capacity {
            self.forgotten += 1;
            if self.ended.pop_front().is_none() {
                return; // It remembers nothing at all.
            }
        }
        self.ended.push_back(ended);
    }

    pub(super) fn find(&self, id: OperationId) -> Option<&EndedOperation> {
        // The newest first: people ask for what ended just now.
        self.ended.iter().rev().find(|ended| ended.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &EndedOperation> {
        self.ended.iter()
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
