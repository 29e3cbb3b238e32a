//! A place that several caches share, in one process: changes with numbers, fences, a journal. What a
//! shared tier has to do, done in the plainest way, with switches for what may go wrong.

use perf_cache::disk::{Put, PutTerms, RefusedBecause};
use perf_cache::tiered::{
    Change, Changed, Doubt, Fetched, Lease, OuterTier, Receiver, Scope, SharedTier, Since,
    Standing, TierError, TierGet, TierKind, TierUsage,
};
use perf_core::{Clock, Instant};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, SystemTime};

#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    number: u64,
    floor: u64,
    scopes: Vec<(u64, Scope)>,
    /// With the node that made it.
    journal: Vec<(u64, usize, Changed)>,
    values: HashMap<Vec<u8>, Value>,
    fences: HashMap<Vec<u8>, u64>,
    leases: HashMap<Vec<u8>, (Instant, usize)>,
}

#[derive(Clone, Debug)]
struct Value {
    number: u64,
    bytes: Vec<u8>,
    ends: Instant,
}

impl Hub {
    pub(crate) fn new(clock: Clock) -> Arc<Hub> {
        let state = State { epoch: 1, ..State::default() };
        Arc::new(Hub { state: Mutex::new(state), clock })
    }

    /// One that several caches may use, each by a node of its own. The clock is that of the cache.
    pub(crate) fn node(self: &Arc<Hub>, id: usize, clock: Clock) -> Arc<Node> {
        let epoch = self.state.lock().unwrap().epoch;
        let node = Node {
            hub: Arc::clone(self),
            id,
            clock,
            applied: Mutex::new(Since { epoch, number: self.number() }),
            receiver: Mutex::default(),
            taking_in: Mutex::default(),
            has_lost: AtomicBool::default(),
            fails: AtomicBool::default(),
            fails_to_announce: AtomicBool::default(),
            fails_after_announcing: AtomicBool::default(),
            fetches_many: AtomicBool::default(),
            says_no_number: AtomicBool::default(),
            gate: Gate::default(),
            announcing: Gate::default(),
            finding: Gate::default(),
            refuses: Mutex::default(),
            calls: Mutex::default(),
        };
        Arc::new(node)
    }

    pub(crate) fn number(&self) -> u64 {
        self.state.lock().unwrap().number
    }

    /// What was changed, by whom.
    pub(crate) fn journal(&self) -> Vec<(u64, usize, Changed)> {
        self.state.lock().unwrap().journal.clone()
    }

    pub(crate) fn values(&self) -> usize {
        self.state.lock().unwrap().values.len()
    }

    /// As a server that was started anew.
    pub(crate) fn restart(&self) {
        let mut state = self.state.lock().unwrap();
        *state = State { epoch: state.epoch + 1, ..State::default() };
    }
}

/// Where a call may be held up.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
    pub(crate) waiting: AtomicU64,
}

