//! `perfkit run`: a suite of commands and HTTP checks, hundreds at once.

mod arguments;
mod cases;
mod document;
mod http_check;
mod json;
mod junit;
mod lines;
mod results;
mod suite;

pub(crate) use arguments::RunArguments;

use crate::failure::Failure;
use crate::output;
use crate::signals::Signals;
use cases::{Choice, cases};
use lines::Lines;
use perf_async::test_queue::{
    ResultSink, TestCase, TestQueue, TestQueueBuilder, TestReport, TestRun,
};
use results::Results;
use std::process::ExitCode;
use std::time::Duration;
use suite::Suite;

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let suite = Suite::read(&arguments.suite)?;
    let choice = cases(&suite, arguments.filter.as_ref())?;
    if arguments.list {
        return list(&choice, arguments.json);
    }
    let inputs = [arguments.suite.as_path()];
    output::prepare(arguments.html.as_deref(), &inputs)?;
    output::prepare(arguments.junit.as_deref(), &inputs)?;
    let queue =
        queue(arguments, &suite).build().map_err(|error| Failure::usage(error.to_string()))?;
    let results = arguments.results.as_deref().map(|path| Results::open(path, &suite.name));
    let results = results.transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let ran = runtime.block_on(async {
        let mut signals = Signals::new()
            .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))?;
        set_up(&suite, choice.set_up, &mut signals).await?;
        Ok::<_, Failure>(match results {
            Some(results) => watch(&queue, choice.cases, results, &mut signals).await,
            None => watch(&queue, choice.cases, (), &mut signals).await,
        })
    });
    // What a blocking call still does, such as a look-up of a name, holds up nobody.
    runtime.shutdown_background();
    finish(arguments, &suite, &ran?)
}

/// What came of a run.
#[derive(Debug)]
struct Ran {
    report: TestReport,
    /// Whether somebody has ended it early.
    interrupted: bool,
}

fn queue(arguments: &RunArguments, suite: &Suite) -> TestQueueBuilder {
    let mut queue = TestQueue::builder().force(arguments.force);
    if let Some(jobs) = arguments.jobs.or(suite.jobs) {
        queue = queue.jobs(jobs);
    }
    if let Some(retries) = arguments.retries.or(suite.retries) {
        queue = queue.retries(retries);
    }
    for (name, limit) in &suite.groups {
        if let Some(limit) = limit.max_concurrent {
            queue = queue.group(name, limit);
        }
    }
    let times = [
        (suite.timeout, TestQueueBuilder::timeout as fn(TestQueueBuilder, Duration) -> _),
        (suite.slow, TestQueueBuilder::slow),
        (suite.grace, TestQueueBuilder::grace),
    ];
    for (given, set) in times {
        queue = given.into_iter().fold(queue, set);
    }
    queue
}

/// Runs what must have been done before the cases, one after the other.
async fn set_up(suite: &Suite, steps: Vec<TestCase>, signals: &mut Signals) -> Result<(), Failure> {
    if steps.is_empty() {
        return Ok(());
    }
    let queue = TestQueue::builder().jobs(1).timeout(suite.set_up_timeout).slow(Duration::MAX);
    let queue = queue.build().map_err(|error| Failure::usage(error.to_string()))?;
    for step in steps {
        output::tell(&format!("set-up: {}", step.name()));
        let ran = watch_quietly(queue.start([step], ()), signals).await;
        if let Some(failed) = ran.report.results.iter().find(|result| !result.is_passed()) {
            lines::show_output(failed);
            let why = failed.reason.as_deref().unwrap_or("it was stopped");
            return Err(Failure::failed(format!(
                "set-up `{}` failed: {why}; no case was run",
                failed.name
            )));
        }
    }
    Ok(())
}

async fn watch_quietly(mut run: TestRun, signals: &mut Signals) -> Ran {
    let mut interrupted = false;
    loop {
        tokio::select! {
            event = run.next_event() => if event.is_none() { break },
            _ = signals.next() => {
                if interrupted { run.kill() } else { run.stop() }
                interrupted = true;
            }
        }
    }
    Ran { report: run.finish().await, interrupted }
}

/// Runs the cases and shows how far they are, to the end or until Ctrl-C.
async fn watch(
    queue: &TestQueue,
    cases: Vec<TestCase>,
    sink: impl ResultSink,
    signals: &mut Signals,
) -> Ran {
    let mut lines = Lines::new(cases.len(), queue.jobs());
    let mut run = queue.start(cases, sink);
    let mut interrupted = false;
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            biased;
            event = run.next_event() => match event {
                Some(event) => lines.tell(&event),
                None => break,
            },
            name = signals.next() => {
                if interrupted {
                    lines.say(&format!("{name}: what still runs is killed"));
                    run.kill();
                } else {
                    let running = run.progress().running;
                    let many = output::many(running as u64, "case", "cases");
                    lines.say(&format!("{name}: ends {many} that run; once more to kill"));
                    run.stop();
                }
                interrupted = true;
            }
            _ = tick.tick() => lines.show(&run.progress()),
        }
    }
    lines.end();
    Ran { report: run.finish().await, interrupted }
}

fn list(choice: &Choice, json: bool) -> Result<ExitCode, Failure> {
    let names: Vec<&str> = choice.cases.iter().map(TestCase::name).collect();
    if json {
        output::print(&format!("{}\n", serde_json::Value::from(names)))?;
    } else {
        output::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Hands out what came of it, and turns it into an exit code.
fn finish(arguments: &RunArguments, suite: &Suite, ran: &Ran) -> Result<ExitCode, Failure> {
    let report = &ran.report;
    let mut unwritten = None;
    if let Some(path) = &arguments.junit {
        match output::write(path, &junit::junit(&suite.name, report)) {
            Ok(()) => output::tell(&format!("JUnit XML in {}", path.display())),
            Err(error) => {
                unwritten = Some(format!("{} cannot be written: {error}", path.display()))
            }
        }
    }
    let json = arguments.json.then(|| json::json(&suite.name, ran).to_string());
    let document = document::document(&suite.name, ran);
    output::publish(&document, arguments.html.as_deref(), json.as_deref(), output::width())?;
    if let Some(why) = &report.sink_error {
        let file = arguments.results.as_deref().unwrap_or(&arguments.suite).display();
        unwritten = Some(format!("{file}: {why}"));
    }
    if let Some(why) = unwritten {
        return Err(Failure::failed(why));
    }
    let passed = report.is_passed() && !ran.interrupted;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
