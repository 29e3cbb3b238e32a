//! What the handles of a tiered cache share, and what its calls come to.

use super::generations::{Generations, Pattern};
use super::held::{Held, STAMP_BYTES, Sealer, Stamp};
use super::keys::{Action, KeyBytes, Terms as OuterTerms};
use super::options::{Strategy, TieredTerms, Weigher, WritePolicy};
use super::outer::Outer;
use super::outside::{Begun, Change, Outside, Read, Ticket};
use super::promise::block_on;
use super::scratch::Scratch;
use super::tier::TierError;
use crate::inner::{Incoming, Origin};
use crate::loading::RefreshAfter;
use crate::{Cache, CacheKey, Cause, Terms};
use perf_core::{Clock, Counter, StripedHistogram};
use std::borrow::Cow;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

pub(super) type TextOf<K> = for<'a> fn(&'a K) -> Cow<'a, str>;

pub(super) struct Core<K, V> {
    pub(super) memory: Cache<K, Held<V>>,
    /// Whether there is a memory tier. Without one `memory` holds nothing, and is where callers who
    /// want the same key find each other.
    pub(super) has_memory: bool,
    pub(super) weigher: Option<Weigher<K, V>>,
    pub(super) outside: Arc<Outside>,
    pub(super) sealer: Option<Arc<Sealer<V>>>,
    pub(super) write: WritePolicy,
    /// How long entries live beyond memory that ask for nothing, in milliseconds; zero is for ever.
    pub(super) outer_ttl: AtomicU64,
    pub(super) refresh_after: Option<RefreshAfter>,
    pub(super) text: Arc<OnceLock<TextOf<K>>>,
    pub(super) clock: Clock,
    pub(super) loads: Loads,
    pub(super) closing: super::close::Closing,
    pub(super) baseline: super::stats::Baseline,
    pub(super) defaults: super::component::Defaults,
    /// Held by whoever turns a knob.
    pub(super) turning: std::sync::Mutex<()>,
}

/// Loaders that ran, which the memory tier cannot tell from other tiers.
#[derive(Debug, Default)]
pub(super) struct Loads {
    pub(super) ended: Counter,
    pub(super) failed: Counter,
    pub(super) duration: StripedHistogram,
}

/// A value that is about to be kept.
pub(super) struct Planned<V> {
    pub(super) held: Held<V>,
    /// What memory is to know of it.
    terms: Terms,
    changes: Vec<Change>,
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    pub(super) fn has_outers(&self) -> bool {
        !self.outside.outers.is_empty()
    }

