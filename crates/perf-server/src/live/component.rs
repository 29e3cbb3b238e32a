//! The live connections as a component: what they cost is watched like everything else.

use super::{Live, LiveCounts};
use perf_core::{Component, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned, Unit};
use std::sync::atomic::Ordering::Relaxed;

impl Observe for Live {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let LiveCounts { connections, refused, sent, skipped } = &self.counts;
        visit(
            Signal::gauge("connections", Unit::Count, connections.load(Relaxed) as f64)
                .help("Live connections that are open."),
        );
        for (name, count, help) in [
            ("refused", refused, "Connections refused because there were too many."),
            ("sent", sent, "Snapshots sent."),
            ("skipped", skipped, "Snapshots left out for slow clients; a newer one replaced them."),
        ] {
            let signal = Signal::counter(name, count.load(Relaxed), Instant::default());
            visit(signal.help(help));
        }
    }
}

impl Tune for Live {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for Live {}
