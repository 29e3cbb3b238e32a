//! Connections to one server: as many as threads wait at the same time, each used by one of them.

use super::error::RemoteError;
use super::request::Request;
use super::stats::{Counts, RedisStats};
use perf_core::{Clock, Instant};
use perf_guard::Backoff;
use redis::{Client, Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One server.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    /// For errors: no password is in it.
    server: String,
    limits: Limits,
    backoff: Backoff,
    /// The system's, whatever the cache goes by: sockets know no other.
    clock: Clock,
    state: Mutex<State>,
    pub(super) counts: Counts,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) deadline: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) max_idle: usize,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Attempts to connect that have failed in a row.
    failures: u32,
    /// No attempt before that.
    not_before: Option<Instant>,
    /// Connections that were made before this was raised are not kept.
    generation: u64,
    is_closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("idle", &self.idle.len())
            .field("failures", &self.failures)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

/// Why there are no answers.
#[derive(Debug)]
pub(super) enum Trouble {
    TimedOut,
    Closed,
    /// A connection broke that another call had used before: another one may do.
    Broken(RemoteError),
    Failed(RemoteError),
}

/// A connection that one call has.
struct Taken {
    connection: Connection,
    generation: u64,
    /// Whether another call had it before: then it may have broken since.
    is_used: bool,
}

