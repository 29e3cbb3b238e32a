//! The body of a function as a loader.

use crate::loading::glanced::Glanced;
use crate::{Cache, Terms};
use equivalent::Equivalent;
use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::pin::pin;
use std::sync::Arc;

/// Everybody who waits for a load gets its error.
#[derive(Debug)]
pub struct SharedErrors;

impl SharedErrors {
    /// What is in `Ok` is kept.
    ///
    /// # Errors
    ///
    /// What `load` answered, or that of the caller who was first.
    pub fn get<K, V, S, E>(
        self,
        cache: &Cache<K, V, S>,
        glanced: Glanced<V>,
        key: K,
        load: impl FnOnce() -> (Result<V, E>, Terms),
    ) -> Result<V, E>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        S: BuildHasher,
        E: Clone + Send + Sync + 'static,
    {
        let load = || with_terms(load());
        cache.go_on(glanced, key, load).map_err(Arc::unwrap_or_clone)
    }

    /// The same for a future.
    ///
    /// # Errors
    ///
    /// As [`get`](SharedErrors::get).
    pub async fn get_async<K, V, S, E>(
        self,
        cache: &Cache<K, V, S>,
        glanced: Glanced<V>,
        key: K,
        load: impl Future<Output = (Result<V, E>, Terms)>,
    ) -> Result<V, E>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        S: BuildHasher,
        E: Clone + Send + Sync + 'static,
    {
        let load = async { with_terms(load.await) };
        cache.go_on_async(glanced, key, load).await.map_err(Arc::unwrap_or_clone)
    }
}

/// The error goes to the one whose load failed; who has waited for it loads then, too.
#[derive(Debug)]
pub struct OwnErrors;

/// What others learn of an error that is not theirs.
struct Failed;

/// What has become of a caller's own load.
enum Turn<L, E> {
    Waits(L),
    Ran,
    Failed(E),
}

impl OwnErrors {
    /// What is in `Ok` is kept.
    ///
    /// # Errors
    ///
    /// What `load` answered.
    pub fn get<K, V, S, E>(
        self,
        cache: &Cache<K, V, S>,
        glanced: Glanced<V>,
        key: K,
        load: impl FnOnce() -> (Result<V, E>, Terms),
    ) -> Result<V, E>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        S: BuildHasher + Clone,
    {
        let mut turn = Turn::Waits(load);
        let lead = || match std::mem::replace(&mut turn, Turn::Ran) {
            Turn::Waits(load) => with_terms(load()).map_err(|error| {
                turn = Turn::Failed(error);
                Failed
            }),
            // It is asked once.
            Turn::Ran | Turn::Failed(_) => Err(Failed),
        };
        let answer = cache.go_on(glanced, key.clone(), lead);
        match (answer, turn) {
            (Ok(value), _) => Ok(value),
            (Err(_), Turn::Failed(error)) => Err(error),
            (Err(_), Turn::Waits(load)) => {
                let token = cache.reserve(key);
                let (value, terms) = with_terms(load())?;
                // Where it is outdated the caller still gets it, as from any load.
                let _ = token.fill_with(value.clone(), terms);
                Ok(value)
            }
            (Err(_), Turn::Ran) => unreachable!("a load that failed has left its error"),
        }
    }

    /// The same for a future.
    ///
    /// # Errors
    ///
    /// What `load` answered.
    pub async fn get_async<K, V, S, E>(
        self,
        cache: &Cache<K, V, S>,
        glanced: Glanced<V>,
        key: K,
        load: impl Future<Output = (Result<V, E>, Terms)>,
    ) -> Result<V, E>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        S: BuildHasher + Clone,
    {
        let mut error = None;
        let mut load = pin!(load);
        let lead = async {
            with_terms(load.as_mut().await).map_err(|own| {
                error = Some(own);
                Failed
            })
        };
        match (cache.go_on_async(glanced, key.clone(), lead).await, error) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(error)) => Err(error),
            // It has left no error, so it has not run.
            (Err(_), None) => {
                let token = cache.reserve(key);
                let (value, terms) = with_terms(load.await)?;
                let _ = token.fill_with(value.clone(), terms);
                Ok(value)
            }
        }
    }
}

pub(super) fn with_terms<V, E>((answer, terms): (Result<V, E>, Terms)) -> Result<(V, Terms), E> {
    answer.map(|value| (value, terms))
}

/// Finds the cache, which may be behind a pointer.
pub const fn cache<K, V, S>(cache: &Cache<K, V, S>) -> &Cache<K, V, S> {
    cache
}

/// Looks for the value, before a key is made that can be kept.
///
/// # Errors
///
/// What to go on with where there is none.
#[inline]
pub fn glance<K, V, S, Q>(cache: &Cache<K, V, S>, key: &Q) -> Result<V, Glanced<V>>
where
    K: Hash + Eq + Clone,
    V: Clone,
    S: BuildHasher,
    Q: Hash + Equivalent<K> + ?Sized,
{
    cache.glance(key)
}

/// The answer is kept as it is.
pub fn value<K, V, S>(
    cache: &Cache<K, V, S>,
    glanced: Glanced<V>,
    key: K,
    load: impl FnOnce() -> (V, Terms),
) -> V
where
    K: Hash + Eq + Clone,
    V: Clone,
    S: BuildHasher,
{
    match cache.go_on(glanced, key, || Ok::<_, Infallible>(load())) {
        Ok(value) => value,
        Err(never) => match *never {},
    }
}

/// The same for a future.
pub async fn value_async<K, V, S>(
    cache: &Cache<K, V, S>,
    glanced: Glanced<V>,
    key: K,
    load: impl Future<Output = (V, Terms)>,
) -> V
where
    K: Hash + Eq + Clone,
    V: Clone,
    S: BuildHasher,
{
    match cache.go_on_async(glanced, key, async { Ok::<_, Infallible>(load.await) }).await {
        Ok(value) => value,
        Err(never) => match *never {},
    }
}

/// What is in `Some` is kept.
pub fn option<K, V, S>(
    cache: &Cache<K, V, S>,
    glanced: Glanced<V>,
    key: K,
    load: impl FnOnce() -> (Option<V>, Terms),
) -> Option<V>
where
    K: Hash + Eq + Clone,
    V: Clone,
    S: BuildHasher,
{
    cache.go_on_optionally(glanced, key, || {
        let (answer, terms) = load();
        answer.map(|value| (value, terms))
    })
}

/// The same for a future.
pub async fn option_async<K, V, S>(
    cache: &Cache<K, V, S>,
    glanced: Glanced<V>,
    key: K,
    load: impl Future<Output = (Option<V>, Terms)>,
) -> Option<V>
where
    K: Hash + Eq + Clone,
    V: Clone,
    S: BuildHasher,
{
    let load = async {
        let (answer, terms) = load.await;
        answer.map(|value| (value, terms))
    };
    cache.go_on_optionally_async(glanced, key, load).await
}

/// Calls a function that may use up what it holds.
pub fn once<R>(load: impl FnOnce() -> R) -> R {
    load()
}
