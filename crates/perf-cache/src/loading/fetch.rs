//! One value, made where the caller need not wait for it.

use super::error::LoadError;
use super::flight::Load;
use super::leader::{Got, Leader};
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

/// Where a loader is to run.
enum Place<K, V> {
    /// By the one who asks.
    Here,
    Background(Background<K, V>),
    /// Not now.
    Nowhere,
}

impl<K, V> Background<K, V> {
    /// Those who need a value load it themselves where there is no place; who has one goes on.
    fn find(inner: &Arc<Inner<K, V>>, has_value: bool) -> Place<K, V> {
        match inner.loading.try_begin_background() {
            Some(spawner) => {
                let spawner = Arc::clone(spawner);
                Place::Background(Background { inner: Arc::clone(inner), spawner })
            }
            None if has_value && inner.loading.spawner.is_some() => Place::Nowhere,
            None => Place::Here,
        }
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
        let inner = &self.inner;
        let hash = self.hash(&key);
        let mut asked = match inner.glance(hash, &key) {
            Glance::Hit(value) => return Ok(value),
            glance => Asked::new(hash, glance),
        };
        let mut patience = Patience::new();
        loop {
            let (running, present) = match inner.step(&key, &mut asked) {
                Step::Done(done) => return done,
                Step::Lead(running, present) => (running, present),
                Step::Join(running) => {
                    match inner.await_fetched(&key, &asked, &running, &mut patience) {
                        Some(done) => return done,
                        None => continue,
                    }
                }
            };
            let leader = running.leader();
            let lead =
                Leader::new(Arc::clone(inner), asked.hash, Arc::clone(&running), present.is_some());
            let place = match Background::find(inner, present.is_some()) {
                Place::Here => {
                    drop(running);
                    return lead.finish(key, leader.run(load).into()).or(present).into_result();
                }
                Place::Nowhere => {
                    lead.withdraw();
                    match present {
                        Some(value) => return Ok(value),
                        None => continue,
                    }
                }
                Place::Background(place) => place,
            };
            let own = key.clone();
            let spawner = Arc::clone(&place.spawner);
            spawner.spawn(Work::Blocking(Box::new(move || {
                let _place = place;
                lead.finish(own, leader.run(load).into());
            })));
            return match present {
                Some(value) => Ok(value),
                None => inner
                    .await_fetched(&key, &asked, &running, &mut patience)
                    .unwrap_or(Err(LoadError::Abandoned)),
            };
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
        let inner = &self.inner;
        let hash = self.hash(&key);
        let mut asked = match inner.glance(hash, &key) {
            Glance::Hit(value) => return Ok(value),
            glance => Asked::new(hash, glance),
        };
        let mut timers = Timers::new();
        loop {
            let (running, present) = match inner.step(&key, &mut asked) {
                Step::Done(done) => return done,
                Step::Lead(running, present) => (running, present),
                Step::Join(running) => {
                    match inner.join_fetched(&key, &asked, &running, &mut timers).await {
                        Some(done) => return done,
                        None => continue,
                    }
                }
            };
            let leader = running.leader();
            let lead =
                Leader::new(Arc::clone(inner), asked.hash, Arc::clone(&running), present.is_some());
            let place = match Background::find(inner, present.is_some()) {
                Place::Here => {
                    drop(running);
                    let load = pin!(load);
                    let made = leader.scope(load).await.into();
                    return lead.finish(key, made).or(present).into_result();
                }
                Place::Nowhere => {
                    lead.withdraw();
                    match present {
                        Some(value) => return Ok(value),
                        None => continue,
                    }
                }
                Place::Background(place) => place,
            };
            let own = key.clone();
            let spawner = Arc::clone(&place.spawner);
            let load = leader.scope(Box::pin(load));
            spawner.spawn(Work::Future(Box::pin(async move {
                let _place = place;
                lead.finish(own, load.await.into());
            })));
            drop(spawner);
            return match present {
                Some(value) => Ok(value),
                None => inner
                    .join_fetched(&key, &asked, &running, &mut timers)
                    .await
                    .unwrap_or(Err(LoadError::Abandoned)),
            };
        }
    }
}

/// What a call comes to before anything is loaded.
enum Step<V, E> {
    Done(Result<V, LoadError<E>>),
    Join(Arc<Load<V>>),
    /// With the value that is there, if it is only getting old.
    Lead(Arc<Load<V>>, Option<V>),
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    fn step<E: Send + Sync + 'static>(&self, key: &K, asked: &mut Asked<V>) -> Step<V, E> {
        loop {
            match self.start(key, asked) {
                Start::Hit(value) => return Step::Done(Ok(value)),
                Start::Refresh(value, running) => return Step::Lead(running, Some(value)),
                Start::Lead(running) => return Step::Lead(running, None),
                Start::Join(running) => return Step::Join(running),
                Start::Refused(refusal, fence) => {
                    if let Some(got) = self.refused(key, asked, &refusal, fence, false) {
                        return Step::Done(got.into_result());
                    }
                }
            }
        }
    }

    /// Waits on this thread; `None`: the load came to nothing that is of use to the caller.
    fn await_fetched<E: Send + Sync + 'static>(
        &self,
        key: &K,
        asked: &Asked<V>,
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
        asked: &Asked<V>,
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
        asked: &Asked<V>,
        running: &Load<V>,
        waited: Waited<V>,
    ) -> Option<Option<Result<V, LoadError<E>>>> {
        match waited {
            Waited::Ended(outcome) => {
                let got = self.answer(key, asked, running, &outcome, false);
                Some(got.map(Got::into_result))
            }
            Waited::Soft => self.instead(asked.hash, key).map(|value| Some(Ok(value))),
            Waited::Late => Some(Some(self.instead(asked.hash, key).ok_or(LoadError::TimedOut))),
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
