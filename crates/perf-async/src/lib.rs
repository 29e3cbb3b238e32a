//! Runs asynchronous operations: priorities, a limit on how many run at once, time-outs that stop
//! the work, one run for many callers who want the same, and typed handles.
//!
//! A [`Manager`] takes [`Operation`]s. [`Manager::run`] awaits one where it stands and costs no
//! task while there is room; [`Manager::submit`] gives a [`Handle`] and lets the operation go on by
//! itself. When too many run, operations wait in order of priority, and waiting raises the
//! priority, so that nobody waits for ever. The queue is bounded: beyond it callers are told at
//! once.
//!
//! Not for work that must survive the process: all of it is in memory. An operation that computes
//! for long without an await holds its thread, as on any async runtime; the feature `lanes` has
//! threads for such work.
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use perf_async::{Manager, Operation, OperationError};
//! use perf_core::Priority;
//! use std::time::Duration;
//!
//! let manager = Manager::builder().max_concurrent(2).build()?;
//!
//! let page = async { Ok::<_, std::io::Error>("page".to_owned()) };
//! assert_eq!(manager.run(Operation::new("fetch", page)).await?, "page");
//!
//! let urgent = Operation::new("report", async { Err::<u32, _>("no such table") })
//!     .priority(Priority::HIGHEST)
//!     .timeout(Duration::from_secs(2));
//! let error = manager.submit(urgent)?.await.unwrap_err();
//! assert!(matches!(error, OperationError::Failed(why) if why.to_string() == "no such table"));
//! assert_eq!(manager.stats().completed, 1);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! # Time-outs
//!
//! Three clocks, each with its own name: [`queue_timeout`](Operation::queue_timeout) bounds the
//! waiting for a turn, [`timeout`](Operation::timeout) one attempt, and
//! [`total_timeout`](Operation::total_timeout) everything from the submission on. An operation whose
//! time passes while it waits never starts; one whose time passes while it runs is dropped, so it
//! stops working.
//!
//! The first two never overlap: the one stops and the other starts when the operation gets its
//! place. The third runs through both, through every attempt and through the pauses between
//! attempts. [`OperationError::TimedOut`] names the one that ran out. Whoever waits may have a clock
//! of its own: that of [`Manager::wait_for_operation`] or [`Handle::wait_timeout`] stops no
//! operation.
//!
//! # Handles and ids
//!
//! [`Manager::submit`] answers a [`Handle`]: a future with the type of the value.
//! [`Manager::queue_operation`] answers an [`OperationId`]: a number that can be kept anywhere, for
//! [`Manager::wait_for_operation`], which checks the type. Both are shown side by side in
//! `examples/by_id.rs`.
//!
//! A full queue refuses at once. Who would rather wait calls [`Manager::reserve`]; who wants the
//! operation back, [`Manager::try_submit`]. [`Manager::close`] refuses everybody,
//! [`Manager::drain`] waits for the last destructor, [`Manager::abort`] cancels what is left.
//!
//! # Cancelling
//!
//! Every future of this crate may be dropped at any await: no place among the running is lost, and
//! nobody else waits for ever.
//!
//! | future | dropping it |
//! |---|---|
//! | [`Manager::run`], [`Manager::run_answered`] | drops the operation; with a key, only if nobody else wants it |
//! | [`Handle`] | lets the operation go on, unless told [`cancel_on_drop`](Handle::cancel_on_drop) |
//! | [`Handle::answered`] | as its handle |
//! | [`Manager::reserve`] | gives up the wait, or the place in the queue if it has one by then |
//! | [`Manager::wait_for_operation`] | leaves the operation and its result for others to wait for |
//! | [`Manager::drain`] | leaves the manager closed, and what it has goes on |
//! | [`Events::next`] | loses no event: the next call answers it |
//! | [`Lazy::get`], [`Pages::next_page`], [`Preloader::finished`] | the load goes on for others who wait; the next call takes up where this one was |
//! | a call of `OperationsService` (feature `tower`) | drops the request's operation, as `run` |
//! | `TestRun::next_event` (feature `test-queue`) | loses no event |
//! | `TestRun::finish` (feature `test-queue`) | kills what runs, as dropping the run does |
//!
//! # What is bounded
//!
//! | what | by | beyond it |
//! |---|---|---|
//! | operations that wait | [`queue_limit`](ManagerBuilder::queue_limit), of all and by kind | [`Refused::Overloaded`], counted as `rejected` |
//! | callers who share one operation | the same | the same |
//! | ended operations that are remembered | [`finished_kept`](ManagerBuilder::finished_kept) | the oldest go, counted as `forgotten` |
//! | results kept for ids | [`results_kept`](ManagerBuilder::results_kept) | the oldest go, counted by [`Manager::results_forgotten`] |
//! | values kept for later callers | [`kept_limit`](ManagerBuilder::kept_limit) | those go first whose time passes first, counted as `kept_evicted` |
//! | kinds that are told apart | [`MAX_KINDS`] | later ones go under `other`, counted as `unnamed` |
//! | retries and hedges of a kind | its [`retry_budget`](KindSettings::retry_budget) | none is made, counted as `retries_refused` and `hedges_refused` |
//! | events that somebody who listens has not read | 1,024 | the oldest go, counted by [`Events::lost`] |
//! | threads of the lanes (feature `lanes`) | a core each to compute, 32 to block; `cpu_threads`, `blocking_threads` | operations wait in the queue |
//! | tasks that wait for the next operation | 32 | they end |
//!
//! # Order
//!
//! Each second of waiting (the aging time, [`ManagerBuilder::aging`]) counts as one level of
//! priority. So an operation at level `p` is overtaken by one at level `q > p` only if that one
//! came less than `(q - p)` seconds later. Priority decides who starts; the runtime decides who
//! runs after that.
//!
//! # Features
//!
//! - `lanes`: `Operation::cpu` and `Operation::blocking`, operations on threads of the manager's own.
//! - `rayon`: `LaneContext::install`, data parallelism within one operation.
//! - `tokio` (default): the manager. Without it there is only the [`Scheduler`], a pure state
//!   machine that any other runtime can drive.
//! - `tower`: `OperationsLayer`, by which each request of a tower service is one operation.
//! - `stream`: [`Pages`] is a `futures_core::Stream`.
//! - `serde`: the start-up report serializes and deserializes.
//! - `test-queue`: the module `test_queue`, commands and checks by the hundred.

