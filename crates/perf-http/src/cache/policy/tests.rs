use super::*;
use http::{Request, Response};

const POLICY: Policy = Policy {
    default_ttl: Duration::ZERO,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    ignore_request_directives: false,
    ignore_cookies: false,
};

const DATE: &str = "Fri, 02 Jan 2026 00:00:00 GMT";
const LATER: &str = "Fri, 02 Jan 2026 00:01:40 GMT";
const TEN_HOURS_BEFORE: &str = "Thu, 01 Jan 2026 14:00:00 GMT";

type Fields<'a> = &'a [(&'static str, &'a str)];

fn stored(
    policy: Policy,
    ask: Fields<'_>,
    status: u16,
    say: Fields<'_>,
) -> Result<Freshness, NotStored> {
    let mut request = Request::get("/");
    for (name, value) in ask {
        request = request.header(*name, *value);
    }
    let mut response = Response::builder().status(status);
    for (name, value) in say {
        response = response.header(*name, *value);
    }
    let (request, ()) = request.body(()).unwrap().into_parts();
    let (response, ()) = response.body(()).unwrap().into_parts();
    let at = httpdate::parse_http_date(DATE).unwrap();
    let asking = Asking::of(&request.headers, &policy);
    let fetched = Fetched { at, delay: Duration::ZERO, received: Instant::default() };
    may_store(&request, &asking, &response, fetched, &policy)
}

fn lifetime(policy: Policy, status: u16, say: Fields<'_>) -> Option<u64> {
    stored(policy, &[], status, say).ok().map(|f| f.lifetime.as_secs())
}

#[test]
fn what_may_not_be_stored() {
    const AGE: (&str, &str) = ("cache-control", "max-age=60");
    let cases: [(Fields<'_>, u16, Fields<'_>, NotStored); 16] = [
        (&[("cache-control", "no-store")], 200, &[AGE], NotStored::RequestNoStore),
        (&[], 206, &[AGE], NotStored::Partial),
        (&[], 304, &[AGE], NotStored::Status),
        (&[], 101, &[AGE], NotStored::Status),
        (&[], 200, &[("cache-control", "no-store, max-age=60")], NotStored::NoStore),
        (&[], 200, &[("cache-control", "private, max-age=60")], NotStored::Private),
        (&[], 200, &[AGE, ("set-cookie", "a=b")], NotStored::SetCookie),
        (&[], 200, &[AGE, ("vary", "accept, *")], NotStored::VaryAll),
        (&[], 200, &[AGE, ("vary", "not a name")], NotStored::VaryAll),
        (&[("authorization", "x")], 200, &[AGE], NotStored::Authorization),
        (&[("cookie", "a=b")], 200, &[("last-modified", TEN_HOURS_BEFORE)], NotStored::Cookie),
        (&[], 200, &[AGE, ("content-type", "text/event-stream")], NotStored::EventStream),
        (&[], 200, &[], NotStored::NoFreshness),
        (&[], 200, &[("cache-control", "no-cache")], NotStored::NoFreshness),
        (&[], 302, &[("last-modified", TEN_HOURS_BEFORE)], NotStored::Status),
        (
            &[],
            418,
            &[("cache-control", "must-understand, no-store, max-age=9")],
            NotStored::NoStore,
        ),
    ];
    for (ask, status, say, reason) in cases {
        assert_eq!(
            stored(POLICY, ask, status, say).unwrap_err(),
            reason,
            "{ask:?} {status} {say:?}"
        );
    }
}

#[test]
fn authorized_answers_need_the_origins_word() {
    for word in ["public, max-age=9", "s-maxage=9", "must-revalidate, max-age=9"] {
        let kept = stored(POLICY, &[("authorization", "x")], 200, &[("cache-control", word)]);
        assert!(kept.unwrap().authorized, "{word}");
    }
}

