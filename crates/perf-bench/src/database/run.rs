//! A run: step after step, each on as many threads as asked for, then the whole table read back.

use super::DatabaseReport;
use super::DatabaseSettings;
use super::content::{Content, Row};
use super::engine::{Engine, Fault, Left, Session};
use super::report::{DatabaseCheck, DatabaseStep};
use super::step::Step;
use super::table::{Share, view};
use super::work::{Job, Tally, work};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often whoever watches is told.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// How far a run is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatabaseProgress {
    /// The step that runs, by its name in the report.
    pub step: &'static str,
    /// Its number, from 1 up.
    pub number: usize,
    /// How many steps there are.
    pub steps: usize,
    /// Operations done in this step; rows in the batched one.
    pub done: u64,
    /// Operations of this step; rows in the batched one.
    pub total: u64,
    /// How long the step has run.
    pub elapsed: Duration,
}

/// Runs everything on an engine that is ready.
pub(super) fn run(
    engine: Box<dyn Engine>,
    settings: &DatabaseSettings,
    watch: &mut dyn FnMut(&DatabaseProgress) -> ControlFlow<()>,
) -> DatabaseReport {
    let begin = Instant::now();
    let mut engine = Ready(Some(engine));
    let content = Content::new(settings.seed, settings.value_size);
    let mut shares = Share::split(settings.concurrency);
    let mut report = DatabaseReport::new(engine.get(), settings);
    report.at = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs());
    let mut beside = Beside::new();
    let mut broken = false;
    for (number, step) in Step::ALL.into_iter().enumerate() {
        if broken || report.stopped {
            report.steps.push(DatabaseStep::not_run(step));
            continue;
        }
        let rows = view(&shares);
        let runner = Runner { engine: engine.get(), settings, content, step, number, view: &rows };
        let (tally, stopped) = runner.run(&mut shares, &mut |progress| {
            beside.sample();
            watch(progress)
        });
        report.stopped = stopped;
        let done = DatabaseStep::new(step, &tally);
        broken = done.failure.is_some();
        report.steps.push(done);
    }
    if broken {
        report.notices.push(
            "the table was not read back: what the failed step has written is not known".to_owned(),
        );
    } else if !report.stopped {
        report.check = Some(check(engine.get(), content, &view(&shares), settings));
    }
    beside.finish(&mut report);
    let left = engine.finish();
    report.notices.extend(left.notices);
    report.left_behind = left.behind;
    report.complete = !broken
        && !report.stopped
        && report.left_behind.is_none()
        && report.check.as_ref().is_some_and(|check| check.failure.is_none());
    report.seconds = begin.elapsed().as_secs_f64();
    report
}

/// An engine whose table is removed even if whoever watches panics.
struct Ready(Option<Box<dyn Engine>>);

impl Ready {
    fn get(&self) -> &dyn Engine {
        &**self.0.as_ref().expect("taken only by `finish`, which is the end")
    }

    fn finish(&mut self) -> Left {
        self.0.take().map(Engine::finish).unwrap_or_default()
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Samples of the system beside the run, where there are any.
struct Beside {
    #[cfg(feature = "system")]
    sampler: Option<crate::system::Sampler>,
}

#[cfg(feature = "system")]
impl Beside {
    fn new() -> Beside {
        Beside { sampler: crate::system::Sampler::new().ok() }
    }

    fn sample(&mut self) {
        if let Some(sampler) = &mut self.sampler {
            sampler.sample();
        }
    }

    fn finish(self, report: &mut DatabaseReport) {
        report.system = self.sampler.map(crate::system::Sampler::finish);
    }
}

#[cfg(not(feature = "system"))]
impl Beside {
    fn new() -> Beside {
        Beside {}
    }

    fn sample(&mut self) {}

    fn finish(self, _: &mut DatabaseReport) {}
}

struct Runner<'a> {
    engine: &'a dyn Engine,
    settings: &'a DatabaseSettings,
    content: Content,
    step: Step,
    number: usize,
    view: &'a [(i64, i32)],
}

impl Runner<'_> {
    /// How much there is to do in this step.
    fn total(&self) -> u64 {
        let settings = self.settings;
        match self.step {
            Step::InsertSingle => settings.singles(),
            Step::InsertBatch => settings.rows - settings.singles(),
            Step::Delete => settings.operations.min(self.view.len() as u64 / 2),
            _ => settings.operations,
        }
    }

