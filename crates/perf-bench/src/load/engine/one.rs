//! Connections over HTTP/1.1: one request under way on each.

use super::{Answered, Run, fault_of, timed_out};
use crate::load::plan::Choice;
use crate::load::record::{Done, Failure, Fault};
use crate::load::wire::{Connection, WireError};

/// Connections that wait for a request, the last used on top.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Vec<Lease>,
    /// Those that are open or being opened.
    taken: usize,
    cap: usize,
    opened: u64,
}

/// A connection, or the right to open one.
#[derive(Debug, Default)]
pub(super) struct Lease {
    connection: Option<Connection>,
    /// Where the request is put together.
    text: Vec<u8>,
}

impl Pool {
    pub(super) fn new(cap: usize) -> Pool {
        Pool { idle: Vec::new(), taken: 0, cap, opened: 0 }
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn take(&mut self) -> Option<Lease> {
        if let Some(mut lease) = self.idle.pop() {
            if lease.connection.as_ref().is_some_and(Connection::is_stale) {
                lease.connection = None;
            }
            return Some(lease);
        }
        (self.taken < self.cap).then(|| {
            self.taken += 1;
            Lease::default()
        })
    }
}

/// Sends one request and gives the lease back.
pub(super) async fn exchange(run: &Run, mut lease: Lease, choice: Choice) -> Answered {
    lease.text.clear();
    let prepared = &run.plan.requests[choice.request];
    prepared.write(choice.path, &mut lease.text);
    let twice = prepared.method.is_idempotent();
    let outcome = match tokio::time::timeout(run.timeout, ask(run, &mut lease, twice)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(timed_out(run.timeout)),
    };
    if !matches!(outcome, Ok((_, true))) {
        lease.connection = None;
    }
    if let super::Pool::One(pool) = &mut *run.pool.borrow_mut() {
        if lease.connection.is_some() {
            pool.idle.push(lease);
        } else {
            pool.taken -= 1;
        }
    }
    outcome.map(|(done, _)| done)
}

async fn ask(run: &Run, lease: &mut Lease, twice: bool) -> Result<(Done, bool), Fault> {
    loop {
        let used = lease.connection.is_some();
        let connection = match &mut lease.connection {
            Some(connection) => connection,
            None => {
                if let super::Pool::One(pool) = &mut *run.pool.borrow_mut() {
                    pool.opened += 1;
                }
                let opened = Connection::open(run.address).await;
                lease.connection.insert(opened.map_err(|e| fault_of(&e))?.counting(run.body_limit))
            }
        };
        let error = match connection.exchange(&lease.text).await {
            Ok((answer, _)) => {
                let done = Done {
                    status: answer.status(),
                    body_bytes: answer.body_bytes(),
                    wire_bytes: answer.wire_bytes(),
                };
                return Ok((done, answer.keeps_alive()));
            }
            Err(error) => error,
        };
        // The server may have hung up on a connection that was idle: RFC 9112, 9.3.1, asks again on
        // a new one what may be asked twice. Once any of the answer has come, it broke off.
        let broke = matches!(error, WireError::Closed { begun: false } | WireError::Io(_));
        if !(broke && used && twice && !connection.has_answered()) {
            return Err(fault(&error));
        }
        lease.connection = None;
        run.retried.set(run.retried.get() + 1);
    }
}

fn fault(error: &WireError) -> Fault {
    match error {
        WireError::Io(error) => fault_of(error),
        WireError::Closed { .. } => Fault { kind: Failure::Reset, message: error.to_string() },
        WireError::TooLong { .. } => Fault { kind: Failure::TooLong, message: error.to_string() },
        WireError::Malformed(_) => Fault { kind: Failure::Protocol, message: error.to_string() },
    }
}
