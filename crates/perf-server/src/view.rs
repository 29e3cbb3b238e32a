//! What is shown: pure functions from history, knobs and events to the JSON of the API.

mod attention;
mod caching;
mod cards;
mod charts;
mod course;
pub(crate) mod knobs;
mod learning;
pub(crate) mod managers;
pub(crate) mod operations;
mod overview;
mod purging;
pub(crate) mod shapes;
mod span;
mod traffic;

pub(crate) use caching::caching;
pub(crate) use managers::managers;
pub(crate) use overview::overview;
pub(crate) use span::Span;
pub(crate) use traffic::{GATEWAY, PROCESS};

use crate::budget::BudgetRow;
use perf_analytics::History;
use shapes::{ComponentRow, EventRow, HealthSummary, KnobRow, Service};

/// Everything that a page is made of, at one moment.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) history: &'a History,
    /// Seconds since 1970.
    pub(crate) at: f64,
    pub(crate) service: Service,
    pub(crate) health: HealthSummary,
    pub(crate) components: Vec<ComponentRow>,
    pub(crate) knobs: Vec<KnobRow>,
    /// Newest first.
    pub(crate) events: Vec<EventRow>,
    /// Limits and how they are kept, if there are any.
    pub(crate) budgets: Vec<BudgetRow>,
}

impl Scene<'_> {
    fn events_within(&self, span: Span) -> Vec<EventRow> {
        let from = self.at - span.seconds() as f64;
        self.events.iter().filter(|event| event.at >= from).take(MOST_EVENTS).cloned().collect()
    }
}

/// Events on a page. All that are kept are under `/api/performance/events`.
const MOST_EVENTS: usize = 50;
