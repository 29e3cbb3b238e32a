//! What a cache tells a content delivery network.

use super::PATIENCE;
use super::double::{Double, Reply};
use perf_cache::cdn::{Cloudflare, CloudflarePlan, Purger};
use perf_cache::{Cache, Terms, TieredCache};
use perf_core::Glob;
use std::sync::Arc;

fn purger(double: &Double) -> Arc<Purger> {
    let zone = Cloudflare::builder("z1", "token").plan(CloudflarePlan::Enterprise);
    Arc::new(Purger::builder(zone.base_url(double.url()).build().unwrap()).build().unwrap())
}

fn double() -> Double {
    Double::start(|_| Reply::text(200, r#"{"success":true}"#))
}

fn cache(purger: &Arc<Purger>) -> TieredCache<String, u64> {
    TieredCache::builder()
        .memory(Cache::builder().max_entries(100))
        .purge(Arc::clone(purger), |key: &String| {
            ["", "?lang=de"].map(|query| format!("https://shop.org/{key}{query}"))
        })
        .build()
        .unwrap()
}

#[test]
fn changes_of_callers_are_told_and_loads_are_not() {
    let double = double();
    let purger = purger(&double);
    let cache = cache(&purger);
    assert_eq!(cache.get_with("tea".into(), || 3), 3);
    assert_eq!(cache.get_with_terms("milk".into(), || (1, Terms::new().tags(["cold"]))), 1);
    assert!(purger.flush(PATIENCE) && double.seen().is_empty());
    let changes: [(&dyn Fn(), &str); 7] = [
        (&|| cache.insert("tea".into(), 4), "/tea\",\"https://shop.org/tea?lang=de\"]"),
        (&|| assert!(cache.remove("tea").unwrap()), "{\"files\":[\"https://shop.org/tea\","),
        (&|| assert_eq!(cache.invalidate_tag("cold").unwrap().at_most, 1), "{\"tags\":[\"cold\"]}"),
        (&|| assert!(cache.invalidate_namespace("n").is_ok()), "purge_everything"),
        (
            &|| assert!(cache.invalidate_by_pattern(&Glob::new("a*").unwrap()).is_ok()),
            "purge_everything",
        ),
        (&|| assert!(cache.invalidate_dependencies("x").is_ok()), "purge_everything"),
        (&|| cache.clear().unwrap(), "purge_everything"),
    ];
    for (calls, (change, expected)) in (1..).zip(changes) {
        change();
        assert!(purger.flush(PATIENCE));
        let seen = double.seen();
        assert_eq!(seen.len(), calls, "{seen:?}");
        assert!(seen[calls - 1].text().contains(expected), "{}", seen[calls - 1].text());
    }
    assert_eq!(purger.stats().lost, 0);
}

#[test]
fn a_change_that_nobody_waits_for_any_more_is_told_all_the_same() {
    let double = double();
    let purger = purger(&double);
    let cache = cache(&purger);
    let mut change = Box::pin(cache.remove_async("tea"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = change.as_mut().poll(&mut context);
    drop(change);
    assert!(purger.flush(PATIENCE));
    assert_eq!(double.seen().len(), 1);
}
