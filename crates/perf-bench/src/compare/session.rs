//! A running subject program: a request to it, an answer from it, and an end in any case.

use super::program::SubjectProgram;
use super::quoted;
use crate::subject::{Failed, Request};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// The longest line that is read; a list of a thousand benches is shorter.
const LONGEST_LINE: u64 = 1 << 20;

/// How much of standard error is kept, its end.
const KEPT_OF_STDERR: usize = 2048;

/// A program that answers requests. Dropping it ends the program.
#[derive(Debug)]
pub(super) struct Session {
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
    complaints: Receiver<String>,
}

impl Session {
    /// Starts the program with one argument.
    pub(super) fn start(program: &SubjectProgram, action: &str) -> Result<Session, String> {
        let mut child =
            program.command(action).spawn().map_err(|e| format!("cannot be started: {e}"))?;
        let requests = child.stdin.take();
        let stdout = child.stdout.take().expect("it was asked to be piped");
        let stderr = child.stderr.take().expect("it was asked to be piped");
        // The driver asks for one answer at a time; whoever sends more waits in its pipe.
        let (sender, answers) = sync_channel(1);
        std::thread::spawn(move || pass_on(stdout, &sender));
        let (last, complaints) = sync_channel(1);
        std::thread::spawn(move || last.send(last_of(stderr)));
        Ok(Session { child, requests, answers, complaints })
    }

    /// The id of the process.
    pub(super) fn child(&self) -> &Child {
        &self.child
    }

    /// Asks and waits for the answer, at most so long. After an error the session is of no use.
    pub(super) fn ask<T: DeserializeOwned>(
        &mut self,
        request: &Request,
        limit: Duration,
    ) -> Result<T, String> {
        let asked = request.line();
        let sent = match &mut self.requests {
            Some(pipe) => writeln!(pipe, "{asked}").and_then(|()| pipe.flush()),
            None => Ok(()),
        };
        if sent.is_err() {
            return Err(self.ended(&asked));
        }
        let line = self.line(&asked, limit)?;
        if let Ok(answer) = serde_json::from_str(&line) {
            return Ok(answer);
        }
        match serde_json::from_str::<Failed>(&line) {
            Ok(failed) => Err(failed.failure),
            Err(_) => {
                Err(format!("answered {} to `{asked}`: benches must not print", quoted(&line)))
            }
        }
    }

    /// The next line that the program prints, waited for at most so long.
    pub(super) fn line(&mut self, asked: &str, limit: Duration) -> Result<String, String> {
        match self.answers.recv_timeout(limit) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                Err(format!("gave no answer to `{asked}` within {limit:?} and was ended"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.ended(asked)),
        }
    }

    /// What to say of a program that is not there any more.
    fn ended(&mut self, asked: &str) -> String {
        // It may have closed its output only; it must not be waited for.
        let _ = self.child.kill();
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(e) => format!("no status, {e}"),
        };
        // A process that it started may hold the pipe open for ever.
        let said = self.complaints.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        match said.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
            Some(last) => format!("ended at `{asked}` ({status}): {last}"),
            None => format!("ended at `{asked}` ({status})"),
        }
    }

    fn end(&mut self) {
        self.requests = None;
        // An error means that it has ended already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// Passes on lines until the program ends, nobody listens, or a line never ends.
fn pass_on(stdout: ChildStdout, answers: &SyncSender<String>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match stdout.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if answers.send(text).is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads all of it and keeps the end, so that the program never waits for a full pipe.
fn last_of(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..read]);
        if kept.len() > 2 * KEPT_OF_STDERR {
            kept.drain(..kept.len() - KEPT_OF_STDERR);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
