//! What the timer does when its moment comes, and what is done about runtimes that are gone.

use super::shared::{Payload, Shared, Unstarted};
use crate::sync::{Arc, lock};
use perf_core::Instant;
use tokio::runtime::{Handle as Runtime, Id as RuntimeId};

impl Shared {
    /// Tells those who listen, and sees to it that the timer looks no later than at that moment.
    pub(super) fn watch(self: &Arc<Self>, alarm: Option<Instant>) {
        self.tell();
        let Some(moment) = alarm else { return };
        match Runtime::try_current() {
            Ok(runtime) => self.timer.watch(self, &runtime, moment),
            Err(_) => {
                if let Some((moment, runtime)) = self.next_watch(&[]) {
                    self.timer.watch(self, &runtime, moment);
                }
            }
        }
    }

    /// Ends the waiting of those whose time has passed.
    pub(super) fn tick(self: &Arc<Self>, now: Instant) {
        loop {
            let expired = {
                let mut core = lock(&self.core);
                let expired = core.tick(now);
                if let Some((_, Payload::Waiting(job))) = &expired {
                    core.runtimes.leave(job.runtime);
                    core.leave();
                }
                expired
            };
            match expired {
                Some((_, Payload::Waiting(job))) => {
                    Unstarted::expired(job).tell(self);
                    self.tell();
                }
                Some(_) => unreachable!("an operation that waits has a job"),
                None => break,
            }
        }
        // Others may have their turn now.
        self.dispatch();
    }

    /// When the timer has to look next.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        lock(&self.core).next_timer()
    }

    /// When the timer has to look next, and a runtime that waits for something, other than these.
    pub(super) fn next_watch(&self, without: &[RuntimeId]) -> Option<(Instant, Runtime)> {
        let mut core = lock(&self.core);
        let moment = core.next_timer()?;
        Some((moment, core.runtimes.other_than(without)?))
    }

    /// Cancels what waits to run in runtimes that have shut down: nothing would ever start it, and
    /// nobody would tell those who wait for it.
    pub(super) fn give_up(self: &Arc<Self>, dead: &[RuntimeId]) {
        let mut from = Some(0);
        while let Some(start) = from {
            let (ids, next) = {
                let core = lock(&self.core);
                let runtimes = &core.runtimes;
                core.waiting_page(start, LOOKED_AT, |payload| match payload {
                    Payload::Waiting(job) => runtimes.is_among(job.runtime, dead),
                    _ => false,
                })
            };
            for id in ids {
                self.cancel_only(id);
            }
            from = next;
        }
        self.dispatch();
    }
}

/// Places that are looked at under one lock.
const LOOKED_AT: usize = 256;
