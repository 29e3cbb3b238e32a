//! Many values at once: what is missing is loaded in one call.
//!
//! A batch claims all that nobody loads, runs its loader for that, and only then waits for what
//! others are loading. Since nobody waits while holding claims that nobody works on, batches may
//! overlap in any way without waiting for each other in a ring.

use super::flight::{Load, Outcome};
use super::leader::{Got, Leader, Made};
use super::scope::LeaderId;
use super::start::{Asked, Start};
use super::wait::{Patience, Timers, Waited};
use crate::Terms;
use crate::inner::Inner;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

/// What a batch comes to.
pub(super) type Found<K, V, E> = Result<HashMap<K, V>, Arc<E>>;

struct Batch<'a, K, V, E, H> {
    inner: &'a Inner<K, V>,
    hash: H,
    leader: LeaderId,
    /// What is still to be asked for.
    wanted: Vec<(K, Asked<V>)>,
    /// What this batch is to load: keys, and beside them their loads.
    keys: Vec<K>,
    leads: Vec<Lead<'a, K, V>>,
    /// What others are loading.
    joined: Vec<Joined<K, V>>,
    found: HashMap<K, V>,
    /// The first error: the others are brought to their end all the same.
    error: Option<Arc<E>>,
}

struct Lead<'a, K, V> {
    hash: u64,
    leader: Leader<&'a Inner<K, V>, K, V>,
    /// What is there meanwhile.
    present: Option<V>,
}

struct Joined<K, V> {
    key: K,
    asked: Asked<V>,
    running: Arc<Load<V>>,
}

