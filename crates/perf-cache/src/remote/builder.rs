//! How a tier over a server is made.

use super::inner::Settings;
use super::link::Limits;
use super::servers::Servers;
use super::tier::RedisTier;
use perf_core::{ByteSize, Clock, ConfigError, Ratio};
use perf_guard::Backoff;
use redis::{Client, ConnectionAddr, IntoConnectionInfo};
use std::fmt;
use std::time::Duration;

/// Makes a [`RedisTier`].
#[derive(Clone)]
#[must_use]
pub struct RedisTierBuilder {
    urls: Vec<String>,
    is_cluster: bool,
    prefix: String,
    deadline: Duration,
    connect_timeout: Duration,
    max_value: ByteSize,
    max_ttl: Duration,
    jitter: Ratio,
    stale_window: Duration,
    journal: u64,
    scopes: (u64, u64),
    max_idle: usize,
    clock: Clock,
    #[cfg(feature = "redis-tls")]
    roots: Option<Vec<u8>>,
    #[cfg(feature = "redis-tls")]
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl RedisTierBuilder {
    pub(super) fn new(urls: Vec<String>, is_cluster: bool) -> RedisTierBuilder {
        RedisTierBuilder {
            urls,
            is_cluster,
            prefix: "perf-cache:".to_owned(),
            deadline: Duration::from_millis(50),
            connect_timeout: Duration::from_millis(250),
            max_value: ByteSize::mib(1),
            max_ttl: Duration::from_secs(30 * 86_400),
            jitter: Ratio::of(1, 10).unwrap_or(Ratio::ZERO),
            stale_window: Duration::from_secs(30),
            journal: 10_000,
            scopes: (4_096, 256),
            max_idle: 16,
            clock: Clock::system(),
            #[cfg(feature = "redis-tls")]
            roots: None,
            #[cfg(feature = "redis-tls")]
            identity: None,
        }
    }

    /// What all keys on the server begin with: tiers with the same prefix, in whatever processes, are
    /// one. `perf-cache:` if not set.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a call waits for the server to answer. 50 ms if not set. An answer that comes in
    /// pieces, each of them in time, may take longer; callers of a
    /// [`TieredCache`](crate::TieredCache) go on without it all the same.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long making a connection may take, with TLS and log-in, from when the system has found the
    /// address of a name. 250 ms if not set. Callers of a
    /// [`TieredCache`](crate::TieredCache) go on without the tier after its
    /// [deadline](RedisTierBuilder::deadline) all the same, while the connection is made.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// The largest value, sealed, that is put on the server; larger ones are refused and counted.
    /// 1 MiB if not set.
    pub fn max_value(mut self, bytes: ByteSize) -> Self {
        self.max_value = bytes;
        self
    }

    /// The longest that a value stays on the server, also one that is to live for ever: nobody removes
    /// what a cache that is gone has left there. 30 days if not set.
    pub fn max_time_to_live(mut self, time: Duration) -> Self {
        self.max_ttl = time;
        self
    }

    /// The largest share of its life by which that of a value is shortened at random. A tenth if not
    /// set.
    pub fn jitter(mut self, share: Ratio) -> Self {
        self.jitter = share;
        self
    }

    /// For how long what is near may be answered while the server is not heard of: as old as that may
    /// be what is answered, and no older. After each such time all that is near is dropped, until the
    /// server answers again. 30 s if not set. Where [`connect_timeout`](Self::connect_timeout) is more
    /// than a quarter of it, it may take that much longer.
    pub fn stale_window(mut self, time: Duration) -> Self {
        self.stale_window = time;
        self
    }

    /// How many changes the server keeps for those who were away, for tests.
    #[doc(hidden)]
    pub fn journal(mut self, changes: u64) -> Self {
        self.journal = changes;
        self
    }

    /// How many tags, and how many patterns, it keeps for those who come later, for tests.
    #[doc(hidden)]
    pub fn scopes(mut self, tags: u64, patterns: u64) -> Self {
        self.scopes = (tags, patterns);
        self
    }

    /// How many connections are kept for later calls. 16 if not set. Each thread that waits for the
    /// server has one of its own, so more than
    /// [`threads`](crate::tiered::TieredCacheBuilder::threads) are not needed.
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// By which the ends of values are understood that are put: the one of the cache. The system if
    /// not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Certificates in PEM that the server's certificate may go back to, instead of the system's. The
    /// URL begins with `rediss:`.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// The certificate and the key, in PEM, by which this client shows who it is.
    #[cfg(feature = "redis-tls")]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Makes the tier. The server need not be there: calls fail until it is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL is none of a Redis, or of one over TLS without the feature
    /// `redis-tls`; if a certificate cannot be read; if a time or a bound is zero; if the stale window
    /// is less than a second; if the prefix is empty or has braces; if the jitter is a half or more; and
    /// if the system has no thread left.
    pub fn build(self) -> Result<RedisTier, ConfigError> {
        for (setting, time) in [
            ("deadline", self.deadline),
            ("connect_timeout", self.connect_timeout),
            ("max_time_to_live", self.max_ttl),
        ] {
            if time < Duration::from_millis(1) {
                return Err(ConfigError::new(setting, format!("{time:?}"), "use 1 ms or more"));
            }
        }
        if self.stale_window < Duration::from_secs(1) {
            let window = format!("{:?}", self.stale_window);
            return Err(ConfigError::new("stale_window", window, "use 1 s or more"));
        }
        if self.prefix.is_empty() || self.prefix.contains(['{', '}']) {
            let remedy = "use a name without braces, such as `shop:`";
            return Err(ConfigError::new("prefix", format!("`{}`", self.prefix), remedy));
        }
        for (setting, bound) in [
            ("max_value", self.max_value.as_u64()),
            ("journal", self.journal),
            ("scopes", self.scopes.0.min(self.scopes.1)),
        ] {
            if bound == 0 {
                return Err(ConfigError::new(setting, 0, "use one or more"));
            }
        }
        if self.jitter.as_f64() >= 0.5 {
            return Err(ConfigError::new("jitter", self.jitter.as_f64(), "use less than a half"));
        }
        let backoff = Backoff::builder()
            .base(Duration::from_millis(50))
            .cap(Duration::from_secs(2))
            .retries(u32::MAX)
            .build()?;
        let limits = Limits {
            deadline: self.deadline,
            connect_timeout: self.connect_timeout,
            max_idle: self.max_idle,
        };
        let mut clients = Vec::with_capacity(self.urls.len());
        for url in &self.urls {
            clients.push(self.client(url)?);
        }
        let servers = match clients.pop() {
            Some(client) if !self.is_cluster => Servers::one(client, limits, backoff),
            last => {
                clients.extend(last);
                Servers::cluster(&clients, limits, backoff)?
            }
        };
        let settings = Settings {
            max_value: self.max_value.as_u64(),
            max_ttl: u64::try_from(self.max_ttl.as_millis()).unwrap_or(u64::MAX),
            jitter: self.jitter.as_f64(),
            stale_window: self.stale_window,
            journal: self.journal,
            tags: self.scopes.0,
            patterns: self.scopes.1,
            clock: self.clock,
        };
        RedisTier::new(servers, &self.prefix, settings)
            .map_err(|error| ConfigError::new("thread", error, "let the process have more of them"))
    }

    fn client(&self, url: &str) -> Result<Client, ConfigError> {
        // It may hold a password: it is not in the error.
        let refused = |why: &redis::RedisError| {
            let remedy = "use `redis://user:password@host:port/database`, `rediss:` for TLS, or \
                          `unix:///path`";
            ConfigError::new("url", why, remedy)
        };
        let info = url.into_connection_info().map_err(|why| refused(&why))?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info.set_tcp_settings(tcp);
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return self.client_of_tls(info).map_err(|why| refused(&why));
        }
        Client::open(info).map_err(|why| refused(&why))
    }

    #[cfg(feature = "redis-tls")]
    fn client_of_tls(&self, info: redis::ConnectionInfo) -> redis::RedisResult<Client> {
        // Where the program has chosen one already, that stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let identity = self.identity.clone();
        Client::build_with_tls(
            info,
            redis::TlsCertificates {
                client_tls: identity.map(|(client_cert, client_key)| redis::ClientTlsConfig {
                    client_cert,
                    client_key,
                }),
                root_cert: self.roots.clone(),
            },
        )
    }

    #[cfg(not(feature = "redis-tls"))]
    fn client_of_tls(&self, _: redis::ConnectionInfo) -> redis::RedisResult<Client> {
        let why = "TLS needs the feature `redis-tls`";
        Err((redis::ErrorKind::InvalidClientConfig, why).into())
    }
}

impl fmt::Debug for RedisTierBuilder {
    /// Without the URL, which may hold a password, and without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTierBuilder")
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_value", &self.max_value)
            .field("max_time_to_live", &self.max_ttl)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}
