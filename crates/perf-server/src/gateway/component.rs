//! What the engine sees of the gateway itself.

use super::access_log::AccessLog;
use super::listener::Connections;
use perf_core::{Component, Knob, KnobError, Observe, Signal, Tune, Turn, Turned};
use perf_http::Measure;
use std::sync::Arc;

/// The component `gateway`: what was asked and how fast it was answered, and who is connected.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) measure: Measure,
    pub(super) connections: Arc<Connections>,
    pub(super) log: Option<Arc<AccessLog>>,
}

impl Observe for Front {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        self.measure.observe(visit);
        self.connections.observe(visit);
        if let Some(log) = &self.log {
            log.observe(visit);
        }
    }
}

impl Tune for Front {
    fn knobs(&self) -> Vec<Knob> {
        self.measure.knobs()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        self.measure.turn(turn)
    }
}

impl Component for Front {}
