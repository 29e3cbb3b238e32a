//! One HTTP request, waited for, with an end.
//!
//! ureq is kept in here: no other file knows it.

use super::secret::Secret;
use perf_core::ConfigError;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use ureq::{Agent, Body};

/// A server and how it is talked to.
pub(super) struct Client {
    agent: Agent,
    /// Sent with each request.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What errors call the server: scheme, host and port.
    pub(super) server: String,
    places: Places,
}

/// What a client is made with.
pub(super) struct ClientSettings {
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) max_connections: usize,
    pub(super) connect_timeout: Duration,
    /// Certificates in PEM that the server's has to go back to, instead of the system's.
    #[cfg(feature = "cdn-tls")]
    pub(super) roots: Option<Vec<u8>>,
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) body: &'a [u8],
    /// All of it, from the look for a free connection to the last byte of the answer.
    pub(super) deadline: Duration,
    /// The largest body that is read.
    pub(super) max_body: u64,
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Of `Retry-After` in seconds, where it is sent.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    TimedOut,
    /// The server cannot be reached, or the connection broke.
    Unreachable(String),
    /// What came is no whole answer.
    Malformed(String),
    /// The request cannot be made of what was given.
    Impossible(String),
}

impl Client {
    /// # Errors
    ///
    /// [`ConfigError`] if the URL is none of HTTP, or of HTTPS without the feature, or names a user,
    /// and if a header cannot be sent.
    pub(super) fn new(base: &str, settings: ClientSettings) -> Result<Client, ConfigError> {
        let uri = parse_base(base)?;
        let is_tls = uri.scheme_str() == Some("https");
        let server = uri.authority().map_or_else(String::new, |authority| {
            format!("{}://{authority}", if is_tls { "https" } else { "http" })
        });
        let mut headers = Vec::new();
        for (name, value) in &settings.headers {
            let refused = || {
                let remedy = "use a name of letters and dashes, and a value on one line";
                ConfigError::new("header", format_args!("{name:?}"), remedy)
            };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| refused())?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .timeout_connect(Some(settings.connect_timeout))
            .max_idle_connections(settings.max_connections)
            .max_idle_connections_per_host(settings.max_connections)
            .accept_encoding("identity")
            .user_agent(concat!("perf-cache/", env!("CARGO_PKG_VERSION")));
        #[cfg(feature = "cdn-tls")]
        {
            config = config.tls_config(super::tls::config(settings.roots.as_deref())?);
        }
        if !is_tls {
            // A proxy of the environment is for what is far.
            config = config.proxy(None);
        }
        let places = Places::new(settings.max_connections);
        Ok(Client { agent: config.build().new_agent(), headers, server, places })
    }

    /// Sends a request, which has to be one that may arrive twice, and reads the answer whole.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Answer, NoAnswer> {
        let end = Instant::now() + ask.deadline;
        let _place = self.places.take(end).ok_or(NoAnswer::TimedOut)?;
        match self.ask_once(ask, end) {
            // A connection that was kept may have been closed by the server just before.
            Err(NoAnswer::Unreachable(_)) if end > Instant::now() + ask.deadline / 2 => {
                self.ask_once(ask, end)
            }
            answer => answer,
        }
    }

    fn ask_once(&self, ask: &Ask<'_>, end: Instant) -> Result<Answer, NoAnswer> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NoAnswer::TimedOut);
        }
        let mut request = Request::builder().method(ask.method.clone()).uri(&ask.url);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let impossible = |error: ureq::http::Error| NoAnswer::Impossible(error.to_string());
        let is_bare =
            ask.body.is_empty() && ask.method != Method::PUT && ask.method != Method::POST;
        let answer = if is_bare {
            let request = request.body(()).map_err(impossible)?;
            let request = self.agent.configure_request(request);
            let request = request.timeout_global(Some(left)).build();
            self.agent.run(request)
        } else {
            let request = request.body(ask.body).map_err(impossible)?;
            let request = self.agent.configure_request(request);
            let request = request.timeout_global(Some(left)).build();
            self.agent.run(request)
        };
        let answer = answer.map_err(no_answer)?;
        let (head, body) = answer.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let is_head = ask.method == Method::HEAD;
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: retry_after.map(Duration::from_secs),
            body: if is_head { Vec::new() } else { read(body, ask.max_body)? },
        })
    }
}

