//! What a client of the gateway gets from a folder.

use crate::program::{Serving, page, site, text};
use crate::wire::{get, send};

#[test]
fn an_unchanged_page_is_not_sent_again() {
    let folder = site(&[("a.html", &page(500))]);
    let serving = Serving::start(text(folder.path()), &[]);
    let tag = get(serving.address, "/a.html", &[]).header("etag").to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    let again = get(serving.address, "/a.html", &[("if-none-match", &tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), tag);
    let other = get(serving.address, "/a.html", &[("if-none-match", "\"other\"")]);
    assert_eq!(other.status, 200);
}

#[test]
fn a_missing_page_and_a_hidden_one_are_the_same() {
    let folder = site(&[("index.html", b"x"), (".env", b"SECRET=1")]);
    let serving = Serving::start(text(folder.path()), &[]);
    for path in ["/no.html", "/.env", "/%2eenv"] {
        let answer = get(serving.address, path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(path), "{problem}");
    }
}

#[test]
fn unsound_requests_are_refused_and_harm_nobody() {
    let folder = site(&[("index.html", b"fine")]);
    let serving = Serving::start(text(folder.path()), &[]);
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(1 << 20));
    for (request, status) in [
        ("GET /../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        ("GET /%2e%2e/etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        ("GET /a%2fb HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        ("GET /a%00b HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("not HTTP at all\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
             0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n\
             0\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
            501,
        ),
        (&long, 431),
    ] {
        let answer = send(serving.address, request.as_bytes());
        assert_eq!(answer.status, status, "{}", &request[..request.len().min(80)]);
        let after = get(serving.address, "/", &[]);
        assert_eq!((after.status, after.text().as_str()), (200, "fine"));
    }
}
