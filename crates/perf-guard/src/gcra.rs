//! A rate limit with a burst, in one number.

use crate::require::require;
use perf_core::ConfigError;
use perf_core::Instant;
use std::fmt;
use std::time::Duration;

/// A rate with a burst on top: the generic cell rate algorithm.
///
/// In any span of time `t` at most `burst + rate × t` calls pass, and calls that keep to the rate
/// always pass. So in the first second after a rest *more* than one second's rate may pass: that is
/// what the burst is. The arithmetic is exact; nothing drifts.
///
/// ```
/// use perf_core::Instant;
/// use perf_guard::Gcra;
/// use std::time::Duration;
///
/// let mut limit = Gcra::builder().rate(10, Duration::from_secs(1)).burst(2).build()?;
/// let now = Instant::from_nanos(0);
/// assert!(limit.check(now).is_ok());
/// assert!(limit.check(now).is_ok());
/// let refused = limit.check(now).unwrap_err();
/// assert_eq!(refused.retry_after(), Duration::from_millis(100));
/// assert!(limit.check(now + refused.retry_after()).is_ok());
/// # Ok::<(), perf_guard::ConfigError>(())
/// ```
///
/// Source: ITU-T Recommendation I.371 and the ATM Forum's Traffic Management 4.0 (the virtual
/// scheduling form of the GCRA).
#[derive(Clone, Debug)]
pub struct Gcra {
    /// Ticks in a nanosecond. A tick is the part of a nanosecond that makes one call cost a whole
    /// number of them, so that a rate such as three per second needs no rounding.
    ticks_per_nano: u64,
    /// Ticks that one call costs.
    cost: u128,
    /// How far ahead of the time the schedule may run, in ticks.
    tolerance: u128,
    /// When the next call is due if calls come at exactly the rate, in ticks.
    due: u128,
}

impl Gcra {
    /// A limit of 100 calls per second without a burst, until set otherwise.
    #[must_use]
    pub const fn builder() -> GcraBuilder {
        GcraBuilder { calls: 100, per: Duration::from_secs(1), burst: 1 }
    }

    /// Lets one call through, or says when to try again.
    ///
    /// # Errors
    ///
    /// [`RateLimited`] if this call would exceed the rate and the burst. It then costs nothing.
    pub fn check(&mut self, now: Instant) -> Result<(), RateLimited> {
        let retry_after = self.wait(now);
        if !retry_after.is_zero() {
            return Err(RateLimited { retry_after });
        }
        self.due = self.due.max(self.ticks(now)) + self.cost;
        Ok(())
    }

    /// How long until a call passes, zero if one passes at that moment. Takes nothing.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        let now = self.ticks(now);
        let allowed_at = self.due.saturating_sub(self.tolerance);
        if now >= allowed_at {
            return Duration::ZERO;
        }
        let wait = (allowed_at - now).div_ceil(u128::from(self.ticks_per_nano));
        Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// How many calls would pass at once at that moment.
    #[must_use]
    pub fn available(&self, now: Instant) -> u64 {
        let ahead = self.due.saturating_sub(self.ticks(now));
        let room = (self.tolerance + self.cost).saturating_sub(ahead) / self.cost;
        u64::try_from(room).unwrap_or(u64::MAX)
    }

    fn ticks(&self, now: Instant) -> u128 {
        u128::from(now.as_nanos()) * u128::from(self.ticks_per_nano)
    }
}

/// Builds a [`Gcra`].
#[derive(Clone, Copy, Debug)]
pub struct GcraBuilder {
    calls: u64,
    per: Duration,
    burst: u64,
}

impl GcraBuilder {
    /// That many calls in that time. The default is 100 per second.
    #[must_use]
    pub const fn rate(mut self, calls: u64, per: Duration) -> GcraBuilder {
        self.calls = calls;
        self.per = per;
        self
    }

    /// How many calls may pass at once after a rest. The default is 1: calls are spaced evenly.
    #[must_use]
    pub const fn burst(mut self, calls: u64) -> GcraBuilder {
        self.burst = calls;
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if the rate has no calls or no time, or the burst is zero.
    pub fn build(self) -> Result<Gcra, ConfigError> {
        let per = u64::try_from(self.per.as_nanos()).unwrap_or(0);
        let calls_ok = (1..=u64::from(u32::MAX)).contains(&self.calls);
        require(calls_ok, "rate", self.calls, "1 to 4294967295 calls")?;
        require(per > 0, "rate", self.per, "a time from 1 ns to 584 years")?;
        let burst_ok = (1..=u64::from(u32::MAX)).contains(&self.burst);
        require(burst_ok, "burst", self.burst, "1 to 4294967295 calls")?;
        let cost = u128::from(per);
        Ok(Gcra {
            ticks_per_nano: self.calls,
            cost,
            tolerance: cost * u128::from(self.burst - 1),
            due: 0,
        })
    }
}

/// A call that would exceed the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    retry_after: Duration,
}

impl RateLimited {
    /// The time after which a call passes, if no other call takes its place.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rate limit reached: try again in {:?}", self.retry_after)
    }
}

impl std::error::Error for RateLimited {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let mut limit = Gcra::builder().rate(3, Duration::from_secs(1)).burst(2).build().unwrap();
        let mut now = Instant::from_nanos(0);
        for _ in 0..3_000 {
            while let Err(refused) = limit.check(now) {
                now = now + refused.retry_after();
            }
        }
        // Two calls are free, the other 2,998 take a third of a second each.
        assert_eq!(now.as_nanos(), (2_998 * 1_000_000_000_u64).div_ceil(3));
    }

    #[test]
    fn a_rest_restores_the_burst_and_no_more() {
        let mut limit = Gcra::builder().rate(1, Duration::from_secs(1)).burst(3).build().unwrap();
        let later = Instant::from_nanos(0) + Duration::from_secs(1_000);
        assert_eq!(limit.available(later), 3);
        for _ in 0..3 {
            limit.check(later).unwrap();
        }
        assert_eq!(limit.available(later), 0);
        assert_eq!(limit.wait(later), Duration::from_secs(1));
        assert_eq!(limit.check(later).unwrap_err().retry_after(), limit.wait(later));
        assert_eq!(limit.wait(later + Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let no_calls = Gcra::builder().rate(0, Duration::from_secs(1)).build().unwrap_err();
        assert_eq!(no_calls.to_string(), "`rate` cannot be 0: use 1 to 4294967295 calls");
        assert_eq!(Gcra::builder().rate(1, Duration::ZERO).build().unwrap_err().setting(), "rate");
        assert_eq!(Gcra::builder().burst(0).build().unwrap_err().setting(), "burst");
    }
}
