//! Hands the items of one kind over together.
//!
//! Items wait in the queue as operations of their own. When the first of them starts, those that
//! may go with it are taken out of the queue, and the first becomes the work of the whole batch: it
//! holds the one place, calls the handler, and gives each member its own answer.
//!
//! A member that is cancelled, or whose time passes, after that gets its answer at once, and the
//! others do not notice. When the last has gone the handler's future is dropped.

use super::attempt::{Stop, contain, ended, ended_by, panicked};
use super::clocks::Clocks;
use super::group::{Group, Operand};
use super::permit::{Started, Turn};
use super::runner::{BoxWork, ErasedWork, Verdict};
use super::shared::{Core, Job, Payload, Shared};
use super::sharing::ShareKey;
use crate::batch::{Answers, Batch, Flushed, Handler, WrongAnswers};
use crate::operation::{Choices, Limits};
use crate::sync::{Arc, AtomicUsize, Ordering, lock};
use crate::{
    BatchError, Batching, Ended, Item, KindId, Next, Operation, OperationError, OperationId,
    Scheduler, Submission,
};
use perf_core::Instant;
use perf_guard::Deadline;
use std::any::Any;
use std::borrow::Cow;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle as Runtime;
use tokio::time::Sleep;

/// An item that waits for its batch.
pub(super) struct ItemWork<I, T> {
    item: Option<I>,
    group: Arc<Group<T>>,
    handler: Arc<Handler<I, T>>,
    clocks: Clocks,
    choices: Choices<T>,
    kind: KindId,
    weight: u64,
}

/// What the driver must know of an item to make up a batch.
#[derive(Clone, Copy)]
pub(super) struct ItemInfo {
    /// Only items of the same handler go together.
    handler: *const (),
    weight: u64,
    /// The rule that the handler came with.
    rule: Batch,
}

/// Those who go with the first.
pub(super) struct Crew {
    others: Vec<(OperationId, Instant, BoxWork)>,
    /// Those whose time turned out to have passed.
    expired: Vec<Job>,
    flight: Arc<Flight>,
    flushed: Flushed,
    started: Instant,
}

/// A batch under way, as those see it who want to leave it.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(super) leader: OperationId,
    aboard: AtomicUsize,
    stop: Stop,
}

impl Flight {
    /// With nobody aboard.
    fn new(leader: OperationId) -> Flight {
        Flight { leader, aboard: AtomicUsize::new(0), stop: Stop::default() }
    }

    /// One has left. The last of all stops the batch.
    pub(super) fn leave(&self) {
        if self.aboard.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.stop.request();
        }
    }

    fn is_full(&self, seats: usize) -> bool {
        self.aboard.load(Ordering::Acquire) == seats
    }
}

/// Takes those out of the queue that go with this item, which has just started. Call with the
/// scheduler's lock held; drops nothing of the user's.
pub(super) fn gather(
    core: &mut Core,
    leader: OperationId,
    work: &BoxWork,
    now: Instant,
) -> Option<Crew> {
    let first = work.item()?;
    let live = core.batch_rule_of(leader);
    let rule = live.unwrap_or(first.rule);
    let mut weight = first.weight;
    let mut is_heavy = false;
    let taken = core.take_members(leader, rule.max().saturating_sub(1), now, |payload| {
        let Payload::Waiting(job) = payload else { return false };
        let Some(item) = job.work.item().filter(|item| item.handler == first.handler) else {
            return false;
        };
        weight = weight.saturating_add(item.weight);
        is_heavy = weight > rule.weight_limit();
        !is_heavy
    });
    let flight = Arc::new(Flight::new(leader));
    let board = |work: &BoxWork| {
        // Relaxed: nobody leaves before the scheduler's lock is free.
        flight.aboard.fetch_add(1, Ordering::Relaxed);
        Payload::Aboard(Box::new((work.operand(), Arc::clone(&flight))))
    };
    core.set_payload(leader, board(work));
    let (mut others, mut expired) = (Vec::with_capacity(taken.len()), Vec::new());
    for next in taken {
        match next {
            Next::Start { id, payload: Payload::Waiting(job), queued_at, .. } => {
                core.set_payload(id, board(&job.work));
                core.runtimes.leave(job.runtime);
                others.push((id, queued_at, job.work));
            }
            Next::Expired { payload: Payload::Waiting(job), .. } => {
                core.runtimes.leave(job.runtime);
                expired.push(job);
            }
            _ => unreachable!("an operation that waits has a job"),
        }
    }
    let flushed = match live.and_then(Batch::waits) {
        _ if is_heavy || others.len() + 1 >= rule.max() => Flushed::Size,
        Some(_) => Flushed::Window,
        None => Flushed::Idle,
    };
    Some(Crew { others, expired, flight, flushed, started: now })
}

