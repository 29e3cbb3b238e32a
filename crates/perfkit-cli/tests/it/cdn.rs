//! What is in front of the gateway is told what is purged here.

use crate::disk::{ask, origin, post};
use crate::program::{PATIENCE, Serving, refusal, text};
use crate::wire::{Origin, get};
use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tempfile::TempDir;

type Heads = Arc<Mutex<Vec<String>>>;

/// A Varnish that agrees to everything, or only to whoever has a token.
fn varnish(token: Option<&'static str>) -> (Origin, Heads) {
    let heads = Heads::default();
    let of_it = Arc::clone(&heads);
    let double = Origin::start(move |head, mut stream| {
        let head = head.to_lowercase();
        let is_let_in =
            token.is_none_or(|token| head.contains(&format!("authorization: bearer {token}")));
        of_it.lock().unwrap().push(head);
        let status = if is_let_in { "200 OK" } else { "401 Unauthorized" };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
    });
    (double, heads)
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn what_is_purged_by_the_api_is_purged_in_front() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("token");
    fs::write(&secret, "let-me-in\n").unwrap();
    let config = folder.path().join("perfkit.toml");
    let ((front, heads), origin) = (varnish(Some("let-me-in")), origin());
    let settings = format!(
        "[cdn]\npurge = 'surrogate-keys'\nurl = '{}'\nsite = 'https://www.shop.org'\nsecret-file = '{}'\n",
        front.url(),
        text(&secret)
    );
    fs::write(&config, settings).unwrap();
    let serving = Serving::start(
        &origin.url(),
        &["--config", text(&config), "--token", "a-token-of-enough-letters"],
    );
    assert!(ask(&serving, "/a").header("cache-status").contains("stored"));
    for (asked, expected) in [
        (r#"{"key": "site.test/a"}"#, vec!["purge /a http/1.1", "host: www.shop.org"]),
        (r#"{"tag": "a"}"#, vec!["purge / http/1.1", "surrogate-key: a"]),
        (
            r#"{"pattern": "site.test/static/*"}"#,
            vec!["ban /", "x-ban-host: www.shop.org", "x-ban-path: /static/"],
        ),
        (r#"{"pattern": "*"}"#, vec!["ban /", "x-ban-all: 1"]),
    ] {
        let answer = post(&serving, asked);
        assert_eq!(answer.status, 200, "{}", answer.text());
        eventually(asked, || {
            let heads = heads.lock().unwrap();
            heads.iter().any(|head| expected.iter().all(|line| head.contains(line)))
        });
    }
    // A client's request is none of that.
    let before = heads.lock().unwrap().len();
    let delete = "DELETE /a HTTP/1.1\r\nhost: site.test\r\nconnection: close\r\n\r\n";
    assert_eq!(crate::wire::send(serving.address, delete.as_bytes()).status, 200);
    // What waits is told before the end.
    assert_eq!(post(&serving, r#"{"tag": "last"}"#).status, 200);
    let admin = serving.start_line["admin"].as_str().unwrap().strip_prefix("http://").unwrap();
    eventually("its signals are shown", || {
        let path = "/api/performance/metrics";
        let metrics = get(admin.parse().unwrap(), path, &[("accept", "text/plain")]);
        metrics.text().contains("service=\"surrogate-keys\"")
    });
    serving.signal("TERM");
    let (status, said) = serving.end();
    assert!(status.success() && !said.contains("was not told"), "{said}");
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), before + 1);
    assert!(heads[before].contains("surrogate-key: last"), "{heads:?}");
}

#[test]
fn who_was_not_told_at_the_end_is_named() {
    let ((front, _), origin) = (varnish(Some("another")), origin());
    let url = front.url();
    let flags = [
        "--cdn-purge",
        "surrogate-keys",
        "--cdn-url",
        &url,
        "--token",
        "a-token-of-enough-letters",
    ];
    let serving = Serving::start(&origin.url(), &flags);
    assert_eq!(post(&serving, r#"{"tag": "a"}"#).status, 200);
    serving.signal("TERM");
    let (status, said) = serving.end();
    assert!(status.success(), "{said}");
    assert!(said.contains("surrogate-keys was not told to forget 1 item"), "{said}");
}

#[test]
fn what_cannot_work_is_refused_before_anything_listens() {
    let serve = |more: &[&str]| refusal(&[&["serve", "--origin", "."], more].concat(), 2);
    let said = serve(&["--cdn-url", "http://127.0.0.1:1"]);
    assert!(said.contains("cdn-url is set and cdn-purge is not"), "{said}");
    let said = serve(&["--cdn-purge", "akamai"]);
    assert!(said.contains("cloudflare, cloudfront, fastly or surrogate-keys"), "{said}");
    let zone = ["--cdn-purge", "cloudflare", "--cdn-zone", "z1"];
    let said = serve(&[&zone[..], &["--cdn-url", "http://127.0.0.1:1"]].concat());
    assert!(said.contains("PERFKIT_CDN_TOKEN"), "{said}");
    #[cfg(not(feature = "cdn-tls"))]
    assert!(serve(&zone).contains("--features cdn-tls"));
    let said = serve(&["--cdn-purge", "surrogate-keys", "--cdn-url", "nowhere"]);
    assert!(said.contains("base_url"), "{said}");
}
