//! What one entry may ask for beyond what its cache gives to all.

use std::sync::Arc;
use std::time::Duration;

/// What one entry may ask for: its own time to live and to idle, tags, dependencies.
///
/// What is not said here is as the cache says. Making terms allocates nothing until something rarer
/// than a time to live or to idle is asked for.
///
/// ```
/// use perf_cache::Terms;
/// use std::time::Duration;
///
/// let terms = Terms::new()
///     .time_to_live(Duration::from_secs(60))
///     .tags(["user:7", "front-page"])
///     .depends_on(["settings"]);
/// assert_eq!(terms.lives_for(), Some(Duration::from_secs(60)));
/// assert_eq!(terms.tag_list()[1].as_ref(), "front-page");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) time_to_idle: Option<Duration>,
    /// Boxed: terms travel with every insertion, and most ask for nothing.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
    tags: Vec<Arc<str>>,
    depends_on: Vec<Arc<str>>,
    refresh_after: Option<Duration>,
    stale_if_error: Option<Duration>,
    compressed: bool,
    /// For how long it has not been read when it comes in.
    idled: Duration,
}

impl Terms {
    /// As the cache says.
    #[must_use]
    pub const fn new() -> Terms {
        Terms { time_to_live: None, time_to_idle: None, rare: None }
    }

    /// How long the entry lives, exactly: no jitter. [`Duration::MAX`] is for ever; zero puts
    /// nothing in and removes what the key had before.
    #[doc(alias = "ttl")]
    #[must_use]
    pub fn time_to_live(mut self, ttl: Duration) -> Terms {
        self.time_to_live = Some(ttl);
        self
    }

    /// How long the entry lives after it was last read. [`Duration::MAX`] is for ever; zero puts
    /// nothing in and removes what the key had before.
    ///
    /// Reads are noted with the coarse clock, so an entry may idle up to two of its ticks less than
    /// this, never more. Such an entry takes an allocation of its own.
    #[doc(alias = "tti")]
    #[must_use]
    pub fn time_to_idle(mut self, idle: Duration) -> Terms {
        self.time_to_idle = Some(idle);
        self
    }

    /// The entry never expires, whatever the cache says. It may still be evicted.
    #[must_use]
    pub fn never(self) -> Terms {
        self.time_to_live(Duration::MAX).time_to_idle(Duration::MAX)
    }

    /// Labels by which the entry can be invalidated together with others; added to those that were
    /// given before.
    #[must_use]
    pub fn tags<T: Into<Arc<str>>>(mut self, tags: impl IntoIterator<Item = T>) -> Terms {
        self.rare_mut().tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// What the entry was made from, by name: it goes when one of these is invalidated. Added to
    /// those that were given before.
    #[doc(alias = "dependencies")]
    #[must_use]
    pub fn depends_on<T: Into<Arc<str>>>(mut self, names: impl IntoIterator<Item = T>) -> Terms {
        self.rare_mut().depends_on.extend(names.into_iter().map(Into::into));
        self
    }

    /// From when on a read with a loader loads the value anew while the entry still answers.
    #[must_use]
    pub fn refresh_after(mut self, after: Duration) -> Terms {
        self.rare_mut().refresh_after = Some(after);
        self
    }

    /// How long after its time to live the value may still be answered if a loader fails.
    #[must_use]
    pub fn stale_if_error(mut self, for_another: Duration) -> Terms {
        self.rare_mut().stale_if_error = Some(for_another);
        self
    }

    /// Whether the value is kept compressed; the cache only tells it again in `entry_info`.
    #[must_use]
    pub fn compressed(mut self, compressed: bool) -> Terms {
        if compressed || self.rare.is_some() {
            self.rare_mut().compressed = compressed;
        }
        self
    }

    /// The same terms after so much time: what is left of the times to live and to idle. `None` if
    /// one of them is over.
    ///
    /// For entries that were [saved](crate::Cache::snapshot) for a while.
    #[must_use]
    pub fn aged(mut self, by: Duration) -> Option<Terms> {
        let left = |ttl: Option<Duration>| match ttl {
            None | Some(Duration::MAX) => Some(ttl),
            Some(ttl) => ttl.checked_sub(by).filter(|left| !left.is_zero()).map(Some),
        };
        self.time_to_live = left(self.time_to_live)?;
        if self.time_to_idle.is_some_and(|idle| idle != Duration::MAX) {
            self = self.idled(by);
            if self.time_to_idle.is_some_and(|idle| idle <= self.idled_for()) {
                return None;
            }
        }
        if let Some(refresh) = self.refreshes_after() {
            self = self.refresh_after(refresh.saturating_sub(by));
        }
        Some(self)
    }

    /// Adds to the time for which it has not been read.
    pub(crate) fn idled(mut self, by: Duration) -> Terms {
        if !by.is_zero() {
            let idled = &mut self.rare_mut().idled;
            *idled = idled.saturating_add(by);
        }
        self
    }

    /// For how long the entry has not been read when it comes in: what is more than nothing comes
    /// from [`aged`](Terms::aged) or a [snapshot](crate::Cache::snapshot).
    #[must_use]
    pub fn idled_for(&self) -> Duration {
        self.rare.as_ref().map_or(Duration::ZERO, |rare| rare.idled)
    }

    /// The time to live that was given, if one was.
    #[must_use]
    pub const fn lives_for(&self) -> Option<Duration> {
        self.time_to_live
    }

    /// The time to idle that was given, if one was.
    #[must_use]
    pub const fn idles_for(&self) -> Option<Duration> {
        self.time_to_idle
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The tags that were given, in that order.
    #[must_use]
    pub fn tag_list(&self) -> &[Arc<str>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.tags)
    }

    /// The names of what the entry was made from, in the order in which they were given.
    #[must_use]
    pub fn dependency_list(&self) -> &[Arc<str>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.depends_on)
    }

