//! The cache is warmed up at the start: with a list, and with what was hit most in the last run.

use crate::disk::{ask, origin, serve};
use crate::program::{PATIENCE, Serving, refusal, text};
use crate::wire::get;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;
use tempfile::TempDir;

#[test]
fn a_list_is_fetched_before_anybody_asks() {
    let (folder, origin) = (TempDir::new().unwrap(), origin());
    let list = folder.path().join("urls");
    fs::write(&list, "# the start\nhttp://site.test/a\n\nsite.test/b\n").unwrap();
    let serving = Serving::start(&origin.url(), &["--warm", text(&list)]);
    let deadline = Instant::now() + PATIENCE;
    while origin.asked() < 2 {
        assert!(Instant::now() < deadline, "nothing is fetched");
        std::thread::yield_now();
    }
    for path in ["/a", "/b"] {
        // Whoever comes while the last of them is being fetched waits for it.
        assert!(ask(&serving, path).text().starts_with(path));
    }
    assert_eq!(origin.asked(), 2);
}

#[test]
fn a_list_that_is_none_is_refused_before_the_start() {
    let folder = TempDir::new().unwrap();
    let list = folder.path().join("urls");
    let serve = ["serve", "--origin", ".", "--warm", text(&list)];
    assert!(refusal(&serve, 2).contains("cannot be read"));
    fs::write(&list, b"/a\n\xff\n").unwrap();
    let said = refusal(&serve, 2);
    assert!(said.contains("warm:") && said.contains("line 2") && said.contains("UTF-8"), "{said}");
}

/// How many answers came from the disk.
fn from_disk(serving: &Serving) -> u64 {
    let admin = serving.start_line["admin"].as_str().unwrap().strip_prefix("http://").unwrap();
    let accept = ("accept", "text/plain");
    let metrics = get(admin.parse().unwrap(), "/api/performance/metrics", &[accept]).text();
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.contains("answers") && line.contains("outcome=\"disk\""));
    line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0) as u64
}

/// Asks for a path so often, on one connection.
fn ask_often(serving: &Serving, path: &str, times: usize) {
    let mut requests = String::new();
    for n in 0..times {
        let last = if n + 1 == times { "connection: close\r\n" } else { "" };
        write!(requests, "GET {path} HTTP/1.1\r\nhost: site.test\r\n{last}\r\n").unwrap();
    }
    let mut stream = TcpStream::connect(serving.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut other = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || other.write_all(requests.as_bytes()).unwrap());
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    writer.join().unwrap();
}

#[test]
fn what_was_hit_most_is_in_memory_after_a_restart() {
    let (folder, origin) = (TempDir::new().unwrap(), origin());
    let kept = folder.path().join("hottest.keys");
    let serving = serve(&origin, &folder, &[]);
    // Of each thread's hits one in 128 counts.
    ask_often(&serving, "/hot", 3_000);
    serving.signal("TERM");
    assert!(serving.end().0.success());
    assert_eq!(fs::read_to_string(&kept).unwrap(), "site.test/hot\n");

    let serving = serve(&origin, &folder, &["--sample-every", "100ms"]);
    let deadline = Instant::now() + PATIENCE;
    while from_disk(&serving) == 0 {
        assert!(Instant::now() < deadline, "it is not brought to memory");
        std::thread::yield_now();
    }
    let status = ask(&serving, "/hot").header("cache-status").to_owned();
    assert!(status.contains("hit") && !status.contains("disk"), "{status}");
    assert_eq!(origin.asked(), 1);
    // Nothing is hit much in this run, so that list stays.
    serving.signal("TERM");
    assert!(serving.end().0.success());
    assert_eq!(fs::read_to_string(&kept).unwrap(), "site.test/hot\n");

    fs::write(&kept, [0, 1, 2]).unwrap();
    let serving = serve(&origin, &folder, &[]);
    assert!(ask(&serving, "/hot").header("cache-status").contains("hit"));
    serving.signal("TERM");
    let (status, said) = serving.end();
    assert!(
        status.success() && said.contains("hottest.keys") && said.contains("left out"),
        "{said}"
    );
}
