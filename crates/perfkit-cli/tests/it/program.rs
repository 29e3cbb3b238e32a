//! Runs the program and reads what it says.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing takes this long; a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program with these arguments, in an environment of its own.
pub(crate) fn perfkit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfkit"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("PERFKIT_") || name.starts_with("CACHE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    perfkit(arguments).output().unwrap()
}

/// Standard error of a run that must have ended with this code.
pub(crate) fn refusal(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
    text
}

/// A `perfkit serve` that is up.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) start_line: serde_json::Value,
}

impl Serving {
    /// Serves an origin on free ports.
    pub(crate) fn start(origin: &str, more: &[&str]) -> Serving {
        let mut arguments = vec!["serve", "--origin", origin, "--json"];
        arguments.extend(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        arguments.extend(more);
        let mut child =
            perfkit(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(start_line) = serde_json::from_str::<serde_json::Value>(&line) else {
            let mut error = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut error).unwrap();
            panic!("no start-up line: {error}");
        };
        let listen = start_line["listen"].as_str().unwrap();
        let address = listen.strip_prefix("http://").unwrap().parse().unwrap();
        Serving { child, address, start_line }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }

    /// Waits for its end and answers its status and standard error.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            std::thread::yield_now();
        };
        let mut text = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
        (status, text)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with these files.
pub(crate) fn site(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    folder
}

/// A page of some size that compresses.
pub(crate) fn page(words: usize) -> Vec<u8> {
    let mut page = b"<html><body>".to_vec();
    for n in 0..words {
        page.extend_from_slice(format!("word {} of many, ", n * 7919 % 1000).as_bytes());
    }
    page
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