    /// From when on the value is loaded anew, if that was said.
    #[must_use]
    pub fn refreshes_after(&self) -> Option<Duration> {
        self.rare.as_ref().and_then(|rare| rare.refresh_after)
    }

    /// How long the value may be answered after its time to live, if that was said.
    #[must_use]
    pub fn stays_if_error(&self) -> Option<Duration> {
        self.rare.as_ref().and_then(|rare| rare.stale_if_error)
    }

    /// Whether the value was said to be kept compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.compressed)
    }

    /// Whether it asks for nothing at all.
    #[cfg(test)]
    pub(crate) fn is_default(&self) -> bool {
        self.time_to_live.is_none() && self.time_to_idle.is_none() && self.rare.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_nothing_allocates_nothing() {
        assert!(Terms::new().is_default());
        assert!(Terms::new().compressed(false).is_default());
        assert!(size_of::<Terms>() <= 40);
    }

    #[test]
    fn lists_grow_with_each_call() {
        let terms = Terms::new().tags(["a"]).tags([String::from("b")]).depends_on(["c"]);
        let names = |list: &[Arc<str>]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        assert_eq!(names(terms.tag_list()), ["a", "b"]);
        assert_eq!(names(terms.dependency_list()), ["c"]);
        assert!(!terms.is_default());
    }

    #[test]
    fn terms_age_until_one_of_their_times_is_over() {
        let s = Duration::from_secs;
        let terms = Terms::new().time_to_live(s(10)).time_to_idle(s(5)).refresh_after(s(3));
        let aged = terms.clone().aged(s(4)).unwrap();
        assert_eq!((aged.time_to_live, aged.refreshes_after()), (Some(s(6)), Some(s(0))));
        assert_eq!((aged.time_to_idle, aged.idled_for()), (Some(s(5)), s(4)));
        assert_eq!((aged.aged(s(1)), terms.aged(s(10))), (None, None));
        assert_eq!(Terms::new().time_to_live(s(2)).aged(s(2)), None);
        let never = Terms::new().never();
        assert_eq!(never.clone().aged(s(1_000)), Some(never.idled(s(0))));
    }

    #[test]
    fn the_rest_is_kept() {
        let terms = Terms::new().refresh_after(Duration::from_secs(1)).compressed(true);
        assert_eq!(terms.refreshes_after(), Some(Duration::from_secs(1)));
        assert_eq!((terms.stays_if_error(), terms.is_compressed()), (None, true));
        assert_eq!((terms.lives_for(), terms.idles_for()), (None, None));
        let terms = terms.time_to_live(Duration::ZERO).time_to_idle(Duration::MAX);
        assert_eq!(terms.lives_for(), Some(Duration::ZERO));
        assert_eq!((terms.idles_for(), terms.idled_for()), (Some(Duration::MAX), Duration::ZERO));
        let never = Terms::new().never();
        assert_eq!(never.time_to_live, Some(Duration::MAX));
        assert_eq!(never.time_to_idle, Some(Duration::MAX));
    }
}
