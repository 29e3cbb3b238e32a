//! The cache that gateways share over a Redis: what it is set to. Passwords are never shown.

use super::file::File;
use super::{OrDefault, Pick, Setting, Source};
use crate::arguments::ServeArguments;
use crate::failure::Failure;
use crate::span::Span;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The cache that is shared.
#[derive(Debug)]
pub(crate) struct RedisSettings {
    /// Several are nodes of a cluster.
    urls: Setting<Vec<RedisUrl>>,
    prefix: Setting<String>,
    /// Where it comes from, if it is not in the address.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "what takes it is off"))]
    password: Option<Setting<Password>>,
    password_file: Option<Setting<PathBuf>>,
    deadline: Setting<Span>,
    stale_window: Setting<Span>,
}

/// The address of a server. It may hold a password, which is not shown.
#[derive(Clone, PartialEq, Eq)]
struct RedisUrl(String);

/// A password, which is not shown.
#[derive(Clone, PartialEq, Eq)]
struct Password(String);

impl RedisSettings {
    pub(super) fn resolve(
        pick: &Pick<'_>,
        given: &ServeArguments,
        file: &File,
    ) -> Result<Option<RedisSettings>, Failure> {
        let urls =
            pick.any("cache_redis", given.cache_redis.clone(), None, file.cache_redis.clone());
        let prefix = pick.any(
            "cache_redis_prefix",
            given.cache_redis_prefix.clone(),
            None,
            file.cache_redis_prefix.clone(),
        );
        let password_file = pick.any(
            "cache_redis_password_file",
            given.cache_redis_password_file.clone(),
            None,
            file.cache_redis_password_file.clone(),
        );
        let password = password(pick, given, file, password_file.as_ref())?;
        let (deadline, window) = (given.cache_redis_deadline, given.cache_redis_stale_window);
        let deadline = pick.any("cache_redis_deadline", deadline, None, file.cache_redis_deadline);
        let stale_window =
            pick.any("cache_redis_stale_window", window, None, file.cache_redis_stale_window);
        let Some(Setting { value, from }) = urls else {
            let alone = [
                ("cache-redis-prefix", prefix.is_some()),
                ("cache-redis-password", password.is_some()),
                ("cache-redis-deadline", deadline.is_some()),
                ("cache-redis-stale-window", stale_window.is_some()),
            ];
            return match alone.into_iter().find(|(_, set)| *set) {
                Some((name, _)) => Err(Failure::usage(format!(
                    "{name} is set and cache-redis is not: add --cache-redis with an address such \
                     as redis://127.0.0.1:6379"
                ))),
                None => Ok(None),
            };
        };
        if cfg!(not(feature = "redis")) {
            return Err(Failure::usage(
                "cache-redis: this program was built without redis: build it with `cargo install \
                 perfkit-cli --features redis`",
            ));
        }
        let urls = value.iter().map(|text| text.trim().parse::<RedisUrl>());
        let value = urls.collect::<Result<Vec<_>, _>>().map_err(|e| e.within("cache-redis"))?;
        if value.is_empty() {
            return Err(Failure::usage(
                "cache-redis names no server: write redis://127.0.0.1:6379",
            ));
        }
        if password.is_some() && value.iter().any(RedisUrl::has_password) {
            return Err(Failure::usage(
                "cache-redis: the address has a password and another one is set: give it once",
            ));
        }
        let default = RedisSettings {
            urls: Setting { value, from },
            prefix: prefix.unwrap_or_default_to(DEFAULT_PREFIX.to_owned()),
            password,
            password_file,
            deadline: deadline.unwrap_or_default_to(Span(DEFAULT_DEADLINE)),
            stale_window: stale_window.unwrap_or_default_to(Span(DEFAULT_STALE_WINDOW)),
        };
        default.check().map(|()| Some(default))
    }

    fn check(&self) -> Result<(), Failure> {
        let spans = [
            ("cache-redis-deadline", &self.deadline),
            ("cache-redis-stale-window", &self.stale_window),
        ];
        for (name, Setting { value: Span(span), .. }) in spans {
            if *span < SHORTEST || *span > LONGEST {
                return Err(Failure::usage(format!("{name} is {span:?}: use 1ms to 1d")));
            }
        }
        if self.prefix.value.contains(['{', '}']) {
            return Err(Failure::usage(format!(
                "cache-redis-prefix is {}: braces mean something to a cluster, leave them out",
                self.prefix.value
            )));
        }
        Ok(())
    }

