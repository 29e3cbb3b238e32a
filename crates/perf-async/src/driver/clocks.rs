//! The three clocks of one operation, in 24 bytes: every operation that waits keeps them.

use crate::operation::Limits;
use crate::{OperationError, TimeoutClock};
use perf_core::Instant;
use perf_guard::Deadline;
use std::time::Duration;

/// In nanoseconds; `u64::MAX` is as long as it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    queue: u64,
    run: u64,
    total: u64,
}

/// A moment, the clock that says so, and the time that this clock gives.
pub(crate) type Named = (Deadline, TimeoutClock, Duration);

impl Clocks {
    pub(crate) fn new(limits: &Limits) -> Clocks {
        let Limits { queue, run, total } = *limits;
        let nanos = |limit: Option<Duration>| limit.map_or(u64::MAX, nanos);
        Clocks { queue: nanos(queue), run: nanos(run), total: nanos(total) }
    }

    /// When it must have started, and which clock says so.
    pub(crate) fn start_by(&self, submitted: Instant) -> Named {
        let queue = named(submitted, TimeoutClock::Queue, self.queue);
        earlier(queue, named(submitted, TimeoutClock::Total, self.total))
    }

    /// When its total time has passed.
    pub(crate) fn total_by(&self, submitted: Instant) -> Deadline {
        Deadline::after(submitted, duration(self.total))
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
        OperationError::TimedOut { clock, limit: duration(limit) }
    }

    pub(crate) fn run(&self) -> Duration {
        duration(self.run)
    }
}

fn named(from: Instant, clock: TimeoutClock, limit: u64) -> Named {
    let limit = duration(limit);
    (Deadline::after(from, limit), clock, limit)
}

fn earlier(first: Named, second: Named) -> Named {
    if second.0 < first.0 { second } else { first }
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn duration(nanos: u64) -> Duration {
    if nanos == u64::MAX { Duration::MAX } else { Duration::from_nanos(nanos) }
}
