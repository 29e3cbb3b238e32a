//! The three clocks of one operation, in 12 bytes: every operation that waits keeps them.

use crate::brief::Brief;
use crate::operation::Limits;
use crate::{OperationError, TimeoutClock};
use perf_core::Instant;
use perf_guard::Deadline;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    queue: Brief,
    run: Brief,
    total: Brief,
}

/// A moment, the clock that says so, and the time that this clock gives.
pub(crate) type Named = (Deadline, TimeoutClock, Duration);

impl Clocks {
    pub(crate) fn new(limits: &Limits) -> Clocks {
        let Limits { queue, run, total } = *limits;
        let brief = |limit: Option<Duration>| limit.map_or(Brief::FOREVER, Brief::new);
        Clocks { queue: brief(queue), run: brief(run), total: brief(total) }
    }

    /// When it must have started, and which clock says so.
    pub(crate) fn start_by(&self, submitted: Instant) -> Named {
        let queue = named(submitted, TimeoutClock::Queue, self.queue);
        earlier(queue, named(submitted, TimeoutClock::Total, self.total))
    }

    /// When its total time has passed.
    pub(crate) fn total_by(&self, submitted: Instant) -> Deadline {
        Deadline::after(submitted, self.total.duration())
    }

    /// When it must have ended, and which clock says so.
    pub(crate) fn end_by(&self, submitted: Instant, started: Instant) -> Named {
        let run = named(started, TimeoutClock::Run, self.run);
        earlier(run, named(submitted, TimeoutClock::Total, self.total))
    }

    /// When another attempt must have started that may at that moment, and which clock says so.
    pub(crate) fn resume_by(&self, submitted: Instant, at: Instant) -> Named {
        let queue = named(at, TimeoutClock::Queue, self.queue);
        earlier(queue, named(submitted, TimeoutClock::Total, self.total))
    }

    /// The error for one whose time passed while it waited for its first attempt.
    pub(crate) fn expired(&self) -> OperationError {
        let (_, clock, _) = self.start_by(Instant::from_nanos(0));
        self.passed(clock)
    }

    /// The error for one whose time passed on that clock.
    pub(crate) fn passed(&self, clock: TimeoutClock) -> OperationError {
        let limit = match clock {
            TimeoutClock::Queue => self.queue,
            TimeoutClock::Run => self.run,
            TimeoutClock::Total => self.total,
        };
        OperationError::TimedOut { clock, limit: limit.duration() }
    }

    pub(crate) fn run(&self) -> Duration {
        self.run.duration()
    }
}

fn named(from: Instant, clock: TimeoutClock, limit: Brief) -> Named {
    let limit = limit.duration();
    (Deadline::after(from, limit), clock, limit)
}

fn earlier(first: Named, second: Named) -> Named {
    if second.0 < first.0 { second } else { first }
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
