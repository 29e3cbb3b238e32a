//! Preconditions of a request against a stored answer (RFC 9110 section 13).

use super::etag::{EntityTag, EntityTags, Tag, is_any};
use http::{HeaderMap, HeaderValue, header};
use std::time::SystemTime;

/// What the preconditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer as if there were none.
    Go,
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client expects.
    Failed,
}

/// The validators of a stored answer.
#[derive(Clone, Debug)]
pub(crate) struct Validators {
    pub(crate) tag: Tag,
    pub(crate) origin_tag: Option<HeaderValue>,
    pub(crate) last_modified: Option<SystemTime>,
}

impl Validators {
    /// Evaluates in the order of section 13.2.2. `Range` is not looked at here.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(header::IF_MATCH) {
            if !self.match_any(headers, &header::IF_MATCH) {
                return Verdict::Failed;
            }
        } else if let Some(since) = date(headers, &header::IF_UNMODIFIED_SINCE)
            && self.last_modified.is_none_or(|at| at > since)
        {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            if self.match_any(headers, &header::IF_NONE_MATCH) {
                return Verdict::NotModified;
            }
        } else if let Some(since) = date(headers, &header::IF_MODIFIED_SINCE)
            && self.last_modified.is_some_and(|at| at <= since)
        {
            return Verdict::NotModified;
        }
        Verdict::Go
    }

    fn match_any(&self, headers: &HeaderMap, name: &header::HeaderName) -> bool {
        headers
            .get_all(name)
            .iter()
            .any(|value| is_any(value) || EntityTags::of(value).any(|tag| self.names(tag)))
    }

    /// Whether a tag names this answer: ours in any coding, or the origin's.
    pub(crate) fn names(&self, tag: EntityTag<'_>) -> bool {
        self.tag.names(tag)
            || self
                .origin_tag
                .as_ref()
                .and_then(|own| EntityTag::parse(own.as_bytes()))
                .is_some_and(|own| own.weakly_equals(tag))
    }
}

/// A date field, if it is there once and is a date.
pub(crate) fn date(headers: &HeaderMap, name: &header::HeaderName) -> Option<SystemTime> {
    parse_date(headers.get(name)?)
}

pub(crate) fn parse_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const OLD: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    const AT: &str = "Fri, 02 Jan 2026 00:00:00 GMT";
    const NEW: &str = "Sat, 03 Jan 2026 00:00:00 GMT";

    fn judge(fields: &[(&'static str, &str)]) -> Verdict {
        let stored = Validators {
            tag: Tag::of_hash(1),
            origin_tag: Some(HeaderValue::from_static("W/\"v1\"")),
            last_modified: httpdate::parse_http_date(AT).ok(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        stored.judge(&headers)
    }

    #[test]
    fn conditions_are_judged_in_order() {
        let ours = &*format!("\"{:032x}\"", 1);
        let coded = &*format!("W/\"x\", \"{:032x}-br\"", 1);
        let cases = [
            (vec![], Verdict::Go),
            (vec![("if-none-match", ours)], Verdict::NotModified),
            (vec![("if-none-match", coded)], Verdict::NotModified),
            (vec![("if-none-match", "\"v1\"")], Verdict::NotModified),
            (vec![("if-none-match", "*")], Verdict::NotModified),
            (vec![("if-none-match", "\"other\"")], Verdict::Go),
            (vec![("if-none-match", "\"other\""), ("if-modified-since", NEW)], Verdict::Go),
            (vec![("if-none-match", "\"other\""), ("if-none-match", ours)], Verdict::NotModified),
            (vec![("if-modified-since", AT)], Verdict::NotModified),
            (vec![("if-modified-since", OLD)], Verdict::Go),
            (vec![("if-modified-since", "yesterday")], Verdict::Go),
            (vec![("if-match", ours)], Verdict::Go),
            (vec![("if-match", "\"other\"")], Verdict::Failed),
            (vec![("if-match", "*"), ("if-unmodified-since", OLD)], Verdict::Go),
            (vec![("if-unmodified-since", OLD)], Verdict::Failed),
            (vec![("if-unmodified-since", AT)], Verdict::Go),
            (vec![("if-match", ours), ("if-none-match", ours)], Verdict::NotModified),
        ];
        for (fields, verdict) in cases {
            assert_eq!(judge(&fields), verdict, "{fields:?}");
        }
    }

    #[test]
    fn an_answer_without_a_date_is_never_unmodified_by_date() {
        let stored = Validators { tag: Tag::of_hash(1), origin_tag: None, last_modified: None };
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MODIFIED_SINCE, AT.parse().unwrap());
        assert_eq!(stored.judge(&headers), Verdict::Go);
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert!(far < httpdate::parse_http_date(AT).unwrap());
    }
}
