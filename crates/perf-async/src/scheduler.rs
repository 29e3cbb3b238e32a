//! Decides which operation runs when, and remembers what became of it.
//!
//! A pure state machine: no runtime, no clock, no lock, no user code. A driver brings the time and
//! acts on what it answers.

mod adapt;
mod attempts;
mod gates;
mod hedges;
mod journal;
mod kinds;
mod line;
mod metrics;
mod read;
mod ready;
mod retries;
mod ring;
mod slab;
mod submission;
mod timers;
mod units;

pub use journal::{Event, Happened};
pub use kinds::KindId;
pub use metrics::{OperationMetrics, Totals};
pub use retries::GaveUp;
pub use submission::{Finished, Next, OperationKey, SchedulerConfig, Submission};

use crate::adaptive::{Limiter, Sample};
use crate::brief::Brief;
use crate::{
    CancelOutcome, ConfigError, Ended, Fairness, KindSettings, OperationId, Overloaded, Pools,
    Status,
};
use gates::{Gate, Holds};
use journal::Journal;
use kinds::Kinds;
use line::{Aging, place_of};
use perf_core::{Instant, Priority};
use perf_guard::Deadline;
use ready::Ready;
use retries::Retries;
use ring::{EndedOperation, Ring};
use slab::{NONE, Slab, State};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use timers::Timers;
pub(crate) use units::Asks;

/// Decides which operation runs when.
///
/// `P` is what the driver keeps with an operation: the work while it waits, a way to stop it while
/// it runs. The scheduler stores it and gives it back, and never calls it.
///
/// Submitting, starting, finishing and cancelling are O(1), amortised; changing the priority is
/// O(log m) where m is the number of waiting operations that changed theirs; a time limit on
/// waiting costs O(log n) of those that have one. An operation that waits takes 48 to 64 bytes, its
/// key, and `Option<P>`, in whole cache lines of 64 bytes but for the queue's 8 to 24.
///
/// ```
/// use perf_async::{Ended, Next, Scheduler, SchedulerConfig, Status, Submission};
/// use perf_core::{Instant, Priority};
///
/// let mut config = SchedulerConfig::default();
/// config.max_concurrent = 1;
/// let mut scheduler = Scheduler::new(config);
/// let now = Instant::from_nanos(0);
/// let low = Submission::new(scheduler.kind("report")).priority(Priority::LOWEST);
/// let high = Submission::new(scheduler.kind("click")).priority(Priority::HIGHEST);
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
    slab: Slab<P>,
    kinds: Kinds,
    ready: Ready,
    keys: HashMap<Arc<OperationKey>, OperationId>,
    /// The same the other way round: few have one.
    key_of: HashMap<OperationId, Arc<OperationKey>>,
    /// When operations may no longer start.
    expiries: Timers<OperationId>,
    /// When suspended operations go on.
    wakes: Timers<OperationId>,
    /// When kinds may start operations again.
    turns: Timers<KindId>,
    /// The soonest of the moments set since the driver asked last.
    alarm: Instant,
    holds: Holds,
    /// What those ask of the pools that do not ask for what their kind does.
    asks: HashMap<OperationId, Box<Asks>>,
    pools: Pools,
    /// The kinds whose next operation had no room in the pools.
    short: Vec<KindId>,
    finished: Ring,
    aging: Aging,
    fairness: Fairness,
    /// The latest moment at which anything came.
    last_stamp: Instant,
    /// The virtual time of the last start.
    virtual_time: u64,
    /// How often an operation was moved.
    moves: u32,
    /// `None` while nobody listens.
    journal: Option<Box<Journal>>,
    places: usize,
    waiting: usize,
    max_concurrent: usize,
    queue_limit: usize,
    /// What changes `max_concurrent`, if anything does.
    limiter: Option<Box<Limiter>>,
}

