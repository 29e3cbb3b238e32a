//! One run of cases, from the first to the report.

use super::attempts::{Limits, attempts};
use super::event::Watch;
use super::fingerprint::Fingerprints;
use super::sink::{Writer, guarded};
use super::stop::{Stop, Stopper};
use super::{
    Fingerprint, ResultSink, TestCase, TestEvent, TestProgress, TestReport, TestResult, Verdict,
};
use crate::sync::{Arc, Mutex, lock};
use crate::{CancelOutcome, Handle, Manager, Needs, Operation, OperationError, Status};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A run that goes on by itself. Dropping it kills what runs and forgets the rest.
#[derive(Debug)]
#[must_use = "dropping a run ends it"]
pub struct TestRun {
    shared: Arc<Shared>,
    events: mpsc::Receiver<TestEvent>,
    stop: watch::Sender<Stop>,
    /// Nothing is ever sent: its other end goes with the task.
    ended: watch::Receiver<()>,
    task: JoinHandle<()>,
}

/// What a run is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) manager: Manager,
    pub(super) limits: Limits,
    pub(super) jobs: usize,
    pub(super) batch: usize,
    pub(super) force: bool,
}

#[derive(Debug)]
struct Shared {
    run_id: String,
    plan: Plan,
    cases: Vec<TestCase>,
    watch: Arc<Watch>,
    began: Instant,
    found: Mutex<Found>,
}

/// What has come out so far.
#[derive(Debug, Default)]
struct Found {
    results: Vec<Option<Arc<TestResult>>>,
    stored: usize,
    sink_error: Option<String>,
    notices: Vec<String>,
}

impl TestRun {
    pub(super) fn start(plan: Plan, cases: Vec<TestCase>, sink: impl ResultSink) -> TestRun {
        let (watch, events) = Watch::new(cases.len());
        let found = Found { results: vec![None; cases.len()], ..Found::default() };
        let shared = Arc::new(Shared {
            run_id: run_id(),
            plan,
            cases,
            watch: Arc::new(watch),
            began: Instant::now(),
            found: Mutex::new(found),
        });
        let (stop, stopper) = Stopper::channel();
        let (alive, ended) = watch::channel(());
        let driven = drive(Arc::clone(&shared), sink, stopper);
        let task = tokio::spawn(async move {
            let _alive = alive;
            driven.await;
        });
        TestRun { shared, events, stop, ended, task }
    }

    /// The name of this run: the first part of each [`TestResult::execution_id`].
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.shared.run_id
    }

    /// How far it is. O(cases that run).
    #[must_use]
    pub fn progress(&self) -> TestProgress {
        self.shared.watch.progress()
    }

    /// The next thing that happens, `None` once the run has ended. At most 1,024 wait for whoever
    /// asks; what falls off is counted. Cancel-safe: an event that was not answered is the next.
    pub async fn next_event(&mut self) -> Option<TestEvent> {
        tokio::select! {
            biased;
            event = self.events.recv() => event,
            // What tells of events lives as long as the run is remembered.
            _ = self.ended.changed() => self.events.try_recv().ok(),
        }
    }

    /// Starts no further case, and ends those that run: commands are asked to end and killed after
    /// the grace, futures are dropped. The run then ends with a report.
    pub fn stop(&self) {
        self.tell(Stop::End);
    }

    /// The same without the grace.
    pub fn kill(&self) {
        self.tell(Stop::Kill);
    }

    fn tell(&self, stop: Stop) {
        self.stop.send_if_modified(|now| {
            let more = stop > *now;
            *now = stop.max(*now);
            more
        });
    }

    /// Waits for the end. Dropping this future is dropping the run.
    pub async fn finish(mut self) -> TestReport {
        // It may have ended with its runtime: then what never ran counts as cancelled.
        let _ = (&mut self.task).await;
        self.shared.report()
    }
}

