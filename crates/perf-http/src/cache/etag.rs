//! Entity tags: ours carry a suffix for the coding, and matching knows it.

use crate::Coding;
use http::HeaderValue;
use std::fmt::Write;

/// The tag of one representation without its quotes and without the suffix of a coding: the hash
/// of its identity bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    opaque: Box<str>,
}

impl Tag {
    pub(crate) fn of_hash(hash: u128) -> Tag {
        Tag { opaque: format!("{hash:032x}").into() }
    }

    /// As it stands in `ETag`: strong, with a suffix that tells the codings apart.
    pub(crate) fn value(&self, coding: Option<Coding>) -> HeaderValue {
        let mut text = String::with_capacity(self.opaque.len() + 8);
        let written = match coding {
            Some(coding) => write!(text, "\"{}-{coding}\"", self.opaque),
            None => write!(text, "\"{}\"", self.opaque),
        };
        debug_assert!(written.is_ok());
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }

    /// Whether an entity tag names this representation in any coding.
    pub(crate) fn names(&self, tag: EntityTag<'_>) -> bool {
        match tag.opaque.strip_prefix(self.opaque.as_bytes()) {
            Some(b"") => true,
            Some([b'-', suffix @ ..]) => Coding::from_name(suffix).is_some(),
            _ => false,
        }
    }

    /// Whether an entity tag names exactly this coding of this representation, strongly.
    pub(crate) fn is_exactly(&self, tag: EntityTag<'_>, coding: Option<Coding>) -> bool {
        let rest = tag.opaque.strip_prefix(self.opaque.as_bytes());
        !tag.weak
            && match (rest, coding) {
                (Some(b""), None) => true,
                (Some([b'-', suffix @ ..]), Some(c)) => Coding::from_name(suffix) == Some(c),
                _ => false,
            }
    }
}

/// An entity tag as somebody sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag<'a> {
    pub(crate) weak: bool,
    pub(crate) opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Option<EntityTag<'a>> {
        let (tag, rest) = EntityTag::first(text.trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    /// Equal but for the weakness (RFC 9110 section 8.8.3.2).
    pub(crate) fn weakly_equals(self, other: EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }

    fn first(text: &'a [u8]) -> Option<(EntityTag<'a>, &'a [u8])> {
        let (weak, text) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let text = text.strip_prefix(b"\"")?;
        let end = text.iter().position(|&b| b == b'"')?;
        let (opaque, rest) = text.split_at(end);
        Some((EntityTag { weak, opaque }, rest.get(1..).unwrap_or_default()))
    }
}

/// The tags of an `If-Match` or `If-None-Match` line. Ends at the first thing that is no tag.
pub(crate) struct EntityTags<'a> {
    rest: &'a [u8],
}

impl<'a> EntityTags<'a> {
    pub(crate) fn of(value: &'a HeaderValue) -> EntityTags<'a> {
        EntityTags { rest: value.as_bytes() }
    }
}

impl<'a> Iterator for EntityTags<'a> {
    type Item = EntityTag<'a>;

    fn next(&mut self) -> Option<EntityTag<'a>> {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let (tag, rest) = EntityTag::first(self.rest)?;
        self.rest = rest;
        Some(tag)
    }
}

/// Whether a condition is `*`, which any representation meets.
pub(crate) fn is_any(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii() == b"*"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(line: &str) -> Vec<(bool, String)> {
        let value = HeaderValue::try_from(line).unwrap();
        EntityTags::of(&value)
            .map(|t| (t.weak, String::from_utf8_lossy(t.opaque).into_owned()))
            .collect()
    }

    #[test]
    fn lists_of_tags_are_read() {
        let one = |weak, text: &str| (weak, text.to_owned());
        assert_eq!(
            tags("\"a\", W/\"b,c\" ,\"\""),
            [one(false, "a"), one(true, "b,c"), one(false, "")]
        );
        assert_eq!(tags("\"a\", b, \"c\""), [one(false, "a")]);
        assert_eq!(tags("\"a"), []);
    }

    #[test]
    fn a_suffix_is_ignored_by_weak_comparison_and_respected_by_strong() {
        let tag = Tag::of_hash(7);
        let br = tag.value(Some(Coding::Br));
        let text = br.as_bytes().to_vec();
        let sent = EntityTag::parse(&text).unwrap();
        assert!(tag.names(sent));
        assert!(tag.is_exactly(sent, Some(Coding::Br)));
        assert!(!tag.is_exactly(sent, None));
        assert!(!tag.is_exactly(EntityTag { weak: true, ..sent }, Some(Coding::Br)));
        assert!(!Tag::of_hash(8).names(sent));
        let plain = tag.value(None);
        assert!(tag.is_exactly(EntityTag::parse(plain.as_bytes()).unwrap(), None));
        let strange = format!("\"{:032x}-lzma\"", 7);
        assert!(!tag.names(EntityTag::parse(strange.as_bytes()).unwrap()));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

        #[test]
        fn any_bytes_are_read(line in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                proptest::prop_assert!(EntityTags::of(&value).count() <= line.len());
            }
        }
    }
}
