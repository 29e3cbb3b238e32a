//! The last operations that ended.

use crate::{OperationId, OperationRecord};
use std::collections::VecDeque;

/// Remembers the last few; counts those that fell off.
#[derive(Debug)]
pub(super) struct Ring {
    records: VecDeque<OperationRecord>,
    capacity: usize,
    forgotten: u64,
}

impl Ring {
    pub(super) const fn new(capacity: usize) -> Ring {
        Ring { records: VecDeque::new(), capacity, forgotten: 0 }
    }

    pub(super) fn push(&mut self, record: OperationRecord) {
        if self.records.len() >= self.capacity {
            self.forgotten += 1;
            if self.records.pop_front().is_none() {
                return; // It remembers nothing at all.
            }
        }
        self.records.push_back(record);
    }

    pub(super) fn find(&self, id: OperationId) -> Option<&OperationRecord> {
        // The newest first: people ask for what ended just now.
        self.records.iter().rev().find(|record| record.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OperationRecord> {
        self.records.iter()
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
