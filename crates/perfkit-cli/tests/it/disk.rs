//! The cache on disk: what it keeps over restarts, and what is told of its files.

use crate::program::{PATIENCE, Serving, refusal, run, text};
use crate::wire::{Answer, Origin, send};
use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms};
use perf_core::ByteSize;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

/// A closed store of so many values.
fn store(folder: &TempDir, values: usize) {
    let store = LogStore::builder(folder.path()).max_bytes(ByteSize::mib(64)).open().unwrap();
    for n in 0..values {
        let put = store.put(format!("h/{n}").as_bytes(), &vec![7; 1_000 + n], PutTerms::default());
        assert_eq!(put.unwrap(), Put::Stored);
    }
    store.close().unwrap();
}

fn json(arguments: &[&str], code: i32) -> serde_json::Value {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn segment(folder: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut segments = files.filter(|path| path.extension().is_some_and(|kind| kind == "seg"));
    segments.next().unwrap()
}

#[test]
fn a_store_is_told_of_and_checked() {
    let folder = TempDir::new().unwrap();
    store(&folder, 20);
    let dir = text(folder.path());
    let seen = json(&["cache", "inspect", dir, "--json", "--limit", "2"], 0);
    assert_eq!((&seen["entries"], &seen["damaged"]), (&20.into(), &0.into()), "{seen}");
    assert_eq!(seen["clean_shutdown"], true);
    let keys: Vec<_> = seen["largest"].as_array().unwrap().iter().map(|e| &e["key"]).collect();
    assert_eq!(keys, ["h/19", "h/18"]);
    let told = String::from_utf8(run(&["cache", "inspect", dir]).stdout).unwrap();
    assert!(told.contains("entries      20") && told.contains("never  h/19"), "{told}");
    let seen = json(&["cache", "verify", dir, "--json"], 0);
    assert_eq!((&seen["records"], &seen["clean"]), (&20.into(), &true.into()), "{seen}");

    let path = segment(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let seen = json(&["cache", "verify", dir, "--json"], 1);
    assert_eq!((&seen["damaged"], &seen["entries"]), (&1.into(), &19.into()), "{seen}");
    let told = String::from_utf8(run(&["cache", "verify", dir]).stdout).unwrap();
    assert!(told.contains("damaged: 1 record in"), "{told}");
}

#[test]
fn what_is_no_store_or_in_use_is_refused() {
    let folder = TempDir::new().unwrap();
    for command in ["inspect", "verify"] {
        let said = refusal(&["cache", command, text(folder.path())], 2);
        assert!(said.contains("no store"), "{said}");
        let said = refusal(&["cache", command, "/no/such/directory"], 2);
        assert!(said.contains("--cache-disk"), "{said}");
    }
    let _open = LogStore::builder(folder.path()).open().unwrap();
    let said = refusal(&["cache", "verify", text(folder.path())], 2);
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
}

/// An origin whose answers are good for long, filed under their path.
pub(crate) fn origin() -> Origin {
    Origin::start(|request, mut stream| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let tag = path.trim_start_matches('/');
        let body = format!("{path} {}", "x".repeat(BODY));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncache-control: max-age=600\r\ncache-tag: {tag}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
    })
}

/// Too short to be compressed, and more than all else that is stored.
const BODY: usize = 500;

/// GET by a name that stays, whatever the port.
pub(crate) fn ask(serving: &Serving, path: &str) -> Answer {
    ask_with(serving, path, &[])
}

pub(crate) fn ask_with(serving: &Serving, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: site.test\r\nconnection: close\r\n");
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    send(serving.address, request.as_bytes())
}

/// Asks the API to invalidate.
pub(crate) fn post(serving: &Serving, body: &str) -> Answer {
    let admin = serving.start_line["admin"].as_str().unwrap().strip_prefix("http://").unwrap();
    let request = format!(
        "POST /api/performance/caching/memory/invalidate HTTP/1.1\r\nhost: {admin}\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    send(admin.parse().unwrap(), request.as_bytes())
}

const TOKEN: &str = "a-token-of-enough-letters";

/// Waits until so many answers have reached the files: a put is handed to the system soon after the
/// answer, not before it.
pub(crate) fn wait_until_written(folder: &TempDir, answers: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let files = fs::read_dir(folder.path()).unwrap();
        let sizes = files.map(|file| file.unwrap().metadata().map_or(0, |meta| meta.len()));
        if sizes.sum::<u64>() >= (answers * BODY) as u64 {
            return;
        }
        assert!(Instant::now() < deadline, "nothing is written");
        std::thread::yield_now();
    }
}

pub(crate) fn serve(origin: &Origin, folder: &TempDir, more: &[&str]) -> Serving {
    let mut all = vec!["--cache-disk", text(folder.path()), "--cache-disk-size", "64MiB"];
    all.extend(["--token", TOKEN]);
    all.extend(more);
    Serving::start(&origin.url(), &all)
}

/// Kills it, as the system does.
pub(crate) fn kill(serving: Serving) {
    serving.signal("KILL");
    let (status, _) = serving.end();
    assert_eq!(status.code(), None);
}

#[test]
fn what_was_cached_outlives_a_kill_and_what_was_purged_does_not() {
    let (folder, origin) = (TempDir::new().unwrap(), origin());
    let paths = ["/a", "/b", "/c", "/d"];
    let serving = serve(&origin, &folder, &[]);
    for path in paths {
        assert_eq!(
            ask(&serving, path).header("cache-status"),
            "perfkit; fwd=miss; stored; ttl=600"
        );
    }
    wait_until_written(&folder, paths.len());
    kill(serving);

    let serving = serve(&origin, &folder, &[]);
    for path in paths {
        let answer = ask(&serving, path);
        let status = answer.header("cache-status");
        assert!(status.starts_with("perfkit; hit;") && status.ends_with("detail=disk"), "{status}");
        assert!(answer.text().starts_with(path) && answer.whole);
    }
    assert_eq!(origin.asked(), paths.len(), "the origin is not asked again");
    assert!(!ask(&serving, "/a").header("cache-status").contains("disk"), "it is in memory now");
    assert_eq!(post(&serving, r#"{"tag": "b"}"#).status, 200);
    kill(serving);

    let seen = json(&["cache", "inspect", text(folder.path()), "--json"], 0);
    assert_eq!((&seen["clean_shutdown"], &seen["damaged"]), (&false.into(), &0.into()), "{seen}");
    let keys: Vec<_> = seen["largest"].as_array().unwrap().iter().map(|e| &e["key"]).collect();
    assert!(keys.contains(&&"site.test/a".into()), "{seen}");
    let serving = serve(&origin, &folder, &[]);
    assert!(ask(&serving, "/b").header("cache-status").contains("fwd=miss"));
    assert!(ask(&serving, "/a").header("cache-status").contains("hit"));
    assert_eq!(origin.asked(), paths.len() + 1);

    serving.signal("TERM");
    let (status, said) = serving.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("cache on disk closed") && said.contains("4 entries kept"), "{said}");
    let seen = json(&["cache", "verify", text(folder.path()), "--json"], 0);
    assert_eq!((&seen["clean"], &seen["clean_shutdown"]), (&true.into(), &true.into()), "{seen}");
}

#[test]
fn sqlite_keeps_the_cache_too() {
    is_kept_by("sqlite");
}

#[cfg(feature = "rocksdb")]
#[test]
fn rocksdb_keeps_the_cache_too() {
    is_kept_by("rocksdb");
}

fn is_kept_by(kind: &str) {
    let (folder, origin) = (TempDir::new().unwrap(), origin());
    let store = ["--cache-disk-store", kind];
    let serving = serve(&origin, &folder, &store);
    assert!(ask(&serving, "/a").header("cache-status").contains("fwd=miss"));
    serving.signal("TERM");
    let (status, said) = serving.end();
    assert!(status.success() && said.contains("1 entry kept"), "{said}");
    let serving = serve(&origin, &folder, &store);
    let answer = ask(&serving, "/a");
    assert!(answer.header("cache-status").contains("detail=disk"), "{answer:?}");
    assert_eq!(origin.asked(), 1);
    let dir = text(folder.path());
    assert!(refusal(&["cache", "inspect", dir], 2).contains("in use"));
    serving.signal("TERM");
    assert!(serving.end().0.success());
    let seen = json(&["cache", "inspect", dir, "--json"], 0);
    assert_eq!((&seen["store"], &seen["entries"]), (&kind.into(), &1.into()), "{seen}");
    assert_eq!(seen["largest"][0]["key"], "site.test/a");
    let seen = json(&["cache", "verify", dir, "--json"], 0);
    assert_eq!((&seen["clean"], &seen["records"]), (&true.into(), &1.into()), "{seen}");
}

#[test]
fn a_disk_that_cannot_be_had_is_said_at_the_start() {
    let (folder, origin) = (TempDir::new().unwrap(), origin());
    let _serving = serve(&origin, &folder, &[]);
    let dir = text(folder.path());
    let start = |more: &[&str]| {
        let (url, free) = (origin.url(), "127.0.0.1:0");
        let mut all = vec!["serve", "--origin", &url, "--listen", free, "--admin", free];
        all.extend(more);
        refusal(&all, 2)
    };
    let said = start(&["--cache-disk", dir]);
    assert!(said.contains(dir) && said.contains("in use by process"), "{said}");
    let said = start(&["--cache-disk", dir, "--cache-disk-store", "redis"]);
    assert!(said.contains("`redis` is no store: use log"), "{said}");
    #[cfg(not(feature = "rocksdb"))]
    {
        let said = start(&["--cache-disk", dir, "--cache-disk-store", "rocksdb"]);
        let remedy = "cargo install perfkit-cli --features rocksdb";
        assert!(said.contains("cache-disk-store") && said.contains(remedy), "{said}");
    }
    let said = start(&["--cache-disk", dir, "--cache-disk-size", "10KiB"]);
    assert!(said.contains("cache-disk-size") && said.contains("1 MiB"), "{said}");
    let said = start(&["--cache-disk-size", "1GiB"]);
    assert!(said.contains("--cache-disk"), "{said}");
    let said = start(&["--cache-disk", "/proc/nothing"]);
    assert!(said.contains("/proc/nothing"), "{said}");
}
