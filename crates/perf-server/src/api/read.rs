//! Answers that change nothing.

use super::request;
use crate::Problem;
use crate::admin::Server;
use crate::budget::SPAN_SECONDS;
use crate::live::{Channel, attend};
use crate::view::managers::Managers;
use crate::view::shapes::{Budgets, Caching, Events, HealthAnswer, Knobs, Overview, Status};
use crate::view::{self, Span};
use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, header};
use std::sync::Arc;

/// The first page of the dashboard: health, cards, charts, and what needs attention.
#[utoipa::path(
    get, path = "/api/performance/overview", tag = "performance",
    params(("span" = Option<String>, Query, description = "Seconds, or a text like 5m or 1h; 300 if not said")),
    responses(
        (status = 200, description = "The overview", body = Overview),
        (status = 422, description = "No such span", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn overview(
    State(server): State<Arc<Server>>,
    uri: Uri,
) -> Result<Response, Problem> {
    shown(&server, Channel::Overview, &uri).await
}

/// Where answers come from, what the cache did, and its knobs.
#[utoipa::path(
    get, path = "/api/performance/caching", tag = "performance",
    params(("span" = Option<String>, Query, description = "Seconds, or a text like 5m or 1h; 300 if not said")),
    responses(
        (status = 200, description = "The caching page", body = Caching),
        (status = 422, description = "No such span", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn caching(
    State(server): State<Arc<Server>>,
    uri: Uri,
) -> Result<Response, Problem> {
    shown(&server, Channel::Caching, &uri).await
}

/// The managers of operations: what waits, what runs, how it ended.
#[utoipa::path(
    get, path = "/api/performance/operations", tag = "operations",
    params(("span" = Option<String>, Query, description = "Seconds, or a text like 5m or 1h; 300 if not said")),
    responses(
        (status = 200, description = "The managers", body = Managers),
        (status = 422, description = "No such span", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn operations(
    State(server): State<Arc<Server>>,
    uri: Uri,
) -> Result<Response, Problem> {
    shown(&server, Channel::Operations, &uri).await
}

async fn shown(server: &Server, channel: Channel, uri: &Uri) -> Result<Response, Problem> {
    let span = request::span(uri, Span::default())?;
    let data = server.live.snapshot(channel, span.seconds()).await.data();
    if data.as_ref() == b"null" {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no-snapshot",
            "The page cannot be computed",
        )
        .detail("computing it ended in a panic; the program's error output says more"));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], data).into_response())
}

/// What a channel shows, as JSON text.
pub(crate) fn compute(server: &Server, channel: Channel, span: Span) -> String {
    let scene = server.scene();
    let text = match channel {
        Channel::Overview => serde_json::to_string(&view::overview(&scene, span)),
        Channel::Caching => serde_json::to_string(&view::caching(&scene, span)),
        Channel::Operations => {
            serde_json::to_string(&view::managers(&scene, &server.managers, span))
        }
    };
    text.unwrap_or_else(|_| "null".to_owned())
}

/// Health, component by component: reason, since when, remedy.
#[utoipa::path(
    get, path = "/api/performance/health", tag = "performance",
    responses((status = 200, description = "The health, which is 200 whatever it is", body = HealthAnswer))
)]
pub(super) async fn health(State(server): State<Arc<Server>>) -> Json<HealthAnswer> {
    let scene = server.scene();
    Json(HealthAnswer {
        status: scene.health.status,
        summary: scene.health.summary,
        at: scene.at,
        components: scene.components,
    })
}

/// The server itself.
#[utoipa::path(
    get, path = "/api/performance/status", tag = "performance",
    responses((status = 200, description = "The status", body = Status))
)]
pub(super) async fn status(State(server): State<Arc<Server>>) -> Json<Status> {
    Json(server.status())
}

/// Every knob as it stands.
#[utoipa::path(
    get, path = "/api/performance/knobs", tag = "knobs",
    responses((status = 200, description = "The knobs", body = Knobs))
)]
pub(super) async fn knobs(State(server): State<Arc<Server>>) -> Json<Knobs> {
    Json(Knobs { knobs: server.knobs() })
}

/// The limits that were given at the start, with what remains of each.
#[utoipa::path(
    get, path = "/api/performance/budgets", tag = "performance",
    responses((status = 200, description = "The limits, worst first; none if none were given", body = Budgets))
)]
pub(super) async fn budgets(State(server): State<Arc<Server>>) -> Json<Budgets> {
    Json(Budgets { span_seconds: SPAN_SECONDS, budgets: server.budgets() })
}

/// Every event that is kept, newest first.
#[utoipa::path(
    get, path = "/api/performance/events", tag = "knobs",
    responses((status = 200, description = "The events", body = Events))
)]
pub(super) async fn events(State(server): State<Arc<Server>>) -> Json<Events> {
    Json(server.events())
}

/// Live snapshots over a WebSocket.
#[utoipa::path(
    get, path = "/api/performance/live", tag = "performance",
    description = "Speaks WebSocket. The server greets with {type: hello, version, epoch}; send \
                   {type: subscribe, channel: overview | caching, span: 300} and get {type: \
                   snapshot, channel, span, data} at once and again each second and with each \
                   event, where data is the answer of the GET of the same name. A slow client gets \
                   only the newest. At most 64 KiB a message and 10 messages a second.",
    responses(
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 403, description = "A page of another site", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "The request is no WebSocket handshake", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many connections", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn live(
    State(server): State<Arc<Server>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "no-websocket", "This path speaks WebSocket")
            .detail("connect with ws:// and version 13 of the protocol")
    })?;
    let Some(place) = server.live.enter() else {
        let most = server.live.most_connections();
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-connections",
            "Too many live connections",
        )
        .detail(format!("{most} are open, which is the most; close one or ask by GET")));
    };
    let live = Arc::clone(&server.live);
    let (epoch, stop) = (Arc::clone(&server.epoch), server.stop.clone());
    let sockets = server.sockets.clone();
    Ok(upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(LARGEST_OUTGOING)
        .max_message_size(LARGEST_INCOMING)
        .max_frame_size(LARGEST_INCOMING)
        .on_upgrade(move |socket| sockets.track_future(attend(socket, live, place, epoch, stop))))
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/live", tag = "probes",
    responses((status = 204, description = "It does"))
)]
pub(super) async fn alive() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Whether it takes requests: not while it stops, and not while a component is unhealthy.
#[utoipa::path(
    get, path = "/ready", tag = "probes",
    responses(
        (status = 204, description = "It does"),
        (status = 503, description = "It does not", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(State(server): State<Arc<Server>>) -> Result<StatusCode, Problem> {
    let why = if server.stop.is_cancelled() {
        "the server stops".to_owned()
    } else {
        let scene = server.scene();
        if scene.health.status != "unhealthy" {
            return Ok(StatusCode::NO_CONTENT);
        }
        scene.health.summary
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready").detail(why))
}

/// A socket that idles costs two of these.
const BUFFER: usize = 4 * 1024;
const LARGEST_INCOMING: usize = 64 * 1024;
const LARGEST_OUTGOING: usize = 8 * 1024 * 1024;
