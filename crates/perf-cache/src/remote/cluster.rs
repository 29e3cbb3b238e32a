//! The servers of a cluster: each key is on one of them, and may move.
//!
//! A map says which node has which slot. It is read by the first call, and again by a call after
//! something said that it is old: a node that sent a call elsewhere, or that failed. A call that is
//! sent elsewhere goes there, once.

use super::error::RemoteError;
use super::link::{Limits, Link, Sent, Trouble};
use super::request::Request;
use super::slots::{self, Address, Slots};
use super::stats::Counts;
use perf_core::{Clock, Instant};
use perf_guard::Backoff;
use redis::{Client, ConnectionAddr, ConnectionInfo, RedisResult, ServerErrorKind, Value};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Cluster {
    /// How any node is reached, but for its address.
    info: ConnectionInfo,
    limits: Limits,
    backoff: Backoff,
    counts: Arc<Counts>,
    clock: Clock,
    /// Whom to ask who is there while nobody else is known.
    seeds: Vec<Arc<Node>>,
    map: RwLock<Arc<Map>>,
    /// Whether something said that the map is old.
    is_doubted: AtomicBool,
    /// When it was read last, or tried to be.
    read_at: Mutex<Option<Instant>>,
    /// So that not always the same node is asked for the map.
    turn: AtomicUsize,
    is_closed: AtomicBool,
}

/// One server, which has some of the slots.
#[derive(Debug)]
pub(super) struct Node {
    address: Address,
    pub(super) link: Link,
    /// Whether the last call failed.
    is_suspect: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Map {
    nodes: Vec<Arc<Node>>,
    /// As indexes of nodes.
    slots: Arc<Slots>,
}

/// Where a part of a call goes.
struct Way {
    part: usize,
    node: Arc<Node>,
    /// Whether the slot is still being moved there.
    is_asking: bool,
}

/// What was sent to one node.
struct Outstanding<'a> {
    ways: Vec<&'a Way>,
    request: Cow<'a, Request>,
    sent: Result<Sent, Trouble>,
}

pub(super) type Answers = Result<Vec<Value>, Trouble>;

impl Cluster {
    /// Over the nodes at those addresses, and all that they know of.
    pub(super) fn new(
        info: ConnectionInfo,
        seeds: &[Address],
        limits: Limits,
        backoff: Backoff,
        counts: Arc<Counts>,
    ) -> RedisResult<Cluster> {
        let node = |seed: &Address| Node::new(&info, seed.clone(), limits, backoff, &counts);
        let seeds = seeds.iter().map(node).collect::<RedisResult<_>>()?;
        Ok(Cluster {
            seeds,
            info,
            limits,
            backoff,
            counts,
            clock: Clock::system(),
            map: RwLock::new(Arc::new(Map { nodes: Vec::new(), slots: Arc::new(Slots::new()) })),
            is_doubted: AtomicBool::new(false),
            read_at: Mutex::default(),
            turn: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
        })
    }

    /// For errors.
    pub(super) fn name(&self) -> String {
        let seeds: Vec<_> = self.seeds.iter().map(|seed| seed.address.to_string()).collect();
        format!("the cluster of {}", seeds.join(", "))
    }

