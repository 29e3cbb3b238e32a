//! Cloudflare, as a double after its documentation.

use super::double::{Double, Reply, Seen};
use super::{PATIENCE, SHORT, eventually};
use perf_cache::cdn::{Cloudflare, CloudflarePlan, Purge, PurgeErrorKind, PurgeService, Purger};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const TOKEN: &str = "c-token";

/// Refuses as the service does what is not as it is to be.
fn check(seen: &Seen) -> Result<(), Reply> {
    let error = |status, code, message: &str| {
        let body = format!(
            "{{\"success\": false, \"errors\": [{{\"code\": {code}, \"message\": \"{message}\"}}], \
             \"messages\": [], \"result\": null}}"
        );
        Err(Reply::text(status, &body))
    };
    if seen.header("authorization") != Some("Bearer c-token") {
        return error(401, 10000, "Authentication error");
    }
    if seen.method != "POST" || seen.path != "/client/v4/zones/z1/purge_cache" {
        let message =
            "Could not route to /client/v4/zones, perhaps your object identifier is invalid?";
        return error(404, 7003, message);
    }
    if seen.header("content-type") != Some("application/json") {
        return error(400, 6007, "Malformed JSON in request body");
    }
    if seen.text().matches("\",\"").count() >= 100 {
        return error(400, 1094, "Too many items");
    }
    Ok(())
}

fn accepts(seen: &Seen) -> Reply {
    match check(seen) {
        Ok(()) => Reply::text(200, r#"{"success": true, "errors": [], "result": {"id": "z1"}}"#),
        Err(reply) => reply,
    }
}

fn zone(double: &Double, token: &str) -> Cloudflare {
    let builder = Cloudflare::builder("z1", token).plan(CloudflarePlan::Enterprise);
    builder.base_url(double.url()).build().unwrap()
}

fn url(n: usize) -> Purge {
    Purge::Url(format!("https://example.org/{n}"))
}

#[test]
fn items_go_by_their_kind_at_most_a_hundred_at_a_time() {
    let double = Double::start(accepts);
    let purger = Purger::builder(zone(&double, TOKEN)).gather(Duration::from_secs(10));
    let purger = purger.build().unwrap();
    // Fewer than a call takes: these wait for more.
    purger.purge_many((0..50).map(url)).unwrap();
    purger.purge_many((0..150).map(url)).unwrap();
    purger.purge(Purge::Tag("a\"b".into())).unwrap();
    purger.purge(Purge::Prefix("example.net/a/".into())).unwrap();
    purger.purge(Purge::Host("example.com".into())).unwrap();
    assert!(purger.flush(PATIENCE));
    purger.purge(Purge::All).unwrap();
    assert!(purger.flush(PATIENCE));
    let seen = double.seen();
    let bodies: Vec<&str> = seen.iter().map(Seen::text).collect();
    assert_eq!(bodies.len(), 6, "{bodies:?}");
    assert!(bodies[0].starts_with(r#"{"files":["https://example.org/0","#));
    let counts = [0, 1].map(|n: usize| bodies[n].matches("https://").count());
    assert_eq!(counts.iter().sum::<usize>(), 150);
    assert_eq!(bodies[2], r#"{"tags":["a\"b"]}"#);
    assert_eq!(bodies[3], r#"{"prefixes":["example.net/a/"]}"#);
    assert_eq!(bodies[4], r#"{"hosts":["example.com"]}"#);
    assert_eq!(bodies[5], r#"{"purge_everything":true}"#);
    let stats = purger.stats();
    assert_eq!((stats.sent, stats.calls, stats.retried), (154, 6, 0));
    assert_eq!(stats.coalesced, 50, "{stats:?}");
}

#[test]
fn errors_are_what_they_mean() {
    let double = Double::start(accepts);
    let send = |service: &Cloudflare| service.send(&[url(1)], PATIENCE);
    let denied = send(&zone(&double, "wrong-one")).unwrap_err();
    assert_eq!(denied.kind(), PurgeErrorKind::Denied);
    let text = denied.to_string();
    assert!(text.contains("10000") && text.contains("Authentication error"), "{text}");
    assert!(text.contains("mend the token") && !text.contains("wrong-one"), "{text}");
    let other = Cloudflare::builder("z2", TOKEN).base_url(double.url()).build().unwrap();
    assert_eq!(send(&other).unwrap_err().kind(), PurgeErrorKind::Denied);

    let service = zone(&double, TOKEN);
    double.answer(|_| Reply::Whole(429, vec![("retry-after", "30".into())], Vec::new()));
    let busy = send(&service).unwrap_err();
    assert_eq!(
        (busy.kind(), busy.retry_after()),
        (PurgeErrorKind::Busy, Some(Duration::from_secs(30)))
    );
    for status in [500, 502, 520] {
        double.answer(move |_| Reply::text(status, "<html>"));
        assert_eq!(send(&service).unwrap_err().kind(), PurgeErrorKind::Unavailable);
    }
    // Somebody else's page.
    for status in [200, 302] {
        double.answer(move |_| Reply::text(status, "<html>Log in</html>"));
        let error = send(&service).unwrap_err();
        assert_eq!(error.kind(), PurgeErrorKind::Unavailable);
        assert!(error.to_string().contains("base URL"), "{error}");
    }
    double.answer(|_| {
        Reply::text(400, r#"{"errors":[{"code":1012,"message":"Request must contain one of"}]}"#)
    });
    assert_eq!(send(&service).unwrap_err().kind(), PurgeErrorKind::Rejected);
    double.answer(|_| Reply::Hang);
    let late = service.send(&[url(1)], SHORT).unwrap_err();
    assert_eq!(late.kind(), PurgeErrorKind::Unavailable);
    assert!(late.to_string().contains("no answer in 100ms"), "{late}");
    drop(double);
    assert_eq!(send(&service).unwrap_err().kind(), PurgeErrorKind::Unavailable);
}

#[test]
fn a_service_that_fails_and_hangs_at_first_is_told_all_the_same() {
    let (calls, slow) = (AtomicUsize::new(0), Mutex::new(()));
    let double = Double::start(move |seen| {
        let _one = slow.lock().unwrap();
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Whole(429, vec![("retry-after", "0".into())], Vec::new()),
            1 => Reply::status(500),
            2 => Reply::Hang,
            _ => accepts(seen),
        }
    });
    let purger = Purger::builder(zone(&double, TOKEN)).gather(Duration::ZERO).deadline(SHORT);
    let purger = purger.build().unwrap();
    purger.purge_many([url(1), Purge::Tag("t".into())]).unwrap();
    eventually("both are taken", || {
        // Tells it that somebody waits, so that it does not pause.
        purger.flush(SHORT) && purger.stats().sent == 2
    });
    assert!(purger.stats().retried >= 3);
    assert_eq!(purger.stats().last_error, None);
}
