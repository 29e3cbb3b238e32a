//! What the docs promise, event by event, with lists that are searched from end to end.
//! Times in milliseconds.

use perf_async::{OperationError, TimeoutClock};

/// What an operation does once it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    Value(u64),
    Error(u64),
    Panic(u64),
    Never,
}

#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) work: Work,
    pub(super) level: u8,
    pub(super) key: Option<u8>,
    pub(super) queue: Option<u64>,
    pub(super) run: u64,
    pub(super) total: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Answer {
    Value(usize),
    Failed,
    Panicked,
    Cancelled,
    Overloaded,
    TimedOut(TimeoutClock),
}

impl From<Result<usize, OperationError>> for Answer {
    fn from(result: Result<usize, OperationError>) -> Answer {
        match result {
            Ok(value) => Answer::Value(value),
            Err(OperationError::Failed(_)) => Answer::Failed,
            Err(OperationError::Panicked(_)) => Answer::Panicked,
            Err(OperationError::Cancelled) => Answer::Cancelled,
            Err(OperationError::Overloaded(_)) => Answer::Overloaded,
            Err(OperationError::TimedOut { clock, .. }) => Answer::TimedOut(clock),
            Err(other) => panic!("{other}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Queued,
    Running { ends: u64, answer: Answer },
    Ended,
}

#[derive(Debug)]
struct Op {
    wish: Wish,
    value: usize,
    arrived: u64,
    state: State,
    detached: bool,
}

/// Somebody who wants the value of an operation.
#[derive(Debug)]
pub(super) struct Waiter {
    /// `None` if it was turned away.
    op: Option<usize>,
    pub(super) answer: Option<Answer>,
    gone: bool,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) concurrency: usize,
    pub(super) limit: usize,
    ops: Vec<Op>,
    pub(super) waiters: Vec<Waiter>,
}

impl Model {
    pub(super) fn new(concurrency: usize, limit: usize) -> Model {
        Model { now: 0, concurrency, limit, ops: Vec::new(), waiters: Vec::new() }
    }

    pub(super) fn queued(&self) -> usize {
        self.ops.iter().filter(|op| op.state == State::Queued).count()
    }

    pub(super) fn running(&self) -> usize {
        self.ops.iter().filter(|op| matches!(op.state, State::Running { .. })).count()
    }

    /// Submits; the new waiter's number is the number of waiters before. Its value is that number.
    pub(super) fn submit(&mut self, wish: Wish) {
        let value = self.waiters.len();
        let same =
            |op: &Op| op.state != State::Ended && wish.key.is_some() && op.wish.key == wish.key;
        let before = self.ops.len();
        let at_once = self.queued() == 0 && self.running() < self.concurrency;
        let mut waiter = Waiter { op: None, answer: None, gone: false };
        if let Some(leader) = self.ops.iter().position(same) {
            if self.waiting_for(leader) < self.limit.max(1) {
                waiter.op = Some(leader);
                let op = &mut self.ops[leader];
                if op.state == State::Queued {
                    op.wish.level = op.wish.level.max(wish.level);
                }
            }
        } else if at_once || self.queued() < self.limit {
            waiter.op = Some(self.ops.len());
            let (arrived, state) = (self.now, State::Queued);
            self.ops.push(Op { wish, value, arrived, state, detached: false });
        }
        if waiter.op.is_none() {
            waiter.answer = Some(Answer::Overloaded);
        }
        self.waiters.push(waiter);
        if at_once && self.ops.len() > before {
            // Even if it said that it would not wait at all.
            self.start(self.ops.len() - 1);
        }
        self.expire();
    }

    /// The waiter goes away, and takes the operation along if it says so and nobody else wants it.
    pub(super) fn leave(&mut self, waiter: usize, cancels: bool) {
        let Some(op) = self.wanted_by(waiter) else { return };
        self.waiters[waiter].gone = true;
        self.ops[op].detached |= !cancels;
        if self.waiting_for(op) == 0 && !self.ops[op].detached {
            self.end(op, Answer::Cancelled);
        }
    }

    /// The waiter gives the operation up but stays for its answer.
    pub(super) fn give_up(&mut self, waiter: usize) {
        let Some(op) = self.wanted_by(waiter) else { return };
        self.waiters[waiter].answer = Some(Answer::Cancelled);
        if self.waiting_for(op) == 0 && !self.ops[op].detached {
            self.end(op, Answer::Cancelled);
        }
    }

    /// Somebody cancels the operation for all.
    pub(super) fn cancel(&mut self, waiter: usize) {
        if let Some(op) = self.waiters[waiter].op {
            self.end(op, Answer::Cancelled);
        }
    }

    pub(super) fn set_level(&mut self, waiter: usize, level: u8) {
        if let Some(op) = self.waiters[waiter].op
            && self.ops[op].state == State::Queued
        {
            self.ops[op].wish.level = level;
        }
    }

    pub(super) fn set_concurrency(&mut self, concurrency: usize) {
        self.concurrency = concurrency;
        self.fill();
    }

    pub(super) fn wait(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(soonest) = self.next_event().filter(|event| *event <= until) {
            self.now = soonest;
            // What is late in the queue at this very moment no longer starts.
            self.expire();
            for i in 0..self.ops.len() {
                if let State::Running { ends, answer } = self.ops[i].state
                    && ends <= self.now
                {
                    self.settle(i, answer);
                }
            }
            self.fill();
        }
        self.now = until;
    }

    fn expire(&mut self) {
        for i in 0..self.ops.len() {
            if let Some((by, clock)) = start_by(&self.ops[i])
                && self.ops[i].state == State::Queued
                && by <= self.now
            {
                self.settle(i, Answer::TimedOut(clock));
            }
        }
    }

    fn next_event(&self) -> Option<u64> {
        let events = self.ops.iter().filter_map(|op| match op.state {
            State::Queued => start_by(op).map(|(by, _)| by),
            State::Running { ends, .. } => Some(ends),
            State::Ended => None,
        });
        events.min()
    }

    fn fill(&mut self) {
        while self.running() < self.concurrency {
            let queued = (0..self.ops.len()).filter(|i| self.ops[*i].state == State::Queued);
            let rank = |i: &usize| {
                let op = &self.ops[*i];
                (op.arrived as i64 - i64::from(op.wish.level) * 1_000, *i)
            };
            let Some(best) = queued.min_by_key(rank) else { return };
            if let Some((by, clock)) = start_by(&self.ops[best])
                && by <= self.now
            {
                self.settle(best, Answer::TimedOut(clock));
                continue;
            }
            self.start(best);
        }
    }

    fn start(&mut self, op: usize) {
        let (ends, answer) = self.run(&self.ops[op]);
        if ends == self.now {
            self.settle(op, answer);
        } else {
            self.ops[op].state = State::Running { ends, answer };
        }
    }

    /// How an operation that starts now will end.
    fn run(&self, op: &Op) -> (u64, Answer) {
        let run = (self.now + op.wish.run, Answer::TimedOut(TimeoutClock::Run));
        let total = op.wish.total.map(|t| (op.arrived + t, Answer::TimedOut(TimeoutClock::Total)));
        let limit = total.filter(|total| total.0 < run.0).unwrap_or(run);
        let (takes, answer) = match op.wish.work {
            Work::Value(takes) => (takes, Answer::Value(op.value)),
            Work::Error(takes) => (takes, Answer::Failed),
            Work::Panic(takes) => (takes, Answer::Panicked),
            Work::Never => return limit,
        };
        if self.now + takes <= limit.0 { (self.now + takes, answer) } else { limit }
    }

    fn end(&mut self, op: usize, answer: Answer) {
        if self.ops[op].state != State::Ended {
            self.settle(op, answer);
            self.fill();
        }
    }

    fn settle(&mut self, op: usize, answer: Answer) {
        self.ops[op].state = State::Ended;
        for waiter in self.waiters.iter_mut().filter(|w| w.op == Some(op)) {
            waiter.answer.get_or_insert(answer);
        }
    }

    fn waiting_for(&self, op: usize) -> usize {
        self.waiters.iter().filter(|w| w.op == Some(op) && !w.gone && w.answer.is_none()).count()
    }

    /// The operation that this waiter still waits for.
    fn wanted_by(&self, waiter: usize) -> Option<usize> {
        let waiter = &self.waiters[waiter];
        waiter.op.filter(|_| !waiter.gone && waiter.answer.is_none())
    }
}

fn start_by(op: &Op) -> Option<(u64, TimeoutClock)> {
    let queue = op.wish.queue.map(|q| (op.arrived + q, TimeoutClock::Queue));
    let total = op.wish.total.map(|t| (op.arrived + t, TimeoutClock::Total));
    match (queue, total) {
        (Some(queue), Some(total)) => Some(if total.0 < queue.0 { total } else { queue }),
        (one, other) => one.or(other),
    }
}
