//! What a cache does about values that are old, late, or not to be had.

use super::error::LoadFailure;
use super::spawn::Spawn;
use crate::{CacheBuilder, ConfigError, Terms};
use perf_core::Ratio;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Hook<K> = Box<dyn Fn(LoadFailure<'_, K>) + Send + Sync>;

pub(crate) struct LoadOptions<K> {
    refresh_after: Option<RefreshAfter>,
    stale_if_error: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Option<Duration>,
    pub(crate) negative_ttl: Duration,
    pub(crate) spawner: Option<Arc<dyn Spawn>>,
    max_background: u64,
    /// Loads that a spawner has been given and that have not ended.
    background: AtomicU64,
    on_failure: Option<Hook<K>>,
}

/// From when on a value is loaded anew while it still answers: see
/// [`CacheBuilder::refresh_after`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RefreshAfter {
    /// So long after it came in.
    Age(Duration),
    /// After this share of the time that an entry has, as its terms, a rule or the cache say and
    /// with jitter. Values that live for ever are not refreshed.
    Share(Ratio),
}

impl From<Duration> for RefreshAfter {
    fn from(age: Duration) -> RefreshAfter {
        RefreshAfter::Age(age)
    }
}

impl From<Ratio> for RefreshAfter {
    fn from(share: Ratio) -> RefreshAfter {
        RefreshAfter::Share(share)
    }
}

impl<K> LoadOptions<K> {
    pub(crate) const fn new() -> LoadOptions<K> {
        LoadOptions {
            refresh_after: None,
            stale_if_error: Duration::ZERO,
            soft_timeout: None,
            hard_timeout: None,
            negative_ttl: Duration::ZERO,
            spawner: None,
            max_background: MAX_BACKGROUND,
            background: AtomicU64::new(0),
            on_failure: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self.refresh_after {
            Some(RefreshAfter::Age(age)) if age.is_zero() => {
                let remedy = "use a longer time, or leave it out to refresh nothing";
                return Err(ConfigError::new("refresh_after", "0", remedy));
            }
            Some(RefreshAfter::Share(share)) if share == Ratio::ZERO || share == Ratio::ONE => {
                let remedy = "use a share of the time to live between 0 and 1, such as 0.8";
                return Err(ConfigError::new("refresh_after", share.as_f64(), remedy));
            }
            _ => {}
        }
        if let (Some(soft), Some(hard)) = (self.soft_timeout, self.hard_timeout)
            && soft >= hard
        {
            let remedy = "use less than `hard_timeout`, or leave one of them out";
            return Err(ConfigError::new("soft_timeout", format_args!("{soft:?}"), remedy));
        }
        Ok(())
    }

    #[cfg(feature = "tiered")]
    pub(crate) const fn refreshes_after(&self) -> Option<RefreshAfter> {
        self.refresh_after
    }

    /// Whether every value that comes in has something to take from here.
    pub(crate) const fn shapes_terms(&self) -> bool {
        self.refresh_after.is_some() || !self.stale_if_error.is_zero()
    }

    /// The share of its time to live after which a value is loaded anew, if that is how it was
    /// said: how long an entry lives is known when it comes in.
    pub(crate) fn refresh_share(&self) -> Option<f64> {
        match self.refresh_after {
            Some(RefreshAfter::Share(share)) => Some(share.as_f64()),
            _ => None,
        }
    }

    /// Adds what the terms of an entry leave to the cache.
    pub(crate) fn complete(&self, mut terms: Terms) -> Terms {
        if terms.refreshes_after().is_none()
            && let Some(RefreshAfter::Age(age)) = self.refresh_after
        {
            terms = terms.refresh_after(age);
        }
        if terms.stays_if_error().is_none() && !self.stale_if_error.is_zero() {
            terms = terms.stale_if_error(self.stale_if_error);
        }
        terms
    }

    /// How long after a refresh that failed the next one may begin.
    pub(crate) const fn between_refreshes(&self) -> Duration {
        if self.negative_ttl.is_zero() { BETWEEN_REFRESHES } else { self.negative_ttl }
    }

    /// Room for one more load in the background, if there is a spawner.
    pub(crate) fn try_begin_background(&self) -> Option<&Arc<dyn Spawn>> {
        let spawner = self.spawner.as_ref()?;
        let more = |running| (running < self.max_background).then_some(running + 1);
        // Relaxed: it counts, and guards no other memory.
        let begun = self.background.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        begun.is_ok().then_some(spawner)
    }

    pub(crate) fn end_background(&self) {
        self.background.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tells the hook. Runs code of the caller: not under a lock.
    pub(crate) fn tell(&self, key: &K, error: &(dyn Any + Send + Sync)) {
        if let Some(hook) = &self.on_failure {
            hook(LoadFailure::new(key, error));
        }
    }
}

impl<K> fmt::Debug for LoadOptions<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("refresh_after", &self.refresh_after)
            .field("stale_if_error", &self.stale_if_error)
            .field("soft_timeout", &self.soft_timeout)
            .field("hard_timeout", &self.hard_timeout)
            .field("negative_ttl", &self.negative_ttl)
            .field("spawner", &self.spawner.is_some())
            .field("max_background", &self.max_background)
            .finish_non_exhaustive()
    }
}

