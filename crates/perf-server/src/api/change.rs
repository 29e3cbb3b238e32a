//! Answers that change something: turning a knob, and undoing a turn.

use super::request;
use crate::Problem;
use crate::admin::Server;
use crate::view::knobs;
use crate::view::shapes::TurnAnswer;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use perf_core::{KnobError, Turn};
use perf_engine::{Event, TurnError};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// A turn that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnRequest {
    /// The value wanted: plain JSON, or a text such as "512MiB", "5s", "on".
    value: Value,
    /// The value that you believe the knob has; the turn fails if it no longer has. Null or left
    /// out turns it whatever it has.
    #[serde(default)]
    expect: Option<Value>,
    /// Who turns it, for the list of events.
    #[serde(default)]
    by: Option<String>,
}

/// Turns a knob.
#[utoipa::path(
    put, path = "/api/performance/knobs/{component}/{knob}", tag = "knobs",
    params(
        ("component" = String, Path, description = "The component, such as memory"),
        ("knob" = String, Path, description = "Its knob, such as capacity"),
    ),
    request_body = TurnRequest, security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "It is turned", body = TurnAnswer),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "A page of another site", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such knob; lists those there are", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It no longer has the expected value; says who turned it and what it has", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such value, or out of bounds; says what would do", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn turn(
    State(server): State<Arc<Server>>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TurnAnswer>, Problem> {
    let Path((component, name)) = path.map_err(unreadable)?;
    let all = server.optimizer.knobs();
    let Some(own) = all.iter().find(|own| own.component == component && own.knob.id == *name)
    else {
        let known: Vec<String> = all.iter().map(perf_engine::ComponentKnob::address).collect();
        return Err(unknown_knob(&component, &name, &known));
    };
    let wanted = "an object such as {\"value\": \"512MiB\"}";
    let asked: TurnRequest = request::json(body, wanted).await?;
    let read = |json: &Value, member: &str| {
        knobs::read(&own.knob, json).map_err(|detail| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-value", "No such value")
                .detail(format!("`{member}`: {detail}"))
                .with("knob", own.address())
                .with("bounds", knobs::bounds(&own.knob.bounds))
        })
    };
    let to = read(&asked.value, "value")?;
    let expect = match asked.expect.as_ref().filter(|expect| !expect.is_null()) {
        Some(expect) => Some(read(expect, "expect")?),
        None => None,
    };
    let turn = Turn { knob: own.knob.id.clone(), to, expect };
    let by = name_of(&server, &headers, asked.by.as_deref());
    let event = server.optimizer.turn(&component, turn, &by).map_err(|e| refused(&e))?;
    answer(&server, &event)
}

/// Sets a knob back to what it was before an event.
#[utoipa::path(
    post, path = "/api/performance/events/{id}/undo", tag = "knobs",
    params(("id" = u64, Path, description = "The event's number")),
    security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "It is undone, which is an event of its own", body = TurnAnswer),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such event", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was undone before, or the knob was turned since", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn undo(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<TurnAnswer>, Problem> {
    let Path(said) = path.map_err(unreadable)?;
    let id = said.parse().map_err(|_| {
        let said: String = said.chars().take(40).collect();
        unknown_event(format!("{said:?} is not the number of an event"))
    })?;
    let by = name_of(&server, &headers, None);
    let event = server.optimizer.undo(id, &by).map_err(|e| refused(&e))?;
    answer(&server, &event)
}

fn answer(server: &Server, event: &Event) -> Result<Json<TurnAnswer>, Problem> {
    let all = server.optimizer.knobs();
    let own = all
        .iter()
        .find(|own| own.component == event.component && own.knob.id == event.knob)
        .ok_or_else(|| {
            let known: Vec<String> = all.iter().map(perf_engine::ComponentKnob::address).collect();
            unknown_knob(&event.component, event.knob.as_str(), &known)
        })?;
    Ok(Json(TurnAnswer {
        event: crate::admin::event_row(event),
        knob: knobs::row(&own.component, &own.knob),
    }))
}

/// Who asks, as the list of events shows it.
pub(super) fn name_of(server: &Server, headers: &HeaderMap, said: Option<&str>) -> String {
    let said: String =
        said.unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    match said.trim() {
        "" if server.gate.session(headers).is_some() => "dashboard".to_owned(),
        "" => "api".to_owned(),
        said => said.to_owned(),
    }
}

fn refused(error: &TurnError) -> Problem {
    match error {
        TurnError::UnknownComponent { component, known } => unknown_knob(component, "", known),
        TurnError::Refused { component, refused: KnobError::Unknown { knob, known } } => {
            let known: Vec<String> = known.iter().map(|id| format!("{component}/{id}")).collect();
            unknown_knob(component, knob.as_str(), &known)
        }
        TurnError::Refused {
            component,
            refused: KnobError::OutOfBounds { knob, value, bounds },
        } => {
            let bounds = knobs::bounds(bounds);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "out-of-bounds", "Out of bounds")
                .detail(format!(
                    "{} is out of bounds for `{component}/{knob}`: use {bounds}",
                    knobs::display(value)
                ))
                .with("knob", format!("{component}/{knob}"))
                .with("bounds", bounds)
        }
        TurnError::Refused { .. } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused-value", "The value is refused")
                .detail(error.to_string())
        }
        TurnError::Conflict { component, knob, expected, actual, by } => {
            let who = by.as_ref().map(|event| event.by.as_str());
            Problem::new(StatusCode::CONFLICT, "lost-race", "Somebody else turned it")
                .detail(format!(
                    "`{component}/{knob}` is now {}, not {}: {} turned it; look at it again",
                    knobs::display(actual),
                    knobs::display(expected),
                    who.unwrap_or("the program itself")
                ))
                .with("knob", format!("{component}/{knob}"))
                .with("value", knobs::plain(actual))
                .with("display", knobs::display(actual))
                .with("turned_by", who.map_or(Value::Null, Value::from))
        }
        TurnError::UnknownEvent { .. } => unknown_event(error.to_string()),
        TurnError::AlreadyUndone { undo, .. } => {
            Problem::new(StatusCode::CONFLICT, "already-undone", "It was undone before")
                .detail(error.to_string())
                .with("undone_by", *undo)
        }
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "turn-failed", "The turn failed")
            .detail(error.to_string()),
    }
}

fn unknown_knob(component: &str, knob: &str, known: &[String]) -> Problem {
    let said: String = format!("{component}/{knob}").chars().take(120).collect();
    let there_are = match known {
        [] => "there are none".to_owned(),
        known => format!("there are: {}", known.join(", ")),
    };
    Problem::new(StatusCode::NOT_FOUND, "unknown-knob", "No such knob")
        .detail(format!("no knob `{said}`; {there_are}"))
        .with("known", known.to_vec())
}

fn unknown_event(detail: String) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-event", "No such event")
        .detail(format!("{detail}; those that are kept stand in /api/performance/events"))
}

fn unreadable(rejection: PathRejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-path", "The path cannot be read")
        .detail(rejection.body_text())
}

const LONGEST_NAME: usize = 80;
