//! How a manager is set, and what cannot be.

use super::Manager;
use crate::driver::{Settings, Shared};
use crate::kind::{MAX_CONCURRENT, MAX_QUEUE, MAX_TIMEOUT, MIN_TIMEOUT, within};
#[cfg(feature = "lanes")]
use crate::lane::LaneSettings;
use crate::sync::Arc;
use crate::{
    Adaptive, ConfigError, DEFAULT_KEPT_LIMIT, DEFAULT_RESULTS_KEPT, DEFAULT_TIMEOUT, Fairness,
    KindSettings, Pools, SchedulerConfig,
};
use perf_core::{Clock, Instant};
use std::borrow::Cow;
use std::time::Duration;

/// Builds a [`Manager`].
#[derive(Clone, Debug)]
pub struct ManagerBuilder {
    settings: Settings,
    kinds: Vec<(Cow<'static, str>, KindSettings)>,
    adaptive: Option<Adaptive>,
    clock: Option<Clock>,
}

impl ManagerBuilder {
    pub(super) fn new() -> ManagerBuilder {
        let scheduler = SchedulerConfig::default();
        let settings = Settings {
            name: "operations".into(),
            scheduler,
            timeout: DEFAULT_TIMEOUT,
            pools: Pools::default(),
            #[cfg(feature = "lanes")]
            lanes: LaneSettings::default(),
            kept_limit: DEFAULT_KEPT_LIMIT,
            results_kept: DEFAULT_RESULTS_KEPT,
            seed: None,
        };
        ManagerBuilder { settings, kinds: Vec::new(), adaptive: None, clock: None }
    }

    /// Its name, for people. The default is `operations`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> ManagerBuilder {
        self.settings.name = name.into();
        self
    }

    /// How many operations run at once. The default is 5.
    #[must_use]
    pub fn max_concurrent(mut self, operations: usize) -> ManagerBuilder {
        self.settings.scheduler.max_concurrent = operations;
        self
    }

    /// Lets the number of operations that run at once find itself, from what
    /// [`max_concurrent`](ManagerBuilder::max_concurrent) says or from the
    /// [`start`](Adaptive::start) that it has. For one kind see [`KindSettings::adaptive`].
    #[must_use]
    pub fn adaptive(mut self, adaptive: Adaptive) -> ManagerBuilder {
        self.adaptive = Some(adaptive);
        self
    }

    /// How many operations may wait, and how many callers may share one; zero if none shall wait.
    /// The default is 10,000.
    #[must_use]
    pub fn queue_limit(mut self, operations: usize) -> ManagerBuilder {
        self.settings.scheduler.queue_limit = operations;
        self
    }

