//! Decides which operation runs when, and remembers what became of it.
//!
//! A pure state machine: no runtime, no clock, no lock, no user code. A driver brings the time and
//! acts on what it answers.

mod order;
mod ring;

use crate::id::MAX_SLOTS;
use crate::{CancelOutcome, Ended, OperationId, OperationRecord, Overloaded, Status};
use order::Order;
use perf_core::{Instant, Priority};
use perf_guard::Deadline;
use ring::Ring;
use std::any::TypeId;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Decides which operation runs when.
///
/// `P` is what the driver keeps with an operation: the work while it waits, a way to stop it while
/// it runs. The scheduler stores it and gives it back, and never calls it.
///
/// Submitting, starting, finishing and cancelling are O(1); changing the priority is O(log m) where
/// m is the number of waiting operations that changed theirs; a time limit on waiting costs
/// O(log n) of those that have one.
///
/// ```
/// use perf_async::{Ended, Next, Scheduler, SchedulerConfig, Status, Submission};
/// use perf_core::{Instant, Priority};
///
/// let mut config = SchedulerConfig::default();
/// config.max_concurrent = 1;
/// let mut scheduler = Scheduler::new(config);
/// let now = Instant::from_nanos(0);
/// let low = Submission::new("report").priority(Priority::LOWEST);
/// let high = Submission::new("click").priority(Priority::HIGHEST);
/// let report = scheduler.submit(low, "the report", now).unwrap();
/// let click = scheduler.submit(high, "the click", now).unwrap();
///
/// let Some(Next::Start { id, payload, .. }) = scheduler.next(now) else { panic!() };
/// assert_eq!((id, payload), (click, "the click"));
/// assert!(scheduler.next(now).is_none()); // one at a time
/// scheduler.finish(click, Ended::Completed, now);
/// assert_eq!(scheduler.status(click), Some(Status::Completed));
/// assert_eq!(scheduler.status(report), Some(Status::Queued));
/// ```
#[derive(Debug)]
pub struct Scheduler<P> {
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
    order: Order,
    expiries: BTreeSet<(Instant, u32)>,
    keys: HashMap<Arc<OperationKey>, u32>,
    running: usize,
    max_concurrent: usize,
    queue_limit: usize,
    finished: Ring,
    totals: Totals,
}

/// How a [`Scheduler`] is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerConfig {
    /// How many operations run at once.
    pub max_concurrent: usize,
    /// How many may wait.
    pub queue_limit: usize,
    /// How long an operation waits to gain one level of priority.
    pub aging: Duration,
    /// How many ended operations are remembered.
    pub finished_kept: usize,
}

impl Default for SchedulerConfig {
    fn default() -> SchedulerConfig {
        SchedulerConfig {
            max_concurrent: crate::DEFAULT_MAX_CONCURRENT,
            queue_limit: crate::DEFAULT_QUEUE_LIMIT,
            aging: crate::DEFAULT_AGING,
            finished_kept: crate::DEFAULT_FINISHED_KEPT,
        }
    }
}

/// What a scheduler is told of an operation.
#[derive(Clone, Debug)]
pub struct Submission {
    kind: Cow<'static, str>,
    priority: Priority,
    timeout: Duration,
    start_by: Deadline,
    key: Option<Arc<OperationKey>>,
}

impl Submission {
    /// An operation of that kind, with priority 5 and no limits.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>) -> Submission {
        Submission {
            kind: kind.into(),
            priority: Priority::NORMAL,
            timeout: Duration::MAX,
            start_by: Deadline::NEVER,
            key: None,
        }
    }

    /// The same with that priority.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Submission {
        self.priority = priority;
        self
    }

    /// The same with that time-out, for the record: the driver enforces it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Submission {
        self.timeout = timeout;
        self
    }

    /// The same, never to start after that deadline.
    #[must_use]
    pub fn start_by(mut self, deadline: Deadline) -> Submission {
        self.start_by = deadline;
        self
    }

    /// The same, to be found by that key while it waits or runs.
    #[must_use]
    pub fn key(mut self, key: OperationKey) -> Submission {
        self.key = Some(Arc::new(key));
        self
    }
}

