//! What a request must be before the cache looks at it.

use super::body::{AnswerBody, ClientBody, response_of};
use crate::Problem;
use futures_util::TryFutureExt;
use futures_util::future::{Either, MapOk, Ready, ready};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use perf_http::{Hygiene, Rejection};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Refuses requests that no gateway should pass on.
#[derive(Clone, Debug)]
pub(super) struct Screen<S> {
    inner: S,
    rules: Arc<Rules>,
}

/// What to refuse beyond what is always refused.
#[derive(Debug)]
pub(super) struct Rules {
    /// Knows this gateway's name in `Via`, and what every intermediary refuses.
    pub(super) hygiene: Hygiene,
    /// Whether `%2F` is refused, since a file name cannot hold it.
    pub(super) files: bool,
}

impl<S> Screen<S> {
    pub(super) fn new(inner: S, rules: Rules) -> Screen<S> {
        Screen { inner, rules: Arc::new(rules) }
    }
}

impl<S, B> Service<Request<ClientBody>> for Screen<S>
where
    S: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    type Response = Response<AnswerBody<B>>;
    type Error = Infallible;
    type Future = Either<MapOk<S::Future, Wrap<B>>, Ready<Result<Self::Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ClientBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match self.rules.check(&parts, &body) {
            Ok(()) => {
                let answer = self.inner.call(Request::from_parts(parts, body));
                Either::Left(answer.map_ok(|response| response.map(AnswerBody::passed)))
            }
            Err(problem) => {
                let mut response = response_of(&problem, AnswerBody::own);
                if problem.status() == StatusCode::BAD_REQUEST {
                    // Where a request was not understood, the next one may not be one.
                    response.headers_mut().insert(header::CONNECTION, CLOSE);
                }
                Either::Right(ready(Ok(response)))
            }
        }
    }
}

const CLOSE: http::HeaderValue = http::HeaderValue::from_static("close");

/// Makes the two kinds of answers one type.
type Wrap<B> = fn(Response<B>) -> Response<AnswerBody<B>>;

impl Rules {
    fn check(&self, parts: &Parts, body: &ClientBody) -> Result<(), Problem> {
        if body.is_ambiguous() {
            return Err(refused(&Rejection::TwoFramings));
        }
        self.hygiene.check(parts).map_err(|rejection| refused(&rejection))?;
        check_host(parts)?;
        if self.files
            && let Err(problem) = check_file_path(parts.uri.path())
        {
            return Err(bad("bad-path", "bad path")
                .detail(format!("the path `{}` {problem}", shortened(parts.uri.path()))));
        }
        if matches!(parts.method, Method::CONNECT | Method::TRACE)
            || parts.headers.contains_key(header::UPGRADE) && names_upgrade(&parts.headers)
        {
            let title = "not implemented";
            let problem = Problem::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", title);
            return Err(problem.detail(
                "the gateway passes on plain requests only: no CONNECT, TRACE or Upgrade; connect \
                 WebSockets to the origin itself",
            ));
        }
        Ok(())
    }
}

fn refused(rejection: &Rejection) -> Problem {
    let (kind, title) = match rejection {
        Rejection::TwoFramings => ("ambiguous-length", "ambiguous length"),
        Rejection::PathEscapes { .. } => ("bad-path", "bad path"),
        Rejection::Loop { .. } => ("loop", "loop detected"),
        _ => ("bad-request", "bad request"),
    };
    Problem::new(rejection.status(), kind, title).detail(rejection.to_string())
}

fn bad(kind: &str, title: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, kind, title)
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONNECTION).iter().any(|value| {
        value
            .as_bytes()
            .split(|&b| b == b',')
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    })
}

/// One `Host` that is a host (RFC 9112, 3.2).
fn check_host(parts: &Parts) -> Result<(), Problem> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let problem = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => "the request has more than one Host header: send one".to_owned(),
        (None, _) if parts.version == Version::HTTP_11 => {
            "the request has no Host header, which HTTP/1.1 demands: send one".to_owned()
        }
        (None, _) => return Ok(()),
        (Some(host), None) if is_host(host.as_bytes()) => return Ok(()),
        (Some(host), None) => format!(
            "the Host header `{}` is not a host name: send a name or an address, and a port",
            shortened(&String::from_utf8_lossy(host.as_bytes()))
        ),
    };
    Err(bad("bad-host", "bad Host").detail(problem))
}

/// `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`, in visible characters only.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', rest @ ..] => match rest.iter().position(|&b| b == b']') {
            Some(end) => {
                let name = &rest[..end];
                if name.is_empty()
                    || !name.iter().all(|b| b.is_ascii_hexdigit() || b":.".contains(b))
                {
                    return false;
                }
                (name, &rest[end + 1..])
            }
            None => return false,
        },
        _ => {
            let end = host.iter().position(|&b| b == b':').unwrap_or(host.len());
            let name = &host[..end];
            if !name.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(b)) {
                return false;
            }
            (name, &host[end..])
        }
    };
    let port_fits = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !name.is_empty() && port_fits
}

/// Whether a path can name a file: no slash hidden in an escape, and no half of an escape.
fn check_file_path(path: &str) -> Result<(), &'static str> {
    let mut rest = path.as_bytes();
    while let Some(at) = rest.iter().position(|&b| b == b'%') {
        let (high, low) = match rest[at + 1..] {
            [high, low, ..] => (digit(high), digit(low)),
            _ => (None, None),
        };
        match (high, low) {
            (Some(2), Some(15)) | (Some(5), Some(12)) => {
                return Err("holds an encoded slash, which no file name has: send `/`");
            }
            (Some(_), Some(_)) => rest = &rest[at + 3..],
            _ => return Err("holds a `%` without two hexadecimal digits: send `%25`"),
        }
    }
    Ok(())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_no_slash_in_its_name() {
        for path in ["/group%2Fname", "/a%5cb", "/a%2", "/a%zz", "/%"] {
            assert!(check_file_path(path).is_err(), "{path}");
        }
        for path in ["/", "/a/b.html", "/caf%C3%A9", "/100%25/x"] {
            assert!(check_file_path(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for host in ["localhost", "example.org:8080", "127.0.0.1:1", "[::1]:80", "[::1]", "a_b"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["", ":80", "a b", "a/b", "user@host", "h:123456", "h:8x", "[::1", "[::1]x"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
