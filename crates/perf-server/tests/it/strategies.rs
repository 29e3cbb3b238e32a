//! Strategies of caches over HTTP: kept, generated, carried out step by step.

use crate::rig::Rig;
use perf_cache::Cache;
use perf_cache::policy::PolicyKind;
use perf_cache::strategy::WorkloadAnalysis;
use perf_server::{
    AdminConfig, CacheReport, EntryOrder, EntryRow, InspectCache, InvalidateFailure, Selection,
};
use serde_json::{Value, json};
use std::sync::Arc;

const ALL: &str = "/api/performance/cache-strategies";

fn strategy(name: &str, entries: u64) -> Value {
    json!({
        "name": name, "kind": "memory",
        "tiers": [{"tier": "memory", "max_entries": entries, "policy": "lru"}],
    })
}

#[tokio::test]
async fn they_are_kept_replaced_and_forgotten() {
    let rig = Rig::start().await;
    let made = rig.tell("POST", ALL, &strategy("shop", 100).to_string()).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.headers["location"], format!("{ALL}/shop"));
    let made = made.json();
    assert_eq!((&made["kind"], &made["status"]), (&json!("memory"), &json!("active")));
    assert_eq!(made["strategy"]["auto_tuning"], true);
    assert!(made["text"].as_str().unwrap().contains("100 entries, policy lru"), "{made}");
    assert_eq!(rig.tell("POST", ALL, &strategy("shop", 9).to_string()).await.status, 409);
    let shop = format!("{ALL}/shop");
    let put = rig.tell("PUT", &shop, &strategy("shop", 9).to_string()).await;
    assert_eq!(put.json()["strategy"]["tiers"][0]["max_entries"], 9);
    let other = rig.tell("PUT", &shop, &strategy("other", 9).to_string()).await;
    assert_eq!(other.status, 422);
    assert_eq!(rig.get(ALL).await.json()["strategies"].as_array().unwrap().len(), 1);
    assert_eq!(rig.get(&shop).await.json()["id"], "shop");
    let bad =
        json!({"name": "bad", "kind": "memory", "tiers": [{"tier": "memory", "polcy": "lru"}]});
    let bad = rig.tell("POST", ALL, &bad.to_string()).await;
    assert_eq!(bad.status, 422);
    let detail = bad.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("unknown field `polcy`, expected one of `tier`"), "{detail}");
    let secret = rig.ask("POST", ALL, &[], &strategy("x", 1).to_string()).await;
    assert_eq!(secret.status, 401);
    for n in 1..64 {
        let one = strategy(&format!("s{n}"), 10).to_string();
        assert_eq!(rig.tell("POST", ALL, &one).await.status, 201);
    }
    assert_eq!(rig.tell("POST", ALL, &strategy("last", 1).to_string()).await.status, 409);
    assert_eq!(rig.tell("DELETE", &shop, "").await.status, 204);
    assert_eq!(rig.tell("DELETE", &shop, "").await.status, 404);
    assert_eq!(rig.get(&shop).await.status, 404);
    rig.stop().await;
}

/// What is known of a cache.
#[derive(Debug)]
struct Watched(Arc<Cache<u64, u64>>);

impl InspectCache for Watched {
    fn report(&self) -> CacheReport {
        CacheReport::default()
    }

    fn analysis(&self) -> Option<WorkloadAnalysis> {
        Some(WorkloadAnalysis::of_insight(&self.0.insight()?, PolicyKind::Fifo))
    }

    fn entries(&self, _: EntryOrder, _: usize) -> Vec<EntryRow> {
        Vec::new()
    }

    fn count(&self, _: &Selection) -> Result<u64, String> {
        Ok(0)
    }

    fn invalidate(&self, _: &Selection) -> Result<u64, InvalidateFailure> {
        Ok(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_generated_from_a_cache_and_carried_out() {
    let cache: Arc<Cache<u64, u64>> =
        Arc::new(Cache::builder().max_entries(256).policy(PolicyKind::Fifo).build().unwrap());
    let watched = Arc::new(Watched(Arc::clone(&cache)));
    let config = AdminConfig::new("127.0.0.1:0".parse().unwrap()).inspect("pages", watched);
    let rig = Rig::start_with(config).await;
    rig.optimizer.register("pages", &cache).unwrap();
    let generate =
        |name: &str| json!({"generate": {"cache": name, "name": "made", "max_entries": 1024}});
    assert_eq!(rig.tell("POST", ALL, &generate("none").to_string()).await.status, 404);
    let early = rig.tell("POST", ALL, &generate("pages").to_string()).await;
    assert_eq!(early.status, 422, "nothing is known of it yet");
    let mut key = 1_u64;
    for _ in 0..100_000 {
        key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let asked = (key >> 40) % 1_000 * ((key >> 20) % 100) / 100;
        cache.get_with(asked, || asked);
    }
    let mut dear = generate("pages");
    dear["generate"]["prices"] = json!({"per_load": -1, "requests_per_hour": 10});
    let dear = rig.tell("POST", ALL, &dear.to_string()).await;
    let detail = dear.json()["detail"].as_str().unwrap().to_owned();
    assert!(dear.status == 422 && detail.contains("`prices.per_load` cannot be -1"), "{detail}");
    let mut only = generate("pages");
    only["generate"]["dry_run"] = json!(true);
    assert_eq!(rig.tell("POST", ALL, &only.to_string()).await.status, 200);
    assert!(rig.get(ALL).await.json()["strategies"].as_array().unwrap().is_empty());
    let made = rig.tell("POST", ALL, &generate("pages").to_string()).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let made = made.json();
    assert_eq!(made["strategy"]["tiers"][0]["max_entries"], 1024);
    let expected = made["strategy"]["expected"]["hit_ratio"].as_f64().unwrap();
    assert!((0.5..=1.0).contains(&expected), "{made}");
    let optimize = format!("{ALL}/made/optimize");
    let plan = json!({"component": "pages", "dry_run": true, "skip": ["policy"]}).to_string();
    let plan = rig.tell("POST", &optimize, &plan).await;
    assert_eq!((plan.status.as_u16(), &plan.json()["started"]), (200, &json!(false)));
    assert_eq!(plan.json()["plan"]["steps"][0]["knob"], "capacity");
    assert_eq!(cache.capacity().entries, Some(256), "it was only asked for");
    let wrong = json!({"component": "nobody"}).to_string();
    assert_eq!(rig.tell("POST", &optimize, &wrong).await.status, 404);
    let wrong = json!({"component": "pages", "window_seconds": -1}).to_string();
    assert_eq!(rig.tell("POST", &optimize, &wrong).await.status, 422);
    let go = json!({"component": "pages", "window_seconds": 0, "by": "ada"}).to_string();
    assert_eq!(rig.tell("POST", &optimize, &go).await.status, 202);
    let done = loop {
        let made = rig.get(&format!("{ALL}/made")).await.json();
        if !made["optimized"].is_null() {
            break made;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(done["status"], "active");
    assert_eq!(done["optimized"]["component"], "pages");
    let applied = done["optimized"]["outcome"]["applied"].as_array().unwrap();
    assert!(applied.iter().any(|one| one == "capacity from 256 to 1024"), "{done}");
    assert_eq!(cache.capacity().entries, Some(1024));
    assert_eq!(rig.optimizer.events().last().unwrap().by, "strategy made (ada)");
    rig.stop().await;
}
