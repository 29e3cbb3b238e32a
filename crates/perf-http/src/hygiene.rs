//! What every intermediary owes both sides (RFC 9110 section 7.6, RFC 9112 section 6).

mod headers;
mod layer;
mod path;

pub(crate) use headers::drop_named_by_connection;
pub use headers::{check_framing, strip_hop_by_hop};
pub use layer::{HygieneFuture, HygieneLayer, HygieneService};
pub use path::check_path;

use crate::{ConfigError, ResponseBody};
use bytes::Bytes;
use http::request;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};
use std::fmt;
use std::sync::Arc;

/// Keeps what goes through an intermediary clean.
///
/// Requests: framing and path are checked, hop-by-hop fields removed, `Via` appended; a request
/// that has been here before is refused. Answers: hop-by-hop fields removed, `Via` appended.
///
/// ```
/// use http::{Request, StatusCode};
/// use perf_http::Hygiene;
///
/// let hygiene = Hygiene::new("edge-1").unwrap();
/// let request = Request::get("/a").header("connection", "x-mine").header("x-mine", "1");
/// let (mut parts, ()) = request.body(()).unwrap().into_parts();
/// hygiene.request(&mut parts).unwrap();
/// assert!(!parts.headers.contains_key("x-mine"));
/// assert_eq!(parts.headers["via"], "1.1 edge-1");
///
/// // The same request, sent back to us.
/// assert_eq!(hygiene.request(&mut parts).unwrap_err().status(), StatusCode::LOOP_DETECTED);
/// ```
#[derive(Clone, Debug)]
pub struct Hygiene {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    /// For HTTP/1.0, 1.1 and 2.
    via: [HeaderValue; 3],
}

impl Hygiene {
    /// For an intermediary of this name. Every instance in a chain needs its own.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] unless the name is a token: letters, digits and `-._~!#$&+^`.
    pub fn new(name: impl Into<String>) -> Result<Hygiene, ConfigError> {
        let name = name.into();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-._~!#$&+^".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            let remedy = "use letters, digits and -._~!#$&+^";
            return Err(ConfigError::new("name", format_args!("{name:?}"), remedy));
        }
        let value = |version: &str| HeaderValue::try_from(format!("{version} {name}"));
        match (value("1.0"), value("1.1"), value("2.0")) {
            (Ok(a), Ok(b), Ok(c)) => {
                Ok(Hygiene { inner: Arc::new(Inner { name, via: [a, b, c] }) })
            }
            _ => Err(ConfigError::new("name", format_args!("{name:?}"), "use a header value")),
        }
    }

    /// The name that stands in `Via`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// A layer that does both sides.
    #[must_use]
    pub fn layer(&self) -> HygieneLayer {
        HygieneLayer::new(self.clone())
    }

    /// Checks a request, without changing it: framing, path, and whether it has been here before.
    ///
    /// For the front of a stack that may answer without going on; put the layer around what goes on.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it must not go on.
    pub fn check(&self, parts: &request::Parts) -> Result<(), Rejection> {
        check_framing(&parts.headers)?;
        check_path(parts.uri.path())?;
        if parts.headers.contains_key(header::VIA) && self.seen_in(&parts.headers) {
            return Err(Rejection::Loop { name: self.inner.name.clone() });
        }
        Ok(())
    }

    /// Checks and cleans a request before it goes on.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it must not go on; it has not been changed then.
    pub fn request(&self, parts: &mut request::Parts) -> Result<(), Rejection> {
        self.check(parts)?;
        strip_hop_by_hop(&mut parts.headers);
        parts.headers.append(header::VIA, self.via(parts.version));
        Ok(())
    }

    /// Cleans the head of an answer before it goes back.
    pub fn response(&self, version: Version, headers: &mut HeaderMap) {
        strip_hop_by_hop(headers);
        headers.append(header::VIA, self.via(version));
    }

    fn via(&self, version: Version) -> HeaderValue {
        let at = match version {
            Version::HTTP_09 | Version::HTTP_10 => 0,
            Version::HTTP_11 => 1,
            _ => 2,
        };
        self.inner.via[at].clone()
    }

    fn seen_in(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::VIA)
            .iter()
            .flat_map(|value| value.as_bytes().split(|&b| b == b','))
            .filter_map(|hop| hop.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).nth(1))
            .any(|by| by == self.inner.name.as_bytes())
    }
}

/// Why a request must not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// `Content-Length` together with `Transfer-Encoding`: two answers to where the body ends.
    TwoFramings,
    /// `Content-Length` that is no number, or several that differ.
    BadContentLength,
    /// The path climbs out of its root.
    PathEscapes {
        /// The path, shortened.
        path: String,
    },
    /// The request has been here before.
    Loop {
        /// Our name in its `Via`.
        name: String,
    },
}

impl Rejection {
    /// The status to answer with: 400, or 508 for a loop.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Rejection::Loop { .. } => StatusCode::LOOP_DETECTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer to send, as a problem document (RFC 9457).
    #[must_use]
    pub fn to_response<B>(&self) -> Response<ResponseBody<B>> {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Refused");
        let mut detail = String::new();
        for c in self.to_string().chars() {
            match c {
                '"' | '\\' => detail.extend(['\\', c]),
                c if c.is_control() => detail.push('?'),
                c => detail.push(c),
            }
        }
        let code = status.as_u16();
        let text = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#
        );
        let mut response = Response::new(ResponseBody::full(Bytes::from(text)));
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::TwoFramings => f.write_str(
                "the request has both Content-Length and Transfer-Encoding; send only one",
            ),
            Rejection::BadContentLength => {
                f.write_str("Content-Length is no number, or several differ; send one number")
            }
            Rejection::PathEscapes { path } => {
                write!(f, "the path {path} climbs out of the root; resolve its `..` segments")
            }
            Rejection::Loop { name } => write!(
                f,
                "the request has been through {name} before; check where the origin points"
            ),
        }
    }
}

impl std::error::Error for Rejection {}
