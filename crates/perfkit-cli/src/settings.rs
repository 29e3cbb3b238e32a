//! The settings of `perfkit serve`: flags, then the environment, then the file, then defaults.

mod cdn;
mod disk;
mod file;
mod known_names;
mod redis;

use crate::arguments::ServeArguments;
use crate::failure::Failure;
use crate::span::Span;
pub(crate) use cdn::{CdnArguments, CdnSettings};
use clap::ArgMatches;
use clap::parser::ValueSource;
pub(crate) use disk::DiskSettings;
use file::File;
use known_names::KnownNames;
use perf_core::ByteSize;
use perf_server::{GatewayConfig, Origin, Token};
pub(crate) use redis::RedisSettings;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything `perfkit serve` needs to know, with where each value comes from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) origin: Setting<Origin>,
    pub(crate) listen: Setting<SocketAddr>,
    pub(crate) admin: Setting<SocketAddr>,
    pub(crate) cache_memory: Setting<ByteSize>,
    pub(crate) cache_disk: Option<DiskSettings>,
    pub(crate) cache_redis: Option<RedisSettings>,
    pub(crate) warm: Option<Setting<PathBuf>>,
    pub(crate) cdn: Option<CdnSettings>,
    pub(crate) ttl: Setting<Span>,
    pub(crate) stale_while_revalidate: Setting<Span>,
    pub(crate) stale_if_error: Setting<Span>,
    pub(crate) concurrency: Setting<usize>,
    pub(crate) queue_limit: Setting<usize>,
    pub(crate) timeout: Setting<Span>,
    pub(crate) connect_timeout: Setting<Span>,
    pub(crate) body_idle_timeout: Setting<Span>,
    pub(crate) max_connections: Setting<usize>,
    pub(crate) max_header: Setting<ByteSize>,
    pub(crate) keep_host: Setting<bool>,
    pub(crate) name: Setting<String>,
    pub(crate) token: Option<Setting<Token>>,
    pub(crate) access_log: Option<Setting<PathBuf>>,
    pub(crate) sample_every: Setting<Span>,
    pub(crate) drain: Setting<Span>,
}

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) from: Source,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Environment(&'static str),
    File,
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("flag"),
            Source::Environment("") => f.write_str("environment"),
            Source::Environment(name) => write!(f, "environment, {name}"),
            Source::File => f.write_str("file"),
            Source::Default => f.write_str("default"),
        }
    }
}

impl Settings {
    /// Gathers the settings.
    pub(crate) fn gather(
        given: &ServeArguments,
        matches: &ArgMatches,
    ) -> Result<Settings, Failure> {
        let file = match &given.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let known = KnownNames::from_environment(|name| std::env::var(name).ok())?;
        Settings::resolve(given, matches, file, known)
    }

