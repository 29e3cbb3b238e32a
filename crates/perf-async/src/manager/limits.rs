//! The limits of kinds as knobs.

use crate::driver::Payload;
use crate::kind::MAX_CONCURRENT;
use crate::{KindSettings, Scheduler};
use perf_core::{Bounds, Direction, Instant, Knob, KnobId, KnobValue};

/// The knobs of all kinds that have a limit of their own.
pub(super) fn limit_knobs(core: &Scheduler<Payload>) -> Vec<Knob> {
    let mut knobs = Vec::new();
    for kind in core.kinds() {
        let Some(limit) = core.kind_settings(kind).max_concurrent else { continue };
        let first = core.first_limit(kind).unwrap_or(limit);
        let knob = Knob::new(
            KnobId::new(format!("{LIMIT}{}", core.kind_name(kind))),
            "Operations of the kind at once",
            KnobValue::Count(limit as u64),
            KnobValue::Count(first as u64),
            Bounds::Count { min: 1, max: MAX_CONCURRENT, step: 1 },
        )
        .trades(
            "Less waiting for the kind, for more load on what it calls and less room for others.",
        )
        .moves("wait_duration", Direction::Down)
        .moves("pending", Direction::Down)
        .moves("running", Direction::Up);
        knobs.push(knob);
    }
    knobs
}

/// Turns one of them, to a value that has been checked. Answers what the settings were; drop them
/// without the lock.
pub(super) fn turn_limit(
    core: &mut Scheduler<Payload>,
    knob: &str,
    to: &KnobValue,
    now: Instant,
) -> Option<KindSettings> {
    let (Some(kind), KnobValue::Count(to)) = (knob.strip_prefix(LIMIT), to) else { return None };
    let kind = core.find_kind(kind)?;
    let settings = core.kind_settings(kind).clone().max_concurrent(*to as usize);
    core.configure(kind, settings, now).ok()
}

const LIMIT: &str = "max_concurrent:";
