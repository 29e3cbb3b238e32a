//! Hop-by-hop fields and framing.

use super::Rejection;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Removes the fields that concern one connection only: those that `Connection` names, and those
/// that always do (RFC 9110 section 7.6.1).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        remove_named(headers, |_| true);
        headers.remove(header::CONNECTION);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes the fields that `Connection` names, but for an upgrade, which is passed on: they go no
/// further, so nothing may be decided by them.
pub(crate) fn drop_named_by_connection(headers: &mut HeaderMap) {
    let usual = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    if !headers.get_all(header::CONNECTION).iter().all(usual) {
        remove_named(headers, |name| *name != header::UPGRADE);
    }
}

fn remove_named(headers: &mut HeaderMap, which: impl Fn(&HeaderName) -> bool) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(which)
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Whether `headers` say where the body ends in one way only.
///
/// A server that has parsed the message may have removed one of two framings already (hyper drops
/// `Content-Length` next to `Transfer-Encoding`), so a gateway must look at what came in, too.
///
/// # Errors
///
/// [`Rejection::TwoFramings`] or [`Rejection::BadContentLength`].
pub fn check_framing(headers: &HeaderMap) -> Result<(), Rejection> {
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Ok(());
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Rejection::TwoFramings);
    }
    let mut lengths = headers
        .get_all(header::CONTENT_LENGTH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .map(<[u8]>::trim_ascii);
    let first = lengths.next().unwrap_or_default();
    let number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    if number && lengths.all(|other| other == first) {
        Ok(())
    } else {
        Err(Rejection::BadContentLength)
    }
}

const HOP_BY_HOP: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn fields_of_one_connection_stay_there() {
        let mut headers = map(&[
            ("connection", "close, X-Secret"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("proxy-connection", "keep-alive"),
            ("x-kept", "3"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-kept", "3")]));
    }

    #[test]
    fn a_body_that_ends_in_two_ways_is_refused() {
        let cases = [
            (vec![], Ok(())),
            (vec![("content-length", "5")], Ok(())),
            (vec![("content-length", "5"), ("content-length", "5")], Ok(())),
            (
                vec![("content-length", "5"), ("transfer-encoding", "chunked")],
                Err(Rejection::TwoFramings),
            ),
            (
                vec![("content-length", "5"), ("content-length", "6")],
                Err(Rejection::BadContentLength),
            ),
            (vec![("content-length", "5, 6")], Err(Rejection::BadContentLength)),
            (vec![("content-length", "+5")], Err(Rejection::BadContentLength)),
            (vec![("content-length", "")], Err(Rejection::BadContentLength)),
        ];
        for (fields, answer) in cases {
            assert_eq!(check_framing(&map(&fields)), answer, "{fields:?}");
        }
    }
}
