//! What the handles of one manager share.

use super::attempt::{Inline, Ran, Stop, Supervised};
use super::batch::{Flight, Taken, gather};
use super::clocks::{Clocks, nanos};
use super::dispatching::Dispatching;
use super::door::{CoreGuard, CoreLock, Door};
use super::group::{Group, Operand};
use super::kept::Kept;
use super::news::Listeners;
use super::parked::{Desk, Parked};
use super::permit::{InlinePermit, Permit, Started};
use super::results::Results;
use super::retrying::{Followed, Random};
use super::runner::{BoxWork, Runner, Submitted};
use super::runtimes::{RuntimeAt, Runtimes};
use super::sharing::ShareKey;
use super::timer::Timer;
use crate::fallback::or_degraded;
#[cfg(feature = "lanes")]
use crate::lane::{LaneSettings, Lanes, outlives};
use crate::operation::Key;
#[cfg(feature = "lanes")]
use crate::pools::Lane;
#[cfg(feature = "lanes")]
use crate::scheduler::Asks;
use crate::sync::{Arc, AtomicU64, Ordering, in_order, lock};
use crate::{
    Answered, Ended, Finished, Handle, KindId, Next, Operation, OperationError, OperationId, Pools,
    Refused, Scheduler, SchedulerConfig, Status, Submission, Work,
};
use perf_core::{Clock, Instant, Priority};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use tokio::runtime::{Handle as Runtime, Id as RuntimeId};

pub(crate) struct Shared {
    pub(crate) core: CoreLock,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    #[cfg(feature = "lanes")]
    pub(crate) lanes: Arc<Lanes>,
    /// In nanoseconds.
    timeout: AtomicU64,
    /// Since when the statistics count, in nanoseconds.
    since: AtomicU64,
    pub(super) timer: Timer,
    pub(crate) results: Arc<Results>,
    pub(crate) kept: Kept,
    pub(super) random: Random,
    pub(super) listeners: Listeners,
}

/// What is decided under one lock.
pub(crate) struct Core {
    pub(super) scheduler: Scheduler<Payload>,
    pub(super) parked: Parked,
    pub(super) runtimes: Runtimes,
    pub(super) door: Door,
}

impl Deref for Core {
    type Target = Scheduler<Payload>;

    fn deref(&self) -> &Scheduler<Payload> {
        &self.scheduler
    }
}

impl DerefMut for Core {
    fn deref_mut(&mut self) -> &mut Scheduler<Payload> {
        &mut self.scheduler
    }
}

/// What a manager was built with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) scheduler: SchedulerConfig,
    pub(crate) timeout: Duration,
    pub(crate) pools: Pools,
    /// How many values are kept.
    pub(crate) kept_limit: usize,
    /// How many results of ended operations are kept for those who know the id.
    pub(crate) results_kept: usize,
    /// Of the random bits.
    pub(crate) seed: Option<u64>,
    #[cfg(feature = "lanes")]
    pub(crate) lanes: LaneSettings,
}

/// What the scheduler keeps for the driver.
pub(crate) enum Payload {
    /// It waits.
    Waiting(Job),
    /// A task runs it.
    Running(Arc<dyn Operand>),
    /// It is in a batch that runs.
    Aboard(Box<(Arc<dyn Operand>, Arc<Flight>)>),
    /// The future of `run` polls it, and has had to wait at least once.
    Inline(Arc<Stop>),
    /// The future of `run` was cancelled during its first poll; or it was the first of a batch
    /// that runs, and has left it.
    Cancelled,
}

/// A submitted operation that waits.
pub(crate) struct Job {
    pub(super) work: BoxWork,
    /// To be given back when it no longer waits.
    pub(super) runtime: RuntimeAt,
    _spare: Spare,
}

/// A byte with one value, so that a payload needs none of its own to say which one it is: with what
/// the scheduler keeps it then fills one cache line.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Spare {
    Free,
}

impl Job {
    pub(super) fn new(work: BoxWork, runtime: RuntimeAt) -> Job {
        Job { work, runtime, _spare: Spare::Free }
    }

    /// Drops the work, which was never begun, and gives this error to those who wait for it.
    pub(super) fn abandon(mut self, error: OperationError, shared: &Shared) {
        // A destructor that panics must not take the answer with it.
        let dropped = self.work.as_mut().discard();
        self.work.as_mut().settle(dropped.err().unwrap_or(error), shared);
    }
}

