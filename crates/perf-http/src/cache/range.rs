//! Byte ranges from a whole stored answer (RFC 9110 section 14).

use super::conditional::{Validators, parse_date};
use super::etag::EntityTag;
use http::{HeaderMap, header};
use std::ops::Range;

/// What a `Range` field asks of a body of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: no range, one that is not understood, or several.
    Whole,
    /// 206 with these bytes.
    Part(Range<usize>),
    /// 416: there are no such bytes.
    Unsatisfiable,
}

impl Asked {
    /// What is asked of a body of `length` bytes.
    pub(crate) fn of(headers: &HeaderMap, length: usize, validators: &Validators) -> Asked {
        let mut lines = headers.get_all(header::RANGE).iter();
        let (Some(range), None) = (lines.next(), lines.next()) else { return Asked::Whole };
        if !if_range_holds(headers, validators) {
            return Asked::Whole;
        }
        parse(range.as_bytes(), length)
    }
}

/// Only a strong match may glue parts together, so the suffix of a coding counts here.
fn if_range_holds(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(condition) = headers.get(header::IF_RANGE) else { return true };
    if let Some(tag) = EntityTag::parse(condition.as_bytes()) {
        let origin = validators.origin_tag.as_ref().map(|t| t.as_bytes());
        let origin = origin.and_then(EntityTag::parse);
        return validators.tag.is_exactly(tag, None)
            || (!tag.weak && origin.is_some_and(|own| own == tag));
    }
    parse_date(condition).is_some_and(|date| validators.last_modified == Some(date))
}

fn parse(value: &[u8], length: usize) -> Asked {
    let Some(set) = strip_unit(value) else { return Asked::Whole };
    // Several ranges would need a multipart body; the whole answer is always allowed.
    if set.contains(&b',') {
        return Asked::Whole;
    }
    let set = set.trim_ascii();
    let Some(dash) = set.iter().position(|&b| b == b'-') else { return Asked::Whole };
    let (first, last) = (&set[..dash], &set[dash + 1..]);
    match (number(first), number(last)) {
        (Digits::Missing, Digits::Number(suffix)) => {
            if suffix == 0 || length == 0 {
                return Asked::Unsatisfiable;
            }
            Asked::Part(length.saturating_sub(suffix)..length)
        }
        (Digits::Number(first), Digits::Missing) if first < length => Asked::Part(first..length),
        (Digits::Number(first), Digits::Number(last)) if last < first => Asked::Whole,
        (Digits::Number(first), Digits::Number(last)) if first < length => {
            Asked::Part(first..last.saturating_add(1).min(length))
        }
        (Digits::Number(_), Digits::Number(_) | Digits::Missing) => Asked::Unsatisfiable,
        _ => Asked::Whole,
    }
}

fn strip_unit(value: &[u8]) -> Option<&[u8]> {
    let (unit, rest) = value.trim_ascii().split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(rest)
}

enum Digits {
    Missing,
    Number(usize),
    Bad,
}

fn number(text: &[u8]) -> Digits {
    if text.is_empty() {
        return Digits::Missing;
    }
    if !text.iter().all(u8::is_ascii_digit) {
        return Digits::Bad;
    }
    let add = |sum: usize, d: &u8| sum.saturating_mul(10).saturating_add(usize::from(d - b'0'));
    Digits::Number(text.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::etag::Tag;
    use http::HeaderValue;

    #[test]
    fn single_ranges_are_cut_to_the_body() {
        let cases = [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=2-", Asked::Part(2..10)),
            ("bytes=2-99999999999999999999999", Asked::Part(2..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("Bytes= 1-2 ", Asked::Part(1..3)),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-4", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("", Asked::Whole),
        ];
        for (text, asked) in cases {
            assert_eq!(parse(text.as_bytes(), 10), asked, "{text}");
        }
        assert_eq!(parse(b"bytes=0-", 0), Asked::Unsatisfiable);
    }

    #[test]
    fn if_range_needs_the_exact_representation() {
        let validators = Validators {
            tag: Tag::of_hash(1),
            origin_tag: Some(HeaderValue::from_static("\"v1\"")),
            last_modified: None,
        };
        let ours = format!("\"{:032x}\"", 1);
        let weak = format!("W/{ours}");
        let coded = format!("\"{:032x}-br\"", 1);
        let cases =
            [(&*ours, true), ("\"v1\"", true), (&weak, false), (&coded, false), ("x", false)];
        for (condition, holds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
            headers.insert(header::IF_RANGE, condition.parse().unwrap());
            let wanted = if holds { Asked::Part(0..2) } else { Asked::Whole };
            assert_eq!(Asked::of(&headers, 10, &validators), wanted, "{condition}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

        #[test]
        fn parts_lie_inside(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..20), length in 0_usize..50) {
            for text in [tail.clone(), [b"bytes=", tail.as_slice()].concat()] {
                if let Asked::Part(range) = parse(&text, length) {
                    proptest::prop_assert!(range.start < range.end && range.end <= length);
                }
            }
        }
    }
}
