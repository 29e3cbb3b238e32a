//! What a tier makes of the answers of a store.

use super::double::{Double, Reply};
use super::{PATIENCE, SHORT};
use perf_cache::cdn::{EdgeError, EdgeStore, EdgeStoreBuilder};
use perf_cache::disk::{Put, PutTerms, RefusedBecause};
use perf_cache::tiered::{OuterTier, TierError};
use perf_core::{ByteSize, Clock};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// A store that keeps what it is given.
fn shelf() -> (Double, Files) {
    let files = Files::default();
    let of_it = Arc::clone(&files);
    let double = Double::start(move |seen| {
        let mut files = of_it.lock().unwrap();
        match seen.method.as_str() {
            "PUT" => {
                files.insert(seen.path.clone(), seen.body.clone());
                Reply::status(201)
            }
            "DELETE" => Reply::status(if files.remove(&seen.path).is_some() { 204 } else { 404 }),
            _ => match files.get(&seen.path) {
                Some(file) => Reply::Whole(200, Vec::new(), file.clone()),
                None => Reply::status(404),
            },
        }
    });
    (double, files)
}

fn tier(double: &Double) -> EdgeStoreBuilder {
    EdgeStore::builder(double.url()).deadline(PATIENCE).connect_timeout(PATIENCE)
}

fn reason(error: &TierError) -> EdgeError {
    let TierError::Failed { source, .. } = error else { panic!("{error:?}") };
    source.downcast_ref::<EdgeError>().unwrap().clone()
}

#[test]
fn requests_are_what_a_store_expects() {
    let (double, _) = shelf();
    let (clock, hand) = Clock::manual();
    let wall = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let end = wall + Duration::from_millis(90_500);
    let end = u64::try_from(end.as_millis()).unwrap();
    let tier = tier(&double).prefix("shop/").header("X-Let-In", "me").clock(clock).build().unwrap();
    let _ = tier.put(b"\x01key", b"value", PutTerms::until(end)).unwrap();
    let _ = tier.put(b"\0record", b"kept", PutTerms::pinned()).unwrap();
    assert!(tier.contains(b"\x01key").unwrap());
    let seen = double.seen();
    let [put, record, head] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((put.method.as_str(), head.method.as_str()), ("PUT", "HEAD"));
    assert_eq!(put.path, head.path);
    let parts: Vec<&str> = put.path.split('/').collect();
    assert_eq!(parts[..3], ["", "shop", "v"]);
    assert_eq!(parts[3..].iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 2, 28]);
    assert_eq!(put.header("cache-control"), Some("private, max-age=91"));
    assert!(put.header("expires").unwrap().ends_with(" GMT"));
    assert_eq!((put.header("x-let-in"), head.header("x-let-in")), (Some("me"), Some("me")));
    assert!(record.path.starts_with("/shop/r/"));
    assert_eq!(
        (record.header("cache-control"), record.header("expires")),
        (Some("no-cache"), None)
    );
    // What has ended is not put, and what was there is not left.
    hand.advance(Duration::from_secs(100));
    assert_eq!(tier.put(b"\x01key", b"late", PutTerms::until(end)).unwrap(), Put::Stored);
    assert_eq!(double.seen().last().unwrap().method, "DELETE");
    assert_eq!(double.connections(), 1, "one after the other");
}

#[test]
fn a_part_of_a_value_is_an_error_and_never_a_value() {
    let (double, files) = shelf();
    let tier = tier(&double).build().unwrap();
    let _ = tier.put(b"key", b"all of the value", PutTerms::default()).unwrap();
    let file = files.lock().unwrap().values().next().unwrap().clone();
    let read = || {
        let mut into = Vec::new();
        let found = tier.get(b"key", &mut into);
        assert!(found.is_ok() || into.is_empty());
        found.map(|found| found.then_some(into))
    };
    assert_eq!(read().unwrap().as_deref(), Some(&b"all of the value"[..]));
    // The connection breaks off.
    for sent in [0, 10, 40, file.len() - 1] {
        let file = file.clone();
        double.answer(move |_| Reply::Part(file.clone(), sent));
        assert!(matches!(read(), Err(TierError::Failed { .. })), "{sent} bytes");
    }
    // The store has only a part, or something else.
    for len in [0, 10, 40, file.len() - 1] {
        let part = file[..len].to_vec();
        double.answer(move |_| Reply::Whole(200, Vec::new(), part.clone()));
        assert!(matches!(reason(&read().unwrap_err()), EdgeError::Damaged { .. }), "{len} bytes");
    }
    double.answer(|_| Reply::text(200, "<html>Please log in to this network.</html>"));
    assert!(matches!(reason(&read().unwrap_err()), EdgeError::Damaged { .. }));
    assert!(tier.usage().corrupt >= 5);
    // Another key's.
    double.answer(move |_| Reply::Whole(200, Vec::new(), file.clone()));
    assert!(!tier.get(b"other", &mut Vec::new()).unwrap());
    assert_eq!(tier.stats().collided, 1);
}

