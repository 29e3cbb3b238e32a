//! The shared response cache.

mod builder;
mod service;

pub use builder::ResponseCacheBuilder;
pub use service::{ResponseCacheLayer, ResponseCacheService, ResponseFuture};

use perf_core::{Component, Knob, KnobError, Observe, Signal, Tune, Turn, Turned};
use std::fmt;
use std::sync::Arc;

/// A shared cache for HTTP answers after RFC 9111. Clones are handles to the same cache.
#[derive(Clone)]
pub struct ResponseCache {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    name: String,
}

impl ResponseCache {
    /// Starts building.
    pub fn builder() -> ResponseCacheBuilder {
        ResponseCacheBuilder::new()
    }

    /// A layer that answers from this cache.
    #[must_use]
    pub fn layer(&self) -> ResponseCacheLayer {
        ResponseCacheLayer::new(self.clone())
    }

    /// The name in `Cache-Status`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }
}

impl Observe for ResponseCache {
    fn observe(&self, _visit: &mut dyn FnMut(Signal<'_>)) {}
}

impl Tune for ResponseCache {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for ResponseCache {}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCache").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
