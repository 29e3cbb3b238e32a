//! What every request passes on its way to a handler.
//!
//! From outside in: panic guard, security headers, name of the host, origin of the page, who asks,
//! deadline. The order matters: a request for a name that is not ours learns nothing else, and a
//! page of another site is refused before its cookie is looked at.

use super::{AllowedNames, Sessions};
use crate::{Problem, Token};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Who is let in, and to what.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) names: AllowedNames,
    pub(crate) token: Token,
    pub(crate) sessions: Sessions,
    /// The name of the session cookie. Cookies do not know ports, so the name does.
    pub(crate) cookie: String,
    /// Whether reading needs the token too.
    pub(crate) reads_need_token: bool,
    pub(crate) content_security_policy: HeaderValue,
}

impl Gate {
    /// Lets a request through to `answer`, or answers it with what was wrong.
    pub(crate) async fn pass<F>(&self, request: axum::extract::Request, answer: F) -> Response
    where
        F: AsyncFnOnce(axum::extract::Request) -> Response,
    {
        let neighbour = self.neighbour(request.headers());
        let guarded = AssertUnwindSafe(async {
            if neighbour.is_some() && *request.method() == Method::OPTIONS {
                return self.preflight(&request);
            }
            if let Err(problem) = self.admit(&request) {
                return problem.into_response();
            }
            match tokio::time::timeout(DEADLINE, answer(request)).await {
                Ok(response) => response,
                Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-slow", "Too slow")
                    .detail(format!("no answer within {DEADLINE:?}; ask again"))
                    .into_response(),
            }
        });
        let mut response = guarded.catch_unwind().await.unwrap_or_else(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "panic", "The server made a mistake")
                .detail("this request ended in a panic; the others go on. Please report it")
                .into_response()
        });
        if response.status() == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"perfkit\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        self.secure(response.headers_mut());
        if let Some(origin) = neighbour {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        }
        response
    }

    /// The origin of a page that is not ours and was let in by name.
    fn neighbour(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        origin.to_str().ok().filter(|origin| self.names.lets_in(origin))?;
        Some(origin.clone())
    }

    /// Tells the browser of such a page what it may ask. Cookies are not among it: it shows the
    /// token.
    fn preflight(&self, request: &axum::extract::Request) -> Response {
        if let Err(problem) = self.admit_names(request) {
            return problem.into_response();
        }
        let allowed = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, PUT, POST, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        (StatusCode::NO_CONTENT, allowed).into_response()
    }

    fn admit(&self, request: &axum::extract::Request) -> Result<(), Problem> {
        self.admit_names(request)?;
        let changes = changes(request.method());
        let guarded = changes || (self.reads_need_token && !is_open(request.uri().path()));
        if guarded && !self.knows(request.headers()) {
            return Err(unauthorized(request.headers()));
        }
        Ok(())
    }

    fn admit_names(&self, request: &axum::extract::Request) -> Result<(), Problem> {
        let headers = request.headers();
        // A request for an absolute address names the host there and must say the same below.
        let host = text(headers, &header::HOST);
        let asked = request.uri().authority().map(http::uri::Authority::as_str).or(host);
        self.names.check_host(asked).map_err(|refused| {
            Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign-host", "Not served here")
                .detail(refused.to_string())
        })?;

        let socket = headers.contains_key(header::UPGRADE);
        if changes(request.method()) || socket {
            self.names.check_origin(text(headers, &header::ORIGIN), asked).map_err(|refused| {
                Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "A page of another site")
                    .detail(refused.to_string())
            })?;
        }
        Ok(())
    }

    /// Whether the asker has shown the token, or the cookie that was got for it.
    fn knows(&self, headers: &HeaderMap) -> bool {
        self.shows_token(headers)
            || self.session(headers).is_some_and(|secret| self.sessions.knows(secret))
    }

    /// Whether the asker has shown the token itself.
    pub(crate) fn shows_token(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|offered| self.token.matches(offered))
    }

    /// The secret of the session that the request belongs to.
    pub(crate) fn session<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == self.cookie).then_some(value))
    }

    fn secure(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_SECURITY_POLICY, self.content_security_policy.clone());
        for (name, value) in SECURITY_HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// The answer to somebody who may not.
