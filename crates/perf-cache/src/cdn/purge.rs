//! What is to be purged, and what a service has to be able to do for that.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a content delivery network is to forget.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Purge {
    /// What is kept for one URL, `https://example.org/a.css?v=1`, in all its variants.
    Url(String),
    /// What its origin has filed under a tag: `Cache-Tag`, `Surrogate-Key`, `xkey`.
    Tag(String),
    /// All whose URL without its scheme begins so: `example.org/static/`.
    Prefix(String),
    /// All of one host: `example.org`.
    Host(String),
    /// All that the service keeps of this site.
    All,
}

impl Purge {
    /// The longest text of an item, in bytes.
    pub const MAX_BYTES: usize = 4 << 10;

    /// The kind as a label: `url`, `tag`, `prefix`, `host`, `all`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Purge::Url(_) => "url",
            Purge::Tag(_) => "tag",
            Purge::Prefix(_) => "prefix",
            Purge::Host(_) => "host",
            Purge::All => "all",
        }
    }

    /// Its text; empty for all.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Purge::Url(text) | Purge::Tag(text) | Purge::Prefix(text) | Purge::Host(text) => text,
            Purge::All => "",
        }
    }

    /// What is wrong with it: it would be taken for something else where it is sent.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let text = self.as_str();
        if *self == Purge::All {
            return None;
        }
        if text.is_empty() {
            return Some("it is empty");
        }
        if text.len() > Purge::MAX_BYTES {
            return Some("it has more than 4096 bytes");
        }
        if text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Some("it has spaces or control characters in it: encode them");
        }
        let is_host = |host: &str| {
            let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
            !host.is_empty() && host.bytes().all(is_part)
        };
        match self {
            Purge::Url(url) => match split(url) {
                Some((_, host, _)) if is_host(host) && url.is_ascii() => None,
                _ => Some("it is no URL: write `https://host/path`"),
            },
            Purge::Tag(tag) => tag.contains(',').then_some("it has a comma in it"),
            Purge::Prefix(prefix) => {
                let host = prefix.split('/').next().unwrap_or_default();
                let is_it = is_host(host)
                    && prefix.contains('/')
                    && !prefix.contains("://")
                    && prefix.is_ascii();
                (!is_it).then_some("write `host/path/`, without a scheme")
            }
            Purge::Host(host) => (!is_host(host)).then_some("it is no name of a host"),
            Purge::All => None,
        }
    }

    /// Whether nothing is left of the other once this is done.
    pub(super) fn covers(&self, other: &Purge) -> bool {
        if self == other {
            return true;
        }
        // Of one with a scheme, or without.
        let place = |text| split(text).map_or(text, |(_, _, rest)| rest);
        match (self, other) {
            (Purge::All, _) => true,
            (Purge::Prefix(own), Purge::Url(text) | Purge::Prefix(text)) => {
                // Services take whole segments, or any text: what both would take.
                let rest = place(text).strip_prefix(own.as_str());
                rest.is_some_and(|rest| own.ends_with('/') || rest.starts_with(['/', '?']))
            }
            (Purge::Host(own), Purge::Url(text) | Purge::Prefix(text)) => {
                let rest = place(text).strip_prefix(own.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            }
            _ => false,
        }
    }
}

/// Scheme and host of a URL, and all of it but the scheme.
pub(super) fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let is_known = matches!(scheme, "http" | "https");
    let host = rest.split(['/', '?', '#']).next()?;
    (is_known && !host.is_empty()).then_some((scheme, host, rest))
}

impl fmt::Display for Purge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Purge::All => f.write_str("all"),
            _ => write!(f, "{} `{}`", self.kind(), self.as_str()),
        }
    }
}

/// A service that can purge: [`Cloudflare`](super::Cloudflare), or one of one's own.
///
/// Its calls are made by the thread of a [`Purger`](super::Purger), one at a time.
pub trait PurgeService: Send + Sync + fmt::Debug {
    /// What it is called in statistics and signals: `cloudflare`.
    fn name(&self) -> &'static str;

    /// How much may be asked of it.
    fn limits(&self) -> PurgeLimits;

