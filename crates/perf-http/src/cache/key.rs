//! Which requests ask for the same thing.

use http::{HeaderMap, HeaderValue, header, request};
use perf_cache::KeyText;
use std::borrow::{Borrow, Cow};
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

/// The URL of a stored answer: authority in lower case, path and query, the hex digits of
/// percent-encoding in upper case. The method is not in it, since only answers to GET are stored;
/// what `Vary` names is compared afterwards.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseKey(Arc<str>);

impl ResponseKey {
    pub(crate) fn new(text: &str) -> ResponseKey {
        ResponseKey(text.into())
    }

    /// The key as text, such as `example.org/a?b=c`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// Hash and equality are those of the text, so that a lookup need not own a key.
impl Borrow<str> for ResponseKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl KeyText for ResponseKey {
    fn key_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseKey({})", &self.0)
    }
}

/// Runs `then` with the key of a request, without allocating once a thread is warm; with `None` if
/// it is not clear which host is meant.
pub(crate) fn with_key<T>(parts: &request::Parts, then: impl FnOnce(Option<&str>) -> T) -> T {
    thread_local! {
        static BUFFER: Cell<String> = const { Cell::new(String::new()) };
    }
    let mut buffer = BUFFER.take();
    buffer.clear();
    let answer = match authority(parts) {
        Some(authority) => {
            write_key(
                &mut buffer,
                authority,
                parts.uri.path_and_query().map_or("/", |p| p.as_str()),
            );
            then(Some(&buffer))
        }
        None => then(None),
    };
    if buffer.capacity() <= 16 << 10 {
        BUFFER.set(buffer);
    }
    answer
}

/// The key of another URL on the host of `parts`, if a `Location` names one there.
pub(crate) fn same_host(parts: &request::Parts, location: &HeaderValue) -> Option<ResponseKey> {
    let own = authority(parts)?;
    let uri: http::Uri = location.to_str().ok()?.parse().ok()?;
    match uri.authority() {
        Some(other) if !other.as_str().eq_ignore_ascii_case(own) => return None,
        // A relative reference that does not start at the root would need resolving.
        None if !uri.path().starts_with('/') => return None,
        _ => {}
    }
    Some(of_parts(own, uri.path_and_query().map_or("/", |p| p.as_str())))
}

pub(crate) fn of_parts(authority: &str, path_and_query: &str) -> ResponseKey {
    let mut text = String::new();
    write_key(&mut text, authority, path_and_query);
    ResponseKey::new(&text)
}

/// The one host that is meant. A request that names two could be answered for either, and the
/// answer be stored for the other; one whose host goes on into a path has the key of another URL.
fn authority(parts: &request::Parts) -> Option<&str> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(host.to_str().ok().filter(|host| !host.contains(['/', '?']))?),
        (Some(_), Some(_)) => return None,
    };
    match (parts.uri.authority().map(|a| a.as_str()), host) {
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => None,
        (Some(target), _) => Some(target),
        (None, host) => Some(host.unwrap_or_default()),
    }
}

fn write_key(key: &mut String, authority: &str, path_and_query: &str) {
    let start = key.len();
    key.push_str(authority);
    key[start..].make_ascii_lowercase();
    if !path_and_query.contains('%') {
        key.push_str(path_and_query);
        return;
    }
    let mut rest = path_and_query;
    while let Some(at) = rest.find('%') {
        // Where no two hex digits follow, the `%` stands for itself.
        let digits = rest.get(at + 1..at + 3).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        key.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        if let Some(digits) = digits {
            key.extend(digits.chars().map(|c| c.to_ascii_uppercase()));
            rest = &rest[2..];
        }
    }
    key.push_str(rest);
}

/// What a stored answer depends on beside its URL: the fields its `Vary` names, as they were in
/// the request that fetched it, and what that request told the origin of another URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vary {
    fields: Box<[Field]>,
    told: Option<Said>,
}

/// A field's name, and its lines joined, if it was there.
pub(crate) type Field = (header::HeaderName, Option<Said>);

/// What a request said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Plain(Box<[u8]>),
    /// As it stands beyond memory, where no cookie and no token may be read. Nobody can make another text
    /// with the same digest, and so get an answer that was made for somebody else.
    #[cfg(feature = "tiers")]
    Digest([u8; 32]),
}

