//! Answers that go through without being stored.

use super::Shared;
use super::answer::off_the_runtime;
use super::collect::{Collected, Why, announced, collect};
use super::directives::ResponseDirectives;
use super::entry::{CACHE_STATUS, drop_digests, vary_on_encoding};
use super::etag::EntityTags;
use super::key::{ResponseKey, same_host, with_key};
use super::meters::Outcome;
use super::policy::{Asking, Fetched, may_store};
use super::status::Note;
use crate::Coding;
use crate::body::{BoxError, RequestBody, ResponseBody, Tap};
use crate::coding::{choose, encode, is_compressible};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http::{request, response};
use http_body::Body;
use perf_core::Instant;
use std::sync::Arc;
use tower_service::Service;

/// A request that is not answered from the store, and is sent on as it came.
pub(crate) struct Pass<B> {
    pub(crate) parts: request::Parts,
    pub(crate) body: B,
    pub(crate) note: Note,
    pub(crate) start: Instant,
    /// Where to take back a mark that this URL is not worth storing, if it turns out to be.
    pub(crate) marked: Option<(ResponseKey, Asking)>,
}

impl Shared {
    pub(crate) async fn pass<S, B, R>(
        self: Arc<Shared>,
        mut inner: S,
        pass: Pass<B>,
    ) -> Result<Response<ResponseBody<R>>, S::Error>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let Pass { parts, body, note, start, marked } = pass;
        let mut request = Request::from_parts(parts.clone(), RequestBody::new(body));
        let changes = !is_safe(&parts.method);
        if changes {
            self.translate_tags(&parts, request.headers_mut());
        }
        std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
        let sent = self.clock.now();
        let unheard = changes
            .then(|| Unheard { shared: Arc::clone(&self), keys: ended_by::<R>(&parts, None) });
        let answer = inner.call(request).await;
        if let Some(unheard) = unheard {
            let keys = ended_by(&parts, answer.as_ref().ok());
            unheard.end();
            self.invalidate_after(keys).await;
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                self.answered(Outcome::Error, start);
                return Err(error);
            }
        };
        let failed = response.status().is_server_error();
        let (head, body) = response.into_parts();
        if let Some((key, asking)) = marked {
            let received = self.clock.now();
            let fetched = Fetched { at: self.clock.wall(), delay: received - sent, received };
            match may_store(&parts, &asking, &head, fetched, &self.policy()) {
                Ok(_) if body.size_hint().exact().is_none() => {
                    // It may have been too slow or too large, which shows at its end only; the
                    // mark ends by itself.
                }
                Ok(_) => self.store.passes.unset(key.as_str(), asking.class()),
                Err(reason) => {
                    self.meters.refused(reason);
                    self.pass_by(&key, &asking);
                }
            }
        }
        let response = self.through(&parts, head, body, note).await;
        self.answered(if failed { Outcome::Error } else { Outcome::Bypass }, start);
        Ok(response)
    }

    /// An answer on its way through: encoded if it is small and has no coding yet.
    pub(crate) async fn through<R>(
        self: &Arc<Shared>,
        request: &request::Parts,
        mut head: response::Parts,
        body: R,
        note: Note,
    ) -> Response<ResponseBody<R>>
    where
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        head.headers.append(CACHE_STATUS, note.value(None, &self.name, None));
        let offer = self.may_encode(request, &head, &body);
        if !offer {
            return Response::from_parts(head, self.tapped(body));
        }
        vary_on_encoding(&mut head.headers);
        let Some(coding) = choose(&request.headers, &self.codings) else {
            return Response::from_parts(head, self.tapped(body));
        };
        match collect(body, MAX_PASSING, announced(&head.headers)).await {
            Collected::Whole(identity) => {
                let bytes = self.encode_passing(identity, coding, &mut head.headers).await;
                Response::from_parts(head, ResponseBody::full(bytes))
            }
            Collected::Part(part) => {
                let cut = match part.why {
                    Why::Cut(error) => Some(error),
                    Why::TooLarge | Why::TooSlow | Why::Trailers => None,
                };
                let body = ResponseBody::replay(part.read, part.rest, cut, Some(self.tap()));
                Response::from_parts(head, body)
            }
        }
    }

    /// Counts the bytes of an answer that goes through as they pass.
    pub(crate) fn tap(self: &Arc<Shared>) -> Tap {
        let shared = Arc::clone(self);
        Box::new(move |length| {
            let length = length as u64;
            shared.meters.origin_bytes.add(length);
            shared.meters.bytes_identity.add(length);
            shared.meters.bytes_sent.add(length);
        })
    }

    fn tapped<R>(self: &Arc<Shared>, body: R) -> ResponseBody<R> {
        ResponseBody::replay(Default::default(), Some(Box::pin(body)), None, Some(self.tap()))
    }

    async fn encode_passing(
        &self,
        identity: Bytes,
        coding: Coding,
        headers: &mut HeaderMap,
    ) -> Bytes {
        let levels = self.settings.levels(self.zstd_level, self.gzip_level);
        let length = identity.len() as u64;
        self.meters.origin_bytes.add(length);
        self.meters.bytes_identity.add(length);
        let work = move |bytes: &[u8]| encode(bytes, coding, levels);
        let bytes = match off_the_runtime(identity.clone(), work).await {
            Some(coded) => {
                self.meters.encoded(coding);
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(coded.len()));
                headers.remove(header::ACCEPT_RANGES);
                weaken_tag(headers);
                drop_digests(headers);
                coded
            }
            None => identity,
        };
        self.meters.bytes_sent.add(bytes.len() as u64);
        bytes
    }

    fn may_encode<R: Body>(
        &self,
        request: &request::Parts,
        head: &response::Parts,
        body: &R,
    ) -> bool {
        let fits =
            (self.min_encoded..=MAX_PASSING).contains(&body.size_hint().exact().unwrap_or(0));
        fits && self.settings.enabled()
            && request.method != Method::HEAD
            && !self.codings.is_empty()
            && !matches!(head.status.as_u16(), 100..=199 | 204 | 205 | 206 | 304)
            && !head.headers.contains_key(header::CONTENT_ENCODING)
            && !head.headers.contains_key(header::CONTENT_RANGE)
            && is_compressible(&head.headers)
            && !ResponseDirectives::of(&head.headers).no_transform
    }

    /// Requests of this class for the URL need not wait for one another for a while.
    pub(crate) fn pass_by(&self, key: &ResponseKey, asking: &Asking) {
        self.store.passes.set(key.as_str(), asking.class(), self.clock.coarse());
    }

    async fn invalidate_after(self: &Arc<Shared>, keys: Vec<ResponseKey>) {
        self.wait_for_tiers(move |shared| {
            for key in &keys {
                // What a tier could not be told is counted; the client's change was made.
                let _ = shared.invalidate(key);
            }
        })
        .await;
    }

    /// A client that changes what it has read names our tag; the origin knows only its own.
    fn translate_tags(&self, parts: &request::Parts, headers: &mut HeaderMap) {
        for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
            let Some(condition) = headers.get(&name) else { continue };
            let stored = with_key(parts, |key| self.store.get(key?));
            let Some(variant) = stored.as_ref().and_then(|s| s.select(&parts.headers)) else {
                continue;
            };
            let ours = EntityTags::of(condition).any(|tag| variant.validators.tag.names(tag));
            if let (true, Some(origin)) = (ours, &variant.validators.origin_tag) {
                headers.insert(name, origin.clone());
            }
        }
    }
}

