//! How a test queue is set, and what cannot be.

use super::TestQueue;
use super::attempts::Limits;
use super::jobs::{Machine, VARIABLE, Wanted, jobs};
use crate::{ConfigError, Manager, Pools};
use std::time::Duration;

/// Builds a [`TestQueue`].
#[derive(Clone, Debug)]
pub struct TestQueueBuilder {
    manager: Option<Manager>,
    jobs: Option<usize>,
    max_concurrent: Option<usize>,
    machine: Option<Machine>,
    groups: Vec<(String, usize)>,
    limits: Limits,
    batch: usize,
    force: bool,
}

impl TestQueueBuilder {
    pub(super) fn new() -> TestQueueBuilder {
        let limits = Limits {
            timeout: Duration::from_secs(60),
            slow: Duration::from_secs(10),
            grace: Duration::from_secs(2),
            retries: 0,
            retry_delay: Duration::ZERO,
            output: 16 * 1024,
        };
        TestQueueBuilder {
            manager: None,
            jobs: None,
            max_concurrent: None,
            machine: None,
            groups: Vec::new(),
            limits,
            batch: 50,
            force: false,
        }
    }

    /// Runs cases on this manager, among its other operations and within its limits. The default is
    /// a manager of its own. How many run at once is then the manager's affair: [`jobs`] and
    /// [`max_concurrent`] count for nothing.
    ///
    /// [`jobs`]: TestQueueBuilder::jobs
    /// [`max_concurrent`]: TestQueueBuilder::max_concurrent
    #[must_use]
    pub fn manager(mut self, manager: Manager) -> TestQueueBuilder {
        self.manager = Some(manager);
        self
    }

    /// How many cases run at once, within the bound. The default comes from the cores and the load
    /// of the machine: two for each core, less the load average of the last minute, at least one.
    #[must_use]
    pub fn jobs(mut self, cases: usize) -> TestQueueBuilder {
        self.jobs = Some(cases);
        self
    }

    /// The bound of cases at once. The default is the variable `MAX_CONCURRENT_TESTS` of the
    /// environment; without it 20, or as many as [`jobs`](TestQueueBuilder::jobs) asks for.
    #[must_use]
    pub fn max_concurrent(mut self, cases: usize) -> TestQueueBuilder {
        self.max_concurrent = Some(cases);
        self
    }

    /// Cores and load to decide by, instead of this machine's.
    #[must_use]
    pub fn machine(mut self, cores: usize, load: f64) -> TestQueueBuilder {
        self.machine = Some(Machine { cores, load: Some(load) });
        self
    }

    /// How many cases of that group run at once: a group is a kind of operations. The default is as
    /// many as run at once.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>, max_concurrent: usize) -> TestQueueBuilder {
        self.groups.push((name.into(), max_concurrent));
        self
    }

    /// How long one attempt may take. The default is a minute.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> TestQueueBuilder {
        self.limits.timeout = limit;
        self
    }

    /// From when on a case is marked as slow. The default is ten seconds.
    #[must_use]
    pub fn slow(mut self, after: Duration) -> TestQueueBuilder {
        self.limits.slow = after;
        self
    }

    /// How long a command that was asked to end has before it is killed. The default is two seconds.
    #[must_use]
    pub fn grace(mut self, time: Duration) -> TestQueueBuilder {
        self.limits.grace = time;
        self
    }

    /// How often a case is tried again after a failure. The default is 0. At most 100.
    #[must_use]
    pub fn retries(mut self, times: u32) -> TestQueueBuilder {
        self.limits.retries = times;
        self
    }

    /// How long to wait before it is tried again. The default is not at all. The case keeps its
    /// place meanwhile.
    #[must_use]
    pub fn retry_delay(mut self, time: Duration) -> TestQueueBuilder {
        self.limits.retry_delay = time;
        self
    }

    /// How many bytes of a case's output are kept: the last ones. The default is 16 KiB.
    #[must_use]
    pub fn output_kept(mut self, bytes: usize) -> TestQueueBuilder {
        self.limits.output = bytes;
        self
    }

    /// How many results go to the sink at once; those that have waited for a second go in any case.
    /// The default is 50.
    #[must_use]
    pub fn batch(mut self, results: usize) -> TestQueueBuilder {
        self.batch = results;
        self
    }

    /// Whether unchanged cases run as well. The default is no.
    #[must_use]
    pub fn force(mut self, force: bool) -> TestQueueBuilder {
        self.force = force;
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a setting, or the variable of the environment, is out of its bounds; the
    /// message names setting, value and remedy.
    pub fn build(self) -> Result<TestQueue, ConfigError> {
        if self.limits.retries > MOST_RETRIES {
            let remedy = format!("use 0 to {MOST_RETRIES}");
            return Err(ConfigError::new("retries", self.limits.retries, remedy));
        }
        if self.batch == 0 {
            return Err(ConfigError::new("batch", self.batch, "use 1 or more"));
        }
        for (setting, time) in [("timeout", self.limits.timeout), ("slow", self.limits.slow)] {
            if time.is_zero() {
                return Err(ConfigError::new(setting, "0 s", "use a millisecond or more"));
            }
        }
        let (manager, jobs) = match self.manager {
            Some(manager) => {
                let jobs = manager.max_concurrent();
                (manager, jobs)
            }
            None => {
                let variable = std::env::var_os(VARIABLE);
                let variable = variable.as_ref().map(|text| text.to_string_lossy());
                let wanted = Wanted {
                    jobs: self.jobs,
                    max_concurrent: self.max_concurrent,
                    variable: variable.as_deref(),
                };
                let jobs = jobs(wanted, self.machine.unwrap_or_else(Machine::here))?;
                (own_manager(jobs)?, jobs)
            }
        };
        for (name, cases) in self.groups {
            manager.configure(name, |kind| kind.max_concurrent(cases))?;
        }
        Ok(TestQueue { manager, limits: self.limits, jobs, batch: self.batch, force: self.force })
    }
}

/// All cases are in its queue at once, so that the most urgent are first.
fn own_manager(jobs: usize) -> Result<Manager, ConfigError> {
    Manager::builder()
        .name("tests")
        .max_concurrent(jobs)
        .pools(Pools::builder().cpu(jobs as u64).build()?)
        .queue_limit(1_000_000)
        .finished_kept(0)
        .build()
}

const MOST_RETRIES: u32 = 100;
