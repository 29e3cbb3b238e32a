//! Stops calling what keeps failing, and asks now and then whether it is well again.

use crate::require::require;
use perf_core::ConfigError;
use perf_core::{Instant, Ratio};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

mod window;

use window::Window;

/// A circuit breaker over a window of the last calls.
///
/// Closed, it lets every call through and remembers the last `window` outcomes; once at least
/// `minimum_calls` of them are there and the share of failures reaches `failure_ratio`, it opens.
/// Open, it refuses every call for `open_for`. Then it is half open: it lets `probes` calls through
/// and no more; it closes when all of them succeed, and opens again at the first failure.
///
/// A probe is a reservation held by its [`Permit`]. A permit that is dropped without
/// [`record`](CircuitBreaker::record), because its caller was cancelled or panicked, gives the
/// reservation back at once; one that is leaked gives it back after `probe_timeout`. So a breaker
/// cannot get stuck half open. Outcomes of calls that began in an earlier state are ignored.
///
/// ```
/// use perf_core::{Clock, Ratio};
/// use perf_guard::{BreakerState, CircuitBreaker, Outcome};
/// use std::time::Duration;
///
/// let (clock, hand) = Clock::manual();
/// let mut breaker = CircuitBreaker::builder()
///     .minimum_calls(2)
///     .failure_ratio(Ratio::new(0.5)?)
///     .open_for(Duration::from_secs(10))
///     .probes(1)
///     .build()?;
/// for _ in 0..2 {
///     let permit = breaker.try_acquire(clock.now())?;
///     breaker.record(permit, Outcome::Failure, clock.now());
/// }
/// assert_eq!(breaker.try_acquire(clock.now()).unwrap_err().retry_after(), Duration::from_secs(10));
///
/// hand.advance(Duration::from_secs(10));
/// let probe = breaker.try_acquire(clock.now())?;
/// breaker.record(probe, Outcome::Success, clock.now());
/// assert_eq!(breaker.state(clock.now()), BreakerState::Closed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Michael Nygard, "Release It!", 2nd edition 2018, "Circuit Breaker".
#[derive(Debug)]
pub struct CircuitBreaker {
    config: Config,
    phase: Phase,
    /// Counts changes of state, so that outcomes of calls from an earlier state can be told.
    generation: u64,
    /// Counts probes, so that each reservation has a name of its own.
    tickets: u64,
    window: Window,
}

#[derive(Clone, Copy, Debug)]
struct Config {
    minimum_calls: u32,
    failure_ratio: f64,
    open_for: Duration,
    probes: u32,
    probe_timeout: Duration,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { successes: u32, probes: Vec<Probe> },
}

/// A reserved probe: free again once its permit is gone or its time is up.
#[derive(Debug)]
struct Probe {
    ticket: u64,
    holder: Weak<()>,
    expires: Instant,
}

impl CircuitBreaker {
    /// A window of 100 calls, at least 20 of them, half of them failures, open for 10 s, three
    /// probes, until set otherwise.
    #[must_use]
    pub const fn builder() -> CircuitBreakerBuilder {
        CircuitBreakerBuilder {
            window: 100,
            minimum_calls: 20,
            failure_ratio: None,
            open_for: Duration::from_secs(10),
            probes: 3,
            probe_timeout: None,
        }
    }

    /// Asks to make one call. Report its end with [`record`](CircuitBreaker::record).
    ///
    /// # Errors
    ///
    /// [`Rejected`] while the circuit is open, or half open with every probe taken.
    pub fn try_acquire(&mut self, now: Instant) -> Result<Permit, Rejected> {
        if let Phase::Open { until } = self.phase {
            if now < until {
                return Err(Rejected { retry_after: until - now });
            }
            self.enter(Phase::HalfOpen { successes: 0, probes: Vec::new() });
        }
        let Phase::HalfOpen { successes, probes } = &mut self.phase else {
            return Ok(Permit { generation: self.generation, probe: None });
        };
        probes.retain(|probe| probe.holder.strong_count() > 0 && now < probe.expires);
        if *successes as usize + probes.len() >= self.config.probes as usize {
            let soonest = probes.iter().map(|probe| probe.expires).min().unwrap_or(now);
            return Err(Rejected { retry_after: soonest - now });
        }
        self.tickets += 1;
        let holder = Arc::new(());
        probes.push(Probe {
            ticket: self.tickets,
            holder: Arc::downgrade(&holder),
            expires: now + self.config.probe_timeout,
        });
        Ok(Permit { generation: self.generation, probe: Some((self.tickets, holder)) })
    }

