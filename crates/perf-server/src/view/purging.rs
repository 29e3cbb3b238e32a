//! Those who tell content delivery networks what to forget.

use super::Scene;
use super::shapes::Purger;
use perf_analytics::{Select, Span};

/// Every component that purges, by the service that it purges.
pub(super) fn purgers(scene: &Scene<'_>, span: Span) -> Vec<Purger> {
    let history = scene.history;
    let mut found: Vec<Purger> = history
        .series()
        .into_iter()
        .filter(|series| series.signal == "failing")
        .filter_map(|series| {
            let (_, service) = series.labels.into_iter().find(|(name, _)| name == "service")?;
            let component = series.component;
            let of = |signal: &str| Select::new(&component, signal).label("service", &service);
            let gauge = |signal: &str| history.gauge(&of(signal), span);
            let count = |signal: &str| history.counter(&of(signal), span);
            let delay = history.distribution(&of("delay"), span);
            let ms = |quantile: f64| delay.quantile(quantile).map(super::traffic::ms);
            let row = scene.components.iter().find(|row| row.component == component);
            Some(Purger {
                waiting: gauge("waiting"),
                lag_seconds: gauge("lag"),
                failing: gauge("failing").is_some_and(|failing| failing >= 0.5),
                last_error: row.map(|row| row.reason.clone()).filter(|said| !said.is_empty()),
                queued: count("queued"),
                sent: count("sent"),
                calls: count("calls"),
                retries: count("retries"),
                widened: count("widened"),
                collapsed: count("collapsed"),
                refused: count("refused"),
                rejected: count("rejected"),
                lost: count("lost"),
                delay_p50_ms: ms(0.5),
                delay_p95_ms: ms(0.95),
                component,
                service,
            })
        })
        .collect();
    found.sort_by(|a, b| (&a.component, &a.service).cmp(&(&b.component, &b.service)));
    found
}

#[cfg(test)]
mod tests {
    use super::super::caching::tests::scene;
    use super::*;
    use crate::view::shapes::ComponentRow;
    use perf_analytics::{History, HistoryConfig};
    use perf_core::{Instant, Signal, Unit};
    use std::time::Duration;

    #[test]
    fn each_service_has_its_own_row_with_what_went_wrong_last() {
        let history = History::new(HistoryConfig::default());
        let at = Instant::from_nanos(1_000_000_000);
        // Something else that fails is no purger.
        history.sample(at, "memory", &Signal::gauge("failing", Unit::None, 1.0));
        for (component, service, failing) in [("edge", "fastly", 1.0), ("cdn", "cloudfront", 0.0)] {
            let labels = [("service", service)];
            for (name, value) in [("queued", 9), ("sent", 6), ("lost", 1)] {
                history.sample(at, component, &Signal::counter(name, value, at).labels(&labels));
            }
            for (name, level) in [("failing", failing), ("waiting", 2.0), ("lag", 0.5)] {
                let signal = Signal::gauge(name, Unit::None, level).labels(&labels);
                history.sample(at, component, &signal);
            }
        }
        let mut scene = scene(&history);
        scene.components = vec![ComponentRow {
            component: "edge".to_owned(),
            status: "degraded",
            reason: "it answers 429".to_owned(),
            since: None,
            remedy: String::new(),
        }];
        let found = purgers(&scene, Span::last(Duration::from_secs(300)));
        let services: Vec<_> = found.iter().map(|row| (&*row.service, row.failing)).collect();
        assert_eq!(services, [("cloudfront", false), ("fastly", true)]);
        let row = &found[1];
        assert_eq!((row.queued, row.sent, row.lost), (9, 6, 1));
        assert_eq!((row.waiting, row.lag_seconds), (Some(2.0), Some(0.5)));
        assert_eq!(row.last_error.as_deref(), Some("it answers 429"));
        assert_eq!((found[0].last_error.as_ref(), row.delay_p50_ms), (None, None));
    }
}
