//! The cache on disk: what is told of its files.

use crate::program::{refusal, run, text};
use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms};
use perf_core::ByteSize;
use std::fs;
use std::path::Path;
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
    assert!(told.contains("damaged: 1 records"), "{told}");
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
