//! How operations of one kind are run.

use crate::{
    Adaptive, Batch, Batching, ConfigError, ErrorTest, Hedge, Needs, OperationError, Pool, Quota,
    Retry,
};
use perf_guard::{CircuitBreaker, CircuitBreakerBuilder, Gcra, RetryBudget, RetryBudgetBuilder};
use std::fmt::Debug;
use std::time::Duration;

/// How operations of one kind are run, beside what holds for all.
///
/// A kind is the word an operation is made with, such as `"fetch"`. What a single operation says
/// wins over what its kind says, and that wins over what the manager says. Without settings a kind
/// has no limits of its own.
///
/// Each setting is a field, and a method of the same name for a builder; the methods take the value
/// or `None`.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use perf_async::{Manager, Throttle};
/// use std::time::Duration;
///
/// let manager = Manager::builder()
///     .max_concurrent(64)
///     .kind("fetch", |kind| {
///         kind.max_concurrent(16)
///             .throttle(Throttle::rate(100, Duration::from_secs(1)).burst(10))
///             .timeout(Duration::from_secs(2))
///     })
///     .build()?;
/// assert_eq!(manager.kind_settings("fetch").and_then(|kind| kind.max_concurrent), Some(16));
///
/// // And while it works:
/// manager.configure("fetch", |kind| kind.max_concurrent(32))?;
/// # }
/// # Ok::<(), perf_async::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KindSettings {
    /// How many run at once, out of those that the manager runs at once. `None`: as many as that.
    pub max_concurrent: Option<usize>,
    /// How many may wait, out of those that may wait in the manager. `None`: as many as that.
    pub queue_limit: Option<usize>,
    /// The share of starts where [`Fairness::Weighted`] is set and kinds compete: a kind of weight
    /// 2 starts twice as many as one of weight 1. From 1, the default, to 1,000.
    pub weight: u32,
    /// How fast they may start. `None`: as fast as there is room.
    pub throttle: Option<Throttle>,
    /// How long one may wait for its turn that does not say.
    pub queue_timeout: Option<Duration>,
    /// How long one may run that does not say.
    pub timeout: Option<Duration>,
    /// How long one may wait and run that does not say, from its submission.
    pub total_timeout: Option<Duration>,
    /// When to stop starting them because they keep failing.
    pub breaker: Option<CircuitBreakerBuilder>,
    /// Which errors the circuit breaker counts as failures. `None`: all, and panics and time-outs.
    /// One that does not count as a failure counts as a success.
    pub failure_test: Option<ErrorTest>,
    /// How often an operation is tried again that does not say. Only
    /// [retryable](crate::Operation::retryable) ones can be.
    pub retry: Option<Retry>,
    /// When a second attempt is made beside a slow one of an operation that does not say. Only
    /// [retryable](crate::Operation::retryable) ones can have one.
    pub hedge: Option<Hedge>,
    /// How much retries and hedges of the kind may add to the load, together. `None`: whatever they
    /// ask for. The default is a fifth of the operations, and ten a second.
    pub retry_budget: Option<RetryBudgetBuilder>,
    /// When to start them together, and who takes them then. A kind that comes in
    /// [natural](Batch::natural) batches runs one at once unless `max_concurrent` says otherwise.
    pub batch: Option<Batching>,
    /// What each takes of the manager's pools that does not say; a batch counts as one.
    pub needs: Option<Needs>,
    /// How the number that runs at once finds itself, up to `max_concurrent`. `None`: it does not.
    pub adaptive: Option<Adaptive>,
    /// Their part of the manager's pools.
    pub quotas: Vec<(Pool, Quota)>,
}

impl Default for KindSettings {
    fn default() -> KindSettings {
        KindSettings {
            max_concurrent: None,
            queue_limit: None,
            weight: 1,
            throttle: None,
            queue_timeout: None,
            timeout: None,
            total_timeout: None,
            breaker: None,
            failure_test: None,
            retry: None,
            hedge: None,
            retry_budget: Some(RetryBudget::builder()),
            batch: None,
            needs: None,
            adaptive: None,
            quotas: Vec::new(),
        }
    }
}

