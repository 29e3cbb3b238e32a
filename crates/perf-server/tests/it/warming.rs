//! A gateway that asks itself before clients do.

use perf_cache::disk::LogStore;
use perf_cache::warming::{WarmReport, WarmUp};
use perf_server::{Gateway, GatewayConfig, Origin};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A site of two pages.
fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.txt", "b.txt"] {
        fs::write(folder.path().join(name), name.repeat(100)).unwrap();
    }
    folder
}

fn config(site: &TempDir) -> GatewayConfig {
    let mut config = GatewayConfig::new(Origin::Folder(site.path().to_owned()));
    config.listen = "127.0.0.1:0".parse().unwrap();
    config
}

fn counts(report: WarmReport) -> [u64; 3] {
    [report.loaded, report.failed, report.skipped]
}

fn urls(all: &[&str]) -> Vec<String> {
    all.iter().map(|url| (*url).to_owned()).collect()
}

fn keys(gateway: &Gateway) -> Vec<String> {
    let mut keys: Vec<_> =
        gateway.memory().iter().map(|(key, _)| key.as_str().to_owned()).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn urls_of_all_forms_are_fetched_once() {
    let site = site();
    let gateway = Gateway::start(config(&site)).await.unwrap();
    let all = urls(&["/a.txt", "http://site.test/a.txt", "site.test/b.txt", "not a url", "a b/c"]);
    let report = gateway.warm(WarmUp::new(), all.clone()).await;
    assert_eq!(counts(report), [3, 2, 0]);
    let own = format!("{}/a.txt", gateway.address());
    assert_eq!(keys(&gateway), [own.as_str(), "site.test/a.txt", "site.test/b.txt"]);
    assert_eq!(counts(gateway.warm(WarmUp::new(), all).await), [0, 2, 3]);
    assert_eq!(gateway.requests(), 0, "no client has asked");
}

#[tokio::test]
async fn what_is_recalled_comes_from_the_disk_and_never_from_the_origin() {
    let (site, disk) = (site(), tempfile::tempdir().unwrap());
    let start = || async {
        let mut config = config(&site);
        config.cache_disk = Some(Arc::new(LogStore::builder(disk.path()).open().unwrap()));
        Gateway::start(config).await.unwrap()
    };
    let end = |gateway: Gateway| async {
        let responses = gateway.responses().clone();
        gateway.shutdown(Duration::from_secs(60)).await;
        let close = move || responses.outer().unwrap().close();
        tokio::task::spawn_blocking(close).await.unwrap();
    };
    let gateway = start().await;
    gateway.warm(WarmUp::new(), urls(&["site.test/a.txt"])).await;
    end(gateway).await;

    let gateway = start().await;
    let all = urls(&["site.test/a.txt", "site.test/b.txt"]);
    assert!(keys(&gateway).is_empty());
    assert_eq!(counts(gateway.recall(WarmUp::new(), all).await), [1, 0, 1]);
    assert_eq!(keys(&gateway), ["site.test/a.txt"]);
    end(gateway).await;
}

#[tokio::test]
async fn a_gateway_that_ends_waits_for_none_of_it() {
    let site = site();
    let gateway = Gateway::start(config(&site)).await.unwrap();
    let warming = gateway.warm(WarmUp::new(), urls(&["/a.txt", "/b.txt"]));
    gateway.shutdown(Duration::from_secs(60)).await;
    assert_eq!(counts(warming.await), [0, 2, 0]);
}
