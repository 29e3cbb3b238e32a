//! Taking in what others have changed: in order, all of it, or else all that is near has to go.

use super::inner::{Core, lock};
use super::journal::{Break, Entry, Place, Told, decimal, entries, fixed, following, standing};
use super::request::Request;
use super::scripts;
use crate::tiered::{Change, Changed, Doubt, Receiver, Scope, TierError};
use perf_core::Instant;
use redis::Value;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::Ordering;

impl Core {
    pub(super) fn place(&self) -> Place {
        *lock(&self.place)
    }

    /// The place, after the state was read for the first time.
    pub(super) fn known_place(&self) -> Result<Place, TierError> {
        let place = self.place();
        if place.epoch == 0 { self.begin_anew(place, None) } else { Ok(place) }
    }

    /// Who is to be told of changes from now on; of what the state is first, at once if the server
    /// answers. `false`: somebody else is.
    pub(super) fn tell(&self, receiver: Weak<dyn Receiver>) -> bool {
        let order = lock(&self.order);
        if self.receiver.set(receiver).is_err() {
            return false;
        }
        *lock(&self.place) = Place::default();
        self.hear(self.settings.clock.now());
        drop(order);
        // Or else the thread that listens finds out.
        let _ = self.begin_anew(Place::default(), None);
        true
    }

    fn receiver(&self) -> Option<Arc<dyn Receiver>> {
        self.receiver.get()?.upgrade()
    }

    /// What the server says of its last change, in the answer to the fields of [`Told`].
    pub(super) fn told(&self, fields: &Value) -> Result<Option<Told>, TierError> {
        Told::read(fields).ok_or_else(|| self.unexpected("HMGET"))
    }

    /// Takes in changes up to what a server has told that was asked when `before` was the place.
    pub(super) fn catch_up(&self, before: Place, told: Option<Told>) -> Result<Place, TierError> {
        let Some(told) = told else { return self.begin_anew(self.place(), None) };
        if told.epoch == before.epoch && told.number < before.number {
            // It goes on from a past that it had left behind: the numbers mean nothing any more.
            return self.broken(before, Some(Break::Forked));
        }
        for _ in 0..ATTEMPTS {
            let place = self.place();
            if place.epoch != told.epoch {
                // Others may have begun anew since the server was asked.
                let is_late = told.epoch == before.epoch && place.epoch != 0;
                return if is_late { Ok(place) } else { self.begin_anew(place, None) };
            }
            if place.number > told.number {
                return Ok(place);
            }
            if place.number == told.number {
                return self.broken(place, (place.nonce != told.nonce).then_some(Break::Forked));
            }
            let more = told.number - place.number;
            if more > self.settings.journal {
                return self.broken(place, Some(Break::Gap));
            }
            let (from, count) = (next(place), more.min(PIECE).to_string());
            let mut request = Request::new();
            request.command([
                b"XRANGE".as_slice(),
                &self.names.journal,
                from.as_bytes(),
                b"+",
                b"COUNT",
                count.as_bytes(),
            ]);
            let [answer] = self.ask(&self.names.journal, &request)?;
            let found = entries(answer).ok_or_else(|| self.unexpected("XRANGE"))?;
            let is_gone = found.is_empty().then_some(Break::Gap);
            if let Some(why) = self.take_in(told.epoch, found).err().or(is_gone) {
                return self.broken(place, Some(why));
            }
        }
        // There are more all the time than can be read.
        self.broken(self.place(), Some(Break::Gap))
    }

    /// Takes in entries of that epoch, as far as they are new.
    pub(super) fn take_in(&self, epoch: u64, entries: Vec<Entry>) -> Result<(), Break> {
        if entries.is_empty() {
            return Ok(());
        }
        let _order = lock(&self.order);
        let mut place = self.place();
        if place.epoch != epoch {
            return Ok(());
        }
        let fresh = following(place, entries)?;
        let Some(last) = fresh.last() else { return Ok(()) };
        (place.number, place.nonce) = (last.number, last.nonce);
        let changes: Vec<Change> = fresh
            .into_iter()
            .filter_map(|entry| {
                Some(Change::new(entry.number, entry.node == self.node, entry.what?))
            })
            .collect();
        let floors = changes.iter().filter(|change| change.what == Changed::Scope(Scope::All));
        place.floor = floors.map(|change| change.number).max().unwrap_or(0).max(place.floor);
        if let Some(receiver) = self.receiver() {
            receiver.changed(&changes);
        }
        self.counts().news.add(changes.iter().filter(|change| !change.is_own).count() as u64);
        *lock(&self.place) = place;
        Ok(())
    }