/// What makes two operations the same: kind, key and the type of the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OperationKey {
    key: String,
    kind: Cow<'static, str>,
    value: TypeId,
}

impl OperationKey {
    /// The key of an operation of that kind with values of type `T`.
    #[must_use]
    pub fn new<T: 'static>(kind: Cow<'static, str>, key: String) -> OperationKey {
        OperationKey { key, kind, value: TypeId::of::<T>() }
    }
}

/// What [`Scheduler::next`] found.
#[derive(Debug)]
pub enum Next<P> {
    /// Start this one: it holds a place among those that run until it is finished.
    Start {
        /// Its name.
        id: OperationId,
        /// What the driver keeps with it. Leave something in its place with
        /// [`set_payload`](Scheduler::set_payload).
        payload: P,
        /// How long it waited.
        waited: Duration,
    },
    /// Its time passed while it waited. It has ended and never starts.
    Expired {
        /// Its name.
        id: OperationId,
        /// What the driver kept with it.
        payload: P,
    },
}

/// What [`Scheduler::finish`] gives back.
#[derive(Debug)]
pub struct Finished<P> {
    /// What the driver kept with it.
    pub payload: Option<P>,
    /// How long it ran.
    pub ran: Duration,
}

/// How many operations there have been, by what became of them.
///
/// `submitted` is the sum of those that ended and those that wait or run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Taken on; without those that joined another.
    pub submitted: u64,
    /// Ended with a value.
    pub completed: u64,
    /// Ended with an error or a panic.
    pub failed: u64,
    /// Their time passed.
    pub timed_out: u64,
    /// Cancelled or abandoned.
    pub cancelled: u64,
    /// Turned away because too many waited.
    pub rejected: u64,
    /// Joined an operation with the same key.
    pub joined: u64,
}

#[derive(Debug)]
struct Slot<P> {
    generation: u64,
    entry: Option<Entry<P>>,
}

#[derive(Debug)]
struct Entry<P> {
    submission: Submission,
    queued_at: Instant,
    started_at: Option<Instant>,
    payload: Option<P>,
}

impl<P> Scheduler<P> {
    /// An empty scheduler.
    #[must_use]
    pub fn new(config: SchedulerConfig) -> Scheduler<P> {
        Scheduler {
            slots: Vec::new(),
            free: Vec::new(),
            order: Order::new(config.aging),
            expiries: BTreeSet::new(),
            keys: HashMap::new(),
            running: 0,
            max_concurrent: config.max_concurrent,
            queue_limit: config.queue_limit,
            finished: Ring::new(config.finished_kept),
            totals: Totals::default(),
        }
    }

    /// Whether an operation submitted now would start at once: there is room and nobody waits.
    #[must_use]
    pub fn can_start_now(&self) -> bool {
        self.running < self.max_concurrent && self.order.len() == 0 && self.has_slot()
    }

    /// Takes on an operation that runs from now, without queueing it. For use after
    /// [`can_start_now`](Scheduler::can_start_now).
    pub fn start_now(
        &mut self,
        submission: Submission,
        payload: Option<P>,
        now: Instant,
    ) -> OperationId {
        self.totals.submitted += 1;
        self.running += 1;
        let entry = Entry { submission, queued_at: now, started_at: Some(now), payload };
        self.insert(entry)
    }

    /// Puts an operation into the queue.
    ///
    /// # Errors
    ///
    /// [`Overloaded`] and the payload if as many wait as may.
    pub fn submit(
        &mut self,
        submission: Submission,
        payload: P,
        now: Instant,
    ) -> Result<OperationId, (Overloaded, P)> {
        if let Err(overloaded) = self.check_room() {
            return Err((overloaded, payload));
        }
        self.totals.submitted += 1;
        let (priority, start_by) = (submission.priority, submission.start_by);
        let payload = Some(payload);
        let id = self.insert(Entry { submission, queued_at: now, started_at: None, payload });
        self.order.push(id.slot(), priority, now);
        if let Some(moment) = start_by.moment() {
            self.expiries.insert((moment, id.slot()));
        }
        Ok(id)
    }

