//! A Redis server for one test: on a port of its own, with a temporary folder, ended by its own
//! process id.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Set by `cargo xtask test` where a server has been found: then its absence is a failure.
const REQUIRED: &str = "PERFKIT_REQUIRE_REDIS";
const PATIENCE: Duration = Duration::from_secs(60);
/// Another process may take a port between its choice and its use.
const PORTS: usize = 10;

/// A server that runs until it is dropped, and forgets everything when it ends.
pub(super) struct Server {
    child: Child,
    pub(super) port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

/// A port that is free, for now.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts a server, or says that there is none to start and answers `None`.
    pub(super) fn start() -> Option<Server> {
        Server::start_with(|_| Vec::new())
    }

    /// The same with arguments that are made anew for each attempt, in its folder.
    pub(super) fn start_with(arguments: impl Fn(&Path) -> Vec<String>) -> Option<Server> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set and redis-server is missing"
            );
            eprintln!("skipped: Redis is not installed, `cargo xtask setup` installs it");
            return None;
        }
        for _ in 0..PORTS {
            let folder = tempfile::tempdir().unwrap();
            let (port, arguments) = (free_port(), arguments(folder.path()));
            let child = launch(folder.path(), port, &arguments);
            let mut server = Server { child, port, folder, arguments };
            if server.comes_up() {
                return Some(server);
            }
        }
        panic!("redis-server ended at once on {PORTS} ports");
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it was started with by that name.
    pub(super) fn argument(&self, name: &str) -> &str {
        let at = self.arguments.iter().position(|argument| argument == name).unwrap();
        &self.arguments[at + 1]
    }

    /// Sends a command on a connection of its own; the first line of the answer.
    pub(super) fn ask(&self, words: &[&str]) -> String {
        self.try_ask(words).unwrap()
    }

    /// How often it has run a command.
    pub(super) fn calls(&self, command: &str) -> u64 {
        let start = format!("cmdstat_{command}:calls=");
        let text = self.text(&["INFO", "commandstats"]);
        let calls = text.lines().find_map(|line| line.strip_prefix(&start)?.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    }

    /// The same as [`ask`](Server::ask) for commands that answer a text.
    pub(super) fn text(&self, words: &[&str]) -> String {
        let mut answer = self.send(words).unwrap();
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        let len = line.trim_start_matches('$').trim_end().parse().unwrap();
        let mut text = vec![0; len];
        answer.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn try_ask(&self, words: &[&str]) -> std::io::Result<String> {
        let mut line = String::new();
        self.send(words)?.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn send(&self, words: &[&str]) -> std::io::Result<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(bytes.as_bytes())?;
        Ok(BufReader::new(stream))
    }

    /// The same for commands that answer an integer.
    pub(super) fn number(&self, words: &[&str]) -> i64 {
        self.ask(words).trim_start_matches(':').parse().unwrap()
    }

    /// Connections to it, this one included.
    pub(super) fn clients(&self) -> i64 {
        let count =
            "return tonumber(redis.call('INFO', 'clients'):match('connected_clients:(%d+)'))";
        self.number(&["EVAL", count, "0"])
    }

    /// How many keys it has that match.
    pub(super) fn keys(&self, pattern: &str) -> i64 {
        self.number(&["EVAL", "return #redis.call('KEYS', ARGV[1])", "0", pattern])
    }

    fn comes_up(&mut self) -> bool {
        let start = Instant::now();
        while self.try_ask(&["PING"]).is_ok_and(|line| line.is_empty() || line.contains("LOADING"))
            || self.try_ask(&["PING"]).is_err()
        {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "redis-server does not come up");
            thread::yield_now();
        }
        true
    }

    /// Ends it without a word.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, with nothing in it.
    pub(super) fn restart(&mut self) {
        self.child = launch(self.folder.path(), self.port, &self.arguments);
        assert!(self.comes_up(), "the port {} is taken", self.port);
    }

    /// Lets it do nothing, with all its connections open, or go on.
    pub(super) fn pause(&self, is_paused: bool) {
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

fn launch(folder: &Path, port: u16, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--dir"])
        .arg(folder)
        .args(arguments)
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
