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
            if !any(headers, &header::IF_MATCH, |tag| self.names_strongly(tag)) {
                return Verdict::Failed;
            }
        } else if let Some(since) = date(headers, &header::IF_UNMODIFIED_SINCE)
            && self.last_modified.is_some_and(|at| at > since)
        {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            if any(headers, &header::IF_NONE_MATCH, |tag| self.names(tag)) {
                return Verdict::NotModified;
            }
        } else if let Some(since) = date(headers, &header::IF_MODIFIED_SINCE)
            && self.last_modified.is_some_and(|at| at <= since)
        {
            return Verdict::NotModified;
        }
        Verdict::Go
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

    /// The same, where neither may be weak.
    fn names_strongly(&self, tag: EntityTag<'_>) -> bool {
        let origin = self.origin_tag.as_ref().and_then(|own| EntityTag::parse(own.as_bytes()));
        !tag.weak && (self.tag.names(tag) || origin == Some(tag))
    }
}

/// Whether a condition is `*` or holds a tag that fits.
fn any(
    headers: &HeaderMap,
    name: &header::HeaderName,
    fits: impl Fn(EntityTag<'_>) -> bool,
) -> bool {
    let mut lines = headers.get_all(name).iter();
    lines.any(|value| is_any(value) || EntityTags::of(value).any(&fits))
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
        let weak = &*format!("W/{ours}");
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
            (vec![("if-match", weak)], Verdict::Failed),
            (vec![("if-match", "\"v1\"")], Verdict::Failed),
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
    fn an_answer_without_a_date_is_not_judged_by_date() {
        let stored = Validators { tag: Tag::of_hash(1), origin_tag: None, last_modified: None };
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MODIFIED_SINCE, AT.parse().unwrap());
        assert_eq!(stored.judge(&headers), Verdict::Go);
        headers.remove(header::IF_MODIFIED_SINCE);
        headers.insert(header::IF_UNMODIFIED_SINCE, AT.parse().unwrap());
        assert_eq!(stored.judge(&headers), Verdict::Go, "nor modified");
    }
}
