//! `Cache-Control`, read on both sides (RFC 9111 section 5.2, RFC 5861).
//!
//! Lenient in what cannot do harm and strict in the rest: an age that is no number counts as zero,
//! two ages count as the smaller, a qualified `private` or `no-cache` counts as the whole one.

use http::{HeaderMap, header};
use std::time::Duration;

/// What an origin says about an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseDirectives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) no_transform: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
}

impl ResponseDirectives {
    pub(crate) fn of(headers: &HeaderMap) -> ResponseDirectives {
        let mut all = ResponseDirectives::default();
        for (name, argument) in elements(headers) {
            all.take(name, argument);
        }
        all
    }

    fn take(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("max-age") {
            self.max_age = smaller(self.max_age, argument);
        } else if is("s-maxage") {
            self.s_maxage = smaller(self.s_maxage, argument);
        } else if is("stale-while-revalidate") {
            self.stale_while_revalidate = smaller(self.stale_while_revalidate, argument);
        } else if is("stale-if-error") {
            self.stale_if_error = smaller(self.stale_if_error, argument);
        } else {
            let flags = [
                ("no-store", &mut self.no_store),
                ("no-cache", &mut self.no_cache),
                ("private", &mut self.private),
                ("public", &mut self.public),
                ("must-revalidate", &mut self.must_revalidate),
                ("proxy-revalidate", &mut self.proxy_revalidate),
                ("must-understand", &mut self.must_understand),
                ("no-transform", &mut self.no_transform),
            ];
            for (word, flag) in flags {
                *flag |= is(word);
            }
        }
    }
}

/// What a client asks of caches on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestDirectives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
    pub(crate) max_stale: Option<Duration>,
}

impl RequestDirectives {
    pub(crate) fn of(headers: &HeaderMap) -> RequestDirectives {
        let mut all = RequestDirectives::default();
        if !headers.contains_key(header::CACHE_CONTROL) {
            all.no_cache = headers.get_all(header::PRAGMA).iter().any(|value| {
                Elements::of(value.as_bytes()).any(|(n, _)| n.eq_ignore_ascii_case(b"no-cache"))
            });
            return all;
        }
        for (name, argument) in elements(headers) {
            all.take(name, argument);
        }
        all
    }

    fn take(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("max-age") {
            self.max_age = smaller(self.max_age, argument);
        } else if is("min-fresh") {
            self.min_fresh = smaller(self.min_fresh, argument);
        } else if is("max-stale") {
            // Without a number any staleness will do.
            let span = argument.map_or(Duration::MAX, seconds);
            self.max_stale = Some(self.max_stale.map_or(span, |s| s.min(span)));
        } else if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        }
    }
}

fn smaller(have: Option<Duration>, argument: Option<&[u8]>) -> Option<Duration> {
    let span = argument.map_or(Duration::ZERO, seconds);
    Some(have.map_or(span, |h| h.min(span)))
}

/// Delta seconds; what is no number counts as zero, what is too large as 68 years.
pub(crate) fn seconds(text: &[u8]) -> Duration {
    let text = text.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Duration::from_secs(text.iter().fold(0, add).min(1 << 31))
}

/// The elements of all `Cache-Control` lines.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    lines.flat_map(|value| Elements::of(value.as_bytes()))
}

/// The elements `name` or `name=argument` of a comma-separated list, quotes respected and removed.
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(crate) fn of(value: &'a [u8]) -> Elements<'a> {
        Elements { rest: value }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = end_of_element(self.rest);
            let (element, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            let element = element.trim_ascii();
            if element.is_empty() {
                continue;
            }
            let Some(equals) = element.iter().position(|&b| b == b'=') else {
                return Some((element, None));
            };
            let (name, argument) = element.split_at(equals);
            let argument = argument.get(1..).unwrap_or_default().trim_ascii();
            let quoted = argument.strip_prefix(b"\"").and_then(|a| a.strip_suffix(b"\""));
            return Some((name.trim_ascii(), Some(quoted.unwrap_or(argument))));
        }
        None
    }
}

/// The next comma that no quotes hold, or the end.
fn end_of_element(bytes: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn response(lines: &[&str]) -> ResponseDirectives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, line.parse().unwrap());
        }
        ResponseDirectives::of(&headers)
    }

    #[test]
    fn ages_are_read_carefully() {
        let cases = [
            ("max-age=60", Some(60)),
            ("Max-Age=\"60\"", Some(60)),
            ("max-age=60, max-age=10", Some(10)),
            ("max-age=abc", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age", Some(0)),
            ("max-age=99999999999999999999999", Some(1 << 31)),
            ("x=\"max-age=5\"", None),
            ("x=\"a, max-age=5, \\\" b\", max-age=7", Some(7)),
            ("", None),
            (",,;=,", None),
        ];
        for (text, age) in cases {
            assert_eq!(response(&[text]).max_age.map(|a| a.as_secs()), age, "{text}");
        }
    }

    #[test]
    fn lines_add_up_and_qualified_forms_count_whole() {
        let all = response(&["public, S-MAXAGE=5", "private=\"set-cookie\" , no-cache=\"x\""]);
        let wanted = ResponseDirectives {
            public: true,
            private: true,
            no_cache: true,
            s_maxage: Some(Duration::from_secs(5)),
            ..Default::default()
        };
        assert_eq!(all, wanted);
    }

    #[test]
    fn pragma_counts_only_alone() {
        let mut headers = HeaderMap::new();
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        assert!(RequestDirectives::of(&headers).no_cache);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-stale"));
        let all = RequestDirectives::of(&headers);
        assert!(!all.no_cache);
        assert_eq!(all.max_stale, Some(Duration::MAX));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

        #[test]
        fn any_bytes_are_read(line in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let mut headers = HeaderMap::new();
                headers.insert(header::CACHE_CONTROL, value);
                let _ = (ResponseDirectives::of(&headers), RequestDirectives::of(&headers));
            }
        }
    }
}