impl Link {
    pub(super) fn new(client: Client, limits: Limits, backoff: Backoff) -> Link {
        Link {
            server: client.get_connection_info().addr().to_string(),
            client,
            limits,
            backoff,
            clock: Clock::system(),
            state: Mutex::default(),
            counts: Counts::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self) -> RedisStats {
        let idle = self.state().idle.len();
        self.counts.read(idle)
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Sends commands and waits for all their answers, each of which may be an error of the server.
    /// Where a connection turns out to have broken since it was last used, once more on a new one:
    /// so all of them must be such that twice is as good as once, and late as good as never.
    pub(super) fn ask(&self, request: &Request) -> Result<Vec<Value>, Trouble> {
        match self.ask_once(request) {
            Err(Trouble::Broken(_)) => self.ask_by(self.connect()?, request),
            other => other,
        }
    }

    /// The same, only once.
    pub(super) fn ask_once(&self, request: &Request) -> Result<Vec<Value>, Trouble> {
        self.ask_by(self.take()?, request)
    }

    fn ask_by(&self, mut taken: Taken, request: &Request) -> Result<Vec<Value>, Trouble> {
        match self.exchange(&mut taken.connection, request) {
            Ok(answers) => {
                self.give_back(taken, &answers);
                Ok(answers)
            }
            Err(error) if error.is_timeout() => {
                self.counts.timed_out.increment();
                Err(Trouble::TimedOut)
            }
            Err(error) => {
                self.counts.broken.increment();
                // The others are as old, or older.
                self.drop_idle();
                let failure = self.failure(&error);
                let kind = if taken.is_used { Trouble::Broken } else { Trouble::Failed };
                Err(kind(failure))
            }
        }
    }

    fn exchange(&self, connection: &mut Connection, request: &Request) -> RedisResult<Vec<Value>> {
        let deadline = self.limits.deadline;
        let began = self.clock.now();
        connection.send_packed_command(request.bytes())?;
        let mut answers = Vec::with_capacity(request.commands());
        let mut is_shorter = false;
        for nth in 0..request.commands() {
            let passed = self.clock.now() - began;
            // Each answer may come just in time, and all of them too late. Most come together: then
            // the system need not be told.
            if nth > 0 && passed > deadline / 8 {
                let left = deadline.saturating_sub(passed).max(Duration::from_millis(1));
                connection.set_read_timeout(Some(left))?;
                is_shorter = true;
            }
            answers.push(connection.recv_response()?);
        }
        if is_shorter {
            connection.set_read_timeout(Some(deadline))?;
        }
        Ok(answers)
    }

    fn take(&self) -> Result<Taken, Trouble> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Trouble::Closed);
        }
        if let Some(connection) = state.idle.pop() {
            return Ok(Taken { connection, generation: state.generation, is_used: true });
        }
        drop(state);
        self.connect()
    }

    fn connect(&self) -> Result<Taken, Trouble> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Trouble::Closed);
        }
        if let Some(not_before) = state.not_before {
            let now = self.clock.now();
            if now < not_before {
                drop(state);
                self.counts.not_tried.increment();
                let (server, retry_in) = (self.server.clone(), not_before - now);
                return Err(Trouble::Failed(RemoteError::Waiting { server, retry_in }));
            }
            // Those who come meanwhile do not try as well.
            state.not_before = Some(now + self.limits.connect_timeout);
        }
        let generation = state.generation;
        drop(state);
        let made = self.client.get_connection_with_timeout(self.limits.connect_timeout).and_then(
            |connection| {
                connection.set_read_timeout(Some(self.limits.deadline))?;
                connection.set_write_timeout(Some(self.limits.deadline))?;
                Ok(connection)
            },
        );
        let mut state = self.state();
        match made {
            Ok(connection) => {
                state.failures = 0;
                state.not_before = None;
                drop(state);
                self.counts.connects.increment();
                Ok(Taken { connection, generation, is_used: false })
            }
            Err(error) => {
                let wait = self.wait_after(state.failures);
                state.failures = state.failures.saturating_add(1);
                state.not_before = Some(self.clock.now() + wait);
                drop(state);
                self.counts.failed_connects.increment();
                if error.is_timeout() {
                    self.counts.timed_out.increment();
                    return Err(Trouble::TimedOut);
                }
                Err(Trouble::Failed(self.failure(&error)))
            }
        }
    }

    /// At least half of the longest, so that a server that is away is not asked all the time.
    fn wait_after(&self, failures: u32) -> Duration {
        let random = RandomState::new().hash_one(failures);
        let jittered = self.backoff.delay(failures, random).unwrap_or_default();
        self.backoff.ceiling(failures) / 2 + jittered / 2
    }

    fn give_back(&self, taken: Taken, answers: &[Value]) {
        // Whoever may not write here, or is not known any more, may be better off elsewhere: the
        // address may lead to another server by now.
        let is_moved = answers.iter().any(|answer| {
            matches!(answer, Value::ServerError(error)
                if error.kind() == Some(ServerErrorKind::ReadOnly) || error.code() == "NOAUTH")
        });
        let mut state = self.state();
        let is_kept = !is_moved
            && !state.is_closed
            && taken.generation == state.generation
            && state.idle.len() < self.limits.max_idle;
        if is_kept {
            state.idle.push(taken.connection);
        }
    }

    fn drop_idle(&self) {
        let mut state = self.state();
        state.generation += 1;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    /// No connection is kept or made any more.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.drop_idle();
    }

    fn failure(&self, error: &RedisError) -> RemoteError {
        let (server, why) = (self.server.clone(), error.to_string());
        match error.kind() {
            ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => {
                RemoteError::Denied { server, why }
            }
            // It wants a password and was given none.
            _ if error.code() == Some("NOAUTH") => RemoteError::Denied { server, why },
            ErrorKind::Io if is_of_tls(&why) => RemoteError::Denied { server, why },
            _ => RemoteError::Disconnected { server, why },
        }
    }

    /// An answer that is an error.
    pub(super) fn refusal(&self, error: &redis::ServerError) -> Trouble {
        self.counts.errors.increment();
        let (server, code) = (self.server.clone(), error.code().to_owned());
        let why = error.details().unwrap_or_default().to_owned();
        Trouble::Failed(match &*code {
            "NOAUTH" | "NOPERM" | "WRONGPASS" => RemoteError::Denied { server, why },
            _ => RemoteError::Refused { server, code, why },
        })
    }

    /// The records are another's by now.
    pub(super) fn deposed(&self) -> Trouble {
        Trouble::Failed(RemoteError::Deposed { server: self.server.clone() })
    }

    /// An answer that makes no sense.
    pub(super) fn unexpected(&self, command: &'static str) -> Trouble {
        self.counts.errors.increment();
        Trouble::Failed(RemoteError::Unexpected { server: self.server.clone(), command })
    }
}

/// Whether an error of the system wraps one of TLS: certificates, or an alert of the other side.
fn is_of_tls(why: &str) -> bool {
    why.to_ascii_lowercase().contains("certificate") || why.contains("fatal alert")
}
