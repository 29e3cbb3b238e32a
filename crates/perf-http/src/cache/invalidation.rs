//! Forgetting what is stored, and what to tell of it.

use super::key::{self, ResponseKey};
use super::outer::OuterTiers;
use super::told::Invalidation;
use super::{ResponseCache, Shared};
use crate::body::BoxError;
use http::Uri;
use perf_cache::Cache;
use perf_core::Glob;
use std::error::Error;
use std::fmt;

/// Memory has forgotten and a tier beyond it could not be told: this process does not answer what was
/// ended, but the next one may, and so may others with which it shares the tier. What is missing is
/// tried again while the process lives and when the tiers are closed; `parked` in their statistics
/// counts it. To be sure, repeat the invalidation once the tier is well.
#[derive(Debug)]
pub struct InvalidateError {
    forgotten: u64,
    cause: BoxError,
}

impl InvalidateError {
    /// How many entries of memory were forgotten, as the call would have answered.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl fmt::Display for InvalidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a tier beyond memory could not be told, so what was ended may be answered by others that \
             share it, or after a restart: repeat it when the tier is well",
        )
    }
}

impl Error for InvalidateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// What came of forgetting: in memory, and why a tier beyond it could not be told.
#[derive(Debug)]
pub(crate) struct Forgotten<T> {
    pub(crate) in_memory: T,
    pub(crate) untold: Option<BoxError>,
}

impl Shared {
    /// Forgets one URL and counts that; whether memory had it. Waits for the tiers
    /// beyond it, if there are some.
    pub(crate) fn invalidate(&self, key: &ResponseKey) -> Result<bool, InvalidateError> {
        let forgotten = self.store.invalidate(key);
        let there = forgotten.in_memory;
        self.count(u64::from(there), forgotten.untold).map(|_| there)
    }

    fn count(&self, forgotten: u64, untold: Option<BoxError>) -> Result<u64, InvalidateError> {
        self.meters.invalidated.add(forgotten);
        match untold {
            None => Ok(forgotten),
            Some(cause) => {
                self.meters.not_durable.increment();
                Err(InvalidateError { forgotten, cause })
            }
        }
    }
}

impl ResponseCache {
    /// Forgets what is stored for one URL, which must name its host as clients do; whether memory
    /// had anything. Answers that are on their way are not stored either.
    ///
    /// With tiers beyond memory, this and the other invalidations wait for them: when they return
    /// `Ok`, no crash of the process brings back what they ended.
    ///
    /// # Errors
    ///
    /// [`InvalidateError`]: a tier could not be told. Never without tiers beyond memory.
    #[doc(alias = "purge")]
    pub fn invalidate(&self, url: &Uri) -> Result<bool, InvalidateError> {
        let host = url.authority().map_or("", |authority| authority.as_str());
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        self.invalidate_by_call(&key::of_parts(host, path))
    }

    /// As [`invalidate`](ResponseCache::invalidate), for a key as [`ResponseKey`] has it.
    ///
    /// # Errors
    ///
    /// As [`invalidate`](ResponseCache::invalidate).
    pub fn invalidate_key(&self, key: &str) -> Result<bool, InvalidateError> {
        self.invalidate_by_call(&ResponseKey::new(key))
    }

    fn invalidate_by_call(&self, key: &ResponseKey) -> Result<bool, InvalidateError> {
        let there = self.shared.invalidate(key);
        self.shared.told.tell(Invalidation::Key(key.as_str()));
        there
    }

    /// Forgets every answer whose key matches, such as `example.org/static/*`; at most so many
    /// entries of memory are dead now. O(1): what is dead is passed over, and swept later. Answers
    /// that are on their way are not stored either.
    ///
    /// # Errors
    ///
    /// As [`invalidate`](ResponseCache::invalidate).
    pub fn invalidate_matching(&self, keys: &Glob) -> Result<u64, InvalidateError> {
        let gone = self.shared.store.invalidate_by(
            |memory| memory.invalidate_by_glob(keys),
            |outer| outer.forget_matching(keys),
        );
        self.shared.told.tell(Invalidation::Matching(keys));
        self.shared.count(gone.in_memory.at_most, gone.untold)
    }

    /// Forgets every answer that the origin filed under this tag, in `Surrogate-Key` or `Cache-Tag`;
    /// as [`invalidate_matching`](ResponseCache::invalidate_matching).
    ///
    /// # Errors
    ///
    /// As [`invalidate`](ResponseCache::invalidate).
    #[doc(alias = "purge_tag")]
    pub fn invalidate_tag(&self, tag: &str) -> Result<u64, InvalidateError> {
        let gone = self
            .shared
            .store
            .invalidate_by(|memory| memory.invalidate_tag(tag), |outer| outer.forget_tag(tag));
        self.shared.told.tell(Invalidation::Tag(tag));
        self.shared.count(gone.in_memory.at_most, gone.untold)
    }

    /// Forgets everything. Answers that are on their way are not stored either.
    ///
    /// # Errors
    ///
    /// As [`invalidate`](ResponseCache::invalidate).
    pub fn clear(&self) -> Result<(), InvalidateError> {
        let gone = self.shared.store.invalidate_by(Cache::clear, OuterTiers::clear);
        self.shared.told.tell(Invalidation::All);
        self.shared.count(0, gone.untold).map(|_| ())
    }
}
