//! How a tier over an HTTP store is made.

use super::{EdgeStore, Settings};
use crate::cdn::http::{Client, ClientSettings};
use crate::cdn::secret::Secret;
use perf_core::{ByteSize, Clock, ConfigError};
use std::time::Duration;

/// Makes an [`EdgeStore`].
#[derive(Debug)]
#[must_use]
pub struct EdgeStoreBuilder {
    base_url: Secret,
    prefix: String,
    headers: Vec<(String, Secret)>,
    deadline: Duration,
    connect_timeout: Duration,
    max_value: ByteSize,
    max_connections: usize,
    clock: Clock,
    #[cfg(feature = "cdn-tls")]
    roots: Option<Vec<u8>>,
}

impl EdgeStoreBuilder {
    pub(super) fn new(base_url: String) -> EdgeStoreBuilder {
        EdgeStoreBuilder {
            base_url: Secret::new(base_url),
            prefix: "perf-cache/".to_owned(),
            headers: Vec::new(),
            deadline: Duration::from_millis(250),
            connect_timeout: Duration::from_millis(250),
            max_value: ByteSize::mib(8),
            max_connections: 16,
            clock: Clock::system(),
            #[cfg(feature = "cdn-tls")]
            roots: None,
        }
    }

    /// What all paths below the URL begin with, usually a folder with its slash. Each cache needs
    /// one of its own. `perf-cache/` if not set.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// A header that is sent with every request, such as `Authorization`. Its value is never shown.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long a call takes at most, with connecting and TLS where that is needed, from the search
    /// for a free connection to the last byte. 250 ms if not set.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long making a connection takes at most, with TLS. 250 ms if not set.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// The largest value, sealed, that is put in; larger ones are refused and counted. 8 MiB if not
    /// set.
    pub fn max_value(mut self, bytes: ByteSize) -> Self {
        self.max_value = bytes;
        self
    }

    /// How many connections there are at most; a call that finds none free waits for one, within its
    /// deadline. 16 if not set.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// By which the ends of values are understood that are put: the one of the cache. The system if
    /// not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Certificates in PEM that the store's certificate may go back to, instead of the system's.
    #[cfg(feature = "cdn-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Makes the tier. The store need not be there: calls fail until it is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL is none of HTTP, of HTTPS without the feature `cdn-tls`, or has a
    /// user, a password or a question mark in it; if the prefix has other characters than letters,
    /// digits and `-_./`, begins with a slash or has `.` or `..` for a folder; if a header cannot be
    /// sent; if certificates cannot be read; and if a time or a bound is zero.
    pub fn build(self) -> Result<EdgeStore, ConfigError> {
        for (setting, time) in
            [("deadline", self.deadline), ("connect_timeout", self.connect_timeout)]
        {
            if time < Duration::from_millis(1) {
                return Err(ConfigError::new(setting, format!("{time:?}"), "use 1 ms or more"));
            }
        }
        if self.max_value.as_u64() == 0 {
            return Err(ConfigError::new("max_value", 0, "let values have some bytes"));
        }
        if self.max_connections == 0 {
            return Err(ConfigError::new("max_connections", 0, "use 1 or more"));
        }
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let has_dots = self.prefix.split('/').any(|part| part == "." || part == "..");
        if !self.prefix.bytes().all(is_plain) || self.prefix.starts_with('/') || has_dots {
            let remedy = "use letters, digits and -_./, as in `shop/`";
            return Err(ConfigError::new("prefix", format_args!("{:?}", self.prefix), remedy));
        }
        let client = Client::new(
            self.base_url.reveal(),
            ClientSettings {
                headers: self.headers,
                max_connections: self.max_connections,
                connect_timeout: self.connect_timeout,
                #[cfg(feature = "cdn-tls")]
                roots: self.roots,
            },
        )?;
        let base = self.base_url.reveal().trim_end_matches('/');
        let settings = Settings {
            base: format!("{base}/{}", self.prefix),
            deadline: self.deadline,
            max_value: self.max_value.as_u64(),
            clock: self.clock,
        };
        Ok(EdgeStore::new(client, settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(builder: EdgeStoreBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let of = || EdgeStore::builder("http://127.0.0.1:1/dav");
        assert!(of().build().is_ok());
        assert!(refusal(EdgeStore::builder("nowhere")).contains("base_url"));
        assert!(refusal(of().deadline(Duration::ZERO)).contains("deadline"));
        assert!(refusal(of().connect_timeout(Duration::ZERO)).contains("connect_timeout"));
        assert!(refusal(of().max_value(ByteSize::from_bytes(0))).contains("max_value"));
        assert!(refusal(of().max_connections(0)).contains("max_connections"));
        for prefix in ["/a", "a b", "../", "a/./b", "?"] {
            assert!(refusal(of().prefix(prefix)).contains("prefix"), "{prefix}");
        }
        let split = refusal(of().header("Authorization", "hunter2\r\nX: y"));
        assert!(split.contains("Authorization") && !split.contains("hunter2"), "{split}");
    }

    #[test]
    fn what_lets_it_in_is_not_printed() {
        let builder = EdgeStore::builder("http://127.0.0.1:1/").header("Authorization", "hunter2");
        let printed = format!("{builder:?}");
        let printed = format!("{printed}{:?}", builder.build().unwrap());
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.to_lowercase().contains("authorization"), "{printed}");
    }
}