impl<P> Scheduler<P> {
    /// An empty scheduler.
    #[must_use]
    pub fn new(config: SchedulerConfig) -> Scheduler<P> {
        Scheduler {
            slab: Slab::new(),
            kinds: Kinds::new(),
            ready: Ready::default(),
            keys: HashMap::new(),
            key_of: HashMap::new(),
            expiries: Timers::new(),
            wakes: Timers::new(),
            turns: Timers::new(),
            alarm: read::NEVER,
            holds: Holds::default(),
            asks: HashMap::new(),
            pools: Pools::default(),
            short: Vec::new(),
            finished: Ring::new(config.finished_kept),
            aging: Aging::new(config.aging),
            fairness: config.fairness,
            last_stamp: Instant::from_nanos(0),
            virtual_time: 0,
            moves: 0,
            journal: None,
            places: 0,
            waiting: 0,
            max_concurrent: config.max_concurrent,
            queue_limit: config.queue_limit,
            limiter: None,
        }
    }

    /// The kind of that name. At most [`MAX_KINDS`](crate::MAX_KINDS) names are told apart, so that nobody can fill the memory
    /// with them; operations of later ones go under the kind `other`, and
    /// [`unnamed`](Scheduler::unnamed) counts them.
    pub fn kind(&mut self, name: impl Into<Cow<'static, str>>) -> KindId {
        let name = name.into();
        self.kind_named(&name, || name.clone())
    }

    /// The same; `keep` answers the name to be kept if it is new.
    pub(crate) fn kind_named(
        &mut self,
        name: &str,
        keep: impl FnOnce() -> Cow<'static, str>,
    ) -> KindId {
        self.kinds.intern(name, keep)
    }

    /// Sets how operations of a kind are run; it holds for those that wait too, but for their
    /// time-outs. Call [`next`](Scheduler::next) to fill the room that has been made. A throttle or
    /// a breaker that is set anew starts anew; one that stays as it was goes on. Answers what the
    /// settings were.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as [`KindSettings::check`]; nothing has changed then.
    pub fn configure(
        &mut self,
        id: KindId,
        settings: KindSettings,
        now: Instant,
    ) -> Result<KindSettings, ConfigError> {
        settings.check()?;
        self.set_quotas(id, &settings)?;
        let kind = &mut self.kinds[id];
        if settings.throttle != kind.settings.throttle {
            kind.throttle = settings.throttle.map(|throttle| throttle.gcra()).transpose()?;
            if kind.blocked.take().is_some() {
                self.turns.forget();
            }
        }
        if settings.breaker != kind.settings.breaker {
            kind.breaker = settings.new_breaker()?;
        }
        if settings.retry_budget != kind.settings.retry_budget {
            kind.retries = Retries::default();
        }
        if settings.batch_rule() != kind.settings.batch_rule() {
            kind.gathered = false;
            if kind.gathering.take().is_some() {
                self.turns.forget();
            }
        }
        if settings.needs != kind.settings.needs {
            kind.short = None;
        }
        kind.first_limit = kind.first_limit.or(settings.max_concurrent);
        adapt::adapt(&mut kind.limiter, settings.adaptive);
        let before = std::mem::replace(&mut kind.settings, settings);
        kind.look_at_gates();
        self.gather(id, now);
        self.refresh(id);
        Ok(before)
    }

    /// Whether [`configure`](Scheduler::configure) would find a kind of that name.
    #[must_use]
    pub fn has_room_for_kind(&self, name: &str) -> bool {
        self.kinds.has_room(name)
    }

    /// Whether an operation of that kind submitted now would start at once: there is room, nobody
    /// is to start before it, and every gate of its kind lets it through. Takes nothing. What it
    /// needs of pools is another question: [`has_units_for`](Scheduler::has_units_for).
    #[inline]
    #[must_use]
    pub fn can_start_now(&self, kind: KindId, now: Instant) -> bool {
        let kind = &self.kinds[kind];
        self.places < self.max_concurrent
            && self.ready.is_empty()
            && !self.turns.is_due(now)
            && !self.wakes.is_due(now)
            && kind.line.len() == 0
            && kind.is_open(now)
            && self.slab.has_room()
    }