/// A request that may change something, until there is an answer. If nobody waits for that any more,
/// such as a client that has gone, it may have changed it as well.
struct Unheard {
    shared: Arc<Shared>,
    keys: Vec<ResponseKey>,
}

impl Unheard {
    /// There is an answer.
    fn end(mut self) {
        self.keys.clear();
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            self.shared.invalidate_aside(key);
        }
    }
}

/// RFC 9111 section 4.4: what changes a URL ends what is stored for it, and for those that the
/// answer names on the same host. Without an answer it may have changed as well, and 502 and
/// 504 say no more than that.
fn ended_by<R>(request: &request::Parts, response: Option<&Response<R>>) -> Vec<ResponseKey> {
    let unchanged = |status: StatusCode| {
        (status.is_client_error() || status.is_server_error())
            && !matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
    };
    if response.is_some_and(|response| unchanged(response.status())) {
        return Vec::new();
    }
    let mut keys: Vec<ResponseKey> = Vec::new();
    with_key(request, |key| keys.extend(key.map(ResponseKey::new)));
    if let Some(response) = response {
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let named = response.headers().get(name);
            keys.extend(named.and_then(|location| same_host(request, location)));
        }
    }
    keys
}

fn weaken_tag(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG) else { return };
    if tag.as_bytes().starts_with(b"W/") {
        return;
    }
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        Ok(weak) => headers.insert(header::ETAG, weak),
        Err(_) => headers.remove(header::ETAG),
    };
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
        || method.as_str() == "QUERY"
}

/// Answers larger than this are not held back to be encoded for one client.
const MAX_PASSING: u64 = 1 << 20;

/// A status that a cache makes itself.
pub(crate) fn only_if_cached<R>(name: &str) -> Response<ResponseBody<R>> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    let status = format!("{name}; detail=only-if-cached");
    if let Ok(status) = HeaderValue::try_from(status) {
        response.headers_mut().insert(CACHE_STATUS, status);
    }
    response
}
