//! Each format, on a few lines written here.

use perfkit_benches::{Request, TraceFormat, read_trace};
use std::path::PathBuf;
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a temporary file can be written");
    path
}

fn keys(content: &[u8], format: TraceFormat, limit: usize) -> Vec<u64> {
    let folder = TempDir::new().expect("a temporary folder");
    let requests = read_trace(&file(&folder, "plain", content), format, limit);
    requests.expect("it is in its format").iter().map(|request| request.key).collect()
}

fn problem(content: &[u8], format: TraceFormat) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let error = read_trace(&file(&folder, "plain", content), format, 10).expect_err("it is broken");
    format!("{error:#}")
}

#[test]
fn arc_lines_expand_to_rows_of_keys() {
    assert_eq!(keys(b"10 3 0 1\n7 1 0 2\n", TraceFormat::Arc, 99), [10, 11, 12, 7]);
    assert_eq!(keys(b"10 3000000000 0 1\n", TraceFormat::Arc, 2), [10, 11]);
    assert!(problem(b"10\n", TraceFormat::Arc).contains("line 1 is `10`"));
}

#[test]
fn lirs_skips_stars_blanks_and_carriage_returns() {
    assert_eq!(keys(b"5\r\n\r\n*\n6\n5", TraceFormat::Lirs, 99), [5, 6, 5]);
    assert!(problem(b"5\nsix\n", TraceFormat::Lirs).contains("line 2 is `six`"));
}

#[test]
fn binary_keys_are_big_endian() {
    assert_eq!(keys(&[0, 0, 1, 2, 0, 0, 0, 9], TraceFormat::BeU32, 99), [258, 9]);
    assert_eq!(keys(&[0, 0, 0, 0, 0, 0, 1, 0], TraceFormat::BeU64, 99), [256]);
    assert!(problem(&[0, 0, 1], TraceFormat::BeU32).contains("key 1 is cut off"));
}

#[test]
fn sized_lines_carry_sizes() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "sized", b"1.5 42 1000\n2 43 7\n");
    let requests = read_trace(&path, TraceFormat::Sized, 99).unwrap();
    assert_eq!(requests, [Request { key: 42, size: 1000 }, Request { key: 43, size: 7 }]);
}

#[test]
fn addresses_are_keys() {
    assert_eq!(keys(b"l 0x1fff 3\ns 0x10 1\n", TraceFormat::Address, 99), [0x1fff, 0x10]);
}

#[test]
fn keys_must_be_numbers() {
    assert!(problem(b"/a\n", TraceFormat::Keys).contains("no numbers"));
}

#[test]
fn an_absent_file_is_named() {
    let error = read_trace("no/such.trace".as_ref(), TraceFormat::Lirs, 1).unwrap_err();
    assert!(format!("{error:#}").starts_with("trace no/such.trace: "), "{error:#}");
}