    fn resolve(
        given: &ServeArguments,
        matches: &ArgMatches,
        file: File,
        known: KnownNames,
    ) -> Result<Settings, Failure> {
        let pick = Pick { matches };
        let cache_disk = DiskSettings::resolve(&pick, given, &file)?;
        let cache_redis = RedisSettings::resolve(&pick, given, &file)?;
        let cdn = CdnSettings::resolve(&pick, given, &file)?;
        let origin =
            pick.any("origin", given.origin.clone(), None, file.origin).ok_or_else(|| {
                Failure::usage(
                    "no origin is set: add --origin with a folder or an address such as \
                 http://127.0.0.1:3000",
                )
            })?;
        let token = match pick.any("token", given.token.clone(), None, file.token) {
            Some(Setting { value, from }) => {
                let value = value.parse::<Token>().map_err(|e| Failure::usage(e.to_string()))?;
                Some(Setting { value, from })
            }
            None => None,
        };
        Ok(Settings {
            origin,
            token,
            cache_disk,
            cache_redis,
            cdn,
            listen: pick.or("listen", given.listen, file.listen, GatewayConfig::DEFAULT_LISTEN),
            admin: pick.or("admin", given.admin, file.admin, DEFAULT_ADMIN),
            cache_memory: pick
                .any("cache_memory", given.cache_memory, known.cache_memory, file.cache_memory)
                .unwrap_or_default_to(GatewayConfig::DEFAULT_CACHE_MEMORY),
            warm: pick.any("warm", given.warm.clone(), None, file.warm),
            ttl: pick
                .any("ttl", given.ttl, known.ttl, file.ttl)
                .unwrap_or_default_to(Span(GatewayConfig::DEFAULT_TTL)),
            stale_while_revalidate: pick.or(
                "stale_while_revalidate",
                given.stale_while_revalidate,
                file.stale_while_revalidate,
                Span(Duration::ZERO),
            ),
            stale_if_error: pick.or(
                "stale_if_error",
                given.stale_if_error,
                file.stale_if_error,
                Span(Duration::ZERO),
            ),
            concurrency: pick.or(
                "concurrency",
                given.concurrency,
                file.concurrency,
                GatewayConfig::DEFAULT_CONCURRENCY,
            ),
            queue_limit: pick.or(
                "queue_limit",
                given.queue_limit,
                file.queue_limit,
                GatewayConfig::DEFAULT_QUEUE_LIMIT,
            ),
            timeout: pick.or(
                "timeout",
                given.timeout,
                file.timeout,
                Span(GatewayConfig::DEFAULT_TIMEOUT),
            ),
            connect_timeout: pick.or(
                "connect_timeout",
                given.connect_timeout,
                file.connect_timeout,
                Span(GatewayConfig::DEFAULT_CONNECT_TIMEOUT),
            ),
            body_idle_timeout: pick.or(
                "body_idle_timeout",
                given.body_idle_timeout,
                file.body_idle_timeout,
                Span(GatewayConfig::DEFAULT_BODY_IDLE_TIMEOUT),
            ),
            max_connections: pick.or(
                "max_connections",
                given.max_connections,
                file.max_connections,
                GatewayConfig::DEFAULT_MAX_CONNECTIONS,
            ),
            max_header: pick.or(
                "max_header",
                given.max_header,
                file.max_header,
                GatewayConfig::DEFAULT_MAX_HEADER,
            ),
            keep_host: pick.or("keep_host", given.keep_host, file.keep_host, false),
            name: pick.or("name", given.name.clone(), file.name, "perfkit".to_owned()),
            access_log: pick.any("access_log", given.access_log.clone(), None, file.access_log),
            sample_every: pick
                .any("sample_every", given.sample_every, known.sample_every, file.sample_every)
                .unwrap_or_default_to(Span(DEFAULT_SAMPLE_EVERY)),
            drain: pick.or("drain", given.drain, file.drain, Span(DEFAULT_DRAIN)),
        })
    }

    /// The settings for the gateway.
    pub(crate) fn gateway(&self) -> GatewayConfig {
        let mut config = GatewayConfig::new(self.origin.value.clone());
        config.listen = self.listen.value;
        config.name.clone_from(&self.name.value);
        config.cache_memory = self.cache_memory.value;
        config.default_ttl = self.ttl.value.0;
        config.stale_while_revalidate = self.stale_while_revalidate.value.0;
        config.stale_if_error = self.stale_if_error.value.0;
        config.concurrency = self.concurrency.value;
        config.queue_limit = self.queue_limit.value;
        config.timeout = self.timeout.value.0;
        config.connect_timeout = self.connect_timeout.value.0;
        config.body_idle_timeout = self.body_idle_timeout.value.0;
        config.max_connections = self.max_connections.value;
        config.max_header = self.max_header.value;
        config.keep_host = self.keep_host.value;
        config.access_log = self.access_log.as_ref().map(|setting| setting.value.clone());
        config
    }

