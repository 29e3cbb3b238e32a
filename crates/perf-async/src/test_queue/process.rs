//! Runs a command in a process group of its own, to its end or until it must end.

use super::case::TestAttempt;
use super::ended::Ended;
use super::output::Sought;
use super::stop::{Stop, Stopper};
use super::{TestCommand, Verdict};
use rustix::process::{Pid, Signal, kill_process_group};
use std::future::pending;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

/// How long the rest of the output is waited for when the command has ended and its group is gone.
const REST: Duration = Duration::from_secs(1);

pub(super) async fn run(
    command: &TestCommand,
    attempt: &TestAttempt,
    limit: Duration,
    grace: Duration,
    stop: &Stopper,
) -> Ended {
    let (mut child, output) = match start(command) {
        Ok(started) => started,
        Err(error) => {
            let program = command.program_path();
            let why = format!("{} cannot be started: {error}", program.display());
            return Ended::with(Verdict::Failed, why);
        }
    };
    let mut group = Group::of(&child);
    let mut sought: Vec<Sought> = command.contains.iter().map(|word| Sought::new(word)).collect();
    let stdin = child.stdin.take();
    let mut streams = Box::pin(async {
        let feed = async {
            if let (Some(mut pipe), Some(bytes)) = (stdin, &command.stdin) {
                // A command need not read what it is given.
                let _ = pipe.write_all(bytes).await;
            }
        };
        tokio::join!(feed, read(output, attempt, &mut sought));
    });
    let mut has_streams = true;
    let mut cut: Option<Verdict> = None;
    let deadline = Instant::now().checked_add(limit);
    let mut kill_at = None;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = &mut streams, if has_streams => has_streams = false,
            () = until(deadline), if cut.is_none() => {
                cut = Some(Verdict::TimedOut);
                group.signal(Signal::TERM);
                kill_at = Instant::now().checked_add(grace);
            }
            () = stop.reached(Stop::End), if cut.is_none() => {
                cut = Some(Verdict::Cancelled);
                group.signal(Signal::TERM);
                kill_at = Instant::now().checked_add(grace);
            }
            () = stop.reached(Stop::Kill), if cut.is_some() && kill_at.is_some() => {
                group.signal(Signal::KILL);
                kill_at = None;
            }
            () = until(kill_at), if kill_at.is_some() => {
                group.signal(Signal::KILL);
                kill_at = None;
            }
        }
    };
    let left_processes = group.end();
    if has_streams {
        // Whoever has left the group may hold the pipe for ever.
        let _ = timeout(REST, &mut streams).await;
    }
    drop(streams);
    let mut ended = match (cut, status) {
        (Some(Verdict::Cancelled), _) => Ended::with(Verdict::Cancelled, "the run was stopped"),
        (Some(verdict), _) => Ended::with(verdict, format!("not done after {limit:?}")),
        (None, Err(error)) => Ended::with(Verdict::Failed, format!("no exit status: {error}")),
        (None, Ok(status)) => judge(command, status, &sought),
    };
    ended.left_processes = left_processes;
    ended
}

fn start(command: &TestCommand) -> io::Result<(Child, Receiver)> {
    // One pipe for both, so that lines stay in the order in which they were written.
    let (output, written) = io::pipe()?;
    let mut start = Command::new(command.program_path());
    start
        .args(&command.arguments)
        .envs(&command.environment)
        .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(written.try_clone()?)
        .stderr(written)
        .process_group(0)
        .kill_on_drop(true);
    if let Some(dir) = &command.dir {
        start.current_dir(dir);
    }
    let child = start.spawn()?;
    // What is left of `start` holds the pipe's other end.
    drop(start);
    Ok((child, Receiver::from_owned_fd(output.into())?))
}

async fn read(mut output: Receiver, attempt: &TestAttempt, sought: &mut [Sought]) {
    let mut piece = [0; 8 * 1024];
    while let Ok(read @ 1..) = output.read(&mut piece).await {
        attempt.write(&piece[..read]);
        sought.iter_mut().for_each(|word| word.feed(&piece[..read]));
    }
}

fn judge(command: &TestCommand, status: ExitStatus, sought: &[Sought]) -> Ended {
    if status.code() != Some(command.exit_code) {
        let ended = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        let wanted = match command.exit_code {
            0 => String::new(),
            code => format!(", expected {code}"),
        };
        return Ended::with(Verdict::Failed, ended + &wanted);
    }
    match sought.iter().find(|word| !word.is_found()) {
        Some(word) => {
            Ended::with(Verdict::Failed, format!("the output does not contain `{}`", word.word()))
        }
        None => Ended::passed(),
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// The processes of a command. Dropping it kills them.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// A group that is gone already is all the better.
    fn signal(&self, signal: Signal) -> bool {
        self.0.is_some_and(|group| kill_process_group(group, signal).is_ok())
    }

    /// Kills what the command has left behind, if anything, when it has ended itself.
    ///
    /// Its number is free for others as soon as its group is empty, but the system goes once round
    /// all numbers before it gives one out again.
    fn end(&mut self) -> bool {
        let left = self.signal(Signal::KILL);
        self.0 = None;
        left
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
