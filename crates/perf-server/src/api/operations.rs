//! Single operations of a manager: looking at one, cancelling it, changing how urgent it is.

use super::request;
use crate::Problem;
use crate::admin::Server;
use crate::view::managers::SingleRow;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use perf_async::{CancelOutcome, Manager, OperationId};
use perf_core::Priority;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What cancelling came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cancelled {
    /// `removed` before it began, `signalled` to stop, `already_finished` or `unknown`.
    outcome: &'static str,
}

/// How urgent an operation shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriorityRequest {
    /// 1 to 10, where 10 is the most urgent.
    priority: u8,
}

/// How urgent an operation was.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriorityAnswer {
    /// Its priority before.
    before: u8,
    /// Its priority now.
    priority: u8,
}

/// What is known of an operation.
#[utoipa::path(
    get, path = "/api/performance/operations/{manager}/{id}", tag = "operations",
    params(
        ("manager" = String, Path, description = "The component, such as origin"),
        ("id" = String, Path, description = "The operation's number"),
    ),
    responses(
        (status = 200, description = "The operation", body = SingleRow),
        (status = 404, description = "No such manager or operation", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(
    State(server): State<Arc<Server>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<SingleRow>, Problem> {
    let (manager, id) = find(&server, path)?;
    let record = manager.record(id).ok_or_else(|| unknown(id))?;
    Ok(Json(SingleRow::of(&record, manager.now())))
}

/// Cancels an operation for all who wait for it.
#[utoipa::path(
    post, path = "/api/performance/operations/{manager}/{id}/cancel", tag = "operations",
    params(
        ("manager" = String, Path, description = "The component, such as origin"),
        ("id" = String, Path, description = "The operation's number"),
    ),
    security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "What that did", body = Cancelled),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such manager or operation", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(server): State<Arc<Server>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Cancelled>, Problem> {
    let (manager, id) = find(&server, path)?;
    let outcome = match manager.cancel(id) {
        CancelOutcome::Removed => "removed",
        CancelOutcome::Signalled => "signalled",
        CancelOutcome::AlreadyFinished => "already_finished",
        CancelOutcome::Unknown => return Err(unknown(id)),
        _ => "left",
    };
    // Whoever looks at the page sees it at once.
    server.live.advance(true);
    Ok(Json(Cancelled { outcome }))
}

/// Changes how urgent a waiting operation is. It keeps the time that it has waited.
#[utoipa::path(
    put, path = "/api/performance/operations/{manager}/{id}/priority", tag = "operations",
    params(
        ("manager" = String, Path, description = "The component, such as origin"),
        ("id" = String, Path, description = "The operation's number"),
    ),
    request_body = PriorityRequest, security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "It is changed", body = PriorityAnswer),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such manager or operation", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It no longer waits", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such priority", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn set_priority(
    State(server): State<Arc<Server>>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Body,
) -> Result<Json<PriorityAnswer>, Problem> {
    let (manager, id) = find(&server, path)?;
    let asked: PriorityRequest = request::json(body, WANTED).await?;
    let priority = Priority::new(asked.priority).ok_or_else(|| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-priority", "No such priority")
            .detail(format!("{} is no priority: use 1 to 10, the most urgent", asked.priority))
    })?;
    let before = manager.set_priority(id, priority).ok_or_else(|| {
        let Some(status) = manager.status(id) else { return unknown(id) };
        Problem::new(StatusCode::CONFLICT, "not-waiting", "It no longer waits")
            .detail(format!("operation {id} is {status}: only what waits has a turn to be moved"))
            .with("stands", status.to_string())
    })?;
    server.live.advance(true);
    Ok(Json(PriorityAnswer { before: before.level(), priority: priority.level() }))
}

fn find(
    server: &Server,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(Manager, OperationId), Problem> {
    let no_manager = |detail: String| {
        let known: Vec<&str> = server.managers.iter().map(|(name, _)| name.as_str()).collect();
        Problem::new(StatusCode::NOT_FOUND, "unknown-manager", "No such manager")
            .detail(detail)
            .with("known", known)
    };
    let Path((said, id)) = path.map_err(|_| no_manager("the name must be UTF-8".to_owned()))?;
    let Some((_, manager)) = server.managers.iter().find(|(name, _)| *name == said) else {
        let said: String = said.chars().take(40).collect();
        return Err(no_manager(format!("{said:?} is no manager of operations that is shown here")));
    };
    let id = id.parse().map_err(|_| {
        let said: String = id.chars().take(40).collect();
        no_operation(format!("{said:?} is not the number of an operation"))
    })?;
    Ok((manager.clone(), OperationId::from_u64(id)))
}

fn unknown(id: OperationId) -> Problem {
    no_operation(format!(
        "there is no operation {id}, or it ended so long ago that it was forgotten"
    ))
}

fn no_operation(detail: String) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-operation", "No such operation").detail(detail)
}

const WANTED: &str = "an object such as {\"priority\": 8}";
