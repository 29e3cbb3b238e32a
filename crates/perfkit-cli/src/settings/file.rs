//! The configuration file.

use super::cdn::CdnFile;
use crate::failure::Failure;
use crate::span::Span;
use perf_core::ByteSize;
use perf_server::Origin;
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a configuration file may hold: the flags of `perfkit serve`, by their names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default, deserialize_with = "origin")]
    pub(super) origin: Option<Origin>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) cache_memory: Option<ByteSize>,
    pub(super) cache_disk: Option<PathBuf>,
    pub(super) cache_disk_size: Option<ByteSize>,
    pub(super) cache_disk_store: Option<String>,
    #[serde(default, deserialize_with = "one_or_more")]
    pub(super) cache_redis: Option<Vec<String>>,
    pub(super) cache_redis_prefix: Option<String>,
    pub(super) cache_redis_password: Option<String>,
    pub(super) cache_redis_password_file: Option<PathBuf>,
    pub(super) cache_redis_deadline: Option<Span>,
    pub(super) cache_redis_stale_window: Option<Span>,
    pub(super) warm: Option<PathBuf>,
    pub(super) ttl: Option<Span>,
    pub(super) stale_while_revalidate: Option<Span>,
    pub(super) stale_if_error: Option<Span>,
    pub(super) concurrency: Option<usize>,
    pub(super) queue_limit: Option<usize>,
    pub(super) timeout: Option<Span>,
    pub(super) connect_timeout: Option<Span>,
    pub(super) body_idle_timeout: Option<Span>,
    pub(super) max_connections: Option<usize>,
    pub(super) max_header: Option<ByteSize>,
    pub(super) keep_host: Option<bool>,
    pub(super) name: Option<String>,
    pub(super) token: Option<String>,
    pub(super) access_log: Option<PathBuf>,
    pub(super) sample_every: Option<Span>,
    pub(super) drain: Option<Span>,
    pub(super) cdn: Option<CdnFile>,
}

impl File {
    /// Reads a file; an error names it, the place in it and what is wrong there.
    pub(super) fn read(path: &Path) -> Result<File, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!(
                "the configuration file `{}` cannot be read: {error}; check --config",
                path.display()
            ))
        })?;
        toml::from_str(&text).map_err(|error| {
            Failure::usage(format!(
                "the configuration file `{}` is wrong: {}",
                path.display(),
                error.to_string().trim_end()
            ))
        })
    }
}

/// One text or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    Ok(Some(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    }))
}

fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Origin>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