    /// Takes on an operation that runs from now, without queueing it. For use after
    /// [`can_start_now`](Scheduler::can_start_now), at the same moment: the gates are passed without
    /// asking again.
    #[inline]
    pub fn start_now(
        &mut self,
        submission: Submission,
        payload: Option<P>,
        now: Instant,
    ) -> OperationId {
        let id = submission.kind;
        let held = self.pass_unasked(id, submission.asks.as_deref(), now);
        self.places += 1;
        let kind = &mut self.kinds[id];
        kind.totals.submitted += 1;
        kind.at_once += 1;
        kind.running += 1;
        kind.places += 1;
        self.charge(id);
        let started = self.insert(submission, payload, now, State::Running, held);
        self.note(started, id, now, Happened::Started { waited: Duration::ZERO });
        started
    }

    /// Puts an operation into the queue. Where [`has_next`](Scheduler::has_next) is true
    /// afterwards, call [`next`](Scheduler::next).
    ///
    /// # Errors
    ///
    /// [`Overloaded`] and the payload if as many wait as may, in all or of its kind.
    pub fn submit(
        &mut self,
        submission: Submission,
        payload: P,
        now: Instant,
    ) -> Result<OperationId, (Overloaded, P)> {
        if let Err(overloaded) = self.check_room(submission.kind) {
            return Err((overloaded, payload));
        }
        let (kind_id, start_by) = (submission.kind, submission.start_by);
        let id = self.insert(submission, Some(payload), now, State::Listed, NONE);
        self.waiting += 1;
        let kind = &mut self.kinds[kind_id];
        kind.totals.submitted += 1;
        kind.waiting += 1;
        kind.line.push(id, &mut self.slab, self.aging);
        self.expire_at(id, start_by);
        self.note(id, kind_id, now, Happened::Queued);
        self.gather(kind_id, now);
        self.refresh_if(kind_id, |first| first == id);
        Ok(id)
    }

    /// Whether one more of that kind may wait; counts it as rejected if not.
    pub(crate) fn check_room(&mut self, kind: KindId) -> Result<(), Overloaded> {
        let of_kind = &self.kinds[kind];
        if of_kind.settings.queue_limit.is_some_and(|limit| of_kind.waiting >= limit)
            || self.waiting >= self.queue_limit
            || !self.slab.has_room()
        {
            return Err(self.reject(kind));
        }
        Ok(())
    }

    /// Whether so many more of that kind may wait; counts one as rejected if not.
    #[cfg(feature = "tokio")]
    pub(crate) fn check_room_for(&mut self, kind: KindId, many: usize) -> Result<(), Overloaded> {
        let of_kind = &self.kinds[kind];
        let limit = of_kind.settings.queue_limit.unwrap_or(usize::MAX);
        let room = limit.saturating_sub(of_kind.waiting);
        let room = room.min(self.queue_limit.saturating_sub(self.waiting));
        let room = room.min(crate::id::MAX_SLOTS - self.slab.len());
        if many > room { Err(self.reject(kind)) } else { Ok(()) }
    }

    /// Counts one operation as turned away.
    pub(crate) fn reject(&mut self, kind: KindId) -> Overloaded {
        let kind = &mut self.kinds[kind];
        kind.totals.rejected += 1;
        match kind.settings.queue_limit {
            Some(limit) if kind.waiting >= limit => Overloaded { waiting: kind.waiting, limit },
            _ => Overloaded { waiting: self.waiting, limit: self.queue_limit },
        }
    }

    /// The next operation to start, if there is room, or one that shall not start any more; those
    /// whose time has passed come first. Call it again until it answers `None`.
    ///
    /// An operation starts once every gate lets it through at the same moment: the limit of all,
    /// the limit of its kind, its throttle, its circuit breaker. None of them is taken before, so a
    /// cancelled operation uses up nothing, and one kind that has to wait keeps no other waiting.
    pub fn next(&mut self, now: Instant) -> Option<Next<P>> {
        if self.places < self.max_concurrent
            && let Some((id, payload)) = self.tick(now)
        {
            return Some(Next::Expired { id, payload });
        }
        while self.places < self.max_concurrent {
            let kind = self.ready.first()?;
            let (_, id) = self.kinds[kind].line.first()?;
            match self.pass(kind, id, now) {
                Gate::Open(held) => return self.start(id, State::Running, held, now),
                Gate::Closed => self.refresh(kind),
                Gate::Refused(retry_after) => {
                    let payload = self.refuse(id, retry_after, now)?;
                    return Some(Next::Refused { id, payload, retry_after });
                }
            }
        }
        None
    }

