//! Purging of Amazon CloudFront.
//!
//! Source: Amazon CloudFront API Reference, `CreateInvalidation` (2020-05-31), and "Invalidate files"
//! in its developer guide, for paths, tags and limits.

use super::api::{Api, Call, between, check_id};
use super::date::Utc;
use super::http::{Answer, parse_base};
use super::purge::{Purge, PurgeError, PurgeErrorKind, PurgeLimits, PurgeService, split};
use super::secret::Secret;
use super::sigv4::{Credentials, ToSign, hex_hash};
use perf_core::ConfigError;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use ureq::http::Method;

/// A distribution of CloudFront as a [`PurgeService`].
///
/// It purges URLs and prefixes by their paths, whatever the host, and all; tags where the
/// distribution [has them](CloudFrontBuilder::tags). A host is widened to all. One call has at most
/// 15 paths with a star and 1 000 items; 3 000 items may be in progress at a time, and what is beyond
/// is refused by the service and tried again.
#[derive(Debug)]
pub struct CloudFront {
    api: Api,
    credentials: Credentials,
    session: Option<Secret>,
    path: String,
    host: String,
    region: String,
    has_tags: bool,
    ignores_query: bool,
    random: (RandomState, AtomicU64),
}

/// Makes a [`CloudFront`].
#[derive(Clone, Debug)]
#[must_use]
pub struct CloudFrontBuilder {
    distribution: String,
    access_key: String,
    secret_key: Secret,
    session: Option<Secret>,
    base_url: String,
    region: String,
    has_tags: bool,
    ignores_query: bool,
}

impl CloudFront {
    /// For the distribution of that id, with an access key that may do
    /// `cloudfront:CreateInvalidation`.
    pub fn builder(
        distribution: impl Into<String>,
        access_key: impl Into<String>,
        secret_key: impl Into<Secret>,
    ) -> CloudFrontBuilder {
        CloudFrontBuilder {
            distribution: distribution.into(),
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            session: None,
            base_url: "https://cloudfront.amazonaws.com".to_owned(),
            region: "us-east-1".to_owned(),
            has_tags: false,
            ignores_query: false,
        }
    }
}

impl CloudFrontBuilder {
    /// The token of temporary credentials.
    pub fn session_token(mut self, token: impl Into<Secret>) -> Self {
        self.session = Some(token.into());
        self
    }

    /// Whether the distribution files what it keeps under tags (`CacheTagConfig`). Without, it would
    /// ignore them, so a tag is widened to all. `false` if not set.
    pub fn tags(mut self, has_tags: bool) -> Self {
        self.has_tags = has_tags;
        self
    }

    /// Whether the distribution keeps one answer for a path, whatever stands behind its question
    /// mark; then that is left out. `false` if not set.
    pub fn ignore_query(mut self, ignores: bool) -> Self {
        self.ignores_query = ignores;
        self
    }

    /// Where the API is. `https://cloudfront.amazonaws.com` if not set, which needs the feature
    /// `cdn-tls`.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The region that requests are signed for. `us-east-1` if not set, where CloudFront is.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Makes it; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if distribution, access key or region are no ids, the session token cannot be
    /// sent, or the URL is none of HTTP.
    pub fn build(self) -> Result<CloudFront, ConfigError> {
        check_id("distribution", &self.distribution)?;
        check_id("access_key", &self.access_key)?;
        check_id("region", &self.region)?;
        let uri = parse_base(&self.base_url)?;
        let host = uri.authority().map_or_else(String::new, ToString::to_string);
        let mut headers = Vec::new();
        if let Some(token) = &self.session {
            headers.push((TOKEN.to_owned(), token.clone()));
        }
        let below = uri.path().trim_end_matches('/');
        if !below.is_empty() {
            let remedy = "signatures are for its paths: use one without";
            return Err(ConfigError::new("base_url", "a URL with a path", remedy));
        }
        Ok(CloudFront {
            api: Api::new(NAME, &self.base_url, headers)?,
            credentials: Credentials { access_key: self.access_key, secret_key: self.secret_key },
            session: self.session,
            path: format!("/2020-05-31/distribution/{}/invalidation", self.distribution),
            host,
            region: self.region,
            has_tags: self.has_tags,
            ignores_query: self.ignores_query,
            random: (RandomState::new(), AtomicU64::new(0)),
        })
    }
}

