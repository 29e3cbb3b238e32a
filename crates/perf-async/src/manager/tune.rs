//! What can be changed while the manager works.

use super::adaptive::{adaptive_knobs, turn_adaptive};
use super::batch::{batch_knobs, turn_batch};
use super::limits::{limit_knobs, turn_limit};
use super::{Manager, pools};
use crate::Scheduler;
use crate::driver::Payload;
use crate::kind::{MAX_CONCURRENT, MAX_QUEUE, MAX_TIMEOUT, MIN_TIMEOUT};
use crate::sync::lock;
use perf_core::{Bounds, Direction, Knob, KnobError, KnobValue, Tune, Turn, Turned};
use std::time::Duration;

impl Tune for Manager {
    fn knobs(&self) -> Vec<Knob> {
        let core = lock(&self.shared.core);
        let now = (core.max_concurrent(), core.queue_limit(), self.shared.timeout());
        let more = more_knobs(&core);
        drop(core);
        let mut knobs = self.knobs_at(now);
        knobs.extend(more);
        knobs
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        // One lock from the check to the change, so that of two who expect the same value one loses.
        let mut core = lock(&self.shared.core);
        let now = (core.max_concurrent(), core.queue_limit(), self.shared.timeout());
        let mut knobs = self.knobs_at(now);
        knobs.extend(more_knobs(&core));
        let Some(knob) = knobs.iter().find(|knob| knob.id == turn.knob) else {
            let known = knobs.into_iter().map(|knob| knob.id).collect();
            return Err(KnobError::Unknown { knob: turn.knob, known });
        };
        knob.check(&turn)?;
        match (turn.knob.as_str(), &turn.to) {
            (CONCURRENCY, KnobValue::Count(to)) => core.set_max_concurrent(*to as usize),
            (QUEUE, KnobValue::Count(to)) => core.set_queue_limit(*to as usize),
            (TIMEOUT, KnobValue::Duration(to)) => self.shared.set_timeout(*to),
            (knob, to) if pools::turn(&mut core, knob, to) => {}
            (id, to) => {
                let time = self.shared.clock.now();
                let before = turn_limit(&mut core, id, to, time)
                    .or_else(|| turn_batch(&mut core, id, to, time))
                    .or_else(|| turn_adaptive(&mut core, id, to, time));
                drop(core); // Before what the settings were, whose destructors may be the user's.
                drop(before);
                self.shared.dispatch();
                return Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None });
            }
        }
        drop(core);
        self.shared.dispatch();
        Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None })
    }
}

impl Manager {
    /// Sets how many may run at once, from 1 to 10,000; beyond that the nearest of the two. More
    /// start at once; if there are too many, those that run go on until they end.
    pub fn set_max_concurrent(&self, operations: usize) {
        let operations = operations.clamp(1, MAX_CONCURRENT as usize);
        lock(&self.shared.core).set_max_concurrent(operations);
        self.shared.dispatch();
    }

    /// Sets how many may wait, at most 1,000,000. Those that wait stay.
    pub fn set_queue_limit(&self, operations: usize) {
        lock(&self.shared.core).set_queue_limit(operations.min(MAX_QUEUE as usize));
    }

    /// Sets how long an operation may run that does not say, from a millisecond to a day. Holds for
    /// those submitted from now on.
    pub fn set_timeout(&self, limit: Duration) {
        self.shared.set_timeout(limit.clamp(MIN_TIMEOUT, MAX_TIMEOUT));
    }

    fn knobs_at(&self, (concurrent, queue, timeout): (usize, usize, Duration)) -> Vec<Knob> {
        let settings = &self.shared.settings;
        let count = |value: usize| KnobValue::Count(value as u64);
        let concurrent = Knob::new(
            CONCURRENCY,
            "Operations at once",
            count(concurrent),
            count(settings.scheduler.max_concurrent),
            Bounds::Count { min: 1, max: MAX_CONCURRENT, step: 1 },
        )
        .trades("Less waiting for a turn, for more load on what the operations call.")
        .moves("wait_duration", Direction::Down)
        .moves("pending", Direction::Down)
        .moves("running", Direction::Up)
        .moves("run_duration", Direction::Up);
        let queue = Knob::new(
            QUEUE,
            "Queue limit",
            count(queue),
            count(settings.scheduler.queue_limit),
            Bounds::Count { min: 0, max: MAX_QUEUE, step: 100 },
        )
        .trades("Fewer refusals under load, for longer waits and more memory.")
        .moves("rejected", Direction::Down)
        .moves("pending", Direction::Up)
        .moves("wait_duration", Direction::Up);
        let timeout = Knob::new(
            TIMEOUT,
            "Time-out",
            KnobValue::Duration(timeout),
            KnobValue::Duration(settings.timeout),
            Bounds::Duration { min: MIN_TIMEOUT, max: MAX_TIMEOUT, step: Duration::from_secs(1) },
        )
        .trades("Slow operations may still end well, for places that stuck ones hold longer.")
        .moves("timed_out", Direction::Down)
        .moves("run_duration", Direction::Up);
        vec![concurrent, queue, timeout]
    }
}

/// The knobs of kinds and of pools.
fn more_knobs(core: &Scheduler<Payload>) -> Vec<Knob> {
    let of_kinds = limit_knobs(core).into_iter().chain(batch_knobs(core));
    of_kinds.chain(adaptive_knobs(core)).chain(pools::knobs(core.pools())).collect()
}

const CONCURRENCY: &str = "max_concurrent";
const QUEUE: &str = "queue_limit";
const TIMEOUT: &str = "timeout";