    /// Reports how a call ended. To report nothing, drop the permit.
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) {
        if permit.generation != self.generation {
            return;
        }
        let failed = outcome == Outcome::Failure;
        match (&mut self.phase, &permit.probe) {
            (Phase::Closed, _) => {
                self.window.push(failed);
                let ratio = f64::from(self.window.failures()) / f64::from(self.window.len());
                if self.window.len() >= self.config.minimum_calls
                    && ratio >= self.config.failure_ratio
                {
                    self.open(now);
                }
            }
            (Phase::HalfOpen { successes, probes }, Some((ticket, _))) => {
                let Some(at) = probes.iter().position(|probe| probe.ticket == *ticket) else {
                    return; // Its time was up and its place went to another.
                };
                probes.swap_remove(at);
                if failed {
                    self.open(now);
                } else {
                    *successes += 1;
                    if *successes >= self.config.probes {
                        self.window.clear();
                        self.enter(Phase::Closed);
                    }
                }
            }
            _ => {}
        }
    }

    /// The state at that moment.
    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// The share of failures among the calls remembered, `None` if there are none.
    #[must_use]
    pub fn failure_ratio(&self) -> Option<Ratio> {
        Ratio::of(self.window.failures().into(), self.window.len().into())
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open { until: now + self.config.open_for });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}

/// Leave to make one call.
#[derive(Debug)]
#[must_use = "report how the call ended, or a probe counts as never made"]
pub struct Permit {
    generation: u64,
    probe: Option<(u64, Arc<()>)>,
}

impl Permit {
    /// Whether the call is a probe of a half-open circuit.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

/// How a call ended, for a breaker. What counts as a failure is the caller's choice: a time-out or
/// a 503 is one, a 404 is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side is well.
    Success,
    /// The other side is not.
    Failure,
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets all through.
    Closed,
    /// Refuses all.
    Open,
    /// Lets a few through to see whether the other side is well again.
    HalfOpen,
}

/// A call that the breaker does not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    retry_after: Duration,
}

impl Rejected {
    /// The time after which a call may pass: when the circuit turns half open, or when the first of
    /// the probes under way must have ended.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circuit open: try again in {:?}", self.retry_after)
    }
}

impl std::error::Error for Rejected {}

/// Builds a [`CircuitBreaker`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitBreakerBuilder {
    window: u32,
    minimum_calls: u32,
    failure_ratio: Option<Ratio>,
    open_for: Duration,
    probes: u32,
    probe_timeout: Option<Duration>,
}

impl CircuitBreakerBuilder {
    /// How many of the last calls count. One bit each. The default is 100.
    #[must_use]
    pub const fn window(mut self, calls: u32) -> CircuitBreakerBuilder {
        self.window = calls;
        self
    }

    /// With fewer calls than this the circuit stays closed. The default is 20.
    #[must_use]
    pub const fn minimum_calls(mut self, calls: u32) -> CircuitBreakerBuilder {
        self.minimum_calls = calls;
        self
    }

    /// The share of failures that opens the circuit. The default is one half.
    #[must_use]
    pub const fn failure_ratio(mut self, ratio: Ratio) -> CircuitBreakerBuilder {
        self.failure_ratio = Some(ratio);
        self
    }

    /// How long the circuit stays open before it is probed. The default is 10 s.
    #[must_use]
    pub const fn open_for(mut self, time: Duration) -> CircuitBreakerBuilder {
        self.open_for = time;
        self
    }

    /// How many calls must succeed while half open, and the most that are let through to find out.
    /// The default is 3.
    #[must_use]
    pub const fn probes(mut self, calls: u32) -> CircuitBreakerBuilder {
        self.probes = calls;
        self
    }

    /// After this time a probe that has not been reported counts as lost and its place is free
    /// again. Set it above the time-out of a call. The default is the time of `open_for`.
    #[must_use]
    pub const fn probe_timeout(mut self, time: Duration) -> CircuitBreakerBuilder {
        self.probe_timeout = Some(time);
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a count or a time is zero, the window is above 65,536 or smaller than the
    /// minimum of calls, the failure ratio is zero, or there are more than 1,024 probes.
    pub fn build(self) -> Result<CircuitBreaker, ConfigError> {
        let ratio = self.failure_ratio.map_or(DEFAULT_RATIO, Ratio::as_f64);
        let probe_timeout = self.probe_timeout.unwrap_or(self.open_for);
        let window_ok = (1..=MAX_WINDOW).contains(&self.window);
        require(window_ok, "window", self.window, "1 to 65536 calls")?;
        let minimum_ok = (1..=self.window).contains(&self.minimum_calls);
        require(minimum_ok, "minimum_calls", self.minimum_calls, "1 to the window's size")?;
        require(ratio > 0.0, "failure_ratio", ratio, "a ratio above 0: 0 would never close")?;
        require(!self.open_for.is_zero(), "open_for", self.open_for, "a time above zero")?;
        require((1..=MAX_PROBES).contains(&self.probes), "probes", self.probes, "1 to 1024")?;
        require(!probe_timeout.is_zero(), "probe_timeout", probe_timeout, "a time above zero")?;
        Ok(CircuitBreaker {
            config: Config {
                minimum_calls: self.minimum_calls,
                failure_ratio: ratio,
                open_for: self.open_for,
                probes: self.probes,
                probe_timeout,
            },
            phase: Phase::Closed,
            generation: 0,
            tickets: 0,
            window: Window::new(self.window),
        })
    }
}

const DEFAULT_RATIO: f64 = 0.5;
const MAX_WINDOW: u32 = 65_536;
const MAX_PROBES: u32 = 1_024;

#[cfg(test)]
mod tests;
