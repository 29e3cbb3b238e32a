//! Looking into a cache, and invalidating what it holds.

use super::request;
use crate::Problem;
use crate::admin::Server;
use crate::inspect::{
    CacheReport, EntryOrder, EntryRow, InspectCache, InvalidateFailure, Selection,
};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A cache as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inspection {
    /// The component.
    cache: String,
    /// When this was true.
    at: f64,
    /// What it has learnt.
    report: CacheReport,
    /// `hottest` or `largest`.
    order: &'static str,
    /// The first entries in that order.
    entries: Vec<EntryRow>,
}

/// What is to be forgotten: one of `key`, `tag` and `pattern`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvalidateRequest {
    /// The entry of this key.
    #[serde(default)]
    key: Option<String>,
    /// Entries with this tag.
    #[serde(default)]
    tag: Option<String>,
    /// Entries whose key matches, such as `users:*`.
    #[serde(default)]
    pattern: Option<String>,
    /// Only counts.
    #[serde(default)]
    dry_run: bool,
}

/// What an invalidation came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvalidateAnswer {
    /// How many entries: exact in a dry run where nothing writes meanwhile, else at most so many.
    entries: u64,
    /// Whether they are forgotten now.
    done: bool,
    /// What is not counted, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// What a cache has learnt of its use, and some of its entries.
#[utoipa::path(
    get, path = "/api/performance/caching/{cache}", tag = "performance",
    params(
        ("cache" = String, Path, description = "The component, such as memory"),
        ("order" = Option<String>, Query, description = "hottest, which is the default, or largest"),
    ),
    responses(
        (status = 200, description = "The cache", body = Inspection),
        (status = 404, description = "No such cache; lists those there are", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such order", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn inspect(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Inspection>, Problem> {
    let (name, cache) = find(&server, path)?;
    let said = request::query(&uri, "order");
    let (order, word) = match said.as_deref() {
        None | Some("hottest") => (EntryOrder::Hottest, "hottest"),
        Some("largest") => (EntryOrder::Largest, "largest"),
        Some(other) => {
            let said: String = other.chars().take(40).collect();
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad-order",
                "No such order",
            )
            .detail(format!("{said:?} is no order of entries: use hottest or largest"))
            .with("parameter", "order"));
        }
    };
    let at = server.seconds();
    // It may walk a million entries.
    let asked = tokio::task::spawn_blocking(move || (cache.report(), cache.entries(order, ROWS)));
    let (report, entries) = asked.await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-report", "The cache cannot be read")
            .detail("reading it ended in a panic; the program's error output says more")
    })?;
    Ok(Json(Inspection { cache: name, at, report, order: word, entries }))
}

/// Forgets entries of a cache, or only counts them.
#[utoipa::path(
    post, path = "/api/performance/caching/{cache}/invalidate", tag = "performance",
    params(("cache" = String, Path, description = "The component, such as memory")),
    request_body = InvalidateRequest, security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "How many there were", body = InvalidateAnswer),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such cache; lists those there are", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not one of key, tag and pattern, or one that cannot be", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Forgotten in this process only: a restart may bring it back", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn invalidate(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<InvalidateAnswer>, Problem> {
    let (_, cache) = find(&server, path)?;
    let asked: InvalidateRequest = request::json(body, WANTED).await?;
    let refused = |detail: String| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-selection", "No such selection")
            .detail(detail)
    };
    let dry_run = asked.dry_run;
    let selection = match (asked.key, asked.tag, asked.pattern) {
        (Some(key), None, None) => Selection::Key(key),
        (None, Some(tag), None) => Selection::Tag(tag),
        (None, None, Some(pattern)) => Selection::Pattern(pattern),
        _ => return Err(refused(format!("give one of key, tag and pattern: send {WANTED}"))),
    };
    let note = cache.uncounted();
    let work = tokio::task::spawn_blocking(move || match dry_run {
        true => cache.count(&selection).map_err(InvalidateFailure::Selection),
        false => cache.invalidate(&selection),
    });
    let done = work.await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-answer", "It cannot be done")
            .detail("it ended in a panic; the program's error output says more")
    })?;
    let entries = done.map_err(|failure| match failure {
        InvalidateFailure::Selection(wrong) => refused(wrong),
        InvalidateFailure::NotDurable { entries, .. } => {
            let title = "Forgotten, but not for good";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-durable", title)
                .detail(failure.to_string())
                .with("entries", entries)
        }
    })?;
    Ok(Json(InvalidateAnswer { entries, done: !dry_run, note }))
}

fn find(
    server: &Server,
    path: Result<Path<String>, PathRejection>,
) -> Result<(String, Arc<dyn InspectCache>), Problem> {
    let unknown = |detail: String| {
        let known: Vec<&str> = server.inspected.iter().map(|(name, _)| name.as_str()).collect();
        Problem::new(StatusCode::NOT_FOUND, "unknown-cache", "No such cache")
            .detail(detail)
            .with("known", known)
    };
    let Path(said) = path.map_err(|_| unknown("the name must be UTF-8".to_owned()))?;
    let found = server.inspected.iter().find(|(name, _)| *name == said);
    found.map(|(name, cache)| (name.clone(), Arc::clone(cache))).ok_or_else(|| {
        let said: String = said.chars().take(40).collect();
        unknown(format!("{said:?} is no cache that can be looked into"))
    })
}

const WANTED: &str = "an object such as {\"pattern\": \"users:*\", \"dry_run\": true}";
/// Entries that are shown.
const ROWS: usize = 20;
