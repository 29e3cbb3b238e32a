//! What is in front of the gateway, and is told what it is to forget.

use perf_analytics::{Select, Span};
use perf_cache::cdn::{Purge, PurgeRefused, Purger};
use perf_core::ConfigError;
use perf_engine::{HealthView, Verdict};
use perf_http::Invalidation;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A content delivery network in front of a gateway: what is invalidated here is purged there.
///
/// It is told of invalidations by the API and the dashboard: of a URL, of a tag, of a pattern as the
/// prefix that all its URLs have, or as all where they have none.
#[derive(Clone, Debug)]
pub struct CdnConfig {
    purger: Arc<Purger>,
    scheme: &'static str,
    host: Option<String>,
}

impl CdnConfig {
    /// By this purger. URLs begin with `https`, and name the host that clients ask this gateway for.
    #[must_use]
    pub fn new(purger: Arc<Purger>) -> CdnConfig {
        CdnConfig { purger, scheme: "https", host: None }
    }

    /// By which address clients know the site: `https://www.example.org`. That is needed where what
    /// is in front asks the gateway for another host.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] unless it is `http://host` or `https://host`, with a port if need be.
    pub fn site(mut self, site: &str) -> Result<CdnConfig, ConfigError> {
        let bare = site.strip_suffix('/').unwrap_or(site);
        let (scheme, host) = match bare.split_once("://") {
            Some(("http", host)) => ("http", host),
            Some(("https", host)) => ("https", host),
            _ => ("", ""),
        };
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if host.is_empty() || !host.bytes().all(is_part) {
            let remedy = "use `https://www.example.org`, without a path";
            return Err(ConfigError::new("site", format_args!("{site:?}"), remedy));
        }
        self.scheme = scheme;
        self.host = Some(host.to_owned());
        Ok(self)
    }

    /// What brings it there: a component of the gateway, by the name `cdn`.
    #[must_use]
    pub fn purger(&self) -> &Arc<Purger> {
        &self.purger
    }

    /// Tells it. What is refused is counted by the purger.
    pub(super) fn tell(&self, invalidation: &Invalidation<'_>) -> Result<(), PurgeRefused> {
        self.purger.purge(self.purge_of(invalidation))
    }

    fn purge_of(&self, invalidation: &Invalidation<'_>) -> Purge {
        match invalidation {
            Invalidation::Key(key) => {
                Purge::Url(format!("{}://{}", self.scheme, self.known_as(key)))
            }
            Invalidation::Tag(tag) => Purge::Tag((*tag).to_owned()),
            Invalidation::Matching(keys) => {
                let prefix = keys.literal_prefix();
                // Up to the last slash: services take whole folders, or any text.
                let folder = prefix.rfind('/').map(|at| &prefix[..=at]);
                // A part of a name of a host is none.
                folder.map_or(Purge::All, |folder| Purge::Prefix(self.known_as(folder)))
            }
            _ => Purge::All,
        }
    }

    /// `host/path`, with the host under which clients know it.
    fn known_as(&self, key: &str) -> String {
        let (host, path) = key.split_once('/').unwrap_or((key, ""));
        format!("{}/{path}", self.host.as_deref().unwrap_or(host))
    }
}

/// What its health is: answers go on, and may be old in front.
pub(super) fn check(purger: &Weak<Purger>, view: &HealthView<'_>) -> Verdict {
    let Some(purger) = purger.upgrade() else { return Verdict::healthy() };
    let stats = purger.stats();
    let (waiting, lag) = (stats.waiting, stats.lag.as_secs());
    // Once nothing waits, no call is to come that could tell better.
    if let Some(why) = stats.last_error.as_ref().filter(|_| waiting > 0) {
        let reason = format!("{why}; {waiting} items wait, the oldest for {lag} s");
        return Verdict::degraded(reason, "what they would end is still answered in front");
    }
    let count = |signal: &str| {
        view.history().counter(&Select::new(view.component(), signal), Span::last(LATELY))
    };
    let given_up = count("lost") + count("rejected");
    if given_up > 0 {
        let why = stats.last_error.map_or(String::new(), |why| format!(": {why}"));
        return Verdict::degraded(
            format!("{given_up} items were given up in the last five minutes{why}"),
            "purge them there, or wait until what they would end has ended",
        );
    }
    Verdict::healthy()
}

