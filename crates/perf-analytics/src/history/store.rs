//! Every series with its windows, within the bounds on series and bytes.

use super::series::{First, Series};
use super::sketch::Edges;
use super::{HistoryConfig, Kind, nanos};
use perf_core::{Instant, Signal};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

#[derive(Debug)]
pub(super) struct Inner {
    slab: Vec<Option<Series>>,
    free: Vec<usize>,
    /// Places in the slab by a hash of their identity.
    index: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
    components: HashMap<Box<str>, Rounds>,
    pub(super) edges: Edges,
    /// Nanoseconds that the first reading stood past a multiple of the step: slots begin half a
    /// step before readings are due, so that one that comes a little early or late stays in its own.
    phase: Option<u64>,
    /// The last slot that questions see.
    pub(super) now: u64,
    /// Somebody says when rounds are complete.
    pub(super) in_rounds: bool,
    pub(super) wall: Option<(Instant, SystemTime)>,
    pub(super) bytes: usize,
    pub(super) refused: u64,
    pub(super) evicted: u64,
    pub(super) trimmed: u64,
}

/// When a component was read.
#[derive(Debug)]
struct Rounds {
    latest: Instant,
    before: Option<Instant>,
    /// A series was refused or evicted, so one that appears may be older than it looks.
    lossy: bool,
}

impl Inner {
    pub(super) fn new() -> Inner {
        Inner {
            slab: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            hasher: RandomState::new(),
            components: HashMap::new(),
            edges: Edges::new(),
            phase: None,
            now: 0,
            in_rounds: false,
            wall: None,
            bytes: 0,
            refused: 0,
            evicted: 0,
            trimmed: 0,
        }
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Series> {
        self.slab.iter().flatten()
    }

    pub(super) fn slot(&mut self, at: Instant, step: Duration) -> u64 {
        let step = nanos(step);
        let phase = *self.phase.get_or_insert(at.as_nanos() % step);
        (at.as_nanos().saturating_sub(phase) + step / 2) / step
    }

    pub(super) fn sample(
        &mut self,
        at: Instant,
        component: &str,
        signal: &Signal<'_>,
        kind: Kind,
        config: &HistoryConfig,
    ) {
        let slot = self.slot(at, config.step);
        if !self.in_rounds {
            self.now = self.now.max(slot);
        }
        let first = self.first(at, component, signal, config);
        let hash = self.hasher.hash_one((component, signal.name, signal.labels));
        let place = match self.find(hash, component, signal, kind) {
            Some(place) => place,
            None => match self.admit(hash, component, signal, kind, config, slot) {
                Some(place) => place,
                None => {
                    self.refused += 1;
                    self.mark_lossy(component);
                    return;
                }
            },
        };
        if let Some(series) = &mut self.slab[place] {
            let before = series.bytes();
            series.read(at, slot, signal, first, &mut self.edges);
            self.bytes = self.bytes - before + series.bytes();
        }
        if self.bytes as u64 > config.max_bytes.as_u64() {
            self.trim(config.max_bytes.as_u64());
        }
    }

    /// Notes that the component was read, and says where the first reading of a series that is new
    /// to us is counted from.
    fn first(
        &mut self,
        at: Instant,
        component: &str,
        signal: &Signal<'_>,
        config: &HistoryConfig,
    ) -> First {
        let Some(rounds) = self.components.get_mut(component) else {
            if self.components.len() >= config.max_series {
                return Rounds::of_unknown(at, signal, config.step);
            }
            let rounds = Rounds { latest: at, before: None, lossy: false };
            self.components.insert(component.into(), rounds);
            return Rounds::of_unknown(at, signal, config.step);
        };
        if at > rounds.latest {
            rounds.before = Some(rounds.latest);
            rounds.latest = at;
        }
        match rounds.before {
            // It was not there in the round before: all of it is new.
            Some(before) if !rounds.lossy => First::CountsFrom(before.max(signal.since)),
            _ => Rounds::of_unknown(at, signal, config.step),
        }
    }

    fn mark_lossy(&mut self, component: &str) {
        if let Some(rounds) = self.components.get_mut(component) {
            rounds.lossy = true;
        }
    }

    fn find(&self, hash: u64, component: &str, signal: &Signal<'_>, kind: Kind) -> Option<usize> {
        self.index.get(&hash)?.iter().copied().find(|place| {
            self.slab[*place].as_ref().is_some_and(|series| series.is(component, signal, kind))
        })
    }

    fn admit(
        &mut self,
        hash: u64,
        component: &str,
        signal: &Signal<'_>,
        kind: Kind,
        config: &HistoryConfig,
        slot: u64,
    ) -> Option<usize> {
        if self.slab.len() - self.free.len() >= config.max_series {
            self.evict_idle(slot)?;
        }
        let series = Series::new(component, signal, kind);
        self.bytes += series.bytes();
        let place = self.free.pop().unwrap_or_else(|| {
            self.slab.push(None);
            self.slab.len() - 1
        });
        self.slab[place] = Some(series);
        self.index.entry(hash).or_default().push(place);
        Some(place)
    }

    /// Removes the series that has been without a reading for longest, if that is at least two
    /// steps.
    fn evict_idle(&mut self, slot: u64) -> Option<()> {
        let (last, place) = (0..self.slab.len())
            .filter_map(|place| Some((self.slab[place].as_ref()?.last_slot, place)))
            .min()?;
        if last + 1 >= self.now.max(slot) {
            return None;
        }
        self.evict(place)
    }

    /// Removes the series without a reading since that slot: all their windows are too old.
    pub(super) fn forget_before(&mut self, slot: u64) {
        for place in 0..self.slab.len() {
            if self.slab[place].as_ref().is_some_and(|series| series.last_slot < slot) {
                self.evict(place);
            }
        }
    }

    fn evict(&mut self, place: usize) -> Option<()> {
        let series = self.slab[place].take()?;
        self.bytes -= series.bytes();
        self.free.push(place);
        self.index.retain(|_, places| {
            places.retain(|p| *p != place);
            !places.is_empty()
        });
        self.mark_lossy(&series.component);
        if !self.live().any(|s| s.component == series.component) {
            self.components.remove(&series.component);
        }
        self.evicted += 1;
        Some(())
    }

    fn trim(&mut self, max_bytes: u64) {
        while self.bytes as u64 > max_bytes {
            let largest = self.slab.iter_mut().flatten().max_by_key(|s| s.bytes());
            let Some(series) = largest else { break };
            let before = series.bytes();
            let dropped = series.drop_half();
            self.bytes = self.bytes - before + series.bytes();
            self.trimmed += dropped as u64;
            if dropped == 0 {
                break;
            }
        }
    }

    /// The time of day at the end of a slot, in seconds after the Unix epoch.
    pub(super) fn wall_seconds(&self, slot: u64, step: Duration) -> f64 {
        let at = (slot * nanos(step)).saturating_add(self.phase.unwrap_or(0));
        let (anchor, wall) = self.wall.unwrap_or((Instant::default(), SystemTime::UNIX_EPOCH));
        let wall = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        wall + (at as f64 - anchor.as_nanos() as f64) / 1e9
    }
}

impl Rounds {
    /// A component that is read for the first time may have counted for long: then nobody knows in
    /// which windows.
    fn of_unknown(at: Instant, signal: &Signal<'_>, step: Duration) -> First {
        if at - signal.since <= step * 2 {
            First::CountsFrom(signal.since)
        } else {
            First::IsBaseline
        }
    }
}
