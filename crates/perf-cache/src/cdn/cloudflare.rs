//! Purging of Cloudflare.
//!
//! Source: Cloudflare's API reference (`POST /zones/{zone_id}/purge_cache`) and "Purge cache" in its
//! documentation, for limits and errors.

use super::api::{Api, Call, between, check_id};
use super::http::Answer;
use super::purge::{Purge, PurgeError, PurgeErrorKind, PurgeLimits, PurgeService};
use super::secret::Secret;
use perf_core::ConfigError;
use std::time::Duration;
use ureq::http::Method;

/// What a zone pays for, which says how fast it may purge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloudflarePlan {
    /// Five calls a minute, 25 at once.
    #[default]
    Free,
    /// Five calls a second, 25 at once.
    Pro,
    /// Ten calls a second, 50 at once.
    Business,
    /// Fifty calls a second, 500 at once.
    Enterprise,
}

/// A zone of Cloudflare as a [`PurgeService`].
///
/// It purges URLs, tags (`Cache-Tag`), prefixes, hosts and all, 100 items a call.
#[derive(Debug)]
pub struct Cloudflare {
    api: Api,
    path: String,
    plan: CloudflarePlan,
}

/// Makes a [`Cloudflare`].
#[derive(Clone, Debug)]
#[must_use]
pub struct CloudflareBuilder {
    zone: String,
    token: Secret,
    plan: CloudflarePlan,
    base_url: String,
}

impl Cloudflare {
    /// For the zone of that id, with a token that may purge its cache.
    pub fn builder(zone: impl Into<String>, token: impl Into<Secret>) -> CloudflareBuilder {
        CloudflareBuilder {
            zone: zone.into(),
            token: token.into(),
            plan: CloudflarePlan::Free,
            base_url: "https://api.cloudflare.com".to_owned(),
        }
    }
}

impl CloudflareBuilder {
    /// How fast the zone may purge. [`CloudflarePlan::Free`] if not set.
    pub fn plan(mut self, plan: CloudflarePlan) -> Self {
        self.plan = plan;
        self
    }

    /// Where the API is. `https://api.cloudflare.com` if not set, which needs the feature `cdn-tls`.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Makes it; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the zone is no id, the token cannot be sent, or the URL is none of HTTP.
    pub fn build(self) -> Result<Cloudflare, ConfigError> {
        check_id("zone", &self.zone)?;
        let token = Secret::new(format!("Bearer {}", self.token.reveal()));
        let api = Api::new(NAME, &self.base_url, vec![("Authorization".to_owned(), token)])?;
        let path = format!("/client/v4/zones/{}/purge_cache", self.zone);
        Ok(Cloudflare { api, path, plan: self.plan })
    }
}

impl PurgeService for Cloudflare {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> PurgeLimits {
        let (calls, per, burst, items) = match self.plan {
            CloudflarePlan::Free => (5, 60, 25, 800),
            CloudflarePlan::Pro => (5, 1, 25, 1_500),
            CloudflarePlan::Business => (10, 1, 50, 1_500),
            CloudflarePlan::Enterprise => (50, 1, 500, 3_000),
        };
        let limits = PurgeLimits::new(100).rate(calls, Duration::from_secs(per), burst);
        limits.items_per_second(items)
    }

    fn fit(&self, item: &Purge) -> Option<Purge> {
        Some(item.clone())
    }

    fn send(&self, items: &[Purge], deadline: Duration) -> Result<(), PurgeError> {
        let body = body(items);
        let call = Call {
            method: Method::POST,
            path: self.path.clone(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.as_bytes(),
        };
        let answer = self.api.call(call, deadline)?;
        let told = String::from_utf8_lossy(&answer.body);
        let is_done = told.split_whitespace().collect::<String>().contains("\"success\":true");
        match answer.status {
            200 if is_done => Ok(()),
            200..=399 => {
                let told = "which is none of Cloudflare: mend the base URL";
                Err(self.api.error(PurgeErrorKind::Unavailable, &answer, told))
            }
            _ => Err(self.refusal(&answer, &told)),
        }
    }
}

impl Cloudflare {
    fn refusal(&self, answer: &Answer, told: &str) -> PurgeError {
        let code = between(told, "\"code\":", ",").unwrap_or_default().trim();
        let message = between(told, "\"message\":", "\"}").unwrap_or_default();
        let shown = match code {
            "" => String::new(),
            code => format!("code {code}: {}", message.trim_matches([' ', '"'])),
        };
        // Codes of requests whose token or zone is at fault, whatever they are to purge.
        let is_denied =
            matches!(code, "6003" | "6111" | "7000" | "7003" | "9106" | "9109" | "10000");
        if is_denied {
            return self.api.error(PurgeErrorKind::Denied, answer, &shown);
        }
        self.api.refusal(answer, &shown)
    }
}

/// Items of one kind as JSON.
fn body(items: &[Purge]) -> String {
    let list = match items.first() {
        Some(Purge::Url(_)) => "files",
        Some(Purge::Tag(_)) => "tags",
        Some(Purge::Prefix(_)) => "prefixes",
        Some(Purge::Host(_)) => "hosts",
        Some(Purge::All) | None => return "{\"purge_everything\":true}".to_owned(),
    };
    let mut json = format!("{{\"{list}\":[");
    for (at, item) in items.iter().enumerate() {
        json.push_str(if at == 0 { "\"" } else { ",\"" });
        for c in item.as_str().chars() {
            match c {
                '"' | '\\' => json.extend(['\\', c]),
                c if c.is_control() => json.push_str(&format!("\\u{:04x}", c as u32)),
                c => json.push(c),
            }
        }
        json.push('"');
    }
    json.push_str("]}");
    json
}

const NAME: &str = "cloudflare";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_json_whatever_is_in_them() {
        let tags = ["a", "\"b\\", "\u{85}é"].map(|tag| Purge::Tag(tag.to_owned()));
        assert_eq!(body(&tags), r#"{"tags":["a","\"b\\","\u0085é"]}"#);
        assert_eq!(body(&[Purge::All]), r#"{"purge_everything":true}"#);
    }

    #[test]
    fn settings_that_cannot_be_are_named_and_the_token_never_is() {
        let of = |zone: &str, token: &str| {
            Cloudflare::builder(zone, token).base_url("http://127.0.0.1:1").build()
        };
        assert!(of("../x", "t").unwrap_err().to_string().contains("zone"));
        let split = of("z1", "hunter2\n").unwrap_err().to_string();
        assert!(!split.contains("hunter2"), "{split}");
        let builder = Cloudflare::builder("z1", "hunter2");
        let printed = format!("{builder:?}{:?}", of("z1", "hunter2").unwrap());
        assert!(!printed.contains("hunter2"), "{printed}");
        #[cfg(not(feature = "cdn-tls"))]
        assert!(builder.build().unwrap_err().to_string().contains("`cdn-tls`"));
    }
}