    /// Shows each setting to `line`: its name, its value as TOML, where it comes from.
    pub(super) fn write(&self, line: &mut impl FnMut(&str, String, Source)) {
        let quoted = |v: &dyn fmt::Display| serde_json::Value::from(v.to_string()).to_string();
        let urls: Vec<String> = self.urls.value.iter().map(|url| quoted(url)).collect();
        line("cache-redis", format!("[{}]", urls.join(", ")), self.urls.from);
        line("cache-redis-prefix", quoted(&self.prefix.value), self.prefix.from);
        if let Some(file) = &self.password_file {
            line("cache-redis-password-file", quoted(&file.value.display()), file.from);
        }
        line("cache-redis-deadline", quoted(&self.deadline.value), self.deadline.from);
        line("cache-redis-stale-window", quoted(&self.stale_window.value), self.stale_window.from);
    }

    /// What keys begin with.
    #[cfg(feature = "redis")]
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix.value
    }

    /// The tier, but for its prefix.
    #[cfg(feature = "redis")]
    pub(crate) fn builder(&self) -> perf_cache::remote::RedisTierBuilder {
        use perf_cache::remote::RedisTier;
        let password = self.password.as_ref().map(|password| &password.value);
        let mut urls: Vec<String> =
            self.urls.value.iter().map(|url| url.with_password(password)).collect();
        let builder = match urls.pop() {
            Some(url) if urls.is_empty() => RedisTier::builder(url),
            last => {
                urls.extend(last);
                RedisTier::cluster(urls)
            }
        };
        builder.deadline(self.deadline.value.0).stale_window(self.stale_window.value.0)
    }
}

impl fmt::Display for RedisSettings {
    /// The addresses, without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, url) in self.urls.value.iter().enumerate() {
            write!(f, "{}{url}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

fn password(
    pick: &Pick<'_>,
    given: &ServeArguments,
    file: &File,
    path: Option<&Setting<PathBuf>>,
) -> Result<Option<Setting<Password>>, Failure> {
    let text = pick.any(
        "cache_redis_password",
        given.cache_redis_password.clone(),
        None,
        file.cache_redis_password.clone(),
    );
    match (text, path) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "cache-redis-password and cache-redis-password-file are set: give it once",
        )),
        (Some(Setting { value, from }), None) => Ok(Some(Setting { value: Password(value), from })),
        (None, Some(Setting { value, from })) => {
            Ok(Some(Setting { value: Password(read(value)?), from: *from }))
        }
        (None, None) => Ok(None),
    }
}

/// The first line of a file.
fn read(path: &Path) -> Result<String, Failure> {
    let refuse = |why: &dyn fmt::Display| {
        let path = path.display();
        Failure::usage(format!("cache-redis-password-file: {path} cannot be used: {why}"))
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| refuse(&format_args!("{error}: name one that this user may read")))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(refuse(&"its first line is empty; write the password there")),
    }
}

impl RedisUrl {
    /// User and password, and what comes behind them. A password that is written as it is, with
    /// letters that mean something in an address, is still taken for one, so that it is not shown.
    fn parts(&self) -> (&str, Option<&str>, &str) {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let query = rest.find('?').filter(|_| scheme.contains("unix"));
        let end = query.unwrap_or(rest.len());
        match rest[..end].rfind('@') {
            Some(at) => (scheme, Some(&rest[..at]), &rest[at + 1..]),
            None => (scheme, None, rest),
        }
    }

    fn has_password(&self) -> bool {
        let (_, user, rest) = self.parts();
        user.is_some_and(|user| user.contains(':')) || rest.contains("pass=")
    }

    #[cfg(feature = "redis")]
    fn with_password(&self, password: Option<&Password>) -> String {
        let Some(Password(password)) = password else { return self.0.clone() };
        let (scheme, user, rest) = self.parts();
        let password = encoded(password);
        if scheme.contains("unix") {
            let joint = if rest.contains('?') { '&' } else { '?' };
            return format!("{scheme}://{rest}{joint}pass={password}");
        }
        format!("{scheme}://{}:{password}@{rest}", user.unwrap_or_default())
    }
}

/// With all that may mean something in an address as `%` and two digits.
#[cfg(feature = "redis")]
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

impl FromStr for RedisUrl {
    type Err = Failure;