impl KindSettings {
    /// The same with that many at once.
    #[must_use]
    pub fn max_concurrent(mut self, operations: impl Into<Option<usize>>) -> KindSettings {
        self.max_concurrent = operations.into();
        self
    }

    /// The same with that many waiting at most; zero if none shall wait.
    #[must_use]
    pub fn queue_limit(mut self, operations: impl Into<Option<usize>>) -> KindSettings {
        self.queue_limit = operations.into();
        self
    }

    /// The same with that weight.
    #[must_use]
    pub const fn weight(mut self, weight: u32) -> KindSettings {
        self.weight = weight;
        self
    }

    /// The same with that throttle.
    #[must_use]
    pub fn throttle(mut self, throttle: impl Into<Option<Throttle>>) -> KindSettings {
        self.throttle = throttle.into();
        self
    }

    /// The same with that limit on the waiting for a turn.
    #[must_use]
    pub fn queue_timeout(mut self, limit: impl Into<Option<Duration>>) -> KindSettings {
        self.queue_timeout = limit.into();
        self
    }

    /// The same with that limit on the running. [`Duration::MAX`] means as long as it takes, also
    /// where the manager has a limit.
    #[must_use]
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> KindSettings {
        self.timeout = limit.into();
        self
    }

    /// The same with that limit on waiting and running together.
    #[must_use]
    pub fn total_timeout(mut self, limit: impl Into<Option<Duration>>) -> KindSettings {
        self.total_timeout = limit.into();
        self
    }

    /// The same with that circuit breaker. An operation that fails or times out counts as a failure,
    /// one that is cancelled does not count.
    #[must_use]
    pub fn breaker(mut self, breaker: impl Into<Option<CircuitBreakerBuilder>>) -> KindSettings {
        self.breaker = breaker.into();
        self
    }

    /// The same with a circuit breaker that counts only those errors as failures for which this
    /// answers `true`; the others say that what was called is well. It is asked after failures,
    /// panics and time-outs, and must not block; a panic of its own counts as `true`.
    #[must_use]
    pub fn failure_if(
        mut self,
        test: impl Fn(&OperationError) -> bool + Send + Sync + 'static,
    ) -> KindSettings {
        self.failure_test = Some(ErrorTest::new(test));
        self
    }

    /// The same with that rule for trying them again.
    #[must_use]
    pub fn retry(mut self, retry: impl Into<Option<Retry>>) -> KindSettings {
        self.retry = retry.into();
        self
    }

    /// The same with that rule for second attempts beside slow ones.
    #[must_use]
    pub fn hedge(mut self, hedge: impl Into<Option<Hedge>>) -> KindSettings {
        self.hedge = hedge.into();
        self
    }