impl Drop for TestRun {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn report(&self) -> TestReport {
        let found = lock(&self.found);
        let result = |(number, result): (usize, &Option<Arc<TestResult>>)| match result {
            Some(result) => Arc::clone(result),
            None => Arc::new(self.without_run(number, Verdict::Cancelled, None)),
        };
        TestReport {
            run_id: self.run_id.clone(),
            results: found.results.iter().enumerate().map(result).collect(),
            jobs: self.plan.jobs,
            elapsed: self.began.elapsed(),
            stored: found.stored,
            sink_error: found.sink_error.clone(),
            notices: found.notices.clone(),
            events_dropped: self.watch.progress().events_dropped,
        }
    }

    /// A result of a case that was not run.
    fn without_run(
        &self,
        number: usize,
        verdict: Verdict,
        fingerprint: Option<Fingerprint>,
    ) -> TestResult {
        let case = &self.cases[number];
        TestResult {
            execution_id: format!("{}/{number}", self.run_id),
            name: case.name.clone(),
            group: case.group.clone(),
            verdict,
            reason: None,
            attempts: 0,
            failures: Vec::new(),
            duration: Duration::ZERO,
            slow: false,
            created_at: SystemTime::now(),
            fingerprint,
            output: String::new(),
            output_cut: 0,
            left_processes: false,
        }
    }

    fn keep(&self, number: usize, result: TestResult) -> Arc<TestResult> {
        let result = Arc::new(result);
        lock(&self.found).results[number] = Some(Arc::clone(&result));
        self.watch.end(&result);
        result
    }

    fn operation(
        self: &Arc<Self>,
        number: usize,
        fingerprint: Option<Fingerprint>,
        stop: &Stopper,
    ) -> Result<Handle<TestResult>, crate::Refused> {
        let (shared, stop) = (Arc::clone(self), stop.clone());
        let case = &self.cases[number];
        let work = async move {
            let mut result = shared.without_run(number, Verdict::Cancelled, fingerprint);
            if !stop.is_stopped() {
                let case = &shared.cases[number];
                let _running = shared.watch.begin(number, &case.name);
                attempts(case, &shared.plan.limits, &shared.watch, &stop, &mut result).await;
            }
            result
        };
        let kind = case.group.clone().unwrap_or_else(|| KIND.to_owned());
        let operation = Operation::infallible(kind, work)
            .priority(case.priority)
            .needs(Needs::new().cpu(u64::from(case.weight)))
            // Its attempts have their own.
            .timeout(Duration::MAX);
        self.plan.manager.submit(operation).map(Handle::cancel_on_drop)
    }
}

/// The kind of an operation that is a case without a group.
pub(super) const KIND: &str = "test";

/// Runs all cases and keeps what becomes of them.
async fn drive(shared: Arc<Shared>, sink: impl ResultSink, stop: Stopper) {
    let (sink, fingerprints, unchanged) = compare(&shared, sink).await;
    let mut writer = sink.map(|sink| Writer::new(sink, shared.plan.batch));
    let mut waiting = Vec::new();
    for number in 0..shared.cases.len() {
        if unchanged[number] {
            let result = shared.without_run(number, Verdict::Unchanged, fingerprints[number]);
            push(&mut writer, shared.keep(number, result)).await;
        } else {
            waiting.push(number);
        }
    }
    waiting.reverse();
    let mut pending = FuturesUnordered::new();
    let mut stopping = false;
    let mut flush = tokio::time::interval(FLUSH);
    loop {
        let refused = submit(&shared, &mut waiting, &mut pending, &fingerprints, &stop);
        if pending.is_empty() && waiting.is_empty() {
            break;
        }
        tokio::select! {
            Some((number, settled)) = pending.next() => {
                let result = settled.unwrap_or_else(|error| lost(&shared, number, fingerprints[number], &error));
                push(&mut writer, shared.keep(number, result)).await;
            }
            () = stop.reached(Stop::End), if !stopping => {
                stopping = true;
                // Others may use the manager too, and their turn may take long to come and go.
                pending.iter().for_each(Pending::cancel_if_queued);
            }
            // Others fill the manager's queue, and no case of ours is there to end.
            () = tokio::time::sleep(AGAIN), if refused => {}
            _ = flush.tick() => if let Some(writer) = &mut writer { writer.flush().await },
        }
    }
    if let Some(writer) = writer {
        let written = writer.end().await;
        let mut found = lock(&shared.found);
        found.stored = written.stored;
        if written.error.is_some() {
            found.sink_error = written.error;
        }
    }
}

