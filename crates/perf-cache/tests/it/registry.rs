//! Caches by name.

use perf_cache::policy::PolicyKind;
use perf_cache::{Cache, CacheKind, CacheStatus, Registry, Tier};
use std::sync::Arc;
use std::time::Duration;

fn named(name: &str) -> Cache<u64, u64> {
    Cache::builder().name(name).max_entries(10).build().unwrap()
}

#[test]
fn names_are_unique_while_their_caches_live() {
    let registry = Registry::new();
    let first = named("users");
    registry.register(CacheKind::Database, &first).unwrap();
    let second = named("users");
    let error = registry.register(CacheKind::Api, &second).unwrap_err().to_string();
    assert!(error.contains("users") && error.contains("another cache"), "{error}");
    assert!(registry.register(CacheKind::Database, &first.clone()).is_err());
    drop(first);
    assert_eq!((registry.get("users"), registry.unregister("users")), (None, false));
    registry.register(CacheKind::Api, &second).unwrap();
    assert_eq!(registry.get("users").unwrap().kind, CacheKind::Api);
    assert!(registry.unregister("users") && registry.get("users").is_none());
    assert!(!registry.unregister("users"));
}

#[test]
fn a_snapshot_tells_settings_status_and_figures() {
    let registry = Registry::new();
    let sessions: Cache<String, u8> = Cache::builder()
        .name("sessions")
        .max_entries(7)
        .time_to_live(Duration::from_secs(60))
        .policy(PolicyKind::Lru)
        .build()
        .unwrap();
    let pages = named("pages");
    registry.register(CacheKind::Session, &sessions).unwrap();
    registry.register(CacheKind::Custom("maps".to_owned()), &pages).unwrap();
    sessions.insert("a".to_owned(), 1);
    sessions.get("a");
    sessions.remove("a");
    pages.get(&1);
    assert!(registry.clone().set_status("pages", CacheStatus::Maintenance));
    assert!(!registry.set_status("nobody", CacheStatus::Optimizing));

    let [pages, sessions] = &registry.snapshots()[..] else { panic!("two caches") };
    assert_eq!((pages.kind.name(), pages.status.name()), ("maps", "maintenance"));
    assert_eq!((sessions.kind.name(), sessions.status.name()), ("session", "active"));
    assert_eq!(sessions.settings.capacity.entries, Some(7));
    assert_eq!(sessions.settings.time_to_live, Some(Duration::from_secs(60)));
    assert_eq!(sessions.settings.policy, Some(PolicyKind::Lru));
    let tier = &sessions.tiers[0];
    assert_eq!((tier.tier, tier.tier.name(), tier.stats.hits), (Tier::Memory, "memory", 1));

    let totals = registry.totals();
    assert_eq!((totals.caches, totals.entries, totals.hits, totals.misses), (2, 0, 1, 1));
    assert_eq!((totals.insertions, totals.evictions.removed), (1, 1));
    assert!((totals.hit_ratio().unwrap().as_f64() - 0.5).abs() < 1e-9);
    assert_eq!(format!("{registry:?}"), r#"{"pages", "sessions"}"#);
}

#[test]
fn the_number_of_caches_is_bounded() {
    let registry = Registry::new();
    let keep: Vec<_> = (0..Registry::MAX_CACHES).map(|n| named(&n.to_string())).collect();
    keep.iter().for_each(|cache| registry.register(CacheKind::Application, cache).unwrap());
    let more = named("more");
    let error = registry.register(CacheKind::Application, &more).unwrap_err().to_string();
    assert!(error.contains("4096"), "{error}");
    drop(keep);
    registry.register(CacheKind::Application, &more).unwrap();
    assert_eq!(registry.snapshots().len(), 1);
}

/// The last handle may go while a snapshot is made; what is dropped then may use the registry.
#[test]
fn a_value_may_use_the_registry_while_it_is_dropped() {
    struct Asks(Registry);
    impl Drop for Asks {
        fn drop(&mut self) {
            let _ = self.0.get("asks");
        }
    }
    let registry = Registry::new();
    let cache: Cache<u8, Arc<Asks>> =
        Cache::builder().name("asks").max_entries(10).build().unwrap();
    registry.register(CacheKind::Application, &cache).unwrap();
    cache.insert(1, Arc::new(Asks(registry.clone())));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| (0..1_000).filter_map(|_| registry.get("asks")).count());
        std::thread::yield_now();
        drop(cache);
        assert!(reader.join().unwrap() <= 1_000);
    });
    assert_eq!(registry.get("asks"), None);
}
