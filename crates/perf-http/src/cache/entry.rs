//! What is stored: one resource per URL, its variants, and their bytes in every coding so far.

use super::conditional::{Validators, date};
use super::etag::Tag;
use super::key::Vary;
use super::policy::{Freshness, has_validator};
use super::tags::tags_of;
use crate::Coding;
use crate::coding::is_compressible;
use crate::hygiene::strip_hop_by_hop;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use perf_core::Instant;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
#[cfg(feature = "tiers")]
use std::time::SystemTime;
use tokio::sync::OnceCell;

/// What the memory tier holds for one URL: the answers that its `Vary` tells apart. Opaque; clones
/// share it.
#[derive(Clone)]
pub struct StoredResponse {
    /// Newest first.
    variants: Arc<[Arc<Variant>]>,
}

impl StoredResponse {
    /// One more variant, instead of the one that the same requests would get. The oldest leave;
    /// how many is answered, too.
    pub(crate) fn with(
        existing: Option<&StoredResponse>,
        variant: Arc<Variant>,
        request: &HeaderMap,
    ) -> (StoredResponse, u64) {
        let others = existing.map(|e| &*e.variants).unwrap_or_default();
        let kept = others.iter().filter(|other| !other.vary.matches(request)).cloned();
        let mut variants: Vec<Arc<Variant>> = std::iter::once(variant).chain(kept).collect();
        let dropped = variants.len().saturating_sub(MAX_VARIANTS);
        variants.truncate(MAX_VARIANTS);
        (StoredResponse { variants: variants.into() }, dropped as u64)
    }

    /// Of these, newest first; at least one.
    #[cfg(feature = "tiers")]
    pub(crate) fn from_variants(variants: Vec<Arc<Variant>>) -> StoredResponse {
        StoredResponse { variants: variants.into() }
    }

    /// The same after it has lain somewhere. With the time of day it counts, too, what the origin said
    /// of when it was made: the clock may have gone back meanwhile.
    #[cfg(feature = "tiers")]
    pub(crate) fn aged(
        mut self,
        elapsed: Elapsed,
        now: Option<SystemTime>,
        min_encoded: u64,
    ) -> StoredResponse {
        let mut aged = |variant: &mut Arc<Variant>| {
            let age = variant.age_after(elapsed, now);
            match Arc::get_mut(variant) {
                Some(own) => own.freshness.initial_age = age,
                // Somebody else has read the same bytes.
                None => *variant = Arc::new(variant.with_age(age, min_encoded)),
            }
        };
        match Arc::get_mut(&mut self.variants) {
            Some(own) => own.iter_mut().for_each(aged),
            None => {
                let mut own = self.variants.to_vec();
                own.iter_mut().for_each(&mut aged);
                self.variants = own.into();
            }
        }
        self
    }

    #[cfg(feature = "tiers")]
    pub(crate) fn variants(&self) -> &[Arc<Variant>] {
        &self.variants
    }

    pub(crate) fn select(&self, request: &HeaderMap) -> Option<&Arc<Variant>> {
        self.variants.iter().find(|variant| variant.vary.matches(request))
    }

    /// What the newest answer depends on.
    pub(crate) fn vary(&self) -> Option<&Vary> {
        self.variants.first().map(|variant| &variant.vary)
    }

    /// How long from now any of it may still be of use.
    pub(crate) fn useful_for(&self, now: Instant) -> Duration {
        self.variants.iter().map(|v| v.useful_for(now)).max().unwrap_or(Duration::ZERO)
    }

    /// What the origin files any of it under.
    pub(crate) fn tags(&self) -> impl Iterator<Item = Arc<str>> {
        self.variants.iter().flat_map(|variant| variant.tags.iter().cloned())
    }

    /// Bytes that it takes, as far as that depends on what is stored.
    pub(crate) fn weight(&self) -> u64 {
        self.variants.iter().map(|variant| variant.weight()).sum()
    }
}

impl fmt::Debug for StoredResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredResponse")
            .field("variants", &self.variants.len())
            .field("weight", &self.weight())
            .finish()
    }
}

/// How long something has lain somewhere.
#[cfg(feature = "tiers")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Elapsed {
    For(Duration),
    /// It came in a time that has not come: the clock has gone back.
    NobodyKnows,
}

