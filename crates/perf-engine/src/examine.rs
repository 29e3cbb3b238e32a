//! Finding out how the components are.

use crate::engine::{Engine, lock};
use crate::health::{Check, ComponentHealth, Health, HealthView, Status, Verdict};
use perf_analytics::{Select, Span};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

impl Engine {
    /// Examines every component, and remembers since when it complains.
    pub(crate) fn examine(&self) -> Health {
        let at = self.clock().wall();
        let mut found: Vec<(String, usize, Verdict)> = Vec::new();
        found.extend(self.stale().map(|verdict| (ENGINE.to_owned(), STALE, verdict)));
        let names = self.registry().names();
        for name in &names {
            let view = HealthView { component: name, history: self.history() };
            found.extend(self.panicking(name).map(|v| (name.clone(), PANICKING, v)));
            found.extend(failing(&view).map(|(rule, v)| (name.clone(), rule, v)));
        }
        for (i, (component, check)) in self.checks().iter().enumerate() {
            let view = HealthView { component, history: self.history() };
            let verdict = catch_unwind(AssertUnwindSafe(|| check(&view))).unwrap_or_else(|_| {
                Verdict::degraded("its health check panicked", "mend the check, it says nothing")
            });
            if verdict.status > Status::Healthy {
                found.push((component.clone(), REGISTERED + i, verdict));
            }
        }
        let components = self.remember(found, names, at);
        let status = components.iter().map(|c| c.status).max().unwrap_or(Status::Healthy);
        Health { status, at, components }
    }

    /// Answers whether there was room for it.
    pub(crate) fn add_check(&self, component: &str, check: Check) -> bool {
        let mut checks = lock(&self.checks.0);
        let room = checks.len() < MAX_CHECKS;
        if room {
            checks.push((component.to_owned(), check));
        }
        room
    }

    fn checks(&self) -> Vec<(String, Check)> {
        lock(&self.checks.0).iter().map(|(n, c)| (n.clone(), Arc::clone(c))).collect()
    }

    fn remember(
        &self,
        found: Vec<(String, usize, Verdict)>,
        names: Vec<String>,
        at: SystemTime,
    ) -> Vec<ComponentHealth> {
        let mut complaints = lock(&self.complaints);
        let before = std::mem::take(&mut *complaints);
        let mut ill = HashSet::new();
        let mut components = Vec::new();
        for (component, check, verdict) in found {
            let key = (component.clone(), check);
            // It got worse or better: that is a new complaint.
            let since = match before.get(&key) {
                Some((status, since)) if *status == verdict.status => *since,
                _ => at,
            };
            complaints.insert(key, (verdict.status, since));
            ill.insert(component.clone());
            let Verdict { status, reason, remedy } = verdict;
            components.push(ComponentHealth {
                component,
                status,
                reason,
                since: Some(since),
                remedy,
            });
        }
        drop(complaints);
        let well = names.into_iter().filter(|name| !ill.contains(name));
        components.extend(well.map(|component| ComponentHealth {
            component,
            status: Status::Healthy,
            reason: String::new(),
            since: None,
            remedy: String::new(),
        }));
        components.sort_by(|a, b| a.component.cmp(&b.component).then(b.status.cmp(&a.status)));
        components
    }

    fn stale(&self) -> Option<Verdict> {
        let sampling = self.sampling();
        let (latest, _) = sampling.latest?;
        let age = self.clock().now() - latest;
        if !self.automatic() || age <= self.sample_every() * MISSED_ROUNDS {
            return None;
        }
        let age = age.as_secs();
        Some(match &sampling.observing {
            Some(name) => Verdict::degraded(
                format!("no reading for {age} s: `{name}` has not returned from observe"),
                format!("look what `{name}` waits for; observe must not block"),
            ),
            None => Verdict::degraded(
                format!("no reading for {age} s: the sampling thread does not get to run"),
                "give the process more processor time, or sample less often",
            ),
        })
    }

