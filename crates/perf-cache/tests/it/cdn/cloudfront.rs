//! CloudFront, as a double after its documentation, which checks signatures by itself.

use super::double::{Double, Reply, Seen};
use super::{PATIENCE, SHORT};
use hmac::{Hmac, Mac};
use perf_cache::cdn::{CloudFront, CloudFrontBuilder, Purge, PurgeErrorKind, PurgeService, Purger};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::time::Duration;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn error(status: u16, code: &str) -> Reply {
    Reply::text(
        status,
        &format!(
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
             <Error><Type>Sender</Type><Code>{code}</Code><Message>It says so.</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        ),
    )
}

/// What the signature has to be, from what has come, read anew from the documentation.
fn signature(seen: &Seen, signed: &str, scope: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let mut lines = vec![seen.method.clone(), seen.path.clone(), String::new()];
    for name in signed.split(';') {
        lines.push(format!("{name}:{}", seen.header(name).expect("a header that is signed")));
    }
    lines.extend([String::new(), signed.to_owned(), hex(&Sha256::digest(&seen.body))]);
    let canonical = hex(&Sha256::digest(lines.join("\n").as_bytes()));
    let date = seen.header("x-amz-date").unwrap();
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    hex(&mac(&key, &text))
}

fn accepts(seen: &Seen) -> Reply {
    let Some(authorization) = seen.header("authorization") else {
        return error(403, "MissingAuthenticationToken");
    };
    let part = |name: &str| {
        let rest = authorization.split(&format!("{name}=")).nth(1).unwrap();
        rest.split(',').next().unwrap().to_owned()
    };
    let credential = part("Credential");
    let (user, scope) = credential.split_once('/').unwrap();
    let day = &seen.header("x-amz-date").unwrap()[..8];
    if user != "AKIDEXAMPLE" || scope != format!("{day}/us-east-1/cloudfront/aws4_request") {
        return error(403, "InvalidClientTokenId");
    }
    let signed = part("SignedHeaders");
    let needed = ["host", "x-amz-date", "content-type"];
    let has_all = needed.iter().all(|name| signed.split(';').any(|known| known == *name));
    if !has_all || signature(seen, &signed, scope) != part("Signature") {
        return error(403, "SignatureDoesNotMatch");
    }
    if seen.path != "/2020-05-31/distribution/E1EXAMPLE/invalidation" {
        return error(404, "NoSuchDistribution");
    }
    let paths = paths(seen);
    if paths.iter().filter(|path| path.contains('*')).count() > 15 || paths.len() > 3_000 {
        return error(400, "TooManyInvalidationsInProgress");
    }
    Reply::text(201, "<Invalidation><Status>InProgress</Status></Invalidation>")
}

fn paths(seen: &Seen) -> Vec<String> {
    let text = seen.text().replace("&amp;", "&");
    let paths = text.split("<Path>").skip(1).map(|rest| rest.split("</Path>").next().unwrap());
    paths.map(str::to_owned).collect()
}

fn distribution(double: &Double) -> CloudFrontBuilder {
    CloudFront::builder("E1EXAMPLE", "AKIDEXAMPLE", SECRET).base_url(double.url())
}

#[test]
fn invalidations_are_signed_and_hold_what_one_may() {
    let double = Double::start(accepts);
    let service = distribution(&double).tags(true).session_token("temporary").build().unwrap();
    let purger = Purger::builder(service).gather(Duration::from_secs(10)).build().unwrap();
    for n in 0..20 {
        purger.purge(Purge::Prefix(format!("example.org/{n}/"))).unwrap();
        purger.purge(Purge::Url(format!("https://example.org/a?b={n}&c"))).unwrap();
    }
    purger.purge(Purge::Tag("product:7".into())).unwrap();
    assert!(purger.flush(PATIENCE));
    let seen = double.seen();
    assert_eq!(seen.len(), 2, "no more than 15 stars in each");
    let all: HashSet<String> = seen.iter().flat_map(paths).collect();
    assert_eq!(all.len(), 41);
    assert!(all.contains("/7/*") && all.contains("/a?b=7&c") && all.contains("#product:7"));
    for one in &seen {
        let quantity = format!("<Quantity>{}</Quantity>", paths(one).len());
        assert!(one.text().contains(&quantity));
        assert_eq!(one.header("x-amz-security-token"), Some("temporary"));
        assert!(one.header("authorization").unwrap().contains("x-amz-security-token"));
    }
    let references = seen.iter().map(|one| one.text().split("CallerReference>").nth(1).unwrap());
    assert_eq!(references.collect::<HashSet<_>>().len(), 2);
    assert_eq!((purger.stats().sent, purger.stats().retried), (41, 0));
    // A host is all of it.
    purger.purge(Purge::Host("example.org".into())).unwrap();
    assert!(purger.flush(PATIENCE));
    assert_eq!(paths(double.seen().last().unwrap()), ["/*"]);
}

#[test]
fn errors_are_what_they_mean() {
    let double = Double::start(accepts);
    let item = [Purge::Url("https://example.org/a".into())];
    let send = |service: CloudFrontBuilder| {
        service.build().unwrap().send(&item, PATIENCE).map_err(|error| {
            let text = error.to_string();
            assert!(!text.contains(SECRET) && !text.contains("other-secret"), "{text}");
            (error.kind(), text)
        })
    };
    send(distribution(&double)).unwrap();
    let of = |id, user, secret| {
        let builder = CloudFront::builder(id, user, secret).base_url(double.url());
        send(builder).unwrap_err()
    };
    let (kind, text) = of("E1EXAMPLE", "AKIDEXAMPLE", "other-secret");
    assert_eq!(kind, PurgeErrorKind::Denied);
    assert!(text.contains("SignatureDoesNotMatch: It says so."), "{text}");
    assert_eq!(of("E1EXAMPLE", "OTHER", SECRET).0, PurgeErrorKind::Denied);
    assert_eq!(of("E2EXAMPLE", "AKIDEXAMPLE", SECRET).0, PurgeErrorKind::Denied);
    for (status, code, kind) in [
        (400, "TooManyInvalidationsInProgress", PurgeErrorKind::Busy),
        (400, "Throttling", PurgeErrorKind::Busy),
        (429, "Other", PurgeErrorKind::Busy),
        (403, "ExpiredToken", PurgeErrorKind::Denied),
        (400, "InvalidArgument", PurgeErrorKind::Rejected),
        (500, "InternalError", PurgeErrorKind::Unavailable),
        (200, "", PurgeErrorKind::Unavailable),
    ] {
        double.answer(move |_| error(status, code));
        assert_eq!(send(distribution(&double)).unwrap_err().0, kind, "{status} {code}");
    }
    double.answer(|_| Reply::Hang);
    let hanging = distribution(&double).build().unwrap();
    let late = hanging.send(&item, SHORT).unwrap_err();
    assert_eq!(late.kind(), PurgeErrorKind::Unavailable);
}
