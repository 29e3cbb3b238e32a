//! Limits that find themselves: as many operations at once as the other side works on.
//!
//! Pure: a policy is told what a window of time has seen and answers a limit. The scheduler measures
//! the windows and holds to the limit.

mod aimd;
mod correlation;
mod limiter;
mod sample;
mod vegas;
mod window;

pub use aimd::Aimd;
pub(crate) use limiter::{Limiter, Sample};
pub use vegas::Vegas;
pub use window::Window;

use crate::ConfigError;
use crate::kind::{MAX_CONCURRENT, within};
use std::fmt::Debug;
use std::time::Duration;

/// Decides how many operations may run at once, a window at a time.
///
/// Pure, so that it can be tried on simulated windows: the example `adaptive` does.
pub trait LimitPolicy: Debug + Send {
    /// The limit from now on, after what this window has seen.
    fn on_window(&mut self, window: &Window) -> usize;

    /// Why it decided so the last time.
    fn reason(&self) -> Reason;
}

/// The limit that there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl LimitPolicy for Fixed {
    fn on_window(&mut self, window: &Window) -> usize {
        window.limit
    }

    fn reason(&self) -> Reason {
        Reason::Start
    }
}

/// Why a limit is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It has not been changed yet.
    Start,
    /// It rises: whatever runs is worked on.
    Room,
    /// It stays: enough runs, and hardly anything waits on the other side.
    Balanced,
    /// It stays: it holds nobody back.
    NotFull,
    /// It falls: too much waits on the other side.
    Queue,
    /// It is low for a moment, to see how long operations take without a queue.
    Probe,
    /// It falls: operations take longer than is healthy.
    Unhealthy,
    /// It falls: operations time out.
    Drops,
}

impl Reason {
    /// The reason as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Start => "start",
            Reason::Room => "room",
            Reason::Balanced => "balanced",
            Reason::NotFull => "not-full",
            Reason::Queue => "queue",
            Reason::Probe => "probe",
            Reason::Unhealthy => "unhealthy",
            Reason::Drops => "drops",
        }
    }
}

/// How a limit finds itself.
///
/// Looked at once a window: a second at least, and so long that fifty operations and four times as
/// many as run at once have ended. Run times are those of operations that ended with a value:
/// waiting for a turn is no part of them, those that were cancelled and those that failed say
/// nothing (an error that comes fast would look like a fast service), and those that timed out
/// count as drops.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use perf_async::{Adaptive, Manager};
/// use std::time::Duration;
///
/// let adaptive = Adaptive::vegas().min(2).max(64).max_healthy_latency(Duration::from_secs(1));
/// let manager = Manager::builder()
///     .max_concurrent(200)
///     .kind("fetch", |kind| kind.adaptive(adaptive))
///     .build()?;
/// let fetch = manager.metrics("fetch").and_then(|fetch| fetch.adaptive);
/// assert_eq!(fetch.map(|fetch| fetch.limit), Some(20));
/// # }
/// # Ok::<(), perf_async::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adaptive {
    rule: Rule,
    min: usize,
    max: usize,
    start: Option<usize>,
    window: Duration,
    max_healthy_latency: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Fixed,
    Aimd,
    Vegas,
}

impl Adaptive {
    /// [`Vegas`]: by how much longer operations take than without a queue. The one to take.
    #[must_use]
    pub const fn vegas() -> Adaptive {
        Adaptive::by(Rule::Vegas)
    }

    /// [`Aimd`]: up by one while all is well, down by a tenth on time-outs. For a service whose run
    /// times say nothing about its load.
    #[must_use]
    pub const fn aimd() -> Adaptive {
        Adaptive::by(Rule::Aimd)
    }

    /// [`Fixed`]: stays where it starts, and shows what the windows see.
    #[must_use]
    pub const fn fixed(operations: usize) -> Adaptive {
        let mut adaptive = Adaptive::by(Rule::Fixed);
        adaptive.start = Some(operations);
        adaptive
    }

