//! Reading what a request says, with problems that name the value.

use crate::Problem;
use crate::view::Span;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::de::DeserializeOwned;

/// The `span` of a query, or the one that is shown without.
pub(super) fn span(uri: &Uri, without: Span) -> Result<Span, Problem> {
    let Some(said) = query(uri, "span") else {
        return Ok(without);
    };
    Span::parse(&said).map_err(|detail| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-span", "No such span")
            .detail(detail)
            .with("parameter", "span")
    })
}

/// One parameter of a query.
pub(super) fn query(uri: &Uri, name: &str) -> Option<String> {
    uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // No value of ours needs escaping; one that is escaped is refused with its name.
        (key == name).then(|| value.replace('+', " "))
    })
}

/// A body of JSON.
pub(super) async fn json<T: DeserializeOwned>(body: Body, wanted: &str) -> Result<T, Problem> {
    let bytes = to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large")
            .detail(format!("a body may have {LARGEST_BODY} bytes, and must arrive whole"))
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let start: String = String::from_utf8_lossy(&bytes).chars().take(80).collect();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-body", "The body cannot be read")
            .detail(format!("{error} in {start:?}: send {wanted}"))
    })
}

/// Whether somebody would rather have Prometheus text than JSON.
pub(super) fn prefers_text(headers: &HeaderMap) -> bool {
    let (mut text, mut json) = (0.0, (0_u8, 0.0));
    for item in headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let mut parts = item.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let q = parts
            .find_map(|part| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()))
            .unwrap_or(1.0);
        // The most particular range that names JSON counts for it.
        let particular = match kind.as_str() {
            "application/json" => 3,
            "application/*" => 2,
            "*/*" => 1,
            "text/plain" | "application/openmetrics-text" => {
                text = f32::max(text, q);
                0
            }
            _ => 0,
        };
        if particular > json.0 {
            json = (particular, q);
        }
    }
    text > json.1
}

/// RFC 9110 asks for no limit; a knob's value has a few dozen bytes.
const LARGEST_BODY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn scrapers_get_text_and_everybody_else_json() {
        for (accept, wanted) in [
            (
                "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                true,
            ),
            ("text/plain", true),
            ("text/plain, application/json", false),
            ("text/plain;q=0.9, application/json;q=0.1, */*", true),
            ("*/*", false),
            ("application/json", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("text/plain;q=nonsense, */*;q=0.1", true),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers_text(&headers), wanted, "{accept}");
        }
        assert!(!prefers_text(&HeaderMap::new()));
    }

    #[test]
    fn a_span_that_is_none_is_named() {
        let uri = Uri::from_static("/api?x=1&span=soon");
        let problem = span(&uri, Span::default()).unwrap_err();
        assert_eq!(problem.status(), 422);
        assert!(problem.to_json().contains("soon"));
        assert_eq!(span(&Uri::from_static("/api?span=1h"), Span::default()), Ok(Span::HOUR));
        assert_eq!(span(&Uri::from_static("/api"), Span::HOUR), Ok(Span::HOUR));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_or_no_json_is_refused() {
        let large = json::<u64>(Body::from(vec![b' '; LARGEST_BODY + 1]), "a number").await;
        assert_eq!(large.unwrap_err().status(), 413);
        let wrong = json::<u64>(Body::from("{\"value\":"), "a number").await.unwrap_err();
        assert_eq!(wrong.status(), 422);
        assert!(wrong.to_json().contains("send a number"));
    }
}
