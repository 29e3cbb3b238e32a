//! Health: what is wrong, since when, what helps.

use crate::pump::{Pump, manual};
use perf_core::Clock;
use perf_engine::{ComponentHealth, Health, PerformanceOptimizer, Status, Verdict};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn of(health: &Health, component: &str) -> ComponentHealth {
    health.components.iter().find(|c| c.component == component).expect("listed").clone()
}

#[test]
fn all_is_well_at_first() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    optimizer.sample_now();
    let health = optimizer.health_status();
    assert_eq!(health.status, Status::Healthy);
    assert_eq!(health.summary(), "3 components, all healthy");
    assert_eq!(of(&health, "pump").since, None);
}

#[test]
fn failures_degrade_then_fail_and_recover() {
    let (optimizer, clock, hand) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    optimizer.sample_now();
    let seconds = |completed: u64, failed: u64, n: u64| {
        for _ in 0..n {
            hand.advance(SECOND);
            pump.strokes.add(completed);
            pump.failed.add(failed);
            optimizer.sample_now();
        }
        of(&optimizer.health_status(), "pump")
    };
    assert_eq!(seconds(1, 1, 5).status, Status::Healthy, "ten say nothing");
    assert_eq!(seconds(100, 0, 30).status, Status::Healthy);
    let degraded = seconds(93, 7, 60);
    assert_eq!(degraded.status, Status::Degraded);
    assert!(degraded.reason.starts_with("7.0 % of 6000 operations failed"), "{degraded:?}");
    assert!(!degraded.remedy.is_empty());
    let since = degraded.since.unwrap();
    assert!(since < clock.wall() && since > clock.wall() - SECOND * 60);
    assert_eq!(seconds(93, 7, 3).since, Some(since), "the complaint is the same");
    let unhealthy = seconds(50, 50, 60);
    assert_eq!(unhealthy.status, Status::Unhealthy);
    assert!(unhealthy.since.unwrap() > since, "it got worse");
    assert!(optimizer.health_status().summary().starts_with("pump: 50.0 %"));
    assert_eq!(seconds(100, 0, 61).status, Status::Healthy);
}

#[test]
fn registered_checks_see_windows_and_may_panic() {
    let (optimizer, clock, hand) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let registered =
        optimizer.check_health("pump", |view| match view.counter("completed", SECOND * 10) {
            0 => Verdict::unhealthy(format!("{} stands still", view.component()), "prime it"),
            _ => Verdict::healthy(),
        });
    assert!(registered);
    assert!(optimizer.check_health("valve", |_| panic!("on purpose")));
    optimizer.sample_now();
    let health = optimizer.health_status();
    assert_eq!(health.status, Status::Unhealthy);
    assert_eq!(of(&health, "pump").reason, "pump stands still");
    assert_eq!(of(&health, "valve").reason, "its health check panicked");
    pump.strokes.increment();
    hand.advance(SECOND);
    optimizer.sample_now();
    assert_eq!(of(&optimizer.health_status(), "pump").status, Status::Healthy);
    let json = serde_json::to_value(optimizer.health_status()).unwrap();
    assert_eq!(json["status"], "degraded");
    assert!(json["at"].is_f64());
}

#[test]
fn checks_are_bounded() {
    let (optimizer, ..) = manual();
    for _ in 0..256 {
        assert!(optimizer.check_health("pump", |_| Verdict::healthy()));
    }
    assert!(!optimizer.check_health("pump", |_| Verdict::healthy()));
}

/// Holds the sampling thread inside its first `observe` until it is let go.
#[derive(Debug)]
struct Stuck {
    entered: AtomicBool,
    inside: Barrier,
    release: Barrier,
}

impl perf_core::Observe for Stuck {
    fn observe(&self, _: &mut dyn FnMut(perf_core::Signal<'_>)) {
        if !self.entered.swap(true, Ordering::SeqCst) {
            self.inside.wait();
            self.release.wait();
        }
    }
}

impl perf_core::Tune for Stuck {
    fn knobs(&self) -> Vec<perf_core::Knob> {
        Vec::new()
    }

    fn turn(&self, turn: perf_core::Turn) -> Result<perf_core::Turned, perf_core::KnobError> {
        Err(perf_core::KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl perf_core::Component for Stuck {}

#[test]
fn stale_readings_name_the_component_that_holds_them_up() {
    let (clock, hand) = Clock::manual();
    let optimizer = PerformanceOptimizer::builder()
        .clock(clock)
        .sample_every(Duration::from_millis(20))
        .build()
        .unwrap();
    // A round has to have ended before another can be late.
    optimizer.sample_now();
    let stuck = Arc::new(Stuck {
        entered: AtomicBool::new(false),
        inside: Barrier::new(2),
        release: Barrier::new(2),
    });
    optimizer.register("stuck", &stuck).unwrap();
    stuck.inside.wait();
    hand.advance(Duration::from_secs(8));
    let found = of(&optimizer.health_status(), "engine");
    assert_eq!(found.status, Status::Degraded);
    assert!(found.reason.contains("no reading for 8 s: `stuck`"), "{found:?}");
    stuck.release.wait();
}