pub(crate) fn unauthorized(headers: &HeaderMap) -> Problem {
    let detail = if headers.contains_key(header::AUTHORIZATION) {
        "the Authorization header does not carry this server's token: use the one printed when the \
         server started, as `Authorization: Bearer TOKEN`"
    } else {
        "this needs the token printed when the server started: send `Authorization: Bearer TOKEN`, \
         or open the dashboard by the address printed with it"
    };
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "The token is needed").detail(detail)
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// The page and its files hold nothing secret, and a browser must load them before it can show
/// the token; whoever watches over the process asks only whether it lives.
fn is_open(path: &str) -> bool {
    !path.starts_with("/api/") && path != "/openapi.json"
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // A name or origin that is not text is not one of ours.
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// How long a handler may take before its client is told to ask again.
const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::extract::Request;
    use perf_core::Clock;

    fn gate(reads_need_token: bool) -> Gate {
        Gate {
            names: AllowedNames::new(&[], &[]),
            token: "0123456789abcdef".parse().unwrap(),
            sessions: Sessions::new(Clock::system()),
            cookie: "perfkit_session_9090".to_owned(),
            reads_need_token,
            content_security_policy: HeaderValue::from_static("default-src 'none'"),
        }
    }

    fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn status(gate: &Gate, request: &Request) -> u16 {
        gate.admit(request).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn reading_is_open_on_this_machine_and_changing_is_not() {
        let gate = gate(false);
        assert_eq!(status(&gate, &ask("GET", "/api/performance/knobs", &[])), 200);
        for method in ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(status(&gate, &ask(method, "/api/performance/knobs", &[])), 401, "{method}");
        }
        let shown = [("authorization", "bearer 0123456789abcdef")];
        assert_eq!(status(&gate, &ask("PUT", "/api/performance/knobs/a/b", &shown)), 200);
        for wrong in ["Bearer 0123456789abcdeX", "Bearer ", "Basic 0123456789abcdef", "Bearer"] {
            let request = ask("PUT", "/", &[("authorization", wrong)]);
            assert_eq!(status(&gate, &request), 401, "{wrong}");
        }
    }

    #[test]
    fn a_public_server_lets_nobody_read_without_the_token() {
        let gate = gate(true);
        for path in ["/api/performance/overview", "/openapi.json", "/api/performance/live"] {
            assert_eq!(status(&gate, &ask("GET", path, &[])), 401, "{path}");
        }
        for path in ["/", "/caching", "/assets/app/main.js", "/favicon.ico", "/live", "/ready"] {
            assert_eq!(status(&gate, &ask("GET", path, &[])), 200, "{path}");
        }
    }

    #[test]
    fn a_session_stands_for_the_token_until_it_is_closed() {
        let gate = gate(true);
        let secret = gate.sessions.open().unwrap();
        let cookie = format!("other=1; perfkit_session_9090={}", secret.reveal());
        let request = ask("PUT", "/api/performance/knobs/a/b", &[("cookie", &cookie)]);
        assert_eq!(status(&gate, &request), 200);
        gate.sessions.close(secret.reveal());
        assert_eq!(status(&gate, &request), 401);
        let other = format!("perfkit_session={}", secret.reveal());
        assert_eq!(status(&gate, &ask("PUT", "/", &[("cookie", &other)])), 401);
    }

    #[test]
    fn foreign_names_come_before_everything_and_foreign_pages_before_cookies() {
        let gate = gate(false);
        let shown = ("authorization", "Bearer 0123456789abcdef");
        let mut rebound = ask("GET", "/", &[shown]);
        rebound.headers_mut().insert("host", HeaderValue::from_static("evil.example"));
        assert_eq!(status(&gate, &rebound), 421);
        let foreign = ("origin", "http://evil.example");
        assert_eq!(status(&gate, &ask("PUT", "/", &[shown, foreign])), 403);
        assert_eq!(status(&gate, &ask("GET", "/", &[foreign, ("upgrade", "websocket")])), 403);
        assert_eq!(status(&gate, &ask("GET", "/", &[foreign])), 200);
        assert_eq!(status(&gate, &ask("PUT", "/", &[shown, ("origin", "http://localhost")])), 200);
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_document_and_carries_the_security_headers() {
        let answer = gate(false)
            .pass(ask("GET", "/", &[]), async |_| -> Response { panic!("on purpose") })
            .await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}
