//! Looking into a cache and invalidating what it holds.

use crate::rig::Rig;
use perf_server::{
    AdminConfig, CacheReport, CurvePoint, EntryOrder, EntryRow, InspectCache, InvalidateFailure,
    Selection,
};
use std::sync::{Arc, Mutex};

/// Names that can be forgotten; a pattern is a prefix here.
#[derive(Debug)]
struct Names(Mutex<Vec<&'static str>>);

impl InspectCache for Names {
    fn report(&self) -> CacheReport {
        let mut report = CacheReport::default();
        report.unit = "count";
        report.curve = vec![CurvePoint { capacity: 2.0, hit_ratio: 0.5 }];
        report
    }

    fn entries(&self, order: EntryOrder, most: usize) -> Vec<EntryRow> {
        let mut names = self.0.lock().unwrap().clone();
        if order == EntryOrder::Largest {
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        }
        let row = |name: &str| EntryRow {
            key: name.to_owned(),
            bytes: Some(name.len() as u64),
            uses: None,
            expires_in_seconds: None,
        };
        names.into_iter().take(most).map(row).collect()
    }

    fn count(&self, selection: &Selection) -> Result<u64, String> {
        let names = self.0.lock().unwrap();
        let matches = |name: &&&str| match selection {
            Selection::Key(key) => key == *name,
            Selection::Pattern(start) => name.starts_with(start.trim_end_matches('*')),
            _ => false,
        };
        if *selection == Selection::Pattern("[".to_owned()) {
            return Err("the class in \"[\" has no end: add `]`".to_owned());
        }
        Ok(names.iter().filter(matches).count() as u64)
    }

    fn invalidate(&self, selection: &Selection) -> Result<u64, InvalidateFailure> {
        let entries = self.count(selection)?;
        if let Selection::Key(_) = selection {
            let cause = "the shelf is nailed shut: open it".to_owned();
            return Err(InvalidateFailure::NotDurable { entries, cause });
        }
        if let Selection::Pattern(start) = selection {
            self.0.lock().unwrap().retain(|n| !n.starts_with(start.trim_end_matches('*')));
        }
        Ok(entries)
    }

    fn uncounted(&self) -> Option<&'static str> {
        Some("What is on the shelf is not counted.")
    }
}

async fn rig() -> (Rig, Arc<Names>) {
    let names = Arc::new(Names(Mutex::new(vec!["a/1", "a/long", "b/2"])));
    let shown: Arc<dyn InspectCache> = Arc::clone(&names) as _;
    let config = AdminConfig::new("127.0.0.1:0".parse().unwrap()).inspect("memory", shown);
    (Rig::start_with(config).await, names)
}

const PATH: &str = "/api/performance/caching/memory";

#[tokio::test]
async fn a_cache_shows_what_it_has_learnt() {
    let (rig, _) = rig().await;
    let shown = rig.get(PATH).await.json();
    assert_eq!(shown["report"]["curve"][0]["hit_ratio"], 0.5);
    assert_eq!((&shown["order"], &shown["entries"][0]["key"]), (&"hottest".into(), &"a/1".into()));
    let largest = rig.get(&format!("{PATH}?order=largest")).await.json();
    assert_eq!(largest["entries"][0]["key"], "a/long");
    rig.get(&format!("{PATH}?order=oldest")).await.problem(422, &["oldest", "hottest or largest"]);
    let unknown = rig.get("/api/performance/caching/disk").await.problem(404, &["disk"]);
    assert_eq!(unknown["known"][0], "memory");
    rig.stop().await;
}

#[tokio::test]
async fn what_would_go_is_counted_before_it_goes() {
    let (rig, names) = rig().await;
    let path = format!("{PATH}/invalidate");
    let dry = rig.tell("POST", &path, r#"{"pattern": "a/*", "dry_run": true}"#).await.json();
    assert_eq!((&dry["entries"], &dry["done"]), (&2.into(), &false.into()));
    assert_eq!(dry["note"], "What is on the shelf is not counted.");
    assert_eq!(names.0.lock().unwrap().len(), 3);
    let done = rig.tell("POST", &path, r#"{"pattern": "a/*"}"#).await.json();
    assert_eq!((&done["entries"], &done["done"]), (&2.into(), &true.into()));
    assert_eq!(*names.0.lock().unwrap(), ["b/2"]);
    rig.stop().await;
}

#[tokio::test]
async fn what_may_come_back_is_no_success() {
    let (rig, _) = rig().await;
    let path = format!("{PATH}/invalidate");
    let said = rig.tell("POST", &path, r#"{"key": "a/1"}"#).await;
    let said = said.problem(503, &["forgotten in this process", "nailed shut"]);
    assert_eq!(
        (&said["type"], &said["entries"]),
        (&"urn:perfkit:problem:not-durable".into(), &1.into())
    );
    assert_eq!(rig.tell("POST", &path, r#"{"key": "a/1", "dry_run": true}"#).await.status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn an_invalidation_needs_the_token_and_one_selection() {
    let (rig, names) = rig().await;
    let path = format!("{PATH}/invalidate");
    let body = r#"{"pattern": "*"}"#;
    rig.ask("POST", &path, &[], body).await.problem(401, &[]);
    for wrong in [r#"{}"#, r#"{"key": "a/1", "tag": "x"}"#, r#"{"dry_run": true}"#] {
        rig.tell("POST", &path, wrong).await.problem(422, &["one of key, tag and pattern"]);
    }
    rig.tell("POST", &path, r#"{"pattern": "["}"#).await.problem(422, &["add `]`"]);
    assert_eq!(names.0.lock().unwrap().len(), 3);
    rig.stop().await;
}
