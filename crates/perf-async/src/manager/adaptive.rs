//! Limits that find themselves, as the manager shows and sets them.

use super::Manager;
use crate::driver::Payload;
use crate::kind::MAX_CONCURRENT;
use crate::sync::lock;
use crate::{Adaptive, AdaptiveState, ConfigError, KindSettings, Scheduler};
use perf_core::{Bounds, Direction, Instant, Knob, KnobId, KnobValue, Signal, Unit};

impl Manager {
    /// Lets the number of operations that run at once find itself, or keeps it where it is. For one
    /// kind see [`KindSettings::adaptive`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds; nothing has changed then.
    pub fn set_adaptive(&self, adaptive: impl Into<Option<Adaptive>>) -> Result<(), ConfigError> {
        lock(&self.shared.core).set_adaptive(adaptive.into())?;
        self.shared.dispatch();
        Ok(())
    }

    /// Where the limit of all operations stands, if it finds itself. That of a kind is in its
    /// [`metrics`](Manager::metrics).
    #[must_use]
    pub fn adaptive(&self) -> Option<AdaptiveState> {
        lock(&self.shared.core).adaptive()
    }

    pub(super) fn observe_limits(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let core = lock(&self.shared.core);
        let mut states: Vec<_> = core.adaptive().map(|state| (None, state)).into_iter().collect();
        for kind in core.kinds() {
            let state = core.kind_adaptive(kind);
            states.extend(state.map(|state| (Some(core.kind_name(kind).clone()), state)));
        }
        drop(core);
        for (kind, state) in states {
            let kind = kind.as_deref().unwrap_or("");
            let labels = [("kind", kind), ("reason", state.reason.as_str())];
            visit(
                Signal::gauge("adaptive_limit", Unit::Count, state.limit as f64)
                    .labels(&labels)
                    .help("How many may run at once where that finds itself, and why."),
            );
            if let Some(window) = state.window {
                visit(
                    Signal::gauge("adaptive_run", Unit::Nanoseconds, window.mean.as_nanos() as f64)
                        .labels(&labels[..1])
                        .help("How long operations took in the last window of such a limit."),
                );
            }
        }
    }
}

/// Two knobs for each limit that finds itself: how low and how high it may get.
pub(super) fn adaptive_knobs(core: &Scheduler<Payload>) -> Vec<Knob> {
    let mut knobs = Vec::new();
    if let Some(adaptive) = core.adaptive_settings() {
        knobs.extend(bounds(adaptive, LEAST.into(), MOST.into()));
    }
    for kind in core.kinds() {
        let Some(adaptive) = core.kind_settings(kind).adaptive else { continue };
        let name = core.kind_name(kind);
        knobs.extend(bounds(adaptive, format!("{LEAST}:{name}"), format!("{MOST}:{name}")));
    }
    knobs
}

fn bounds(adaptive: Adaptive, least: String, most: String) -> [Knob; 2] {
    let (min, max) = (adaptive.least() as u64, adaptive.most() as u64);
    let knob = |id: String, title, value, min, max| {
        let value = KnobValue::Count(value);
        Knob::new(KnobId::new(id), title, value.clone(), value, Bounds::Count { min, max, step: 1 })
    };
    [
        knob(least, "Least at once", min, 1, max)
            .trades("Some always run, however slow the other side is.")
            .moves("adaptive_limit", Direction::Up),
        knob(most, "Most at once", max, min, MAX_CONCURRENT)
            .trades("Room for a faster other side, for more load on it while it is slow.")
            .moves("adaptive_limit", Direction::Up),
    ]
}

/// Turns one of them, if it is one of them, to a value that has been checked. Answers what the
/// settings of the kind were; drop them without the lock.
pub(super) fn turn_adaptive(
    core: &mut Scheduler<Payload>,
    knob: &str,
    to: &KnobValue,
    now: Instant,
) -> Option<KindSettings> {
    let KnobValue::Count(to) = *to else { return None };
    let change = |adaptive: Adaptive, bound: &str| match bound {
        LEAST => Some(adaptive.min(to as usize).within_bounds()),
        MOST => Some(adaptive.max(to as usize).within_bounds()),
        _ => None,
    };
    let Some((bound, kind)) = knob.split_once(':') else {
        let adaptive = change(core.adaptive_settings()?, knob)?;
        core.set_adaptive(Some(adaptive)).ok()?;
        return None;
    };
    let kind = core.find_kind(kind)?;
    let mut settings = core.kind_settings(kind).clone();
    settings.adaptive = Some(change(settings.adaptive?, bound)?);
    core.configure(kind, settings, now).ok()
}

const LEAST: &str = "adaptive_min";
const MOST: &str = "adaptive_max";