/// How long a result waits for its batch.
const FLUSH: Duration = Duration::from_secs(1);
/// How soon a full queue is tried again.
const AGAIN: Duration = Duration::from_millis(20);

async fn push(writer: &mut Option<Writer<impl ResultSink>>, result: Arc<TestResult>) {
    if let Some(writer) = writer {
        writer.push(result).await;
    }
}

/// Submits what the manager takes; answers whether it took less than all.
fn submit(
    shared: &Arc<Shared>,
    waiting: &mut Vec<usize>,
    pending: &mut FuturesUnordered<Pending>,
    fingerprints: &[Option<Fingerprint>],
    stop: &Stopper,
) -> bool {
    while let Some(number) = waiting.last().copied() {
        match shared.operation(number, fingerprints[number], stop) {
            Ok(handle) => pending.push(Pending { number, handle }),
            Err(_) if stop.is_stopped() => {
                let result = shared.without_run(number, Verdict::Cancelled, fingerprints[number]);
                shared.keep(number, result);
            }
            Err(_) => return true,
        }
        waiting.pop();
    }
    false
}

/// Takes fingerprints and asks the sink which of them have passed before. Without a sink if that
/// ended in a panic of the thread.
async fn compare<S: ResultSink>(
    shared: &Arc<Shared>,
    mut sink: S,
) -> (Option<S>, Vec<Option<Fingerprint>>, Vec<bool>) {
    let reader = Arc::clone(shared);
    let compared = tokio::task::spawn_blocking(move || {
        let mut taken = Fingerprints::default();
        let fingerprints: Vec<Option<Fingerprint>> = reader
            .cases
            .iter()
            .map(|case| match taken.of(case) {
                Ok(fingerprint) => fingerprint,
                Err(why) => {
                    lock(&reader.found).notices.push(format!("{}: {why}", case.name));
                    None
                }
            })
            .collect();
        let mut unchanged = vec![false; fingerprints.len()];
        let asked: Vec<Fingerprint> = fingerprints.iter().flatten().copied().collect();
        if !reader.plan.force && !asked.is_empty() {
            match guarded(|| sink.passed_before(&asked)) {
                Ok(passed) => {
                    let mut passed = passed.into_iter();
                    for (place, _) in fingerprints.iter().enumerate().filter(|(_, f)| f.is_some()) {
                        unchanged[place] = passed.next().unwrap_or(false);
                    }
                }
                Err(why) => lock(&reader.found).sink_error = Some(why),
            }
        }
        (sink, fingerprints, unchanged)
    });
    let many = shared.cases.len();
    match compared.await {
        Ok((sink, fingerprints, unchanged)) => (Some(sink), fingerprints, unchanged),
        Err(error) => {
            lock(&shared.found).sink_error = Some(error.to_string());
            (None, vec![None; many], vec![false; many])
        }
    }
}

/// The result of a case whose operation has no value.
fn lost(
    shared: &Shared,
    number: usize,
    fingerprint: Option<Fingerprint>,
    error: &OperationError,
) -> TestResult {
    let verdict = match error {
        OperationError::Cancelled => Verdict::Cancelled,
        _ => Verdict::Failed,
    };
    let mut result = shared.without_run(number, verdict, fingerprint);
    result.reason = Some(error.to_string());
    result
}

/// A case on its way through the manager.
struct Pending {
    number: usize,
    handle: Handle<TestResult>,
}

impl Pending {
    fn cancel_if_queued(&self) {
        if self.handle.status() == Some(Status::Queued) {
            let _: CancelOutcome = self.handle.cancel();
        }
    }
}

impl Future for Pending {
    type Output = (usize, Result<TestResult, OperationError>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number;
        Pin::new(&mut self.handle).poll(cx).map(|settled| (number, settled))
    }
}

/// When the run began, and something by chance: sorts by time, and no two are the same.
fn run_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let chance = RandomState::new().hash_one(since) as u32;
    format!("{:012x}-{chance:08x}", since.as_millis())
}
