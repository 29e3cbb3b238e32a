//! The kinds of operations: their names, settings, counts and gates.

use super::Totals;
use super::hedges::Usual;
use super::line::Line;
use super::retries::Retries;
use crate::adaptive::Limiter;
use crate::{KindSettings, MAX_KINDS, OperationId};
use perf_core::{Histogram, Instant};
use perf_guard::{BreakerState, CircuitBreaker, Gcra};
use std::borrow::Cow;
use std::ops::{Index, IndexMut};

/// A kind of operations within one scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(u16);

impl KindId {
    pub(super) const FIRST: KindId = KindId(0);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// All kinds there are, at most so many, each found by its name.
#[derive(Debug)]
pub(super) struct Kinds {
    all: Vec<Kind>,
    /// An open hash table: one more than the index of the kind, zero if free.
    table: Box<[u16; TABLE]>,
    /// The one that was asked for last.
    last: KindId,
    /// How often a name came for which there was no room.
    beyond: u64,
}

#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: Cow<'static, str>,
    pub(super) settings: KindSettings,
    /// Whether nothing but places keeps its operations waiting: no throttle, no breaker, no needs
    /// of pools, no batches.
    pub(super) is_plain: bool,
    /// The limit on places that was set first: the default of its knob.
    pub(super) first_limit: Option<usize>,
    pub(super) line: Line,
    /// How many wait, also for another attempt.
    pub(super) waiting: usize,
    /// How many run, also in the place of another.
    pub(super) running: usize,
    /// How many places they hold.
    pub(super) places: usize,
    pub(super) throttle: Option<Gcra>,
    pub(super) breaker: Option<CircuitBreaker>,
    /// What finds how many may run, if anything does.
    pub(super) limiter: Option<Box<Limiter>>,
    /// The next one, if there was no room in the pools when it had its turn.
    pub(super) short: Option<OperationId>,
    /// Whether the ledger of the pools counts it as waiting.
    pub(super) wants_units: bool,
    pub(super) retries: Retries,
    pub(super) usual: Usual,
    /// None of them starts before.
    pub(super) blocked: Option<Instant>,
    /// When the batch that is being gathered has waited long enough.
    pub(super) gathering: Option<Instant>,
    /// It has.
    pub(super) gathered: bool,
    /// Where the next start stands in virtual time.
    pub(super) virtual_start: u64,
    pub(super) totals: Totals,
    /// Those that started at once, without waiting.
    pub(super) at_once: u64,
    pub(super) waits: Histogram,
    pub(super) runs: Histogram,
}

impl Kind {
    fn new(name: Cow<'static, str>) -> Kind {
        Kind {
            name,
            settings: KindSettings::default(),
            is_plain: true,
            first_limit: None,
            line: Line::new(),
            waiting: 0,
            running: 0,
            places: 0,
            throttle: None,
            breaker: None,
            limiter: None,
            short: None,
            wants_units: false,
            retries: Retries::default(),
            usual: Usual::default(),
            blocked: None,
            gathering: None,
            gathered: false,
            virtual_start: 0,
            totals: Totals::default(),
            at_once: 0,
            waits: Histogram::new(),
            runs: Histogram::new(),
        }
    }

    /// Whether it may take one more place.
    #[inline]
    pub(super) fn has_place(&self) -> bool {
        self.places < self.settings.places()
            && self.limiter.as_deref().is_none_or(|limiter| self.places < limiter.limit())
    }

    /// Whether what waits makes a batch, if it comes in batches.
    pub(super) fn has_batch(&self) -> bool {
        match self.settings.batch_rule() {
            Some(batch) if batch.waits().is_some() => {
                self.gathered || self.line.len() >= batch.max()
            }
            _ => true,
        }
    }

    /// Looks at its gates after they have been set.
    pub(super) fn look_at_gates(&mut self) {
        self.is_plain = self.throttle.is_none()
            && self.breaker.is_none()
            && self.settings.needs.is_none()
            && self.settings.batch.is_none();
    }

    /// Whether all its gates let one through at this moment. Takes nothing.
    #[inline]
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.has_place() && (self.is_plain || self.lets_through(now))
    }

    fn lets_through(&self, now: Instant) -> bool {
        self.settings.batch_rule().is_none_or(|rule| rule.due(1, now).is_none())
            && self.blocked.is_none_or(|until| until <= now)
            && self.throttle.as_ref().is_none_or(|throttle| throttle.wait(now).is_zero())
            && self
                .breaker
                .as_ref()
                .is_none_or(|breaker| breaker.state(now) == BreakerState::Closed)
    }
}

impl Kinds {
    pub(super) fn new() -> Kinds {
        Kinds { all: Vec::new(), table: Box::new([0; TABLE]), last: KindId::FIRST, beyond: 0 }
    }

    /// The kind of that name, which is made if it is new and there is room, or else `other`.
    #[inline]
    pub(super) fn intern(
        &mut self,
        name: &str,
        keep: impl FnOnce() -> Cow<'static, str>,
    ) -> KindId {
        if let Some(kind) = self.all.get(self.last.index()) {
            let last: &str = &kind.name;
            // Most names are one literal, found again where it was.
            if std::ptr::eq(last, name) || last == name {
                return self.last;
            }
        }
        self.look_up(name, keep)
    }

    fn look_up(&mut self, name: &str, keep: impl FnOnce() -> Cow<'static, str>) -> KindId {
        self.last = match self.find(name) {
            Ok(kind) => kind,
            Err(at) if self.all.len() < MAX_KINDS => self.add(at, keep()),
            Err(_) => {
                self.beyond += 1;
                match self.find(OTHER) {
                    Ok(kind) => kind,
                    Err(at) => self.add(at, Cow::Borrowed(OTHER)),
                }
            }
        };
        self.last
    }

    /// The kind of that name, if there is one.
    pub(super) fn get(&self, name: &str) -> Option<KindId> {
        self.find(name).ok()
    }

    /// Whether a kind of that name is there or has room.
    pub(super) fn has_room(&self, name: &str) -> bool {
        self.all.len() < MAX_KINDS || self.find(name).is_ok()
    }

    pub(super) const fn beyond(&self) -> u64 {
        self.beyond
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KindId, &Kind)> {
        (0..).map(KindId).zip(&self.all)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (KindId, &mut Kind)> {
        (0..).map(KindId).zip(&mut self.all)
    }

    /// The kind, or the free place of the table where it belongs.
    fn find(&self, name: &str) -> Result<KindId, usize> {
        let mut at = hash(name.as_bytes()) % TABLE;
        // Never more than half full, so there is a free place.
        while let Some(index) = self.table[at].checked_sub(1) {
            if self.all[usize::from(index)].name == name {
                return Ok(KindId(index));
            }
            at = (at + 1) % TABLE;
        }
        Err(at)
    }

    fn add(&mut self, at: usize, name: Cow<'static, str>) -> KindId {
        let index = self.all.len() as u16;
        self.table[at] = index + 1;
        self.all.push(Kind::new(name));
        KindId(index)
    }
}

impl Index<KindId> for Kinds {
    type Output = Kind;

    #[inline]
    fn index(&self, kind: KindId) -> &Kind {
        &self.all[kind.index()]
    }
}

impl IndexMut<KindId> for Kinds {
    #[inline]
    fn index_mut(&mut self, kind: KindId) -> &mut Kind {
        &mut self.all[kind.index()]
    }
}

/// FNV-1a: short names, few of them, and nobody can add so many that collisions hurt.
fn hash(name: &[u8]) -> usize {
    let hash = name
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 15)) as usize
}

const TABLE: usize = 1024;
const OTHER: &str = "other";
