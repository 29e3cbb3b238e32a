//! What all handlers share.

use super::config::ServiceInfo;
use crate::access::Gate;
use crate::assets::Assets;
use crate::budget::{BudgetRow, Judge};
use crate::inspect::Inspected;
use crate::live::Live;
use crate::strategies::Strategies;
use crate::view::shapes::{
    ComponentRow, EventRow, Events, HealthSummary, KnobRow, LiveStatus, Service, Status,
};
use crate::view::{Scene, knobs};
use perf_analytics::prometheus::Text;
use perf_async::Manager;
use perf_core::{Clock, Instant};
use perf_engine::{Event, EventKind, Health, PerformanceOptimizer, Status as Condition};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) optimizer: PerformanceOptimizer,
    pub(crate) service: ServiceInfo,
    pub(crate) started: Instant,
    pub(crate) clock: Clock,
    pub(crate) gate: Gate,
    pub(crate) budgets: Option<Judge>,
    pub(crate) inspected: Inspected,
    pub(crate) managers: Vec<(String, Manager)>,
    pub(crate) strategies: Strategies,
    pub(crate) assets: Assets,
    pub(crate) live: Arc<Live>,
    /// Tells clients that the server is another one than before.
    pub(crate) epoch: Arc<str>,
    pub(crate) stop: CancellationToken,
    pub(crate) sockets: TaskTracker,
}

impl Server {
    /// Everything that a page is made of, now.
    pub(crate) fn scene(&self) -> Scene<'_> {
        let health = self.optimizer.health_status();
        Scene {
            history: self.optimizer.history(),
            at: seconds(health.at),
            service: self.service(),
            health: HealthSummary { status: word(health.status), summary: health.summary() },
            components: component_rows(&health),
            knobs: self.knobs(),
            events: self.events().events,
            budgets: self.budgets(),
        }
    }

    /// Now, in seconds since 1970.
    pub(crate) fn seconds(&self) -> f64 {
        seconds(self.clock.wall())
    }

    pub(crate) fn knobs(&self) -> Vec<KnobRow> {
        self.optimizer.knobs().iter().map(|own| knobs::row(&own.component, &own.knob)).collect()
    }

    /// Limits and how they are kept; none where no budget was given.
    pub(crate) fn budgets(&self) -> Vec<BudgetRow> {
        let judge = self.budgets.as_ref();
        judge.map_or_else(Vec::new, |judge| judge.rows(self.optimizer.history()))
    }

    /// Newest first.
    pub(crate) fn events(&self) -> Events {
        Events {
            events: self.optimizer.events().iter().rev().map(event_row).collect(),
            dropped: self.optimizer.events_dropped(),
        }
    }

    pub(crate) fn status(&self) -> Status {
        let (sessions, sessions_pushed_out) = self.gate.sessions.counts();
        let counts = &self.live.counts;
        Status {
            service: self.service(),
            version: env!("CARGO_PKG_VERSION"),
            at: seconds(self.clock.wall()),
            components: self.optimizer.components(),
            signals: self.optimizer.history().series().len(),
            knobs: self.optimizer.knobs().len(),
            reads_need_token: self.gate.reads_need_token,
            sessions,
            sessions_pushed_out,
            live: LiveStatus {
                connections: counts.connections.load(Relaxed),
                connections_most: self.live.most_connections(),
                refused: counts.refused.load(Relaxed),
                sent: counts.sent.load(Relaxed),
                skipped: counts.skipped.load(Relaxed),
            },
        }
    }

    /// Every signal in the format of Prometheus.
    pub(crate) fn prometheus(&self) -> String {
        let mut text = Text::new();
        for signal in self.optimizer.signals() {
            text.add_owned(&signal);
        }
        text.finish()
    }

    fn service(&self) -> Service {
        Service {
            name: self.service.name.clone(),
            version: self.service.version.clone(),
            uptime_seconds: (self.clock.now() - self.started).as_secs_f64(),
            origin: self.service.origin.clone(),
            listen: self.service.listen.clone(),
        }
    }
}

/// An event as the API shows it.
pub(crate) fn event_row(event: &Event) -> EventRow {
    EventRow {
        id: event.id,
        at: seconds(event.at),
        kind: match event.kind {
            EventKind::Undo => "undo",
            _ => "turn",
        },
        component: event.component.clone(),
        knob: event.knob.to_string(),
        from: knobs::plain(&event.from),
        to: knobs::plain(&event.to),
        from_display: knobs::display(&event.from),
        to_display: knobs::display(&event.to),
        by: event.by.clone(),
        undone_by: event.undone_by,
    }
}

fn component_rows(health: &Health) -> Vec<ComponentRow> {
    health
        .components
        .iter()
        .map(|own| ComponentRow {
            component: own.component.clone(),
            status: word(own.status),
            reason: own.reason.clone(),
            since: own.since.map(seconds),
            remedy: own.remedy.clone(),
        })
        .collect()
}

fn word(status: Condition) -> &'static str {
    match status {
        Condition::Healthy => "healthy",
        Condition::Degraded => "degraded",
        Condition::Unhealthy => "unhealthy",
    }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