/// An operation to start in that runtime, or where it was asked for; or one that never will.
pub(super) type NextJob = Option<Result<(Option<Runtime>, Started), Unstarted>>;

/// An operation that ended while it waited.
pub(super) struct Unstarted {
    job: Job,
    error: OperationError,
}

impl Unstarted {
    pub(super) fn expired(job: Job) -> Unstarted {
        Unstarted { error: job.work.expired(), job }
    }

    /// Tells those who wait for it, and that it has gone.
    pub(super) fn tell(self, shared: &Shared) {
        self.job.abandon(self.error, shared);
        shared.core.note_gone();
    }
}

/// What is left of an operation that has ended; with it the last of it is gone.
pub(super) struct Departed<'a> {
    payload: Option<Payload>,
    /// Where it is to be said that it has gone.
    core: Option<&'a CoreLock>,
}

impl<'a> Departed<'a> {
    pub(super) fn new(payload: Option<Payload>, core: Option<&'a CoreLock>) -> Departed<'a> {
        Departed { payload, core }
    }
}

impl Drop for Departed<'_> {
    fn drop(&mut self) {
        self.payload = None;
        if let Some(core) = self.core {
            core.note_gone();
        }
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings, clock: Clock) -> Shared {
        let since = AtomicU64::new(clock.now().as_nanos());
        let mut scheduler = Scheduler::new(settings.scheduler);
        scheduler.set_pools(settings.pools.clone());
        #[cfg(feature = "lanes")]
        scheduler.set_lane(Lane::Cpu, settings.lanes.cpu);
        #[cfg(feature = "lanes")]
        scheduler.set_lane(Lane::Blocking, settings.lanes.blocking);
        Shared {
            core: CoreLock::new(Core {
                scheduler,
                parked: Parked::default(),
                runtimes: Runtimes::default(),
                door: Door::default(),
            }),
            clock,
            timeout: AtomicU64::new(nanos(settings.timeout)),
            #[cfg(feature = "lanes")]
            lanes: Arc::new(Lanes::new(&settings.lanes)),
            kept: Kept::new(settings.kept_limit),
            random: Random::new(settings.seed),
            listeners: Listeners::default(),
            results: Results::new(settings.results_kept),
            settings,
            since,
            timer: Timer::default(),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        // Relaxed: a limit read a moment late is as good.
        Duration::from_nanos(self.timeout.load(Ordering::Relaxed))
    }

    pub(crate) fn set_timeout(&self, timeout: Duration) {
        self.timeout.store(nanos(timeout), Ordering::Relaxed);
    }

    pub(crate) fn since(&self) -> Instant {
        // Relaxed: nothing else depends on it.
        Instant::from_nanos(self.since.load(Ordering::Relaxed))
    }

    pub(crate) fn set_since(&self, since: Instant) {
        self.since.store(since.as_nanos(), Ordering::Relaxed);
    }

    /// Runs an operation where it stands, or in a task of its own if there is no room.
    pub(crate) async fn run<T, W>(
        self: &Arc<Self>,
        operation: Operation<T, W>,
    ) -> Result<Answered<T>, OperationError>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        let now = self.clock.now();
        let handle = match self.start_inline(&operation, now) {
            None => {
                let name = operation.choices.as_ref().map(|_| operation.kind.clone());
                match self.try_submit(operation, None) {
                    Ok(taken) => Handle::new(Arc::clone(self), taken),
                    Err((refused, operation)) => {
                        let answered = or_degraded(Err(refused.into()), operation.choices)?;
                        let kind = name.and_then(|name| lock(&self.core).find_kind(&name));
                        if let Some(kind) = kind {
                            self.count_source(kind, answered.source);
                        }
                        return Ok(answered);
                    }
                }
            }
            Some((permit, clocks)) => {
                let Operation { work, choices, .. } = operation;
                let kind = permit.kind();
                let supervised = Supervised::new(work, clocks, kind);
                let hedge = choices.as_ref().and_then(|chosen| chosen.hedge);
                let place = permit.place(now, hedge);
                let Ran { result, again } = Inline { supervised, place, value: PhantomData }.await;
                let (result, choices) = match result {
                    Ok(value) => {
                        permit.finish(Ended::Completed);
                        (Ok(value), choices)
                    }
                    Err(error) => match self.follow(permit, error, again, choices, clocks, now) {
                        Followed::Again(handle) => {
                            return handle.cancel_on_drop().answered().await;
                        }
                        Followed::Ended(error, choices) => (Err(error), choices),
                    },
                };
                let answered = or_degraded(result, choices)?;
                self.count_source(kind, answered.source);
                return Ok(answered);
            }
        };
        handle.cancel_on_drop().answered().await
    }