impl CloudFront {
    /// An item as it stands in an invalidation.
    fn path_of(&self, item: &Purge) -> String {
        match item {
            Purge::Url(url) => {
                let rest = split(url).map_or("", |(_, host, rest)| &rest[host.len()..]);
                let rest = rest.split('#').next().unwrap_or_default();
                let rest = match rest.split_once('?') {
                    Some((path, _)) if self.ignores_query => path,
                    _ => rest,
                };
                if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
            }
            Purge::Prefix(prefix) => {
                format!("/{}*", prefix.split_once('/').map_or("", |(_, path)| path))
            }
            Purge::Tag(tag) => format!("#{tag}"),
            Purge::Host(_) | Purge::All => "/*".to_owned(),
        }
    }

    fn body(&self, items: &[Purge], reference: &str) -> String {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
             <CallerReference>{reference}</CallerReference>\
             <Paths><Quantity>{}</Quantity><Items>",
            items.len()
        );
        for item in items {
            xml.push_str("<Path>");
            for c in self.path_of(item).chars() {
                match c {
                    '&' => xml.push_str("&amp;"),
                    '<' => xml.push_str("&lt;"),
                    '>' => xml.push_str("&gt;"),
                    c => xml.push(c),
                }
            }
            xml.push_str("</Path>");
        }
        xml.push_str("</Items></Paths></InvalidationBatch>");
        xml
    }

    fn refusal(&self, answer: &Answer) -> PurgeError {
        let told = String::from_utf8_lossy(&answer.body);
        let code = between(&told, "<Code>", "</Code>").unwrap_or_default();
        let message = between(&told, "<Message>", "</Message>").unwrap_or_default();
        let shown = if code.is_empty() { String::new() } else { format!("{code}: {message}") };
        let kind = match code {
            "TooManyInvalidationsInProgress" | "Throttling" | "ThrottlingException" => {
                PurgeErrorKind::Busy
            }
            "AccessDenied"
            | "NoSuchDistribution"
            | "SignatureDoesNotMatch"
            | "InvalidClientTokenId"
            | "ExpiredToken"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "UnrecognizedClientException" => PurgeErrorKind::Denied,
            _ => return self.api.refusal(answer, &shown),
        };
        self.api.error(kind, answer, &shown)
    }
}

impl PurgeService for CloudFront {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> PurgeLimits {
        PurgeLimits::new(1_000).mixed().rate(1, Duration::from_secs(1), 5).items_per_second(1_000)
    }

    fn fit(&self, item: &Purge) -> Option<Purge> {
        Some(match item {
            Purge::Host(_) => Purge::All,
            // It knows no others, and none with more.
            Purge::Tag(tag) if !self.has_tags || tag.len() > 256 || !tag.is_ascii() => Purge::All,
            item => item.clone(),
        })
    }

    fn batch(&self, items: &[Purge]) -> usize {
        let has_star = |item: &Purge| self.path_of(item).contains('*');
        let stars = items.iter().enumerate().filter(|(_, item)| has_star(item));
        stars.map(|(at, _)| at).nth(STARS).unwrap_or(items.len())
    }

