//! Strategies of caches through the engine: what helps stays, what hurts is undone, all is an event.

use perf_cache::Cache;
use perf_cache::policy::PolicyKind;
use perf_cache::strategy::{CacheStrategy, Place, TierSettings};
use perf_engine::{PerformanceOptimizer, TurnError};
use std::sync::Arc;

fn strategy(policy: PolicyKind, entries: u64) -> CacheStrategy {
    let mut strategy = CacheStrategy::new("test");
    let mut memory = TierSettings::new(Place::Memory);
    (memory.policy, memory.max_entries) = (Some(policy), Some(entries));
    strategy.tiers = vec![memory];
    strategy
}

#[test]
fn steps_are_turned_judged_and_undone_as_events_of_whoever_asked() {
    let optimizer = PerformanceOptimizer::builder().manual_sampling().build().unwrap();
    let cache: Arc<Cache<u64, u64>> = Arc::new(Cache::builder().max_entries(64).build().unwrap());
    optimizer.register("pages", &cache).unwrap();
    let plan = optimizer.plan_cache("pages", &strategy(PolicyKind::Adaptive, 4), &[]).unwrap();
    assert_eq!(plan.steps.len(), 1, "the policy is so already: {plan}");
    let mut key = 0;
    let mut used = || {
        for _ in 0..4_000 {
            key = (key + 7) % 60;
            cache.get_with(key, || key);
        }
        true
    };
    let done = optimizer.run_cache_plan("pages", &plan, "strategy test", &mut used);
    assert_eq!((done.applied.len(), done.steps[0].kept), (0, false), "{done}");
    assert_eq!(cache.capacity().entries, Some(64), "a loop of 60 does not fit in 4");
    let events = optimizer.events();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.by == "strategy test" && event.knob == "capacity"));
    // Ended before the first step: nothing is turned.
    let plan = optimizer.plan_cache("pages", &strategy(PolicyKind::Lru, 32), &[]).unwrap();
    let done = optimizer.run_cache_plan("pages", &plan, "strategy test", || false);
    assert!(done.applied.is_empty() && done.steps[0].because.contains("was ended"), "{done}");
    assert_eq!(optimizer.events().len(), 2);
    let unknown = optimizer.plan_cache("none", &strategy(PolicyKind::Lru, 32), &[]).unwrap_err();
    assert!(matches!(unknown, TurnError::UnknownComponent { .. }));
}