    fn run(
        &self,
        shares: &mut [Share],
        watch: &mut dyn FnMut(&DatabaseProgress) -> ControlFlow<()>,
    ) -> (Tally, bool) {
        let begin = Instant::now();
        let stop = AtomicBool::new(false);
        let done = AtomicU64::new(0);
        let total = self.total();
        let threads = shares.len() as u64;
        let deadline = begin + self.settings.step_limit;
        let mut stopped = false;
        let mut sum = Tally::default();
        thread::scope(|scope| {
            let mut running = Vec::new();
            for (thread, share) in (0..).zip(shares.iter_mut()) {
                let quota = total / threads + u64::from(thread < total % threads);
                let (step, content) = (self.step, self.content);
                let (settings, view, stop, done) = (self.settings, self.view, &stop, &done);
                let job =
                    Job { step, settings, content, view, quota, thread, deadline, stop, done };
                let engine = self.engine;
                let body = move || part(engine, job, share);
                match thread::Builder::new()
                    .name(format!("perfkit-db-{thread}"))
                    .spawn_scoped(scope, body)
                {
                    Ok(handle) => running.push(handle),
                    Err(error) => {
                        sum.failure = Some(format!("thread {thread} could not start: {error}"));
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            }
            loop {
                let over = running.iter().all(|handle| handle.is_finished());
                let progress = DatabaseProgress {
                    step: self.step.name(),
                    number: self.number + 1,
                    steps: Step::ALL.len(),
                    done: done.load(Ordering::Relaxed),
                    total,
                    elapsed: begin.elapsed(),
                };
                if watch(&progress).is_break() && !over {
                    stopped = true;
                    stop.store(true, Ordering::Relaxed);
                }
                if over {
                    break;
                }
                wait(&running);
            }
            for handle in running {
                sum.add(handle.join().unwrap_or_else(|_| Tally {
                    failure: Some("a thread of the benchmark panicked".to_owned()),
                    ..Tally::default()
                }));
            }
        });
        (sum, stopped)
    }
}

/// Waits until the threads are done, but not longer than whoever watches may wait.
fn wait(running: &[thread::ScopedJoinHandle<'_, Tally>]) {
    let until = Instant::now() + TELL_EVERY;
    while Instant::now() < until && !running.iter().all(|handle| handle.is_finished()) {
        thread::sleep(Duration::from_millis(2));
    }
}

/// One thread's part, on a connection of its own.
fn part(engine: &dyn Engine, job: Job<'_>, share: &mut Share) -> Tally {
    let mut done = Tally::default();
    let mut before = Tally::default();
    let mut tries = 0;
    loop {
        let opened = engine.with_session(&mut |session| done = work(job, share, session));
        let Err(fault) = opened else { break };
        before.count(&fault);
        let over = Instant::now() >= job.deadline || job.stop.load(Ordering::Relaxed);
        if !fault.passes || over || tries == job.settings.retries {
            before.failure = Some(format!("no connection, {}: {}", fault.kind, fault.message));
            job.stop.store(true, Ordering::Relaxed);
            break;
        }
        before.retries += 1;
        tries += 1;
        thread::sleep(PAUSE);
    }
    done.add(before);
    done
}

/// Between two tries to open a connection to a database that is busy.
const PAUSE: Duration = Duration::from_millis(20);

/// Counts the rows and reads them all back; once more where the database was busy.
fn check(
    engine: &dyn Engine,
    content: Content,
    expected: &[(i64, i32)],
    settings: &DatabaseSettings,
) -> DatabaseCheck {
    // A piece at a time: the table may be larger than the memory.
    let piece = ((1 << 20) / settings.value_size.max(64)).max(1);
    let mut tries = 0;
    loop {
        let mut check =
            DatabaseCheck { expected: expected.len() as u64, ..DatabaseCheck::default() };
        let mut outcome = Ok(());
        let opened = engine.with_session(&mut |session| {
            outcome = compare(session, content, expected, piece, &mut check);
        });
        let Err(fault) = opened.and(outcome) else { return check };
        if !fault.passes || tries == settings.retries {
            check.failure = Some(format!("{}: {}", fault.kind, fault.message));
            return check;
        }
        tries += 1;
        thread::sleep(PAUSE);
    }
}

fn compare(
    session: &mut dyn Session,
    content: Content,
    expected: &[(i64, i32)],
    piece: usize,
    check: &mut DatabaseCheck,
) -> Result<(), Fault> {
    check.counted = session.count()?;
    if check.counted != check.expected {
        return Err(Fault::wrong(format!(
            "{} rows are there, {} were left",
            check.counted, check.expected
        )));
    }
    let mut rows: Vec<Row> = Vec::new();
    for expected in expected.chunks(piece) {
        session.range(expected[0].0, expected.len(), &mut rows)?;
        let same = rows.iter().map(|row| (row.key, row.version)).eq(expected.iter().copied());
        if !same || rows.iter().any(|row| !content.is_right(row)) {
            return Err(Fault::wrong(format!(
                "the {} rows from key {} are not as they were written",
                expected.len(),
                expected[0].0
            )));
        }
        check.read_back += rows.len() as u64;
    }
    Ok(())
}
