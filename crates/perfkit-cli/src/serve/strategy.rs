//! A cache strategy, put to use when the gateway starts.

use crate::failure::Failure;
use crate::output;
use crate::settings::{Settings, Source};
use perf_cache::strategy::{CacheStrategy, Place, StrategyStatus};
use perf_engine::PerformanceOptimizer;
use perf_server::GatewayConfig;
use std::path::Path;

pub(super) fn read(path: &Path) -> Result<CacheStrategy, Failure> {
    CacheStrategy::read_file(path).map_err(|error| Failure::usage(error.to_string()))
}

/// Memory is made as large as it says, unless a setting says otherwise: the knob of what is built
/// reaches sixteen times as far and no farther.
pub(super) fn size(strategy: &CacheStrategy, settings: &Settings, gateway: &mut GatewayConfig) {
    let is_free = settings.cache_memory.from == Source::Default;
    let may = strategy.auto_tuning && strategy.status != StrategyStatus::Disabled;
    let size = strategy.tier(Place::Memory).and_then(|memory| memory.max_bytes);
    if let Some(bytes) = size.filter(|_| is_free && may) {
        gateway.cache_memory = bytes;
    }
}

/// Turns what it says; tells what that was, and what could not be.
pub(super) fn apply(strategy: &CacheStrategy, optimizer: &PerformanceOptimizer) {
    let name = &strategy.name;
    let by = format!("strategy {name} (serve)");
    for (component, skip) in [(MEMORY, &["disk_capacity"][..]), (TIERS, MEMORY_STEPS)] {
        // Without tiers beyond memory there is no such component.
        let Ok(plan) = optimizer.plan_cache(component, strategy, skip) else { continue };
        let done = optimizer.run_cache_plan(component, &plan, &by, || true);
        for turned in &done.applied {
            output::tell(&format!("perfkit: strategy {name}: {component}/{turned}"));
        }
        let refused = done.steps.iter().filter(|judged| !judged.kept);
        let refused = refused.map(|judged| (&judged.step.id, &judged.because));
        let left_out = plan.left_out.iter().map(|left| (&left.id, &left.because));
        for (id, because) in refused.chain(left_out).filter(|(id, _)| !skip.contains(&id.as_str()))
        {
            output::tell(&format!("perfkit: strategy {name}: {component}/{id} stays: {because}"));
        }
    }
}

/// The components of the gateway.
const MEMORY: &str = "memory";
const TIERS: &str = "tiers";
const MEMORY_STEPS: &[&str] = &["policy", "cold_share", "time_to_live", "capacity", "prefetch"];
