//! The public face of the engine.

use crate::engine::Engine;
use crate::event::Event;
use crate::examine::ENGINE;
use crate::health::{Health, HealthView, Verdict};
use crate::listener::{Subscription, TooManySubscriptions};
use crate::registry::NameTaken;
use crate::sampler::{self, Stop};
use crate::turning::TurnError;
use perf_analytics::{History, HistoryConfig, Metrics, OwnedSignal, Recorder, TraceId, prometheus};
use perf_core::{ByteSize, Clock, Component, Instant, Knob, Turn};
use serde::Serialize;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Watches and steers the components of a service.
///
/// It samples the signals of every registered component into windows, knows their health, turns
/// their knobs and turns them back. Cloning gives another handle; the sampling thread ends with the
/// last one. A subscriber that holds a handle keeps the engine alive for as long as it is
/// subscribed.
#[doc(alias = "PerformanceOptimizationEngine")]
#[doc(alias = "ResourceManagementSystem")]
#[derive(Clone)]
pub struct PerformanceOptimizer {
    handle: Arc<Handle>,
}

struct Handle {
    engine: Arc<Engine>,
    stop: Arc<Stop>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// Builds a [`PerformanceOptimizer`].
#[derive(Clone, Debug)]
pub struct OptimizerBuilder {
    clock: Clock,
    sample_every: Duration,
    manual: bool,
    max_events: usize,
    history_bytes: ByteSize,
    history_series: usize,
    #[cfg(any(feature = "cache", feature = "operations"))]
    pub(crate) bundled: crate::bundled::Bundled,
}

impl OptimizerBuilder {
    /// How often components are observed unless set otherwise.
    pub const DEFAULT_SAMPLE_EVERY: Duration = Duration::from_secs(1);
    /// How many events are remembered unless set otherwise.
    pub const DEFAULT_MAX_EVENTS: usize = 1_000;

    /// Where readings and events get their time from. The system by default. The sampling thread
    /// waits in real time whatever the clock, so a manual clock wants
    /// [`manual_sampling`](OptimizerBuilder::manual_sampling).
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> OptimizerBuilder {
        self.clock = clock;
        self
    }

    /// How often components are observed. Every second by default.
    #[must_use]
    pub fn sample_every(mut self, every: Duration) -> OptimizerBuilder {
        self.sample_every = every;
        self
    }

    /// No thread: components are observed when
    /// [`sample_now`](PerformanceOptimizer::sample_now) is called.
    #[must_use]
    pub fn manual_sampling(mut self) -> OptimizerBuilder {
        self.manual = true;
        self
    }

    /// How many events are remembered. 1 000 by default; older ones go, and are counted.
    #[must_use]
    pub fn max_events(mut self, max_events: usize) -> OptimizerBuilder {
        self.max_events = max_events;
        self
    }

    /// How many bytes the windows of all series may take. 64 MiB by default.
    #[must_use]
    pub fn history_bytes(mut self, bytes: ByteSize) -> OptimizerBuilder {
        self.history_bytes = bytes;
        self
    }

    /// How many series have windows. 4 000 by default.
    #[must_use]
    pub fn history_series(mut self, series: usize) -> OptimizerBuilder {
        self.history_series = series;
        self
    }

    /// Builds the optimizer and starts sampling.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the interval is out of bounds or the thread cannot be started.
    pub fn build(self) -> Result<PerformanceOptimizer, BuildError> {
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&self.sample_every) {
            return Err(BuildError::Interval { every: self.sample_every });
        }
        let config = HistoryConfig::default()
            .step(self.sample_every.max(Duration::from_secs(1)))
            .max_bytes(self.history_bytes)
            .max_series(self.history_series);
        let history = Arc::new(History::new(config));
        let recorder = Recorder::builder().name(RECORDER).clock(self.clock.clone()).build();
        let engine = Engine::new(
            self.clock,
            self.sample_every,
            !self.manual,
            history,
            Arc::new(recorder),
            self.max_events.max(1),
        );
        #[cfg(any(feature = "cache", feature = "operations"))]
        let engine = engine.bring(self.bundled);
        let engine = Arc::new(engine);
        let recorder = Arc::clone(engine.recorder()) as Arc<dyn Component>;
        // The registry is new and empty.
        for (name, own) in [(ENGINE, engine.vitals()), (RECORDER, recorder)] {
            engine.registry().register(name, Arc::downgrade(&own)).unwrap_or_default();
        }
        let stop = Arc::new(Stop::default());
        if !self.manual {
            sampler::start(Arc::clone(&engine), Arc::clone(&stop))
                .map_err(|e| BuildError::Thread { problem: e.to_string() })?;
        }
        Ok(PerformanceOptimizer { handle: Arc::new(Handle { engine, stop }) })
    }
}

impl PerformanceOptimizer {
    /// Builds an optimizer.
    #[must_use]
    pub fn builder() -> OptimizerBuilder {
        OptimizerBuilder {
            clock: Clock::system(),
            sample_every: OptimizerBuilder::DEFAULT_SAMPLE_EVERY,
            manual: false,
            max_events: OptimizerBuilder::DEFAULT_MAX_EVENTS,
            history_bytes: HistoryConfig::DEFAULT_MAX_BYTES,
            history_series: HistoryConfig::DEFAULT_MAX_SERIES,
            #[cfg(any(feature = "cache", feature = "operations"))]
            bundled: crate::bundled::Bundled::default(),
        }
    }

