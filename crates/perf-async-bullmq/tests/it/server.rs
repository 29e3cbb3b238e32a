//! A Redis server for one test: on a port of its own, with a temporary folder, ended by its own
//! process id.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, thread};

/// Set by `cargo xtask test` where a server has been found: then its absence is a failure.
const REQUIRED: &str = "PERFKIT_REQUIRE_REDIS";
const PATIENCE: Duration = Duration::from_secs(60);
/// Another process may take a port between its choice and its use.
const PORTS: usize = 10;

/// A server that runs until it is dropped, and forgets everything when it ends.
pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

/// A port that is free, for now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts a server, or says that there is none to start and answers `None`.
    pub(crate) fn start() -> Option<Server> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(
                env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set and redis-server is missing"
            );
            eprintln!("skipped: Redis is not installed, `cargo xtask setup` installs it");
            return None;
        }
        for _ in 0..PORTS {
            let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
            let child = launch(folder.path(), port);
            let mut server = Server { child, port, folder };
            if server.comes_up() {
                return Some(server);
            }
        }
        panic!("redis-server ended at once on {PORTS} ports");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.child = launch(self.folder.path(), self.port);
        assert!(self.comes_up(), "the port {} is taken", self.port);
    }

    /// Lets it do nothing, with all its connections open, or go on.
    pub(crate) fn pause(&self, is_paused: bool) {
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Connections to it, this one included.
    pub(crate) fn clients(&self) -> u64 {
        let count =
            "return tonumber(redis.call('INFO', 'clients'):match('connected_clients:(%d+)'))";
        let answer = self.ask(&["EVAL", count, "0"]).unwrap();
        answer.trim_start_matches(':').parse().unwrap()
    }

    fn ask(&self, words: &[&str]) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(bytes.as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn comes_up(&mut self) -> bool {
        let start = Instant::now();
        while !self.ask(&["PING"]).is_ok_and(|line| line == "+PONG") {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "redis-server does not come up");
            thread::yield_now();
        }
        true
    }
}

fn launch(folder: &Path, port: u16) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
