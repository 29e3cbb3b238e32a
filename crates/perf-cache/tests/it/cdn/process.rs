//! A server program for one test, in a temporary folder, ended by its own process id.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

/// Set by `cargo xtask test` where the programs have been found: then their absence is a failure.
const REQUIRED: &str = "PERFKIT_REQUIRE_EDGE";
/// Another process may take a port between its choice and its use.
const PORTS: usize = 10;

/// A program that runs until it is dropped.
pub(super) struct Process {
    child: Child,
    pub(super) port: u16,
    pub(super) folder: tempfile::TempDir,
}

impl Process {
    /// Starts a program that stays in the foreground and listens on the port that it is given; or
    /// says that it is missing and answers `None`. What is missing on the PATH is looked for in
    /// `/usr/sbin`.
    pub(super) fn start(
        program: &str,
        command: impl Fn(&mut Command, &Path, u16),
    ) -> Option<Process> {
        let Some(path) = find(program) else {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set, {program} is missing"
            );
            eprintln!("skipped: {program} is not installed, `cargo xtask setup` installs it");
            return None;
        };
        for _ in 0..PORTS {
            let folder = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut start = Command::new(&path);
            command(&mut start, folder.path(), port);
            let log = std::fs::File::create(folder.path().join("said")).unwrap();
            start.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let mut process = Process { child: start.spawn().unwrap(), port, folder };
            if process.comes_up() {
                return Some(process);
            }
            let said = std::fs::read_to_string(process.folder.path().join("said")).unwrap();
            assert!(said.contains("in use"), "{program} ended: {said}");
        }
        panic!("{program} ended at once on {PORTS} ports");
    }

    fn comes_up(&mut self) -> bool {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < super::PATIENCE, "the server does not come up");
            thread::yield_now();
        }
        true
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Lets it do nothing, with all its connections open, or go on.
    pub(super) fn pause(&self, is_paused: bool) {
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Ends it without a word.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