/// Loaders: what to do about values that are old, late, or not to be had. See the section on
/// loaders of the [crate page](crate#loaders).
impl<K, V> CacheBuilder<K, V> {
    /// From when on a value is loaded anew while it still answers: a [`Duration`] after it came in,
    /// or a [`Ratio`] of its time to live.
    ///
    /// The first caller with a loader who meets it then begins the refresh, once; all others get
    /// the present value meanwhile. [`fetch`](crate::Cache::fetch) leaves the refresh to the
    /// [`spawner`](CacheBuilder::spawner) and gets the present value as well. All other calls, and
    /// `fetch` without a spawner, run the loader themselves: their callers wait for it.
    ///
    /// If a refresh fails, the present value stays, and the next refresh begins no sooner than
    /// after [`negative_ttl`](CacheBuilder::negative_ttl), one second if that is not set.
    #[doc(alias = "refresh_ahead")]
    #[doc(alias = "stale_while_revalidate")]
    pub fn refresh_after(mut self, after: impl Into<RefreshAfter>) -> Self {
        self.loading.refresh_after = Some(after.into());
        self
    }

    /// For how long after its time to live a value is kept for the case that loading it anew
    /// fails: then the old value is answered. Zero, the default: not at all.
    ///
    /// To [`get`](crate::Cache::get) such a value is a miss. It still takes room.
    #[doc(alias = "fail_safe")]
    #[doc(alias = "grace")]
    pub fn stale_if_error(mut self, for_another: Duration) -> Self {
        self.loading.stale_if_error = for_another;
        self
    }

    /// After how long a caller who waits for a load gets the old value instead, if there is one by
    /// [`stale_if_error`](CacheBuilder::stale_if_error). The load goes on.
    ///
    /// Whoever runs a loader itself cannot be called away from it: only those who wait for another
    /// caller's load, or for one that [`fetch`](crate::Cache::fetch) gave to the
    /// [`spawner`](CacheBuilder::spawner). Asynchronous callers need a spawner with timers.
    pub fn soft_timeout(mut self, after: Duration) -> Self {
        self.loading.soft_timeout = Some(after);
        self
    }

    /// After how long a caller no longer waits for a load at all; for whom it holds is as in
    /// [`soft_timeout`](CacheBuilder::soft_timeout). An old value is answered if there is one.
    ///
    /// If not, [`fetch`](crate::Cache::fetch) answers
    /// [`LoadError::TimedOut`](crate::LoadError::TimedOut), and the load goes on: a loader that
    /// never ends holds its key until the key is removed or inserted, or another call takes over.
    /// The calls that know no such error do that: they run their own loader, whose value is kept
    /// instead of that of the load that was late. So this is also the guard against loaders that
    /// wait for each other in a ring.
    pub fn hard_timeout(mut self, after: Duration) -> Self {
        self.loading.hard_timeout = Some(after);
        self
    }

