//! How a load can fail.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why [`Cache::fetch`](crate::Cache::fetch) gave no value.
#[non_exhaustive]
pub enum LoadError<E> {
    /// What the loader answered, shared by all who waited for it.
    Failed(Arc<E>),
    /// The load was not there in time. It goes on, and its value is kept when it comes.
    TimedOut,
    /// The loader panicked, or was dropped before its end.
    Abandoned,
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> LoadError<E> {
        match self {
            LoadError::Failed(error) => LoadError::Failed(Arc::clone(error)),
            LoadError::TimedOut => LoadError::TimedOut,
            LoadError::Abandoned => LoadError::Abandoned,
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            LoadError::TimedOut => f.write_str("TimedOut"),
            LoadError::Abandoned => f.write_str("Abandoned"),
        }
    }
}

impl<E> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LoadError::Failed(_) => "the loader failed",
            LoadError::TimedOut => "the load was not there in time",
            LoadError::Abandoned => "the loader did not come to its end",
        })
    }
}

impl<E: Error + 'static> Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LoadError::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

/// A loader that answered an error, as told to
/// [`CacheBuilder::on_load_failure`](crate::CacheBuilder::on_load_failure).
#[derive(Debug)]
pub struct LoadFailure<'a, K> {
    key: &'a K,
    error: &'a (dyn Any + Send + Sync),
}

impl<'a, K> LoadFailure<'a, K> {
    pub(crate) fn new(key: &'a K, error: &'a (dyn Any + Send + Sync)) -> LoadFailure<'a, K> {
        LoadFailure { key, error }
    }

    /// What was to be loaded.
    #[must_use]
    pub const fn key(&self) -> &'a K {
        self.key
    }

    /// The error, if it is of this type.
    #[must_use]
    pub fn error<E: 'static>(&self) -> Option<&'a E> {
        self.error.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_and_keeps_its_source() {
        let error = LoadError::Failed(Arc::new(fmt::Error));
        assert_eq!(error.to_string(), "the loader failed");
        assert_eq!(error.source().unwrap().to_string(), fmt::Error.to_string());
        let late = LoadError::<fmt::Error>::TimedOut;
        assert_eq!(late.clone().to_string(), "the load was not there in time");
        assert!(late.source().is_none());
    }
}
