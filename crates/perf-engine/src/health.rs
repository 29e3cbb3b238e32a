//! Whether the components are well, since when, and what helps where they are not.

use perf_analytics::{History, Select, Span};
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How a component is. The worse, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    Healthy,
    /// It works, worse than it should.
    Degraded,
    /// It does not do its work.
    Unhealthy,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Unhealthy => "unhealthy",
        })
    }
}

/// How everything is: as well as its worst component.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The worst status of any component.
    pub status: Status,
    /// When this was found, in seconds after the Unix epoch in JSON.
    #[serde(serialize_with = "crate::event::seconds")]
    pub at: SystemTime,
    /// Each component, by name; one that has several complaints is listed with each.
    pub components: Vec<ComponentHealth>,
}

impl Health {
    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let ill: Vec<&ComponentHealth> =
            self.components.iter().filter(|c| c.status == self.status).collect();
        match (self.status, ill.as_slice()) {
            (Status::Healthy, all) => format!("{} components, all healthy", all.len()),
            (_, [one]) => format!("{}: {}", one.component, one.reason),
            (_, [first, more @ ..]) => {
                format!("{}: {}; and {} more", first.component, first.reason, more.len())
            }
            (_, []) => String::new(),
        }
    }
}

/// How one component is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComponentHealth {
    /// The component.
    pub component: String,
    /// How it is.
    pub status: Status,
    /// Why, with figures. Empty where all is well.
    pub reason: String,
    /// Since when, in seconds after the Unix epoch in JSON.
    #[serde(serialize_with = "optional_seconds")]
    pub since: Option<SystemTime>,
    /// What helps. Empty where all is well.
    pub remedy: String,
}

/// What a health check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it is.
    pub status: Status,
    /// Why, with figures.
    pub reason: String,
    /// What helps.
    pub remedy: String,
}

impl Verdict {
    /// All is well.
    #[must_use]
    pub fn healthy() -> Verdict {
        Verdict { status: Status::Healthy, reason: String::new(), remedy: String::new() }
    }

    /// It works, worse than it should.
    #[must_use]
    pub fn degraded(reason: impl Into<String>, remedy: impl Into<String>) -> Verdict {
        Verdict { status: Status::Degraded, reason: reason.into(), remedy: remedy.into() }
    }

    /// It does not do its work.
    #[must_use]
    pub fn unhealthy(reason: impl Into<String>, remedy: impl Into<String>) -> Verdict {
        Verdict { status: Status::Unhealthy, reason: reason.into(), remedy: remedy.into() }
    }
}

/// What a health check sees: the windows of its component.
#[derive(Clone, Copy, Debug)]
pub struct HealthView<'a> {
    pub(crate) component: &'a str,
    pub(crate) history: &'a History,
}

impl HealthView<'_> {
    /// The component that is checked.
    #[must_use]
    pub fn component(&self) -> &str {
        self.component
    }

    /// All windows, of other components too.
    #[must_use]
    pub fn history(&self) -> &History {
        self.history
    }

    /// How much a counter of the component grew over the last `window`.
    #[must_use]
    pub fn counter(&self, signal: &str, window: Duration) -> u64 {
        self.history.counter(&Select::new(self.component, signal), Span::last(window))
    }

    /// The latest level of a gauge of the component within the last `window`.
    #[must_use]
    pub fn gauge(&self, signal: &str, window: Duration) -> Option<f64> {
        self.history.gauge(&Select::new(self.component, signal), Span::last(window))
    }

    /// A quantile of a distribution of the component over the last `window`, in its own unit.
    #[must_use]
    pub fn quantile(&self, signal: &str, q: f64, window: Duration) -> Option<u64> {
        let select = Select::new(self.component, signal);
        self.history.distribution(&select, Span::last(window)).quantile(q)
    }
}

/// A health check.
pub(crate) type Check = Arc<dyn Fn(&HealthView<'_>) -> Verdict + Send + Sync>;

fn optional_seconds<S: Serializer>(
    at: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => crate::event::seconds(at, serializer),
        None => serializer.serialize_none(),
    }
}