    /// For how long the error of a loader, or its answer that there is no value, is remembered and
    /// answered instead of asking the loader again. Zero, the default: not at all.
    ///
    /// Forgotten when the key is inserted or removed, and with a namespace or a pattern that covers
    /// it; a failure has no tags, so invalidating those leaves it. Each shard remembers no more than
    /// 256, the latest ones.
    #[doc(alias = "negative_cache")]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.loading.negative_ttl = ttl;
        self
    }

    /// Where [`fetch`](crate::Cache::fetch) has its loaders run, so that it need not wait for
    /// them. None if not set.
    pub fn spawner(mut self, spawner: impl Spawn + 'static) -> Self {
        self.loading.spawner = Some(Arc::new(spawner));
        self
    }

    /// How many loads the spawner may have at a time. Beyond that callers load themselves, and
    /// refreshes wait for another reader. 256 if not set.
    pub fn max_background_loads(mut self, loads: u64) -> Self {
        self.loading.max_background = loads;
        self
    }

    /// Called whenever a loader answered an error, also where the caller got an old value instead
    /// and never sees it; for logs. On the thread of the load, outside of any lock, when all who
    /// wait know already. A panic in it goes to the one who ran the loader.
    pub fn on_load_failure(
        mut self,
        hook: impl Fn(LoadFailure<'_, K>) + Send + Sync + 'static,
    ) -> Self {
        self.loading.on_failure = Some(Box::new(hook));
        self
    }
}

const MAX_BACKGROUND: u64 = 256;
const BETWEEN_REFRESHES: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn options(set: impl FnOnce(&mut LoadOptions<u8>)) -> LoadOptions<u8> {
        let mut options = LoadOptions::new();
        set(&mut options);
        options
    }

    #[test]
    fn terms_take_from_the_cache_what_they_do_not_say() {
        let options = options(|o| {
            o.refresh_after = Some((5 * SECOND).into());
            o.stale_if_error = 3 * SECOND;
        });
        let plain = options.complete(Terms::new());
        assert_eq!(plain.refreshes_after(), Some(5 * SECOND));
        assert_eq!(plain.stays_if_error(), Some(3 * SECOND));
        let own = Terms::new().refresh_after(SECOND).stale_if_error(Duration::ZERO);
        let own = options.complete(own);
        assert_eq!(own.refreshes_after(), Some(SECOND));
        assert_eq!(own.stays_if_error(), Some(Duration::ZERO));
    }

    #[test]
    fn nothing_set_leaves_terms_alone() {
        let options = LoadOptions::<u8>::new();
        assert!(!options.shapes_terms());
        assert!(options.complete(Terms::new()).is_default());
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let wrong: [(&str, LoadOptions<u8>); 4] = [
            (
                "soft_timeout",
                options(|o| {
                    o.soft_timeout = Some(SECOND);
                    o.hard_timeout = Some(SECOND);
                }),
            ),
            ("refresh_after", options(|o| o.refresh_after = Some(Duration::ZERO.into()))),
            ("refresh_after", options(|o| o.refresh_after = Some(Ratio::ZERO.into()))),
            ("refresh_after", options(|o| o.refresh_after = Some(Ratio::ONE.into()))),
        ];
        for (setting, options) in wrong {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(setting), "{error}");
        }
        let fine = options(|o| {
            o.soft_timeout = Some(SECOND);
            o.hard_timeout = Some(2 * SECOND);
            o.refresh_after = Some(SECOND.into());
        });
        assert!(fine.check().is_ok());
    }

    #[test]
    fn the_background_has_room_for_so_many() {
        let options = options(|o| {
            o.spawner = Some(Arc::new(super::super::spawn::Threads));
            o.max_background = 2;
        });
        assert!(options.try_begin_background().is_some());
        assert!(options.try_begin_background().is_some());
        assert!(options.try_begin_background().is_none());
        options.end_background();
        assert!(options.try_begin_background().is_some());
        assert!(LoadOptions::<u8>::new().try_begin_background().is_none());
    }
}
