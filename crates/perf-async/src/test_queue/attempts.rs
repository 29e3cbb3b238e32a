//! The attempts at one case.

use super::case::{Body, Function, TestAttempt};
use super::ended::Ended;
use super::event::Watch;
use super::stop::{Stop, Stopper};
use super::{TestCase, TestCommand, TestEvent, TestResult, Verdict};
use crate::sync::Arc;
use futures_util::FutureExt;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, timeout};

/// What holds for cases that do not say.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) slow: Duration,
    pub(super) grace: Duration,
    pub(super) retries: u32,
    pub(super) retry_delay: Duration,
    pub(super) output: usize,
}

/// Runs a case until it passes, its attempts are used up or the run is stopped, and writes down what
/// became of it.
pub(super) async fn attempts(
    case: &TestCase,
    limits: &Limits,
    watch: &Watch,
    stop: &Stopper,
    result: &mut TestResult,
) {
    let began = Instant::now();
    result.created_at = SystemTime::now();
    let retries = case.retries.unwrap_or(limits.retries);
    let slow = case.slow.unwrap_or(limits.slow);
    loop {
        result.attempts += 1;
        let attempt = TestAttempt::new(result.attempts, limits.output);
        watch.tell(TestEvent::Started { name: case.name.clone(), attempt: result.attempts });
        let mut run = pin!(once(case, &attempt, limits, stop));
        let ended = match timeout(slow, &mut run).await {
            Ok(ended) => ended,
            Err(_) => {
                result.slow = true;
                watch.tell(TestEvent::Slow { name: case.name.clone(), after: slow });
                run.await
            }
        };
        result.verdict = ended.verdict;
        result.left_processes |= ended.left_processes;
        result.duration = began.elapsed();
        if ended.verdict != Verdict::Passed {
            (result.output, result.output_cut) = attempt.take();
        }
        let failed = matches!(ended.verdict, Verdict::Failed | Verdict::TimedOut);
        if !failed || result.attempts > retries {
            result.reason = ended.reason;
            return;
        }
        let reason = ended.reason.unwrap_or_default();
        result.failures.push(reason.clone());
        let (name, attempt) = (case.name.clone(), result.attempts);
        watch.tell(TestEvent::Retrying { name, attempt, reason });
        if !limits.retry_delay.is_zero() {
            tokio::select! {
                () = sleep(limits.retry_delay) => {}
                () = stop.reached(Stop::End) => {}
            }
        }
        if stop.is_stopped() {
            // It has failed, and nobody knows whether it would have passed.
            result.reason = result.failures.pop();
            return;
        }
    }
}

async fn once(case: &TestCase, attempt: &TestAttempt, limits: &Limits, stop: &Stopper) -> Ended {
    let limit = case.timeout.unwrap_or(limits.timeout);
    match &case.body {
        Body::Command(command) => run_command(command, attempt, limit, limits.grace, stop).await,
        Body::Function(function) => run_function(function, attempt, limit, stop).await,
    }
}

#[cfg(unix)]
async fn run_command(
    command: &TestCommand,
    attempt: &TestAttempt,
    limit: Duration,
    grace: Duration,
    stop: &Stopper,
) -> Ended {
    super::process::run(command, attempt, limit, grace, stop).await
}

#[cfg(not(unix))]
async fn run_command(
    _command: &TestCommand,
    _attempt: &TestAttempt,
    _limit: Duration,
    _grace: Duration,
    _stop: &Stopper,
) -> Ended {
    Ended::with(Verdict::Failed, "commands can be run on Unix only")
}

async fn run_function(
    function: &Arc<Function>,
    attempt: &TestAttempt,
    limit: Duration,
    stop: &Stopper,
) -> Ended {
    // Both the call and the future are the user's.
    let call = AssertUnwindSafe(async { function(attempt.clone()).await }).catch_unwind();
    let limited = async {
        tokio::select! {
            ended = call => match ended {
                Ok(Ok(())) => Ended::passed(),
                Ok(Err(error)) => Ended::with(Verdict::Failed, chain(&*error)),
                Err(panic) => {
                    Ended::with(Verdict::Failed, crate::driver::panicked(panic).to_string())
                }
            },
            () = within(limit) => Ended::with(Verdict::TimedOut, format!("not done after {limit:?}")),
            () = stop.reached(Stop::End) => {
                Ended::with(Verdict::Cancelled, "the run was stopped")
            }
        }
    };
    // A destructor may panic as well.
    match AssertUnwindSafe(limited).catch_unwind().await {
        Ok(ended) => ended,
        Err(panic) => Ended::with(Verdict::Failed, crate::driver::panicked(panic).to_string()),
    }
}

async fn within(limit: Duration) {
    match Instant::now().checked_add(limit) {
        Some(_) => sleep(limit).await,
        None => pending().await,
    }
}

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
