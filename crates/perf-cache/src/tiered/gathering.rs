//! Reads of one call that go to a tier together.

use super::keys::KeyBytes;
use super::outer::Attempt;
use super::outside::Outside;
use super::outside::Reading;
use super::promise::{Promise, lock};
use super::tier::{Fetched, TierError};
use std::sync::{Arc, Mutex};

/// What the keys of one call have to read from tiers that answer many in the time of one. Whoever has
/// asked for all of them [sends](Gather::send) it.
#[derive(Debug, Default)]
pub(super) struct Gather {
    batches: Mutex<Vec<Batch>>,
}

#[derive(Debug)]
struct Batch {
    tier: usize,
    attempt: Arc<Attempt>,
    wanted: Vec<(KeyBytes, Arc<Promise<Reading>>)>,
}

impl Gather {
    /// One more to be read from a tier: what comes of it, and the call that it is a part of.
    pub(super) fn add(&self, tier: usize, key: KeyBytes) -> (Arc<Promise<Reading>>, Arc<Attempt>) {
        let mut batches = lock(&self.batches);
        let at = batches.iter().position(|batch| batch.tier == tier).unwrap_or_else(|| {
            batches.push(Batch { tier, attempt: Arc::default(), wanted: Vec::new() });
            batches.len() - 1
        });
        let (batch, promise) = (&mut batches[at], Promise::new());
        batch.wanted.push((key, Arc::clone(&promise)));
        (promise, Arc::clone(&batch.attempt))
    }

    /// Has read what was added since the last time.
    pub(super) fn send(&self, outside: &Arc<Outside>) {
        let batches = std::mem::take(&mut *lock(&self.batches));
        for batch in batches {
            let name = outside.outers[batch.tier].name();
            let (own, promises) = (Arc::clone(outside), batch.promises());
            if outside.pool.submit(Box::new(move || batch.read(&own))).is_err() {
                let busy = || Err(TierError::Busy { tier: name });
                promises.iter().for_each(|promise| _ = promise.keep(busy()));
            }
        }
    }
}

impl Batch {
    fn promises(&self) -> Vec<Arc<Promise<Reading>>> {
        self.wanted.iter().map(|(_, promise)| Arc::clone(promise)).collect()
    }

    fn read(self, outside: &Outside) {
        let keys: Vec<&[u8]> = self.wanted.iter().map(|(key, _)| &**key).collect();
        let outer = &outside.outers[self.tier];
        let found = outer.call(Some(&self.attempt), |tier| tier.fetch_many(&keys));
        let mut found = found.map(Vec::into_iter);
        for (_, promise) in &self.wanted {
            let one = match &mut found {
                // One that answers too few has nothing for the rest.
                Ok(all) => Ok(all.next().unwrap_or((Fetched::Missing, Vec::new()))),
                Err(error) => Err(error.clone()),
            };
            promise.keep(one.map(|(found, bytes)| (Arc::new(Mutex::new(bytes)), found)));
        }
    }
}
