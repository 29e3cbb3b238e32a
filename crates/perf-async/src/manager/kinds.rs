//! Kinds of operations: their settings and their figures.

use super::Manager;
use crate::sync::lock;
use crate::{ConfigError, KindSettings, MAX_KINDS, OperationMetrics, Throttle};
use std::borrow::Cow;
use std::time::Duration;

impl Manager {
    /// Changes how operations of that kind are run, from now on, for those that wait too (but for
    /// their time-outs). More start at once if there is room; those that run go on. See
    /// [`KindSettings`].
    ///
    /// Where two callers change the same kind at the same moment, the later one's settings hold,
    /// also those that it did not mean to change.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds, or there are 256 kinds already; nothing
    /// has changed then.
    pub fn configure(
        &self,
        kind: impl Into<Cow<'static, str>>,
        change: impl FnOnce(KindSettings) -> KindSettings,
    ) -> Result<(), ConfigError> {
        let name = kind.into();
        let settings = change(self.kind_settings(&name).unwrap_or_default());
        self.set_kind(name, settings)?;
        self.shared.dispatch();
        Ok(())
    }

    pub(super) fn set_kind(
        &self,
        name: Cow<'static, str>,
        settings: KindSettings,
    ) -> Result<(), ConfigError> {
        settings.check()?;
        let now = self.shared.clock.now();
        let mut core = lock(&self.shared.core);
        if !core.has_room_for_kind(&name) {
            drop(core);
            let remedy = format!("use at most {MAX_KINDS} kinds");
            return Err(ConfigError::new("kind", name, remedy));
        }
        let kind = core.kind_named(&name, || name.clone());
        let kept = settings.clone();
        let before = core.configure(kind, settings, now);
        // Before what the settings were or would have been, whose destructors may be the user's.
        drop(core);
        drop(kept);
        before.map(drop)
    }

    /// How operations of that kind are run; `None` if there has been no such kind.
    #[must_use]
    pub fn kind_settings(&self, kind: &str) -> Option<KindSettings> {
        let core = lock(&self.shared.core);
        core.find_kind(kind).map(|kind| core.kind_settings(kind).clone())
    }

    /// The names of all kinds that have been set or used, in the order in which they came.
    ///
    /// At most 256 are told apart, so that nobody can fill the memory with them. Operations of later
    /// kinds go under the kind `other`, and are counted in
    /// [`AsyncStats::unnamed`](crate::AsyncStats::unnamed).
    #[must_use]
    pub fn kinds(&self) -> Vec<Cow<'static, str>> {
        let core = lock(&self.shared.core);
        core.kinds().map(|kind| core.kind_name(kind).clone()).collect()
    }

    /// What has happened to operations of that kind since the statistics were last reset, and how
    /// things stand; `None` if there has been no such kind.
    #[must_use]
    #[doc(alias = "operation_metrics")]
    pub fn metrics(&self, kind: &str) -> Option<OperationMetrics> {
        let now = self.shared.clock.now();
        let core = lock(&self.shared.core);
        core.find_kind(kind).map(|kind| core.metrics(kind, now))
    }

    /// The same of all kinds, in the order in which they came.
    #[must_use]
    pub fn metrics_by_kind(&self) -> Vec<OperationMetrics> {
        let now = self.shared.clock.now();
        let kinds: Vec<_> = lock(&self.shared.core).kinds().collect();
        // A lock for each, so that none is held for long.
        kinds.into_iter().map(|kind| lock(&self.shared.core).metrics(kind, now)).collect()
    }

    /// Lets operations of that kind start no closer together than this; with zero as close as there
    /// is room. For rates with a burst see [`configure`](Manager::configure).
    ///
    /// # Errors
    ///
    /// As [`configure`](Manager::configure).
    #[doc(alias = "set_operation_throttle_ms")]
    pub fn set_operation_throttle(
        &self,
        kind: impl Into<Cow<'static, str>>,
        spacing: Duration,
    ) -> Result<(), ConfigError> {
        let throttle = (!spacing.is_zero()).then(|| Throttle::spacing(spacing));
        self.configure(kind, |settings| settings.throttle(throttle))
    }

    /// The time between two starts of that kind when they come as fast as they may; zero if
    /// nothing holds them back.
    #[must_use]
    #[doc(alias = "operation_throttle_ms")]
    pub fn operation_throttle(&self, kind: &str) -> Duration {
        let throttle = self.kind_settings(kind).and_then(|settings| settings.throttle);
        throttle.map_or(Duration::ZERO, |throttle| throttle.interval())
    }

    /// Sets how long an operation of that kind may run that does not say. Holds for those submitted
    /// from now on.
    ///
    /// # Errors
    ///
    /// As [`configure`](Manager::configure).
    pub fn set_operation_timeout(
        &self,
        kind: impl Into<Cow<'static, str>>,
        limit: Duration,
    ) -> Result<(), ConfigError> {
        self.configure(kind, |settings| settings.timeout(limit))
    }

    /// How long an operation of that kind may run that does not say.
    #[must_use]
    pub fn operation_timeout(&self, kind: &str) -> Duration {
        let of_kind = self.kind_settings(kind).and_then(|settings| settings.timeout);
        of_kind.unwrap_or_else(|| self.timeout())
    }
}