    fn from_str(text: &str) -> Result<RedisUrl, Failure> {
        let url = RedisUrl(text.to_owned());
        let (scheme, user, rest) = url.parts();
        let remedy = match scheme {
            _ if rest.is_empty() => "it names no host: write it like redis://127.0.0.1:6379",
            "rediss" if cfg!(not(feature = "redis-tls")) => {
                "this program was built without TLS to a Redis: build it with `cargo install \
                 perfkit-cli --features redis-tls`"
            }
            "redis" | "rediss" if user.is_some_and(|user| user.contains(['/', '?', '#'])) => {
                "a / ? or # in a password means something in an address: give the password by \
                 --cache-redis-password-file"
            }
            "redis" | "rediss" if !is_place(rest) => {
                "after the host comes a port, 1 to 65535, and the number of a database: write it like \
                 redis://127.0.0.1:6379/0"
            }
            "redis" | "rediss" | "unix" | "redis+unix" => return Ok(url),
            _ => "write it like redis://user@127.0.0.1:6379/0, rediss: for TLS, or unix:///path",
        };
        Err(Failure::usage(format!("`{url}` cannot be used: {remedy}")))
    }
}

/// Whether it is `host`, with `:port` and `/database` or without.
fn is_place(rest: &str) -> bool {
    let rest = rest.split('?').next().unwrap_or_default();
    let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
    // In an address of version 6, which has brackets, what is behind the last colon is no port.
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (place, Some(DEFAULT_PORT)),
    };
    let is_number = database.is_empty() || database.parse::<u32>().is_ok();
    !host.is_empty() && port.is_some_and(|port| port > 0) && is_number
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, user, rest) = self.parts();
        if !scheme.is_empty() {
            write!(f, "{scheme}://")?;
        }
        if let Some(user) = user {
            match user.split_once(':') {
                Some((name, _)) => write!(f, "{name}:***@")?,
                // It may be the end of a password with a comma.
                None if scheme.is_empty() => f.write_str("***@")?,
                None => write!(f, "{user}@")?,
            }
        }
        match rest.split_once('?') {
            Some((place, query)) if query.contains("pass") => write!(f, "{place}?***"),
            _ => f.write_str(rest),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

const DEFAULT_PORT: u16 = 6_379;
const DEFAULT_PREFIX: &str = "perfkit:";
const DEFAULT_DEADLINE: Duration = Duration::from_millis(50);
const DEFAULT_STALE_WINDOW: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RedisUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_password_is_never_shown() {
        for (text, shown) in [
            ("redis://h:6379", "redis://h:6379"),
            ("redis://:secret@h/1", "redis://:***@h/1"),
            ("redis://me:secret@h", "redis://me:***@h"),
            ("redis://me:secr@et@h?protocol=resp3", "redis://me:***@h?protocol=resp3"),
            ("unix:///run/redis.sock?db=1&pass=secret", "unix:///run/redis.sock?***"),
        ] {
            assert_eq!(url(text).to_string(), shown);
            assert_eq!(format!("{:?}", url(text)), format!("RedisUrl({shown})"));
            assert_eq!(url(text).has_password(), shown.contains("***"), "{text}");
        }
        for wrong in [
            "http://:secret@h",
            "redis://",
            ":secret@h",
            "the-secret@h",
            "redis://me:sec?secret@h",
            "redis://me:sec/secret@h:1",
            "redis://me:sec#secret@h:1",
            "redis://me:secret@h:99999",
        ] {
            let refused = wrong.parse::<RedisUrl>().unwrap_err().to_string();
            let shown = format!("{:?} {refused}", RedisUrl(wrong.to_owned()));
            assert!(!shown.contains("sec"), "{shown}");
        }
        assert_eq!(format!("{:?}", Password("secret".to_owned())), "Password(..)");
    }

    #[test]
    fn a_place_that_cannot_be_is_refused_before_anything_starts() {
        for right in ["redis://h", "redis://[::1]", "redis://[::1]:6379/3", "redis://u@h:1/"] {
            assert_eq!(url(right).to_string(), right);
        }
        for wrong in ["redis://:6379", "redis://h:0", "redis://h:x", "redis://h/one", "redis:///1"]
        {
            let said = wrong.parse::<RedisUrl>().unwrap_err().to_string();
            assert!(said.contains("redis://127.0.0.1:6379/0"), "{said}");
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_password_of_its_own_goes_into_the_address() {
        let with = |text: &str| url(text).with_password(Some(&Password("p@ss:w/rd%".to_owned())));
        assert_eq!(with("redis://h:1/2"), "redis://:p%40ss%3Aw%2Frd%25@h:1/2");
        assert_eq!(with("redis://me@h"), "redis://me:p%40ss%3Aw%2Frd%25@h");
        assert_eq!(with("unix:///s"), "unix:///s?pass=p%40ss%3Aw%2Frd%25");
        assert_eq!(with("unix:///s?db=1"), "unix:///s?db=1&pass=p%40ss%3Aw%2Frd%25");
        assert_eq!(url("redis://h").with_password(None), "redis://h");
    }
}
