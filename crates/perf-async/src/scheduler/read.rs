//! How things stand.

use super::ring::EndedOperation;
use super::slab::{Slot, State};
use super::{KindId, OperationKey, Scheduler};
#[cfg(feature = "tokio")]
use crate::Batch;
use crate::{KindSettings, OperationId, OperationRecord, Status};
use perf_core::Instant;
use std::borrow::Cow;

impl<P> Scheduler<P> {
    /// Where an operation stands; `None` if there is none or it has been forgotten. O(1) while it
    /// waits or runs, O(finished kept) once it has ended.
    #[must_use]
    pub fn status(&self, id: OperationId) -> Option<Status> {
        match self.slab.get(id) {
            Some(slot) => Some(self.status_of(slot)),
            None => self.finished.find(id).map(|ended| ended.status),
        }
    }

    /// What is known of an operation, as [`status`](Scheduler::status).
    #[must_use]
    pub fn record(&self, id: OperationId) -> Option<OperationRecord> {
        match self.slab.get(id) {
            Some(slot) => Some(self.record_of(slot)),
            None => self.finished.find(id).map(|ended| self.ended_record(ended)),
        }
    }

    /// A page of the operations that wait or run, in no order, and where the next page begins.
    ///
    /// In pages, so that a lock around the scheduler is held for a short time only.
    #[must_use]
    pub fn page(&self, from: usize, len: usize) -> (Vec<OperationRecord>, Option<usize>) {
        let to = from.saturating_add(len);
        let live = self.slab.range(from, to).map(|slot| self.record_of(slot)).collect();
        (live, (to < self.slab.places()).then_some(to))
    }

    /// As [`page`](Scheduler::page), the ids alone of those that wait and whose payload is wanted.
    #[cfg(feature = "tokio")]
    pub(crate) fn waiting_page(
        &self,
        from: usize,
        len: usize,
        wanted: impl Fn(&P) -> bool,
    ) -> (Vec<OperationId>, Option<usize>) {
        let to = from.saturating_add(len);
        let slots = self.slab.range(from, to).filter(|slot| slot.state.waits());
        let found = slots.filter(|slot| slot.payload.as_ref().is_some_and(&wanted));
        (found.map(|slot| slot.id).collect(), (to < self.slab.places()).then_some(to))
    }

    /// The ended operations that are remembered, oldest first.
    pub fn finished(&self) -> impl Iterator<Item = OperationRecord> {
        self.finished.iter().map(|ended| self.ended_record(ended))
    }

    /// How many ended operations have been forgotten to make room for later ones.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.finished.forgotten()
    }

    /// How many wait, also for another attempt.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.waiting
    }

    /// How many run, also those that share the place of a batch.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.slab.len() - self.waiting
    }

    /// How many may run at once.
    #[must_use]
    pub const fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// How many may wait.
    #[must_use]
    pub const fn queue_limit(&self) -> usize {
        self.queue_limit
    }

    /// The operation with this key that waits or runs.
    #[must_use]
    pub fn find(&self, key: &OperationKey) -> Option<OperationId> {
        self.keys.get(key).copied()
    }

    /// What the driver keeps with an operation.
    #[must_use]
    pub fn payload(&self, id: OperationId) -> Option<&P> {
        self.slab.get(id)?.payload.as_ref()
    }

    /// What the driver keeps with those that wait, in no order. O(places).
    pub fn waiting_payloads(&self) -> impl Iterator<Item = &P> {
        let waiting = self.slab.range(0, usize::MAX).filter(|slot| slot.state.waits());
        waiting.filter_map(|slot| slot.payload.as_ref())
    }

    /// The kind of an operation that waits or runs.
    #[must_use]
    pub fn kind_of(&self, id: OperationId) -> Option<KindId> {
        self.slab.get(id).map(|slot| slot.kind)
    }

    /// The kind of that name, `None` if there is none yet.
    #[must_use]
    pub fn find_kind(&self, name: &str) -> Option<KindId> {
        self.kinds.get(name)
    }

    /// All kinds there are, in the order in which they came.
    pub fn kinds(&self) -> impl Iterator<Item = KindId> {
        self.kinds.iter().map(|(kind, _)| kind)
    }

    /// The limit on places of a kind that was set first.
    #[cfg(feature = "tokio")]
    pub(crate) fn first_limit(&self, kind: KindId) -> Option<usize> {
        self.kinds[kind].first_limit
    }

    /// The name of a kind.
    #[must_use]
    pub fn kind_name(&self, kind: KindId) -> &Cow<'static, str> {
        &self.kinds[kind].name
    }

    /// How a kind is set.
    #[must_use]
    pub fn kind_settings(&self, kind: KindId) -> &KindSettings {
        &self.kinds[kind].settings
    }

    /// How many of a kind wait, also for another attempt.
    #[must_use]
    pub fn pending_of(&self, kind: KindId) -> usize {
        self.kinds[kind].waiting
    }

    /// How many of a kind run.
    #[must_use]
    pub fn running_of(&self, kind: KindId) -> usize {
        self.kinds[kind].running
    }

    /// How often an operation had to go under `other`, because there were too many kinds for one
    /// with its name.
    #[must_use]
    pub const fn unnamed(&self) -> u64 {
        self.kinds.beyond()
    }

    /// When operations of the same kind as this one are started together.
    #[cfg(feature = "tokio")]
    pub(crate) fn batch_rule_of(&self, id: OperationId) -> Option<Batch> {
        self.kinds[self.slab.get(id)?.kind].settings.batch_rule()
    }

    fn status_of(&self, slot: &Slot<P>) -> Status {
        match slot.state {
            State::Running | State::Member => Status::InProgress,
            State::Listed | State::Moved if self.kinds[slot.kind].settings.batch.is_some() => {
                Status::Batching
            }
            _ => Status::Queued,
        }
    }

    fn record_of(&self, slot: &Slot<P>) -> OperationRecord {
        OperationRecord {
            id: slot.id,
            kind: self.kinds[slot.kind].name.clone(),
            priority: slot.priority,
            status: self.status_of(slot),
            queued_at: slot.queued_at,
            started_at: slot.started_at(),
            ended_at: None,
            timeout: slot.timeout.duration(),
            error: None,
        }
    }

    fn ended_record(&self, ended: &EndedOperation) -> OperationRecord {
        OperationRecord {
            id: ended.id,
            kind: self.kinds[ended.kind].name.clone(),
            priority: ended.priority,
            status: ended.status,
            queued_at: ended.queued_at,
            started_at: (ended.started_at != NEVER).then_some(ended.started_at),
            ended_at: Some(ended.ended_at),
            timeout: ended.timeout.duration(),
            error: ended.error.as_deref().map(str::to_owned),
        }
    }
}

pub(super) const NEVER: Instant = Instant::from_nanos(u64::MAX);
