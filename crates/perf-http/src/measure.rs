//! Measuring every request by route template and class, without code in handlers.

mod body;
mod layer;
mod routes;

pub use body::MeasuredBody;
pub use layer::{MeasureFuture, MeasureLayer, MeasureService};

use crate::ConfigError;
use http::request::Parts;
use perf_core::{
    Clock, Component, Counter, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned, Unit,
};
use routes::{Class, Route, Routes};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Counts and times requests by route template and class.
///
/// Clones are handles to the same measurements. Put the [`layer`](Measure::layer) outermost, and
/// register the handle with an engine to see its signals: counters `requests`, `response_bytes`
/// and `aborted`, histograms `request_duration` (until the body has ended) and
/// `time_to_first_byte` (until the head is ready), gauge `in_flight`.
///
/// Costs three readings of the clock and a few counters per request, no lock and no allocation
/// once a route has been seen.
#[derive(Clone)]
#[doc(alias = "request_metrics")]
pub struct Measure {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) clock: Clock,
    pub(crate) route: RouteOf,
    pub(crate) routes: Routes,
    pub(crate) started: Counter,
    pub(crate) ended: Counter,
    pub(crate) aborted: Counter,
    since: Instant,
    name: String,
}

type RouteOf = Box<dyn for<'a> Fn(&'a Parts) -> Cow<'a, str> + Send + Sync>;

impl Measure {
    /// Starts building.
    pub fn builder() -> MeasureBuilder {
        MeasureBuilder {
            name: "requests".into(),
            clock: Clock::system(),
            max_routes: 200,
            route: Box::new(|_| Cow::Borrowed("*")),
        }
    }

    /// A layer that measures the service it wraps.
    #[must_use]
    pub fn layer(&self) -> MeasureLayer {
        MeasureLayer::new(self.clone())
    }

    /// The name given to the builder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Requests whose answer has not ended yet.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        // Read in this order, so that a request that ends in between is not counted below zero.
        let ended = self.inner.ended.get();
        self.inner.started.get().saturating_sub(ended)
    }
}

impl Observe for Measure {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let since = self.inner.since;
        self.inner.routes.each(&mut |route| observe_route(route, since, visit));
        let in_flight = self.in_flight() as f64;
        visit(
            Signal::gauge("in_flight", Unit::Count, in_flight)
                .help("Requests whose answer has not ended yet."),
        );
        visit(
            Signal::counter("aborted", self.inner.aborted.get(), since)
                .help("Answers that ended early: the client left or the body was cut."),
        );
        visit(
            Signal::counter("routes_overflowed", self.inner.routes.overflowed(), since)
                .help("Requests counted under `other` because there were too many routes."),
        );
    }
}

fn observe_route(route: &Route, since: Instant, visit: &mut dyn FnMut(Signal<'_>)) {
    for class in Class::ALL {
        let Some(durations) = route.durations(class) else { continue };
        let labels = [("route", route.name()), ("class", class.name())];
        let durations = durations.snapshot();
        visit(
            Signal::counter("requests", durations.count(), since)
                .labels(&labels)
                .help("Requests whose answer has ended."),
        );
        visit(
            Signal::histogram("request_duration", Unit::Nanoseconds, &durations, since)
                .labels(&labels)
                .help("From the request's head to the end of the answer's body."),
        );
    }
    let labels = [("route", route.name())];
    let first = route.first_byte.snapshot();
    visit(
        Signal::histogram("time_to_first_byte", Unit::Nanoseconds, &first, since)
            .labels(&labels)
            .help("From the request's head until the answer's head is ready."),
    );
    visit(
        Signal::counter("response_bytes", route.bytes.get(), since)
            .unit(Unit::Bytes)
            .labels(&labels)
            .help("Bytes of answers' bodies handed on."),
    );
}

impl Tune for Measure {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for Measure {}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measure")
            .field("name", &self.inner.name)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// Builds a [`Measure`].
#[must_use]
pub struct MeasureBuilder {
    name: String,
    clock: Clock,
    max_routes: usize,
    route: RouteOf,
}

impl MeasureBuilder {
    /// A name for people.
    pub fn name(mut self, name: impl Into<String>) -> MeasureBuilder {
        self.name = name.into();
        self
    }

    /// The clock; the system's by default.
    pub fn clock(mut self, clock: Clock) -> MeasureBuilder {
        self.clock = clock;
        self
    }

    /// Names the route template of a request, such as `/users/{id}`; one route `*` by default.
    ///
    /// Never answer the path itself: templates are few, paths are not.
    pub fn route(
        mut self,
        route: impl for<'a> Fn(&'a Parts) -> Cow<'a, str> + Send + Sync + 'static,
    ) -> MeasureBuilder {
        self.route = Box::new(route);
        self
    }

    /// How many routes are told apart, 200 by default; the rest are counted under `other`.
    pub fn max_routes(mut self, max: usize) -> MeasureBuilder {
        self.max_routes = max;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] unless `max_routes` is 1 to 10 000.
    pub fn build(self) -> Result<Measure, ConfigError> {
        if !(1..=10_000).contains(&self.max_routes) {
            return Err(ConfigError::new("max_routes", self.max_routes, "use 1 to 10000"));
        }
        let since = self.clock.now();
        Ok(Measure {
            inner: Arc::new(Inner {
                clock: self.clock,
                route: self.route,
                routes: Routes::new(self.max_routes),
                started: Counter::new(),
                ended: Counter::new(),
                aborted: Counter::new(),
                since,
                name: self.name,
            }),
        })
    }
}

impl fmt::Debug for MeasureBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeasureBuilder")
            .field("name", &self.name)
            .field("max_routes", &self.max_routes)
            .finish_non_exhaustive()
    }
}