    fn start_inline<T, W>(
        self: &Arc<Self>,
        operation: &Operation<T, W>,
        now: Instant,
    ) -> Option<(InlinePermit<'_>, Clocks)>
    where
        W: Work<T>,
    {
        if operation.key.is_some() {
            return None;
        }
        let asks = operation.asks();
        #[cfg(feature = "lanes")]
        let asks = self.seated(&operation.work, asks);
        let mut core = lock(&self.core);
        let kind = core.kind_named(&operation.kind, || operation.kind.clone());
        let submission = Submission::new(kind).priority(operation.priority).asks(asks);
        if !core.can_start_now(kind, now) || !core.has_units_for(&submission) {
            return None;
        }
        let limits = operation.limits.or(core.kind_settings(kind), self.timeout());
        let clocks = Clocks::new(&limits);
        let id = core.start_now(submission.timeout(clocks.run()), None, now);
        drop(core);
        self.tell();
        Some((InlinePermit::new(self, id, kind), clocks))
    }

    /// Starts an operation in a task of its own, or queues it, or joins the one that is under way.
    pub(crate) fn submit<T, W>(
        self: &Arc<Self>,
        operation: Operation<T, W>,
    ) -> Result<Taken<T>, Refused>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        self.try_submit(operation, None).map_err(|(refused, _)| refused)
    }

    /// The same, in a place of the queue that was kept for that kind if there is one. Gives the
    /// operation back if it is turned away.
    #[expect(clippy::result_large_err, reason = "a box would be an allocation per refusal")]
    pub(crate) fn try_submit<T, W>(
        self: &Arc<Self>,
        mut operation: Operation<T, W>,
        place: Option<KindId>,
    ) -> Result<Taken<T>, (Refused, Operation<T, W>)>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        let asks = operation.asks();
        #[cfg(feature = "lanes")]
        let asks = self.seated(&operation.work, asks);
        let key = operation.key.take();
        let key = key.map(|key| ShareKey::new(operation.kind.clone(), key));
        if let Some(shared) = &key {
            // Who can share needs neither the time nor a runtime.
            let moment = self.moment_for_kept();
            let taken = self.share(lock(&self.core), shared, operation.priority, moment);
            if let Ok(taken) = taken {
                if let Some(kind) = place {
                    lock(&self.core).give_back(kind);
                }
                return taken.map_err(|refused| {
                    operation.key = key.map(Key::from);
                    (refused, operation)
                });
            }
            shared.note_in(&mut operation.choices);
        }
        let mut runtime = Runtime::try_current().unwrap_or_else(|_| {
            if let Some(kind) = place {
                lock(&self.core).give_back(kind);
            }
            Runtime::current() // Panics, and says why.
        });
        // Allocates, so before the lock is taken.
        let group = Group::new();
        let now = self.clock.now();

