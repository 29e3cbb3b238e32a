//! The engine: thresholds, knobs, rounds of readings.

use crate::{PerformanceOptimizer, Status, Verdict};
use perf_bench::suite::{Context, SectionFailure};
use perf_cache::Cache;
use perf_core::{Clock, KnobValue, Turn};
use std::sync::Arc;
use std::time::Duration;

/// Components that are watched.
const COMPONENTS: usize = 10;

pub(super) struct Section;

impl perf_bench::suite::Section for Section {
    fn name(&self) -> &str {
        "engine"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let (clock, hand) = Clock::manual();
        let optimizer = PerformanceOptimizer::builder()
            .clock(clock.clone())
            .manual_sampling()
            .build()
            .map_err(SectionFailure::failed)?;
        let mut caches = Vec::new();
        for n in 0..COMPONENTS {
            let cache = Cache::<u64, u64>::builder().max_entries(1_000).clock(clock.clone());
            let cache = Arc::new(cache.build().map_err(SectionFailure::failed)?);
            let name = format!("cache-{n}");
            optimizer.register(&name, &cache).map_err(SectionFailure::failed)?;
            let minute = Duration::from_secs(60);
            optimizer.check_health(&name, move |view| match view.counter("misses", minute) {
                0..=5 => Verdict::healthy(),
                misses => Verdict::degraded(format!("{misses} misses"), "warm it up"),
            });
            caches.push(cache);
        }
        // An hour of rounds, so that questions meet windows of every age.
        for round in 0..context.size(3_600, 360) {
            let _ = caches[0].get(&round);
            hand.advance(Duration::from_secs(1));
            optimizer.sample_now();
        }

        let health = optimizer.health_status();
        let own = health.components.iter().filter(|one| one.component.starts_with("cache-"));
        let said: Vec<Status> = own.map(|one| one.status).collect();
        let sick = said.iter().filter(|status| **status != Status::Healthy).count();
        context.check(said.len() == COMPONENTS, "every component has a state")?;
        context.check(sick == 1, "the one that misses its threshold is named, and no other")?;
        context.time("threshold_check", "thresholds of 10 components over a minute", |_| {
            optimizer.health_status()
        })?;

        let knobs = optimizer.knobs();
        let Some(chosen) = knobs.iter().find(|one| matches!(one.knob.value, KnobValue::Count(_)))
        else {
            return Err(SectionFailure::Wrong("a cache has a knob that counts".to_owned()));
        };
        let knob = &chosen.knob;
        let turn = Turn { knob: knob.id.clone(), to: knob.value.clone(), expect: None };
        let mut refused = 0;
        context.time("knob_check", "check a turn against a knob's bounds", |_| {
            refused += u64::from(knob.check(&turn).is_err());
        })?;
        context.check(refused == 0, "a knob may be set to what it is")?;

        context.time("sample", "a round of readings of 10 caches", |_| {
            hand.advance(Duration::from_secs(1));
            optimizer.sample_now();
        })?;
        context.time("export", "export all signals as Prometheus text", |_| {
            optimizer.export_metrics()
        })?;
        let text = optimizer.export_metrics();
        context.check(text.contains("cache-9"), "the text names every component")
    }
}
