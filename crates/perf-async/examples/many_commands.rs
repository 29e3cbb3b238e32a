//! What a `TestQueue` costs beside the commands that it runs: 128 at once, each busy for a while, with
//! the queue and with bare tokio processes.
//!
//! `cargo run --release -p perf-async --features test-queue --example many_commands`
//!
//! Linux only: it reads the processor time of its own threads from `/proc`.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_async::test_queue::{TestCase, TestCommand, TestQueue};
use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const COMMANDS: usize = 128;
/// Busy for some hundredths of a second.
const SCRIPT: &str = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; echo $i";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{COMMANDS} commands at once   wall      all processors   of it this process");
    for _ in 0..3 {
        let before = Used::now()?;
        let mut running = JoinSet::new();
        for _ in 0..COMMANDS {
            let mut command = tokio::process::Command::new("sh");
            command.args(["-c", SCRIPT]).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
            running.spawn(async move { command.output().await });
        }
        while let Some(output) = running.join_next().await {
            assert!(output??.status.success());
        }
        before.tell("bare tokio")?;

        let queue = TestQueue::builder().jobs(COMMANDS).max_concurrent(COMMANDS).build()?;
        let command = TestCommand::new("sh").args(["-c", SCRIPT]).output_contains("60000");
        let case = |n: usize| TestCase::command(format!("case {n}"), command.clone());
        let before = Used::now()?;
        let report = queue.start((0..COMMANDS).map(case), ()).finish().await;
        assert!(report.is_passed());
        before.tell("test queue")?;
    }
    Ok(())
}

/// Processor time used up to a moment.
struct Used {
    at: Instant,
    own: Duration,
    children: Duration,
}

impl Used {
    fn now() -> Result<Used, Box<dyn Error>> {
        let mut own = Duration::ZERO;
        for thread in std::fs::read_dir("/proc/self/task")? {
            let times = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            own += Duration::from_nanos(times.split(' ').next().unwrap_or_default().parse()?);
        }
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // After the name in brackets; the children's user and system time, in hundredths.
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
        Ok(Used { at: Instant::now(), own, children: Duration::from_millis(ticks * 10) })
    }

    fn tell(&self, what: &str) -> Result<(), Box<dyn Error>> {
        let now = Used::now()?;
        let own = now.own - self.own;
        let all = own + (now.children - self.children);
        println!(
            "{what:<22} {:>6.2} s {:>15.2} s {:>11.1} ms  {:.3} %",
            self.at.elapsed().as_secs_f64(),
            all.as_secs_f64(),
            own.as_secs_f64() * 1e3,
            own.as_secs_f64() / all.as_secs_f64() * 100.0,
        );
        Ok(())
    }
}
