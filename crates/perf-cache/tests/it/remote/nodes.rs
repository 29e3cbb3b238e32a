//! A cluster for one test.

use super::server::{Server, free_port};
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const SLOTS: usize = 1 << 14;

/// Nodes that share the slots evenly, in their order, and know each other.
pub(super) struct Nodes {
    pub(super) all: Vec<Server>,
}

impl Nodes {
    pub(super) fn start(count: usize) -> Option<Nodes> {
        Nodes::start_with(count, |_| Vec::new())
    }

    /// The same with arguments of their own, which are made anew for each attempt.
    pub(super) fn start_with(
        count: usize,
        arguments: impl Fn(&Path) -> Vec<String>,
    ) -> Option<Nodes> {
        let mut all = Vec::new();
        for nth in 0..count {
            let node = start(&arguments)?;
            let slots = share(nth, count);
            let (first, last) = (slots.start.to_string(), (slots.end - 1).to_string());
            assert_eq!(node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(nth + 1).to_string()]), "+OK");
            assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]), "+OK");
            if let Some(known) = all.first() {
                meet(known, &node);
            }
            all.push(node);
        }
        let nodes = Nodes { all };
        nodes.until_well();
        Some(nodes)
    }

    /// Adds one that has what another has.
    pub(super) fn add_replica_of(&mut self, of: usize) {
        let replica = start(&|_: &Path| Vec::new()).unwrap();
        meet(&self.all[of], &replica);
        let id = self.all[of].text(&["CLUSTER", "MYID"]);
        self.all.push(replica);
        self.until_well();
        let replica = self.all.last().unwrap();
        assert_eq!(replica.ask(&["CLUSTER", "REPLICATE", &id]), "+OK");
        let started = Instant::now();
        while !replica.text(&["INFO", "replication"]).contains("master_link_status:up") {
            assert!(started.elapsed() < PATIENCE, "the replica does not come up");
            thread::yield_now();
        }
    }

    /// Waits until all of them know each other, and what each has.
    pub(super) fn until_well(&self) {
        let known = format!("cluster_known_nodes:{}", self.all.len());
        let say = ["cluster_state:ok", &known, "cluster_slots_ok:16384"];
        let is_well = |node: &Server| {
            let said = node.text(&["CLUSTER", "INFO"]);
            say.iter().all(|line| said.lines().any(|said| said == *line))
        };
        let started = Instant::now();
        while !self.all.iter().all(is_well) {
            assert!(started.elapsed() < PATIENCE, "the cluster does not come up");
            thread::yield_now();
        }
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.all.iter().map(Server::url).collect()
    }

    /// The slot of a name, as the servers have it.
    pub(super) fn slot(&self, name: &str) -> usize {
        self.all[0].number(&["CLUSTER", "KEYSLOT", name]).try_into().unwrap()
    }

    /// Which of them had a name at first.
    pub(super) fn node_of(&self, name: &str) -> usize {
        let slot = self.slot(name);
        (0..self.all.len()).find(|nth| share(*nth, self.all.len()).contains(&slot)).unwrap()
    }

    /// Begins to move a slot.
    pub(super) fn begin_to_move(&self, slot: usize, from: usize, to: usize) {
        let (slot, from, to) = (slot.to_string(), &self.all[from], &self.all[to]);
        let id = |node: &Server| node.text(&["CLUSTER", "MYID"]);
        let said = to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        assert_eq!(said, "+OK");
        let said = from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        assert_eq!(said, "+OK");
    }

    /// Moves a name to where its slot is being moved to.
    pub(super) fn move_name(&self, name: &str, from: usize, to: usize) {
        let port = self.all[to].port.to_string();
        let said = self.all[from].ask(&["MIGRATE", "127.0.0.1", &port, name, "0", "5000"]);
        assert_eq!(said, "+OK");
    }

    /// All names of the slot have been moved.
    pub(super) fn end_move(&self, slot: usize, to: usize) {
        let (slot, id) = (slot.to_string(), self.all[to].text(&["CLUSTER", "MYID"]));
        // Those who have it first, and those who had it, so that it is never nobody's.
        let others = (0..self.all.len()).filter(|nth| *nth != to);
        for nth in [to].into_iter().chain(others) {
            assert_eq!(self.all[nth].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]), "+OK");
        }
    }
}

fn start(arguments: &impl Fn(&Path) -> Vec<String>) -> Option<Server> {
    Server::start_with(|folder| {
        let settings = [
            ("--cluster-port", &*free_port().to_string()),
            ("--cluster-enabled", "yes"),
            ("--cluster-node-timeout", "1000"),
            ("--cluster-require-full-coverage", "no"),
        ];
        let own =
            settings.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]);
        own.chain(arguments(folder)).collect()
    })
}

fn meet(known: &Server, new: &Server) {
    let (port, bus) = (new.port.to_string(), new.argument("--cluster-port"));
    assert_eq!(known.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]), "+OK");
}

fn share(nth: usize, count: usize) -> Range<usize> {
    nth * SLOTS / count..(nth + 1) * SLOTS / count
}