const LATELY: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use perf_cache::cdn::{PurgeError, PurgeErrorKind, PurgeLimits, PurgeService, SurrogateKeys};
    use perf_core::Glob;

    fn config() -> CdnConfig {
        let service = SurrogateKeys::varnish("http://127.0.0.1:1").build().unwrap();
        let purger = Purger::builder(service).close_within(Duration::ZERO).build().unwrap();
        CdnConfig::new(Arc::new(purger))
    }

    #[test]
    fn what_is_invalidated_here_is_named_as_it_is_known_there() {
        let plain = config();
        let of =
            |pattern: &str| plain.purge_of(&Invalidation::Matching(&Glob::new(pattern).unwrap()));
        assert_eq!(
            plain.purge_of(&Invalidation::Key("a.org/b?c")),
            Purge::Url("https://a.org/b?c".into())
        );
        assert_eq!(plain.purge_of(&Invalidation::Tag("t")), Purge::Tag("t".into()));
        assert_eq!(of("a.org/static/*"), Purge::Prefix("a.org/static/".into()));
        assert_eq!(of("a.org/static/im*"), Purge::Prefix("a.org/static/".into()));
        assert_eq!((of("a.o*"), of("*/x")), (Purge::All, Purge::All));
        assert_eq!(plain.purge_of(&Invalidation::All), Purge::All);
        let site = config().site("http://www.example.org:81/").unwrap();
        let keys = Glob::new("origin:80/static/*").unwrap();
        assert_eq!(
            site.purge_of(&Invalidation::Key("origin:80/b")),
            Purge::Url("http://www.example.org:81/b".into())
        );
        assert_eq!(
            site.purge_of(&Invalidation::Matching(&keys)),
            Purge::Prefix("www.example.org:81/static/".into())
        );
    }

    #[test]
    fn its_health_says_why_the_last_call_failed() {
        use perf_engine::{PerformanceOptimizer, Status};

        let purger = Arc::clone(config().purger());
        let optimizer = PerformanceOptimizer::builder().manual_sampling().build().unwrap();
        optimizer.register("cdn", &purger).unwrap();
        let weak = Arc::downgrade(&purger);
        optimizer.check_health("cdn", move |view| check(&weak, view));
        let status =
            || optimizer.health_status().components.into_iter().find(|one| one.component == "cdn");
        assert_eq!(status().unwrap().status, Status::Healthy);
        purger.purge(Purge::All).unwrap();
        // Nobody listens there.
        while purger.stats().last_error.is_none() {
            std::thread::yield_now();
        }
        let health = status().unwrap();
        assert_eq!(health.status, Status::Degraded);
        assert!(health.reason.contains("surrogate-keys has not purged"), "{}", health.reason);
    }

    /// Takes nothing.
    #[derive(Debug)]
    struct Rejecting;

    impl PurgeService for Rejecting {
        fn name(&self) -> &'static str {
            "rejecting"
        }

        fn limits(&self) -> PurgeLimits {
            PurgeLimits::new(10)
        }

        fn fit(&self, item: &Purge) -> Option<Purge> {
            Some(item.clone())
        }

        fn send(&self, _: &[Purge], _: Duration) -> Result<(), PurgeError> {
            Err(PurgeError::new("rejecting", PurgeErrorKind::Rejected, "nobody knows it"))
        }
    }

    #[test]
    fn what_was_rejected_is_no_longer_ill_once_that_is_long_ago() {
        use perf_engine::{PerformanceOptimizer, Status};

        let (clock, test) = perf_core::Clock::manual();
        let purger = Arc::new(Purger::builder(Rejecting).build().unwrap());
        let optimizer =
            PerformanceOptimizer::builder().manual_sampling().clock(clock).build().unwrap();
        optimizer.register("cdn", &purger).unwrap();
        let weak = Arc::downgrade(&purger);
        optimizer.check_health("cdn", move |view| check(&weak, view));
        let status = || {
            test.advance(Duration::from_secs(1));
            optimizer.sample_now();
            let all = optimizer.health_status().components;
            all.into_iter().find(|one| one.component == "cdn").unwrap()
        };
        assert_eq!(status().status, Status::Healthy);
        purger.purge(Purge::All).unwrap();
        while purger.stats().rejected == 0 || purger.stats().waiting > 0 {
            std::thread::yield_now();
        }
        let ill = status();
        assert_eq!(ill.status, Status::Degraded);
        assert!(ill.reason.contains("given up") && ill.reason.contains("nobody"), "{}", ill.reason);
        test.advance(LATELY * 2);
        status();
        assert_eq!(status().status, Status::Healthy, "{}", status().reason);
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for bad in ["www.example.org", "ftp://a", "https://", "https://a/b", "https://me@a"] {
            assert!(config().site(bad).unwrap_err().to_string().contains("site"), "{bad}");
        }
    }
}