impl<I, T> ItemWork<I, T> {
    fn seat(self, id: OperationId, submitted: Instant) -> Seat<I, T> {
        let ItemWork { item, group, clocks, choices, kind, .. } = self;
        Seat { id, item, group, clocks, choices, kind, submitted, result: None }
    }
}

// Nothing in it is polled.
impl<I, T> Unpin for ItemWork<I, T> {}

impl<I, T> ErasedWork for ItemWork<I, T>
where
    I: Send + 'static,
    T: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>, _: &Turn<'_>) -> Poll<Verdict> {
        unreachable!("an item that starts becomes the work of its batch")
    }

    fn discard(mut self: Pin<&mut Self>) -> Result<(), OperationError> {
        contain(|| drop(self.item.take()))
    }

    fn resume_by(self: Pin<&mut Self>, _: Instant, _: Instant) -> Deadline {
        unreachable!("an item is not tried again")
    }

    fn settle(mut self: Pin<&mut Self>, otherwise: OperationError, shared: &Shared) {
        let choices = self.choices.take();
        shared.settle(self.kind, &self.group, Err(otherwise), choices);
    }

    fn operand(&self) -> Arc<dyn Operand> {
        Arc::clone(&self.group) as Arc<dyn Operand>
    }

    fn expired(&self) -> OperationError {
        self.clocks.expired()
    }

    fn item(&self) -> Option<ItemInfo> {
        let handler = Arc::as_ptr(&self.handler).cast();
        Some(ItemInfo { handler, weight: self.weight, rule: self.handler.rule })
    }

    fn lead(self: Pin<Box<Self>>, shared: &Arc<Shared>, submitted: Instant, crew: Crew) -> BoxWork {
        let Crew { others, expired, flight, flushed, started } = crew;
        for job in expired {
            let error = job.work.expired();
            job.abandon(error, shared);
        }
        let this = *Pin::into_inner(self);
        let handler = Arc::clone(&this.handler);
        let mut seats = Vec::with_capacity(others.len() + 1);
        seats.push(this.seat(flight.leader, submitted));
        seats.extend(others.into_iter().map(|(id, submitted, work)| {
            let work: Box<ItemWork<I, T>> =
                work.into_any().downcast().expect("items of one handler have its types");
            work.seat(id, submitted)
        }));
        let waits = seats.iter().map(|seat| started - seat.submitted);
        lock(&handler.stats).record(flushed, waits);
        let shared = Arc::clone(shared);
        Box::pin(BatchWork {
            shared,
            flight,
            handler,
            seats,
            started,
            answers: None,
            leader_left: false,
            sleep: None,
        })
    }

    fn into_any(self: Pin<Box<Self>>) -> Box<dyn Any + Send> {
        let this: Box<Self> = Pin::into_inner(self);
        this
    }
}

