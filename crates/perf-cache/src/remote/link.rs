//! Connections to one server: as many as threads wait at the same time, each used by one of them.

use super::error::RemoteError;
use super::request::Request;
use super::stats::Counts;
use perf_core::{Clock, Instant};
use perf_guard::Backoff;
use redis::{Client, Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Of all the servers of a tier.
    counts: Arc<Counts>,
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
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    TimedOut,
    Closed,
    /// A connection broke that another call had used before: another one may do.
    Broken(RemoteError),
    Failed(RemoteError),
}

impl Trouble {
    /// Of an answer that is an error; counted.
    pub(super) fn of_answer(
        server: String,
        error: &redis::ServerError,
        counts: &Counts,
    ) -> Trouble {
        counts.errors.increment();
        let code = error.code().to_owned();
        let why = error.details().unwrap_or_default().to_owned();
        Trouble::Failed(match &*code {
            "NOAUTH" | "NOPERM" | "WRONGPASS" => RemoteError::Denied { server, why },
            _ => RemoteError::Refused { server, code, why },
        })
    }
}

/// A connection that one call has.
pub(super) struct Taken {
    connection: Connection,
    generation: u64,
    /// Whether another call had it before: then it may have broken since.
    is_used: bool,
}

/// Commands that were sent and whose answers are still to come.
pub(super) struct Sent {
    taken: Taken,
    commands: usize,
    began: Instant,
}

impl Link {
    pub(super) fn new(
        client: Client,
        limits: Limits,
        backoff: Backoff,
        counts: Arc<Counts>,
    ) -> Link {
        Link {
            server: client.get_connection_info().addr().to_string(),
            client,
            limits,
            backoff,
            clock: Clock::system(),
            state: Mutex::default(),
            counts,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Connections that wait for a call.
    pub(super) fn idle(&self) -> usize {
        self.state().idle.len()
    }

    /// Sends commands and waits for all their answers, each of which may be an error of the server.
    /// Where a connection turns out to have broken since it was last used, once more on a new one:
    /// so all of them must be such that twice is as good as once, and late as good as never.
    pub(super) fn ask(&self, request: &Request) -> Result<Vec<Value>, Trouble> {
        match self.ask_once(request) {
            Err(Trouble::Broken(_)) => self.ask_anew(request),
            other => other,
        }
    }

    /// The same, only once.
    pub(super) fn ask_once(&self, request: &Request) -> Result<Vec<Value>, Trouble> {
        self.receive(self.send(request, None)?)
    }

    /// The same, on a new connection.
    pub(super) fn ask_anew(&self, request: &Request) -> Result<Vec<Value>, Trouble> {
        self.receive(self.send_by(self.connect()?, request, None)?)
    }

    /// Sends commands, as part of a call that has gone on since then. Making a connection has a bound
    /// of its own: after it, the time of the call begins anew.
    pub(super) fn send(&self, request: &Request, since: Option<Instant>) -> Result<Sent, Trouble> {
        self.send_by(self.take()?, request, since)
    }

    fn send_by(
        &self,
        mut taken: Taken,
        request: &Request,
        since: Option<Instant>,
    ) -> Result<Sent, Trouble> {
        let began = since.filter(|_| taken.is_used).unwrap_or_else(|| self.clock.now());
        match taken.connection.send_packed_command(request.bytes()) {
            Ok(()) => Ok(Sent { taken, commands: request.commands(), began }),
            Err(error) => Err(self.broke(&error, taken.is_used)),
        }
    }

    /// Waits for the answers to what was sent to this server.
    pub(super) fn receive(&self, mut sent: Sent) -> Result<Vec<Value>, Trouble> {
        let deadline = self.limits.deadline;
        match self.answers(&mut sent.taken.connection, sent.commands, sent.began, deadline) {
            Ok(answers) => {
                self.give_back(sent.taken, &answers);
                Ok(answers)
            }
            Err(error) => Err(self.broke(&error, sent.taken.is_used)),
        }
    }

    /// Sends commands on a connection that the caller keeps, and waits for their answers.
    pub(super) fn exchange(
        &self,
        taken: &mut Taken,
        request: &Request,
        timeout: Duration,
    ) -> Result<Vec<Value>, Trouble> {
        let (connection, began) = (&mut taken.connection, self.clock.now());
        let answers = connection
            .send_packed_command(request.bytes())
            .and_then(|()| self.answers(connection, request.commands(), began, timeout));
        let is_used = std::mem::replace(&mut taken.is_used, true);
        answers.map_err(|error| self.broke(&error, is_used))
    }

    fn broke(&self, error: &RedisError, is_used: bool) -> Trouble {
        if error.is_timeout() {
            self.counts.timed_out.increment();
            return Trouble::TimedOut;
        }
        self.counts.broken.increment();
        // The others are as old, or older.
        self.drop_idle();
        let kind = if is_used { Trouble::Broken } else { Trouble::Failed };
        kind(self.failure(error))
    }

    fn answers(
        &self,
        connection: &mut Connection,
        commands: usize,
        began: Instant,
        deadline: Duration,
    ) -> RedisResult<Vec<Value>> {
        let mut answers = Vec::with_capacity(commands);
        let mut is_shorter = false;
        for _ in 0..commands {
            let passed = self.clock.now() - began;
            // Each answer may come just in time, and all of them too late. Most come together: then
            // the system need not be told.
            if passed > deadline / 8 {
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
        self.connect_for(self.limits.deadline)
    }

    /// A new connection on which answers may take that long.
    pub(super) fn connect_for(&self, timeout: Duration) -> Result<Taken, Trouble> {
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
                connection.set_read_timeout(Some(timeout))?;
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

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
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
}

/// Whether an error of the system wraps one of TLS: certificates, or an alert of the other side.
fn is_of_tls(why: &str) -> bool {
    why.to_ascii_lowercase().contains("certificate") || why.contains("fatal alert")
}
