//! What a proxy changes in the headers it passes on.

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use perf_http::{Hygiene, Rejection};
use std::net::SocketAddr;

/// How requests are rewritten for the upstream.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    /// The upstream's own name, for `Host`.
    pub(super) authority: HeaderValue,
    /// Whether the client's `Host` is passed on instead.
    pub(super) keep_host: bool,
    /// Strips and signs what passes.
    pub(super) hygiene: Hygiene,
}

impl Forward {
    pub(super) fn new(authority: &Authority, keep_host: bool, hygiene: Hygiene) -> Forward {
        // An authority holds visible ASCII only.
        let authority = HeaderValue::from_str(authority.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Forward { authority, keep_host, hygiene }
    }

    /// Rewrites a request's headers on their way to the upstream.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it must not go on.
    pub(super) fn request(
        &self,
        parts: &mut Parts,
        peer: Option<SocketAddr>,
    ) -> Result<(), Rejection> {
        self.hygiene.request(parts)?;
        let headers = &mut parts.headers;
        // The connection's side has answered it with 100 already.
        headers.remove(header::EXPECT);
        drop_own_cookies(headers);
        let host = headers.get(header::HOST).cloned();
        if let Some(host) = &host {
            headers.entry(FORWARDED_HOST).or_insert_with(|| host.clone());
        }
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
        if let Some(peer) = peer {
            append_to_list(headers, FORWARDED_FOR, &peer.ip().to_canonical().to_string());
        }
        if !self.keep_host || host.is_none() {
            headers.insert(header::HOST, self.authority.clone());
        }
        Ok(())
    }

    /// Rewrites a response's headers on their way to the client.
    pub(super) fn response(&self, version: Version, headers: &mut HeaderMap) {
        self.hygiene.response(version, headers);
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes the cookies that let their owner turn this program's knobs. Browsers send a cookie to
/// every port of its host, so the origin would see what is meant for the dashboard's port.
fn drop_own_cookies(headers: &mut HeaderMap) {
    let is_own = |pair: &[u8]| pair.trim_ascii_start().starts_with(SESSION.as_bytes());
    let has_own = |line: &HeaderValue| line.as_bytes().split(|&b| b == b';').any(is_own);
    if !headers.get_all(header::COOKIE).iter().any(has_own) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    for line in lines {
        let others = line.as_bytes().split(|&b| b == b';').filter(|pair| !is_own(pair));
        let others: Vec<&[u8]> = others.map(<[u8]>::trim_ascii).filter(|p| !p.is_empty()).collect();
        if let (false, Ok(line)) =
            (others.is_empty(), HeaderValue::from_bytes(&others.join(&b"; "[..])))
        {
            headers.append(header::COOKIE, line);
        }
    }
}

/// How the names of the dashboard's session cookies begin; its port follows.
const SESSION: &str = "perfkit_session_";

/// Adds one member to a comma-separated list, on one line: some readers look at the first only.
fn append_to_list(headers: &mut HeaderMap, name: HeaderName, member: &str) {
    let mut list = Vec::new();
    for value in headers.get_all(&name) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(member.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&list) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(keep_host: bool, fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let hygiene = Hygiene::new("perfkit-test").unwrap();
        let forward = Forward::new(&Authority::from_static("app:3000"), keep_host, hygiene);
        let mut request = http::Request::get("/").body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        let (mut parts, ()) = request.into_parts();
        forward.request(&mut parts, Some("192.0.2.7:5000".parse().unwrap())).unwrap();
        parts.headers
    }

    #[test]
    fn says_for_whom_and_through_whom() {
        let headers = rewritten(
            false,
            &[
                ("host", "example.org"),
                ("x-forwarded-for", "10.0.0.1"),
                ("connection", "x-mine"),
                ("x-mine", "1"),
                ("expect", "100-continue"),
            ],
        );
        assert_eq!(headers[FORWARDED_FOR], "10.0.0.1, 192.0.2.7");
        assert_eq!(headers[FORWARDED_HOST], "example.org");
        assert_eq!(headers[FORWARDED_PROTO], "http");
        assert_eq!(headers[header::VIA], "1.1 perfkit-test");
        assert_eq!(headers[header::HOST], "app:3000");
        for gone in ["x-mine", "connection", "expect"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn the_key_to_the_dashboard_is_not_passed_on() {
        let cookies = |lines: &[&'static str]| {
            let fields: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let headers = rewritten(false, &fields);
            let kept = headers.get_all(header::COOKIE).iter();
            kept.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(cookies(&["a=1; perfkit_session_9090=s3cret; b=2"]), ["a=1; b=2"]);
        assert_eq!(cookies(&["perfkit_session_9090=s3cret"]), none);
        assert_eq!(cookies(&["perfkit_session_1=x;perfkit_session_2=y", "c=3"]), ["c=3"]);
        assert_eq!(
            cookies(&["perfkit_session=x;  a=\"1\"", "b=2"]),
            ["perfkit_session=x;  a=\"1\"", "b=2"]
        );
        assert_eq!(cookies(&["a=perfkit_session_1"]), ["a=perfkit_session_1"]);
    }

    #[test]
    fn keeps_the_host_when_told_to() {
        let headers = rewritten(true, &[("host", "example.org")]);
        assert_eq!(headers[header::HOST], "example.org");
    }
}
