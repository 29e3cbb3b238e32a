//! Errors as problem documents (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

/// What went wrong, for people and for programs: the body of every answer that is an error.
///
/// `kind` is a short name that programs may rely on; `detail` names the value and the remedy.
///
/// ```
/// use perf_server::Problem;
/// let problem = Problem::new(http::StatusCode::NOT_FOUND, "unknown-knob", "no such knob")
///     .detail("no knob `memory/colour`; there is `memory/capacity`");
/// let document = serde_json::to_value(&problem).unwrap();
/// assert_eq!(document["type"], "urn:perfkit:problem:unknown-knob");
/// assert_eq!(document["status"], 404);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// A name for this kind of problem, as a URN.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in a few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened this time, with the value and the remedy.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// More members, by kind.
    #[serde(flatten)]
    #[schema(ignore)]
    more: Map<String, Value>,
}

impl Problem {
    /// A problem with its status, the last part of its URN, and its title.
    #[must_use]
    pub fn new(status: StatusCode, kind: &str, title: &'static str) -> Problem {
        Problem {
            kind: format!("urn:perfkit:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: String::new(),
            more: Map::new(),
        }
    }

    /// The same problem with what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = detail.into();
        self
    }

    /// The same problem with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The document as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| format!("{{\"status\":{}}}", self.status))
    }
}

/// The media type of a problem document.
pub(crate) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, MEDIA_TYPE),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (self.status(), headers, self.to_json()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_members_stand_beside_the_standard_ones() {
        let problem = Problem::new(StatusCode::CONFLICT, "lost-race", "lost")
            .detail("somebody else")
            .with("actual", 5);
        let document: Value = serde_json::from_str(&problem.to_json()).unwrap();
        assert_eq!(document["actual"], 5);
        assert_eq!(document["detail"], "somebody else");
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