/// The items of a batch that has started.
struct BatchWork<I, T> {
    shared: Arc<Shared>,
    flight: Arc<Flight>,
    handler: Arc<Handler<I, T>>,
    /// Those who are in it, and those who have left since the handler was called.
    seats: Vec<Seat<I, T>>,
    started: Instant,
    /// What the handler is about to answer, once it has been called.
    answers: Option<Pin<Box<dyn Future<Output = Answers<T>> + Send>>>,
    /// The first has had its answer before the others.
    leader_left: bool,
    // Made only once the handler has to wait for something.
    sleep: Option<(Instant, Pin<Box<Sleep>>)>,
}

struct Seat<I, T> {
    id: OperationId,
    item: Option<I>,
    group: Arc<Group<T>>,
    clocks: Clocks,
    choices: Choices<T>,
    kind: KindId,
    submitted: Instant,
    result: Option<Result<T, OperationError>>,
}

impl<I, T> BatchWork<I, T>
where
    I: Send + 'static,
    T: Send + 'static,
{
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answers<T>, OperationError>> {
        let is_new = self.answers.is_none();
        if is_new {
            self.drop_those_who_left();
        }
        if self.seats.is_empty() || self.flight.stop.listen(cx) {
            return Poll::Ready(Err(OperationError::Cancelled));
        }
        if is_new {
            let items = self.seats.iter_mut().filter_map(|seat| seat.item.take()).collect();
            let handler = &self.handler;
            match catch_unwind(AssertUnwindSafe(|| handler.call(items))) {
                Ok(answers) => self.answers = Some(answers),
                Err(panic) => return Poll::Ready(Err(panicked(panic))),
            }
        }
        let answers = self.answers.as_mut().expect("the handler has been called");
        match catch_unwind(AssertUnwindSafe(|| answers.as_mut().poll(cx))) {
            Ok(Poll::Ready(answers)) => return Poll::Ready(Ok(answers)),
            Err(panic) => return Poll::Ready(Err(panicked(panic))),
            Ok(Poll::Pending) => {}
        }
        self.watch(cx)
    }

    /// Those who left between the start of the batch and the call of its handler.
    fn drop_those_who_left(&mut self) {
        if self.flight.is_full(self.seats.len()) {
            return;
        }
        let left = {
            let core = lock(&self.shared.core);
            let all = std::mem::take(&mut self.seats);
            let (seats, left) = all.into_iter().partition(|seat| is_aboard(&core, seat.id));
            self.seats = seats;
            left
        };
        let left: Vec<Seat<I, T>> = left;
        drop_each(left);
    }

    /// Answers those whose time has passed, and waits for the next.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answers<T>, OperationError>> {
        loop {
            if self.sleep.is_none() {
                let Some(end) = self.next_end() else { return Poll::Pending };
                let remaining = end - self.shared.clock.now();
                self.sleep = Some((end, Box::pin(tokio::time::sleep(remaining))));
            }
            let Some((end, sleep)) = &mut self.sleep else { return Poll::Pending };
            ready!(sleep.as_mut().poll(cx));
            let end = *end;
            self.sleep = None;
            self.expire(end);
            if self.flight.is_full(0) {
                return Poll::Ready(Err(OperationError::Cancelled));
            }
        }
    }

    /// When the time of the first passes.
    fn next_end(&self) -> Option<Instant> {
        let ends = self.seats.iter().filter(|seat| seat.result.is_none());
        ends.filter_map(|seat| seat.clocks.end_by(seat.submitted, self.started).0.moment()).min()
    }

    fn expire(&mut self, now: Instant) {
        for seat in &mut self.seats {
            let (end_by, clock, limit) = seat.clocks.end_by(seat.submitted, self.started);
            if seat.result.is_some() || !end_by.expired(now) {
                continue;
            }
            let error = OperationError::TimedOut { clock, limit };
            let aboard = self.shared.disembark(seat.id, &self.flight, ended_by(&error));
            // So that it is not looked at again: it gets its answer here, or has had it.
            seat.result = Some(Err(if aboard { error.clone() } else { OperationError::Cancelled }));
            if aboard {
                self.flight.leave();
                self.shared.settle(seat.kind, &seat.group, Err(error), seat.choices.take());
            }
        }
    }

    /// Gives each seat its answer, and drops what is left of the handler's.
    fn hand_out(&mut self, answers: Result<Answers<T>, OperationError>) {
        let answers = self.discard_handler().and(answers);
        let items = self.seats.len();
        let error = match answers {
            Ok(answers) if answers.len() == items => {
                for (seat, answer) in self.seats.iter_mut().zip(answers) {
                    let answer = answer.map_err(|error| OperationError::Failed(error.into()));
                    if seat.result.is_some() {
                        drop_each([answer]);
                        continue;
                    }
                    if let Ok(value) = &answer {
                        self.shared.keep(seat.id, value, &seat.choices);
                    }
                    seat.result = Some(answer);
                }
                return;
            }
            Ok(answers) => {
                lock(&self.handler.stats).wrong_answers += 1;
                let wrong = WrongAnswers { items, answers: answers.len() };
                drop_each(answers);
                OperationError::Failed(Arc::new(wrong))
            }
            Err(error) => error,
        };
        for seat in &mut self.seats {
            seat.result.get_or_insert_with(|| Err(error.clone()));
        }
    }

    fn discard_handler(&mut self) -> Result<(), OperationError> {
        contain(|| drop(self.answers.take()))
    }
}