    /// Whether [`next`](Scheduler::next) has something to do. It may still answer `None`, where a
    /// throttle turns out to let none through.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.places < self.max_concurrent && !self.ready.is_empty()
    }

    /// Lets suspended operations and kinds that were held back go on whose time has come, and takes
    /// out one operation whose time passed while it waited. Call it again until it answers `None`,
    /// and then [`next`](Scheduler::next).
    pub fn tick(&mut self, now: Instant) -> Option<(OperationId, P)> {
        self.turn_over(now);
        if !self.expiries.is_due(now) {
            return None;
        }
        let slab = &self.slab;
        let id = self.expiries.pop(now, |at, id| may_expire(slab, at, id))?;
        self.expire(id, now).map(|payload| (id, payload))
    }

    /// When [`tick`](Scheduler::tick) will next have something to do.
    #[must_use]
    pub fn next_timer(&mut self) -> Option<Instant> {
        let (slab, kinds) = (&self.slab, &self.kinds);
        let expiry = self.expiries.first(|at, id| may_expire(slab, at, id));
        let wake = self.wakes.first(|_, id| is_suspended(slab, id));
        let turn = self.turns.first(|at, kind| kinds[kind].waits_for(at));
        [expiry, wake, turn].into_iter().flatten().min()
    }

    /// The soonest moment for [`tick`](Scheduler::tick) that has been set since this was asked last,
    /// so that a driver asleep until then learns whether to wake up sooner. O(1).
    #[must_use]
    pub fn take_alarm(&mut self) -> Option<Instant> {
        let alarm = std::mem::replace(&mut self.alarm, read::NEVER);
        (alarm != read::NEVER).then_some(alarm)
    }

    /// Notes that a running operation has ended, and gives its place to the next. Unless
    /// [`report`](Scheduler::report) was called, its circuit breaker learns how it ended: completed
    /// is a success, failed or timed out a failure, and cancelled neither.
    ///
    /// `None` if no operation with this id runs.
    pub fn finish(&mut self, id: OperationId, ended: Ended, now: Instant) -> Option<Finished<P>> {
        let ran = self.stop(id, ended.outcome(), Sample::of(&ended), now)?;
        let payload = self.end(id, ended, now);
        Some(Finished { payload, ran })
    }

    /// [`finish`](Scheduler::finish) and [`next`](Scheduler::next) in one, for a driver that takes
    /// a lock for each.
    pub fn finish_and_next(
        &mut self,
        id: OperationId,
        ended: Ended,
        now: Instant,
    ) -> (Option<Finished<P>>, Option<Next<P>>) {
        (self.finish(id, ended, now), self.next(now))
    }

    /// Cancels an operation: takes it out of the queue, or lets nobody join it any more and leaves
    /// it to the driver to stop it and to call [`finish`](Scheduler::finish).
    pub fn cancel(&mut self, id: OperationId, now: Instant) -> (CancelOutcome, Option<P>) {
        let Some(slot) = self.slab.get(id) else {
            let known = self.finished.find(id).is_some();
            let outcome =
                if known { CancelOutcome::AlreadyFinished } else { CancelOutcome::Unknown };
            return (outcome, None);
        };
        if slot.state.waits() {
            let payload = self.leave_and_end(id, Ended::Cancelled, now);
            return (CancelOutcome::Removed, payload);
        }
        self.release_key(id);
        (CancelOutcome::Signalled, None)
    }

    /// Changes the priority of a waiting operation; it keeps the time that it has waited. Answers
    /// the priority before, `None` if no operation with this id waits.
    pub fn set_priority(&mut self, id: OperationId, priority: Priority) -> Option<Priority> {
        let slot = self.slab.get_mut(id).filter(|slot| slot.state.waits())?;
        let (before, kind) = (slot.priority, slot.kind);
        let place = place_of(slot);
        if let Some(place) = place
            && priority != before
        {
            slot.priority = priority;
            self.moves = self.moves.wrapping_add(1);
            let line = &mut self.kinds[kind].line;
            line.push_moved(id, self.moves, &mut self.slab, self.aging);
            let changed = line.left(id, place, &self.slab, self.aging);
            self.refresh_if(kind, |first| changed || first == id);
        } else {
            slot.priority = priority;
        }
        Some(before)
    }

    /// Notes that somebody joined an operation, which then is at least as urgent as asked.
    pub fn join(&mut self, id: OperationId, priority: Priority) {
        let Some(slot) = self.slab.get(id) else { return };
        self.kinds[slot.kind].totals.joined += 1;
        if slot.priority < priority {
            self.set_priority(id, priority);
        }
    }

    /// Leaves something with an operation and answers what was there. Nothing happens, and what was
    /// to be left comes back, if the operation has ended.
    pub fn set_payload(&mut self, id: OperationId, payload: P) -> Option<P> {
        match self.slab.get_mut(id) {
            Some(slot) => slot.payload.replace(payload),
            None => Some(payload),
        }
    }

    /// Sets how many may run at once. Those that run go on; call [`next`](Scheduler::next) to fill
    /// the room that has been made.
    pub fn set_max_concurrent(&mut self, operations: usize) {
        self.max_concurrent = operations;
        if let Some(limiter) = &mut self.limiter {
            limiter.set_limit(operations);
            self.max_concurrent = limiter.limit();
        }
    }

    /// Sets how many may wait. Those that wait stay.
    pub fn set_queue_limit(&mut self, operations: usize) {
        self.queue_limit = operations;
    }

    #[inline]
    fn insert(
        &mut self,
        submission: Submission,
        payload: Option<P>,
        now: Instant,
        state: State,
        link: u32,
    ) -> OperationId {
        // Callers read the clock before they get the lock, so readings may arrive out of order.
        self.last_stamp = self.last_stamp.max(now);
        let Submission { kind, priority, timeout, start_by, key, asks } = submission;
        let slot = self.slab.insert();
        slot.queued_at = self.last_stamp;
        slot.moment = if state.waits() { start_by } else { Deadline::at(slot.queued_at) };
        slot.later = Brief::ZERO;
        slot.timeout = Brief::new(timeout);
        slot.link = link;
        slot.kind = kind;
        slot.priority = priority;
        slot.state = state;
        slot.payload = payload;
        let id = slot.id;
        if let Some(key) = key {
            self.key_of.insert(id, Arc::clone(&key));
            self.keys.insert(key, id);
        }
        if let Some(asks) = asks {
            self.asks.insert(id, asks);
        }
        id
    }

    /// Lets a waiting operation run.
    fn start(&mut self, id: OperationId, to: State, held: u32, now: Instant) -> Option<Next<P>> {
        let slot = self.slab.get_mut(id)?;
        let place = place_of(slot)?;
        let (kind_id, start_by) = (slot.kind, slot.moment);
        let (queued_at, waited) = (slot.queued_at, now - slot.since());
        let payload = slot.payload.take().expect("an operation that waits has its payload");
        slot.state = to;
        slot.moment = Deadline::at(now);
        slot.link = held;
        let kind = &mut self.kinds[kind_id];
        kind.line.left(id, place, &self.slab, self.aging);
        kind.waits.record_duration(waited);
        kind.waiting -= 1;
        kind.running += 1;
        self.waiting -= 1;
        if to == State::Running {
            kind.places += 1;
            self.places += 1;
            self.charge(kind_id);
        }
        self.note(id, kind_id, now, Happened::Started { waited });
        self.forget_expiry(start_by);
        self.gather_anew(kind_id, now);
        self.refresh(kind_id);
        Some(Next::Start { id, payload, queued_at, waited })
    }

    /// Takes back what a running operation holds. Answers how long it ran.
    fn stop(
        &mut self,
        id: OperationId,
        outcome: Option<perf_guard::Outcome>,
        sample: Sample,
        now: Instant,
    ) -> Option<Duration> {
        let slot = self.slab.get_mut(id).filter(|slot| !slot.state.waits())?;
        let (state, kind_id) = (slot.state, slot.kind);
        let nanos = now.as_nanos().saturating_sub(slot.since().as_nanos());
        let ran = Duration::from_nanos(nanos);
        let held = std::mem::replace(&mut slot.link, NONE);
        // One place more only matters to a kind that had none, or whose limit is about to move.
        let kind = &self.kinds[kind_id];
        let was_full = kind.limiter.is_some() || !kind.has_place();
        self.release(kind_id, held, outcome, now);
        if state == State::Running {
            self.sampled(kind_id, sample, ran, now);
        }
        let kind = &mut self.kinds[kind_id];
        kind.runs.record(nanos);
        kind.running -= 1;
        if state == State::Running {
            kind.places -= 1;
            self.places -= 1;
            if was_full {
                self.refresh(kind_id);
            }
        }
        Some(ran)
    }

    /// Takes a waiting operation out and ends it.
    fn leave_and_end(&mut self, id: OperationId, ended: Ended, now: Instant) -> Option<P> {
        let slot = self.slab.get(id)?;
        let (place, kind_id, start_by) = (place_of(slot), slot.kind, slot.moment);
        let payload = self.end(id, ended, now);
        self.waiting -= 1;
        let kind = &mut self.kinds[kind_id];
        kind.waiting -= 1;
        let changed = match place {
            Some(place) => kind.line.left(id, place, &self.slab, self.aging),
            None => {
                self.wakes.forget();
                false
            }
        };
        self.forget_expiry(start_by);
        if self.kinds[kind_id].gathered {
            self.gather_anew(kind_id, now);
        }
        self.refresh_if(kind_id, |_| changed);
        payload
    }

    fn expire(&mut self, id: OperationId, now: Instant) -> Option<P> {
        self.leave_and_end(id, Ended::TimedOut("waited too long for its turn".into()), now)
    }

    fn refuse(&mut self, id: OperationId, retry_after: Duration, now: Instant) -> Option<P> {
        let kind = self.slab.get(id)?.kind;
        self.kinds[kind].totals.refused += 1;
        let error = format!("circuit open: try again in {retry_after:?}");
        self.leave_and_end(id, Ended::Failed(error), now)
    }

    fn forget_expiry(&mut self, start_by: Deadline) {
        if start_by.moment().is_some() {
            self.expiries.forget();
        }
    }

    /// Sees to it that an operation that waits ends then.
    fn expire_at(&mut self, id: OperationId, start_by: Deadline) {
        if let Some(moment) = start_by.moment() {
            self.expiries.push(moment, id, |at, id| may_expire(&self.slab, at, id));
            self.alarm = self.alarm.min(moment);
        }
    }

    fn release_key(&mut self, id: OperationId) {
        if !self.key_of.is_empty()
            && let Some(key) = self.key_of.remove(&id)
        {
            self.keys.remove(&key);
        }
    }

    /// Frees the place in the slab, counts and remembers.
    fn end(&mut self, id: OperationId, ended: Ended, now: Instant) -> Option<P> {
        self.release_key(id);
        if !self.asks.is_empty() {
            self.asks.remove(&id);
        }
        let (status, error) = match ended {
            Ended::Completed => (Status::Completed, None),
            Ended::Failed(error) => (Status::Failed, Some(error)),
            Ended::Cancelled => (Status::Cancelled, None),
            Ended::TimedOut(error) => (Status::Timeout, Some(error)),
        };
        let slot = self.slab.get_mut(id)?;
        let (payload, kind) = (slot.payload.take(), slot.kind);
        self.kinds[kind].totals.count(status);
        self.finished.push(EndedOperation {
            id,
            queued_at: slot.queued_at,
            started_at: slot.started_at().unwrap_or(read::NEVER),
            ended_at: now,
            timeout: slot.timeout,
            error: error.map(String::into_boxed_str),
            kind: slot.kind,
            priority: slot.priority,
            status,
        });
        self.slab.free(id);
        self.note(id, kind, now, Happened::Ended { status });
        payload
    }
}

/// Whether that entry among the expiries is of an operation that waits.
fn may_expire<P>(slab: &Slab<P>, at: Instant, id: OperationId) -> bool {
    slab.get(id).is_some_and(|slot| slot.state.waits() && slot.moment == Deadline::at(at))
}

fn is_suspended<P>(slab: &Slab<P>, id: OperationId) -> bool {
    slab.get(id).is_some_and(|slot| slot.state == State::Suspended)
}

#[cfg(test)]
mod tests;