    /// What it is asked for so that the item is gone: the item itself, or, where it knows no such
    /// kind, something wider. `None` where it cannot.
    fn fit(&self, item: &Purge) -> Option<Purge>;

    /// How many of these items, from the first on, go into one call; at least one. They are of one
    /// kind unless it [takes them together](field@PurgeLimits::mixed), and not more than
    /// [`items_per_call`](PurgeLimits::items_per_call). All of them if not said.
    fn batch(&self, items: &[Purge]) -> usize {
        items.len()
    }

    /// Asks for these to be purged, and waits until the service has taken that in, but not longer
    /// than the deadline. Repeating a call must do no harm.
    ///
    /// # Errors
    ///
    /// [`PurgeError`]: none of them counts as purged.
    fn send(&self, items: &[Purge], deadline: Duration) -> Result<(), PurgeError>;
}

/// How much may be asked of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeLimits {
    /// The most items in one call.
    pub items_per_call: usize,
    /// Whether items of several kinds go into one call. [`Purge::All`] always goes alone.
    pub mixed: bool,
    /// So many calls in [`per`](PurgeLimits::per), evenly.
    pub calls: u64,
    /// The time for these.
    pub per: Duration,
    /// How many calls may be made at once after a rest.
    pub burst: u64,
    /// The most items in a second.
    pub items_per_second: u64,
}

impl PurgeLimits {
    /// Calls of so many items of one kind each, ten a second, without a burst.
    #[must_use]
    pub const fn new(items_per_call: usize) -> PurgeLimits {
        PurgeLimits {
            items_per_call,
            mixed: false,
            calls: 10,
            per: Duration::from_secs(1),
            burst: 1,
            items_per_second: 10_000,
        }
    }

    /// So many calls in that time, and so many at once after a rest.
    #[must_use]
    pub const fn rate(mut self, calls: u64, per: Duration, burst: u64) -> PurgeLimits {
        self.calls = calls;
        self.per = per;
        self.burst = burst;
        self
    }

    /// The most items in a second.
    #[must_use]
    pub const fn items_per_second(mut self, items: u64) -> PurgeLimits {
        self.items_per_second = items;
        self
    }

    /// Items of several kinds go into one call.
    #[must_use]
    pub const fn mixed(mut self) -> PurgeLimits {
        self.mixed = true;
        self
    }
}

/// Why a service has not taken a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeError {
    service: &'static str,
    kind: PurgeErrorKind,
    why: String,
    retry_after: Option<Duration>,
}

/// What a [`PurgeError`] means for what was to be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PurgeErrorKind {
    /// More was asked than may be: tried again later.
    Busy,
    /// The service cannot be reached, is too slow or fails: tried again later.
    Unavailable,
    /// It does not let this client do that: tried again seldom, since somebody may mend it there.
    Denied,
    /// It will never take it: the call is made again in halves, until what is at fault is alone, and
    /// that is given up.
    Rejected,
}

impl PurgeErrorKind {
    /// As a label: `busy`, `unavailable`, `denied`, `rejected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PurgeErrorKind::Busy => "busy",
            PurgeErrorKind::Unavailable => "unavailable",
            PurgeErrorKind::Denied => "denied",
            PurgeErrorKind::Rejected => "rejected",
        }
    }
}

impl PurgeError {
    /// What `service` did, in a few words without secrets.
    #[must_use]
    pub fn new(service: &'static str, kind: PurgeErrorKind, why: impl Into<String>) -> PurgeError {
        PurgeError { service, kind, why: why.into(), retry_after: None }
    }

    /// When the service says that it may be asked again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> PurgeError {
        self.retry_after = after;
        self
    }

    /// What it means.
    #[must_use]
    pub const fn kind(&self) -> PurgeErrorKind {
        self.kind
    }

    /// When the service says that it may be asked again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for PurgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.kind {
            PurgeErrorKind::Busy => "it is tried again; purge less, by tags or prefixes",
            PurgeErrorKind::Unavailable => "it is tried again; see whether it can be reached",
            PurgeErrorKind::Denied => "mend the token, the keys or what they may do",
            PurgeErrorKind::Rejected => {
                "see what was to be purged, and the settings of the service"
            }
        };
        write!(f, "{} has not purged ({}): {remedy}", self.service, self.why)
    }
}

