//! Codings: chosen by the client, made once, told apart by tags.

use crate::site::{Answer, FRESH, Site, TEXT, TestError, long_text, reply, reply_with, stream};
use perf_core::ByteSize;
use perf_http::Coding;
use std::io::Read;

fn page() -> Site {
    Site::new(|parts, _| {
        if parts.method == "GET" {
            assert_eq!(parts.headers["accept-encoding"], "identity");
        }
        reply(&[FRESH, TEXT], long_text())
    })
}

fn decoded(answer: &Answer) -> String {
    let body = answer.body.as_ref().unwrap();
    let mut text = String::new();
    match answer.field("content-encoding") {
        "br" => drop(brotli::Decompressor::new(&body[..], 4096).read_to_string(&mut text).unwrap()),
        "zstd" => text = String::from_utf8(zstd::stream::decode_all(&body[..]).unwrap()).unwrap(),
        "gzip" => drop(flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap()),
        "" => answer.text().clone_into(&mut text),
        other => panic!("coded in {other}"),
    }
    text
}

async fn get(site: &Site, accepted: &str) -> Answer {
    site.get_with("/", &[("accept-encoding", accepted)]).await
}

#[tokio::test]
async fn each_client_gets_the_coding_it_likes_best_and_the_same_text() {
    let site = page();
    let cases = [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1, br;q=0.1", "gzip"),
        ("identity", ""),
        ("identity;q=0", ""),
        ("br;q=0", ""),
    ];
    for (accepted, coding) in cases {
        let answer = get(&site, accepted).await;
        assert_eq!(answer.field("content-encoding"), coding, "{accepted}");
        assert_eq!(decoded(&answer), long_text(), "{accepted}");
        assert_eq!(answer.field("vary"), "accept-encoding", "{accepted}");
        let length = answer.body.as_ref().unwrap().len().to_string();
        assert_eq!(answer.field("content-length"), length);
    }
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn each_coding_is_made_once_and_kept() {
    let site = page();
    let before = {
        get(&site, "identity").await;
        site.cache.memory().memory_usage()
    };
    for _ in 0..5 {
        for coding in ["br", "zstd", "gzip"] {
            get(&site, coding).await;
        }
    }
    for coding in ["br", "zstd", "gzip"] {
        assert_eq!(site.count("encoded", coding), 1, "{coding}");
    }
    assert!(site.cache.memory().memory_usage() > before, "what is kept is weighed");
    assert!(site.count("bytes_sent", "") * 2 < site.count("bytes_identity", ""));
}

#[tokio::test]
async fn many_at_once_share_the_making() {
    // Large enough to be encoded off the runtime.
    let site = Site::new(|_, _| reply(&[FRESH, TEXT], long_text().repeat(50)));
    get(&site, "identity").await;
    let answers = (0..8).map(|_| get(&site, "br"));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(decoded(&answer), long_text().repeat(50));
    }
    assert_eq!(site.count("encoded", "br"), 1);
}

#[tokio::test]
async fn codings_survive_a_revalidation() {
    let site = Site::new(|parts, _| match parts.headers.get("if-none-match") {
        Some(_) => reply_with(304, &[FRESH], ""),
        None => reply(&[FRESH, TEXT, ("etag", "\"v1\"")], long_text()),
    });
    get(&site, "br").await;
    site.later(60);
    assert_eq!(decoded(&get(&site, "br").await), long_text());
    assert_eq!(site.count("encoded", "br"), 1);
}

#[tokio::test]
async fn tags_tell_codings_apart_and_conditions_know_it() {
    let site = page();
    let (br, plain) = (get(&site, "br").await, get(&site, "identity").await);
    assert_ne!(br.field("etag"), plain.field("etag"));
    assert!(br.field("etag").ends_with("-br\""));
    for tag in [br.field("etag"), plain.field("etag")] {
        for accepted in ["br", "gzip", "identity"] {
            let fields = [("accept-encoding", accepted), ("if-none-match", tag)];
            let again = site.get_with("/", &fields).await;
            assert_eq!(again.status, 304, "{tag} {accepted}");
            assert_eq!(again.field("vary"), "accept-encoding");
        }
    }
    let fields = [("accept-encoding", "br"), ("if-none-match", br.field("etag"))];
    assert_eq!(site.get_with("/", &fields).await.field("etag"), br.field("etag"));
}

#[tokio::test]
async fn what_would_not_shrink_is_left_alone() {
    let cases: [(&[(&str, &str)], String); 5] = [
        (&[FRESH, TEXT], "short".into()),
        (&[FRESH, ("content-type", "image/png")], long_text()),
        (&[FRESH], long_text()),
        (&[("cache-control", "max-age=60, no-transform"), TEXT], long_text()),
        (&[FRESH, TEXT, ("content-encoding", "gzip")], long_text()),
    ];
    for (fields, text) in cases {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let site = Site::new(move |_, _| {
            let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            reply(&fields, text.clone())
        });
        get(&site, "br, gzip").await;
        let hit = get(&site, "br, gzip").await;
        assert!(hit.is_hit());
        assert_ne!(hit.field("content-encoding"), "br");
        assert_eq!(hit.field("vary"), "");
        assert_eq!(site.count("encoded", ""), 0);
    }
}

