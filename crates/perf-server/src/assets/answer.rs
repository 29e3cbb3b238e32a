//! A file as an answer: coding, validator, and how long to keep it.

use super::{Asset, Assets, Kept};
use crate::Problem;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

impl Assets {
    /// The file with this path, which starts with `/assets/`.
    pub(crate) fn answer_file(&self, path: &str, request: &HeaderMap) -> Response {
        match self.find(path) {
            Some((asset, kept)) => asset.answer(kept, request),
            None => Problem::new(StatusCode::NOT_FOUND, "unknown-asset", "No such file")
                .detail(format!("the dashboard has no file {path:?}; reload its page"))
                .into_response(),
        }
    }

    /// The dashboard's page, which is the same for each of its views.
    pub(crate) fn answer_page(&self, request: &HeaderMap) -> Response {
        match self.page() {
            Some(page) => page.answer(Kept::AskAgain, request),
            None => Problem::new(StatusCode::NOT_FOUND, "no-dashboard", "No dashboard")
                .detail(
                    "this program was built without the dashboard's files; the numbers are under \
                     /api/performance/overview",
                )
                .into_response(),
        }
    }

    /// The icon that browsers ask for on their own: ours, or an answer that is no error.
    pub(crate) fn answer_icon(&self, request: &HeaderMap) -> Response {
        match self.find("/assets/favicon.ico").or_else(|| self.find("/assets/icon.svg")) {
            Some((asset, _)) => asset.answer(Kept::AskAgain, request),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

impl Asset {
    fn answer(&self, kept: Kept, request: &HeaderMap) -> Response {
        let packed = self.brotli.as_ref().filter(|_| takes_brotli(request));
        let tag = format!("\"{}{}\"", self.hash, if packed.is_some() { "-br" } else { "" });
        let fresh = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|known| known.trim().trim_start_matches("W/") == tag || known.trim() == "*");

        let mut response = if fresh {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(Body::from(packed.unwrap_or(&self.plain).clone()))
        };
        let headers = response.headers_mut();
        set(
            headers,
            header::CACHE_CONTROL,
            match kept {
                Kept::Forever => "public, max-age=31536000, immutable",
                Kept::AskAgain => "no-cache",
            },
        );
        set(headers, header::VARY, "accept-encoding");
        headers.insert(
            header::ETAG,
            HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes are visible"),
        );
        if !fresh {
            set(headers, header::CONTENT_TYPE, self.media_type);
            if packed.is_some() {
                set(headers, header::CONTENT_ENCODING, "br");
            }
        }
        response
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

fn takes_brotli(request: &HeaderMap) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("br"));
            let refused = parts.any(|part| {
                part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0))
            });
            named && !refused
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect()
    }

    fn long() -> Assets {
        Assets::of(&[("index.html", "<p>word</p>".repeat(100).as_bytes())])
    }

    #[test]
    fn brotli_only_for_those_who_take_it_and_with_its_own_tag() {
        let assets = long();
        let packed = assets.answer_page(&ask(&[(header::ACCEPT_ENCODING, "gzip, br")]));
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "br");
        let plain = assets.answer_page(&ask(&[(header::ACCEPT_ENCODING, "gzip, br;q=0")]));
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        assert_ne!(plain.headers()[header::ETAG], packed.headers()[header::ETAG]);
        assert_eq!(plain.headers()[header::VARY], "accept-encoding");
        assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn a_known_tag_is_answered_without_a_body() {
        let assets = long();
        let tag = assets.answer_page(&ask(&[])).headers()[header::ETAG].clone();
        let mut request = HeaderMap::new();
        request.insert(header::IF_NONE_MATCH, tag);
        let again = assets.answer_page(&request);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(again.headers().contains_key(header::ETAG));
        assert_eq!(again.headers()[header::VARY], "accept-encoding");
    }

    #[test]
    fn an_icon_is_never_an_error_for_the_console() {
        let none = Assets::of(&[]).answer_icon(&HeaderMap::new());
        assert_eq!(none.status(), StatusCode::NO_CONTENT);
    }
}
