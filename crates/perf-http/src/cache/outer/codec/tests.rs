use super::super::super::entry::Elapsed;
use super::*;
use http::{Request, request};
use perf_core::{Instant, ManualClock};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

fn parts(fields: &[(&'static str, &str)]) -> request::Parts {
    let mut request = Request::get("http://h/a").body(()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request.into_parts().0
}

fn codec() -> (ResponseCodec, ManualClock) {
    let (clock, hand) = Clock::manual();
    (ResponseCodec { clock, min_encoded: 1_024, whose: 7 }, hand)
}

fn freshness(lifetime: u64, age: u64, marks: u8) -> Freshness {
    let on = |mark: u8| marks & mark != 0;
    Freshness {
        lifetime: Duration::from_secs(lifetime),
        initial_age: Duration::from_secs(age),
        explicit: on(EXPLICIT),
        always_validate: on(ALWAYS_VALIDATE),
        authorized: on(AUTHORIZED),
        stale_while_revalidate: Duration::from_secs(age / 2),
        stale_if_error: Duration::from_secs(age / 3),
        must_revalidate: on(MUST_REVALIDATE),
        no_transform: on(NO_TRANSFORM),
    }
}

fn variant(
    fields: &[(&'static str, &str)],
    request: &[(&'static str, &str)],
    freshness: Freshness,
    body: &[u8],
    now: Instant,
) -> Arc<Variant> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    let body = Representation::new(Bytes::copy_from_slice(body));
    body.coded(Coding::Gzip).set(Some(Bytes::from_static(b"zipped"))).unwrap();
    body.coded(Coding::Br).set(None).unwrap();
    let (body, request) = (Arc::new(body), parts(request));
    Arc::new(Variant::new(&request, StatusCode::OK, headers, freshness, body, now, 1_024))
}

const FIELDS: [(&str, &str); 6] = [
    ("content-type", "text/html"),
    ("etag", "\"v1\""),
    ("vary", "accept-language, x-a"),
    ("cache-tag", "one, two"),
    ("link", "</a>"),
    ("link", "</b>"),
];

fn two(now: Instant) -> StoredResponse {
    let body = b"<html>".repeat(500);
    let english = variant(
        &FIELDS,
        &[("accept-language", "en"), ("x-forwarded-host", "other")],
        freshness(60, 3, EXPLICIT),
        &body,
        now,
    );
    let french = variant(&FIELDS, &[("accept-language", "fr")], freshness(9, 0, 31), b"", now);
    StoredResponse::from_variants(vec![english, french])
}

fn digest(said: Option<&Said>) -> Option<[u8; 32]> {
    said.map(Said::digest)
}

/// All that is stored, as text; ages at `now`.
fn told(stored: &StoredResponse, now: Instant) -> Vec<String> {
    let told = |variant: &Arc<Variant>| {
        let coded = Coding::ALL.map(|coding| variant.body.coded(coding).get().cloned());
        let tag = variant.validators.tag.value(None);
        let (vary, freshness) = (&variant.vary, &variant.freshness);
        let freshness = Freshness { initial_age: variant.age(now), ..freshness.clone() };
        format!(
            "{:?} {:?} {:?} {:?} {:?} {tag:?} {:?} {freshness:?} {:?} {coded:?} {} {} {:?}",
            vary.fields()
                .iter()
                .map(|(name, said)| (name, digest(said.as_ref())))
                .collect::<Vec<_>>(),
            digest(vary.told()),
            variant.status,
            variant.headers,
            variant.validators.origin_tag,
            variant.validators.last_modified,
            variant.body.identity,
            variant.own_coding,
            variant.codable,
            variant.tags,
        )
    };
    stored.variants().iter().map(told).collect()
}

#[test]
fn what_is_read_is_what_was_written_and_ages_go_on() {
    let (codec, hand) = codec();
    let stored = two(codec.clock.now());
    hand.advance(Duration::from_secs(5));
    let mut bytes = Vec::new();
    codec.encode(&stored, &mut bytes).unwrap();
    hand.advance(Duration::from_secs(7));
    let now = codec.clock.now();
    let lain = |stored: StoredResponse| {
        stored.aged(Elapsed::For(Duration::from_secs(7)), None, codec.min_encoded)
    };
    let again = lain(codec.decode(&bytes).unwrap());
    assert_eq!(told(&again, now), told(&stored, now));
    assert_eq!(again.variants()[0].age(now), Duration::from_secs(15));
    // Where several have read the same bytes each makes its own.
    let read = codec.decode(&bytes).unwrap();
    let aged = lain(read.clone());
    assert_eq!(told(&aged, now), told(&stored, now));
    assert_eq!(read.variants()[0].age(now), Duration::from_secs(8));
    let mut twice = Vec::new();
    codec.encode(&again, &mut twice).unwrap();
    assert_eq!(told(&codec.decode(&twice).unwrap(), now), told(&stored, now));
}

#[test]
fn a_clock_that_went_back_does_not_make_answers_young() {
    let (then, _) = codec();
    let made = then.clock.wall() - Duration::from_secs(100);
    let date = httpdate::fmt_http_date(made);
    let fields = [("date", &*date)];
    let old = variant(&fields, &[], freshness(200, 50, 0), b"x", then.clock.now());
    let old = StoredResponse::from_variants(vec![old]);
    let age = |elapsed, now| {
        old.clone().aged(elapsed, now, 1_024).variants()[0].age(then.clock.now()).as_secs()
    };
    let (nothing, wall) = (Elapsed::For(Duration::ZERO), then.clock.wall());
    assert_eq!(age(nothing, Some(wall)), 100, "the origin's date says more than the first age");
    assert_eq!(age(Elapsed::For(Duration::from_secs(70)), Some(wall)), 120);
    assert_eq!(age(nothing, None), 50, "of another machine, whose clock is not ours");
    // Past its lifetime and the 25 seconds for which it may be stale.
    assert_eq!(age(Elapsed::NobodyKnows, Some(wall)), 225);
}

#[test]
fn what_requests_said_is_not_written() {
    let (codec, _) = codec();
    let now = codec.clock.now();
    let said = [("x-a", "a-secret"), ("cookie", "a-secret"), ("x-forwarded-host", "a-secret")];
    let one = variant(&[("vary", "x-a, cookie")], &said, freshness(60, 0, 0), b"x", now);
    let mut bytes = Vec::new();
    codec.encode(&StoredResponse::from_variants(vec![one]), &mut bytes).unwrap();
    assert!(!bytes.windows(8).any(|part| part == b"a-secret"));
    let again = codec.decode(&bytes).unwrap();
    assert!(again.select(&parts(&said).headers).is_some());
    for at in 0..said.len() {
        let mut others = said;
        others[at].1 = "another";
        assert!(again.select(&parts(&others).headers).is_none(), "{others:?}");
        let others = [&said[..at], &said[at + 1..]].concat();
        assert!(again.select(&parts(&others).headers).is_none(), "{others:?}");
    }
}

/// A directory is read by versions to come: raise the schema when this changes.
#[test]
fn the_bytes_are_those_of_this_schema() {
    let (codec, _) = codec();
    let mut bytes = Vec::new();
    codec.encode(&two(codec.clock.now()), &mut bytes).unwrap();
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes);
    assert_eq!((FORMAT.schema, bytes.len(), sum), (4, 3_562, 0xd9ca_2715_96fe_bcd8));
}

#[test]
fn an_answer_of_another_origin_is_refused() {
    let (codec, _) = codec();
    let mut bytes = Vec::new();
    codec.encode(&two(codec.clock.now()), &mut bytes).unwrap();
    let error = ResponseCodec { whose: 8, ..codec }.decode(&bytes).unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("another origin"), "{why}");
}

#[test]
fn every_truncation_and_whatever_is_left_over_is_refused() {
    let (codec, _) = codec();
    let mut bytes = Vec::new();
    codec.encode(&two(codec.clock.now()), &mut bytes).unwrap();
    for end in 0..bytes.len() {
        assert!(codec.decode(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
    bytes.push(0);
    assert!(codec.decode(&bytes).is_err());
    assert!(codec.decode(&[0, 0]).is_err(), "no variants");
}

proptest! {
    #![proptest_config(Config { cases: 256, rng_seed: RngSeed::Fixed(0x5eed), ..Config::default() })]

    #[test]
    fn any_answer_comes_back(
        body in proptest::collection::vec(any::<u8>(), 0..4_000),
        values in proptest::collection::vec("[ -~]{0,40}", 0..20),
        (lifetime, age, marks) in (0..1_u64 << 40, 0..1_u64 << 20, 0..32_u8),
        cut in any::<prop::sample::Index>(),
    ) {
        let (codec, _) = codec();
        let fields: Vec<_> = values.iter().map(|value| ("x-value", value.trim())).collect();
        let now = codec.clock.now();
        let one = variant(&fields, &[], freshness(lifetime, age, marks), &body, now);
        let stored = StoredResponse::from_variants(vec![one]);
        let mut bytes = Vec::new();
        codec.encode(&stored, &mut bytes).unwrap();
        let again = codec.decode(&bytes).unwrap();
        prop_assert_eq!(told(&again, now), told(&stored, now));
        prop_assert!(codec.decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let (codec, _) = codec();
        let _ = codec.decode(&noise);
        let mut bytes = Vec::new();
        codec.encode(&two(codec.clock.now()), &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = codec.decode(&bytes);
    }
}
