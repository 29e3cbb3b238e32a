//! The names under which the origin files an answer, so that it can be invalidated together with
//! others.

use http::{HeaderMap, HeaderName};
use std::sync::Arc;

/// What content delivery networks read tags from: Fastly and Varnish the first, split at spaces,
/// Cloudflare and Akamai the others, split at commas.
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const EDGE_CACHE_TAG: HeaderName = HeaderName::from_static("edge-cache-tag");

/// More than any of those networks takes.
pub(crate) const MOST_TAGS: usize = 1_000;
/// As much as Cloudflare takes.
const LONGEST_TAG: usize = 1_024;

/// An answer has more tags, or longer ones, than are kept: an invalidation would miss it, so it
/// cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyTags;

/// The tags of an answer, sorted, each once.
pub(crate) fn tags_of(headers: &HeaderMap) -> Result<Box<[Arc<str>]>, TooManyTags> {
    let mut tags: Vec<&str> = Vec::new();
    for (name, separator) in [(SURROGATE_KEY, ' '), (CACHE_TAG, ','), (EDGE_CACHE_TAG, ',')] {
        for value in headers.get_all(name) {
            // Bytes beyond ASCII cannot be named by an invalidation either.
            let text = value.to_str().map_err(|_| TooManyTags)?;
            tags.extend(text.split(separator).map(str::trim).filter(|tag| !tag.is_empty()));
        }
    }
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > MOST_TAGS || tags.iter().any(|tag| tag.len() > LONGEST_TAG) {
        return Err(TooManyTags);
    }
    Ok(tags.into_iter().map(Arc::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn tags(fields: &[(&'static str, &str)]) -> Result<Vec<String>, TooManyTags> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Ok(tags_of(&headers)?.iter().map(|tag| tag.to_string()).collect())
    }

    #[test]
    fn every_networks_field_is_read_in_its_own_way() {
        let fields = [("surrogate-key", "b  a"), ("cache-tag", "c d, a,,"), ("cache-tag", "e")];
        assert_eq!(tags(&fields).unwrap(), ["a", "b", "c d", "e"]);
        assert!(tags(&[]).unwrap().is_empty());
    }

    #[test]
    fn too_much_is_refused_rather_than_cut() {
        let many: String = (0..=MOST_TAGS).map(|n| format!("t{n} ")).collect();
        assert_eq!(tags(&[("surrogate-key", &many)]), Err(TooManyTags));
        assert_eq!(tags(&[("cache-tag", &"x".repeat(LONGEST_TAG + 1))]), Err(TooManyTags));
        assert_eq!(tags(&[("cache-tag", &"x".repeat(LONGEST_TAG))]).unwrap().len(), 1);
    }
}