    /// Connections that wait for a call.
    pub(super) fn idle(&self) -> usize {
        self.known(&self.current()).iter().map(|node| node.link.idle()).sum()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// No connection is kept or made any more.
    pub(super) fn close(&self) {
        // Under the lock, so that no node is added afterwards.
        let map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        self.is_closed.store(true, Ordering::Release);
        let all = self.known(&map);
        drop(map);
        for node in all {
            node.link.close();
        }
    }

    /// Sends each part to the node that has its key, all before any answer is waited for, and what
    /// goes to one node together.
    pub(super) fn ask_each(&self, parts: &[(&[u8], &Request)]) -> Vec<Answers> {
        let began = self.clock.now();
        let map = match self.map(began) {
            Ok(map) => map,
            Err(trouble) => return vec![Err(trouble); parts.len()],
        };
        let mut answers: Vec<Answers> = Vec::with_capacity(parts.len());
        let mut ways = Vec::with_capacity(parts.len());
        for (part, (at, _)) in parts.iter().enumerate() {
            match self.node_at(&map, at) {
                Ok(node) => {
                    ways.push(Way { part, node, is_asking: false });
                    answers.push(Ok(Vec::new()));
                }
                Err(trouble) => answers.push(Err(trouble)),
            }
        }
        self.round(parts, &ways, began, &mut answers);
        let mut further = Vec::new();
        for Way { part, node, .. } in ways {
            let Ok(found) = &answers[part] else { continue };
            let Some((node, is_asking)) = self.elsewhere(&node, found) else { continue };
            if self.clock.now() - began < self.limits.deadline {
                further.push(Way { part, node, is_asking });
            } else {
                self.counts.timed_out.increment();
                answers[part] = Err(Trouble::TimedOut);
            }
        }
        self.round(parts, &further, began, &mut answers);
        answers
    }

    /// Sends all that goes these ways, then waits for the answers.
    fn round(
        &self,
        parts: &[(&[u8], &Request)],
        ways: &[Way],
        began: Instant,
        answers: &mut [Answers],
    ) {
        let mut groups: Vec<Vec<&Way>> = Vec::new();
        for way in ways {
            let same = groups.iter_mut().find(|group| {
                Arc::ptr_eq(&group[0].node, &way.node) && group[0].is_asking == way.is_asking
            });
            match same {
                Some(group) => group.push(way),
                None => groups.push(vec![way]),
            }
        }
        if groups.len() > 1 {
            // What needs a connection first must not hold up the others.
            groups.sort_by_key(|group| group[0].node.link.idle() == 0);
        }
        let sent: Vec<Outstanding<'_>> = groups
            .into_iter()
            .map(|ways| {
                let request = together(parts, &ways);
                let sent = ways[0].node.link.send(&request, Some(began));
                Outstanding { ways, request, sent }
            })
            .collect();
        for Outstanding { ways, request, sent } in sent {
            let node = &ways[0].node;
            let found = match sent.and_then(|sent| node.link.receive(sent)) {
                Err(Trouble::Broken(_)) => node.link.ask_anew(&request),
                found => found,
            };
            self.judge(node, &found);
            let mut found = found.map(Vec::into_iter);
            for way in ways {
                let commands = 0..parts[way.part].1.commands();
                answers[way.part] = match &mut found {
                    Ok(found) => Ok(commands.filter_map(|_| next(found, way.is_asking)).collect()),
                    Err(trouble) => Err(trouble.clone()),
                };
            }
        }
    }

    /// Where else to ask, if these answers of a node say so: for all of it, also where the node has
    /// done some.
    pub(super) fn elsewhere(&self, node: &Node, answers: &[Value]) -> Option<(Arc<Node>, bool)> {
        let mut redirects = answers.iter().filter_map(|answer| match answer {
            Value::ServerError(error) => slots::redirect(error, &node.address),
            _ => None,
        });
        let mut first = redirects.next()?;
        if let Some(moved) = redirects.find(|redirect| !redirect.is_ask) {
            // It has left for good between two commands.
            first = moved;
        }
        if !first.is_ask {
            self.doubt();
        }
        self.counts.redirected.increment();
        let to = self.node(&first.to, (!first.is_ask).then_some(first.slot))?;
        Some((to, first.is_ask))
    }

    /// What an exchange says about the node, and about the map.
    pub(super) fn judge(&self, node: &Node, answers: &Answers) {
        match answers {
            Ok(answers) => {
                if node.is_suspect.load(Ordering::Relaxed) {
                    node.is_suspect.store(false, Ordering::Relaxed);
                }
                let is_down = answers.iter().any(|answer| {
                    matches!(answer, Value::ServerError(error)
                        if error.kind() == Some(ServerErrorKind::ClusterDown))
                });
                if is_down {
                    self.doubt();
                }
            }
            Err(Trouble::Closed) => {}
            Err(_) => {
                node.is_suspect.store(true, Ordering::Relaxed);
                // Another may have taken its place.
                self.doubt();
            }
        }
    }

    fn doubt(&self) {
        self.is_doubted.store(true, Ordering::Relaxed);
    }

    /// The node that has a key.
    pub(super) fn node_at(&self, map: &Map, at: &[u8]) -> Result<Arc<Node>, Trouble> {
        let slot = slots::slot_of(at);
        let node = map.slots.node(slot).and_then(|node| map.nodes.get(node));
        node.cloned().ok_or_else(|| {
            self.doubt();
            self.counts.errors.increment();
            Trouble::Failed(RemoteError::Unserved { server: self.name(), slot })
        })
    }

    /// The map, read anew if it is old, as part of a call that began then.
    pub(super) fn map(&self, began: Instant) -> Result<Arc<Map>, Trouble> {
        let map = self.current();
        if map.nodes.is_empty() {
            return self.read_map(&map, began);
        }
        if !self.is_doubted.load(Ordering::Relaxed) || !self.may_read() {
            return Ok(map);
        }
        self.is_doubted.store(false, Ordering::Relaxed);
        match self.read_map(&map, began) {
            // There is no time left for the call itself.
            Err(trouble @ (Trouble::Closed | Trouble::TimedOut)) => Err(trouble),
            Err(_) => {
                self.doubt();
                Ok(map)
            }
            read => read,
        }
    }

    fn current(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the last time is long enough ago; then the next is now.
    fn may_read(&self) -> bool {
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let may = read_at.is_none_or(|last| now - last >= BETWEEN_MAPS);
        if may {
            *read_at = Some(now);
        }
        may
    }

    /// Asks one node after the other, those that failed last.
    fn read_map(&self, map: &Map, began: Instant) -> Result<Arc<Map>, Trouble> {
        let mut request = Request::new();
        request.command([b"CLUSTER".as_slice(), b"SLOTS"]);
        let mut nodes = self.known(map);
        if !map.nodes.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % map.nodes.len();
            nodes[..map.nodes.len()].rotate_left(turn);
        }
        nodes.sort_by_key(|node| node.is_suspect.load(Ordering::Relaxed));
        let mut why = None;
        for node in nodes {
            if why.is_some() && self.clock.now() - began >= self.limits.deadline {
                break;
            }
            let sent = node.link.send(&request, Some(began));
            let answers = match sent.and_then(|sent| node.link.receive(sent)) {
                Err(Trouble::Broken(_)) => node.link.ask_anew(&request),
                answers => answers,
            };
            self.judge(&node, &answers);
            match answers {
                Ok(answers) => match self.install(&answers, &node) {
                    Err(trouble) => why = Some(trouble),
                    installed => return installed,
                },
                Err(Trouble::Closed) => return Err(Trouble::Closed),
                Err(trouble) => why = Some(trouble),
            }
        }
        Err(why.unwrap_or(Trouble::Closed))
    }

    /// Nodes that are known: of the map, then the seeds.
    fn known(&self, map: &Map) -> Vec<Arc<Node>> {
        let mut nodes = map.nodes.clone();
        for seed in &self.seeds {
            if !nodes.iter().any(|node| Arc::ptr_eq(node, seed)) {
                nodes.push(Arc::clone(seed));
            }
        }
        nodes
    }

    /// Takes in a node's answer with the map.
    fn install(&self, answers: &[Value], asked: &Node) -> Result<Arc<Map>, Trouble> {
        let ranges = match answers {
            [Value::ServerError(error)] => {
                let server = asked.address.to_string();
                return Err(Trouble::of_answer(server, error, &self.counts));
            }
            [answer] => slots::ranges(answer, &asked.address),
            _ => None,
        };
        let Some(ranges) = ranges else {
            self.counts.errors.increment();
            let (server, command) = (asked.address.to_string(), "CLUSTER SLOTS");
            return Err(Trouble::Failed(RemoteError::Unexpected { server, command }));
        };
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_closed() {
            return Err(Trouble::Closed);
        }
        let known = self.known(&map);
        let (mut nodes, slots) = (Vec::<Arc<Node>>::new(), Slots::new());
        for range in ranges {
            let node = match nodes.iter().position(|node| node.address == range.node) {
                Some(node) => node,
                None if nodes.len() >= MAX_NODES => continue,
                None => {
                    let kept = known.iter().find(|node| node.address == range.node);
                    let node = kept.cloned().map_or_else(|| self.make(&range.node), Ok)?;
                    nodes.push(node);
                    nodes.len() - 1
                }
            };
            for slot in range.first..=range.last {
                slots.set(slot, node);
            }
        }
        let new = Arc::new(Map { nodes, slots: Arc::new(slots) });
        // Those that are in it no more are dropped when nobody uses them.
        let old = std::mem::replace(&mut *map, Arc::clone(&new));
        drop(map);
        drop(old);
        self.counts.maps.increment();
        Ok(new)
    }

    /// The node at an address, which is added if it is new, and has that slot from now on.
    fn node(&self, address: &Address, slot: Option<u16>) -> Option<Arc<Node>> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let known = map.nodes.iter().position(|node| node.address == *address);
        let at = match known {
            Some(at) => at,
            None => {
                let seed = self.seeds.iter().find(|node| node.address == *address);
                let node = seed.cloned().map_or_else(|| self.make(address), Ok).ok()?;
                if map.nodes.len() >= MAX_NODES || self.is_closed() {
                    return Some(node);
                }
                let nodes = map.nodes.iter().cloned().chain([node]).collect();
                *map = Arc::new(Map { nodes, slots: Arc::clone(&map.slots) });
                map.nodes.len() - 1
            }
        };
        if let Some(slot) = slot {
            map.slots.set(slot, at);
        }
        Some(Arc::clone(&map.nodes[at]))
    }

