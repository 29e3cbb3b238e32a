//! Which path is answered by what. The table is the only place where a route is named; a test
//! holds the OpenAPI document against it.

use super::{change, document, inspect, metrics, operations, read, session, strategies};
use crate::Problem;
use crate::admin::Server;
use crate::problem::MEDIA_TYPE;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use std::sync::Arc;

/// A path, its methods, and what answers it.
type Route = (&'static str, &'static [&'static str], MethodRouter<Arc<Server>>);

/// Everything that programs may ask.
pub(super) fn api() -> Vec<Route> {
    vec![
        ("/api/performance/overview", &["get"], get(read::overview)),
        ("/api/performance/caching", &["get"], get(read::caching)),
        ("/api/performance/caching/{cache}", &["get"], get(inspect::inspect)),
        ("/api/performance/caching/{cache}/invalidate", &["post"], post(inspect::invalidate)),
        (
            "/api/performance/cache-strategies",
            &["get", "post"],
            get(strategies::list).post(strategies::create),
        ),
        (
            "/api/performance/cache-strategies/{id}",
            &["get", "put", "delete"],
            get(strategies::one).put(strategies::replace).delete(strategies::remove),
        ),
        ("/api/performance/cache-strategies/{id}/optimize", &["post"], post(strategies::optimize)),
        ("/api/performance/operations", &["get"], get(read::operations)),
        ("/api/performance/operations/{manager}/{id}", &["get"], get(operations::one)),
        ("/api/performance/operations/{manager}/{id}/cancel", &["post"], post(operations::cancel)),
        (
            "/api/performance/operations/{manager}/{id}/priority",
            &["put"],
            put(operations::set_priority),
        ),
        ("/api/performance/metrics", &["get"], get(metrics::all)),
        ("/api/performance/metrics/{name}", &["get"], get(metrics::one)),
        ("/api/performance/health", &["get"], get(read::health)),
        ("/api/performance/budgets", &["get"], get(read::budgets)),
        ("/api/performance/status", &["get"], get(read::status)),
        ("/api/performance/knobs", &["get"], get(read::knobs)),
        ("/api/performance/knobs/{component}/{knob}", &["put"], put(change::turn)),
        ("/api/performance/events", &["get"], get(read::events)),
        ("/api/performance/events/{id}/undo", &["post"], post(change::undo)),
        ("/api/performance/live", &["get"], get(read::live)),
        ("/api/session", &["post", "delete"], post(session::open).delete(session::close)),
        ("/live", &["get"], get(read::alive)),
        ("/ready", &["get"], get(read::ready)),
        ("/openapi.json", &["get"], get(document::openapi)),
    ]
}

/// Every route, behind the gate.
pub(crate) fn router(server: Arc<Server>) -> Router {
    let mut router = Router::new()
        .route("/", get(page))
        .route("/caching", get(page))
        .route("/operations", get(page))
        .route("/favicon.ico", get(icon))
        .route("/assets/{*path}", get(file));
    for (path, _, answer) in api() {
        router = router.route(path, answer);
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&server), through_the_gate))
        .with_state(server)
}

async fn through_the_gate(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    server.gate.pass(request, async |request| in_our_words(next.run(request).await)).await
}

/// What the router refuses on its own, such as a path that is not UTF-8, it says in plain text.
fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let wrong = status.is_client_error() || status.is_server_error();
    if !wrong || response.headers().get(header::CONTENT_TYPE) == Some(&MEDIA_TYPE) {
        return response;
    }
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => "this path takes another method",
        StatusCode::UPGRADE_REQUIRED => "this path speaks WebSocket: connect with ws://",
        StatusCode::BAD_REQUEST => "the request cannot be read: its path must be UTF-8",
        _ => "the request is refused as it stands",
    };
    Problem::new(status, "refused", "The request is refused").detail(detail).into_response()
}

async fn page(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.assets.answer_page(&headers)
}

async fn icon(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.assets.answer_icon(&headers)
}

async fn file(State(server): State<Arc<Server>>, uri: Uri, headers: HeaderMap) -> Response {
    server.assets.answer_file(uri.path(), &headers)
}

async fn nowhere(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(StatusCode::NOT_FOUND, "unknown-path", "Nothing is here").detail(format!(
        "there is nothing at {path:?}; what there is stands in /openapi.json, the dashboard is at /"
    ))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let known = api()
        .iter()
        .find(|(path, ..)| matches(path, uri.path()))
        .map_or("GET".to_owned(), |(_, methods, _)| methods.join(", ").to_uppercase());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "Wrong method")
        .detail(format!("{} does not take {method}: use {known}", uri.path()))
}

/// Whether a path fits a pattern such as `/a/{b}`.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut said) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), said.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || a.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_paths() {
        assert!(matches("/api/{component}/{knob}", "/api/memory/capacity"));
        assert!(!matches("/api/{component}/{knob}", "/api/memory"));
        assert!(!matches("/api/{component}", "/api/memory/capacity"));
    }

    #[test]
    fn the_document_describes_every_route_and_nothing_else() {
        let document = document::json();
        let mut described: Vec<String> = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.push(format!("{method} {path}"));
            }
        }
        let mut routed: Vec<String> = api()
            .iter()
            .flat_map(|(path, methods, _)| methods.iter().map(move |m| format!("{m} {path}")))
            .collect();
        described.sort();
        routed.sort();
        assert_eq!(described, routed);
    }
}
