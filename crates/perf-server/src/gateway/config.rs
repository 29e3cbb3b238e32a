//! How a gateway is set up, and why it may not start.

use super::cdn::CdnConfig;
use crate::Origin;
use perf_cache::disk::DiskStore;
use perf_core::{ByteSize, Clock};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a gateway is set up.
///
/// ```
/// use perf_core::ByteSize;
/// use perf_server::{GatewayConfig, Origin};
/// let mut config = GatewayConfig::new(Origin::Folder("./site".into()));
/// config.cache_memory = ByteSize::mib(64);
/// assert_eq!(config.listen.port(), 8080);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Where answers come from.
    pub origin: Origin,
    /// Where to listen. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// The name that stands in `Cache-Status`.
    pub name: String,
    /// How much memory the cached answers may take.
    pub cache_memory: ByteSize,
    /// A store on disk behind that memory: what is cached outlives the process, and is answered by
    /// the next one if its origin and `keep_host` are the same. It is used by this gateway alone,
    /// which does not close it: [`ResponseCache::outer`](perf_http::ResponseCache::outer)
    /// does, after [`Gateway::shutdown`](crate::Gateway::shutdown).
    pub cache_disk: Option<Arc<dyn DiskStore>>,
    /// A Redis or Valkey server that other gateways use as well, behind that disk or instead of it:
    /// what one of them has fetched the others answer, and what is invalidated at one is invalidated
    /// at all. Those share whose origin, `keep_host` and `cache_redis_prefix` are the same.
    #[cfg(feature = "redis")]
    pub cache_redis: Option<perf_cache::remote::RedisTierBuilder>,
    /// What all keys on that server begin with.
    #[cfg(feature = "redis")]
    pub cache_redis_prefix: String,
    /// How long an answer counts as fresh that does not say so itself.
    pub default_ttl: Duration,
    /// How long a stale answer may be served while it is fetched anew, when the origin says
    /// nothing about it.
    pub stale_while_revalidate: Duration,
    /// How long a stale answer may be served while the origin fails, when the origin says nothing
    /// about it.
    pub stale_if_error: Duration,
    /// How many fetches run against the origin at once.
    pub concurrency: usize,
    /// How many fetches may wait for their turn; more are answered with 503.
    pub queue_limit: usize,
    /// How long the origin may take to the head of its answer, waiting for a turn included.
    pub timeout: Duration,
    /// How long connecting to the origin may take.
    pub connect_timeout: Duration,
    /// How long the origin may fall silent within a body.
    pub body_idle_timeout: Duration,
    /// How long a client may take to send the head of a request, and stay idle between two.
    pub header_timeout: Duration,
    /// The longest head of a request; longer ones are answered with 431.
    pub max_header: ByteSize,
    /// How many clients may be connected; more are turned away with 503.
    pub max_connections: usize,
    /// Whether an upstream gets the client's `Host` instead of its own name.
    pub keep_host: bool,
    /// Where each answer gets a line in the combined log format; the file is appended to. Clients
    /// that are turned away before they have asked, as the 503 of `max_connections` and the 431 of
    /// `max_header`, get none.
    pub access_log: Option<PathBuf>,
    /// What is in front of this gateway and keeps its answers, to be told of what is invalidated
    /// here. The gateway does not close its purger.
    pub cdn: Option<CdnConfig>,
    /// Where time comes from.
    pub clock: Clock,
}

impl GatewayConfig {
    /// The defaults, in front of this origin.
    #[must_use]
    pub fn new(origin: Origin) -> GatewayConfig {
        GatewayConfig {
            origin,
            listen: GatewayConfig::DEFAULT_LISTEN,
            name: "perfkit".to_owned(),
            cache_memory: GatewayConfig::DEFAULT_CACHE_MEMORY,
            cache_disk: None,
            #[cfg(feature = "redis")]
            cache_redis: None,
            #[cfg(feature = "redis")]
            cache_redis_prefix: GatewayConfig::DEFAULT_CACHE_REDIS_PREFIX.to_owned(),
            default_ttl: GatewayConfig::DEFAULT_TTL,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            concurrency: GatewayConfig::DEFAULT_CONCURRENCY,
            queue_limit: GatewayConfig::DEFAULT_QUEUE_LIMIT,
            timeout: GatewayConfig::DEFAULT_TIMEOUT,
            connect_timeout: GatewayConfig::DEFAULT_CONNECT_TIMEOUT,
            body_idle_timeout: GatewayConfig::DEFAULT_BODY_IDLE_TIMEOUT,
            header_timeout: GatewayConfig::DEFAULT_HEADER_TIMEOUT,
            max_header: GatewayConfig::DEFAULT_MAX_HEADER,
            max_connections: GatewayConfig::DEFAULT_MAX_CONNECTIONS,
            keep_host: false,
            access_log: None,
            cdn: None,
            clock: Clock::system(),
        }
    }

