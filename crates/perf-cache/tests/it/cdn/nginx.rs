//! The real nginx as a store.

use super::PATIENCE;
use super::process::Process;
use perf_cache::cdn::{EdgeStore, EdgeStoreBuilder};
use perf_cache::codec::RawBytes;
use perf_cache::disk::{Put, PutTerms};
use perf_cache::tiered::OuterTier;
use perf_cache::{Terms, TieredCache};
use perf_core::Glob;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One process, so that a signal to it is to all of it.
fn nginx() -> Option<Process> {
    Process::start("nginx", |start, folder, port| {
        for name in ["files", "parts"] {
            std::fs::create_dir(folder.join(name)).unwrap();
        }
        let user = if is_root() { "user root;" } else { "" };
        let settings = format!(
            "{user} daemon off; master_process off; pid pid; error_log stderr;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                client_body_temp_path parts; proxy_temp_path parts; fastcgi_temp_path parts;
                uwsgi_temp_path parts; scgi_temp_path parts;
                client_max_body_size 16m;
                server {{
                    listen 127.0.0.1:{port};
                    root files;
                    location /cache/ {{
                        dav_methods PUT DELETE;
                        create_full_put_path on;
                        if ($http_authorization != \"Bearer let-me-in\") {{ return 403; }}
                    }}
                }}
            }}"
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, settings).unwrap();
        start.arg("-p").arg(folder).arg("-c").arg(path).arg("-e").arg("stderr");
    })
}

fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn store(server: &Process) -> EdgeStoreBuilder {
    EdgeStore::builder(format!("{}/cache", server.url()))
        .header("Authorization", "Bearer let-me-in")
        .deadline(PATIENCE)
        .connect_timeout(PATIENCE)
}

fn read(tier: &EdgeStore, key: &[u8]) -> Option<Vec<u8>> {
    let mut into = b"before".to_vec();
    let found = tier.get(key, &mut into).unwrap();
    assert!(into.starts_with(b"before") && (found || into.len() == 6));
    found.then(|| into.split_off(6))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if file.file_type().unwrap().is_dir() {
            all.extend(files(&file.path()));
        } else {
            all.push(file.path());
        }
    }
    all
}

#[test]
fn what_is_put_is_found_until_it_is_removed() {
    let Some(server) = nginx() else { return };
    let tier = store(&server).build().unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let long = [b'k'; 5_000];
    for key in [b"a".as_slice(), b"", b"\r\n\0\xff/../", &long] {
        assert_eq!(read(&tier, key), None);
        assert_eq!(tier.put(key, &bytes, PutTerms::default()).unwrap(), Put::Stored);
        assert_eq!(read(&tier, key).as_deref(), Some(&bytes[..]));
        assert!(tier.contains(key).unwrap());
        assert_eq!(tier.put(key, b"", PutTerms::default()).unwrap(), Put::Stored);
        assert_eq!(read(&tier, key).as_deref(), Some(&b""[..]));
        assert!(tier.remove(key).unwrap() && !tier.remove(key).unwrap());
        assert!(read(&tier, key).is_none() && !tier.contains(key).unwrap());
    }
    let stats = tier.stats();
    assert_eq!((stats.broken, stats.errors, stats.timed_out, stats.damaged), (0, 0, 0, 0));
    assert_eq!(tier.close().unwrap(), 0);
    assert_eq!(tier.get(b"a", &mut Vec::new()).unwrap_err().cause(), "closed");
}

#[test]
fn a_clear_removes_values_and_keeps_what_says_what_is_dead() {
    let Some(server) = nginx() else { return };
    let tier = store(&server).prefix("one/").build().unwrap();
    let other = store(&server).prefix("two/").build().unwrap();
    let record = [0, b'r'];
    let _ = tier.put(&record, b"kept", PutTerms::pinned()).unwrap();
    for n in 0..50_u8 {
        let _ = tier.put(&[1, n], b"value", PutTerms::default()).unwrap();
        let _ = other.put(&[1, n], b"other", PutTerms::default()).unwrap();
    }
    assert_eq!(files(server.folder.path().join("files/cache/one").as_path()).len(), 51);
    assert_eq!(tier.clear().unwrap(), 0);
    assert_eq!(tier.stats().not_cleared, 0);
    assert_eq!(read(&tier, &[1, 7]), None);
    assert_eq!(read(&tier, &record).as_deref(), Some(&b"kept"[..]));
    assert_eq!(read(&other, &[1, 7]).as_deref(), Some(&b"other"[..]));
    // Nothing to clear is no fault.
    assert_eq!((tier.clear().unwrap(), tier.stats().not_cleared), (0, 0));
    // A value cannot be pinned: a clear would take it.
    let refused = tier.put(b"value", b"1", PutTerms::pinned()).unwrap();
    assert_ne!(refused, Put::Stored);
}

#[test]
fn who_is_not_let_in_is_told_so() {
    let Some(server) = nginx() else { return };
    let url = format!("{}/cache", server.url());
    let tier = EdgeStore::builder(url).deadline(PATIENCE).build().unwrap();
    let error = tier.get(b"a", &mut Vec::new()).unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("403") && why.contains("lets this client in"), "{why}");
    assert!(tier.put(b"a", b"1", PutTerms::default()).is_err());
    assert_eq!(tier.stats().errors, 2);
}

#[test]
fn a_cache_over_it_outlives_its_process_and_what_was_ended_stays_so() {
    let Some(server) = nginx() else { return };
    let open = || {
        let cache: TieredCache<String, String> = TieredCache::builder()
            .without_memory()
            .codec(RawBytes)
            .tier(Arc::new(store(&server).build().unwrap()))
            .deadline(PATIENCE)
            .key_text()
            .build()
            .unwrap();
        cache
    };
    let cache = open();
    cache.insert_with("a".into(), "1".into(), Terms::new().tags(["t"]));
    for key in ["b", "n:c", "p/d", "e"] {
        cache.insert(key.into(), key.to_uppercase());
    }
    assert_eq!(cache.get_entry("b").unwrap().tier, Some("cdn"));
    cache.remove("b").unwrap();
    cache.invalidate_tag("t").unwrap();
    cache.invalidate_namespace("n").unwrap();
    cache.invalidate_by_pattern(&Glob::new("p/*").unwrap()).unwrap();
    // As if the process were killed: nothing is closed.
    let next = open();
    for key in ["a", "b", "n:c", "p/d"] {
        assert_eq!(next.get(key), None, "{key}");
    }
    assert_eq!(next.get("e").as_deref(), Some("E"));
    next.clear().unwrap();
    next.insert("f".into(), "F".into());
    let last = open();
    assert_eq!((last.get("e"), last.get("f").as_deref()), (None, Some("F")));
    assert!(last.close().is_clean() && next.close().is_clean() && cache.close().is_clean());
}

#[test]
fn a_server_that_is_away_costs_a_miss_and_is_used_again_when_it_is_back() {
    let Some(server) = nginx() else { return };
    let tier = Arc::new(store(&server).deadline(super::SHORT).build().unwrap());
    let cache: TieredCache<String, String> = TieredCache::builder()
        .codec(RawBytes)
        .without_memory()
        .tier(tier.clone())
        .retry_after(super::SHORT)
        .build()
        .unwrap();
    cache.insert("a".into(), "1".into());
    super::eventually("it is stored", || cache.get("a").is_some());
    server.pause(true);
    assert_eq!(cache.get_with("a".into(), || "anew".into()), "anew");
    server.pause(false);
    super::eventually("it is asked again", || {
        cache.insert("b".into(), "2".into());
        cache.get("b").is_some()
    });
}