impl Said {
    fn is(&self, text: &[u8]) -> bool {
        match self {
            Said::Plain(said) => **said == *text,
            #[cfg(feature = "tiers")]
            Said::Digest(said) => *said == digest(text),
        }
    }

    #[cfg(feature = "tiers")]
    pub(crate) fn digest(&self) -> [u8; 32] {
        match self {
            Said::Plain(text) => digest(text),
            Said::Digest(digest) => *digest,
        }
    }

    fn len(&self) -> usize {
        match self {
            Said::Plain(text) => text.len(),
            #[cfg(feature = "tiers")]
            Said::Digest(digest) => digest.len(),
        }
    }
}

#[cfg(feature = "tiers")]
fn digest(text: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(text).into()
}

/// Whether both said nothing, or the same.
fn same(said: Option<&Said>, now: Option<&[u8]>) -> bool {
    match (said, now) {
        (Some(said), Some(now)) => said.is(now),
        (said, now) => said.is_none() && now.is_none(),
    }
}

impl Vary {
    /// `Accept-Encoding` is left out: the origin is always asked for identity.
    pub(crate) fn of(response: &HeaderMap, request: &HeaderMap) -> Vary {
        let mut names: Vec<header::HeaderName> = response
            .get_all(header::VARY)
            .iter()
            .flat_map(|value| value.as_bytes().split(|&b| b == b','))
            .filter_map(|name| header::HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| name != header::ACCEPT_ENCODING)
            .collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        let value = |name: header::HeaderName| {
            let value = joined(request, &name).map(|v| Said::Plain(v.as_ref().into()));
            (name, value)
        };
        let told = told(request).map(Said::Plain);
        Vary { fields: names.into_iter().map(value).collect(), told }
    }

    #[cfg(feature = "tiers")]
    pub(crate) fn from_parts(fields: Vec<Field>, told: Option<Said>) -> Vary {
        Vary { fields: fields.into(), told }
    }

    #[cfg(feature = "tiers")]
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    #[cfg(feature = "tiers")]
    pub(crate) fn told(&self) -> Option<&Said> {
        self.told.as_ref()
    }

    pub(crate) fn matches(&self, request: &HeaderMap) -> bool {
        let is_same = |(name, said): &Field| same(said.as_ref(), joined(request, name).as_deref());
        self.fields.iter().all(is_same) && same(self.told.as_ref(), told(request).as_deref())
    }

    /// A number for what this request has in these fields; equal fields give equal numbers.
    pub(crate) fn number(&self, request: &HeaderMap) -> u64 {
        let mut number = 0;
        for (name, _) in &self.fields {
            let value = joined(request, name);
            let seed = u64::from(value.is_some()) ^ u64::rotate_left(number, 7);
            number = xxhash_rust::xxh3::xxh3_64_with_seed(value.as_deref().unwrap_or(b""), seed);
        }
        told(request).map_or(number, |told| {
            xxhash_rust::xxh3::xxh3_64_with_seed(&told, u64::rotate_left(number, 7))
        })
    }

    pub(crate) fn weight(&self) -> usize {
        let fields = self.fields.iter();
        fields.map(|(_, said)| 64 + said.as_ref().map_or(0, Said::len)).sum::<usize>()
            + self.told.as_ref().map_or(0, Said::len)
    }
}

/// What a request says in fields from which many origins take their host, scheme or path, without
/// ever naming them in `Vary`. An answer made for one such field must not reach those without it.
fn told(request: &HeaderMap) -> Option<Box<[u8]>> {
    let tells = |name: &header::HeaderName| {
        name == header::FORWARDED
            || name.as_str().starts_with("x-") && TELLING.contains(&name.as_str())
    };
    if !request.keys().any(tells) {
        return None;
    }
    let mut all = Vec::new();
    for name in TELLING {
        for value in request.get_all(name) {
            // No value holds a line break, so these lines read in one way only.
            all.extend_from_slice(name.as_bytes());
            all.push(b'\n');
            all.extend_from_slice(value.as_bytes());
            all.push(b'\n');
        }
    }
    for pair in request.get_all(header::FORWARDED).iter().flat_map(told_by_forwarded) {
        all.extend_from_slice(b"forwarded\n");
        all.extend_from_slice(pair);
        all.push(b'\n');
    }
    (!all.is_empty()).then(|| all.into())
}

