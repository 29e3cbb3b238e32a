//! Conditional requests, ranges and HEAD, out of whole stored answers.

use crate::site::{FRESH, Site, TEXT, long_text, reply, reply_with};

const DIGITS: &str = "0123456789";

fn digits() -> Site {
    Site::new(|_, _| {
        reply(
            &[FRESH, TEXT, ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("vary", "x-a")],
            DIGITS,
        )
    })
}

#[tokio::test]
async fn the_tag_is_a_hash_of_the_content() {
    let site = digits();
    let a = site.get("/a").await;
    let b = site.get("/b").await;
    assert_eq!(a.field("etag"), b.field("etag"));
    assert_eq!(a.field("etag").len(), 34);
    let other = Site::new(|_, _| reply(&[FRESH], "other")).get("/a").await;
    assert_ne!(a.field("etag"), other.field("etag"));
}

#[tokio::test]
async fn who_has_it_already_gets_304_with_the_fields_that_matter() {
    let site = digits();
    let first = site.get("/").await;
    let again = site.get_with("/", &[("if-none-match", first.field("etag"))]).await;
    assert_eq!(again.status, 304);
    assert_eq!(again.text(), "");
    for name in ["etag", "cache-control", "date", "vary"] {
        assert_eq!(again.field(name), first.field(name), "{name}");
        assert_ne!(again.field(name), "", "{name}");
    }
    assert_eq!(again.field("content-type"), "");
    assert!(again.is_hit());
    assert_eq!(site.count("not_modified", ""), 1);
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn conditions_are_applied_to_what_a_miss_brings() {
    let site = digits();
    let tag = site.get("/").await.field("etag").to_owned();
    site.cache.clear().unwrap();
    let again = site.get_with("/", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status.as_u16(), again.cache()), (304, "fwd=miss; stored; ttl=60"));
    let asked = site.seen(2).headers;
    assert!(!asked.contains_key("if-none-match"), "the store wants the whole answer");
    assert!(site.get("/").await.is_hit());
}

#[tokio::test]
async fn a_state_that_is_not_expected_is_412() {
    let site = digits();
    let tag = site.get("/").await.field("etag").to_owned();
    let ask = async |name, value: &str| site.get_with("/", &[(name, value)]).await.status.as_u16();
    assert_eq!(ask("if-match", &tag).await, 200);
    assert_eq!(ask("if-match", "\"other\"").await, 412);
    assert_eq!(ask("if-unmodified-since", "Wed, 31 Dec 2025 00:00:00 GMT").await, 412);
    assert_eq!(ask("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT").await, 304);
}

#[tokio::test]
async fn ranges_come_out_of_the_whole_answer() {
    let site = digits();
    let whole = site.get("/").await;
    let ask = async |range: &str| site.get_with("/", &[("range", range)]).await;
    let part = ask("bytes=2-4").await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "234"));
    assert_eq!(part.field("content-range"), "bytes 2-4/10");
    assert_eq!(part.field("content-length"), "3");
    assert_eq!(part.field("etag"), whole.field("etag"));
    assert_eq!(ask("bytes=-2").await.text(), "89");
    assert_eq!(ask("bytes=0-1,4-5").await.text(), DIGITS);
    let none = ask("bytes=10-").await;
    assert_eq!((none.status.as_u16(), none.field("content-range")), (416, "bytes */10"));
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn a_range_of_something_else_is_the_whole() {
    let site = digits();
    let tag = site.get("/").await.field("etag").to_owned();
    let ask = async |condition: &str| {
        site.get_with("/", &[("range", "bytes=0-0"), ("if-range", condition)]).await.status.as_u16()
    };
    assert_eq!(ask(&tag).await, 206);
    assert_eq!(ask("\"other\"").await, 200);
    assert_eq!(ask(&tag.replace("\"", "\"x")).await, 200);
    assert_eq!(ask(&format!("{}-br\"", tag.trim_end_matches('"'))).await, 200);
}

#[tokio::test]
async fn a_range_that_is_not_stored_is_passed_through() {
    let site = Site::new(|parts, _| match parts.headers.get("range") {
        Some(range) => {
            assert_eq!(range, "bytes=2-4");
            reply_with(206, &[FRESH, ("content-range", "bytes 2-4/10")], "234")
        }
        None => reply(&[FRESH], DIGITS),
    });
    for _ in 0..2 {
        let part = site.get_with("/", &[("range", "bytes=2-4")]).await;
        assert_eq!((part.status.as_u16(), part.text()), (206, "234"));
    }
    assert_eq!(site.calls(), 2);
    site.get("/").await;
    assert!(site.get_with("/", &[("range", "bytes=2-4")]).await.is_hit());
}

#[tokio::test]
async fn head_is_answered_from_what_a_get_has_stored() {
    let site = Site::new(|parts, _| match parts.method.as_str() {
        "HEAD" => reply(&[FRESH, TEXT, ("content-length", "4900")], ""),
        _ => reply(&[FRESH, TEXT], long_text()),
    });
    let passed = site.ask("HEAD", "/", &[]).await;
    assert_eq!(passed.cache(), "fwd=miss");
    let whole = site.get_with("/", &[("accept-encoding", "br")]).await;
    let head = site.ask("HEAD", "/", &[("accept-encoding", "br")]).await;
    assert!(head.is_hit());
    assert_eq!(head.text(), "");
    for name in ["content-length", "content-encoding", "etag", "content-type", "vary"] {
        assert_eq!(head.field(name), whole.field(name), "{name}");
    }
    assert_eq!(site.calls(), 2);
}

#[tokio::test]
async fn stored_errors_and_redirects_ignore_conditions() {
    let site = Site::new(|_, _| reply_with(404, &[FRESH], "none"));
    site.get("/").await;
    let again = site.get_with("/", &[("if-none-match", "*"), ("range", "bytes=0-1")]).await;
    assert_eq!((again.status.as_u16(), again.text()), (404, "none"));
    assert!(again.is_hit());
}
