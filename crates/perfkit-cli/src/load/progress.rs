//! How a load goes, on standard error.

use crate::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perf_bench::load::LoadSnapshot;
use perf_bench::report::figure;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A bar on a terminal, else a line now and then.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    phase: String,
    said: Instant,
}

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

impl Progress {
    pub(super) fn new() -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:20} {elapsed:>4} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { bar, phase: String::new(), said: Instant::now() }
    }

    pub(super) fn show(&mut self, seen: &LoadSnapshot) {
        if seen.phase.is_empty() {
            return;
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(seen.length.as_millis() as u64);
                bar.set_position(seen.elapsed.as_millis() as u64);
                bar.set_message(line(seen));
            }
            None if seen.phase != self.phase || self.said.elapsed() >= EVERY => {
                output::tell(&line(seen));
                self.said = Instant::now();
            }
            None => {}
        }
        self.phase.clone_from(&seen.phase);
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(seen: &LoadSnapshot) -> String {
    let time =
        |value: Option<Duration>| figure(value.map_or(f64::NAN, |d| d.as_nanos() as f64), "ns");
    format!(
        "{}: {} answers/s, p50 {}, p99 {}, {} failed, {} under way",
        seen.phase,
        figure(seen.rate, ""),
        time(seen.p50),
        time(seen.p99),
        seen.failed,
        seen.in_flight
    )
}