    /// Whether one more may wait; counts it as rejected if not.
    pub(crate) fn check_room(&mut self) -> Result<(), Overloaded> {
        if self.order.len() < self.queue_limit && self.has_slot() {
            return Ok(());
        }
        Err(self.reject())
    }

    /// Counts one operation as turned away.
    pub(crate) fn reject(&mut self) -> Overloaded {
        self.totals.rejected += 1;
        Overloaded { waiting: self.order.len(), limit: self.queue_limit }
    }

    /// The next operation to start, if there is room, or one whose time passed while it waited.
    /// Call it again until it answers `None`.
    pub fn next(&mut self, now: Instant) -> Option<Next<P>> {
        if self.running >= self.max_concurrent {
            return None;
        }
        let slot = self.order.first()?;
        let id = self.id_of(slot);
        let start_by = self.live(slot).submission.start_by;
        if start_by.expired(now) {
            let payload = self.expire(slot, now);
            return Some(Next::Expired { id, payload });
        }
        self.unqueue(slot);
        self.running += 1;
        let payload = self.take_payload(slot);
        let entry = self.live_mut(slot);
        entry.started_at = Some(now);
        let waited = now - entry.queued_at;
        Some(Next::Start { id, payload, waited })
    }

    /// Whether [`next`](Scheduler::next) would answer something.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.running < self.max_concurrent && self.order.len() > 0
    }

    /// Takes out one operation whose time passed while it waited. Call it again until it answers
    /// `None`.
    pub fn tick(&mut self, now: Instant) -> Option<(OperationId, P)> {
        let (moment, slot) = *self.expiries.first()?;
        if moment > now {
            return None;
        }
        let id = self.id_of(slot);
        Some((id, self.expire(slot, now)))
    }

    /// When [`tick`](Scheduler::tick) will next have something to do.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(Instant, OperationId)> {
        self.expiries.first().map(|(moment, slot)| (*moment, self.id_of(*slot)))
    }

    /// What the driver keeps with those that may only wait for a time, in the order of their ends.
    #[cfg(feature = "tokio")]
    pub(crate) fn expiring(&self) -> impl Iterator<Item = &P> {
        self.expiries.iter().filter_map(|(_, slot)| self.live(*slot).payload.as_ref())
    }

    /// Notes that a running operation has ended, and gives its place to the next.
    ///
    /// `None` if no operation with this id runs.
    pub fn finish(&mut self, id: OperationId, ended: Ended, now: Instant) -> Option<Finished<P>> {
        let started = self.entry(id)?.started_at?;
        self.running -= 1;
        let payload = self.end(id.slot(), ended, now);
        Some(Finished { payload, ran: now - started })
    }

    /// Cancels an operation: takes it out of the queue, or lets nobody join it any more and leaves
    /// it to the driver to stop it and to call [`finish`](Scheduler::finish).
    pub fn cancel(&mut self, id: OperationId, now: Instant) -> (CancelOutcome, Option<P>) {
        match self.entry(id).map(|entry| entry.started_at) {
            Some(None) => {
                self.unqueue(id.slot());
                let payload = self.end(id.slot(), Ended::Cancelled, now);
                (CancelOutcome::Removed, payload)
            }
            Some(Some(_)) => {
                self.release_key(id.slot());
                (CancelOutcome::Signalled, None)
            }
            None if self.finished.find(id).is_some() => (CancelOutcome::AlreadyFinished, None),
            None => (CancelOutcome::Unknown, None),
        }
    }

    /// Changes the priority of a waiting operation; it keeps the time that it has waited. Answers
    /// the priority before, `None` if no operation with this id waits.
    pub fn set_priority(&mut self, id: OperationId, priority: Priority) -> Option<Priority> {
        let entry = self.entry_mut(id)?;
        if entry.started_at.is_some() {
            return None;
        }
        let before = std::mem::replace(&mut entry.submission.priority, priority);
        self.order.set_priority(id.slot(), priority);
        Some(before)
    }

    /// The operation with this key that waits or runs.
    #[must_use]
    pub fn find(&self, key: &OperationKey) -> Option<OperationId> {
        self.keys.get(key).map(|slot| self.id_of(*slot))
    }

    /// Notes that somebody joined an operation, which then is at least as urgent as asked.
    pub fn join(&mut self, id: OperationId, priority: Priority) {
        self.totals.joined += 1;
        if self.entry(id).is_some_and(|entry| entry.submission.priority < priority) {
            self.set_priority(id, priority);
        }
    }

    /// What the driver keeps with an operation.
    #[must_use]
    pub fn payload(&self, id: OperationId) -> Option<&P> {
        self.entry(id)?.payload.as_ref()
    }

    /// Leaves something with an operation and answers what was there. Nothing happens, and what was
    /// to be left comes back, if the operation has ended.
    pub fn set_payload(&mut self, id: OperationId, payload: P) -> Option<P> {
        match self.entry_mut(id) {
            Some(entry) => entry.payload.replace(payload),
            None => Some(payload),
        }
    }

    /// Where an operation stands; `None` if there is none or it has been forgotten. O(1) while it
    /// waits or runs, O(finished kept) once it has ended.
    #[must_use]
    pub fn status(&self, id: OperationId) -> Option<Status> {
        match self.entry(id) {
            Some(entry) => Some(entry.status()),
            None => self.finished.find(id).map(|record| record.status),
        }
    }

    /// What is known of an operation, as [`status`](Scheduler::status).
    #[must_use]
    pub fn record(&self, id: OperationId) -> Option<OperationRecord> {
        match self.entry(id) {
            Some(entry) => Some(entry.record(id)),
            None => self.finished.find(id).cloned(),
        }
    }

    /// A page of the operations that wait or run, in no order, and where the next page begins.
    ///
    /// In pages, so that a lock around the scheduler is held for a short time only.
    #[must_use]
    pub fn page(&self, from: usize, len: usize) -> (Vec<OperationRecord>, Option<usize>) {
        let to = from.saturating_add(len).min(self.slots.len());
        let live = (from..to).filter_map(|slot| {
            let id = self.id_of(slot as u32);
            self.slots[slot].entry.as_ref().map(|entry| entry.record(id))
        });
        (live.collect(), (to < self.slots.len()).then_some(to))
    }

    /// The ended operations that are remembered, oldest first.
    pub fn finished(&self) -> impl Iterator<Item = &OperationRecord> {
        self.finished.iter()
    }

    /// How many ended operations have been forgotten to make room for later ones.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.finished.forgotten()
    }

    /// How many wait.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.order.len()
    }

    /// How many run.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.running
    }

    /// How many may run at once.
    #[must_use]
    pub const fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// Sets how many may run at once. Those that run go on; call [`next`](Scheduler::next) to fill
    /// the room that has been made.
    pub fn set_max_concurrent(&mut self, operations: usize) {
        self.max_concurrent = operations;
    }

    /// How many may wait.
    #[must_use]
    pub const fn queue_limit(&self) -> usize {
        self.queue_limit
    }

    /// Sets how many may wait. Those that wait stay.
    pub fn set_queue_limit(&mut self, operations: usize) {
        self.queue_limit = operations;
    }

    /// How many there have been.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Starts counting from zero. Those that wait or run count as submitted.
    pub fn reset_totals(&mut self) {
        let submitted = (self.running + self.order.len()) as u64;
        self.totals = Totals { submitted, ..Totals::default() };
    }

    fn insert(&mut self, entry: Entry<P>) -> OperationId {
        let key = entry.submission.key.clone();
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot { generation: 1, entry: None });
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[slot as usize].entry = Some(entry);
        if let Some(key) = key {
            self.keys.insert(key, slot);
        }
        self.id_of(slot)
    }

    fn has_slot(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < MAX_SLOTS
    }

    /// Takes a waiting operation out of the order and the expiries.
    fn unqueue(&mut self, slot: u32) {
        self.order.remove(slot);
        if let Some(moment) = self.live(slot).submission.start_by.moment() {
            self.expiries.remove(&(moment, slot));
        }
    }

    fn expire(&mut self, slot: u32, now: Instant) -> P {
        self.unqueue(slot);
        let payload = self.take_payload(slot);
        self.end(slot, Ended::TimedOut("waited too long for its turn".into()), now);
        payload
    }

    fn take_payload(&mut self, slot: u32) -> P {
        let payload = self.live_mut(slot).payload.take();
        payload.expect("a waiting operation has its payload")
    }

    fn release_key(&mut self, slot: u32) {
        if let Some(key) = self.live_mut(slot).submission.key.take() {
            self.keys.remove(&key);
        }
    }

    /// Frees the slot, counts and remembers.
    fn end(&mut self, slot: u32, ended: Ended, now: Instant) -> Option<P> {
        self.release_key(slot);
        let id = self.id_of(slot);
        let place = &mut self.slots[slot as usize];
        let mut entry = place.entry.take().expect("only a live operation ends");
        place.generation += 1;
        self.free.push(slot);
        let (status, error, total) = match ended {
            Ended::Completed => (Status::Completed, None, &mut self.totals.completed),
            Ended::Failed(error) => (Status::Failed, Some(error), &mut self.totals.failed),
            Ended::Cancelled => (Status::Cancelled, None, &mut self.totals.cancelled),
            Ended::TimedOut(error) => (Status::Timeout, Some(error), &mut self.totals.timed_out),
        };
        *total += 1;
        let payload = entry.payload.take();
        self.finished.push(OperationRecord {
            status,
            error,
            ended_at: Some(now),
            ..entry.into_record(id)
        });
        payload
    }

    fn id_of(&self, slot: u32) -> OperationId {
        OperationId::new(slot, self.slots[slot as usize].generation)
    }

    fn entry(&self, id: OperationId) -> Option<&Entry<P>> {
        let slot = self.slots.get(id.slot() as usize)?;
        if OperationId::new(id.slot(), slot.generation) == id { slot.entry.as_ref() } else { None }
    }

    fn entry_mut(&mut self, id: OperationId) -> Option<&mut Entry<P>> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        if OperationId::new(id.slot(), slot.generation) == id { slot.entry.as_mut() } else { None }
    }

    fn live(&self, slot: u32) -> &Entry<P> {
        self.slots[slot as usize].entry.as_ref().expect("the slot is in use")
    }

    fn live_mut(&mut self, slot: u32) -> &mut Entry<P> {
        self.slots[slot as usize].entry.as_mut().expect("the slot is in use")
    }
}

impl<P> Entry<P> {
    fn status(&self) -> Status {
        if self.started_at.is_some() { Status::InProgress } else { Status::Queued }
    }

    fn record(&self, id: OperationId) -> OperationRecord {
        OperationRecord {
            id,
            kind: self.submission.kind.clone(),
            priority: self.submission.priority,
            status: self.status(),
            queued_at: self.queued_at,
            started_at: self.started_at,
            ended_at: None,
            timeout: self.submission.timeout,
            error: None,
        }
    }

    /// As [`record`](Entry::record), without copying the kind.
    fn into_record(mut self, id: OperationId) -> OperationRecord {
        let kind = std::mem::take(&mut self.submission.kind);
        OperationRecord { kind, ..self.record(id) }
    }
}

#[cfg(test)]
mod tests;
