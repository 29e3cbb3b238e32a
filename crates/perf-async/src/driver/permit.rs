//! A place among the running.

use super::attempt::{Place, Stop, ended_by};
use super::batch::Crew;
use super::group::{Group, Operand};
use super::parked::Desk;
use super::retrying::Again;
use super::runner::{BoxWork, Verdict};
use super::shared::{NextJob, Payload, Shared};
use crate::sync::{Arc, lock};
use crate::{Ended, Hedge, KindId, OperationError, OperationId};
use perf_core::Instant;
use std::fmt;
use std::task::{Context, Poll};
use tokio::runtime::{Handle as Runtime, Id as RuntimeId};

/// A submitted operation that has started.
pub(super) struct Started {
    pub(super) id: OperationId,
    pub(super) work: BoxWork,
    pub(super) submitted: Instant,
    pub(super) started: Instant,
    /// Those who go with it, if it is the first of a batch.
    pub(super) crew: Option<Box<Crew>>,
}

impl Started {
    /// The same, as the work of the whole batch if it is the first of one. To be called without
    /// the scheduler's lock.
    pub(super) fn board(mut self, shared: &Arc<Shared>) -> Started {
        if let Some(crew) = self.crew.take() {
            let submitted = self.submitted;
            self.work = self.work.lead(shared, submitted, *crew);
        }
        self
    }
}

/// A place held by an operation that was submitted. Dropping it drops the operation and ends it as
/// cancelled.
pub(super) struct Permit {
    shared: Arc<Shared>,
    /// `None` once the place has been given back.
    held: Option<Started>,
    /// The runtime of the task that has it, asked for when it is first needed.
    here: Option<RuntimeId>,
}

impl Permit {
    /// The place of an operation, for a task of that runtime if it is known.
    pub(super) fn new(shared: Arc<Shared>, started: Started, here: Option<RuntimeId>) -> Permit {
        Permit { shared, held: Some(started), here }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        let held = self.held.as_mut().expect("it is polled while it is held");
        let Started { id, submitted, started, .. } = *held;
        let turn = Turn { shared: &self.shared, id, submitted, started };
        held.work.as_mut().poll(cx, &turn)
    }

    /// Drops the operation's future.
    pub(super) fn discard(&mut self) {
        if let Some(held) = &mut self.held {
            held.work.as_mut().discard().unwrap_or_default();
        }
    }

    /// Ends the operation and gives those who wait their result, or this error if there is none.
    /// Answers whether it now holds the place of the next operation, for the same task to run.
    pub(super) fn finish(&mut self, ended: Ended, otherwise: OperationError) -> bool {
        let here = self.here();
        let Some(mut held) = self.held.take() else { return false };
        let (payload, now, next) = self.shared.finish_and_next(held.id, ended, here);
        held.work.as_mut().settle(otherwise, &self.shared);
        drop((held, payload));
        self.take(now, next)
    }

    /// Gives the place back until another attempt is to follow. Answers as
    /// [`finish`](Permit::finish) does.
    pub(super) fn suspend(&mut self, again: Again) -> bool {
        let Some(Started { id, work, submitted, started, crew }) = self.held.take() else {
            return false;
        };
        let runtime = Runtime::current();
        match self.shared.suspend(id, (work, runtime), submitted, again) {
            Ok((payload, now, next)) => {
                drop(payload);
                self.take(now, next)
            }
            Err((work, error)) => {
                self.held = Some(Started { id, work, submitted, started, crew });
                self.discard();
                self.finish(ended_by(&error), error)
            }
        }
    }

    /// Takes the place of the next operation for this task, if it belongs here.
    fn take(&mut self, now: Instant, mut next: NextJob) -> bool {
        let here = self.here();
        loop {
            let (runtime, started) = match next {
                Some(Ok(next)) => next,
                Some(Err(unstarted)) => {
                    unstarted.tell(&self.shared);
                    next = self.shared.next(now, Some(here));
                    continue;
                }
                None => return false,
            };
            let elsewhere = runtime.filter(|runtime| runtime.id() != here);
            let Some(runtime) = elsewhere else {
                self.held = Some(started);
                return true;
            };
            self.shared.spawn(&runtime, started);
            next = self.shared.next(now, Some(here));
        }
    }

    /// Lets the task that has run the operation wait for another. Answers false if enough tasks do.
    pub(super) fn park(&mut self, desk: &mut Option<Arc<Desk>>, cx: &Context<'_>) -> bool {
        let here = self.here();
        let desk = desk.get_or_insert_with(|| Desk::new(here));
        desk.knows(cx) && lock(&self.shared.core).parked.park(desk)
    }