#[test]
fn statuses_are_what_they_mean() {
    let (double, _) = shelf();
    let tier = tier(&double).build().unwrap();
    let get = || tier.get(b"key", &mut Vec::new());
    let put = || tier.put(b"key", b"value", PutTerms::default());
    for status in [404, 410] {
        double.answer(move |_| Reply::status(status));
        assert!(
            !get().unwrap() && !tier.contains(b"key").unwrap() && !tier.remove(b"key").unwrap()
        );
        // There is no such folder, and none is made.
        assert!(put().is_err());
    }
    for status in [400, 409, 429, 500, 502, 503, 504, 301] {
        double.answer(move |_| Reply::Whole(status, vec![("retry-after", "7".into())], vec![1; 9]));
        for error in [get().unwrap_err(), put().unwrap_err(), tier.remove(b"key").unwrap_err()] {
            let text = reason(&error).to_string();
            assert!(text.contains(&status.to_string()), "{text}");
        }
        assert!(tier.contains(b"key").is_err());
    }
    double.answer(|_| Reply::Whole(429, vec![("retry-after", "7".into())], Vec::new()));
    let EdgeError::Overloaded { retry_after, .. } = reason(&get().unwrap_err()) else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
    double.answer(|_| Reply::status(507));
    assert_eq!(put().unwrap(), Put::Refused(RefusedBecause::DiskFull));
    double.answer(|_| Reply::status(413));
    assert_eq!(put().unwrap(), Put::Refused(RefusedBecause::TooLarge));
    // A store without folders.
    double.answer(|_| Reply::status(405));
    assert_eq!((tier.clear().unwrap(), tier.stats().not_cleared), (0, 1));
    double.answer(|_| Reply::Hangup);
    assert!(matches!(reason(&get().unwrap_err()), EdgeError::Unreachable { .. }));
}

#[test]
fn what_is_too_large_is_refused_here_and_there() {
    let (double, _) = shelf();
    let tier = tier(&double).max_value(ByteSize::from_bytes(10)).build().unwrap();
    let put = |bytes: &[u8]| tier.put(b"key", bytes, PutTerms::default()).unwrap();
    assert_eq!(put(&[0; 11]), Put::Refused(RefusedBecause::TooLarge));
    assert_eq!(put(&[0; 10]), Put::Stored);
    let long = vec![0; 100_000];
    let refused = tier.put(&long, b"", PutTerms::default()).unwrap();
    assert_eq!(refused, Put::Refused(RefusedBecause::TooLarge));
    assert_eq!(double.seen().len(), 1);
    double.answer(|_| Reply::Whole(200, Vec::new(), vec![0; 200_000]));
    assert!(matches!(
        reason(&tier.get(b"key", &mut Vec::new()).unwrap_err()),
        EdgeError::Damaged { .. }
    ));
}

#[test]
fn a_store_that_hangs_costs_the_deadline() {
    let (double, _) = shelf();
    double.answer(|_| Reply::Hang);
    let tier = tier(&double).deadline(SHORT).max_connections(1).build().unwrap();
    let error = tier.get(b"key", &mut Vec::new()).unwrap_err();
    assert_eq!(error.cause(), "timed_out");
    // Who finds no free connection waits for one, and no longer.
    thread::scope(|scope| {
        let calls: Vec<_> =
            (0..4).map(|_| scope.spawn(|| tier.get(b"key", &mut Vec::new()))).collect();
        for call in calls {
            assert_eq!(call.join().unwrap().unwrap_err().cause(), "timed_out");
        }
    });
    assert_eq!(tier.stats().timed_out, 5);
}

#[test]
fn a_write_that_was_given_up_and_comes_all_the_same_is_not_answered() {
    let (double, files) = shelf();
    let tier = tier(&double).deadline(SHORT).build().unwrap();
    double.answer(|_| Reply::Hang);
    assert_eq!(tier.put(b"key", b"late", PutTerms::default()).unwrap_err().cause(), "timed_out");
    let late = double.seen().pop().unwrap();
    // The store does it after what came then.
    files.lock().unwrap().insert(late.path.clone(), late.body.clone());
    let kept = Arc::clone(&files);
    double.answer(move |seen| {
        Reply::Whole(200, Vec::new(), kept.lock().unwrap()[&seen.path].clone())
    });
    super::eventually("the store answers in time", || {
        tier.get(b"key", &mut Vec::new()).is_ok_and(|found| {
            assert!(!found);
            true
        })
    });
    assert_eq!(tier.stats().late, 1);
}
