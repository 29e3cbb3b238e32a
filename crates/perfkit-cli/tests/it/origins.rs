//! What a client gets when the origin is an HTTP server, in good health and in bad.

use crate::program::{PATIENCE, Serving};
use crate::wire::{Answer, Origin, get};
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};

fn problem(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["status"], answer.status);
    problem["detail"].as_str().unwrap().to_owned()
}

#[test]
fn the_origin_learns_for_whom_and_through_whom() {
    let origin = Origin::start(|head, mut stream| {
        let body = head.replace("\r\n", "\n");
        let length = body.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    });
    let serving = Serving::start(&format!("{}/base", origin.url()), &[]);
    let headers = [("keep-alive", "timeout=5"), ("x-forwarded-for", "10.1.1.1"), ("x-own", "1")];
    let seen = get(serving.address, "/a?b=c", &headers).text();
    assert!(seen.starts_with("GET /base/a?b=c HTTP/1.1\n"), "{seen}");
    for line in [
        format!("host: {}", origin.address),
        format!("x-forwarded-host: {}", serving.address),
        "x-forwarded-for: 10.1.1.1, 127.0.0.1".to_owned(),
        "x-forwarded-proto: http".to_owned(),
        "x-own: 1".to_owned(),
        "via: 1.1 perfkit-".to_owned(),
    ] {
        assert!(seen.contains(&line), "{line} is missing in {seen}");
    }
    assert!(!seen.contains("keep-alive: timeout"), "{seen}");
}

#[test]
fn what_the_origin_allows_is_kept_and_the_rest_is_not() {
    let origin = Origin::start(|head, mut stream| {
        let control = if head.starts_with("GET /public") { "max-age=60" } else { "no-store" };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncache-control: {control}\r\ncontent-length: 2\r\n\r\nok"
        )
        .unwrap();
    });
    let serving = Serving::start(&origin.url(), &[]);
    for _ in 0..3 {
        assert_eq!(get(serving.address, "/public", &[]).text(), "ok");
    }
    assert_eq!(origin.asked(), 1);
    for _ in 0..3 {
        assert_eq!(get(serving.address, "/private", &[]).text(), "ok");
    }
    assert_eq!(origin.asked(), 4);
}

#[test]
fn a_stale_answer_is_served_while_the_origin_fails_if_allowed() {
    let asked = AtomicU64::new(0);
    let origin = Origin::start(move |_, mut stream| {
        // Good once, and from then on closed without a word.
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=0\r\netag: \"a\"";
            write!(stream, "{head}\r\ncontent-length: 3\r\n\r\nold").unwrap();
        }
    });
    let serving = Serving::start(&origin.url(), &["--stale-if-error", "1h"]);
    assert_eq!(get(serving.address, "/", &[]).text(), "old");
    let answer = get(serving.address, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "old"), "{answer:?}");
    assert!(answer.header("cache-status").contains("fwd=stale"), "{answer:?}");
    assert!(origin.asked() >= 2);
}

#[test]
fn an_origin_that_refuses_is_a_502() {
    // Bound and closed again: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let serving = Serving::start(&format!("http://{address}"), &[]);
    let answer = get(serving.address, "/", &[]);
    assert_eq!(answer.status, 502);
    assert!(problem(&answer).contains(&address.to_string()), "{answer:?}");
}

#[test]
fn an_origin_that_hangs_is_a_504() {
    let origin = Origin::start(|_, stream| {
        std::mem::forget(stream);
    });
    let serving = Serving::start(&origin.url(), &["--timeout", "200ms"]);
    let answer = get(serving.address, "/", &[]);
    assert_eq!(answer.status, 504);
    assert!(problem(&answer).contains("200ms"), "{answer:?}");
}

#[test]
fn more_than_may_wait_is_a_503() {
    let origin = Origin::start(|_, stream| {
        std::mem::forget(stream);
    });
    let limits = ["--concurrency", "1", "--queue-limit", "1"];
    let serving = Serving::start(&origin.url(), &limits);
    let (answered, answers) = channel();
    for n in 0..3 {
        let (address, answered) = (serving.address, answered.clone());
        // Those that wait are answered when the gateway goes; then nobody listens here any more.
        std::thread::spawn(move || answered.send(get(address, &format!("/{n}"), &[])));
    }
    let answer = answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert!(problem(&answer).contains("again"), "{answer:?}");
}

#[test]
fn an_origin_that_closes_before_its_answer_is_a_502() {
    let origin = Origin::start(|_, stream| drop(stream));
    let serving = Serving::start(&origin.url(), &[]);
    let answer = get(serving.address, "/", &[]);
    assert_eq!(answer.status, 502);
    assert!(problem(&answer).contains("closed the connection"), "{answer:?}");
}

#[test]
fn nonsense_from_the_origin_is_a_502() {
    let origin = Origin::always("SSH-2.0-OpenSSH\r\n\r\n");
    let serving = Serving::start(&origin.url(), &[]);
    assert_eq!(get(serving.address, "/", &[]).status, 502);
}

#[test]
fn a_body_that_is_cut_stays_cut_and_is_not_kept() {
    for head in ["content-length: 100", "transfer-encoding: chunked"] {
        let bytes =
            format!("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n{head}\r\n\r\n5\r\nabc");
        let origin = Origin::always(bytes);
        let serving = Serving::start(&origin.url(), &[]);
        for asked in 1..=2 {
            let answer = get(serving.address, "/", &[]);
            assert!(!answer.whole || answer.status == 502, "{answer:?}");
            assert!(!answer.header("cache-status").contains("; hit"), "{answer:?}");
            assert!(origin.asked() >= asked, "a cut body was kept");
        }
    }
}

#[test]
fn a_body_that_falls_silent_is_given_up() {
    let origin = Origin::start(|_, mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc").unwrap();
        std::mem::forget(stream);
    });
    let serving = Serving::start(&origin.url(), &["--body-idle-timeout", "200ms"]);
    let answer = get(serving.address, "/", &[]);
    assert!(!answer.whole || answer.status >= 500, "{answer:?}");
}

#[test]
fn an_origin_that_leads_back_is_a_loop() {
    let gateway = Arc::new(OnceLock::new());
    let back = Arc::clone(&gateway);
    // Sends what it gets to the gateway again, as a proxy with a wrong address would.
    let origin = Origin::start(move |head, mut stream| {
        let via = head.lines().find_map(|line| line.strip_prefix("via: ")).unwrap();
        let answer = get(*back.get().unwrap(), "/", &[("via", via)]);
        let (status, text) = (answer.status, answer.text());
        let length = text.len();
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{text}").unwrap();
    });
    let serving = Serving::start(&origin.url(), &[]);
    gateway.set(serving.address).unwrap();
    let answer = get(serving.address, "/", &[]);
    assert_eq!(answer.status, 508, "{answer:?}");
    assert!(answer.text().contains("before"), "{answer:?}");
    assert_eq!(origin.asked(), 1);
}

#[test]
fn two_gateways_in_a_row_are_no_loop() {
    let origin = Origin::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let inner = Serving::start(&origin.url(), &[]);
    let outer = Serving::start(&format!("http://{}", inner.address), &[]);
    let answer = get(outer.address, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}
