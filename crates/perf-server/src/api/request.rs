//! Reading what a request says, with problems that name the value.

use crate::Problem;
use crate::view::Span;
use axum::body::{Body, to_bytes};
use http::{StatusCode, Uri};
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
fn query(uri: &Uri, name: &str) -> Option<String> {
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

/// RFC 9110 asks for no limit; a knob's value has a few dozen bytes.
const LARGEST_BODY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

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