    /// How long an operation may run that does not say. The default is 30 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> ManagerBuilder {
        self.settings.timeout = limit;
        self
    }

    /// How long an operation waits to gain one level of priority. The default is one second;
    /// [`Duration::MAX`] means strict priority, and then urgent work can keep the rest waiting for
    /// ever.
    #[must_use]
    pub fn aging(mut self, time: Duration) -> ManagerBuilder {
        self.settings.scheduler.aging = time;
        self
    }

    /// How operations of that kind are run. Said twice of one kind, the second goes on from the
    /// first. See [`KindSettings`].
    #[must_use]
    pub fn kind(
        mut self,
        name: impl Into<Cow<'static, str>>,
        change: impl FnOnce(KindSettings) -> KindSettings,
    ) -> ManagerBuilder {
        let name = name.into();
        let before = self.kinds.iter_mut().find(|(known, _)| *known == name);
        match before {
            Some((_, settings)) => *settings = change(settings.clone()),
            None => self.kinds.push((name, change(KindSettings::default()))),
        }
        self
    }

    /// Who is next where operations of several kinds wait. The default is the most urgent operation,
    /// whatever its kind.
    #[must_use]
    pub fn fairness(mut self, fairness: Fairness) -> ManagerBuilder {
        self.settings.scheduler.fairness = fairness;
        self
    }

    /// The resources that operations share: what they [need](crate::Operation::needs) of them has to
    /// be free before they start. The default is none.
    #[must_use]
    pub fn pools(mut self, pools: Pools) -> ManagerBuilder {
        self.settings.pools = pools;
        self
    }

    /// How many values are kept for [`Operation::keep_for`](crate::Operation::keep_for). The default
    /// is 1,024.
    #[must_use]
    pub fn kept_limit(mut self, values: usize) -> ManagerBuilder {
        self.settings.kept_limit = values;
        self
    }

    /// How many threads there may be for operations that [compute](crate::Operation::cpu). The
    /// default is one for each processor.
    #[cfg(feature = "lanes")]
    #[must_use]
    pub fn cpu_threads(mut self, threads: usize) -> ManagerBuilder {
        self.settings.lanes.cpu = threads;
        self
    }

    /// How many threads there may be for operations that [block](crate::Operation::blocking). The
    /// default is 32.
    #[cfg(feature = "lanes")]
    #[must_use]
    pub fn blocking_threads(mut self, threads: usize) -> ManagerBuilder {
        self.settings.lanes.blocking = threads;
        self
    }

    /// How many operations on threads give back their place, their thread and their units when they
    /// have timed out or been cancelled, although they have not returned: so many threads more may
    /// then be at work. The default is none; each keeps all of it until it returns.
    #[cfg(feature = "lanes")]
    #[must_use]
    pub fn max_zombies(mut self, operations: usize) -> ManagerBuilder {
        self.settings.lanes.max_zombies = operations;
        self
    }

    /// How many threads of rayon's [`LaneContext::install`](crate::LaneContext::install) has. The
    /// default is one for each processor.
    #[cfg(feature = "rayon")]
    #[must_use]
    pub fn rayon_threads(mut self, threads: usize) -> ManagerBuilder {
        self.settings.lanes.parallel = threads;
        self
    }

    /// How many ended operations are remembered for [`Manager::status`] and
    /// [`Manager::finished`]. The default is 1,024.
    #[must_use]
    pub fn finished_kept(mut self, operations: usize) -> ManagerBuilder {
        self.settings.scheduler.finished_kept = operations;
        self
    }

    /// Where the random bits begin that spread retries over time: the same seed gives the same waits
    /// to operations that fail in the same order. The default is another seed for each manager.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> ManagerBuilder {
        self.settings.seed = Some(seed);
        self
    }

    /// How many results of ended operations that were
    /// [queued by id](Manager::queue_operation) are kept until somebody takes them. The default is
    /// 1,024; the oldest fall off first.
    #[must_use]
    pub fn results_kept(mut self, results: usize) -> ManagerBuilder {
        self.settings.results_kept = results;
        self
    }

    /// The clock that waiting and running are measured with. The default is the system's, or tokio's
    /// if that is paused when the manager is built, as in tests. Time-outs are tokio's timers in any case, so the clock must keep its pace.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> ManagerBuilder {
        self.clock = Some(clock);
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds, or there are more than 256 kinds; the
    /// message names setting, value and remedy.
    pub fn build(self) -> Result<Manager, ConfigError> {
        let Settings { scheduler, timeout, .. } = &self.settings;
        within("max_concurrent", scheduler.max_concurrent as u64, 1, MAX_CONCURRENT)?;
        within("queue_limit", scheduler.queue_limit as u64, 0, MAX_QUEUE)?;
        within("kept_limit", self.settings.kept_limit as u64, 0, MAX_FINISHED)?;
        within("results_kept", self.settings.results_kept as u64, 0, MAX_FINISHED)?;
        within("finished_kept", scheduler.finished_kept as u64, 0, MAX_FINISHED)?;
        within("timeout", *timeout, MIN_TIMEOUT, MAX_TIMEOUT)?;
        #[cfg(feature = "lanes")]
        self.settings.lanes.check()?;
        let clock = self.clock.unwrap_or_else(runtime_clock);
        let manager = Manager { shared: Arc::new(Shared::new(self.settings, clock)) };
        if let Some(adaptive) = self.adaptive {
            manager.set_adaptive(adaptive.or_start(manager.max_concurrent()))?;
        }
        for (name, settings) in self.kinds {
            manager.set_kind(name, settings)?;
        }
        Ok(manager)
    }
}

/// The system's clock; where the runtime stands still, the runtime's, on the same time line. The
/// system's is read twice per operation, and a reading costs half as much again the other way.
fn runtime_clock() -> Clock {
    let (origin, before) = (tokio::time::Instant::now(), std::time::Instant::now());
    // Until the system's clock has moved on; tokio's is the same unless it stands still.
    while before.elapsed().is_zero() {}
    if tokio::time::Instant::now() > origin {
        return Clock::system();
    }
    let offset = Clock::system().now();
    Clock::from_fn(move || -> Instant {
        offset + tokio::time::Instant::now().saturating_duration_since(origin)
    })
}

const MAX_FINISHED: u64 = 1_000_000;