#[test]
fn lifetimes_in_order_of_precedence() {
    let cases: [(u16, Fields<'_>, Option<u64>); 13] = [
        (200, &[("cache-control", "max-age=60, s-maxage=5")], Some(5)),
        (200, &[("cache-control", "max-age=60"), ("expires", DATE)], Some(60)),
        (200, &[("expires", LATER), ("date", DATE)], Some(100)),
        (200, &[("expires", LATER)], Some(100)),
        (200, &[("expires", "0")], None),
        (200, &[("expires", "0"), ("etag", "\"a\"")], Some(0)),
        (200, &[("last-modified", TEN_HOURS_BEFORE), ("date", DATE)], Some(3600)),
        (200, &[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")], Some(24 * 3600)),
        (200, &[("etag", "\"a\"")], Some(0)),
        (302, &[("cache-control", "max-age=9")], Some(9)),
        (302, &[("cache-control", "public"), ("etag", "\"a\"")], Some(0)),
        (503, &[("cache-control", "max-age=9")], Some(9)),
        (200, &[("cache-control", "must-understand, no-store, max-age=9")], Some(9)),
    ];
    for (status, say, wanted) in cases {
        assert_eq!(lifetime(POLICY, status, say), wanted, "{status} {say:?}");
    }
    let assumed = Policy { default_ttl: Duration::from_secs(300), ..POLICY };
    assert_eq!(lifetime(assumed, 200, &[]), Some(300));
    assert_eq!(lifetime(assumed, 404, &[]), Some(10));
    assert_eq!(lifetime(assumed, 500, &[]), None);
    assert_eq!(lifetime(assumed, 302, &[]), None);
    assert_eq!(lifetime(assumed, 200, &[("cache-control", "max-age=7")]), Some(7));
    assert_eq!(lifetime(assumed, 200, &[("cache-control", "max-age=0")]), None);
}

#[test]
fn age_counts_what_happened_upstream() {
    let say: Fields<'_> = &[("cache-control", "max-age=60"), ("age", "20"), ("date", DATE)];
    assert_eq!(stored(POLICY, &[], 200, say).unwrap().initial_age.as_secs(), 20);
    let old: Fields<'_> = &[("cache-control", "max-age=60"), ("age", "60")];
    assert_eq!(stored(POLICY, &[], 200, old).unwrap_err(), NotStored::NoFreshness);
}

fn used(say: &str, age: u64, ask: &str) -> Use {
    let kept = stored(POLICY, &[], 200, &[("cache-control", say), ("etag", "\"a\"")]).unwrap();
    let mut headers = HeaderMap::new();
    if !ask.is_empty() {
        headers.insert(header::CACHE_CONTROL, ask.parse().unwrap());
    }
    kept.use_at(Duration::from_secs(age), &Asking::of(&headers, &POLICY))
}

#[test]
fn use_by_age_and_wish() {
    let cases = [
        ("max-age=10", 9, "", Use::Fresh),
        ("max-age=10", 10, "", Use::Expired),
        ("max-age=10", 5, "no-cache", Use::AskedToValidate),
        ("max-age=10", 5, "max-age=4", Use::AskedToValidate),
        ("max-age=10", 5, "max-age=5", Use::Fresh),
        ("max-age=10", 5, "min-fresh=6", Use::AskedToValidate),
        ("max-age=10", 15, "max-stale", Use::Stale),
        ("max-age=10", 15, "max-stale=5", Use::Stale),
        ("max-age=10", 16, "max-stale=5", Use::Expired),
        ("max-age=10, must-revalidate", 15, "max-stale", Use::Expired),
        ("s-maxage=10", 15, "max-stale", Use::Expired),
        ("max-age=10, no-cache", 1, "", Use::Expired),
        ("max-age=10, stale-while-revalidate=5", 14, "", Use::StaleWhileRevalidate),
        ("max-age=10, stale-while-revalidate=5", 15, "", Use::Expired),
        ("max-age=10, stale-while-revalidate=5, must-revalidate", 14, "", Use::Expired),
        ("max-age=10, stale-while-revalidate=5", 12, "max-age=60", Use::Expired),
    ];
    for (say, age, ask, wanted) in cases {
        assert_eq!(used(say, age, ask), wanted, "{say} at {age} for `{ask}`");
    }
}

#[test]
fn stale_covers_errors_only_where_that_is_allowed() {
    let cases = [
        ("max-age=10, stale-if-error=5", 14, true),
        ("max-age=10, stale-if-error=5", 15, false),
        ("max-age=10, stale-if-error=5, must-revalidate", 14, false),
        ("max-age=10, no-cache, stale-if-error=5", 1, false),
        ("max-age=10", 11, false),
    ];
    for (say, age, covers) in cases {
        let kept = stored(POLICY, &[], 200, &[("cache-control", say), ("etag", "\"a\"")]).unwrap();
        assert_eq!(kept.covers_error_at(Duration::from_secs(age)), covers, "{say} at {age}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn any_header_bytes_are_judged(
        name in proptest::sample::select(vec!["cache-control", "vary", "expires", "age", "date",
            "last-modified", "etag", "content-type", "authorization", "cookie"]),
        value in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
    ) {
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            let request = Request::get("/").header(name, value.clone()).body(()).unwrap();
            let response = Response::builder().header(name, value).body(()).unwrap();
            let (request, ()) = request.into_parts();
            let (response, ()) = response.into_parts();
            let asking = Asking::of(&request.headers, &POLICY);
            let fetched = Fetched { at: SystemTime::UNIX_EPOCH, delay: Duration::ZERO, received: Instant::default() };
            if let Ok(kept) = may_store(&request, &asking, &response, fetched, &POLICY) {
                let _ = kept.use_at(Duration::MAX, &asking);
                let _ = kept.covers_error_at(Duration::MAX);
            }
        }
    }
}

#[test]
fn spans_without_end_overflow_nothing() {
    let policy = Policy {
        default_ttl: Duration::from_secs(60),
        stale_while_revalidate: Duration::MAX,
        stale_if_error: Duration::MAX,
        ..POLICY
    };
    let stored = stored(policy, &[], 200, &[]).unwrap();
    let asking = Asking::default();
    assert_eq!(stored.use_at(Duration::from_secs(1 << 40), &asking), Use::StaleWhileRevalidate);
    assert!(stored.covers_error_at(Duration::from_secs(1 << 40)));
}
