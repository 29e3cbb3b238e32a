//! How long to wait before the next attempt.

use crate::require::require;
use perf_core::ConfigError;
use std::time::Duration;

/// Exponential back-off with full jitter.
///
/// The wait before retry `n` (counted from zero) is uniform between zero and
/// `min(cap, base × 2ⁿ)`. Full jitter spreads callers that failed together best.
///
/// ```
/// use perf_guard::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::builder().base(Duration::from_millis(50)).retries(2).build()?;
/// assert_eq!(backoff.delay(0, u64::MAX), Some(Duration::from_millis(50)));
/// assert_eq!(backoff.delay(1, u64::MAX / 2), Some(Duration::from_millis(50)));
/// assert_eq!(backoff.delay(2, 0), None); // two retries are all there are
/// # Ok::<(), perf_guard::ConfigError>(())
/// ```
///
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: u64,
    cap: u64,
    retries: u32,
}

impl Backoff {
    /// 100 ms, doubling up to 20 s, three retries, until set otherwise.
    #[must_use]
    pub const fn builder() -> BackoffBuilder {
        BackoffBuilder {
            base: Duration::from_millis(100),
            cap: Duration::from_secs(20),
            retries: 3,
        }
    }

    /// The wait before that retry, counted from zero; `None` once the retries are used up.
    ///
    /// `random` is 64 random bits: equal bits give an equal wait.
    #[must_use]
    pub fn delay(&self, retry: u32, random: u64) -> Option<Duration> {
        if retry >= self.retries {
            return None;
        }
        let span = u128::from(self.ceiling_nanos(retry)) + 1;
        // The upper half of the product is uniform on 0..span to within span / 2^64.
        let nanos = (u128::from(random) * span) >> 64;
        Some(Duration::from_nanos(nanos as u64))
    }

    /// The longest that the wait before that retry can be.
    #[must_use]
    pub fn ceiling(&self, retry: u32) -> Duration {
        Duration::from_nanos(self.ceiling_nanos(retry))
    }

    /// How many retries there are after the first attempt.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    fn ceiling_nanos(&self, retry: u32) -> u64 {
        let doubled = if retry < 64 { u128::from(self.base) << retry } else { u128::MAX };
        u64::try_from(doubled).map_or(self.cap, |nanos| nanos.min(self.cap))
    }
}

/// Builds a [`Backoff`].
#[derive(Clone, Copy, Debug)]
pub struct BackoffBuilder {
    base: Duration,
    cap: Duration,
    retries: u32,
}

impl BackoffBuilder {
    /// The longest wait before the first retry. The default is 100 ms.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> BackoffBuilder {
        self.base = base;
        self
    }

    /// The longest wait before any retry. The default is 20 s.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> BackoffBuilder {
        self.cap = cap;
        self
    }

    /// How many retries there are after the first attempt; zero for none. The default is 3.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> BackoffBuilder {
        self.retries = retries;
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if the base is zero, or the cap is less than the base or above 584 years.
    pub fn build(self) -> Result<Backoff, ConfigError> {
        require(!self.base.is_zero(), "base", self.base, "a time above zero")?;
        require(self.cap >= self.base, "cap", self.cap, "at least the base")?;
        let cap = u64::try_from(self.cap.as_nanos()).map_err(|_| {
            ConfigError::new("cap", format_args!("{:?}", self.cap), "use at most 584 years")
        })?;
        // Not above the cap, so it fits as well.
        Ok(Backoff { base: self.base.as_nanos() as u64, cap, retries: self.retries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_until_the_cap_and_survives_any_retry_number() {
        let backoff = Backoff::builder()
            .base(Duration::from_secs(1))
            .cap(Duration::from_secs(5))
            .retries(u32::MAX)
            .build()
            .unwrap();
        let ceilings = [0, 1, 2, 3, 63, 64, u32::MAX - 1].map(|n| backoff.ceiling(n).as_secs());
        assert_eq!(ceilings, [1, 2, 4, 5, 5, 5, 5]);
        assert_eq!(backoff.delay(u32::MAX - 1, u64::MAX), Some(Duration::from_secs(5)));
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let zero = Backoff::builder().base(Duration::ZERO).build().unwrap_err();
        assert_eq!(zero.to_string(), "`base` cannot be 0ns: use a time above zero");
        let low = Backoff::builder().cap(Duration::from_millis(1)).build().unwrap_err();
        assert_eq!(low.setting(), "cap");
        assert_eq!(Backoff::builder().cap(Duration::MAX).build().unwrap_err().setting(), "cap");
    }
}
