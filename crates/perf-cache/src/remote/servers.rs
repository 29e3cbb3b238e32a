//! Whom a tier asks.

use super::error::RemoteError;
use super::link::{Limits, Link, Taken, Trouble};
use super::request::Request;
use super::stats::{Counts, RedisStats};
use perf_guard::Backoff;
use redis::{Client, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The servers of a tier. Copies are the same servers.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    link: Arc<Link>,
    limits: Limits,
    counts: Arc<Counts>,
}

impl Servers {
    pub(super) fn one(client: Client, limits: Limits, backoff: Backoff) -> Servers {
        let counts = Arc::<Counts>::default();
        let link = Arc::new(Link::new(client, limits, backoff, Arc::clone(&counts)));
        Servers { link, limits, counts }
    }

    /// Sends commands to the server that has the key `at`, which all of their keys go with, and waits
    /// for their answers, each of which may be an error of the server. Where a connection turns out to
    /// have broken since it was last used, once more on a new one: so all of them must be such that
    /// twice is as good as once, and late as good as never.
    pub(super) fn ask(&self, at: &[u8], request: &Request) -> Result<Vec<Value>, Trouble> {
        let _ = at;
        self.link.ask(request)
    }

    /// The same, only once.
    pub(super) fn ask_once(&self, at: &[u8], request: &Request) -> Result<Vec<Value>, Trouble> {
        let _ = at;
        self.link.ask_once(request)
    }

    /// Several at a time, each as by [`ask`](Servers::ask): what goes to one server goes together, in
    /// one round trip, and all of it is sent before any answer is waited for.
    pub(super) fn ask_all(&self, all: &[(&[u8], &Request)]) -> Result<Vec<Vec<Value>>, Trouble> {
        let mut together = Request::new();
        for (_, request) in all {
            together.append(request);
        }
        let mut answers = self.link.ask(&together)?.into_iter();
        Ok(all.iter().map(|(_, one)| answers.by_ref().take(one.commands()).collect()).collect())
    }

    /// Whether keys may be on different servers.
    #[expect(dead_code, reason = "for tiers over a cluster")]
    pub(super) const fn is_cluster(&self) -> bool {
        false
    }

    /// A connection to the server that has the key `at`, for a thread that waits for it, up to
    /// `timeout` at a time. It is made by the first call.
    #[expect(dead_code, reason = "for a thread that waits for what other processes change")]
    pub(super) fn own_connection(&self, at: &[u8], timeout: Duration) -> OwnConnection {
        let _ = at;
        OwnConnection { servers: self.clone(), timeout, held: None }
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn stats(&self) -> RedisStats {
        self.counts.read(self.link.idle())
    }

    /// No connection is kept or made any more.
    pub(super) fn close(&self) {
        self.link.close();
    }

    fn name(&self) -> String {
        self.link.server().to_owned()
    }

    /// An answer that is an error.
    pub(super) fn refusal(&self, error: &redis::ServerError) -> Trouble {
        self.counts.errors.increment();
        let (server, code) = (self.name(), error.code().to_owned());
        let why = error.details().unwrap_or_default().to_owned();
        Trouble::Failed(match &*code {
            "NOAUTH" | "NOPERM" | "WRONGPASS" => RemoteError::Denied { server, why },
            _ => RemoteError::Refused { server, code, why },
        })
    }

    /// The records are another's by now.
    pub(super) fn deposed(&self) -> Trouble {
        Trouble::Failed(RemoteError::Deposed { server: self.name() })
    }

    /// An answer that makes no sense.
    pub(super) fn unexpected(&self, command: &'static str) -> Trouble {
        self.counts.errors.increment();
        Trouble::Failed(RemoteError::Unexpected { server: self.name(), command })
    }
}

/// A connection that one thread has for itself: it waits longer than calls do. Where there is none,
/// or it broke, the next call makes one, unless that failed just before, for whomever.
pub(super) struct OwnConnection {
    servers: Servers,
    timeout: Duration,
    held: Option<Taken>,
}

impl OwnConnection {
    /// Sends commands and waits for their answers, as [`Servers::ask_once`] does. After
    /// [`Servers::close`] there are none: a call that waits ends when its answer is there.
    #[expect(dead_code, reason = "for a thread that waits for what other processes change")]
    pub(super) fn ask(&mut self, request: &Request) -> Result<Vec<Value>, Trouble> {
        let link = &self.servers.link;
        let mut held = match self.held.take() {
            _ if link.is_closed() => return Err(Trouble::Closed),
            Some(held) => held,
            None => link.connect_for(self.timeout)?,
        };
        let answers = link.exchange(&mut held, request, self.timeout)?;
        if link.is_closed() {
            return Err(Trouble::Closed);
        }
        self.held = Some(held);
        Ok(answers)
    }
}

impl fmt::Debug for OwnConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnConnection")
            .field("timeout", &self.timeout)
            .field("is_open", &self.held.is_some())
            .finish_non_exhaustive()
    }
}
