//! Runs test cases, hundreds at once: commands and async closures, with time-outs, retries and a
//! report of those that are flaky.
//!
//! A [`TestQueue`] runs [`TestCase`]s as operations of a [`Manager`], so many at once as the machine
//! bears, and never above `MAX_CONCURRENT_TESTS`. Results go to a [`ResultSink`] in batches while the
//! run goes on. A case that names its inputs is skipped while nothing of them has changed since it
//! last passed.
//!
//! For the tests of a Rust workspace cargo-nextest knows more; this is for everything else that
//! either passes or fails: commands, checks of servers, examples.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use perf_async::test_queue::{TestAttempt, TestCase, TestQueue};
//!
//! let queue = TestQueue::builder().jobs(100).retries(1).build()?;
//! let adds = TestCase::new("adds", |_: TestAttempt| async {
//!     if 1 + 1 == 2 { Ok(()) } else { Err("no") }
//! });
//! let second = TestCase::new("passes the second time", |attempt: TestAttempt| async move {
//!     if attempt.number() == 2 { Ok(()) } else { Err("not yet") }
//! });
//! let report = queue.start([adds, second], ()).finish().await;
//! assert!(report.is_passed());
//! assert_eq!(report.flaky().next().map(|result| result.name.as_str()), Some("passes the second time"));
//! # Ok(())
//! # }
//! ```

mod attempts;
mod builder;
mod case;
mod command;
mod ended;
mod event;
mod fingerprint;
mod jobs;
mod output;
#[cfg(unix)]
mod process;
mod result;
mod run;
mod sink;
mod stop;

pub use builder::TestQueueBuilder;
pub use case::{TestAttempt, TestCase};
pub use command::TestCommand;
pub use event::{TestEvent, TestProgress};
pub use fingerprint::Fingerprint;
pub use result::{TestReport, TestResult, Verdict};
pub use run::TestRun;
pub use sink::ResultSink;

use crate::Manager;
use attempts::Limits;
use run::Plan;

/// Runs test cases, so many at once. See the [module page](self).
///
/// Cheap to clone; a queue can run any number of times, at once too: the runs share its manager.
#[derive(Clone, Debug)]
pub struct TestQueue {
    manager: Manager,
    limits: Limits,
    jobs: usize,
    batch: usize,
    force: bool,
}

impl TestQueue {
    /// As many at once as the machine bears, at most 20; a minute for each case, no retries.
    #[must_use]
    pub fn builder() -> TestQueueBuilder {
        TestQueueBuilder::new()
    }

    /// How many cases run at once.
    #[must_use]
    pub const fn jobs(&self) -> usize {
        self.jobs
    }

    /// The manager that it runs on, to look at or to change while it runs.
    #[must_use]
    pub const fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Starts a run of these cases, which goes on by itself; results go to the sink, `()` if they
    /// need not be kept. Those of the same priority start in the order in which they are given.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer and its input and output enabled.
    pub fn start(
        &self,
        cases: impl IntoIterator<Item = TestCase>,
        sink: impl ResultSink,
    ) -> TestRun {
        let plan = Plan {
            manager: self.manager.clone(),
            limits: self.limits.clone(),
            jobs: self.jobs,
            batch: self.batch,
            force: self.force,
        };
        TestRun::start(plan, cases.into_iter().collect(), sink)
    }
}