impl<I, T> Unpin for BatchWork<I, T> {}

impl<I, T> ErasedWork for BatchWork<I, T>
where
    I: Send + 'static,
    T: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &Turn<'_>) -> Poll<Verdict> {
        let this = self.get_mut();
        let answers = ready!(this.advance(cx));
        this.hand_out(answers);
        this.leader_left = !is_aboard(&lock(&this.shared.core), this.flight.leader);
        let leader = this.seats.iter().find(|seat| seat.id == this.flight.leader);
        Poll::Ready(Verdict::Ended(match leader.and_then(|seat| seat.result.as_ref()) {
            Some(result) if !this.leader_left => ended(result),
            Some(Err(error @ OperationError::TimedOut { .. })) => ended_by(error),
            _ => Ended::Cancelled,
        }))
    }

    fn resume_by(self: Pin<&mut Self>, _: Instant, _: Instant) -> Deadline {
        unreachable!("a batch is not tried again")
    }

    fn discard(self: Pin<&mut Self>) -> Result<(), OperationError> {
        let this = self.get_mut();
        let mut dropped = this.discard_handler();
        for seat in &mut this.seats {
            dropped = dropped.and(contain(|| drop(seat.item.take())));
        }
        dropped
    }

    fn settle(self: Pin<&mut Self>, otherwise: OperationError, _: &Shared) {
        let this = self.get_mut();
        let (shared, leader) = (&this.shared, this.flight.leader);
        let mut seats = std::mem::take(&mut this.seats);
        for page in seats.chunks_mut(PAGE) {
            // The texts of errors are the user's code, so they are made without the lock. The
            // first has ended with the batch.
            let members = page.iter_mut().filter(|seat| seat.id != leader).map(|seat| {
                let result = seat.result.get_or_insert_with(|| Err(otherwise.clone()));
                (seat.id, ended(result))
            });
            let members: Vec<_> = members.collect();
            let now = shared.clock.now();
            let finish = |core: &mut Core| -> Vec<_> {
                members.into_iter().map(|(id, ended)| core.finish(id, ended, now)).collect()
            };
            let finished = finish(&mut lock(&shared.core));
            let mut finished = finished.into_iter();
            for seat in page {
                let result = seat.result.take().unwrap_or_else(|| Err(otherwise.clone()));
                let has_left = if seat.id == leader {
                    this.leader_left
                } else {
                    finished.next().flatten().is_none()
                };
                if has_left {
                    // It has had its answer, and nothing else is asked for one.
                    contain(|| drop((result, seat.choices.take()))).unwrap_or_default();
                    continue;
                }
                shared.settle(seat.kind, &seat.group, result, seat.choices.take());
            }
        }
        drop_each(seats);
    }

    fn operand(&self) -> Arc<dyn Operand> {
        unreachable!("each member of a batch has its own")
    }

    fn expired(&self) -> OperationError {
        OperationError::Cancelled
    }
}

