//! Whom a tier asks: one server, or those of a cluster.

use super::cluster::{Answers, Cluster};
use super::error::RemoteError;
use super::link::{Limits, Link, Trouble};
use super::own::OwnConnection;
use super::request::Request;
use super::slots::Address;
use super::stats::{Counts, RedisStats};
use perf_core::ConfigError;
use perf_guard::Backoff;
use redis::{Client, ConnectionAddr, ConnectionInfo, Value};
use std::sync::Arc;
use std::time::Duration;

/// The servers of a tier. Copies are the same servers.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    kind: Kind,
    limits: Limits,
    counts: Arc<Counts>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    One(Arc<Link>),
    Cluster(Arc<Cluster>),
}

impl Servers {
    pub(super) fn one(client: Client, limits: Limits, backoff: Backoff) -> Servers {
        let counts = Arc::<Counts>::default();
        let link = Arc::new(Link::new(client, limits, backoff, Arc::clone(&counts)));
        Servers { kind: Kind::One(link), limits, counts }
    }

    /// A cluster with those among its nodes, each of which is reached like the first.
    pub(super) fn cluster(
        clients: &[Client],
        limits: Limits,
        backoff: Backoff,
    ) -> Result<Servers, ConfigError> {
        let Some(info) = clients.first().map(Client::get_connection_info) else {
            return Err(ConfigError::new("url", "none", "name at least one node of the cluster"));
        };
        if info.redis_settings().db() != 0 {
            let remedy = "leave it out: a cluster has only the database 0";
            return Err(ConfigError::new("url", info.redis_settings().db(), remedy));
        }
        let seeds: Vec<Address> = clients
            .iter()
            .map(|client| seed(client.get_connection_info(), info))
            .collect::<Result<_, _>>()?;
        let counts = Arc::<Counts>::default();
        let cluster = Cluster::new(info.clone(), &seeds, limits, backoff, Arc::clone(&counts))
            .map_err(|error| ConfigError::new("url", error, "mend it"))?;
        Ok(Servers { kind: Kind::Cluster(Arc::new(cluster)), limits, counts })
    }

    /// Sends commands to the server that has the key `at`, which all of their keys go with, and waits
    /// for their answers, each of which may be an error of the server. Where a connection turns out to
    /// have broken since it was last used, once more on a new one: so all of them must be such that
    /// twice is as good as once, and late as good as never.
    pub(super) fn ask(&self, at: &[u8], request: &Request) -> Result<Vec<Value>, Trouble> {
        match &self.kind {
            Kind::One(link) => link.ask(request),
            Kind::Cluster(cluster) => only(cluster.ask_each(&[(at, request)])),
        }
    }

    /// Several at a time, each as by [`ask`](Servers::ask): what goes to one server goes together, in
    /// one round trip, and all of it is sent before any answer is waited for.
    pub(super) fn ask_all(&self, all: &[(&[u8], &Request)]) -> Result<Vec<Vec<Value>>, Trouble> {
        let link = match &self.kind {
            Kind::One(link) => link,
            Kind::Cluster(cluster) => {
                return cluster.ask_each(all).into_iter().collect();
            }
        };
        let mut together = Request::new();
        for (_, request) in all {
            together.append(request);
        }
        let mut answers = link.ask(&together)?.into_iter();
        Ok(all.iter().map(|(_, one)| answers.by_ref().take(one.commands()).collect()).collect())
    }

    /// The same where one may fail without the others.
    pub(super) fn ask_each(&self, all: &[(&[u8], &Request)]) -> Vec<Answers> {
        match &self.kind {
            Kind::One(_) => match self.ask_all(all) {
                Ok(answers) => answers.into_iter().map(Ok).collect(),
                Err(trouble) => vec![Err(trouble); all.len()],
            },
            Kind::Cluster(cluster) => cluster.ask_each(all),
        }
    }

    /// Whether keys may be on different servers.
    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// A connection to the server that has the key `at`, for a thread that waits for it, up to
    /// `timeout` at a time. It is made by the first call.
    pub(super) fn own_connection(&self, at: &[u8], timeout: Duration) -> OwnConnection {
        OwnConnection::new(self.kind.clone(), at, timeout)
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn stats(&self) -> RedisStats {
        self.counts.read(match &self.kind {
            Kind::One(link) => link.idle(),
            Kind::Cluster(cluster) => cluster.idle(),
        })
    }

    /// No connection is kept or made any more.
    pub(super) fn close(&self) {
        match &self.kind {
            Kind::One(link) => link.close(),
            Kind::Cluster(cluster) => cluster.close(),
        }
    }

    fn name(&self) -> String {
        match &self.kind {
            Kind::One(link) => link.server().to_owned(),
            Kind::Cluster(cluster) => cluster.name(),
        }
    }

    /// An answer that is an error.
    pub(super) fn refusal(&self, error: &redis::ServerError) -> Trouble {
        Trouble::of_answer(self.name(), error, &self.counts)
    }

    /// An answer that makes no sense.
    pub(super) fn unexpected(&self, command: &'static str) -> Trouble {
        self.counts.errors.increment();
        Trouble::Failed(RemoteError::Unexpected { server: self.name(), command })
    }
}

/// Where a node of a cluster is that is to be reached like another.
fn seed(info: &ConnectionInfo, first: &ConnectionInfo) -> Result<Address, ConfigError> {
    let (own, of_first) = (info.redis_settings(), first.redis_settings());
    let is_alike = own.username() == of_first.username()
        && own.password() == of_first.password()
        && own.db() == of_first.db();
    let remedy = "give all nodes of a cluster the same user, password and scheme";
    let refused = || ConfigError::new("url", info.addr(), remedy);
    match (info.addr(), first.addr()) {
        (ConnectionAddr::Tcp(host, port), ConnectionAddr::Tcp(..))
        | (ConnectionAddr::TcpTls { host, port, .. }, ConnectionAddr::TcpTls { .. })
            if is_alike =>
        {
            Ok(Address { host: host.clone(), port: *port })
        }
        (ConnectionAddr::Unix(_), _) => {
            let remedy = "use `redis://` or `rediss://`: a cluster has no sockets of the system";
            Err(ConfigError::new("url", info.addr(), remedy))
        }
        _ => Err(refused()),
    }
}

fn only(mut all: Vec<Answers>) -> Answers {
    all.pop().unwrap_or(Err(Trouble::Closed))
}