    /// Watches a component under a name. Only a weak reference is kept: a component leaves when it
    /// is dropped.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if a component of that name is alive, or the name is empty or has a `/` in it.
    pub fn register<C: Component + 'static>(
        &self,
        name: &str,
        component: &Arc<C>,
    ) -> Result<(), NameTaken> {
        let component = Arc::downgrade(component);
        self.engine().registry().register(name, component as Weak<dyn Component>)
    }

    /// The names of the components that are alive.
    #[must_use]
    pub fn components(&self) -> Vec<String> {
        self.engine().registry().names()
    }

    /// Observes every component now. Beside automatic sampling it is not needed, and does no harm.
    ///
    /// Not to be called from a component's own `observe`, which would wait for itself.
    pub fn sample_now(&self) {
        self.engine().sample();
    }

    /// The windows of every signal.
    #[must_use]
    pub fn history(&self) -> &Arc<History> {
        self.engine().history()
    }

    /// A recorder for the program's own operations, registered as the component `recorder`.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        self.engine().recorder()
    }

    /// Begins an operation of the program, which may end on another thread.
    #[must_use]
    pub fn start_performance_tracking(&self, name: &str) -> TraceId {
        self.recorder().start_operation(name)
    }

    /// Ends an operation of the program; answers how long it took, `None` if it was not open.
    pub fn end_performance_tracking(
        &self,
        id: TraceId,
        success: bool,
        error: Option<&str>,
    ) -> Option<Duration> {
        self.recorder().end_operation(id, success, error)
    }

    /// Numbers of every recorded operation over the last `window`.
    #[must_use]
    pub fn performance_metrics(&self, window: Duration) -> Vec<Metrics> {
        self.recorder().all_metrics(window)
    }

    /// Every signal as Prometheus text.
    #[must_use]
    pub fn export_metrics(&self) -> String {
        self.signals().iter().collect::<prometheus::Text>().finish()
    }

    /// Every signal of every component, as it stands now.
    #[must_use]
    pub fn signals(&self) -> Vec<OwnedSignal> {
        self.engine().signals()
    }

    /// Every knob of every component.
    #[must_use]
    pub fn knobs(&self) -> Vec<ComponentKnob> {
        let knobs = self.engine().knobs();
        knobs.into_iter().map(|(component, knob)| ComponentKnob { component, knob }).collect()
    }

    /// Turns a knob on behalf of `by`, and remembers it.
    ///
    /// Turns are carried out one after another, so that events stand in the order of what they
    /// did: a component's own `turn` must not turn another through the optimizer, since it would
    /// wait for itself.
    ///
    /// # Errors
    ///
    /// [`TurnError`]; nothing has changed then.
    pub fn turn(&self, component: &str, turn: Turn, by: &str) -> Result<Event, TurnError> {
        self.engine().turn(component, turn, by)
    }

    /// Sets a knob back to what it was before an event, if it still has the value that the event
    /// gave it. An undo can be undone.
    ///
    /// # Errors
    ///
    /// [`TurnError`]; a conflict says who turned the knob meanwhile. Nothing has changed then.
    pub fn undo(&self, event: u64, by: &str) -> Result<Event, TurnError> {
        self.engine().undo(event, by)
    }

    /// The events that are remembered, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.engine().events().kept()
    }

    /// How many events were forgotten to make room.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        self.engine().events().dropped()
    }

    /// Calls back on every event, on the thread that turned the knob. It should only pass the news
    /// on. It may use the optimizer.
    ///
    /// # Errors
    ///
    /// [`TooManySubscriptions`] at the 65th.
    pub fn on_event(
        &self,
        callback: Arc<dyn Fn(&Event) + Send + Sync>,
    ) -> Result<Subscription, TooManySubscriptions> {
        self.engine().on_event.subscribe(callback)
    }

    /// Calls back after every round of readings, on the sampling thread, with the time of the
    /// round. It should only pass the news on.
    ///
    /// # Errors
    ///
    /// [`TooManySubscriptions`] at the 65th.
    pub fn on_sample(
        &self,
        callback: Arc<dyn Fn(&Instant) + Send + Sync>,
    ) -> Result<Subscription, TooManySubscriptions> {
        self.engine().on_sample.subscribe(callback)
    }

    /// How every component is, by its signals and by the registered checks.
    #[must_use]
    pub fn health_status(&self) -> Health {
        self.engine().examine()
    }

    /// Registers a health check for a component, which need not be registered itself. It runs after
    /// every round of readings and must be quick. At most 256 are kept; answers whether it was.
    pub fn check_health(
        &self,
        component: &str,
        check: impl Fn(&HealthView<'_>) -> Verdict + Send + Sync + 'static,
    ) -> bool {
        self.engine().add_check(component, Arc::new(check))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.handle.engine
    }
}

impl fmt::Debug for PerformanceOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerformanceOptimizer")
            .field("components", self.engine().registry())
            .finish_non_exhaustive()
    }
}

/// A knob and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComponentKnob {
    /// The component.
    pub component: String,
    /// Its knob.
    pub knob: Knob,
}

impl ComponentKnob {
    /// How the knob is called outside of its component: `component/knob`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/{}", self.component, self.knob.id)
    }
}

/// Why an optimizer cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The sampling interval is out of bounds.
    Interval {
        /// The interval asked for.
        every: Duration,
    },
    /// The sampling thread cannot be started.
    Thread {
        /// What the system said.
        problem: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Interval { every } => {
                write!(f, "cannot sample every {every:?}: use {MIN_INTERVAL:?} to {MAX_INTERVAL:?}")
            }
            BuildError::Thread { problem } => write!(
                f,
                "cannot start the sampling thread: {problem}; allow one more, or sample manually"
            ),
        }
    }
}

impl std::error::Error for BuildError {}

const RECORDER: &str = "recorder";
const MIN_INTERVAL: Duration = Duration::from_millis(10);
const MAX_INTERVAL: Duration = Duration::from_secs(3600);
