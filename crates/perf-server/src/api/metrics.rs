//! Operations: their numbers as JSON, and every signal as Prometheus text.

use super::request;
use crate::Problem;
use crate::admin::Server;
use crate::view::Span;
use crate::view::operations::{OneOperation, Operations, operation, operations};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use perf_analytics::prometheus;
use std::sync::Arc;

/// The numbers of every operation, or every signal as Prometheus text for those who prefer that.
#[utoipa::path(
    get, path = "/api/performance/metrics", tag = "metrics",
    params(
        ("span" = Option<String>, Query, description = "Seconds, or a text like 5m or 1h; 3600 if not said"),
        ("accept" = Option<String>, Header, description = "text/plain gets every signal in the format of Prometheus"),
    ),
    responses(
        (status = 200, description = "The operations", content((Operations = "application/json"), (String = "text/plain"))),
        (status = 422, description = "No such span", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn all(
    State(server): State<Arc<Server>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if request::prefers_text(&headers) {
        let text = server.prometheus();
        let headers = [(header::CONTENT_TYPE, prometheus::CONTENT_TYPE), (header::VARY, "accept")];
        return Ok((headers, text).into_response());
    }
    let span = request::span(&uri, Span::HOUR)?;
    let answer = operations(server.optimizer.history(), server.optimizer.recorder(), span);
    Ok(([(header::VARY, "accept")], Json(answer)).into_response())
}

/// One operation, with its course over the span.
#[utoipa::path(
    get, path = "/api/performance/metrics/{name}", tag = "metrics",
    params(
        ("name" = String, Path, description = "The operation, such as http.request"),
        ("span" = Option<String>, Query, description = "Seconds, or a text like 5m or 1h; 3600 if not said"),
    ),
    responses(
        (status = 200, description = "The operation", body = OneOperation),
        (status = 404, description = "No such operation; lists those there are", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such span", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<OneOperation>, Problem> {
    let Path(name) = path.map_err(|rejection| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-path", "The path cannot be read")
            .detail(rejection.body_text())
    })?;
    let span = request::span(&uri, Span::HOUR)?;
    let (history, recorder) = (server.optimizer.history(), server.optimizer.recorder());
    operation(history, recorder, &name, span).map(Json).ok_or_else(|| {
        let mut known: Vec<String> =
            operations(history, recorder, span).metrics.into_iter().map(|row| row.name).collect();
        known.dedup();
        known.truncate(MOST_NAMED);
        let said: String = name.chars().take(120).collect();
        let there_are = match known.as_slice() {
            [] => "none has been recorded yet".to_owned(),
            known => format!("there are: {}", known.join(", ")),
        };
        Problem::new(StatusCode::NOT_FOUND, "unknown-operation", "No such operation")
            .detail(format!("no operation {said:?}; {there_are}"))
            .with("known", known)
    })
}

const MOST_NAMED: usize = 50;