    /// The changes do not follow from that place, if there is a reason.
    pub(super) fn broken(&self, place: Place, why: Option<Break>) -> Result<Place, TierError> {
        match why {
            None => Ok(place),
            Some(why) => self.begin_anew(place, self.over(place, why)),
        }
    }

    /// Which epoch is over where changes do not follow from that place; counted.
    pub(super) fn over(&self, place: Place, why: Break) -> Option<u64> {
        match why {
            Break::Gap => {
                self.counts().gaps.increment();
                None
            }
            Break::Forked => {
                self.counts().forks.increment();
                Some(place.epoch)
            }
        }
    }

    /// Reads the whole state, unless others have done so since that was the place. An epoch that is
    /// said to be over is ended before.
    pub(super) fn begin_anew(&self, seen: Place, over: Option<u64>) -> Result<Place, TierError> {
        let (new, request) = self.state_request(over);
        let [answer] = self.ask(&self.names.state, &request)?;
        self.install(seen, new, answer)
    }

    /// Asks for the whole state; with the epoch that begins if there is none.
    pub(super) fn state_request(&self, over: Option<u64>) -> (u64, Request) {
        let new = self.new_epoch();
        let over = over.map(u64::to_le_bytes);
        let mut request = Request::new();
        request.command([
            b"EVAL".as_slice(),
            scripts::STANDING,
            b"2",
            &self.names.state,
            &self.names.journal,
            &new.to_le_bytes(),
            over.as_ref().map_or(b"", |over| over.as_slice()),
        ]);
        (new, request)
    }

    pub(super) fn install(&self, seen: Place, new: u64, answer: Value) -> Result<Place, TierError> {
        let (place, standing) = standing(answer).ok_or_else(|| self.unexpected("EVAL"))?;
        if place.epoch == new {
            self.counts().epochs.increment();
        }
        let _order = lock(&self.order);
        let now = self.place();
        if now != seen {
            return Ok(now);
        }
        if let Some(receiver) = self.receiver() {
            receiver.doubted(Doubt::Lost, Some(standing));
        }
        // The first time nothing is lost.
        if seen.epoch != 0 {
            self.counts().resets.increment();
        }
        *lock(&self.place) = place;
        Ok(place)
    }

    /// Everything was taken in that there was at that time.
    pub(super) fn hear(&self, at: Instant) {
        self.heard_at.fetch_max(at.as_nanos(), Ordering::AcqRel);
    }

    /// Nobody knows what has changed for so long that nothing near may be answered any more.
    pub(super) fn doubt_unheard(&self) {
        let _order = lock(&self.order);
        if let Some(receiver) = self.receiver() {
            receiver.doubted(Doubt::Unheard, None);
        }
        self.counts().unheard.increment();
    }

    /// What a change has answered: epoch, number, a fact, and changes from the one on that comes after
    /// the place. When this returns, they are taken in up to that number. `drawn` for it were an epoch
    /// and a nonce.
    pub(super) fn changed(
        &self,
        before: Place,
        drawn: (u64, u64),
        answer: Value,
    ) -> Result<(Told, Value), TierError> {
        let unexpected = || self.unexpected("EVAL");
        let Value::Array(parts) = answer else { return Err(unexpected()) };
        let [epoch, number, fact, changes] =
            <[Value; 4]>::try_from(parts).map_err(|_| unexpected())?;
        let (epoch, number) = fixed(&epoch).zip(decimal(&number)).ok_or_else(unexpected)?;
        let (new, nonce) = drawn;
        if epoch == new {
            self.counts().epochs.increment();
        }
        let told = Told { epoch, number, nonce };
        let changes = entries(changes).ok_or_else(unexpected)?;
        match self.take_in(epoch, changes) {
            Ok(()) => self.catch_up(before, Some(told))?,
            Err(why) => self.broken(self.place(), Some(why))?,
        };
        Ok((told, fact))
    }
}

/// The id of the change after that place.
pub(super) fn next(place: Place) -> String {
    format!("{}-0", place.number + 1)
}

/// Changes that are read at a time.
pub(super) const PIECE: u64 = 1_000;
/// How often, before it is said that there are too many.
const ATTEMPTS: usize = 32;
