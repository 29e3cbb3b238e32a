//! What the adapters of services share: a request, and what its answer means for a purge.

use super::http::{Answer, Ask, Client, ClientSettings, NoAnswer};
use super::purge::{PurgeError, PurgeErrorKind};
use super::secret::Secret;
use perf_core::ConfigError;
use std::time::Duration;
use ureq::http::Method;

/// The API of a service.
#[derive(Debug)]
pub(super) struct Api {
    name: &'static str,
    client: Client,
    base: String,
}

/// A request to it.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// After the base URL, with its slash.
    pub(super) path: String,
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) body: &'a [u8],
}

impl Api {
    pub(super) fn new(
        name: &'static str,
        base_url: &str,
        headers: Vec<(String, Secret)>,
    ) -> Result<Api, ConfigError> {
        let settings = ClientSettings {
            headers,
            // Calls are made one at a time.
            max_connections: 1,
            connect_timeout: Duration::from_secs(5),
            #[cfg(feature = "cdn-tls")]
            roots: None,
        };
        let client = Client::new(base_url, settings)?;
        Ok(Api { name, client, base: base_url.trim_end_matches('/').to_owned() })
    }

    pub(super) fn call(&self, call: Call<'_>, deadline: Duration) -> Result<Answer, PurgeError> {
        let Call { method, path, headers, body } = call;
        let url = format!("{}{path}", self.base);
        let answer =
            self.client.ask(&Ask { method, url, headers, body, deadline, max_body: MOST_TOLD });
        answer.map_err(|none| {
            let (kind, why) = match none {
                NoAnswer::TimedOut => {
                    (PurgeErrorKind::Unavailable, format!("no answer in {deadline:?}"))
                }
                NoAnswer::Unreachable(why) | NoAnswer::Malformed(why) => {
                    (PurgeErrorKind::Unavailable, why)
                }
                NoAnswer::Impossible(why) => (PurgeErrorKind::Rejected, why),
            };
            PurgeError::new(self.name, kind, why)
        })
    }

    /// What an answer means that is none of those expected; `told` is what the service says of it.
    pub(super) fn refusal(&self, answer: &Answer, told: &str) -> PurgeError {
        let kind = match answer.status {
            429 => PurgeErrorKind::Busy,
            503 if answer.retry_after.is_some() => PurgeErrorKind::Busy,
            401 | 403 | 407 => PurgeErrorKind::Denied,
            400..=499 if answer.status != 408 => PurgeErrorKind::Rejected,
            _ => PurgeErrorKind::Unavailable,
        };
        self.error(kind, answer, told)
    }

    pub(super) fn error(&self, kind: PurgeErrorKind, answer: &Answer, told: &str) -> PurgeError {
        let told: String = told.chars().filter(|c| !c.is_control()).take(MOST_SHOWN).collect();
        let why = match told.as_str() {
            "" => format!("status {}", answer.status),
            told => format!("status {}, {told}", answer.status),
        };
        PurgeError::new(self.name, kind, why).with_retry_after(answer.retry_after)
    }
}

/// A part of an address: an id that somebody has copied from somewhere.
pub(super) fn check_id(setting: &'static str, id: &str) -> Result<(), ConfigError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if id.is_empty() || !id.bytes().all(is_plain) {
        let remedy = "use its id: letters, digits and dashes";
        return Err(ConfigError::new(setting, format_args!("{id:?}"), remedy));
    }
    Ok(())
}

/// What stands between two marks first, as an answer in JSON or XML has it.
pub(super) fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(told, _)| told)
}

const MOST_TOLD: u64 = 64 << 10;
const MOST_SHOWN: usize = 200;
