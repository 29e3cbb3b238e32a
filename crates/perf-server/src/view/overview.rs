//! The overview: the first page of the dashboard.

use super::attention::attention;
use super::cards::cards;
use super::charts;
use super::shapes::Overview;
use super::traffic::Traffic;
use super::{Scene, Span};
use perf_analytics as analytics;

/// What the overview shows over a span.
pub(crate) fn overview(scene: &Scene<'_>, shown: Span) -> Overview {
    let (history, span) = (scene.history, analytics::Span::last(shown.duration()));
    let traffic = Traffic::of(history, span);
    Overview {
        service: scene.service.clone(),
        health: scene.health.clone(),
        at: scene.at,
        span_seconds: shown.seconds(),
        cards: cards(history, span, &traffic),
        charts: vec![
            charts::requests(history, span),
            charts::response_times(history, span),
            charts::memory(history, span),
        ],
        attention: attention(history, span, &traffic, scene),
        events: scene.events_within(shown),
    }
}