/// One stored answer.
pub(crate) struct Variant {
    pub(crate) vary: Vary,
    pub(crate) status: StatusCode,
    /// The origin's fields, without those that are made anew for every answer.
    pub(crate) headers: HeaderMap,
    pub(crate) validators: Validators,
    pub(crate) freshness: Freshness,
    pub(crate) body: Arc<Representation>,
    /// The origin's own content coding; we add none then.
    pub(crate) own_coding: bool,
    pub(crate) codable: bool,
    pub(crate) received: Instant,
    /// What the origin files it under.
    pub(crate) tags: Box<[Arc<str>]>,
    /// For identity and each coding; made at first use.
    heads: [OnceLock<Heads>; 1 + Coding::ALL.len()],
}

/// The fields of answers that differ only in their age and their `Cache-Status`, for which they
/// hold a place.
pub(crate) struct Heads {
    pub(crate) full: HeaderMap,
    pub(crate) not_modified: HeaderMap,
}

/// The bytes of an answer: identity, and each coding once somebody has asked for it.
pub(crate) struct Representation {
    pub(crate) identity: Bytes,
    hash: u128,
    /// `None` inside: this coding does not make it smaller.
    coded: [OnceCell<Option<Bytes>>; Coding::ALL.len()],
}

impl Representation {
    pub(crate) fn new(identity: Bytes) -> Representation {
        let hash = xxhash_rust::xxh3::xxh3_128(&identity);
        Representation { identity, hash, coded: [const { OnceCell::const_new() }; 3] }
    }

    pub(crate) fn coded(&self, coding: Coding) -> &OnceCell<Option<Bytes>> {
        &self.coded[coding as usize]
    }

    fn weight(&self) -> usize {
        let coded = self.coded.iter().filter_map(|cell| cell.get()?.as_ref()).map(Bytes::len);
        self.identity.len() + coded.sum::<usize>()
    }
}

impl Variant {
    /// `headers` are the origin's.
    pub(crate) fn new(
        request: &request::Parts,
        status: StatusCode,
        mut headers: HeaderMap,
        freshness: Freshness,
        body: Arc<Representation>,
        received: Instant,
        min_encoded: u64,
    ) -> Variant {
        strip_hop_by_hop(&mut headers);
        let vary = Vary::of(&headers, &request.headers);
        Variant::assemble(vary, status, headers, freshness, body, received, min_encoded)
    }

    /// The same, where it is known what the answer depends on. `headers` are those of `new` after
    /// the first step.
    pub(crate) fn assemble(
        vary: Vary,
        status: StatusCode,
        mut headers: HeaderMap,
        freshness: Freshness,
        body: Arc<Representation>,
        received: Instant,
        min_encoded: u64,
    ) -> Variant {
        let validators = Validators {
            tag: Tag::of_hash(body.hash),
            origin_tag: headers.remove(header::ETAG),
            last_modified: date(&headers, &header::LAST_MODIFIED),
        };
        headers.remove(header::AGE);
        headers.remove(header::CONTENT_LENGTH);
        let own_coding = headers.get(header::CONTENT_ENCODING).is_some_and(|c| c != "identity");
        let codable = !own_coding
            && !freshness.no_transform
            && body.identity.len() as u64 >= min_encoded
            && is_compressible(&headers);
        // An answer with tags that cannot be kept is not stored, and one that is only sent needs none.
        let tags = tags_of(&headers).unwrap_or_default();
        Variant {
            vary,
            status,
            headers,
            validators,
            freshness,
            body,
            own_coding,
            codable,
            received,
            tags,
            heads: [const { OnceLock::new() }; 4],
        }
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.freshness.initial_age + (now - self.received)
    }

    #[cfg(feature = "tiers")]
    fn age_after(&self, elapsed: Elapsed, now: Option<SystemTime>) -> Duration {
        let fresh = &self.freshness;
        let Elapsed::For(elapsed) = elapsed else {
            // As if it were of no more use.
            let stale = fresh.stale_while_revalidate.max(fresh.stale_if_error);
            return fresh.lifetime.saturating_add(stale);
        };
        let made = now.and_then(|now| now.duration_since(date(&self.headers, &header::DATE)?).ok());
        fresh.initial_age.saturating_add(elapsed).max(made.unwrap_or_default())
    }