impl<'a, K, V, E, H> Batch<'a, K, V, E, H>
where
    H: Fn(&K) -> u64,
    K: Hash + Eq + Clone,
    V: Clone,
    E: Send + Sync + 'static,
{
    fn new(
        inner: &'a Inner<K, V>,
        hash: H,
        keys: impl IntoIterator<Item = K>,
    ) -> Batch<'a, K, V, E, H> {
        let leader = LeaderId::new();
        let mut wanted: Vec<(K, Asked<V>)> = Vec::new();
        // A key that is given twice would find its own load running.
        let mut places: HashTable<usize> = HashTable::new();
        for key in keys {
            let own = hash(&key);
            if places.find(own, |place| wanted[*place].0 == key).is_none() {
                places.insert_unique(own, wanted.len(), |place| wanted[*place].1.hash);
                let glance = inner.glance(own, &key);
                wanted.push((key, Asked::by(leader, own, glance)));
            }
        }
        let (keys, leads, joined) = (Vec::new(), Vec::new(), Vec::new());
        let (found, error) = (HashMap::new(), None);
        Batch { inner, hash, leader, wanted, keys, leads, joined, found, error }
    }

    /// Looks everything up that is wanted; whether there is something to load.
    fn begin(&mut self) -> bool {
        for (key, mut asked) in std::mem::take(&mut self.wanted) {
            match self.inner.start(&key, &mut asked) {
                Start::Hit(value) => drop(self.found.insert(key, value)),
                Start::Refresh(value, running) => self.lead(key, asked.hash, running, Some(value)),
                Start::Lead(running) => self.lead(key, asked.hash, running, None),
                Start::Join(running) => self.joined.push(Joined { key, asked, running }),
                Start::Refused(refusal, fence) => {
                    match self.inner.refused(&key, &mut asked, &refusal, fence, true) {
                        Some(got) => self.got(key, got),
                        None => self.wanted.push((key, asked)),
                    }
                }
            }
        }
        !self.keys.is_empty()
    }

    fn lead(&mut self, key: K, hash: u64, running: Arc<Load<V>>, present: Option<V>) {
        let leader = Leader::new(self.inner, hash, running, present.is_some());
        self.leads.push(Lead { hash, leader, present });
        self.keys.push(key);
    }

    /// Ends what this batch has loaded.
    fn finish(&mut self, made: Result<Vec<(K, V)>, E>) {
        let keys = std::mem::take(&mut self.keys);
        let leads = std::mem::take(&mut self.leads);
        let answers = match made {
            Ok(answers) => answers,
            Err(error) => {
                let error = Arc::new(error);
                for (key, lead) in keys.into_iter().zip(leads) {
                    let got = lead.leader.fail(&key, Arc::clone(&error)).or(lead.present);
                    self.got(key, got);
                }
                return;
            }
        };
        let mut places = HashTable::with_capacity(leads.len());
        for (place, lead) in leads.iter().enumerate() {
            places.insert_unique(lead.hash, place, |place: &usize| leads[*place].hash);
        }
        let mut open: Vec<_> = keys.into_iter().zip(leads).map(Some).collect();
        for (key, value) in answers {
            let is_it = |place: &usize| open[*place].as_ref().is_some_and(|(own, _)| *own == key);
            // What nobody asked for has no claim, and may be older than an invalidation.
            let Some(place) = places.find((self.hash)(&key), is_it).copied() else { continue };
            if let Some((own, lead)) = open[place].take() {
                self.got(key, lead.leader.finish(own, Made::Value(value, Terms::new())));
            }
        }
        for (key, lead) in open.into_iter().flatten() {
            let got = lead.leader.finish(key.clone(), Made::Absent);
            self.got(key, got);
        }
    }

    fn got(&mut self, key: K, got: Got<V, E>) {
        match got {
            Got::Value(value) => drop(self.found.insert(key, value)),
            Got::Absent => {}
            Got::Failed(error) => drop(self.error.get_or_insert(error)),
        }
    }

    /// Takes in what a wait for the last of `joined` has come to.
    fn waited(&mut self, waited: Waited<V>) {
        match waited {
            Waited::Ended(outcome) => {
                if let Some(joined) = self.joined.pop() {
                    self.ended(joined, &outcome);
                }
            }
            // The time is that of the batch: it is up for all that it waits for.
            Waited::Soft => {
                for mut joined in std::mem::take(&mut self.joined) {
                    match self.inner.instead(&mut joined.asked, &joined.key, false) {
                        Some(value) => drop(self.found.insert(joined.key, value)),
                        None => self.joined.push(joined),
                    }
                }
            }
            Waited::Late => {
                for Joined { key, mut asked, running } in std::mem::take(&mut self.joined) {
                    match self.inner.instead(&mut asked, &key, true) {
                        Some(value) => drop(self.found.insert(key, value)),
                        None => {
                            asked.late = Some(running);
                            self.wanted.push((key, asked));
                        }
                    }
                }
            }
        }
    }

    fn ended(&mut self, joined: Joined<K, V>, outcome: &Outcome<V>) {
        let Joined { key, asked, running } = joined;
        match self.inner.answer(&key, &asked, &running, outcome, true) {
            Some(got) => self.got(key, got),
            None => self.wanted.push((key, asked)),
        }
    }

    fn result(self) -> Found<K, V, E> {
        self.error.map_or(Ok(self.found), Err)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    pub(super) fn ask_many<E, I>(
        &self,
        hash: impl Fn(&K) -> u64,
        keys: impl IntoIterator<Item = K>,
        mut load: impl FnMut(&[K]) -> Result<I, E>,
    ) -> Found<K, V, E>
    where
        I: IntoIterator<Item = (K, V)>,
        E: Send + Sync + 'static,
    {
        let mut batch = Batch::new(self, hash, keys);
        while !batch.wanted.is_empty() {
            if batch.begin() {
                let made = batch.leader.run(|| load(&batch.keys).map(collect));
                batch.finish(made);
            }
            let mut patience = Patience::new();
            while let Some(joined) = batch.joined.last() {
                let waited = patience.wait(&joined.running, &self.loading, &self.clock);
                batch.waited(waited);
            }
        }
        batch.result()
    }

    pub(super) async fn ask_many_async<E, I, F>(
        &self,
        hash: impl Fn(&K) -> u64,
        keys: impl IntoIterator<Item = K>,
        mut load: impl FnMut(Vec<K>) -> F,
    ) -> Found<K, V, E>
    where
        F: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, V)>,
        E: Send + Sync + 'static,
    {
        let mut batch = Batch::new(self, hash, keys);
        while !batch.wanted.is_empty() {
            if batch.begin() {
                let leader = batch.leader;
                let load = pin!(leader.run(|| load(batch.keys.clone())));
                let made = leader.scope(load).await;
                batch.finish(leader.run(|| made.map(collect)));
            }
            let mut timers = Timers::new();
            while let Some(joined) = batch.joined.last() {
                let running = Arc::clone(&joined.running);
                let waited = timers.wait(&running, &self.loading).await;
                batch.waited(waited);
            }
        }
        batch.result()
    }
}

fn collect<T>(made: impl IntoIterator<Item = T>) -> Vec<T> {
    made.into_iter().collect()
}