/// The body, and not less than was announced.
fn read(mut body: Body, max: u64) -> Result<Vec<u8>, NoAnswer> {
    let announced = body.content_length();
    if announced.is_some_and(|len| len > max) {
        let len = announced.unwrap_or_default();
        return Err(NoAnswer::Malformed(format!("a body of {len} bytes, at most {max} are read")));
    }
    let mut bytes = Vec::with_capacity(announced.map_or(0, |len| len as usize));
    body.as_reader().take(max + 1).read_to_end(&mut bytes).map_err(of_reading)?;
    if bytes.len() as u64 > max {
        return Err(NoAnswer::Malformed(format!("a body of more than {max} bytes")));
    }
    match announced {
        Some(len) if len != bytes.len() as u64 => {
            Err(NoAnswer::Malformed(format!("{} of {len} bytes", bytes.len())))
        }
        _ => Ok(bytes),
    }
}

fn of_reading(error: io::Error) -> NoAnswer {
    let is_timeout = error.kind() == io::ErrorKind::TimedOut;
    match error.downcast::<ureq::Error>() {
        Ok(error) => no_answer(error),
        Err(_) if is_timeout => NoAnswer::TimedOut,
        Err(error) => NoAnswer::Malformed(format!("the body broke off: {error}")),
    }
}

fn no_answer(error: ureq::Error) -> NoAnswer {
    match error {
        ureq::Error::Timeout(_) => NoAnswer::TimedOut,
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => NoAnswer::TimedOut,
        ureq::Error::Io(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Tls(_) => NoAnswer::Unreachable(error.to_string()),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => NoAnswer::Impossible(error.to_string()),
        other => NoAnswer::Malformed(other.to_string()),
    }
}

/// # Errors
///
/// [`ConfigError`] as [`Client::new`] has it.
pub(super) fn parse_base(base: &str) -> Result<Uri, ConfigError> {
    // It is not in the error: somebody may have put a password into it.
    let refused = |why: &str, remedy: &'static str| Err(ConfigError::new("base_url", why, remedy));
    let usual = "use `http://host:port/path` or `https://host/path`";
    let Ok(uri) = base.parse::<Uri>() else { return refused("no URL", usual) };
    let Some(authority) = uri.authority() else { return refused("without a host", usual) };
    if authority.as_str().contains('@') {
        return refused("a URL with a user", "put what lets this client in into a header");
    }
    if uri.query().is_some() {
        return refused("a URL with a question mark", usual);
    }
    match uri.scheme_str() {
        Some("http") => Ok(uri),
        #[cfg(feature = "cdn-tls")]
        Some("https") => Ok(uri),
        #[cfg(not(feature = "cdn-tls"))]
        Some("https") => refused("https", "turn on the feature `cdn-tls`"),
        _ => refused("neither http nor https", usual),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Client")
            .field("server", &self.server)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// How many may talk to the server at once.
#[derive(Debug)]
struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

struct Place<'a>(&'a Places);

impl Places {
    fn new(places: usize) -> Places {
        Places { free: Mutex::new(places), freed: Condvar::new() }
    }

    /// Waits for one until `end`.
    fn take(&self, end: Instant) -> Option<Place<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let left = end.saturating_duration_since(Instant::now());
        let (mut free, _) = self
            .freed
            .wait_timeout_while(free, left, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_are_named_without_what_they_hide() {
        let of = |url: &str| parse_base(url).unwrap_err().to_string();
        assert!(of("ftp://host/").contains("neither http nor https"));
        assert!(of("/only/a/path").contains("without a host"));
        assert!(of("http://host/?list").contains("question mark"));
        let with_user = of("http://me:hunter2@host/");
        assert!(with_user.contains("a header") && !with_user.contains("hunter2"));
        #[cfg(not(feature = "cdn-tls"))]
        assert!(of("https://host/").contains("`cdn-tls`"));
    }

    #[test]
    fn places_are_as_many_as_they_are() {
        let places = Places::new(1);
        let soon = || Instant::now() + Duration::from_millis(1);
        let place = places.take(soon());
        assert!(place.is_some() && places.take(soon()).is_none());
        drop(place);
        assert!(places.take(soon()).is_some());
    }
}