        let mut core = lock(&self.core);
        if let Some(kind) = place {
            core.give_back(kind);
        }
        if let Some(shared) = &key {
            core = match self.share(core, shared, operation.priority, Some(now)) {
                Ok(taken) => {
                    return taken.map_err(|refused| {
                        operation.key = key.map(Key::from);
                        (refused, operation)
                    });
                }
                Err(core) => core,
            };
        }
        let kind = core.kind_named(&operation.kind, || operation.kind.clone());
        let clocks = Clocks::new(&operation.limits.or(core.kind_settings(kind), self.timeout()));
        let (start_by, ..) = clocks.start_by(now);
        let mut submission = Submission::new(kind)
            .priority(operation.priority)
            .timeout(clocks.run())
            .start_by(start_by);
        submission = submission.asks(asks);
        let start = core.can_start_now(kind, now) && core.has_units_for(&submission);
        if !start && let Err(refused) = core.check_room(kind) {
            drop(core);
            operation.key = key.map(Key::from);
            return Err((refused, operation));
        }
        if let Some(ShareKey { key, .. }) = key {
            submission = submission.key(key);
        }
        let Operation { work, choices, .. } = operation;
        let supervised = Supervised::new(work, clocks, kind);
        let submitted = Submitted::new(supervised, choices, Arc::clone(&group));
        let work: BoxWork = Box::pin(submitted);
        if start {
            let operand = Arc::clone(&group) as Arc<dyn Operand>;
            let id = core.start_now(submission, Some(Payload::Running(operand)), now);
            let desk = core.parked.take(runtime.id());
            drop(core);
            let started = Started { id, work, submitted: now, started: now, crew: None };
            self.hand(&runtime, desk, started);
            self.tell();
            return Ok((id, group, 0));
        }
        let job = Job::new(work, core.runtimes.enter(&mut runtime));
        let queued = core.submit(submission, Payload::Waiting(job), now);
        let (alarm, more) = (core.take_alarm(), core.has_next());
        drop(core);
        let Ok(id) = queued else { unreachable!("there was room, and the lock was held") };
        self.watch(alarm);
        if more {
            // Its kind is to be asked: the breaker may refuse it, the throttle has a time.
            self.dispatch();
        }
        Ok((id, group, 0))
    }

    /// Runs an operation that has started in a task of its own.
    pub(super) fn spawn(self: &Arc<Self>, runtime: &Runtime, started: Started) {
        self.hand(runtime, None, started);
    }

    /// The same, in the task that sits there if it still does.
    pub(super) fn hand(
        self: &Arc<Self>,
        runtime: &Runtime,
        desk: Option<Arc<Desk>>,
        started: Started,
    ) {
        let mut permit = Permit::new(Arc::clone(self), started, Some(runtime.id()));
        if let Some(desk) = desk {
            match desk.hand(permit) {
                Ok(()) => return,
                Err(returned) => permit = returned,
            }
        }
        in_order();
        runtime.spawn(Runner::new(permit));
    }

    /// Ends a running operation, unless a thread is still at it: then it ends when that returns.
    fn end(
        self: &Arc<Self>,
        core: &mut Core,
        id: OperationId,
        ended: Ended,
        now: Instant,
    ) -> Option<Finished<Payload>> {
        #[cfg(feature = "lanes")]
        if outlives(self, core, id, &ended) {
            return None;
        }
        core.finish(id, ended, now)
    }

    /// Ends an operation that has outlived its answer.
    #[cfg(feature = "lanes")]
    pub(crate) fn finish_late(self: &Arc<Self>, id: OperationId, ended: Ended) {
        let (payload, more) = self.finish(id, ended);
        drop(payload);
        if more {
            self.dispatch();
        }
    }

    /// With the thread that the work needs, if it needs one.
    #[cfg(feature = "lanes")]
    fn seated<T, W: Work<T>>(&self, work: &W, asks: Option<Box<Asks>>) -> Option<Box<Asks>> {
        let Some(seat) = work.seat() else { return asks };
        seat.attach(&self.lanes);
        let mut asks = asks.unwrap_or_default();
        asks.seat = Some(Arc::clone(seat));
        Some(asks)
    }

    /// Gives the place of a running operation back. Answers what was kept with it, and whether
    /// another operation can start.
    pub(super) fn finish(self: &Arc<Self>, id: OperationId, ended: Ended) -> (Departed<'_>, bool) {
        let now = self.clock.now();
        let mut core = lock(&self.core);
        let finished = self.end(&mut core, id, ended, now);
        let payload = finished.and_then(|finished| finished.payload);
        let more = core.has_next();
        // One that has left nothing here was dropped before, where it stood.
        let owes = payload.is_some();
        if owes {
            core.leave();
        }
        drop(core);
        self.tell();
        (Departed::new(payload, owes.then_some(&self.core)), more)
    }

    /// The same, and starts the next operation at that moment.
    pub(super) fn finish_and_next(
        self: &Arc<Self>,
        id: OperationId,
        ended: Ended,
        here: RuntimeId,
    ) -> (Departed<'_>, Instant, NextJob) {
        let now = self.clock.now();
        let mut core = lock(&self.core);
        let finished = self.end(&mut core, id, ended, now);
        let next = next_of(&mut core, now, Some(here));
        // Whoever goes on with another operation is still at work in any case.
        let goes_on = matches!(next, Some(Ok(_)));
        if !goes_on {
            core.leave();
        }
        // The units that one gives back may be enough for several.
        let (alarm, more) = (core.take_alarm(), core.has_next());
        drop(core);
        self.watch(alarm);
        let next = self.board(next);
        if more {
            self.dispatch();
        }
        let payload = finished.and_then(|finished| finished.payload);
        (Departed::new(payload, (!goes_on).then_some(&self.core)), now, next)
    }

    /// Starts the next operation, for whoever is in that runtime.
    pub(super) fn next(self: &Arc<Self>, now: Instant, here: Option<RuntimeId>) -> NextJob {
        let mut core = lock(&self.core);
        let next = next_of(&mut core, now, here);
        let alarm = core.take_alarm();
        drop(core);
        self.watch(alarm);
        self.board(next)
    }

    pub(super) fn board(self: &Arc<Self>, next: NextJob) -> NextJob {
        match next {
            Some(Ok((runtime, started))) => Some(Ok((runtime, started.board(self)))),
            other => other,
        }
    }

    /// Starts operations as long as there is room.
    pub(crate) fn dispatch(self: &Arc<Self>) {
        // A runtime that shuts down drops what is spawned at once, and dropping it comes back here.
        // The outer call goes on, so that the stack does not grow with the queue.
        let Some(_guard) = Dispatching::enter(self) else { return };
        while let Some(next) = self.next(self.clock.now(), None) {
            match next {
                Ok((Some(runtime), started)) => self.spawn(&runtime, started),
                Ok((None, _)) => unreachable!("it was asked for from nowhere"),
                Err(unstarted) => unstarted.tell(self),
            }
        }
    }

    pub(crate) fn status(&self, id: OperationId) -> Option<Status> {
        lock(&self.core).status(id)
    }

    pub(crate) fn set_priority(
        self: &Arc<Self>,
        id: OperationId,
        priority: Priority,
    ) -> Option<Priority> {
        let mut core = lock(&self.core);
        let before = core.set_priority(id, priority);
        self.go_on(core);
        before
    }

    /// Lets those start that no longer have anybody in their way, after somebody has moved or left.
    pub(super) fn go_on(self: &Arc<Self>, mut core: CoreGuard<'_>) {
        let (alarm, more) = (core.take_alarm(), core.has_next());
        drop(core);
        if alarm.is_some() {
            self.watch(alarm);
        }
        if more {
            self.dispatch();
        }
    }
}