    fn panicking(&self, name: &str) -> Option<Verdict> {
        let sampling = self.sampling();
        let panics = sampling.panics.get(name).filter(|p| p.now)?;
        Some(Verdict::degraded(
            format!(
                "panics when it is observed, {} times so far: {}",
                panics.count, panics.message
            ),
            "its figures are missing; mend its observe",
        ))
    }
}

/// Ratios of failures that any component may show, from the signals it reports.
fn failing(view: &HealthView<'_>) -> Option<(usize, Verdict)> {
    let sums = |of: &[Counted]| of.iter().map(|c| c.total(view)).sum::<u64>();
    RULES.iter().enumerate().find_map(|(i, rule)| {
        let failed = sums(rule.failed);
        if failed == 0 {
            return None;
        }
        let all = sums(rule.all).max(failed);
        let share = failed as f64 / all as f64;
        if all < MIN_COUNT || share < DEGRADED {
            return None;
        }
        let percent = share * 100.0;
        let seconds = WINDOW.as_secs();
        let reason = format!("{percent:.1} % of {all} {} in {seconds} s", rule.what);
        let verdict = if share >= UNHEALTHY { Verdict::unhealthy } else { Verdict::degraded };
        Some((i, verdict(reason, rule.remedy)))
    })
}

/// Failures among all.
struct Rule {
    what: &'static str,
    failed: &'static [Counted],
    all: &'static [Counted],
    remedy: &'static str,
}

/// Something counted: a counter, perhaps with a label, or the entries of a histogram.
enum Counted {
    Counter(&'static str),
    Labelled(&'static str, &'static str, &'static str),
    Entries(&'static str),
}

impl Counted {
    fn total(&self, view: &HealthView<'_>) -> u64 {
        let span = Span::last(WINDOW);
        match self {
            Counted::Counter(signal) => view.counter(signal, WINDOW),
            Counted::Labelled(signal, key, value) => {
                let select = Select::new(view.component(), *signal).label(*key, *value);
                view.history().counter(&select, span)
            }
            Counted::Entries(signal) => {
                view.history().distribution(&Select::new(view.component(), *signal), span).count()
            }
        }
    }
}

const RULES: &[Rule] = &[
    Rule {
        what: "requests were answered with an error of the server",
        failed: &[Counted::Labelled("requests", "class", "5xx")],
        all: &[Counted::Counter("requests")],
        remedy: "look at the origin and its log; cached answers go on being served",
    },
    Rule {
        what: "operations failed or ran out of time",
        failed: &[Counted::Counter("failed"), Counted::Counter("timed_out")],
        all: &[
            Counted::Counter("completed"),
            Counted::Counter("failed"),
            Counted::Counter("timed_out"),
        ],
        remedy: "look at what they call; raise `timeout` if it is slow but works",
    },
    Rule {
        what: "operations were turned away because the queue was full",
        failed: &[Counted::Counter("rejected")],
        all: &[Counted::Counter("submitted"), Counted::Counter("rejected")],
        remedy: "raise `max_concurrent` if there is room, or ask less often",
    },
    Rule {
        what: "loads of missing entries failed",
        failed: &[Counted::Counter("load_failures")],
        all: &[Counted::Counter("loads")],
        remedy: "look at where the entries are loaded from",
    },
    Rule {
        what: "recorded operations failed",
        failed: &[Counted::Counter("operation_errors")],
        all: &[Counted::Entries("operation_duration")],
        remedy: "the metrics say which operation, and its last error",
    },
];

/// The component that the engine is to itself.
pub(crate) const ENGINE: &str = "engine";

/// Numbers of checks: the rules come first, then these, then the registered ones.
const STALE: usize = 1_000;
const PANICKING: usize = 1_001;
const REGISTERED: usize = 2_000;

const WINDOW: Duration = Duration::from_secs(60);
/// A ratio of fewer says nothing.
const MIN_COUNT: u64 = 20;
const DEGRADED: f64 = 0.05;
const UNHEALTHY: f64 = 0.10;
const MAX_CHECKS: usize = 256;
const MISSED_ROUNDS: u32 = 5;