    /// The runtime of the task that has it.
    fn here(&mut self) -> RuntimeId {
        *self.here.get_or_insert_with(|| Runtime::current().id())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        let dropped = held.work.as_mut().discard();
        let (payload, more) = self.shared.finish(held.id, Ended::Cancelled);
        let error = dropped.err().unwrap_or(OperationError::Cancelled);
        held.work.as_mut().settle(error, &self.shared);
        drop((held, payload));
        if more {
            self.shared.dispatch();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// The place of a submitted operation, while it is polled.
pub(super) struct Turn<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) id: OperationId,
    pub(super) submitted: Instant,
    started: Instant,
}

/// The same, with those who wait for it.
pub(super) struct GroupPlace<'a, T> {
    pub(super) group: &'a Arc<Group<T>>,
    pub(super) turn: &'a Turn<'a>,
    pub(super) hedge: Option<Hedge>,
}

impl<T: Send + 'static> Place for GroupPlace<'_, T> {
    fn submitted(&self) -> Instant {
        self.turn.submitted
    }

    fn started(&self) -> Instant {
        self.turn.started
    }

    fn shared(&self) -> &Arc<Shared> {
        self.turn.shared
    }

    fn id(&self) -> OperationId {
        self.turn.id
    }

    fn hedge(&self) -> Option<Hedge> {
        self.hedge
    }

    fn operand(&self) -> Option<Arc<dyn Operand>> {
        Some(Arc::clone(self.group) as Arc<dyn Operand>)
    }

    fn is_stopped(&self) -> bool {
        self.group.is_stop_requested()
    }

    fn listen(&mut self, cx: &Context<'_>) -> bool {
        self.group.listen(cx)
    }
}

/// A place held by the future of `run`. Dropping it ends the operation as cancelled.
pub(crate) struct InlinePermit<'a> {
    shared: &'a Arc<Shared>,
    id: OperationId,
    kind: KindId,
    held: bool,
}

impl<'a> InlinePermit<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, id: OperationId, kind: KindId) -> InlinePermit<'a> {
        InlinePermit { shared, id, kind, held: true }
    }

    pub(crate) fn finish(mut self, ended: Ended) {
        self.held = false;
        self.end(ended);
    }

    pub(crate) const fn id(&self) -> OperationId {
        self.id
    }

    pub(crate) const fn kind(&self) -> KindId {
        self.kind
    }

    /// Gives the place back until another attempt is to follow, in a task of its own. Those who
    /// wait for the work get its answer.
    pub(crate) fn suspend(mut self, work: BoxWork, submitted: Instant, again: Again) {
        let job = (work, Runtime::current()); // Panics while the place is still held.
        self.held = false;
        match self.shared.suspend(self.id, job, submitted, again) {
            Ok((payload, _, next)) => {
                drop(payload);
                self.shared.launch(next);
            }
            Err((mut work, error)) => {
                let error = work.as_mut().discard().err().unwrap_or(error);
                self.end(ended_by(&error));
                work.as_mut().settle(error, self.shared);
            }
        }
    }

    pub(crate) fn place(&self, started: Instant, hedge: Option<Hedge>) -> InlinePlace<'a> {
        InlinePlace { shared: self.shared, id: self.id, started, hedge, stop: None }
    }

    fn end(&self, ended: Ended) {
        let (payload, more) = self.shared.finish(self.id, ended);
        drop(payload);
        if more {
            self.shared.dispatch();
        }
    }
}

impl Drop for InlinePermit<'_> {
    fn drop(&mut self) {
        if self.held {
            self.end(Ended::Cancelled);
        }
    }
}

/// The place of an inline operation. Its stop is made when it first has to wait.
pub(crate) struct InlinePlace<'a> {
    shared: &'a Arc<Shared>,
    id: OperationId,
    started: Instant,
    hedge: Option<Hedge>,
    stop: Option<Arc<Stop>>,
}

impl Place for InlinePlace<'_> {
    fn submitted(&self) -> Instant {
        self.started
    }

    fn started(&self) -> Instant {
        self.started
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shared
    }

    fn id(&self) -> OperationId {
        self.id
    }

    fn hedge(&self) -> Option<Hedge> {
        self.hedge
    }

    fn operand(&self) -> Option<Arc<dyn Operand>> {
        None
    }

    fn is_stopped(&self) -> bool {
        false
    }

    fn listen(&mut self, cx: &Context<'_>) -> bool {
        let stop = self.stop.get_or_insert_with(|| {
            let stop = Arc::new(Stop::default());
            let payload = Payload::Inline(Arc::clone(&stop));
            let before = lock(&self.shared.core).set_payload(self.id, payload);
            if matches!(before, Some(Payload::Cancelled)) {
                // Cancelled during its first poll, when there was nobody to tell.
                stop.request();
            }
            stop
        });
        stop.listen(cx)
    }
}
