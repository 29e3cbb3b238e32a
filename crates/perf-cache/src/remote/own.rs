//! A connection that one thread has for itself.

use super::cluster::{Answers, Cluster, Node};
use super::link::{Link, Taken, Trouble};
use super::request::Request;
use super::servers::Kind;
use perf_core::Clock;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A connection whose answers may take longer than those of calls. Where there is none, or it broke,
/// the next call makes one, unless that failed just before, for whomever.
pub(super) struct OwnConnection {
    kind: Kind,
    at: Vec<u8>,
    timeout: Duration,
    held: Option<Taken>,
    /// In a cluster, whose it is.
    node: Option<Arc<Node>>,
}

impl OwnConnection {
    pub(super) fn new(kind: Kind, at: &[u8], timeout: Duration) -> OwnConnection {
        OwnConnection { kind, at: at.to_vec(), timeout, held: None, node: None }
    }

    /// Sends commands and waits for their answers, each of which may be an error of the server. After
    /// the servers are closed there are none: a call that waits ends when its answer is there.
    pub(super) fn ask(&mut self, request: &Request) -> Answers {
        let kind = self.kind.clone();
        let (answers, is_closed) = match &kind {
            Kind::One(link) => (self.ask_link(link, request), link.is_closed()),
            Kind::Cluster(cluster) => (self.ask_cluster(cluster, request), cluster.is_closed()),
        };
        if is_closed {
            self.held = None;
            return Err(Trouble::Closed);
        }
        answers
    }

    fn ask_link(&mut self, link: &Link, request: &Request) -> Answers {
        let mut held = match self.held.take() {
            Some(held) => held,
            None => link.connect_for(self.timeout)?,
        };
        let answers = link.exchange(&mut held, request, self.timeout)?;
        self.held = Some(held);
        Ok(answers)
    }

    fn ask_cluster(&mut self, cluster: &Cluster, request: &Request) -> Answers {
        let map = cluster.map(Clock::system().now())?;
        let node = cluster.node_at(&map, &self.at)?;
        let answers = self.ask_node(cluster, node, request)?;
        let Some(node) = &self.node else { return Ok(answers) };
        let Some((node, is_asking)) = cluster.elsewhere(node, &answers) else {
            return Ok(answers);
        };
        if !is_asking {
            return self.ask_node(cluster, node, request);
        }
        let mut asking = Request::new();
        asking.append_asking(request);
        let answers = self.ask_node(cluster, node, &asking)?;
        Ok(answers.into_iter().skip(1).step_by(2).collect())
    }

    fn ask_node(&mut self, cluster: &Cluster, node: Arc<Node>, request: &Request) -> Answers {
        if self.node.as_ref().is_none_or(|held| !Arc::ptr_eq(held, &node)) {
            self.held = None;
        }
        let answers = self.ask_link(&node.link, request);
        cluster.judge(&node, &answers);
        self.node = Some(node);
        answers
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
