//! Bodies that a spawner runs.

use crate::{Cache, LoadError, Terms};
use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// The answer is kept as it is.
///
/// # Panics
///
/// If the body did, in which case it has said why.
pub fn fetch<K, V, S>(
    cache: &Cache<K, V, S>,
    key: K,
    load: impl FnOnce() -> (V, Terms) + Send + 'static,
) -> V
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    match cache.fetch(key, || Ok::<_, Infallible>(load())) {
        Ok(value) => value,
        Err(error) => unfinished(&error),
    }
}

/// The same for a future.
///
/// # Panics
///
/// As [`fetch`].
pub async fn fetch_async<K, V, S>(
    cache: &Cache<K, V, S>,
    key: K,
    load: impl Future<Output = (V, Terms)> + Send + 'static,
) -> V
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    match cache.fetch_async(key, async { Ok::<_, Infallible>(load.await) }).await {
        Ok(value) => value,
        Err(error) => unfinished(&error),
    }
}

/// What is in `Ok` is kept.
///
/// # Errors
///
/// What `load` answered, or that of the caller who was first.
///
/// # Panics
///
/// As [`fetch`].
pub fn fetch_result<K, V, S, E>(
    cache: &Cache<K, V, S>,
    key: K,
    load: impl FnOnce() -> (Result<V, E>, Terms) + Send + 'static,
) -> Result<V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
    E: Clone + Send + Sync + 'static,
{
    cache.fetch(key, || super::loads::with_terms(load())).map_err(failed)
}

/// The same for a future.
///
/// # Errors
///
/// As [`fetch_result`].
///
/// # Panics
///
/// As [`fetch`].
pub async fn fetch_result_async<K, V, S, E>(
    cache: &Cache<K, V, S>,
    key: K,
    load: impl Future<Output = (Result<V, E>, Terms)> + Send + 'static,
) -> Result<V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
    E: Clone + Send + Sync + 'static,
{
    cache.fetch_async(key, async { super::loads::with_terms(load.await) }).await.map_err(failed)
}

fn failed<E: Clone>(error: LoadError<E>) -> E {
    match error {
        LoadError::Failed(error) => Arc::unwrap_or_clone(error),
        error => unfinished(&error),
    }
}

/// There is no time-out, so the body has panicked or the spawner has dropped it.
fn unfinished<E>(error: &LoadError<E>) -> ! {
    panic!("a cached function has no answer: {error}")
}
