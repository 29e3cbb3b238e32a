//! Reading and emptying tiers, with what is on its way to them taken into account.

use super::super::gathering::Gather;
use super::super::keys::{KeyBytes, Peek};
use super::super::outer::Attempt;
use super::super::promise::{Promise, lock};
use super::super::tier::{Fetched, TierError, TierGet};
use super::{Outcome, Outside};
use std::sync::{Arc, Mutex};

/// Bytes that one of those who share them takes.
type SharedBytes = Arc<Mutex<Vec<u8>>>;
/// What came of a read.
pub(in crate::tiered) type Reading = Result<(SharedBytes, Fetched), TierError>;

/// What a read that does not wait has come to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::tiered) enum Read {
    /// The bytes were appended.
    Found,
    Missing,
    /// Ask on a thread that may wait.
    Waits,
    /// The tier cannot be used.
    Nothing,
}

impl Outside {
    /// Whether something is on its way to a tier for a key, and if so, whether that is a value.
    pub(in crate::tiered) fn is_under_way(
        &self,
        hash: u64,
        tier: usize,
        key: &[u8],
    ) -> Option<bool> {
        match self.stripe(hash).peek(hash, tier, key) {
            Peek::Put(_) => Some(true),
            Peek::Removed => Some(false),
            Peek::AsStored => None,
        }
    }

    /// Reads without waiting.
    pub(in crate::tiered) fn read(
        &self,
        hash: u64,
        tier: usize,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> Read {
        let outer = &self.outers[tier];
        if self.is_closed() {
            return Read::Nothing;
        }
        match self.stripe(hash).peek(hash, tier, key) {
            Peek::Put(bytes) => {
                into.extend_from_slice(&bytes);
                return Read::Found;
            }
            Peek::Removed => return Read::Missing,
            Peek::AsStored => {}
        }
        match outer.try_get(key, into) {
            Ok(TierGet::Found) => Read::Found,
            Ok(TierGet::Missing) => Read::Missing,
            Ok(TierGet::WouldBlock) => Read::Waits,
            Err(_) => Read::Nothing,
        }
    }

    /// Reads on a thread that may wait, until the deadline of the tier; `None` if there is nothing.
    /// Together with the others of a call, where the tier answers many in the time of one.
    ///
    /// # Errors
    ///
    /// Nobody knows whether there is: it failed, came too late or found no thread.
    pub(in crate::tiered) async fn read_waiting(
        self: &Arc<Outside>,
        tier: usize,
        key: KeyBytes,
        gather: Option<&Gather>,
    ) -> Result<Option<(Vec<u8>, Fetched)>, TierError> {
        let outer = &self.outers[tier];
        outer.counts.waited.increment();
        let (promise, attempt) = match gather.filter(|_| outer.tier.fetches_many()) {
            Some(gather) => gather.add(tier, key),
            None => self.read_alone(tier, key).await?,
        };
        match promise.wait(Some(outer.deadline()), &self.timers).await {
            Some(Ok((_, Fetched::Missing))) => Ok(None),
            Some(Ok((bytes, found))) => Ok(Some((std::mem::take(&mut *lock(&bytes)), found))),
            Some(Err(error)) => Err(error),
            None => Err(outer.time_out(&attempt)),
        }
    }

    async fn read_alone(
        self: &Arc<Outside>,
        tier: usize,
        key: KeyBytes,
    ) -> Result<(Arc<Promise<Reading>>, Arc<Attempt>), TierError> {
        let outer = &self.outers[tier];
        let attempt = Arc::<Attempt>::default();
        let promise = Promise::<Reading>::new();
        let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&promise));
        let work = Box::new(move || {
            let mut bytes = Vec::new();
            let found = own.outers[tier].call(Some(&of_it), |tier| tier.fetch(&key, &mut bytes));
            told.keep(found.map(|found| (Arc::new(Mutex::new(bytes)), found)));
        });
        let has_place = if self.waits_when_busy {
            self.pool.submit_when_free(work, Some(outer.deadline()), &self.timers).await
        } else {
            self.pool.submit(work).is_ok()
        };
        if has_place { Ok((promise, attempt)) } else { Err(TierError::Busy { tier: outer.name() }) }
    }

    /// Removes all that is in the tiers of this process but records. What cannot be removed is dead.
    ///
    /// # Errors
    ///
    /// The first of a tier.
    pub(in crate::tiered) async fn clear_tiers(self: &Arc<Outside>) -> Outcome {
        for tier in self.own_tiers() {
            let outer = &self.outers[tier];
            if self.is_closed() {
                return Err(TierError::Closed);
            }
            let attempt = Arc::<Attempt>::default();
            let promise = Promise::new();
            let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&promise));
            let work = Box::new(move || {
                let cleared = own.outers[tier].call(Some(&of_it), |tier| tier.clear());
                told.keep(cleared.map(|_| ()));
            });
            if self.pool.submit(work).is_err() {
                return Err(TierError::Busy { tier: outer.name() });
            }
            match promise.wait(Some(outer.deadline()), &self.timers).await {
                Some(cleared) => cleared?,
                None => return Err(outer.time_out(&attempt)),
            }
        }
        Ok(())
    }
}
