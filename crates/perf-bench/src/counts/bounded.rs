//! Running a program with bounds: on its time and on what is kept of its words.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a program said and how it ended.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs the program to its end, or kills it once the limit is over.
///
/// Of what it prints the first mebibyte is kept; the rest is read and dropped, so that a talkative
/// program does not stall.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
    let stdout = child.stdout.take().map(|pipe| thread::spawn(move || keep(pipe)));
    let stderr = child.stderr.take().map(|pipe| thread::spawn(move || keep(pipe)));
    let status = wait(&mut child, limit)?;
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    Ok(Output { status, stdout: text(stdout), stderr: text(stderr) })
}

/// Longest text that is kept of one stream.
const KEPT: u64 = 1 << 20;

fn keep(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    // A broken pipe ends the text; what came before it still tells something.
    let _ = pipe.by_ref().take(KEPT).read_to_end(&mut kept);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus, String> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if start.elapsed() >= limit => {
                // It may have ended just now; either way it is gone after `wait`.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {limit:?}, it was killed"));
            }
            Ok(None) => thread::sleep(pause),
            Err(error) => return Err(format!("cannot wait for it: {error}")),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_and_the_code_come_back() {
        let output = run(&mut shell("echo out; echo err >&2; exit 7"), Duration::MAX).unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(output.status.code(), Some(7));
    }

    #[test]
    fn a_program_that_never_ends_is_killed() {
        let error = run(&mut shell("exec sleep 1000"), Duration::from_millis(50)).unwrap_err();
        assert!(error.starts_with("did not end within 50ms"), "{error}");
    }

    #[test]
    fn a_talkative_program_is_cut_not_stalled() {
        let output = run(&mut shell("head -c 3000000 /dev/zero"), Duration::MAX).unwrap();
        assert_eq!((output.stdout.len() as u64, output.status.success()), (KEPT, true));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("no-such-program"), Duration::MAX).unwrap_err();
        assert!(error.starts_with("cannot start no-such-program"), "{error}");
    }
}
