//! An origin in memory behind a response cache, with a clock that only tests turn.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use perf_core::{Clock, ManualClock, Observe, Reading};
use perf_http::{
    BodyError, RequestBody, ResponseCache, ResponseCacheBuilder, ResponseCacheService,
};
use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};

pub(crate) type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, TestError>;
pub(crate) type Reply = Result<Response<TestBody>, TestError>;
/// Why an origin fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestError(pub(crate) &'static str);

impl std::fmt::Display for TestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TestError {}

type Handler = dyn Fn(&http::request::Parts, usize) -> Reply + Send + Sync;

/// Answers from a closure, counts its calls and keeps the heads it has seen. With a gate it waits
/// for a permit before each answer to a GET.
#[derive(Clone)]
pub(crate) struct Origin {
    handler: Arc<Handler>,
    seen: Arc<Mutex<Vec<http::request::Parts>>>,
    gate: Option<Arc<Semaphore>>,
}

impl Service<Request<RequestBody<Full<Bytes>>>> for Origin {
    type Response = Response<TestBody>;
    type Error = TestError;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TestError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<Full<Bytes>>>) -> Self::Future {
        let origin = self.clone();
        let (parts, _) = request.into_parts();
        let call = {
            let mut seen = origin.seen.lock().unwrap();
            seen.push(parts.clone());
            seen.len()
        };
        Box::pin(async move {
            if let Some(gate) = &origin.gate
                && parts.method == http::Method::GET
            {
                gate.acquire().await.unwrap().forget();
            }
            (origin.handler)(&parts, call)
        })
    }
}

/// A cache in front of an origin.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) cache: ResponseCache,
    pub(crate) hand: ManualClock,
    pub(crate) origin: Origin,
    pub(crate) gate: Arc<Semaphore>,
}

impl Site {
    /// A site whose origin answers from `handler`, which gets the head and the number of the call.
    pub(crate) fn new(
        handler: impl Fn(&http::request::Parts, usize) -> Reply + Send + Sync + 'static,
    ) -> Site {
        Site::built(|builder| builder, handler)
    }

    pub(crate) fn built(
        with: impl FnOnce(ResponseCacheBuilder) -> ResponseCacheBuilder,
        handler: impl Fn(&http::request::Parts, usize) -> Reply + Send + Sync + 'static,
    ) -> Site {
        Site::at(Clock::manual(), with, handler)
    }

    /// A site on a clock that others are on too.
    pub(crate) fn at(
        (clock, hand): (Clock, ManualClock),
        with: impl FnOnce(ResponseCacheBuilder) -> ResponseCacheBuilder,
        handler: impl Fn(&http::request::Parts, usize) -> Reply + Send + Sync + 'static,
    ) -> Site {
        let cache = with(ResponseCache::builder().clock(clock)).build().unwrap();
        let seen = Arc::default();
        let origin = Origin { handler: Arc::new(handler), seen, gate: None };
        Site { cache, hand, origin, gate: Arc::new(Semaphore::new(0)) }
    }

    /// The same site, whose origin waits for a permit of the gate before each answer to a GET.
    pub(crate) fn gated(mut self) -> Site {
        self.origin.gate = Some(Arc::clone(&self.gate));
        self
    }

    pub(crate) fn service(&self) -> ResponseCacheService<Origin> {
        tower::Layer::layer(&self.cache.layer(), self.origin.clone())
    }

    pub(crate) fn calls(&self) -> usize {
        self.origin.seen.lock().unwrap().len()
    }

    pub(crate) fn seen(&self, call: usize) -> http::request::Parts {
        self.origin.seen.lock().unwrap()[call - 1].clone()
    }

    pub(crate) fn later(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn get(&self, path: &str) -> impl Future<Output = Answer> + Send + use<> {
        self.ask("GET", path, &[])
    }

    pub(crate) fn get_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> impl Future<Output = Answer> + Send + use<> {
        self.ask("GET", path, fields)
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> impl Future<Output = Answer> + Send + use<> {
        let answer = self.try_ask(method, path, fields);
        async move { answer.await.unwrap() }
    }

    pub(crate) fn try_ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> impl Future<Output = Result<Answer, TestError>> + Send + use<> {
        let mut request = Request::builder().method(method).uri(path).header("host", "h");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).unwrap();
        let service = self.service();
        async move { Ok(Answer::read(service.oneshot(request).await?).await) }
    }

    /// A counter of the response cache, with the label that tells its series apart.
    pub(crate) fn count(&self, name: &str, label: &str) -> u64 {
        let mut found = 0;
        self.cache.observe(&mut |signal| {
            let labelled = label.is_empty() || signal.labels.iter().any(|(_, v)| *v == label);
            if let (true, Reading::Counter(n)) = (signal.name == name && labelled, signal.reading) {
                found += n;
            }
        });
        found
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The error is what cut it.
    pub(crate) body: Result<Bytes, String>,
}

impl Answer {
    pub(crate) async fn read<B>(response: Response<B>) -> Answer
    where
        B: Body<Data = Bytes, Error = BodyError>,
    {
        let (head, body) = response.into_parts();
        let body = body.collect().await;
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.map(|b| b.to_bytes()).map_err(|e| match e.source() {
                Some(source) => source.to_string(),
                None => e.to_string(),
            }),
        }
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_ref().unwrap()).unwrap()
    }

    /// What `Cache-Status` says, without the name.
    pub(crate) fn cache(&self) -> &str {
        self.field("cache-status").trim_start_matches("perfkit; ")
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.cache().starts_with("hit")
    }
}

/// An answer of an origin: 200 with these fields.
pub(crate) fn reply(fields: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    reply_with(200, fields, body)
}

pub(crate) fn reply_with(status: u16, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    Ok(response.body(body).unwrap())
}

pub(crate) fn bodiless(status: u16, fields: &[(&str, &str)]) -> Reply {
    let response = reply_with(status, fields, "")?;
    Ok(response.map(|_| Empty::new().map_err(|never| match never {}).boxed_unsync()))
}

/// An answer whose body comes in pieces of unknown number.
pub(crate) fn stream(
    fields: &[(&str, &str)],
    pieces: Vec<Result<&'static str, TestError>>,
) -> Reply {
    let frames: VecDeque<_> = pieces
        .into_iter()
        .map(|piece| piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))))
        .collect();
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Ok(reply(fields, "")?.map(|_| body.boxed_unsync()))
}

/// Text that shrinks when encoded.
pub(crate) fn long_text() -> String {
    "All work and no play makes perfkit a dull cache. ".repeat(100)
}

pub(crate) const FRESH: (&str, &str) = ("cache-control", "max-age=60");
pub(crate) const TEXT: (&str, &str) = ("content-type", "text/plain");
