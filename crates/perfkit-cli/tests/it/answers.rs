//! What a client of the gateway gets from a folder.

use crate::program::{Serving, page, site, text};
use crate::wire::{get, send};
use std::io::Read;

#[test]
fn a_page_is_fetched_once_and_then_a_hit() {
    let content = page(2000);
    let folder = site(&[("index.html", &content)]);
    let serving = Serving::start(text(folder.path()), &[]);
    let first = get(serving.address, "/", &[]);
    assert_eq!((first.status, &first.body), (200, &content));
    let status = first.header("cache-status");
    assert!(status.contains("fwd=") && status.contains("stored"), "{status}");
    let second = get(serving.address, "/", &[]);
    assert_eq!(second.body, content);
    assert!(second.header("cache-status").contains("; hit"), "{second:?}");
}

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
fn each_client_gets_the_coding_it_can_read() {
    let content = page(3000);
    let folder = site(&[("a.html", &content)]);
    let serving = Serving::start(text(folder.path()), &[]);
    // Twice: the first answers may come while the encoded bytes are being made.
    for _ in 0..2 {
        for coding in ["br", "zstd", "gzip"] {
            let answer = get(serving.address, "/a.html", &[("accept-encoding", coding)]);
            assert_eq!(answer.header("content-encoding"), coding);
            assert!(answer.header("vary").to_ascii_lowercase().contains("accept-encoding"));
            assert!(answer.body.len() < content.len() / 2, "{coding}: {}", answer.body.len());
            assert_eq!(decode(coding, &answer.body), content, "{coding}");
        }
        let plain = get(serving.address, "/a.html", &[("accept-encoding", "identity")]);
        assert_eq!((plain.header("content-encoding"), &plain.body), ("", &content));
    }
}

fn decode(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    match coding {
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut decoded).unwrap(),
        "zstd" => zstd::stream::Decoder::new(body).unwrap().read_to_end(&mut decoded).unwrap(),
        _ => flate2::read::GzDecoder::new(body).read_to_end(&mut decoded).unwrap(),
    };
    decoded
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
