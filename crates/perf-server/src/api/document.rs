//! The OpenAPI document.

use super::{change, inspect, metrics, operations, read, session, strategies};
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "document",
    responses((status = 200, description = "The document, OpenAPI 3.1"))
)]
pub(super) async fn openapi() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| json().to_string());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// The document as JSON.
pub(super) fn json() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "The token that the server printed when it started.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": "perfkit_session_PORT",
            "description": "The cookie that POST /api/session sets.",
        },
    });
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "perfkit",
        description = "What a service's components report, and the knobs that steer them. Times are \
                       seconds since 1970, spans seconds, durations milliseconds; null is unknown. \
                       Errors are problem documents.",
    ),
    paths(
        read::overview,
        read::caching,
        inspect::inspect,
        inspect::invalidate,
        strategies::list,
        strategies::create,
        strategies::one,
        strategies::replace,
        strategies::remove,
        strategies::optimize,
        read::operations,
        operations::one,
        operations::cancel,
        operations::set_priority,
        metrics::all,
        metrics::one,
        read::health,
        read::budgets,
        read::status,
        read::knobs,
        change::turn,
        read::events,
        change::undo,
        read::live,
        session::open,
        session::close,
        read::alive,
        read::ready,
        openapi,
    )
)]
struct Document;