    /// The settings as a configuration file that says where each value comes from. The token and
    /// passwords are left out.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String, from: Source| {
            let _ = writeln!(text, "{:<44} # {from}", format!("{name} = {value}"));
        };
        // A JSON string is a TOML string too.
        let quoted = |v: &dyn fmt::Display| serde_json::Value::from(v.to_string()).to_string();
        line("origin", quoted(&self.origin.value), self.origin.from);
        line("listen", quoted(&self.listen.value), self.listen.from);
        line("admin", quoted(&self.admin.value), self.admin.from);
        line("cache-memory", quoted(&self.cache_memory.value), self.cache_memory.from);
        if let Some(disk) = &self.cache_disk {
            let directory = &disk.directory;
            line("cache-disk", quoted(&directory.value.display()), directory.from);
            line("cache-disk-size", quoted(&disk.size.value), disk.size.from);
            line("cache-disk-store", quoted(&disk.store.value), disk.store.from);
        }
        if let Some(redis) = &self.cache_redis {
            redis.write(&mut line);
        }
        if let Some(warm) = &self.warm {
            line("warm", quoted(&warm.value.display()), warm.from);
        }
        line("ttl", quoted(&self.ttl.value), self.ttl.from);
        let stale = &self.stale_while_revalidate;
        line("stale-while-revalidate", quoted(&stale.value), stale.from);
        line("stale-if-error", quoted(&self.stale_if_error.value), self.stale_if_error.from);
        line("concurrency", self.concurrency.value.to_string(), self.concurrency.from);
        line("queue-limit", self.queue_limit.value.to_string(), self.queue_limit.from);
        line("timeout", quoted(&self.timeout.value), self.timeout.from);
        line("connect-timeout", quoted(&self.connect_timeout.value), self.connect_timeout.from);
        line(
            "body-idle-timeout",
            quoted(&self.body_idle_timeout.value),
            self.body_idle_timeout.from,
        );
        line("max-connections", self.max_connections.value.to_string(), self.max_connections.from);
        line("max-header", quoted(&self.max_header.value), self.max_header.from);
        line("keep-host", self.keep_host.value.to_string(), self.keep_host.from);
        line("name", quoted(&self.name.value), self.name.from);
        if let Some(log) = &self.access_log {
            line("access-log", quoted(&log.value.display()), log.from);
        }
        line("sample-every", quoted(&self.sample_every.value), self.sample_every.from);
        line("drain", quoted(&self.drain.value), self.drain.from);
        match &self.token {
            Some(token) => {
                let _ = writeln!(text, "# token: set ({}), not shown", token.from);
            }
            None => text.push_str("# token: generated at each start\n"),
        }
        if let Some(cdn) = &self.cdn {
            // Last: what follows a table belongs to it.
            text.push_str("\n[cdn]\n");
            cdn.write(&mut text);
        }
        text
    }
}

const DEFAULT_ADMIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);
const DEFAULT_SAMPLE_EVERY: Duration = Duration::from_secs(1);
const DEFAULT_DRAIN: Duration = Duration::from_secs(10);

/// Chooses between the places where a value may stand.
struct Pick<'a> {
    matches: &'a ArgMatches,
}

impl Pick<'_> {
    fn or<T>(&self, id: &str, given: Option<T>, file: Option<T>, default: T) -> Setting<T> {
        self.any(id, given, None, file).unwrap_or_default_to(default)
    }

    fn any<T>(
        &self,
        id: &str,
        given: Option<T>,
        known: Option<(T, &'static str)>,
        file: Option<T>,
    ) -> Option<Setting<T>> {
        if let Some(value) = given {
            let from = match self.matches.value_source(id) {
                Some(ValueSource::EnvVariable) => Source::Environment(""),
                _ => Source::Flag,
            };
            return Some(Setting { value, from });
        }
        known
            .map(|(value, name)| Setting { value, from: Source::Environment(name) })
            .or_else(|| file.map(|value| Setting { value, from: Source::File }))
    }
}

/// A setting that has a default.
trait OrDefault<T> {
    fn unwrap_or_default_to(self, value: T) -> Setting<T>;
}

impl<T> OrDefault<T> for Option<Setting<T>> {
    fn unwrap_or_default_to(self, value: T) -> Setting<T> {
        self.unwrap_or(Setting { value, from: Source::Default })
    }
}

#[cfg(test)]
mod tests;
