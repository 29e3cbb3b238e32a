//! Measures windows and asks a policy at the end of each.

use super::{Adaptive, AdaptiveState, LimitPolicy, Window};
use crate::Ended;
use perf_core::{Histogram, Instant};
use std::time::Duration;

/// What an operation that has ended says about the other side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sample {
    /// How long it took.
    Time,
    /// That it took too long.
    Drop,
    Nothing,
}

impl Sample {
    pub(crate) const fn of(ended: &Ended) -> Sample {
        match ended {
            Ended::Completed => Sample::Time,
            Ended::TimedOut(_) => Sample::Drop,
            Ended::Failed(_) | Ended::Cancelled => Sample::Nothing,
        }
    }
}

/// A limit, and what decides about it.
#[derive(Debug)]
pub(crate) struct Limiter {
    settings: Adaptive,
    policy: Box<dyn LimitPolicy>,
    limit: usize,
    changes: u64,
    last: Option<Window>,
    began: Option<Instant>,
    most: usize,
    drops: u64,
    /// In nanoseconds.
    times: Histogram,
}

impl Limiter {
    pub(crate) fn new(settings: Adaptive) -> Limiter {
        Limiter {
            settings,
            policy: settings.policy(),
            limit: settings.first(),
            changes: 0,
            last: None,
            began: None,
            most: 0,
            drops: 0,
            times: Histogram::new(),
        }
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) const fn settings(&self) -> Adaptive {
        self.settings
    }

    pub(crate) fn state(&self) -> AdaptiveState {
        AdaptiveState {
            limit: self.limit,
            reason: self.policy.reason(),
            changes: self.changes,
            window: self.last,
        }
    }

    /// Sets it anew: it goes on with what it knows if only its bounds are others.
    pub(crate) fn configure(&mut self, settings: Adaptive) {
        if self.settings.differs_in_bounds_only(settings) {
            let starts_anew = settings.start.is_some() && settings.start != self.settings.start;
            self.settings = settings;
            self.set_limit(if starts_anew { settings.first() } else { self.limit });
        } else {
            *self = Limiter::new(settings);
        }
    }

    /// Somebody sets the limit by hand; the policy goes on from there.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        let limit = limit.clamp(self.settings.min, self.settings.max);
        self.changes += u64::from(limit != self.limit);
        self.limit = limit;
    }

    /// Notes that one of so many that ran has ended. Answers whether the limit has changed.
    #[inline]
    pub(crate) fn ended(
        &mut self,
        sample: Sample,
        ran: Duration,
        running: usize,
        now: Instant,
    ) -> bool {
        let began = *self.began.get_or_insert(now);
        self.most = self.most.max(running);
        match sample {
            Sample::Time => self.times.record_duration(ran),
            Sample::Drop => self.drops += 1,
            Sample::Nothing => {}
        }
        now - began >= self.settings.window && self.has_enough() && self.close(now - began, now)
    }

    fn has_enough(&self) -> bool {
        let turns = TURNS * self.most.min(self.limit) as u64;
        self.times.count() + self.drops >= turns.max(LEAST_SAMPLES)
    }

    fn close(&mut self, length: Duration, now: Instant) -> bool {
        let window = self.window(length);
        self.last = Some(window);
        self.began = Some(now);
        (self.most, self.drops) = (0, 0);
        self.times = Histogram::new();
        let before = self.limit;
        let limit = self.policy.on_window(&window);
        self.set_limit(limit);
        self.limit != before
    }

    fn window(&self, length: Duration) -> Window {
        let quantile = |q| Duration::from_nanos(self.times.quantile(q).unwrap_or(0));
        Window {
            length,
            limit: self.limit,
            samples: self.times.count(),
            drops: self.drops,
            max_running: self.most,
            mean: Duration::from_nanos(self.times.mean().unwrap_or(0.0) as u64),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
        }
    }
}

/// So many operations end in a window at least.
const LEAST_SAMPLES: u64 = 50;
/// And so many for each that runs at once: the last ones then started under the limit that holds.
const TURNS: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reason;

    const MILLI: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_window_needs_its_time_and_its_samples() {
        let mut limiter = Limiter::new(Adaptive::aimd().start(10));
        let mut closed = Vec::new();
        for millis in (0..3_000).step_by(10) {
            if limiter.ended(Sample::Time, MILLI, 10, at(millis)) {
                closed.push(millis);
            }
        }
        // 50 samples come in half a second, so that the second is what counts.
        assert_eq!(closed, [1_000, 2_000]);
        let window = limiter.state().window.unwrap();
        assert_eq!((window.limit, window.samples, window.max_running), (11, 100, 10));
        assert!(window.mean.abs_diff(MILLI) < MILLI / 10, "{window:?}");
        assert!(limiter.ended(Sample::Time, MILLI, 10, at(3_000)));
        assert!(!limiter.ended(Sample::Time, MILLI, 10, at(60_000)), "one sample is no window");
    }

    #[test]
    fn what_was_cancelled_says_nothing_and_what_timed_out_lowers() {
        let mut limiter = Limiter::new(Adaptive::aimd().start(10));
        for millis in 0..5_000 {
            assert!(!limiter.ended(Sample::Nothing, MILLI, 10, at(millis)));
        }
        for millis in 5_000..5_050 {
            limiter.ended(Sample::Drop, MILLI, 10, at(millis));
        }
        let state = limiter.state();
        assert_eq!((state.limit, state.reason, state.changes), (9, Reason::Drops, 1));
    }

    #[test]
    fn bounds_hold_and_move_without_forgetting() {
        let mut limiter = Limiter::new(Adaptive::aimd().min(8).max(12));
        assert_eq!(limiter.limit(), 12);
        limiter.configure(Adaptive::aimd().min(2).max(5));
        assert_eq!((limiter.limit(), limiter.state().changes), (5, 1));
        limiter.configure(Adaptive::vegas());
        assert_eq!((limiter.limit(), limiter.state().changes), (20, 0));
    }
}