mod adaptive;
#[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "only the driver calls handlers"))]
mod batch;
mod brief;
mod error;
mod hedge;
mod id;
mod kind;
#[cfg(feature = "lanes")]
mod lane;
mod pools;
mod record;
mod retry;
mod scheduler;
mod sync;

#[cfg(feature = "tokio")]
mod attempt;
#[cfg(feature = "tokio")]
mod driver;
#[cfg(feature = "tokio")]
mod events;
#[cfg(feature = "tokio")]
mod fallback;
#[cfg(feature = "tokio")]
mod handle;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "tokio")]
mod lazy;
#[cfg(feature = "tokio")]
mod manager;
#[cfg(feature = "tokio")]
mod operation;
#[cfg(feature = "tokio")]
mod progress;
#[cfg(feature = "test-queue")]
pub mod test_queue;
#[cfg(feature = "tokio")]
mod work;

pub use adaptive::{Adaptive, AdaptiveState, Aimd, Fixed, LimitPolicy, Reason, Vegas, Window};
#[cfg(feature = "tokio")]
pub use attempt::Attempt;
#[cfg(feature = "tokio")]
pub use batch::Item;
pub use batch::{Batch, BatchError, BatchStats, Batching, Flushed, WrongAnswers};
pub use error::{OperationError, Overloaded, Refused, TimeoutClock};
#[cfg(feature = "tokio")]
pub use events::Events;
#[cfg(feature = "tokio")]
pub use fallback::{Answered, Source};
#[cfg(feature = "tokio")]
pub use handle::{Handle, WaitError};
pub use hedge::Hedge;
pub use id::OperationId;
pub use kind::{Fairness, KindSettings, Throttle};
#[cfg(feature = "lanes")]
pub use lane::{LaneContext, OnThread};
#[cfg(feature = "tower")]
pub use layer::{Keyed, Keying, OperationsLayer, OperationsService, Unkeyed};
#[cfg(feature = "tokio")]
pub use lazy::{
    Lazy, LazyBuilder, LazyState, LazyStats, Page, PageRequest, Pages, PagesBuilder, PagesStats,
    Preloader, PreloaderBuilder, StartupEntry, StartupReport,
};
#[cfg(feature = "tokio")]
pub use manager::{
    AsyncStats, Drained, Manager, ManagerBuilder, NoResult, Reservation, TrySubmitError,
};
#[cfg(feature = "tokio")]
pub use operation::Operation;
pub use perf_core::ConfigError;
pub use pools::{Needs, Pool, PoolStats, Pools, PoolsBuilder, Quota};
#[cfg(feature = "tokio")]
pub use progress::Progress;
pub use record::{CancelOutcome, Ended, OperationRecord, Status};
pub use retry::{ErrorTest, Retry};
pub use scheduler::{
    Event, Finished, GaveUp, Happened, KindId, Next, OperationKey, OperationMetrics, Scheduler,
    SchedulerConfig, Submission, Totals,
};
#[cfg(feature = "tokio")]
pub use work::{Retryable, Work};

use std::time::Duration;

/// How many operations run at once unless set otherwise.
pub const DEFAULT_MAX_CONCURRENT: usize = 5;
/// How many operations may wait unless set otherwise.
pub const DEFAULT_QUEUE_LIMIT: usize = 10_000;
/// How long an operation may run unless set otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an operation waits to gain one level of priority unless set otherwise.
pub const DEFAULT_AGING: Duration = Duration::from_secs(1);
/// How many items a batch has at most unless set otherwise.
pub const DEFAULT_BATCH: usize = 10;
/// How long the oldest item of a batch waits for others unless set otherwise.
pub const DEFAULT_BATCH_WINDOW: Duration = Duration::from_millis(100);
/// How many kinds of operations are told apart. Those of later names go under the kind `other`.
pub const MAX_KINDS: usize = 256;
/// How many values are kept for later callers unless set otherwise.
pub const DEFAULT_KEPT_LIMIT: usize = 1_024;
/// How many results of ended operations are kept for those who know the id unless set otherwise.
pub const DEFAULT_RESULTS_KEPT: usize = 1_024;
/// How many ended operations are remembered unless set otherwise.
pub const DEFAULT_FINISHED_KEPT: usize = 1_024;
/// How many items a page of [`Pages`] has unless set otherwise.
#[cfg(feature = "tokio")]
pub const DEFAULT_PAGE_SIZE: usize = 50;

/// Few cases and a fixed seed, so that a run takes a second and repeats.
#[cfg(test)]
fn test_cases() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, RngSeed};
    let rng_seed = RngSeed::Fixed(20_261_121);
    Config { cases: 128, rng_seed, failure_persistence: None, ..Config::default() }
}
