//! How many retries a caller may add to the load.

use crate::require::require;
use perf_core::ConfigError;
use perf_core::{Instant, Ratio};
use std::fmt;
use std::time::Duration;

/// A budget for retries, so that they cannot multiply the load on something that is failing.
///
/// Each first attempt deposits a part of a retry (the ratio, 20 % by default), and time adds a small
/// reserve, so that quiet callers may retry too. In any span of time `t` at most
/// `capacity + ratio × deposits + reserve × t` retries are allowed. Starts full.
///
/// ```
/// use perf_core::Instant;
/// use perf_guard::RetryBudget;
///
/// let mut budget = RetryBudget::builder().capacity(1).reserve_per_second(0).build()?;
/// let now = Instant::from_nanos(0);
/// assert!(budget.withdraw(now).is_ok());
/// assert!(budget.withdraw(now).is_err());
/// for _ in 0..5 {
///     budget.deposit(now); // five requests earn one retry
/// }
/// assert!(budget.withdraw(now).is_ok());
/// # Ok::<(), perf_guard::ConfigError>(())
/// ```
///
/// Source: the retry budgets of Twitter's Finagle (`RetryBudget`: ratio and reserve), kept in the
/// single capped bucket of gRPC's retry throttling (proposal A6).
#[derive(Clone, Debug)]
pub struct RetryBudget {
    /// In billionths of a retry: a reserve of r per second then adds r each nanosecond, exactly.
    balance: u64,
    capacity: u64,
    deposit: u64,
    reserve: u64,
    refilled: Instant,
}

impl RetryBudget {
    /// A ratio of 20 %, a reserve of ten a second and a capacity of 100, until set otherwise.
    #[must_use]
    pub fn builder() -> RetryBudgetBuilder {
        RetryBudgetBuilder { ratio: DEFAULT_RATIO, reserve: 10, capacity: 100 }
    }

    /// Notes one first attempt. Never call it for a retry.
    pub fn deposit(&mut self, now: Instant) {
        self.refill(now);
        self.balance = self.balance.saturating_add(self.deposit).min(self.capacity);
    }

    /// Notes that many first attempts at once, for a caller that counts them. The same as as many
    /// calls of [`deposit`](RetryBudget::deposit) with no retry between them.
    pub fn deposit_many(&mut self, attempts: u64, now: Instant) {
        self.refill(now);
        let deposits = self.deposit.saturating_mul(attempts);
        self.balance = self.balance.saturating_add(deposits).min(self.capacity);
    }

    /// Takes one retry out of the budget.
    ///
    /// # Errors
    ///
    /// [`BudgetExhausted`] if less than one whole retry is left.
    pub fn withdraw(&mut self, now: Instant) -> Result<(), BudgetExhausted> {
        self.refill(now);
        self.balance = self.balance.checked_sub(RETRY).ok_or(BudgetExhausted { _private: () })?;
        Ok(())
    }

    /// How many retries are left at that moment.
    #[must_use]
    pub fn available(&self, now: Instant) -> u64 {
        self.balance_at(now) / RETRY
    }

    fn refill(&mut self, now: Instant) {
        self.balance = self.balance_at(now);
        self.refilled = self.refilled.max(now);
    }

    fn balance_at(&self, now: Instant) -> u64 {
        let elapsed = (now - self.refilled).as_nanos() as u64;
        self.balance.saturating_add(self.reserve.saturating_mul(elapsed)).min(self.capacity)
    }
}

/// Builds a [`RetryBudget`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudgetBuilder {
    ratio: f64,
    reserve: u32,
    capacity: u32,
}

impl RetryBudgetBuilder {
    /// The part of a retry that each first attempt earns. The default is 20 %.
    #[must_use]
    pub fn ratio(mut self, ratio: Ratio) -> RetryBudgetBuilder {
        self.ratio = ratio.as_f64();
        self
    }

    /// Retries that each second earns, whatever the load. The default is 10.
    #[must_use]
    pub const fn reserve_per_second(mut self, retries: u32) -> RetryBudgetBuilder {
        self.reserve = retries;
        self
    }

    /// The most that can be saved up. The default is 100.
    #[must_use]
    pub const fn capacity(mut self, retries: u32) -> RetryBudgetBuilder {
        self.capacity = retries;
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if the capacity is zero: then no retry could ever be made.
    pub fn build(self) -> Result<RetryBudget, ConfigError> {
        require(self.capacity > 0, "capacity", self.capacity, "at least 1 retry")?;
        let capacity = u64::from(self.capacity) * RETRY;
        Ok(RetryBudget {
            balance: capacity,
            capacity,
            deposit: (self.ratio * RETRY as f64).round() as u64,
            reserve: u64::from(self.reserve),
            refilled: Instant::default(),
        })
    }
}

/// No retry is left in the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetExhausted {
    _private: (),
}

impl fmt::Display for BudgetExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("retry budget used up: report the failure instead of retrying")
    }
}

impl std::error::Error for BudgetExhausted {}

const RETRY: u64 = Duration::from_secs(1).as_nanos() as u64;
const DEFAULT_RATIO: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_earns_the_reserve_up_to_the_capacity() {
        let mut budget = RetryBudget::builder().capacity(4).reserve_per_second(2).build().unwrap();
        let start = Instant::from_nanos(0);
        for _ in 0..4 {
            budget.withdraw(start).unwrap();
        }
        assert!(budget.withdraw(start).is_err());
        assert_eq!(budget.available(start + Duration::from_millis(500)), 1);
        assert_eq!(budget.available(start + Duration::from_secs(3_600)), 4);
    }

    #[test]
    fn many_deposits_are_as_many_single_ones() {
        let now = Instant::from_nanos(0);
        let mut single = RetryBudget::builder().capacity(3).reserve_per_second(0).build().unwrap();
        while single.withdraw(now).is_ok() {}
        let mut many = single.clone();
        for _ in 0..7 {
            single.deposit(now);
        }
        many.deposit_many(7, now);
        assert_eq!((single.balance, many.balance), (7 * RETRY / 5, 7 * RETRY / 5));
        many.deposit_many(u64::MAX, now);
        assert_eq!(many.available(now), 3);
    }

    #[test]
    fn a_budget_without_capacity_is_refused() {
        let error = RetryBudget::builder().capacity(0).build().unwrap_err();
        assert_eq!(error.to_string(), "`capacity` cannot be 0: use at least 1 retry");
    }
}