impl Error for PurgeError {}

/// Why something was not queued: whoever asks knows by this that the service keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeRefused {
    /// It would be taken for something else where it is sent.
    Invalid {
        /// What was to be purged.
        item: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The service knows no such kind, nor anything wider, or that was
    /// [not wanted](super::PurgerBuilder::widen).
    Unsupported {
        /// What was to be purged.
        item: String,
        /// The service.
        service: &'static str,
    },
    /// More is waiting than may be, and the service cannot purge all instead. Counted as lost.
    Full {
        /// What was to be purged.
        item: String,
        /// How many items wait.
        waiting: usize,
    },
    /// The purger was closed.
    Closed,
}

impl PurgeRefused {
    /// The cause as a label: `invalid`, `unsupported`, `full`, `closed`.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            PurgeRefused::Invalid { .. } => "invalid",
            PurgeRefused::Unsupported { .. } => "unsupported",
            PurgeRefused::Full { .. } => "full",
            PurgeRefused::Closed => "closed",
        }
    }
}

impl fmt::Display for PurgeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PurgeRefused::Invalid { item, why } => write!(f, "cannot purge {item}: {why}"),
            PurgeRefused::Unsupported { item, service } => {
                write!(f, "{service} cannot purge {item}: purge URLs or all")
            }
            PurgeRefused::Full { item, waiting } => {
                let remedy = "raise `max_waiting`, or purge by tags";
                write!(f, "cannot purge {item}, {waiting} items wait already: {remedy}")
            }
            PurgeRefused::Closed => f.write_str("the purger was closed: build another"),
        }
    }
}

impl Error for PurgeRefused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_taken_for_something_else_is_refused() {
        let good = [
            Purge::Url("https://a.b/c?d=e".into()),
            Purge::Url("http://[::1]:80".into()),
            Purge::Tag("product:7".into()),
            Purge::Prefix("a.b/c/".into()),
            Purge::Host("a.b:8080".into()),
            Purge::All,
        ];
        assert_eq!(good.each_ref().map(Purge::fault), [None; 6]);
        for bad in [
            Purge::Url("a.b/c".into()),
            Purge::Url("ftp://a.b/".into()),
            Purge::Url("https:///c".into()),
            Purge::Url("https://a.b/c d".into()),
            Purge::Url("https://me@a.b/".into()),
            Purge::Url("https://a.b/é".into()),
            Purge::Url(format!("https://a.b/{}", "x".repeat(4_096))),
            Purge::Tag(String::new()),
            Purge::Tag("a b".into()),
            Purge::Tag("a,b".into()),
            Purge::Tag("a\r\nX-Evil: 1".into()),
            Purge::Prefix("a.b".into()),
            Purge::Prefix("https://a.b/c".into()),
            Purge::Host("a/b".into()),
        ] {
            assert!(bad.fault().is_some(), "{bad:?}");
        }
    }

    #[test]
    fn what_covers_leaves_nothing_of_the_other() {
        let url = |text: &str| Purge::Url(format!("https://{text}"));
        let prefix = |text: &str| Purge::Prefix(text.into());
        let host = |text: &str| Purge::Host(text.into());
        assert!(
            prefix("a.b/c").covers(&url("a.b/c/d")) && prefix("a.b/c/").covers(&url("a.b/c/d"))
        );
        assert!(
            prefix("a.b/c").covers(&url("a.b/c?d")) && prefix("a.b/").covers(&prefix("a.b/c/"))
        );
        assert!(!prefix("a.b/c").covers(&url("a.b/cd")) && !prefix("a.b/c/").covers(&url("a.b/c")));
        assert!(host("a.b").covers(&url("a.b")) && host("a.b").covers(&prefix("a.b/c")));
        assert!(
            !host("a.b").covers(&url("a.bc/")) && !host("a.b").covers(&Purge::Tag("a.b".into()))
        );
        assert!(Purge::All.covers(&Purge::Tag("t".into())) && !host("a.b").covers(&Purge::All));
    }
}