    #[cfg(feature = "tiers")]
    fn with_age(&self, initial_age: Duration, min_encoded: u64) -> Variant {
        Variant::assemble(
            self.vary.clone(),
            self.status,
            self.origin_headers(),
            Freshness { initial_age, ..self.freshness.clone() },
            Arc::clone(&self.body),
            self.received,
            min_encoded,
        )
    }

    pub(crate) fn can_validate(&self) -> bool {
        self.validators.origin_tag.is_some() || has_validator(&self.headers)
    }

    /// The origin's fields again, as policy wants to see them.
    pub(crate) fn origin_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(tag) = &self.validators.origin_tag {
            headers.insert(header::ETAG, tag.clone());
        }
        headers
    }

    /// The fields to answer with, for bytes in this coding.
    pub(crate) fn heads(&self, coding: Option<Coding>) -> &Heads {
        let at = coding.map_or(0, |c| 1 + c as usize);
        self.heads[at].get_or_init(|| {
            let full = self.full_head(coding);
            let mut not_modified = HeaderMap::with_capacity(NOT_MODIFIED.len());
            for name in &NOT_MODIFIED {
                for value in full.get_all(name) {
                    not_modified.append(name, value.clone());
                }
            }
            Heads { full, not_modified }
        })
    }

    fn full_head(&self, coding: Option<Coding>) -> HeaderMap {
        let mut head = self.headers.clone();
        let length = match coding {
            None => self.body.identity.len(),
            Some(coding) => {
                head.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
                drop_digests(&mut head);
                let coded = self.body.coded(coding).get().and_then(Option::as_ref);
                coded.map_or(0, Bytes::len)
            }
        };
        if self.status != StatusCode::NO_CONTENT {
            head.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if self.status == StatusCode::OK {
            head.insert(header::ETAG, self.validators.tag.value(coding));
            if !head.contains_key(header::ACCEPT_RANGES) {
                head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            }
        }
        if self.codable {
            vary_on_encoding(&mut head);
        }
        head.insert(header::AGE, HeaderValue::from_static("0"));
        head.entry(CACHE_STATUS).or_insert_with(|| HeaderValue::from_static(""));
        head
    }

    fn useful_for(&self, now: Instant) -> Duration {
        let fresh = &self.freshness;
        let stale = fresh.stale_while_revalidate.max(fresh.stale_if_error);
        let asking = if self.can_validate() { KEPT_TO_ASK } else { KEPT_PAST };
        let until = fresh.lifetime.saturating_add(stale.max(asking));
        until.saturating_sub(self.age(now)).max(Duration::from_secs(1))
    }

    fn weight(&self) -> u64 {
        let fields: usize = self.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 72).sum();
        let fixed = size_of::<Variant>() + size_of::<Representation>();
        // The fields once as they came, and mostly twice as they are sent.
        (fixed + fields * 3 + self.vary.weight() + self.body.weight()) as u64
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variant")
            .field("status", &self.status)
            .field("length", &self.body.identity.len())
            .field("freshness", &self.freshness)
            .finish_non_exhaustive()
    }
}

/// Adds `Accept-Encoding` to `Vary` unless it is there.
pub(crate) fn vary_on_encoding(headers: &mut HeaderMap) {
    let there = headers.get_all(header::VARY).iter().any(|value| {
        let mut names = value.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
        names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding"))
    });
    if !there {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// RFC 9110 section 15.4.5, and what this crate adds.
const NOT_MODIFIED: [HeaderName; 8] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::VARY,
    header::AGE,
    CACHE_STATUS,
];

/// Drops what speaks of the bytes before they were coded.
pub(crate) fn drop_digests(headers: &mut HeaderMap) {
    drop_content_digests(headers);
    for digest in ["digest", "repr-digest"] {
        headers.remove(digest);
    }
}

/// Drops what speaks of exactly the bytes that the origin sent, not of all that they belong to.
pub(crate) fn drop_content_digests(headers: &mut HeaderMap) {
    for digest in ["content-digest", "content-md5"] {
        headers.remove(digest);
    }
}

/// Fields that somebody sets wildly differently for each client must not fill the memory by
/// themselves.
const MAX_VARIANTS: usize = 32;

/// How long an expired answer is kept that the origin can be asked about.
const KEPT_TO_ASK: Duration = Duration::from_secs(3600);

/// How long any other expired answer is kept, for clients that take it stale.
const KEPT_PAST: Duration = Duration::from_secs(60);