/// An item that was taken on: its id, those who wait for it, and the caller's number among them.
pub(crate) type Taken<T> = (OperationId, Arc<Group<T>>, usize);

impl Shared {
    /// How a kind batches.
    pub(crate) fn batching_of(&self, kind: &str) -> Option<Batching> {
        let core = lock(&self.core);
        core.kind_settings(core.find_kind(kind)?).batch.clone()
    }

    /// Takes an item on, to be handed over with others, or joins the one with its key.
    pub(crate) fn submit_item<I, T>(
        self: &Arc<Self>,
        operation: Operation<T, Item<I>>,
    ) -> Result<Taken<T>, BatchError>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let asks = operation.asks();
        let Operation { kind: name, work, priority, key, limits, mut choices } = operation;
        let Item { item, weight } = work;
        let key = key.map(|key| ShareKey::new(name.clone(), key));
        if let Some(key) = &key {
            // Who can share needs neither the time nor a runtime.
            let moment = self.moment_for_kept();
            let core = lock(&self.core);
            handler_of::<I, T>(&core, &name)?;
            if let Ok(shared) = self.share(core, key, priority, moment) {
                return shared.map_err(Into::into);
            }
            key.note_in(&mut choices);
        }
        let mut runtime = Runtime::current();
        let now = self.clock.now();

