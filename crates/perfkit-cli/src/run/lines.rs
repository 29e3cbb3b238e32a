//! How a run goes, on standard error: a line for each case that has ended, and a bar on a terminal.

use crate::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perf_async::test_queue::{TestEvent, TestProgress, TestResult, Verdict};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Tells what happens. On a terminal a bar shows how far it is, and only what is not well has a line.
pub(super) struct Lines {
    bar: Option<ProgressBar>,
    said: Instant,
}

/// How often a line says how far it is where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);
/// Lines of a failed case's output that are shown.
const SHOWN: usize = 30;

impl Lines {
    pub(super) fn new(cases: usize, jobs: usize) -> Lines {
        let bar = std::io::stderr().is_terminal().then(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(cases as u64), target);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed:>4} {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        let lines = Lines { bar, said: Instant::now() };
        let many = output::many(cases as u64, "case", "cases");
        lines.say(&format!("{many}, {} at once", jobs.min(cases)));
        lines
    }

    /// A line, above the bar if there is one.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::tell(line)),
            None => output::tell(line),
        }
    }

    pub(super) fn tell(&self, event: &TestEvent) {
        match event {
            TestEvent::Slow { name, after } => {
                self.say(&line("SLOW", *after, name, "still runs"));
            }
            TestEvent::Retrying { name, attempt, reason } => {
                let why = format!("attempt {attempt}: {reason}");
                self.say(&line("RETRY", Duration::ZERO, name, &why));
            }
            TestEvent::Finished(result) => self.finished(result),
            _ => {}
        }
    }

    fn finished(&self, result: &TestResult) {
        let well = result.is_passed() && !result.is_flaky() && !result.left_processes;
        if well && self.bar.is_some() {
            return;
        }
        self.say(&line(word(result), result.duration, &result.name, &remark(result)));
        if matches!(result.verdict, Verdict::Failed | Verdict::TimedOut) {
            match &self.bar {
                Some(bar) => bar.suspend(|| show_output(result)),
                None => show_output(result),
            }
        }
    }

    pub(super) fn show(&mut self, progress: &TestProgress) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(progress.ended() as u64);
                bar.set_message(state(progress));
            }
            None if self.said.elapsed() >= EVERY => {
                let (ended, total) = (progress.ended(), progress.total);
                output::tell(&format!("{ended} of {total} done; {}", state(progress)));
                self.said = Instant::now();
            }
            None => {}
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn state(progress: &TestProgress) -> String {
    let mut state = format!("{} failed, {} running", progress.failed, progress.running);
    if progress.flaky > 0 {
        state = format!("{} flaky, {state}", progress.flaky);
    }
    if let Some((name, time)) = &progress.longest
        && time.as_secs() > 0
    {
        state = format!("{state}, {name} for {} s", time.as_secs());
    }
    state
}

fn line(word: &str, time: Duration, name: &str, remark: &str) -> String {
    let time = match time {
        Duration::ZERO => String::new(),
        time => format!("{:.3} s", time.as_secs_f64()),
    };
    let gap = if remark.is_empty() { "" } else { ": " };
    format!("{word:<9} {time:>11}  {name}{gap}{remark}")
}

fn word(result: &TestResult) -> &'static str {
    match result.verdict {
        Verdict::Passed if result.is_flaky() => "FLAKY",
        Verdict::Passed => "PASS",
        Verdict::Unchanged => "UNCHANGED",
        Verdict::TimedOut => "TIME-OUT",
        Verdict::Cancelled => "CANCELLED",
        _ => "FAIL",
    }
}

fn remark(result: &TestResult) -> String {
    let mut parts = Vec::new();
    if result.is_flaky() {
        parts.push(format!("passed at attempt {}", result.attempts));
    }
    if !result.is_passed() {
        parts.extend(result.reason.clone());
    }
    if result.left_processes {
        parts.push("left processes behind, which were killed".to_owned());
    }
    parts.join("; ")
}

/// The end of what a case has written, set in.
pub(super) fn show_output(result: &TestResult) {
    let lines: Vec<&str> = result.output.lines().collect();
    let from = lines.len().saturating_sub(SHOWN);
    if from > 0 || result.output_cut > 0 {
        output::tell("    …");
    }
    for line in &lines[from..] {
        output::tell(&format!("    {line}"));
    }
}
