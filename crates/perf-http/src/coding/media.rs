//! Which media types shrink.

use http::{HeaderMap, header};

/// Whether a body of this `Content-Type` is worth encoding: text and its relatives, but no event
/// stream, which has to arrive event by event.
pub(crate) fn is_compressible(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if is_stream(&essence) {
        return false;
    }
    essence.starts_with("text/")
        || ["+json", "+xml", "+text", "+yaml"].iter().any(|suffix| essence.ends_with(suffix))
        || SHRINKING.contains(&essence.as_str())
}

/// Whether a body never ends by itself and must go through as it comes.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = essence.and_then(|v| v.split(';').next()).unwrap_or_default();
    is_stream(&essence.trim().to_ascii_lowercase())
}

fn is_stream(essence: &str) -> bool {
    essence == "text/event-stream" || essence == "multipart/x-mixed-replace"
}

const SHRINKING: [&str; 20] = [
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/rtf",
    "application/toml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-httpd-php",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-tar",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
    "model/gltf-binary",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shrinks_and_pictures_do_not() {
        let cases = [
            ("text/html; charset=utf-8", true),
            ("Application/JSON", true),
            ("image/svg+xml", true),
            ("application/problem+json", true),
            ("application/wasm", true),
            ("image/png", false),
            ("font/woff2", false),
            ("application/zip", false),
            ("text/event-stream", false),
            ("", false),
        ];
        for (media, wanted) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, media.parse().unwrap());
            assert_eq!(is_compressible(&headers), wanted, "{media}");
        }
        assert!(!is_compressible(&HeaderMap::new()));
    }
}