/// The pairs of a `Forwarded` (RFC 7239) that are not about the client, who may be another one with
/// each request. Quotes hide nothing: an origin may not know of them.
fn told_by_forwarded(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let pairs = value.as_bytes().split(|b| matches!(b, b',' | b';')).map(<[u8]>::trim_ascii);
    pairs.filter(|pair| {
        let name = pair.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"host") || name.eq_ignore_ascii_case(b"proto")
    })
}

const TELLING: [&str; 7] = [
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-original-url",
    "x-rewrite-url",
];

fn joined<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    let mut all = Cow::Borrowed(first);
    for value in values {
        let line = all.to_mut();
        line.extend_from_slice(b", ");
        line.extend_from_slice(value.as_bytes());
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn key(uri: &str, hosts: &[&str]) -> Option<String> {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        with_key(&request.body(()).unwrap().into_parts().0, |k| k.map(str::to_owned))
    }

    #[test]
    fn keys_are_normalised_conservatively() {
        let cases: [(&str, &[&str], Option<&str>); 12] = [
            ("/a?b=C", &["Example.ORG"], Some("example.org/a?b=C")),
            ("/%c3%a4/%2F?q=%e4", &["h"], Some("h/%C3%A4/%2F?q=%E4")),
            ("/a/../b", &["h"], Some("h/a/../b")),
            ("/%", &["h"], Some("h/%")),
            ("/a%4", &["h"], Some("h/a%4")),
            ("/50%off?q=%%c3%x", &["h"], Some("h/50%off?q=%%C3%x")),
            ("http://h/a", &["H"], Some("h/a")),
            ("http://h/a", &["other"], None),
            ("/a", &["h", "i"], None),
            ("/b", &["h/a"], None),
            ("/b", &["h?a="], None),
            ("/a", &[], Some("/a")),
        ];
        for (uri, hosts, wanted) in cases {
            assert_eq!(key(uri, hosts).as_deref(), wanted, "{uri} {hosts:?}");
        }
        assert_ne!(key("/a?", &["h"]), key("/a", &["h"]));
    }

    #[test]
    fn locations_elsewhere_are_not_ours() {
        let (parts, ()) = Request::post("/a").header("host", "h").body(()).unwrap().into_parts();
        let at = |location: &str| {
            same_host(&parts, &location.parse().unwrap()).map(|k| k.as_str().to_owned())
        };
        assert_eq!(at("/b?c"), Some("h/b?c".into()));
        assert_eq!(at("http://H/b"), Some("h/b".into()));
        assert_eq!(at("http://i/b"), None);
        assert_eq!(at("b"), None);
    }

    #[test]
    fn vary_compares_whole_fields() {
        let map = |lines: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in lines {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        let said = map(&[("vary", "Accept-Language, Cookie"), ("vary", "accept-encoding")]);
        let first = map(&[("accept-language", "de"), ("cookie", "a=1"), ("accept-encoding", "br")]);
        let vary = Vary::of(&said, &first);
        assert!(vary.matches(&first));
        assert!(vary.matches(&map(&[("cookie", "a=1"), ("accept-language", "de")])));
        for other in [
            map(&[("accept-language", "de")]),
            map(&[("accept-language", "de"), ("cookie", "a=2")]),
            map(&[("accept-language", "de"), ("cookie", "a=1"), ("cookie", "b=2")]),
            map(&[("accept-language", ""), ("cookie", "a=1")]),
        ] {
            assert!(!vary.matches(&other), "{other:?}");
            assert_ne!(vary.number(&other), vary.number(&first), "{other:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

        #[test]
        fn any_path_has_a_key(path in "/[a-c%/?é\u{10ffff}]{0,12}") {
            let mut text = String::new();
            write_key(&mut text, "H", &path);
            proptest::prop_assert!(text[1..].eq_ignore_ascii_case(&path));
        }
    }
}
