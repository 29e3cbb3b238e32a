//! Purging of Varnish, Fastly, and what else takes requests for it.
//!
//! Source: Varnish, "Purging and banning" and its `xkey` module; Fastly, "Purging API".

use super::api::{Api, Call, check_id};
use super::http::Answer;
use super::purge::{Purge, PurgeError, PurgeErrorKind, PurgeLimits, PurgeService, split};
use super::secret::Secret;
use perf_core::ConfigError;
use std::time::{Duration, Instant};
use ureq::http::{HeaderName, Method};

/// A cache that is told by requests what to forget, tags in a header, as a [`PurgeService`].
///
/// [`varnish`](SurrogateKeys::varnish) talks to the cache itself, [`fastly`](SurrogateKeys::fastly)
/// to Fastly's API.
#[derive(Debug)]
pub struct SurrogateKeys {
    api: Api,
    dialect: Dialect,
    tag_header: String,
    tag_method: Method,
    bans: bool,
    calls_per_second: u64,
}

/// Makes [`SurrogateKeys`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SurrogateKeysBuilder {
    base_url: String,
    dialect: Dialect,
    headers: Vec<(String, Secret)>,
    tag_header: String,
    tag_method: String,
    bans: bool,
    calls_per_second: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Dialect {
    Varnish,
    /// By the id of a service.
    Fastly(String),
}

impl SurrogateKeys {
    /// For a Varnish, or whatever has its manners, at that URL: no content delivery network but a
    /// cache of one's own, which has to let this client in by its address or a
    /// [header](SurrogateKeysBuilder::header).
    ///
    /// | what | request |
    /// |---|---|
    /// | a URL | `PURGE /path`, with its host in `Host` |
    /// | tags | `PURGE /`, with the tags in `Surrogate-Key`, a space between them |
    /// | a prefix | `BAN /`, with `X-Ban-Host` and `X-Ban-Path`: the host, and how paths begin |
    /// | a host | `BAN /`, with `X-Ban-Host` |
    /// | all | `BAN /`, with `X-Ban-All: 1` |
    ///
    /// Its VCL has to say what these do; `docs/operations.md` of the repository has one that does.
    pub fn varnish(base_url: impl Into<String>) -> SurrogateKeysBuilder {
        SurrogateKeysBuilder {
            base_url: base_url.into(),
            dialect: Dialect::Varnish,
            headers: Vec::new(),
            tag_header: "surrogate-key".to_owned(),
            tag_method: "PURGE".to_owned(),
            bans: true,
            calls_per_second: 100,
        }
    }

    /// For the service of that id at Fastly, with a token that may purge it.
    ///
    /// It purges URLs, tags (`Surrogate-Key`, 256 a call) and all; prefixes and hosts are widened to
    /// all. A header `Fastly-Soft-Purge: 1` marks as stale instead.
    pub fn fastly(service_id: impl Into<String>, token: impl Into<Secret>) -> SurrogateKeysBuilder {
        SurrogateKeysBuilder {
            base_url: "https://api.fastly.com".to_owned(),
            dialect: Dialect::Fastly(service_id.into()),
            headers: vec![("Fastly-Key".to_owned(), token.into())],
            tag_header: "surrogate-key".to_owned(),
            tag_method: "POST".to_owned(),
            bans: false,
            // 100 000 an hour on average.
            calls_per_second: 27,
        }
    }
}

impl SurrogateKeysBuilder {
    /// Where requests go. For Fastly `https://api.fastly.com` if not set, which needs the feature
    /// `cdn-tls`.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// A header that is sent with every request. Its value is never shown.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The header that names tags. `Surrogate-Key` if not set; `xkey-purge` is usual with the module
    /// `xkey`.
    pub fn tag_header(mut self, name: impl Into<String>) -> Self {
        self.tag_header = name.into();
        self
    }

    /// The method of requests that name tags, such as `BAN`. `PURGE` if not set.
    pub fn tag_method(mut self, method: impl Into<String>) -> Self {
        self.tag_method = method.into();
        self
    }

    /// Whether a Varnish knows the method `BAN`. `true` if not set; without, it purges URLs and tags
    /// only, and refuses the others.
    pub fn bans(mut self, bans: bool) -> Self {
        self.bans = bans;
        self
    }

    /// How many requests there may be in a second. 100 if not set, for Fastly 27.
    pub fn calls_per_second(mut self, calls: u64) -> Self {
        self.calls_per_second = calls;
        self
    }

    /// Makes it; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the service is no id, a method or a header cannot be sent, the rate is zero,
    /// or the URL is none of HTTP.
    pub fn build(self) -> Result<SurrogateKeys, ConfigError> {
        if let Dialect::Fastly(service) = &self.dialect {
            check_id("service_id", service)?;
        }
        if self.calls_per_second == 0 {
            return Err(ConfigError::new("calls_per_second", 0, "use 1 or more"));
        }
        let tag_method = Method::from_bytes(self.tag_method.as_bytes()).map_err(|_| {
            let method = format!("{:?}", self.tag_method);
            ConfigError::new("tag_method", method, "use `PURGE` or `BAN`")
        })?;
        let tag_header = HeaderName::from_bytes(self.tag_header.as_bytes()).map_err(|_| {
            let header = format!("{:?}", self.tag_header);
            ConfigError::new("tag_header", header, "use `Surrogate-Key` or `xkey-purge`")
        })?;
        Ok(SurrogateKeys {
            api: Api::new(self.dialect.name(), &self.base_url, self.headers)?,
            tag_header: tag_header.as_str().to_owned(),
            tag_method,
            dialect: self.dialect,
            bans: self.bans,
            calls_per_second: self.calls_per_second,
        })
    }
}