    /// The same with that budget for retries and hedges; with `None` they are not limited.
    #[must_use]
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudgetBuilder>>) -> KindSettings {
        self.retry_budget = budget.into();
        self
    }

    /// The same with that batching: see [`Batching::new`] and
    /// [`Manager::enable_batching`](crate::Manager::enable_batching).
    #[must_use]
    pub fn batch(mut self, batch: impl Into<Option<Batching>>) -> KindSettings {
        self.batch = batch.into();
        self
    }

    /// The same, each taking that much of the manager's [pools](crate::Pools).
    #[must_use]
    pub fn needs(mut self, needs: impl Into<Option<Needs>>) -> KindSettings {
        self.needs = needs.into();
        self
    }

    /// The same with a number at once that finds itself.
    #[must_use]
    pub fn adaptive(mut self, adaptive: impl Into<Option<Adaptive>>) -> KindSettings {
        self.adaptive = adaptive.into();
        self
    }

    /// The same with that part of a pool, instead of the one that it had there.
    #[must_use]
    pub fn quota(mut self, pool: Pool, quota: Quota) -> KindSettings {
        self.quotas.retain(|(known, _)| *known != pool);
        self.quotas.push((pool, quota));
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds; the message names setting, value and
    /// remedy. Quotas are looked at where the pools are known.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(operations) = self.max_concurrent {
            within("max_concurrent", operations as u64, 1, MAX_CONCURRENT)?;
        }
        if let Some(operations) = self.queue_limit {
            within("queue_limit", operations as u64, 0, MAX_QUEUE)?;
        }
        within("weight", self.weight, 1, MAX_WEIGHT)?;
        if let Some(throttle) = self.throttle {
            throttle.gcra()?;
        }
        let forever = |limit: &Duration| *limit == Duration::MAX;
        if let Some(limit) = self.timeout.filter(|limit| !forever(limit)) {
            within("timeout", limit, MIN_TIMEOUT, MAX_TIMEOUT)?;
        }
        if let Some(limit) = self.total_timeout.filter(|limit| !forever(limit)) {
            within("total_timeout", limit, MIN_TIMEOUT, MAX_TIMEOUT)?;
        }
        self.new_breaker()?;
        self.retry_budget.map(RetryBudgetBuilder::build).transpose()?;
        self.adaptive.map_or(Ok(()), Adaptive::check)?;
        self.batch_rule().map_or(Ok(()), Batch::check)
    }

    /// How many may run at once, beside what the manager allows.
    pub(crate) fn places(&self) -> usize {
        // Natural batches grow while another is under way; if any number were, none would.
        let natural = self.batch_rule().is_some_and(|rule| rule.waits().is_none());
        self.max_concurrent.unwrap_or(if natural { 1 } else { usize::MAX })
    }

    /// When to start them together.
    pub(crate) fn batch_rule(&self) -> Option<Batch> {
        self.batch.as_ref().map(Batching::rule)
    }

    pub(crate) fn new_breaker(&self) -> Result<Option<CircuitBreaker>, ConfigError> {
        self.breaker.map(CircuitBreakerBuilder::build).transpose()
    }
}

/// How fast operations may start.
///
/// An operation that has to wait for its time waits in the queue like any other, holds no place,
/// and keeps nobody of another kind waiting. One that is cancelled meanwhile costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    operations: u64,
    per: Duration,
    burst: u64,
}

impl Throttle {
    /// One start, then none for that time.
    #[must_use]
    pub const fn spacing(time: Duration) -> Throttle {
        Throttle::rate(1, time)
    }

    /// So many starts in that time, evenly spaced.
    #[must_use]
    pub const fn rate(operations: u64, per: Duration) -> Throttle {
        Throttle { operations, per, burst: 1 }
    }

    /// The same with that many at once after a rest. In any span of time `t` at most
    /// `burst + rate × t` start. The default is 1.
    #[must_use]
    pub const fn burst(mut self, operations: u64) -> Throttle {
        self.burst = operations;
        self
    }

    /// The time between two starts when they come as fast as they may.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let operations = u128::from(self.operations.max(1));
        let nanos = self.per.as_nanos().div_ceil(operations);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many may start at once after a rest.
    #[must_use]
    pub const fn burst_size(&self) -> u64 {
        self.burst
    }

    pub(crate) fn gcra(&self) -> Result<Gcra, ConfigError> {
        Gcra::builder().rate(self.operations, self.per).burst(self.burst).build()
    }
}

/// Who is next where operations of several kinds wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fairness {
    /// The most urgent operation, whatever its kind.
    #[default]
    Priority,
    /// The kind that has had least for its [weight](KindSettings::weight), and of it the most
    /// urgent operation. A kind that was idle or held back has not saved anything up.
    ///
    /// Source: Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996; each start costs
    /// the same.
    Weighted,
}

/// `Ok` within the bounds, else the error that names setting, value and remedy.
pub(crate) fn within<V: PartialOrd + Debug>(
    setting: &'static str,
    value: V,
    min: V,
    max: V,
) -> Result<(), ConfigError> {
    if min <= value && value <= max {
        return Ok(());
    }
    let remedy = format!("use {min:?} to {max:?}");
    Err(ConfigError::new(setting, format_args!("{value:?}"), remedy))
}

pub(crate) const MAX_CONCURRENT: u64 = 10_000;
pub(crate) const MAX_QUEUE: u64 = 1_000_000;
pub(crate) const MIN_TIMEOUT: Duration = Duration::from_millis(1);
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_WEIGHT: u32 = 1_000;
