//! The real Varnish, with the VCL of the documentation; and Fastly as a double.

use super::double::{Double, Reply};
use super::process::Process;
use super::{PATIENCE, eventually};
use perf_cache::cdn::{Purge, PurgeErrorKind, PurgeService, Purger, SurrogateKeys};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An origin that numbers its answers, which are filed under the tags `all` and the first part of the path.
fn origin() -> Double {
    let count = Arc::new(AtomicUsize::new(0));
    Double::start(move |seen| {
        let tag = seen.path.split('/').nth(1).unwrap_or_default().to_owned();
        let headers = vec![
            ("cache-control", "max-age=3600".to_owned()),
            ("surrogate-key", format!("all tag.{tag}")),
        ];
        let number = count.fetch_add(1, Ordering::SeqCst);
        Reply::Whole(200, headers, number.to_string().into_bytes())
    })
}

fn varnish(origin: &Double) -> Option<Process> {
    let documented = include_str!("../../../../../docs/varnish.vcl");
    let port = origin.url().rsplit(':').next().unwrap().to_owned();
    Process::start("varnishd", |start, folder, own| {
        let vcl = documented.replace("\"8080\"", &format!("\"{port}\""));
        assert_ne!(vcl, documented);
        let path = folder.join("default.vcl");
        std::fs::write(&path, vcl).unwrap();
        start.arg("-F").arg("-n").arg(folder.join("work")).arg("-f").arg(path);
        start.args(["-a", &format!("127.0.0.1:{own}"), "-s", "malloc,8m", "-j", "none"]);
        // Nothing is to be looked at from outside.
        start.args(["-T", "none", "-p", "thread_pools=1", "-p", "thread_pool_min=5"]);
    })
}

/// Asks with a host; the body.
fn get(port: u16, host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split("\r\n\r\n").nth(1).unwrap().to_owned()
}

#[test]
fn what_is_purged_is_fetched_anew_and_nothing_else_is() {
    let origin = origin();
    let Some(server) = varnish(&origin) else { return };
    let service = SurrogateKeys::varnish(server.url()).build().unwrap();
    let purger = Purger::builder(service).build().unwrap();
    let pages = [
        ("a.org", "/x/1?q"),
        ("a.org", "/x/2"),
        ("a.org", "/y/1"),
        ("b.org", "/x/1"),
        ("b.org", "/z+z/1"),
    ];
    let ask = || pages.map(|(host, path)| get(server.port, host, path));
    let url = |text: &str| Purge::Url(text.to_owned());
    let tag = |text: &str| Purge::Tag(text.to_owned());
    for (items, gone) in [
        (vec![url("http://a.org/x/1?q")], vec![0]),
        (vec![url("https://b.org/nothing/of/it")], vec![]),
        (vec![tag("tag.y"), tag("nothing")], vec![2]),
        (vec![tag("tag.x")], vec![0, 1, 3]),
        // It is no pattern.
        (vec![tag("tag.z+z")], vec![4]),
        (vec![tag("tag..*"), tag("tag")], vec![]),
        (vec![Purge::Prefix("a.org/x/".into())], vec![0, 1]),
        (vec![Purge::Prefix("b.org/z+".into())], vec![4]),
        (vec![Purge::Host("b.org".into())], vec![3, 4]),
        (vec![Purge::All], vec![0, 1, 2, 3, 4]),
    ] {
        let before = ask();
        assert_eq!(before, ask(), "all of them are kept");
        purger.purge_many(items.clone()).unwrap();
        assert!(purger.flush(PATIENCE), "{:?}", purger.stats());
        let is_gone = |n: usize, after: &[String; 5]| after[n] != before[n];
        eventually("it is gone", || gone.iter().all(|n| is_gone(*n, &ask())));
        let after = ask();
        let all: Vec<usize> = (0..5).filter(|n| is_gone(*n, &after)).collect();
        assert_eq!(all, gone, "{items:?}");
    }
    assert_eq!((purger.stats().rejected, purger.stats().retried), (0, 0));
}

#[test]
fn a_cache_that_does_not_know_this_client_says_so() {
    let double = Double::start(|_| Reply::status(405));
    let service = SurrogateKeys::varnish(double.url())
        .tag_header("xkey-purge")
        .tag_method("BAN")
        .header("X-Let-In", "hunter2")
        .build()
        .unwrap();
    let tags = [Purge::Tag("a".into()), Purge::Tag("b".into())];
    let error = service.send(&tags, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), PurgeErrorKind::Denied);
    assert!(!format!("{service:?}{error}").contains("hunter2"));
    let seen = double.seen().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.header("xkey-purge")), ("BAN", Some("a b")));
    assert_eq!(seen.header("x-let-in"), Some("hunter2"));
    let plain = SurrogateKeys::varnish(double.url()).bans(false).build().unwrap();
    assert_eq!((plain.fit(&Purge::All), plain.fit(&tags[0])), (None, Some(tags[0].clone())));
}

#[test]
fn fastly_is_asked_by_its_own_api() {
    let double = Double::start(|seen| match seen.header("fastly-key") {
        Some("f-token") => Reply::text(200, r#"{"status": "ok"}"#),
        _ => Reply::text(401, r#"{"msg":"Provided credentials are missing or invalid"}"#),
    });
    let service =
        |token: &str| SurrogateKeys::fastly("SU1Z", token).base_url(double.url()).build().unwrap();
    let purger = Purger::builder(service("f-token")).build().unwrap();
    purger.purge_many((0..300).map(|n| Purge::Tag(format!("tag{n}")))).unwrap();
    purger.purge(Purge::Url("https://a.org/x?y".into())).unwrap();
    eventually("all is told", || purger.flush(PATIENCE) && purger.stats().sent == 301);
    purger.purge(Purge::Host("a.org".into())).unwrap();
    assert!(purger.flush(PATIENCE));
    let seen = double.seen();
    let tags = seen.iter().filter_map(|one| one.header("surrogate-key"));
    let tags: Vec<usize> = tags.map(|tags| tags.split(' ').count()).collect();
    assert_eq!(tags.iter().sum::<usize>(), 300);
    assert!(tags.iter().all(|count| *count <= 256), "{tags:?}");
    assert!(seen.iter().all(|one| one.method == "POST"));
    let paths: Vec<&str> = seen.iter().map(|one| one.path.as_str()).collect();
    assert!(paths.contains(&"/service/SU1Z/purge") && paths.contains(&"/purge/a.org/x?y"));
    assert_eq!(paths.last(), Some(&"/service/SU1Z/purge_all"));
    let denied = service("wrong").send(&[Purge::All], PATIENCE).unwrap_err();
    assert_eq!(denied.kind(), PurgeErrorKind::Denied);
}