    fn now_ms(&self) -> u64 {
        millis(self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// Looks for a key beyond memory, the nearest tier first.
    pub(super) async fn fetch(&self, hash: u64, key: &K) -> Option<(Held<V>, Terms)> {
        let sealer = self.sealer.as_ref()?;
        let mut scratch = Scratch::take();
        sealer.name(key, &mut scratch.name);
        for (tier, outer) in self.outside.outers.iter().enumerate() {
            // Reading a clock twice would be a tenth of most reads.
            let mut started = Outer::is_timed().then(|| self.clock.now());
            // What is found here goes to the nearer tiers, unless something newer begins meanwhile.
            let held = (tier > 0).then(|| self.outside.ticket(hash));
            let number = held.as_ref().map_or_else(|| self.outside.number(), |held| held.number);
            scratch.bytes.clear();
            let read = self.outside.read(hash, tier, &scratch.name, &mut scratch.bytes);
            let is_found = match read {
                Read::Found => true,
                Read::Missing | Read::Nothing => false,
                Read::Waits => {
                    started = started.or_else(|| Some(self.clock.now()));
                    let name = KeyBytes::from(scratch.name.as_slice());
                    match self.outside.read_waiting(tier, name).await {
                        Some(bytes) => {
                            scratch.bytes = bytes;
                            true
                        }
                        None => false,
                    }
                }
            };
            let found =
                if is_found { self.open(hash, key, (tier, number), &scratch) } else { None };
            let Some(found) = found else {
                outer.counts.misses.increment();
                continue;
            };
            outer.counts.hits.increment();
            if let Some(started) = started {
                outer.counts.retrieval.record_duration(self.clock.now() - started);
            }
            self.pass_up(hash, tier, number, &scratch, &found.0.stamp).await;
            drop(held);
            return Some(found);
        }
        None
    }

    /// What was found in a tier, unless it must not be answered.
    fn open(
        &self,
        hash: u64,
        key: &K,
        (tier, number): (usize, u64),
        scratch: &Scratch,
    ) -> Option<(Held<V>, Terms)> {
        let (sealer, counts) = (self.sealer.as_ref()?, &self.outside.outers[tier].counts);
        let Ok(opened) = sealer.open(&scratch.name, &scratch.bytes) else {
            counts.undecodable.increment();
            return None;
        };
        let now = self.now_ms();
        let text = || self.text.get().map(|text| text(key));
        let tags = opened.tags.iter().copied();
        if opened.expires_at <= now || self.outside.generations.are_past(opened.era, tags, text) {
            counts.outdated.increment();
            return None;
        }
        let weight = self.weight(key, &opened.value, Some(opened.raw_len));
        let stamp = Stamp {
            hash,
            number,
            era: opened.era,
            written_at: opened.written_at,
            expires_at: opened.expires_at,
            tags: opened.tags,
            strategy: opened.strategy,
            compress: None,
            weight,
            from: Some(tier),
        };
        let terms = self.terms_of_found(&stamp, now);
        Some((Held { value: opened.value, stamp: Arc::new(stamp) }, terms))
    }

    /// Lets the tiers nearer than that have what it has.
    async fn pass_up(&self, hash: u64, tier: usize, number: u64, scratch: &Scratch, stamp: &Stamp) {
        if tier == 0 {
            return;
        }
        let name = KeyBytes::from(scratch.name.as_slice());
        let bytes = Arc::new(scratch.bytes.clone());
        let put = |tier| Change {
            tier,
            key: Arc::clone(&name),
            action: Action::Put(Arc::clone(&bytes), outer_terms(stamp)),
        };
        if let Some(begun) = self.outside.offer(hash, number, (0..tier).map(put).collect()) {
            // What comes of it is counted.
            let _ = self.outside.carry(begun).await;
        }
    }

    /// On what terms memory takes what was found beyond it: for what is left of its life.
    fn terms_of_found(&self, stamp: &Stamp, now: u64) -> Terms {
        if !self.has_memory || stamp.strategy == Strategy::Disk {
            return Terms::new().time_to_live(Duration::ZERO);
        }
        let mut terms = self.tagged(Terms::new(), &stamp.tags);
        let left = Duration::from_millis(stamp.expires_at.saturating_sub(now));
        let usual = self.memory.time_to_live();
        if stamp.expires_at != u64::MAX && usual.is_none_or(|usual| left < usual) {
            terms = terms.time_to_live(left);
        }
        let age = Duration::from_millis(now.saturating_sub(stamp.written_at));
        match self.refresh_point(stamp) {
            Some(after) => terms.refresh_after(after.saturating_sub(age)),
            None => terms,
        }
    }

    /// The age at which a value is to be loaded anew.
    pub(super) fn refresh_point(&self, stamp: &Stamp) -> Option<Duration> {
        match self.refresh_after? {
            RefreshAfter::Age(age) => Some(age),
            RefreshAfter::Share(share) => {
                let life = (stamp.expires_at != u64::MAX)
                    .then(|| stamp.expires_at.saturating_sub(stamp.written_at));
                let usual = self.memory.time_to_live().map(millis);
                let life = life.into_iter().chain(usual).min()?;
                Some(Duration::from_millis(life).mul_f64(share.as_f64()))
            }
        }
    }

    /// In memory tags go by their ids, since nothing else is known of those that come back.
    fn tagged(&self, terms: Terms, tags: &[u64]) -> Terms {
        if tags.is_empty() { terms } else { terms.tags(tags.iter().map(|id| name_of(*id))) }
    }

    fn weight(&self, key: &K, value: &V, raw_len: Option<u64>) -> u64 {
        let own = match (&self.weigher, raw_len, &self.sealer) {
            (Some(weigher), ..) => weigher(key, value),
            (None, Some(len), _) => len + Cache::<K, Held<V>>::ENTRY_OVERHEAD,
            (None, None, Some(sealer)) => sealer.len(value) + Cache::<K, Held<V>>::ENTRY_OVERHEAD,
            (None, None, None) => Cache::<K, Held<V>>::ENTRY_OVERHEAD,
        };
        own.saturating_add(STAMP_BYTES)
    }

    /// Thinks of everything that keeping a value takes. Runs the caller's code: not under a lock.
    fn plan(&self, (hash, era): (u64, u64), key: &K, value: V, terms: TieredTerms) -> Planned<V> {
        let TieredTerms { terms, strategy, compress } = terms;
        let is_idle = terms.time_to_idle.is_some_and(|idle| idle != Duration::MAX);
        let strategy = if is_idle { Strategy::Memory } else { strategy };
        let now = self.now_ms();
        let outer_ttl = match self.outer_ttl.load(Ordering::Relaxed) {
            0 => u64::MAX,
            ttl => ttl,
        };
        let usual = match strategy {
            Strategy::Memory => self.memory.time_to_live().map_or(u64::MAX, millis),
            _ if !self.has_outers() => self.memory.time_to_live().map_or(u64::MAX, millis),
            _ => outer_ttl,
        };
        let ttl = terms.time_to_live.map_or(usual, millis);
        let tags = terms.tag_list().iter().map(|tag| Generations::id_of_tag(tag));
        let parents = terms.dependency_list().iter().map(|name| Generations::id_of_parent(name));
        let mut stamp = Stamp {
            hash,
            number: 0,
            era,
            written_at: now,
            expires_at: if ttl == u64::MAX { u64::MAX } else { now.saturating_add(ttl) },
            tags: tags.chain(parents).collect(),
            strategy,
            compress: compress.or(terms.is_compressed().then_some(true)),
            weight: 0,
            from: None,
        };
        let (changes, raw_len) = self.changes(key, &value, &stamp);
        stamp.weight = self.weight(key, &value, raw_len);
        let keeps = self.has_memory && strategy != Strategy::Disk && ttl > 0;
        let memory_terms = if keeps {
            let mut own = self.tagged(Terms::new(), &stamp.tags);
            own.time_to_live = terms.time_to_live;
            own.time_to_idle = terms.time_to_idle;
            if let Some(after) = terms.refreshes_after() {
                own = own.refresh_after(after);
            }
            if let Some(another) = terms.stays_if_error() {
                own = own.stale_if_error(another);
            }
            own
        } else {
            Terms::new().time_to_live(Duration::ZERO)
        };
        let held = Held { value, stamp: Arc::new(stamp) };
        Planned { held, terms: memory_terms, changes }
    }

    /// What keeping a value changes beyond memory, and how long the value is when encoded, if that
    /// came out.
    fn changes(&self, key: &K, value: &V, stamp: &Stamp) -> (Vec<Change>, Option<u64>) {
        let Some(sealer) = self.sealer.as_ref().filter(|_| self.has_outers()) else {
            return (Vec::new(), None);
        };
        let mut name = Vec::new();
        sealer.name(key, &mut name);
        let goes_out = match stamp.strategy {
            Strategy::Auto => self.write != WritePolicy::Aside || !self.has_memory,
            Strategy::Memory => false,
            Strategy::Disk => true,
        } && stamp.expires_at > stamp.written_at;
        let sealed = goes_out.then(|| sealer.seal(&name, value, stamp));
        let (action, raw_len) = match sealed {
            Some(Ok((bytes, raw_len))) => {
                (Action::Put(Arc::new(bytes), outer_terms(stamp)), Some(raw_len))
            }
            // What the tiers have for the key is older.
            Some(Err(_)) => {
                let outers = self.outside.outers.iter();
                outers.for_each(|outer| outer.counts.lost_unsealed.increment());
                (Action::Remove, None)
            }
            None => (Action::Remove, None),
        };
        let name = KeyBytes::from(name);
        let change = |tier| Change { tier, key: Arc::clone(&name), action: action.clone() };
        ((0..self.outside.outers.len()).map(change).collect(), raw_len)
    }

    /// Puts a value in, in memory at once. What is to be done beyond it has begun, and is carried
    /// out by whoever gets the answer.
    pub(super) fn insert(&self, key: K, value: V, terms: TieredTerms) -> Option<Begun> {
        let hash = self.memory.hash(&key);
        // Before anything is read of it: it may only be taken for older.
        let era = self.outside.generations.era();
        let Planned { held, terms, changes } = self.plan((hash, era), &key, value, terms);
        if !self.has_outers() {
            let incoming = Incoming { key, value: held, terms };
            // What comes of it is counted.
            let _ = self.memory.inner.put(hash, incoming, &Origin::Caller);
            return None;
        }
        let inner = &*self.memory.inner;
        let mut ended = None;
        let mut fence = crate::invalidation::Fence::default();
        let (ticket, begun) = self.outside.begin(hash, changes, |number| {
            // Who loads has asked before, and of those who insert the last one stays.
            let mut held = inner.shard(hash).lock();
            ended = held.loads.detach(hash, &key);
            held.loads.claims_mut().add(hash, number);
            fence = inner.invalidations.fence();
        });
        drop(ended);
        let number = ticket.number;
        let stamp = Stamp { number, ..Stamp::clone(&held.stamp) };
        let held = Held { value: held.value, stamp: Arc::new(stamp) };
        let origin = Origin::Reserved(number, fence);
        // Refused if somebody began after us: then what there is is newer.
        let _ = inner.put(hash, Incoming { key, value: held, terms }, &origin);
        inner.shard(hash).lock().loads.claims_mut().end(hash, number);
        drop(ticket);
        Some(begun)
    }

    /// What memory is to keep of a value that was loaded. It is stored beyond memory first, unless
    /// something newer has begun since.
    pub(super) async fn keep_loaded(
        &self,
        ticket: &Ticket,
        hash: u64,
        key: &K,
        value: V,
        terms: TieredTerms,
    ) -> (Held<V>, Terms) {
        let Planned { held, terms, changes } = self.plan((hash, ticket.era), key, value, terms);
        let stamp = Stamp { number: ticket.number, ..Stamp::clone(&held.stamp) };
        let held = Held { value: held.value, stamp: Arc::new(stamp) };
        if self.has_outers()
            && let Some(begun) = self.outside.offer(hash, ticket.number, changes)
        {
            // What comes of it is counted.
            let _ = self.outside.carry(begun).await;
        }
        (held, terms)
    }

    /// The loader has found that there is no value any more: what the tiers have is older.
    pub(super) async fn keep_absent(&self, ticket: &Ticket, hash: u64, key: &K) {
        let Some(sealer) = self.sealer.as_ref().filter(|_| self.has_outers()) else { return };
        let changes = self.removals(sealer, key);
        if let Some(begun) = self.outside.offer(hash, ticket.number, changes) {
            // What comes of it is counted.
            let _ = self.outside.carry(begun).await;
        }
    }

    fn removals(&self, sealer: &Sealer<V>, key: &K) -> Vec<Change> {
        let mut name = Vec::new();
        sealer.name(key, &mut name);
        let name = KeyBytes::from(name);
        let change = |tier| Change { tier, key: Arc::clone(&name), action: Action::Remove };
        (0..self.outside.outers.len()).map(change).collect()
    }

    /// Removes a key from memory, at once, and begins to remove it beyond.
    pub(super) fn remove(&self, hash: u64, key: &K) -> (bool, Option<Begun>) {
        let Some(sealer) = self.sealer.as_ref().filter(|_| self.has_outers()) else {
            return (self.memory.inner.remove(hash, key).is_some(), None);
        };
        let changes = self.removals(sealer, key);
        let inner = &*self.memory.inner;
        let mut ended = None;
        let (ticket, begun) = self.outside.begin(hash, changes, |_| {
            ended = inner.shard(hash).lock().loads.detach(hash, key);
        });
        drop(ended);
        let was_there = inner.remove(hash, key).is_some();
        drop(ticket);
        (was_there, Some(begun))
    }

    /// Ends the entries with a tag, or that depend on something, in memory at once.
    pub(super) fn invalidate_id(&self, id: u64) -> (u64, Invalidation) {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_tag(id, queue);
        let invalidation = Invalidation { outside: Arc::clone(outside), number, begun };
        (self.memory.invalidate_tag(&name_of(id)).at_most, invalidation)
    }

    /// The same for what memory ends by a pattern.
    pub(super) fn invalidate_pattern(&self, pattern: Pattern) -> Invalidation {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_pattern(pattern, queue);
        Invalidation { outside: Arc::clone(outside), number, begun }
    }

    /// Ends everything.
    pub(super) fn clear(&self) -> Invalidation {
        let outside = &self.outside;
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_all(queue);
        let invalidation = Invalidation { outside: Arc::clone(outside), number, begun };
        self.memory.clear();
        invalidation
    }
}

/// An invalidation that holds in this process, and whose records are on their way.
#[must_use]
pub(super) struct Invalidation {
    outside: Arc<Outside>,
    number: u64,
    begun: Vec<Begun>,
}

impl Invalidation {
    /// Waits until no crash can undo it.
    pub(super) async fn settle(mut self) -> Result<(), TierError> {
        let mut first = Ok(());
        for begun in std::mem::take(&mut self.begun) {
            let outcome = self.outside.carry(begun).await;
            if first.is_ok() {
                first = outcome;
            }
        }
        first
    }
}

impl Drop for Invalidation {
    fn drop(&mut self) {
        self.begun.clear();
        self.outside.generations.settle(self.number);
    }
}

impl<K, V> Drop for Core<K, V> {
    /// The last handle is gone: writes what it can, and tells the hook what it could not.
    fn drop(&mut self) {
        let promise = self.closing.begin(&self.outside);
        let _ = block_on(promise.wait(None, &self.outside.timers));
    }
}

/// What takes over what memory lets go of.
pub(super) struct Overflow<K, V> {
    pub(super) outside: Arc<Outside>,
    pub(super) sealer: Arc<Sealer<V>>,
    pub(super) text: Arc<OnceLock<TextOf<K>>>,
    pub(super) clock: Clock,
}

impl<K, V> Overflow<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An entry has left memory; the outside has remembered its key since.
    pub(super) fn take_over(self: &Arc<Overflow<K, V>>, key: &K, held: &Held<V>, cause: Cause) {
        if cause != Cause::Size {
            return;
        }
        let hash = held.stamp.hash;
        if self.outside.is_prompt() {
            self.store(key, held);
            self.outside.has_left(hash);
            return;
        }
        let (own, key, held) = (Arc::clone(self), key.clone(), held.clone());
        let work = Box::new(move || {
            own.store(&key, &held);
            own.outside.has_left(hash);
        });
        if self.outside.pool.submit(work).is_err() {
            self.outside.outers.iter().for_each(|outer| outer.counts.lost_busy.increment());
            self.outside.has_left(hash);
        }
    }

    fn store(&self, key: &K, held: &Held<V>) {
        let stamp = &held.stamp;
        if stamp.strategy != Strategy::Auto || self.outside.is_closed() {
            return;
        }
        let mut scratch = Scratch::take();
        self.sealer.name(key, &mut scratch.name);
        // One that is there is as new as this or newer: mostly so where values are written through.
        let misses = |tier: &usize| self.outside.misses(stamp.hash, *tier, &scratch.name);
        let mut missing = (0..self.outside.outers.len()).filter(misses).peekable();
        if missing.peek().is_none() || self.is_over(key, stamp) {
            return;
        }
        let Ok((bytes, _)) = self.sealer.seal(&scratch.name, &held.value, stamp) else {
            missing.for_each(|tier| self.outside.outers[tier].counts.lost_unsealed.increment());
            return;
        };
        let (name, bytes) = (KeyBytes::from(scratch.name.as_slice()), Arc::new(bytes));
        for tier in missing {
            let action = Action::Put(Arc::clone(&bytes), outer_terms(stamp));
            let change = Change { tier, key: Arc::clone(&name), action };
            if let Some(begun) = self.outside.offer(stamp.hash, stamp.number, vec![change]) {
                self.outside.outers[tier].counts.overflowed.increment();
                // Sets out and does not wait.
                drop(begun);
            }
        }
    }

    /// Whether it has ended or was invalidated.
    fn is_over(&self, key: &K, stamp: &Stamp) -> bool {
        let wall = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let text = || self.text.get().map(|text| text(key));
        let tags = stamp.tags.iter().copied();
        stamp.expires_at <= millis(wall) || self.outside.generations.are_past(stamp.era, tags, text)
    }
}

fn outer_terms(stamp: &Stamp) -> OuterTerms {
    OuterTerms { expires_at: stamp.expires_at, written_at: stamp.written_at, pinned: false }
}

/// What a tag is called in memory.
fn name_of(id: u64) -> String {
    format!("{id:016x}")
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
