//! Exchanging the token for a cookie, once, so that no page has to keep it.

use crate::Problem;
use crate::access::{LIFETIME, unauthorized};
use crate::admin::Server;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;

/// Opens a session: shows the token, gets a cookie that stands for it for twelve hours.
#[utoipa::path(
    post, path = "/api/session", tag = "session", security(("token" = [])),
    responses(
        (status = 204, description = "The session is open; its cookie is set"),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn open(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // A session cannot open another one, else it would never end.
    if !server.gate.shows_token(&headers) {
        return Err(unauthorized(&headers));
    }
    let secret = server.gate.sessions.open().map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-randomness", "No random bytes")
            .detail("the operating system gives none; use the token itself")
    })?;
    let cookies = cookies(&server.gate.cookie, secret.reveal(), LIFETIME);
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookies)).into_response())
}

/// Ends the session.
#[utoipa::path(
    delete, path = "/api/session", tag = "session", security(("token" = []), ("session" = [])),
    responses(
        (status = 204, description = "The session has ended; its cookie is removed"),
        (status = 401, description = "There is no session", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn close(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    if let Some(secret) = server.gate.session(&headers) {
        server.gate.sessions.close(secret);
    }
    let gone = cookies(&server.gate.cookie, "", Duration::ZERO);
    (StatusCode::NO_CONTENT, AppendHeaders(gone)).into_response()
}

/// Cookies do not know ports: whatever else this machine serves under the same name gets them too.
/// So they are for our own paths only, which takes two.
fn cookies(name: &str, secret: &str, lifetime: Duration) -> [(HeaderName, String); 2] {
    let age = lifetime.as_secs();
    ["/api/performance", "/api/session"].map(|path| {
        let cookie =
            format!("{name}={secret}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={age}");
        (header::SET_COOKIE, cookie)
    })
}