impl Dialect {
    fn name(&self) -> &'static str {
        match self {
            Dialect::Varnish => "surrogate-keys",
            Dialect::Fastly(_) => "fastly",
        }
    }
}

impl SurrogateKeys {
    /// The requests for items of one kind.
    fn calls(&self, items: &[Purge]) -> Vec<Call<'static>> {
        let bare = |method, path: String, headers| Call { method, path, headers, body: &[] };
        let tags: Vec<&str> = items
            .iter()
            .filter_map(|item| if let Purge::Tag(tag) = item { Some(tag.as_str()) } else { None })
            .collect();
        if !tags.is_empty() {
            let path = match &self.dialect {
                Dialect::Varnish => "/".to_owned(),
                Dialect::Fastly(service) => format!("/service/{service}/purge"),
            };
            let mut call = bare(self.tag_method.clone(), path, Vec::new());
            call.headers.push((TAGS, tags.join(" ")));
            return vec![call];
        }
        items.iter().map(|item| self.call(item)).collect()
    }

    fn call(&self, item: &Purge) -> Call<'static> {
        let (mut method, mut path, mut headers) = (Method::POST, "/".to_owned(), Vec::new());
        let named = |name: &[u8]| Method::from_bytes(name).unwrap_or(Method::POST);
        match (&self.dialect, item) {
            (Dialect::Fastly(_), Purge::Url(url)) => {
                path = format!("/purge/{}", split(url).map_or("", |(_, _, rest)| rest));
            }
            (Dialect::Fastly(service), _) => path = format!("/service/{service}/purge_all"),
            (Dialect::Varnish, Purge::Url(url)) => {
                method = named(b"PURGE");
                let (host, rest) = split(url).map_or(("", ""), |(_, host, rest)| (host, rest));
                let rest = rest[host.len()..].split('#').next().unwrap_or_default();
                path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
                headers.push(("host", host.to_owned()));
            }
            (Dialect::Varnish, item) => {
                method = named(b"BAN");
                match item {
                    Purge::Prefix(prefix) => {
                        let (host, path) = prefix.split_once('/').unwrap_or((prefix, ""));
                        headers.push(("x-ban-host", host.to_owned()));
                        headers.push(("x-ban-path", format!("/{path}")));
                    }
                    Purge::Host(host) => headers.push(("x-ban-host", host.clone())),
                    _ => headers.push(("x-ban-all", "1".to_owned())),
                }
            }
        }
        Call { method, path, headers, body: &[] }
    }

    fn outcome(&self, answer: &Answer) -> Result<(), PurgeError> {
        match answer.status {
            // A Varnish may answer that it has nothing of a URL.
            200..=299 => Ok(()),
            404 if self.dialect == Dialect::Varnish => Ok(()),
            405 if self.dialect == Dialect::Varnish => {
                let told = "this client or this method is not let in";
                Err(self.api.error(PurgeErrorKind::Denied, answer, told))
            }
            _ => Err(self.api.refusal(answer, "")),
        }
    }
}

impl PurgeService for SurrogateKeys {
    fn name(&self) -> &'static str {
        self.dialect.name()
    }

    fn limits(&self) -> PurgeLimits {
        let calls = self.calls_per_second;
        // A URL is a request, so calls have few of them, and the rate is that of items.
        PurgeLimits::new(256).rate(calls, Duration::from_secs(1), calls).items_per_second(calls)
    }

    fn fit(&self, item: &Purge) -> Option<Purge> {
        let is_wide = matches!(item, Purge::Prefix(_) | Purge::Host(_) | Purge::All);
        match &self.dialect {
            Dialect::Fastly(_) if is_wide => Some(Purge::All),
            Dialect::Varnish if is_wide && !self.bans => None,
            _ => Some(item.clone()),
        }
    }

    /// Tags as far as a header holds them; of others some.
    fn batch(&self, items: &[Purge]) -> usize {
        let mut bytes = 0;
        let fits = |item: &&Purge| {
            bytes += item.as_str().len() + 1;
            bytes <= MOST_TAGS
        };
        match items.first() {
            Some(Purge::Tag(_)) => items.iter().take_while(fits).count(),
            _ => items.len().min(URLS),
        }
    }

    fn send(&self, items: &[Purge], deadline: Duration) -> Result<(), PurgeError> {
        let start = Instant::now();
        for mut call in self.calls(items) {
            for (name, _) in &mut call.headers {
                if *name == TAGS {
                    *name = &self.tag_header;
                }
            }
            let left = deadline.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
            let answer = self.api.call(call, left)?;
            self.outcome(&answer)?;
        }
        Ok(())
    }
}

/// Stands for the header that was chosen.
const TAGS: &str = "surrogate-key";
/// Varnish takes 8 KiB in one header if nothing else is set.
const MOST_TAGS: usize = 4 << 10;
/// URLs that are purged with one deadline.
const URLS: usize = 16;