impl Gate {
    pub(crate) fn shut(&self, shut: bool) {
        *self.is_shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.is_shut.lock().unwrap();
        if *shut {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            drop(self.opened.wait_while(shut, |shut| *shut).unwrap());
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The hub as one process sees it. News come when they are [delivered](Node::deliver), and with
/// whatever is read.
#[derive(Debug)]
pub(crate) struct Node {
    hub: Arc<Hub>,
    id: usize,
    clock: Clock,
    applied: Mutex<Since>,
    receiver: Mutex<Option<Weak<dyn Receiver>>>,
    taking_in: Mutex<()>,
    has_lost: AtomicBool,
    /// Every call fails.
    pub(crate) fails: AtomicBool,
    pub(crate) fails_to_announce: AtomicBool,
    /// It is told, but nobody knows.
    pub(crate) fails_after_announcing: AtomicBool,
    pub(crate) fetches_many: AtomicBool,
    pub(crate) says_no_number: AtomicBool,
    /// Holds up what is to be written.
    pub(crate) gate: Gate,
    /// Holds up what is to be announced.
    pub(crate) announcing: Gate,
    /// Holds up what was found, before it is known what has changed.
    pub(crate) finding: Gate,
    /// It can never be announced.
    pub(crate) refuses: Mutex<Option<Scope>>,
    calls: Mutex<HashMap<&'static str, u64>>,
}

impl Node {
    pub(crate) fn calls(&self, of: &str) -> u64 {
        self.calls.lock().unwrap().get(of).copied().unwrap_or(0)
    }

    /// Takes in what others have changed.
    pub(crate) fn deliver(&self) {
        let _one_at_a_time = self.taking_in.lock().unwrap();
        let state = self.hub.state.lock().unwrap();
        let (epoch, number) = (state.epoch, state.number);
        let applied = *self.applied.lock().unwrap();
        let is_new = |(number, ..): &&(u64, usize, Changed)| *number > applied.number;
        let news: Vec<Change> = state
            .journal
            .iter()
            .filter(is_new)
            .map(|(number, node, what)| Change::new(*number, *node == self.id, what.clone()))
            .collect();
        let now = Since { epoch, number };
        let standing = Standing::new(now, state.floor, state.scopes.clone());
        drop(state);
        let receiver = self.receiver.lock().unwrap().clone().and_then(|weak| weak.upgrade());
        if self.has_lost.swap(false, Ordering::SeqCst) || applied.epoch != epoch {
            receiver.inspect(|receiver| receiver.doubted(Doubt::Lost, Some(standing)));
        } else if !news.is_empty() {
            receiver.inspect(|receiver| receiver.changed(&news));
        }
        *self.applied.lock().unwrap() = now;
    }

    /// What is to come is lost, which is noticed.
    pub(crate) fn lose(&self) {
        self.has_lost.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_not_heard_of(&self) {
        let receiver = self.receiver.lock().unwrap().clone().and_then(|weak| weak.upgrade());
        receiver.inspect(|receiver| receiver.doubted(Doubt::Unheard, None));
    }

    fn call(&self, what: &'static str) -> Result<(), TierError> {
        *self.calls.lock().unwrap().entry(what).or_default() += 1;
        if self.fails.load(Ordering::SeqCst) { Err(self.error()) } else { Ok(()) }
    }

    fn error(&self) -> TierError {
        TierError::new("hub", std::io::Error::other("told to"))
    }

    fn change(&self, state: &mut State, what: Changed) -> u64 {
        state.number += 1;
        state.journal.push((state.number, self.id, what));
        state.number
    }

    fn ends(&self, terms: PutTerms) -> Instant {
        let now = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let left = terms.expires_at.saturating_sub(now.as_millis() as u64).min(1_000_000_000);
        self.hub.clock.now() + Duration::from_millis(left)
    }
}

impl OuterTier for Node {
    fn name(&self) -> &'static str {
        "hub"
    }

    fn kind(&self) -> TierKind {
        TierKind::Remote
    }

    fn shared(&self) -> Option<&dyn SharedTier> {
        Some(self)
    }

    fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TierGet, TierError> {
        panic!("nobody would know how old it is")
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
        Ok(self.fetch(key, into)? != Fetched::Missing)
    }

    fn fetch(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Fetched, TierError> {
        self.call("fetch")?;
        let now = self.hub.clock.now();
        let found = self.hub.state.lock().unwrap().values.get(key).cloned();
        self.finding.pass();
        self.deliver();
        let Some(value) = found.filter(|value| value.ends > now) else {
            return Ok(Fetched::Missing);
        };
        into.extend(value.bytes);
        if self.says_no_number.load(Ordering::SeqCst) {
            return Ok(Fetched::FoundFor(value.ends - now));
        }
        Ok(Fetched::FoundSince(value.ends - now, value.number))
    }

    fn fetch_many(&self, keys: &[&[u8]]) -> Result<Vec<(Fetched, Vec<u8>)>, TierError> {
        self.call("fetch_many")?;
        let fetch = |key: &&[u8]| {
            let mut bytes = Vec::new();
            Ok((self.fetch(key, &mut bytes)?, bytes))
        };
        keys.iter().map(fetch).collect()
    }

    fn fetches_many(&self) -> bool {
        self.fetches_many.load(Ordering::SeqCst)
    }

    fn contains(&self, _: &[u8]) -> Result<bool, TierError> {
        panic!("what memory lets go of does not come here")
    }

    fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError> {
        assert!(!terms.pinned, "records are for this process alone");
        self.gate.pass();
        self.call("put")?;
        let mut state = self.hub.state.lock().unwrap();
        let number = self.change(&mut state, Changed::Key(key.to_vec()));
        state.fences.insert(key.to_vec(), number);
        let value = Value { number, bytes: bytes.to_vec(), ends: self.ends(terms) };
        state.values.insert(key.to_vec(), value);
        Ok(Put::Stored)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.gate.pass();
        self.call("remove")?;
        let mut state = self.hub.state.lock().unwrap();
        let number = self.change(&mut state, Changed::Key(key.to_vec()));
        state.fences.insert(key.to_vec(), number);
        Ok(state.values.remove(key).is_some())
    }

    fn clear(&self) -> Result<u64, TierError> {
        panic!("it is not this process's to clear")
    }

    fn usage(&self) -> TierUsage {
        TierUsage::default()
    }

    fn set_max_bytes(&self, _: u64) {}

    fn close(&self) -> Result<u64, TierError> {
        Ok(0)
    }
}

impl SharedTier for Node {
    fn since(&self) -> Since {
        *self.applied.lock().unwrap()
    }

    fn listen(&self, receiver: Weak<dyn Receiver>) -> bool {
        let mut known = self.receiver.lock().unwrap();
        let is_first = known.is_none();
        known.get_or_insert(receiver);
        is_first
    }

    fn fill(
        &self,
        key: &[u8],
        bytes: &[u8],
        terms: PutTerms,
        since: Since,
    ) -> Result<Put, TierError> {
        self.gate.pass();
        self.call("fill")?;
        let mut state = self.hub.state.lock().unwrap();
        let is_overtaken = state.fences.get(key).is_some_and(|fence| *fence > since.number);
        if is_overtaken || state.epoch != since.epoch {
            return Ok(Put::Refused(RefusedBecause::Overtaken));
        }
        let value = Value { number: since.number, bytes: bytes.to_vec(), ends: self.ends(terms) };
        state.values.insert(key.to_vec(), value);
        Ok(Put::Stored)
    }

    fn announce(&self, scope: &Scope) -> Result<u64, TierError> {
        self.announcing.pass();
        self.call("announce")?;
        let is_refused = self.refuses.lock().unwrap().as_ref() == Some(scope);
        if is_refused || self.fails_to_announce.load(Ordering::SeqCst) {
            return Err(self.error());
        }
        let mut state = self.hub.state.lock().unwrap();
        let number = self.change(&mut state, Changed::Scope(scope.clone()));
        if *scope == Scope::All {
            state.floor = number;
        }
        state.scopes.push((number, scope.clone()));
        drop(state);
        if self.fails_after_announcing.load(Ordering::SeqCst) {
            return Err(self.error());
        }
        self.deliver();
        Ok(number)
    }

    fn lease(&self, key: &[u8], time: Duration) -> Result<Lease, TierError> {
        self.call("lease")?;
        let now = self.hub.clock.now();
        let mut state = self.hub.state.lock().unwrap();
        if state.leases.get(key).is_some_and(|(until, id)| *until > now && *id != self.id) {
            return Ok(Lease::Taken);
        }
        state.leases.insert(key.to_vec(), (now + time, self.id));
        Ok(Lease::Held)
    }

    fn release(&self, key: &[u8]) -> Result<(), TierError> {
        self.call("release")?;
        let mut state = self.hub.state.lock().unwrap();
        if state.leases.get(key).is_some_and(|(_, id)| *id == self.id) {
            state.leases.remove(key);
        }
        Ok(())
    }
}
