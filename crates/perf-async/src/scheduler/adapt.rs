//! Limits that find themselves: one for all operations, and one for each kind that wants it.

use super::{KindId, Scheduler};
use crate::adaptive::{Limiter, Sample};
use crate::{Adaptive, AdaptiveState, ConfigError};
use perf_core::Instant;
use std::time::Duration;

impl<P> Scheduler<P> {
    /// Lets the number of operations that run at once find itself, or keeps it where it is. Goes on
    /// with what it has learned if only the bounds are others than before. Call
    /// [`next`](Scheduler::next) to fill the room that may have been made.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds; nothing has changed then.
    pub fn set_adaptive(&mut self, adaptive: Option<Adaptive>) -> Result<(), ConfigError> {
        adaptive.map_or(Ok(()), Adaptive::check)?;
        adapt(&mut self.limiter, adaptive);
        if let Some(limiter) = &self.limiter {
            self.max_concurrent = limiter.limit();
        }
        Ok(())
    }

    /// Where the limit of all operations stands, if it finds itself.
    #[must_use]
    pub fn adaptive(&self) -> Option<AdaptiveState> {
        self.limiter.as_deref().map(Limiter::state)
    }

    /// How it is set.
    #[must_use]
    pub fn adaptive_settings(&self) -> Option<Adaptive> {
        self.limiter.as_deref().map(Limiter::settings)
    }

    /// The same of a kind.
    #[must_use]
    pub fn kind_adaptive(&self, kind: KindId) -> Option<AdaptiveState> {
        self.kinds[kind].limiter.as_deref().map(Limiter::state)
    }

    /// Notes that an operation of that kind has ended which held a place, before it gives it back.
    #[inline]
    pub(super) fn sampled(&mut self, id: KindId, sample: Sample, ran: Duration, now: Instant) {
        let (places, kind) = (self.places, &mut self.kinds[id]);
        let mut changed = match &mut kind.limiter {
            Some(limiter) => limiter.ended(sample, ran, kind.places, now),
            None => false,
        };
        if let Some(limiter) = &mut self.limiter
            && limiter.ended(sample, ran, places, now)
        {
            self.max_concurrent = limiter.limit();
            changed = true;
        }
        if changed {
            // More than one may start now: the driver looks at once.
            self.alarm = self.alarm.min(now);
        }
    }
}

/// Sets a limiter that may or may not be there.
pub(super) fn adapt(limiter: &mut Option<Box<Limiter>>, settings: Option<Adaptive>) {
    match (limiter.as_mut(), settings) {
        (Some(limiter), Some(settings)) => limiter.configure(settings),
        (None, Some(settings)) => *limiter = Some(Box::new(Limiter::new(settings))),
        (_, None) => *limiter = None,
    }
}