    const fn by(rule: Rule) -> Adaptive {
        Adaptive {
            rule,
            min: 1,
            max: DEFAULT_MAX,
            start: None,
            window: Duration::from_secs(1),
            max_healthy_latency: None,
        }
    }

    /// The same, never below that. The default is 1.
    #[must_use]
    pub const fn min(mut self, operations: usize) -> Adaptive {
        self.min = operations;
        self
    }

    /// The same, never above that. The default is 1,000.
    #[must_use]
    pub const fn max(mut self, operations: usize) -> Adaptive {
        self.max = operations;
        self
    }

    /// The same, from that limit on. The default is 20, or what is nearest to it.
    #[must_use]
    pub const fn start(mut self, operations: usize) -> Adaptive {
        self.start = Some(operations);
        self
    }

    /// The same with windows that are at least so long. The default is a second.
    #[must_use]
    pub const fn window(mut self, length: Duration) -> Adaptive {
        self.window = length;
        self
    }

    /// The same, which falls as long as one of ten operations takes longer than this.
    #[must_use]
    pub const fn max_healthy_latency(mut self, latency: Duration) -> Adaptive {
        self.max_healthy_latency = Some(latency);
        self
    }

    /// The least that the limit may be.
    #[must_use]
    pub const fn least(&self) -> usize {
        self.min
    }

    /// The most that the limit may be.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.max
    }

    pub(crate) fn check(self) -> Result<(), ConfigError> {
        within("adaptive.max", self.max as u64, 1, MAX_CONCURRENT)?;
        within("adaptive.min", self.min as u64, 1, self.max as u64)?;
        if let Some(start) = self.start {
            within("adaptive.start", start as u64, self.min as u64, self.max as u64)?;
        }
        within("adaptive.window", self.window, MIN_WINDOW, MAX_WINDOW)?;
        if let Some(latency) = self.max_healthy_latency {
            within("adaptive.max_healthy_latency", latency, MIN_LATENCY, crate::kind::MAX_TIMEOUT)?;
        }
        Ok(())
    }

    /// The same, from that limit on if it has none to start from.
    #[cfg(feature = "tokio")]
    pub(crate) fn or_start(mut self, operations: usize) -> Adaptive {
        if self.start.is_none() && self.min <= self.max {
            self.start = Some(operations.clamp(self.min, self.max));
        }
        self
    }

    /// The same with a start that fits its bounds.
    #[cfg(feature = "tokio")]
    pub(crate) fn within_bounds(mut self) -> Adaptive {
        self.start = self.start.map(|start| start.clamp(self.min, self.max));
        self
    }

    fn first(self) -> usize {
        self.start.unwrap_or(DEFAULT_START).clamp(self.min, self.max)
    }

    fn policy(self) -> Box<dyn LimitPolicy> {
        match (self.rule, self.max_healthy_latency) {
            (Rule::Fixed, _) => Box::new(Fixed),
            (Rule::Aimd, None) => Box::new(Aimd::new()),
            (Rule::Aimd, Some(latency)) => Box::new(Aimd::new().max_healthy_latency(latency)),
            (Rule::Vegas, None) => Box::new(Vegas::new()),
            (Rule::Vegas, Some(latency)) => Box::new(Vegas::new().max_healthy_latency(latency)),
        }
    }

    /// Whether a limiter set so can go on as one set like that.
    fn differs_in_bounds_only(self, other: Adaptive) -> bool {
        Adaptive { min: other.min, max: other.max, start: other.start, ..self } == other
    }
}

/// Where a limit stands that finds itself.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveState {
    /// How many may run at once.
    pub limit: usize,
    /// Why.
    pub reason: Reason,
    /// How often it has changed.
    pub changes: u64,
    /// The last window that was looked at.
    pub window: Option<Window>,
}

const DEFAULT_MAX: usize = 1_000;
const DEFAULT_START: usize = 20;
const MIN_WINDOW: Duration = Duration::from_millis(10);
const MAX_WINDOW: Duration = Duration::from_secs(600);
const MIN_LATENCY: Duration = Duration::from_micros(1);
