//! What is found beyond memory.

use super::choosing::Choice;
use super::gathering::Gather;
use super::held::{Held, Opened, Stamp};
use super::inner::{Core, millis};
use super::keys::{Action, KeyBytes};
use super::outer::Outer;
use super::outside::{Change, Read, Ticket};
use super::planning::outer_terms;
use super::scratch::Scratch;
use super::tier::Fetched;
use crate::loading::RefreshAfter;
use crate::{CacheKey, Terms};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// What held before something was looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    /// The last invalidation here.
    pub(super) era: u64,
    /// Of the numbers of the shared tier.
    pub(super) epoch: u64,
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// Looks for a key beyond memory, the nearest tier first. `gather`: what the other keys of the call
    /// have to read.
    pub(super) async fn fetch(
        &self,
        hash: u64,
        key: &K,
        gather: Option<&Gather>,
    ) -> Option<(Held<V>, Terms)> {
        let sealer = self.sealer.as_ref()?;
        let mut scratch = Scratch::take();
        sealer.name(key, &mut scratch.name);
        for (tier, outer) in self.outside.outers.iter().enumerate() {
            let found = self.fetch_from(tier, (hash, key), &mut scratch, gather).await;
            if found.is_some() {
                return found;
            }
            outer.counts.misses.increment();
        }
        None
    }

    /// Looks for a key in one tier. Its name is in `scratch`.
    pub(super) async fn fetch_from(
        &self,
        tier: usize,
        (hash, key): (u64, &K),
        scratch: &mut Scratch,
        gather: Option<&Gather>,
    ) -> Option<(Held<V>, Terms)> {
        let outer = &self.outside.outers[tier];
        // Reading a clock twice would be a tenth of most reads.
        let mut started = Outer::is_timed().then(|| self.clock.now());
        // What is found here goes to the nearer tiers, unless something newer begins meanwhile.
        let held = (tier > 0).then(|| self.outside.ticket(hash));
        let (number, era) = match &held {
            Some(held) => (held.number, held.era),
            None => (self.outside.number(), self.outside.generations.era()),
        };
        let looked = Looked { era, epoch: self.outside.told.epoch() };
        scratch.bytes.clear();
        let read = self.outside.read(hash, tier, &scratch.name, &mut scratch.bytes);
        let found = match read {
            Read::Found => Fetched::Found,
            Read::Missing | Read::Nothing => Fetched::Missing,
            Read::Waits => {
                started = started.or_else(|| Some(self.clock.now()));
                let name = KeyBytes::from(scratch.name.as_slice());
                match self.outside.read_waiting(tier, name, gather).await {
                    // Of what has no number there nobody knows what ended it.
                    Ok(Some((_, Fetched::Found | Fetched::FoundFor(_)))) if outer.is_shared => {
                        Fetched::Missing
                    }
                    Ok(Some((bytes, found))) => {
                        scratch.bytes = bytes;
                        found
                    }
                    Ok(None) | Err(_) => Fetched::Missing,
                }
            }
        };
        let (opened, now) = self.open(key, (tier, looked), (scratch, found))?;
        outer.counts.hits.increment();
        if let Some(started) = started {
            let took = self.clock.now() - started;
            outer.counts.retrieval.record_duration(took);
            outer.trip.note(took);
        }
        let mut stamp = self.stamp_of(hash, key, (tier, number), &opened);
        let lately = self.lately.as_ref().map(|all| all.note(hash));
        if self.waits_for_another_use(&stamp, lately) {
            stamp.choice.keeps_from_memory();
        }
        let terms = self.terms_of_found(&stamp, now);
        let value = Held { value: opened.value, stamp: Arc::new(stamp) };
        if let Some(held) = held {
            self.pass_up(&held, tier, (scratch, found), &value).await;
        }
        Some((value, terms))
    }

    /// What was found in a tier, unless it must not be answered; and when that was, Unix milliseconds.
    fn open(
        &self,
        key: &K,
        (tier, looked): (usize, Looked),
        (scratch, found): (&Scratch, Fetched),
    ) -> Option<(Opened<V>, u64)> {
        if found == Fetched::Missing {
            return None;
        }
        let (sealer, counts) = (self.sealer.as_ref()?, &self.outside.outers[tier].counts);
        let Ok(mut opened) = sealer.open(&scratch.name, &scratch.bytes) else {
            counts.undecodable.increment();
            return None;
        };
        let now = self.now_ms();
        opened.lives_for(found, now);
        if opened.expires_at <= now || self.is_past(key, &mut opened, (found, looked)) {
            counts.outdated.increment();
            return None;
        }
        Some((opened, now))
    }

    /// Whether what was found is dead. What a shared tier has is judged by the numbers of that tier,
    /// and has from then on the place in the order of this process that it would have had if it had
    /// been read at its source instead.
    pub(super) fn is_past(
        &self,
        key: &K,
        opened: &mut Opened<V>,
        (found, looked): (Fetched, Looked),
    ) -> bool {
        let text = || self.text.get().map(|text| text(key));
        match found {
            Fetched::FoundSince(_, number) => {
                opened.era = looked.era;
                self.outside.is_dead_there((looked.epoch, number), &opened.tags, &text)
            }
            _ => {
                let tags = opened.tags.iter().copied();
                self.outside.generations.are_past(opened.era, tags, text)
            }
        }
    }

    /// What goes with a value that was found in a tier.
    pub(super) fn stamp_of(
        &self,
        hash: u64,
        key: &K,
        (tier, number): (usize, u64),
        opened: &Opened<V>,
    ) -> Stamp {
        Stamp {
            hash,
            number,
            era: opened.era,
            written_at: opened.written_at,
            expires_at: opened.expires_at,
            tags: opened.tags.clone(),
            strategy: opened.strategy,
            compress: None,
            weight: self.weight(key, &opened.value, Some(opened.raw_len)),
            seen: self.outside.volume.now(),
            from: Some(tier),
            choice: Choice::default(),
        }
    }

    /// Lets the tiers nearer than that have what it has. What a shared tier has is sealed anew: times
    /// and eras in it are those of whoever wrote it.
    async fn pass_up(
        &self,
        ticket: &Ticket,
        tier: usize,
        (scratch, found): (&Scratch, Fetched),
        held: &Held<V>,
    ) {
        let takes = |tier: &usize| self.kept_out(&held.stamp, held.stamp.choice, *tier).is_none();
        let takers: Vec<usize> = (0..tier).filter(takes).collect();
        if takers.is_empty() {
            return;
        }
        let bytes = match (found, &self.sealer) {
            (Fetched::FoundSince(..), Some(sealer)) => {
                match sealer.seal(&scratch.name, &held.value, &held.stamp) {
                    Ok((bytes, _)) => bytes,
                    Err(_) => return,
                }
            }
            _ => scratch.bytes.clone(),
        };
        let (name, bytes) = (KeyBytes::from(scratch.name.as_slice()), Arc::new(bytes));
        let put = |tier| Change {
            tier,
            key: Arc::clone(&name),
            action: Action::Put(Arc::clone(&bytes), outer_terms(&held.stamp)),
        };
        let puts = takers.into_iter().map(put).collect();
        if let Some(begun) = self.outside.offer(held.stamp.hash, ticket.order(), puts) {
            // What comes of it is counted.
            let _ = self.outside.carry(begun).await;
        }
    }

    /// On what terms memory takes what was found beyond it: for what is left of its life.
    fn terms_of_found(&self, stamp: &Stamp, now: u64) -> Terms {
        if !self.has_memory || !stamp.strategy.is_near() || stamp.choice.is_out_of_memory() {
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
}