    /// `127.0.0.1:8080`.
    pub const DEFAULT_LISTEN: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
    /// 256 MiB.
    pub const DEFAULT_CACHE_MEMORY: ByteSize = ByteSize::mib(256);
    /// `perfkit:`.
    #[cfg(feature = "redis")]
    pub const DEFAULT_CACHE_REDIS_PREFIX: &str = "perfkit:";
    /// 300 s.
    pub const DEFAULT_TTL: Duration = Duration::from_secs(300);
    /// 256 fetches.
    pub const DEFAULT_CONCURRENCY: usize = 256;
    /// 1 024 fetches.
    pub const DEFAULT_QUEUE_LIMIT: usize = 1024;
    /// 30 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
    /// 5 s.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// 30 s.
    pub const DEFAULT_BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
    /// 60 s.
    pub const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(60);
    /// 64 KiB.
    pub const DEFAULT_MAX_HEADER: ByteSize = ByteSize::kib(64);
    /// 10 000 clients.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 10_000;
}

/// Why a gateway does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum GatewayError {
    /// The origin folder cannot be opened.
    Folder {
        /// Its path.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The origin's address names no host.
    Upstream {
        /// The address.
        address: String,
    },
    /// The address to listen on cannot be had.
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A setting has a value that cannot work.
    Setting {
        /// Which.
        setting: &'static str,
        /// The value and the remedy.
        reason: String,
    },
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GatewayError::Folder { folder, source } => {
                let folder = folder.display();
                match source.kind() {
                    io::ErrorKind::NotFound => write!(
                        f,
                        "there is no origin folder `{folder}`: check the path, or name an address \
                         such as http://127.0.0.1:3000"
                    ),
                    io::ErrorKind::NotADirectory => {
                        write!(f, "the origin `{folder}` is a file: name the folder it is in")
                    }
                    io::ErrorKind::PermissionDenied => write!(
                        f,
                        "the origin folder `{folder}` may not be read: give this user read and \
                         search permission"
                    ),
                    _ => write!(f, "the origin folder `{folder}` cannot be opened"),
                }
            }
            GatewayError::Upstream { address } => {
                write!(
                    f,
                    "the origin `{address}` names no host: write it like http://127.0.0.1:3000"
                )
            }
            GatewayError::Listen { listen, source } => match source.kind() {
                io::ErrorKind::AddrInUse => write!(
                    f,
                    "{listen} is in use by another program: stop it, or choose another port (port \
                     0 takes any free one)"
                ),
                io::ErrorKind::PermissionDenied => write!(
                    f,
                    "{listen} may not be listened on by this user: choose a port from 1024 up"
                ),
                io::ErrorKind::AddrNotAvailable => write!(
                    f,
                    "{listen} is not an address of this machine: use 127.0.0.1, or 0.0.0.0 for all"
                ),
                _ => write!(f, "{listen} cannot be listened on"),
            },
            GatewayError::Setting { setting, reason } => write!(f, "{setting}: {reason}"),
        }
    }
}

impl std::error::Error for GatewayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GatewayError::Folder { source, .. } | GatewayError::Listen { source, .. } => {
                Some(source)
            }
            GatewayError::Upstream { .. } | GatewayError::Setting { .. } => None,
        }
    }
}

impl GatewayConfig {
    /// Whether every time-out can be waited for.
    pub(super) fn check_timeouts(&self) -> Result<(), GatewayError> {
        let all = [
            ("timeout", self.timeout),
            ("connect-timeout", self.connect_timeout),
            ("body-idle-timeout", self.body_idle_timeout),
            ("header-timeout", self.header_timeout),
        ];
        match all.into_iter().find(|(_, span)| span.is_zero() || *span > LONGEST_TIMEOUT) {
            Some((setting, span)) => {
                let reason = format!("{span:?} cannot be waited for: use 1ms to 1d");
                Err(GatewayError::Setting { setting, reason })
            }
            None => Ok(()),
        }
    }
}

/// Nobody waits longer, and clocks can add it without overflowing.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    type Field = fn(&mut GatewayConfig) -> &mut Duration;

    #[tokio::test]
    async fn a_gateway_needs_time_to_wait() {
        for span in [Duration::ZERO, Duration::MAX] {
            let set: [(&str, Field); 4] = [
                ("timeout", |config| &mut config.timeout),
                ("connect-timeout", |config| &mut config.connect_timeout),
                ("body-idle-timeout", |config| &mut config.body_idle_timeout),
                ("header-timeout", |config| &mut config.header_timeout),
            ];
            for (name, field) in set {
                let mut config = GatewayConfig::new(Origin::Folder(".".into()));
                config.listen.set_port(0);
                *field(&mut config) = span;
                let error = crate::Gateway::start(config).await.unwrap_err().to_string();
                assert!(error.starts_with(name) && error.contains("1ms to 1d"), "{error}");
            }
        }
    }
}