    fn make(&self, address: &Address) -> Result<Arc<Node>, Trouble> {
        Node::new(&self.info, address.clone(), self.limits, self.backoff, &self.counts).map_err(
            |error| {
                let (server, why) = (address.to_string(), error.to_string());
                Trouble::Failed(RemoteError::Disconnected { server, why })
            },
        )
    }
}

impl Node {
    fn new(
        info: &ConnectionInfo,
        address: Address,
        limits: Limits,
        backoff: Backoff,
        counts: &Arc<Counts>,
    ) -> RedisResult<Arc<Node>> {
        let mut to = info.addr().clone();
        if let ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } = &mut to
        {
            host.clone_from(&address.host);
            *port = address.port;
        }
        let client = Client::open(info.clone().set_addr(to))?;
        let link = Link::new(client, limits, backoff, Arc::clone(counts));
        Ok(Arc::new(Node { address, link, is_suspect: AtomicBool::new(false) }))
    }
}

/// What goes to one node.
fn together<'a>(parts: &[(&[u8], &'a Request)], group: &[&Way]) -> Cow<'a, Request> {
    match group {
        [way] if !way.is_asking => Cow::Borrowed(parts[way.part].1),
        _ => {
            let mut all = Request::new();
            for way in group {
                let request = parts[way.part].1;
                if way.is_asking { all.append_asking(request) } else { all.append(request) }
            }
            Cow::Owned(all)
        }
    }
}

/// The next answer; the one to `ASKING` before it is passed over.
fn next(answers: &mut impl Iterator<Item = Value>, is_asking: bool) -> Option<Value> {
    if is_asking {
        let _ = answers.next();
    }
    answers.next()
}

/// The map is read no more often than that, once there is one.
const BETWEEN_MAPS: Duration = Duration::from_millis(100);
/// Slots of further nodes are served by none.
const MAX_NODES: usize = 256;

#[cfg(test)]
mod tests;