        // After the item, which is the user's, so that it is free again before that is dropped.
        let mut core = lock(&self.core);
        let (kind, handler) = handler_of(&core, &name)?;
        let settings = core.kind_settings(kind);
        let clocks = Clocks::new(&limits.or(settings, self.timeout()));
        if let Some(key) = &key {
            core = match self.share(core, key, priority, Some(now)) {
                Ok(shared) => return shared.map_err(Into::into),
                Err(core) => core,
            };
        }
        let (start_by, ..) = clocks.start_by(now);
        let mut submission =
            Submission::new(kind).priority(priority).timeout(clocks.run()).start_by(start_by);
        submission = submission.asks(asks);
        if let Some(ShareKey { key, .. }) = key {
            submission = submission.key(key);
        }
        let start = core.can_start_now(kind, now) && core.has_units_for(&submission);
        if !start && let Err(overloaded) = core.check_room(kind) {
            drop(core);
            return Err(overloaded.into());
        }
        let group = Group::new();
        let work = ItemWork {
            item: Some(item),
            group: Arc::clone(&group),
            handler,
            clocks,
            choices,
            kind,
            weight,
        };
        let work: BoxWork = Box::pin(work);
        if start {
            let id = core.start_now(submission, None, now);
            let crew = gather(&mut core, id, &work, now).map(Box::new);
            let desk = core.parked.take(runtime.id());
            drop(core);
            let started = Started { id, work, submitted: now, started: now, crew };
            self.hand(&runtime, desk, started.board(self));
            return Ok((id, group, 0));
        }
        let job = Job::new(work, core.runtimes.enter(&mut runtime));
        let queued = core.submit(submission, Payload::Waiting(job), now);
        let (alarm, more) = (core.take_alarm(), core.has_next());
        drop(core);
        let id = queued.map_err(|(overloaded, _)| overloaded)?;
        self.see_to(alarm, more);
        Ok((id, group, 0))
    }

    /// Takes many items on, or none.
    pub(crate) fn submit_items<I, T>(
        self: &Arc<Self>,
        name: Cow<'static, str>,
        items: Vec<I>,
    ) -> Result<Vec<Taken<T>>, BatchError>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let mut runtime = Runtime::current();
        let now = self.clock.now();
        let (kind, handler, clocks) = {
            let core = lock(&self.core);
            let (kind, handler) = handler_of(&core, &name)?;
            let limits = Limits::NONE.or(core.kind_settings(kind), self.timeout());
            (kind, handler, Clocks::new(&limits))
        };
        let (start_by, ..) = clocks.start_by(now);
        let submission = Submission::new(kind).timeout(clocks.run()).start_by(start_by);
        let jobs = items.into_iter().map(|item| {
            let (item, group, handler) = (Some(item), Group::new(), Arc::clone(&handler));
            let work = ItemWork {
                item,
                group: Arc::clone(&group),
                handler,
                clocks,
                choices: None,
                kind,
                weight: 1,
            };
            (Box::pin(work) as BoxWork, group)
        });
        let jobs: Vec<_> = jobs.collect();
        let mut taken = Vec::with_capacity(jobs.len());
        let (alarm, more) = {
            let mut core = lock(&self.core);
            if let Err(overloaded) = core.check_room_for(kind, jobs.len()) {
                drop(core); // Before the items, which are the user's.
                return Err(overloaded.into());
            }
            for (work, group) in jobs {
                let job = Job::new(work, core.runtimes.enter(&mut runtime));
                let queued = core.submit(submission.clone(), Payload::Waiting(job), now);
                let Ok(id) = queued else { unreachable!("there is room for all") };
                taken.push((id, group, 0));
            }
            (core.take_alarm(), core.has_next())
        };
        self.see_to(alarm, more);
        Ok(taken)
    }

    /// Does what a submission has left to do once the scheduler's lock is free.
    fn see_to(self: &Arc<Self>, alarm: Option<Instant>, more: bool) {
        self.watch(alarm);
        if more {
            self.dispatch();
        }
    }

    /// Notes that a member of a batch under way has ended before the batch. Answers whether it was
    /// still in it.
    fn disembark(&self, id: OperationId, flight: &Flight, ended: Ended) -> bool {
        let now = self.clock.now();
        let mut core = lock(&self.core);
        if !is_aboard(&core, id) {
            return false;
        }
        let payload = leave_locked(&mut core, id, flight, ended, now);
        drop(core);
        drop(payload);
        true
    }
}

fn handler_of<I: 'static, T: 'static>(
    core: &Scheduler<Payload>,
    name: &str,
) -> Result<(KindId, Arc<Handler<I, T>>), BatchError> {
    let kind = core.find_kind(name);
    let batching = kind.and_then(|kind| Some((kind, core.kind_settings(kind).batch.as_ref()?)));
    match batching {
        Some((kind, batching)) => Ok((kind, batching.handler(name)?)),
        None => Err(BatchError::NotBatching { kind: name.to_owned() }),
    }
}

/// Ends a member that is in a batch under way, with the scheduler's lock held. Drop what it
/// answers without the lock.
pub(super) fn leave_locked(
    core: &mut Scheduler<Payload>,
    id: OperationId,
    flight: &Flight,
    ended: Ended,
    now: Instant,
) -> Option<Payload> {
    if id == flight.leader {
        // The place is the whole batch's, so its end is noted with the batch's. Until then nobody
        // joins it any more.
        core.cancel(id, now);
        core.set_payload(id, Payload::Cancelled)
    } else {
        core.finish(id, ended, now).and_then(|finished| finished.payload)
    }
}

/// Drops what is the user's, also what comes after something that panics when it is dropped.
fn drop_each<V>(values: impl IntoIterator<Item = V>) {
    for value in values {
        contain(|| drop(value)).unwrap_or_default();
    }
}

fn is_aboard(core: &Scheduler<Payload>, id: OperationId) -> bool {
    matches!(core.payload(id), Some(Payload::Aboard(..)))
}

/// So many members end under one lock.
const PAGE: usize = 256;
