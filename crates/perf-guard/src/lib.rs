//! Guards for calls that may fail: a circuit breaker, a rate limit, back-off with jitter, a retry
//! budget and a deadline.
//!
//! Each is a pure state machine. It reads no clock and draws no random number: the caller passes
//! [`perf_core::Instant`]s and random bits in, so every decision can be replayed and tested without
//! sleeping. It takes no lock either; put one around it where threads share it.
//!
//! Not a retry loop and not a middleware: these are the decisions, the caller does the waiting.
//!
//! ```
//! use perf_core::Clock;
//! use perf_guard::{Backoff, CircuitBreaker, Deadline, Outcome, RetryBudget};
//! use std::time::Duration;
//!
//! let (clock, hand) = Clock::manual();
//! let deadline = Deadline::after(clock.now(), Duration::from_secs(5));
//! let backoff = Backoff::builder().base(Duration::from_millis(100)).retries(3).build()?;
//! let mut budget = RetryBudget::builder().build()?;
//! let mut breaker = CircuitBreaker::builder().build()?;
//!
//! // A call that succeeds at its third attempt.
//! budget.deposit(clock.now());
//! let mut attempts = 0;
//! loop {
//!     let permit = breaker.try_acquire(clock.now())?;
//!     attempts += 1;
//!     let outcome = if attempts < 3 { Outcome::Failure } else { Outcome::Success };
//!     breaker.record(permit, outcome, clock.now());
//!     if outcome == Outcome::Success {
//!         break;
//!     }
//!     let random = 1 << 63; // from your generator
//!     let wait = backoff.delay(attempts - 1, random).expect("three retries are allowed");
//!     assert!(wait < deadline.remaining(clock.now()));
//!     budget.withdraw(clock.now())?;
//!     hand.advance(wait); // a program would sleep here
//! }
//! assert_eq!(attempts, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Cost
//!
//! Every decision is O(1) and allocates nothing, but for the breaker's probes while it is half
//! open: one small allocation each.

mod backoff;
mod breaker;
mod budget;
mod deadline;
mod gcra;
mod require;

pub use backoff::{Backoff, BackoffBuilder};
pub use breaker::{BreakerState, CircuitBreaker, CircuitBreakerBuilder, Outcome, Permit, Rejected};
pub use budget::{BudgetExhausted, RetryBudget, RetryBudgetBuilder};
pub use deadline::Deadline;
pub use gcra::{Gcra, GcraBuilder, RateLimited};
pub use perf_core::ConfigError;