/// Starts the next operation, for whoever is in that runtime. Drops nothing of the user's, for the
/// lock is held.
pub(super) fn next_of(core: &mut Core, now: Instant, here: Option<RuntimeId>) -> NextJob {
    let next = match core.next(now)? {
        Next::Start { id, payload: Payload::Waiting(job), queued_at, .. } => {
            let Job { work, runtime, .. } = job;
            let runtime = core.runtimes.leave_for(runtime, here);
            let crew = gather(core, id, &work, now).map(Box::new);
            if crew.is_none() {
                core.set_payload(id, Payload::Running(work.operand()));
            }
            Ok((runtime, Started { id, work, submitted: queued_at, started: now, crew }))
        }
        Next::Expired { payload: Payload::Waiting(job), .. } => {
            core.runtimes.leave(job.runtime);
            Err(Unstarted::expired(job))
        }
        Next::Refused { payload: Payload::Waiting(job), retry_after, .. } => {
            core.runtimes.leave(job.runtime);
            Err(Unstarted { job, error: OperationError::CircuitOpen { retry_after } })
        }
        _ => unreachable!("an operation that waits has a job"),
    };
    if next.is_err() {
        core.leave();
    }
    Some(next)
}

pub(super) fn group_of<T: Send + 'static>(payload: Option<&Payload>) -> Arc<Group<T>> {
    let operand = match payload {
        Some(Payload::Waiting(job)) => job.work.operand(),
        Some(Payload::Running(operand)) => Arc::clone(operand),
        Some(Payload::Aboard(aboard)) => Arc::clone(&aboard.0),
        _ => unreachable!("operations with a key are never run inline"),
    };
    operand.into_any().downcast().expect("the key holds the type of the value")
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_with_an_operation_leaves_its_place_one_cache_line() {
        assert_eq!(size_of::<Option<Payload>>(), 24);
    }
}
