//! How a purger is made.

use super::{Limits, Purger};
use crate::cdn::purge::PurgeService;
use perf_core::ConfigError;
use std::sync::Arc;
use std::time::Duration;

/// Makes a [`Purger`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PurgerBuilder {
    service: Arc<dyn PurgeService>,
    limits: Limits,
}

impl PurgerBuilder {
    pub(super) fn new(service: Arc<dyn PurgeService>) -> PurgerBuilder {
        let limits = Limits {
            max_waiting: 10_000,
            gather: Duration::from_millis(50),
            deadline: Duration::from_secs(10),
            give_up_after: Duration::from_secs(3_600),
            close_within: Duration::from_secs(5),
            widens: true,
            collapses: true,
        };
        PurgerBuilder { service, limits }
    }

    /// How many items may wait. With one more, all is purged instead where the service can do that,
    /// see [`collapse`](PurgerBuilder::collapse). 10 000 if not set.
    pub fn max_waiting(mut self, items: usize) -> Self {
        self.limits.max_waiting = items;
        self
    }

    /// How long an item waits for others to go with it, unless a call is full before. 50 ms if not
    /// set.
    pub fn gather(mut self, time: Duration) -> Self {
        self.limits.gather = time;
        self
    }

    /// How long a call to the service takes at most. Ten seconds if not set.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline;
        self
    }

    /// How long an item is tried before it counts as lost. An hour if not set: as long as what it
    /// would end lives at the service is enough.
    pub fn give_up_after(mut self, time: Duration) -> Self {
        self.limits.give_up_after = time;
        self
    }

    /// How long dropping it takes at most, for what still waits. Five seconds if not set.
    pub fn close_within(mut self, time: Duration) -> Self {
        self.limits.close_within = time;
        self
    }

    /// Whether something wider may be purged where the service does not know a kind, such as all for
    /// a prefix. `true` if not set; `false` refuses such items.
    pub fn widen(mut self, widens: bool) -> Self {
        self.limits.widens = widens;
        self
    }

    /// Whether all is purged where more items would wait than may. `true` if not set; `false`
    /// refuses items then, and counts them as lost.
    pub fn collapse(mut self, collapses: bool) -> Self {
        self.limits.collapses = collapses;
        self
    }

    /// Makes it, and starts its thread.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a bound, a deadline or a rate of the service is zero, or the system gives
    /// no thread.
    pub fn build(self) -> Result<Purger, ConfigError> {
        if self.limits.max_waiting == 0 {
            return Err(ConfigError::new("max_waiting", 0, "let one item wait at least"));
        }
        for (setting, time) in
            [("deadline", self.limits.deadline), ("give_up_after", self.limits.give_up_after)]
        {
            if time < Duration::from_millis(1) {
                return Err(ConfigError::new(setting, format!("{time:?}"), "use 1 ms or more"));
            }
        }
        if self.limits.gather > MOST_GATHERED {
            let gather = format!("{:?}", self.limits.gather);
            return Err(ConfigError::new("gather", gather, "use ten seconds or less"));
        }
        Purger::start(self.service, self.limits)
    }
}

pub(super) const MOST_GATHERED: Duration = Duration::from_secs(10);