#[tokio::test]
async fn the_origins_own_coding_is_kept_from_those_who_cannot_read_it() {
    let site = Site::new(|parts, _| match parts.headers["accept-encoding"].to_str().unwrap() {
        "zstd" => reply(&[FRESH, TEXT], "plain"),
        _ => reply(&[FRESH, TEXT, ("content-encoding", "gzip")], "packed"),
    });
    assert_eq!(get(&site, "gzip").await.text(), "packed");
    assert!(get(&site, "gzip").await.is_hit());
    assert_eq!(get(&site, "zstd").await.text(), "plain");
}

#[tokio::test]
async fn the_order_of_offer_decides_ties() {
    let site = Site::built(
        |builder| builder.codings([Coding::Gzip, Coding::Br]),
        |_, _| reply(&[FRESH, TEXT], long_text()),
    );
    assert_eq!(get(&site, "br, gzip").await.field("content-encoding"), "gzip");
    assert_eq!(get(&site, "zstd").await.field("content-encoding"), "");
    let off = Site::built(|builder| builder.codings([]), |_, _| reply(&[FRESH, TEXT], long_text()));
    assert_eq!(get(&off, "br, gzip").await.field("content-encoding"), "");
}

#[tokio::test]
async fn answers_that_pass_are_encoded_if_their_length_is_known() {
    let site = Site::new(|_, _| {
        reply(&[TEXT, ("cache-control", "private"), ("etag", "\"v1\"")], long_text())
    });
    for _ in 0..2 {
        let answer = get(&site, "br").await;
        assert_eq!(answer.field("content-encoding"), "br");
        assert_eq!(decoded(&answer), long_text());
        assert_eq!(answer.field("etag"), "W/\"v1\"", "no longer byte for byte what it names");
        assert_eq!(answer.field("vary"), "accept-encoding");
    }
    assert_eq!(site.calls(), 2);
}

#[tokio::test]
async fn event_streams_are_neither_held_back_nor_encoded() {
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let site = Site::new(|_, _| {
        let fields = [FRESH, ("content-type", "text/event-stream; charset=utf-8")];
        stream(&fields, vec![Ok("data: 1\n\n"), Ok("data: 2\n\n"), Err(TestError("gone"))])
    });
    let request = http::Request::get("/").header("accept-encoding", "br");
    let request = request.body(http_body_util::Full::<Bytes>::default()).unwrap();
    let response = site.service().oneshot(request).await.unwrap();
    assert_eq!(response.headers().get("content-encoding"), None);
    let mut body = response.into_body();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event, "before the stream has ended");
    }
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn what_is_too_large_goes_through_and_is_counted() {
    let site = Site::built(
        |builder| builder.max_object(ByteSize::kib(1)),
        |parts, _| match parts.uri.path() {
            "/known" => reply(&[FRESH, TEXT], long_text()),
            _ => stream(&[FRESH, TEXT], vec![Ok("a"); 1025]),
        },
    );
    for path in ["/known", "/unknown"] {
        for _ in 0..2 {
            let answer = site.get(path).await;
            assert!(answer.text().len() > 1024);
            assert!(!answer.is_hit());
        }
    }
    assert!(site.cache.memory().is_empty());
    assert_eq!(site.count("not_stored", "too_large"), 2);
}

#[tokio::test]
async fn digests_of_other_bytes_are_not_sent() {
    const DIGESTS: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];
    let said = |cached| {
        let of_all = DIGESTS.map(|name| (name, "sha-256=:x:"));
        [&[TEXT, ("cache-control", cached)], &of_all[..]].concat()
    };
    let left = |answer: &Answer| DIGESTS.map(|name| answer.headers.contains_key(name));
    for cached in ["max-age=60", "private"] {
        let site = Site::new(move |_, _| reply(&said(cached), long_text()));
        assert_eq!(left(&site.get("/").await), [true; 4], "{cached}");
        let coded = site.get_with("/", &[("accept-encoding", "br")]).await;
        assert_eq!(coded.field("content-encoding"), "br");
        assert_eq!(left(&coded), [false; 4], "{cached}");
    }
    let site = Site::new(move |_, _| reply(&said("max-age=60"), long_text()));
    site.get("/").await;
    let part = site.get_with("/", &[("range", "bytes=0-9")]).await;
    assert_eq!(part.status, 206);
    assert_eq!(left(&part), [false, false, true, true], "two speak of the whole");
}
