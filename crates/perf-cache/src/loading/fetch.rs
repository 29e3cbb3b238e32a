//! One value, made where the caller need not wait for it.

use super::error::LoadError;
use super::flight::Load;
use super::leader::{Got, Leader};
use super::scope::LeaderId;
use super::spawn::{Spawn, Work};
use super::start::{Asked, Glance, Start};
use super::wait::{Patience, Timers, Waited};
use crate::inner::Inner;
use crate::{Cache, Terms};
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::pin::pin;
use std::sync::Arc;

/// One of the places that a cache has for loads in the background.
struct Background<K, V> {
    inner: Arc<Inner<K, V>>,
    spawner: Arc<dyn Spawn>,
}

impl<K, V> Background<K, V> {
    fn find(inner: &Arc<Inner<K, V>>) -> Option<Background<K, V>> {
        let spawner = Arc::clone(inner.loading.try_begin_background()?);
        Some(Background { inner: Arc::clone(inner), spawner })
    }
}

impl<K, V> Drop for Background<K, V> {
    fn drop(&mut self) {
        self.inner.loading.end_background();
    }
}

/// The whole of what a cache can do about loads: in the background, with limits on waiting.
impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    /// The value, made by `load` where there is none, on the cache's
    /// [`spawner`](crate::CacheBuilder::spawner) if it has one. `load` says as well what the entry
    /// asks for; [`Terms::new`] is nothing.
    ///
    /// Shares its loads with [`get_with`](Cache::get_with) and all the other calls that load. In
    /// the background a load outlives its caller: the caller may get an old value or an error when
    /// a time-out comes, and a refresh keeps nobody waiting. Without a spawner, or when it has
    /// [as many loads as it may have](crate::CacheBuilder::max_background_loads), `load` runs on
    /// this thread, which no time-out can interrupt.
    ///
    /// ```
    /// use perf_cache::{Cache, LoadError, Terms, Threads};
    /// use std::time::Duration;
    ///
    /// let rates: Cache<&str, f64> = Cache::builder()
    ///     .max_entries(1_000)
    ///     .spawner(Threads)
    ///     .hard_timeout(Duration::from_secs(2))
    ///     .build()?;
    /// let rate = rates.fetch("EUR", || {
    ///     // Ask the service, which says for how long its answer holds.
    ///     Ok::<_, std::io::Error>((1.08, Terms::new().time_to_live(Duration::from_secs(30))))
    /// });
    /// match rate {
    ///     Ok(rate) => assert_eq!(rate, 1.08),
    ///     Err(LoadError::TimedOut) => println!("the service is slow"),
    ///     Err(error) => println!("no rate: {error}"),
    /// }
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError`]: what `load` answered, or the load of the caller who was first; that it was
    /// not there in time; that it panicked in the background.
    ///
    /// # Panics
    ///
    /// Where `load` runs on this thread and panics, where the spawner panics, and where `load` asks
    /// for the key that it loads.
    pub fn fetch<E>(
        &self,
        key: K,
        load: impl FnOnce() -> Result<(V, Terms), E> + Send + 'static,
    ) -> Result<V, LoadError<E>>
    where
        E: Send + Sync + 'static,
    {
        match self.inner.glance_fetched(self.hash(&key), &key) {
            Ok(value) => Ok(value),
            Err(asked) => self.fetch_further(key, asked, load),
        }
    }

    /// The same for one who has looked already.
    pub(crate) fn fetch_further<E>(
        &self,
        key: K,
        mut asked: Asked<V>,
        load: impl FnOnce() -> Result<(V, Terms), E> + Send + 'static,
    ) -> Result<V, LoadError<E>>
    where
        E: Send + Sync + 'static,
    {
        let inner = &self.inner;
        let mut patience = Patience::new();
        let lead = loop {
            match inner.step(&key, &mut asked) {
                Step::Done(done) => return done,
                Step::Lead(lead) => break lead,
                Step::Join(running) => {
                    let waited = inner.await_fetched(&key, &mut asked, &running, &mut patience);
                    if let Some(done) = waited {
                        return done;
                    }
                }
            }
        };
        let Lead { id, leader, present, place } = lead;
        match place {
            Place::Here => leader.finish(key, id.run(load).into()).or(present).into_result(),
            Place::Background(place, running) => {
                let (own, spawner) = (key.clone(), Arc::clone(&place.spawner));
                spawner.spawn(Work::Blocking(Box::new(move || {
                    let _place = place;
                    leader.finish(own, id.run(load).into());
                })));
                if let Some(value) = present {
                    return Ok(value);
                }
                let waited = inner.await_fetched(&key, &mut asked, &running, &mut patience);
                waited.unwrap_or(Err(LoadError::Abandoned))
            }
        }
    }

    /// Like [`fetch`](Cache::fetch), for a future; a spawner drives it apart from this one, so
    /// that the load goes on if the caller is cancelled.
    ///
    /// Without a spawner, or when it has as many loads as it may have, `load` runs as part of the
    /// returned future. Time-outs need a spawner with timers.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Cache::fetch).
    ///
    /// # Panics
    ///
    /// As [`fetch`](Cache::fetch), when polled.
    pub async fn fetch_async<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<(V, Terms), E>> + Send + 'static,
    ) -> Result<V, LoadError<E>>
    where
        E: Send + Sync + 'static,
    {
        match self.inner.glance_fetched(self.hash(&key), &key) {
            Ok(value) => Ok(value),
            Err(asked) => self.fetch_further_async(key, asked, load).await,
        }
    }

    /// The same for one who has looked already.
    pub(crate) async fn fetch_further_async<E>(
        &self,
        key: K,
        mut asked: Asked<V>,
        load: impl Future<Output = Result<(V, Terms), E>> + Send + 'static,
    ) -> Result<V, LoadError<E>>
    where
        E: Send + Sync + 'static,
    {
        let inner = &self.inner;
        let mut timers = Timers::new();
        let lead = loop {
            match inner.step(&key, &mut asked) {
                Step::Done(done) => return done,
                Step::Lead(lead) => break lead,
                Step::Join(running) => {
                    let waited = inner.join_fetched(&key, &mut asked, &running, &mut timers).await;
                    if let Some(done) = waited {
                        return done;
                    }
                }
            }
        };
        let Lead { id, leader, present, place } = lead;
        match place {
            Place::Here => {
                let made = id.scope(pin!(load)).await.into();
                leader.finish(key, made).or(present).into_result()
            }
            Place::Background(place, running) => {
                let (own, spawner) = (key.clone(), Arc::clone(&place.spawner));
                let load = id.scope(Box::pin(load));
                spawner.spawn(Work::Future(Box::pin(async move {
                    let _place = place;
                    leader.finish(own, load.await.into());
                })));
                drop(spawner);
                if let Some(value) = present {
                    return Ok(value);
                }
                let waited = inner.join_fetched(&key, &mut asked, &running, &mut timers).await;
                waited.unwrap_or(Err(LoadError::Abandoned))
            }
        }
    }
}

/// What a call comes to before anything is loaded: all of it but running the loader and waiting,
/// which threads and tasks do each in their own way.
enum Step<K, V, E> {
    Done(Result<V, LoadError<E>>),
    Join(Arc<Load<V>>),
    Lead(Lead<K, V>),
}

/// A loader that is to be run.
struct Lead<K, V> {
    id: LeaderId,
    leader: Leader<Arc<Inner<K, V>>, K, V>,
    /// The value that is there, if it is only getting old.
    present: Option<V>,
    place: Place<K, V>,
}

/// Where a loader is to run.
enum Place<K, V> {
    /// By the one who asks.
    Here,
    /// There, while the one who asks may wait for it.
    Background(Background<K, V>, Arc<Load<V>>),
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    pub(crate) fn glance_fetched(&self, hash: u64, key: &K) -> Result<V, Asked<V>> {
        match self.glance(hash, key) {
            Glance::Hit(value) => Ok(value),
            glance => Err(Asked::new(hash, glance)),
        }
    }

    fn step<E: Send + Sync + 'static>(
        self: &Arc<Self>,
        key: &K,
        asked: &mut Asked<V>,
    ) -> Step<K, V, E> {
        loop {
            let (present, running) = match self.start(key, asked) {
                Start::Hit(value) => return Step::Done(Ok(value)),
                Start::Refresh(value, running) => (Some(value), running),
                Start::Lead(running) => (None, running),
                Start::Join(running) => return Step::Join(running),
                Start::Refused(refusal, fence) => {
                    match self.refused(key, asked, &refusal, fence, false) {
                        Some(got) => return Step::Done(got.into_result()),
                        None => continue,
                    }
                }
            };
            let id = running.leader();
            let load = Arc::clone(&running);
            let leader = Leader::new(Arc::clone(self), asked.hash, load, present.is_some());
            let (place, present) = match (Background::find(self), present) {
                (Some(place), present) => (Place::Background(place, running), present),
                // Who has a value goes on with it; those who need one load it themselves.
                (None, Some(value)) if self.loading.spawner.is_some() => {
                    leader.withdraw();
                    return Step::Done(Ok(value));
                }
                (None, present) => (Place::Here, present),
            };
            return Step::Lead(Lead { id, leader, present, place });
        }
    }

    /// Waits on this thread; `None`: the load came to nothing that is of use to the caller.
    fn await_fetched<E: Send + Sync + 'static>(
        &self,
        key: &K,
        asked: &mut Asked<V>,
        running: &Load<V>,
        patience: &mut Patience,
    ) -> Option<Result<V, LoadError<E>>> {
        loop {
            let waited = patience.wait(running, &self.loading, &self.clock);
            if let Some(done) = self.fetched(key, asked, running, waited) {
                return done;
            }
        }
    }

    /// Waits as a future.
    async fn join_fetched<E: Send + Sync + 'static>(
        &self,
        key: &K,
        asked: &mut Asked<V>,
        running: &Load<V>,
        timers: &mut Timers,
    ) -> Option<Result<V, LoadError<E>>> {
        loop {
            let waited = timers.wait(running, &self.loading).await;
            if let Some(done) = self.fetched(key, asked, running, waited) {
                return done;
            }
        }
    }

    /// `None`: to be waited for still. `Some(None)`: it came to nothing.
    fn fetched<E: Send + Sync + 'static>(
        &self,
        key: &K,
        asked: &mut Asked<V>,
        running: &Load<V>,
        waited: Waited<V>,
    ) -> Option<Option<Result<V, LoadError<E>>>> {
        match waited {
            Waited::Ended(outcome) => {
                let got = self.answer(key, asked, running, &outcome, false);
                Some(got.map(Got::into_result))
            }
            Waited::Soft => self.instead(asked, key, false).map(|value| Some(Ok(value))),
            Waited::Late => Some(Some(self.instead(asked, key, true).ok_or(LoadError::TimedOut))),
        }
    }
}

impl<V, E> Got<V, E> {
    fn into_result(self) -> Result<V, LoadError<E>> {
        match self {
            Got::Value(value) => Ok(value),
            Got::Failed(error) => Err(LoadError::Failed(error)),
            // No loader of `fetch` answers so, and answers of others are not taken.
            Got::Absent => Err(LoadError::Abandoned),
        }
    }
}
