//! The server that gateways share, as the engine sees it.

use perf_cache::remote::RedisTier;
use perf_core::{Component, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned, Unit};
use std::sync::Arc;

/// The component `redis`: the connection, and what is heard of the others.
#[derive(Debug)]
pub(super) struct Server {
    tier: Arc<RedisTier>,
    since: Instant,
}

impl Server {
    pub(super) fn new(tier: Arc<RedisTier>, since: Instant) -> Server {
        Server { tier, since }
    }
}

impl Observe for Server {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let stats = self.tier.stats();
        let counters = [
            ("connects", stats.connects, "Connections that were made."),
            ("failed_connects", stats.failed_connects, "Attempts to connect that failed."),
            ("too_late", stats.timed_out, "Calls that the server did not answer in time."),
            ("broken", stats.broken, "Connections that broke under a call."),
            ("errors", stats.errors, "Answers that were errors."),
            ("too_large", stats.too_large, "Answers too large to be shared."),
            ("out_of_memory", stats.out_of_memory, "Answers for which the server had no room."),
            ("overtaken", stats.overtaken, "Answers that had changed before they were shared."),
            ("orphaned", stats.orphaned, "Answers found whose records the server has lost."),
            ("news", stats.news, "Changes of others that were taken in."),
            ("resets", stats.resets, "Times that all was dropped since changes were missed."),
            ("unheard", stats.unheard, "Times that all was dropped since the server was silent."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, self.since).help(help));
        }
        let silent = stats.unheard_for_ms as f64 / 1e3;
        let help = "For how long the server was not heard of.";
        visit(Signal::gauge("unheard_for", Unit::Seconds, silent).help(help));
    }
}

impl Tune for Server {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for Server {}