    fn send(&self, items: &[Purge], deadline: Duration) -> Result<(), PurgeError> {
        let (keys, count) = &self.random;
        let number = count.fetch_add(1, Ordering::Relaxed);
        let at = Utc::new(SystemTime::now()).compact();
        // Another one each time: the service takes one it knows for a repetition, and does nothing.
        let reference = format!("perf-cache-{at}-{:016x}", keys.hash_one(number));
        let body = self.body(items, &reference);
        let hash = hex_hash(body.as_bytes());
        let mut headers =
            vec![("content-type", "text/xml"), ("host", &*self.host), (HASH, &*hash), (DATE, &*at)];
        if let Some(token) = &self.session {
            headers.push((TOKEN, token.reveal()));
        }
        let authorization = self.credentials.authorization(&ToSign {
            method: "POST",
            path: &self.path,
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            at: &at,
            region: &self.region,
            service: "cloudfront",
        });
        let call = Call {
            method: Method::POST,
            path: self.path.clone(),
            headers: vec![
                ("content-type", "text/xml".to_owned()),
                (HASH, hash.clone()),
                (DATE, at.clone()),
                ("authorization", authorization),
            ],
            body: body.as_bytes(),
        };
        let answer = self.api.call(call, deadline)?;
        match answer.status {
            201 => Ok(()),
            200..=399 => {
                let told = "which is none of CloudFront: mend the base URL";
                Err(self.api.error(PurgeErrorKind::Unavailable, &answer, told))
            }
            _ => Err(self.refusal(&answer)),
        }
    }
}

const NAME: &str = "cloudfront";
const HASH: &str = "x-amz-content-sha256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
/// Paths with a star that may be in progress.
const STARS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution() -> CloudFrontBuilder {
        CloudFront::builder("E1", "AKID", "hunter2").base_url("http://127.0.0.1:1")
    }

    #[test]
    fn items_are_paths_and_tags() {
        let service = distribution().tags(true).build().unwrap();
        let url = |text: &str| service.path_of(&Purge::Url(text.to_owned()));
        assert_eq!(url("https://a.b/c/d?e=f&g"), "/c/d?e=f&g");
        assert_eq!((url("https://a.b"), url("https://a.b?c")), ("/".into(), "/?c".into()));
        assert_eq!(service.path_of(&Purge::Prefix("a.b/c/".into())), "/c/*");
        assert_eq!(service.path_of(&Purge::Prefix("a.b/".into())), "/*");
        let items = [Purge::Tag("t".into()), Purge::Url("https://a.b/?c&<d>".into())];
        let xml = service.body(&items, "r");
        assert!(xml.contains("<Quantity>2</Quantity>"), "{xml}");
        assert!(xml.contains("<Path>#t</Path><Path>/?c&amp;&lt;d&gt;</Path>"), "{xml}");
        let bare = distribution().ignore_query(true).build().unwrap();
        assert_eq!(bare.path_of(&Purge::Url("https://a.b/c?d".into())), "/c");
        assert_eq!(bare.fit(&Purge::Tag("t".into())), Some(Purge::All));
        assert_eq!(service.fit(&Purge::Tag("t".into())), Some(Purge::Tag("t".into())));
        assert_eq!(service.fit(&Purge::Host("a.b".into())), Some(Purge::All));
    }

    #[test]
    fn a_call_has_no_more_stars_than_it_may() {
        let service = distribution().build().unwrap();
        let stars = |n: usize| (0..n).map(|n| Purge::Prefix(format!("a.b/{n}/")));
        let urls = |n: usize| (0..n).map(|n| Purge::Url(format!("https://a.b/{n}")));
        let all: Vec<Purge> = urls(20).chain(stars(15)).chain(urls(5)).collect();
        assert_eq!(service.batch(&all), 40);
        let all: Vec<Purge> = urls(20).chain(stars(16)).chain(urls(5)).collect();
        assert_eq!(service.batch(&all), 35);
        assert_eq!(service.batch(&stars(40).collect::<Vec<_>>()), 15);
    }

    #[test]
    fn settings_that_cannot_be_are_named_and_secrets_never_are() {
        let of = |builder: CloudFrontBuilder| builder.build().unwrap_err().to_string();
        assert!(of(CloudFront::builder("E/1", "AKID", "s")).contains("distribution"));
        assert!(of(CloudFront::builder("E1", "A K", "s")).contains("access_key"));
        assert!(of(distribution().region("")).contains("region"));
        assert!(of(distribution().base_url("http://127.0.0.1/x")).contains("base_url"));
        let builder = distribution().session_token("hunter3");
        let printed = format!("{builder:?}{:?}", builder.clone().build().unwrap());
        assert!(!printed.contains("hunter"), "{printed}");
    }
}
