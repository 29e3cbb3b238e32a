//! What the handles of an optimizer share.

use crate::event::{Event, Events};
use crate::health::Check;
use crate::listener::Listeners;
use crate::registry::Registry;
use crate::vitals::Vitals;
use perf_analytics::{History, OwnedSignal, Recorder};
use perf_core::{Clock, Component, Instant, Knob};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::health::Status;

#[derive(Debug)]
pub(crate) struct Engine {
    clock: Clock,
    sample_every: Duration,
    automatic: bool,
    registry: Registry,
    history: Arc<History>,
    recorder: Arc<Recorder>,
    vitals: Arc<Vitals>,
    #[cfg(any(feature = "cache", feature = "operations"))]
    pub(crate) bundled: crate::bundled::Bundled,
    events: Mutex<Events>,
    turning: Mutex<()>,
    pub(crate) on_event: Listeners<Event>,
    pub(crate) on_sample: Listeners<Instant>,
    pub(crate) checks: Checks,
    /// Complaints by component and check: how bad, and since when.
    pub(crate) complaints: Mutex<HashMap<(String, usize), (Status, SystemTime)>>,
    sampling: Mutex<Sampling>,
    rounds: Mutex<()>,
}

/// The registered health checks.
#[derive(Default)]
pub(crate) struct Checks(pub(crate) Mutex<Vec<(String, Check)>>);

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

/// How sampling goes.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    /// When the latest round ended.
    pub(crate) latest: Option<(Instant, SystemTime)>,
    /// Who is being observed.
    pub(crate) observing: Option<Arc<str>>,
    /// Who panicked, how often, and in the latest round or not.
    pub(crate) panics: HashMap<Arc<str>, Panics>,
}

#[derive(Clone, Debug)]
pub(crate) struct Panics {
    pub(crate) count: u64,
    pub(crate) message: String,
    pub(crate) now: bool,
}

impl Engine {
    pub(crate) fn new(
        clock: Clock,
        sample_every: Duration,
        automatic: bool,
        history: Arc<History>,
        recorder: Arc<Recorder>,
        max_events: usize,
    ) -> Engine {
        let vitals = Arc::new(Vitals::new(clock.now(), Arc::clone(&history)));
        Engine {
            clock,
            sample_every,
            automatic,
            registry: Registry::default(),
            history,
            recorder,
            vitals,
            #[cfg(any(feature = "cache", feature = "operations"))]
            bundled: crate::bundled::Bundled::default(),
            events: Mutex::new(Events::new(max_events)),
            turning: Mutex::new(()),
            on_event: Listeners::new(),
            on_sample: Listeners::new(),
            checks: Checks::default(),
            complaints: Mutex::new(HashMap::new()),
            sampling: Mutex::new(Sampling::default()),
            rounds: Mutex::new(()),
        }
    }

    /// Takes in what the builder was given, before anybody else can take its name.
    #[cfg(any(feature = "cache", feature = "operations"))]
    pub(crate) fn bring(mut self, bundled: crate::bundled::Bundled) -> Engine {
        bundled.watch(&self.registry);
        self.bundled = bundled;
        self
    }

    /// Observes every component into the history, then tells those who wait for it.
    pub(crate) fn sample(&self) {
        let at = {
            let _round = lock(&self.rounds);
            let (at, wall) = (self.clock.now(), self.clock.wall());
            let live = self.registry.live();
            self.vitals.note_components(live.len());
            for (name, component) in live {
                lock(&self.sampling).observing = Some(Arc::clone(&name));
                // The component goes inside: if this is its last owner, its drop may panic too.
                let outcome = catch_unwind(AssertUnwindSafe(move || {
                    let name = name;
                    component.observe(&mut |s| self.history.sample(at, &name, &s));
                    drop(component);
                    name
                }));
                self.note(outcome.map(drop));
            }
            self.history.advance(at, wall);
            let end = self.clock.now();
            self.vitals.note_round(end - at, self.on_event.panicked() + self.on_sample.panicked());
            let names = self.registry.names();
            let mut sampling = lock(&self.sampling);
            sampling.latest = Some((end, self.clock.wall()));
            // Those who left take their complaint with them.
            sampling.panics.retain(|name, _| names.iter().any(|n| **n == **name));
            at
        };
        self.examine();
        self.on_sample.tell(&at);
    }

    /// Notes a round that panicked outside of any component, such as in the clock.
    pub(crate) fn note_lost_round(&self) {
        self.vitals.note_panic();
    }

    /// Notes whether the component that was just observed panicked.
    fn note(&self, outcome: std::thread::Result<()>) {
        let mut sampling = lock(&self.sampling);
        let Some(name) = sampling.observing.take() else { return };
        // By reference: what was thrown is the component's own, and is dropped after the lock.
        match &outcome {
            Ok(()) => {
                if let Some(panics) = sampling.panics.get_mut(&name) {
                    panics.now = false;
                }
            }
            Err(payload) => {
                let text = payload
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| payload.downcast_ref::<&str>().copied())
                    .unwrap_or("without a message");
                let panics = sampling.panics.entry(name).or_insert(Panics {
                    count: 0,
                    message: String::new(),
                    now: true,
                });
                panics.count += 1;
                panics.now = true;
                panics.message = text[..text.floor_char_boundary(200)].to_owned();
                self.vitals.note_panic();
            }
        }
    }

    /// Every signal as it stands now.
    pub(crate) fn signals(&self) -> Vec<OwnedSignal> {
        let mut signals = Vec::new();
        for (name, component) in self.registry.live() {
            // What it reported before it panicked is as good as what others report.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                component.observe(&mut |s| signals.extend(OwnedSignal::new(&name, &s)));
            }));
        }
        signals
    }

    pub(crate) fn knobs(&self) -> Vec<(String, Knob)> {
        let mut knobs = Vec::new();
        for (name, component) in self.registry.live() {
            let own = catch_unwind(AssertUnwindSafe(|| component.knobs())).unwrap_or_default();
            knobs.extend(own.into_iter().map(|knob| (name.to_string(), knob)));
        }
        knobs
    }

    pub(crate) fn tell(&self, event: &Event) {
        self.vitals.note_events_dropped(lock(&self.events).dropped());
        self.on_event.tell(event);
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn sample_every(&self) -> Duration {
        self.sample_every
    }

    pub(crate) fn automatic(&self) -> bool {
        self.automatic
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn history(&self) -> &Arc<History> {
        &self.history
    }

    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    pub(crate) fn vitals(&self) -> Arc<dyn Component> {
        Arc::clone(&self.vitals) as Arc<dyn Component>
    }

    pub(crate) fn events(&self) -> MutexGuard<'_, Events> {
        lock(&self.events)
    }

    pub(crate) fn turning(&self) -> MutexGuard<'_, ()> {
        lock(&self.turning)
    }

    pub(crate) fn sampling(&self) -> MutexGuard<'_, Sampling> {
        lock(&self.sampling)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
