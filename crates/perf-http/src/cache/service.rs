//! The layer that answers from the cache: which way a request takes.

use super::answer::NeedsCoding;
use super::entry::Variant;
use super::fetch::{Brought, Trip, vary_number};
use super::key::{ResponseKey, with_key};
use super::meters::Outcome;
use super::near::Epoch;
use super::outer::{Found, Looked, Looking};
use super::pass::{Pass, only_if_cached};
use super::policy::{Asking, Use};
use super::status::{Forward, Note};
use super::{ResponseCache, Shared};
use crate::Coding;
use crate::body::{BoxError, RequestBody, ResponseBody};
use crate::coding::accepts;
use crate::hygiene::drop_named_by_connection;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header, request};
use http_body::Body;
use perf_core::Instant;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Wraps services in [`ResponseCacheService`].
#[derive(Clone, Debug)]
pub struct ResponseCacheLayer {
    cache: ResponseCache,
}

impl ResponseCacheLayer {
    /// A layer that answers from `cache`.
    #[must_use]
    pub fn new(cache: ResponseCache) -> ResponseCacheLayer {
        ResponseCacheLayer { cache }
    }
}

impl<S> Layer<S> for ResponseCacheLayer {
    type Service = ResponseCacheService<S>;

    fn layer(&self, inner: S) -> ResponseCacheService<S> {
        ResponseCacheService { inner, cache: self.cache.clone() }
    }
}

/// Answers from the cache, and fetches from the service inside what it does not have.
///
/// Always ready: the service inside is asked only when there is something to fetch.
#[derive(Clone, Debug)]
pub struct ResponseCacheService<S> {
    inner: S,
    cache: ResponseCache,
}

/// Which way a request takes.
enum Way {
    /// Answered out of the store.
    Serve { variant: Arc<Variant>, outcome: Outcome, note: Note, refresh: Option<Box<Ask>> },
    /// A tier beyond memory has to be waited for first.
    Look { key: ResponseKey, epoch: Epoch, looking: Looking },
    /// Fetched, stored if possible, and answered.
    Fetch(Box<Ask>),
    /// Sent on as it is.
    Pass { why: Forward, marked: Option<(ResponseKey, Asking)> },
    /// The client wants nothing that has to be fetched.
    OnlyIfCached,
}

/// What is known of the tiers beyond memory, where that has nothing.
enum Beyond {
    /// They have not been asked.
    Unasked,
    /// They have been waited for, and had this.
    Looked(Option<Found>),
}

/// What a fetch needs beside the request.
struct Ask {
    key: ResponseKey,
    asking: Asking,
    why: Forward,
    stale: Option<Arc<Variant>>,
    vary_number: u64,
}

impl Shared {
    fn way(&self, parts: &request::Parts, bodiless: bool, now: Instant, beyond: Beyond) -> Way {
        let pass = |why| Way::Pass { why, marked: None };
        if !self.settings.enabled() {
            return pass(Forward::Bypass);
        }
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return pass(Forward::Method);
        }
        let asking = Asking::of(&parts.headers, &self.policy());
        if !bodiless || asking.directives.no_store || parts.headers.contains_key(header::UPGRADE) {
            return pass(Forward::Bypass);
        }
        with_key(parts, |key| match key {
            Some(key) => self.way_of_key(key, parts, asking, (now, beyond)),
            None => pass(Forward::Bypass),
        })
    }

    fn way_of_key(
        &self,
        key: &str,
        parts: &request::Parts,
        asking: Asking,
        (now, beyond): (Instant, Beyond),
    ) -> Way {
        let request = &parts.headers;
        let mut stored = self.store.get(key);
        let found = match beyond {
            Beyond::Looked(found) => found,
            Beyond::Unasked if stored.is_none() => match self.store.look_beyond(key) {
                Some((_, _, Looked::Known(found))) => found,
                Some((key, epoch, Looked::Later(looking))) => {
                    return Way::Look { key, epoch, looking };
                }
                None => None,
            },
            Beyond::Unasked => None,
        };
        let fresh = match &found {
            Some(found) => (found.place.into(), Note::HitBeyond(found.place)),
            None => (Outcome::Hit, Note::Hit),
        };
        stored = stored.or(found.map(|found| found.stored));
        let selected = stored.as_ref().and_then(|stored| stored.select(request));
        let ask = |asking: Asking, why, stale: Option<&Arc<Variant>>| Ask {
            key: ResponseKey::new(key),
            asking,
            why,
            stale: stale.cloned(),
            vary_number: vary_number(stored.as_ref(), request),
        };
        let mut why = if stored.is_some() { Forward::VaryMiss } else { Forward::Miss };
        let mut stale = None;
        if let Some(variant) = selected {
            if variant.own_coding && !reads(request, variant) {
                return Way::Pass { why: Forward::Bypass, marked: None };
            }
            if variant.freshness.serves(&asking) {
                let variant = Arc::clone(variant);
                let serve = |outcome, refresh| Way::Serve {
                    variant: Arc::clone(&variant),
                    outcome,
                    note: fresh.1,
                    refresh,
                };
                match variant.freshness.use_at(variant.age(now), &asking) {
                    Use::Fresh => return serve(fresh.0, None),
                    Use::Stale => return serve(Outcome::Stale, None),
                    Use::StaleWhileRevalidate => {
                        let refresh = ask(asking, Forward::Stale, Some(&variant));
                        return serve(Outcome::Stale, Some(Box::new(refresh)));
                    }
                    Use::AskedToValidate => why = Forward::Request,
                    Use::Expired => why = Forward::Stale,
                }
                stale = Some(variant);
            } else {
                why = Forward::Bypass;
            }
        }
        if asking.directives.only_if_cached {
            return Way::OnlyIfCached;
        }
        let whole = parts.method == Method::GET
            && (stale.is_some() || !request.contains_key(header::RANGE));
        if !whole {
            return Way::Pass { why, marked: None };
        }
        if stale.is_none() && self.store.passes.has(key, asking.class(), now) {
            return Way::Pass { why, marked: Some((ResponseKey::new(key), asking)) };
        }
        Way::Fetch(Box::new(ask(asking, why, stale.as_ref())))
    }
}

/// Whether a client can read what the origin has encoded itself.
fn reads(request: &HeaderMap, variant: &Variant) -> bool {
    let own = variant.headers.get(header::CONTENT_ENCODING);
    own.and_then(|name| Coding::from_name(name.as_bytes()))
        .is_none_or(|coding| accepts(request, coding))
}

impl Ask {
    fn trip(self, shared: Arc<Shared>, parts: request::Parts, start: Instant) -> Trip {
        let Ask { key, asking, why, stale, vary_number } = self;
        Trip { shared, parts, key, asking, why, stale, vary_number, start }
    }
}

impl<S, B, R> Service<Request<B>> for ResponseCacheService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<R, S::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<R, S::Error> {
        let shared = &self.cache.shared;
        let start = shared.clock.now();
        let (mut parts, body) = request.into_parts();
        drop_named_by_connection(&mut parts.headers);
        let way = shared.way(&parts, body.is_end_stream(), start, Beyond::Unasked);
        self.go(way, parts, body, start)
    }
}

impl<S> ResponseCacheService<S> {
    fn go<B, R>(
        &self,
        way: Way,
        parts: request::Parts,
        body: B,
        start: Instant,
    ) -> ResponseFuture<R, S::Error>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        B: Body + Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let shared = &self.cache.shared;
        match way {
            Way::Serve { variant, outcome, note, refresh: None } => {
                serve(shared, variant, parts, (outcome, note), start)
            }
            Way::Look { key, epoch, looking } => {
                let (service, shared) = (self.clone(), Arc::clone(shared));
                ResponseFuture::later(async move {
                    let found = looking.await;
                    if let Some(found) = &found {
                        shared.store.near.promote(&key, epoch, found.stored.clone());
                    }
                    let now = shared.clock.now();
                    let way = shared.way(&parts, body.is_end_stream(), now, Beyond::Looked(found));
                    let answer = service.go(way, parts, body, start);
                    answer.await
                })
            }
            Way::Serve { variant, outcome, note, refresh: Some(ask) } => {
                let trip = ask.trip(Arc::clone(shared), parts.clone(), start);
                match refresh(trip, self.inner.clone()) {
                    // The one who asks does the work, where nobody else can.
                    Some(trip) => ResponseFuture::later(trip.run(self.inner.clone())),
                    None => serve(shared, variant, parts, (outcome, note), start),
                }
            }
            Way::Fetch(ask) => {
                let trip = ask.trip(Arc::clone(shared), parts, start);
                ResponseFuture::later(trip.run(self.inner.clone()))
            }
            Way::Pass { why, marked } => {
                let pass = Pass { parts, body, note: Note::forwarded(why), start, marked };
                ResponseFuture::later(Arc::clone(shared).pass(self.inner.clone(), pass))
            }
            Way::OnlyIfCached => {
                shared.answered(Outcome::Miss, start);
                ResponseFuture::ready(Ok(only_if_cached(&shared.name)))
            }
        }
    }
}

fn serve<R, E>(
    shared: &Arc<Shared>,
    variant: Arc<Variant>,
    parts: request::Parts,
    (outcome, note): (Outcome, Note),
    start: Instant,
) -> ResponseFuture<R, E>
where
    R: Send + 'static,
    E: Send + 'static,
{
    match shared.answer(&variant, &parts.method, &parts.headers, note, start) {
        Ok(response) => {
            shared.answered(outcome, start);
            ResponseFuture::ready(Ok(response))
        }
        Err(NeedsCoding(_)) => {
            let shared = Arc::clone(shared);
            let key = with_key(&parts, |key| ResponseKey::new(key.unwrap_or_default()));
            let ask = Ask {
                key,
                asking: Asking::default(),
                why: Forward::Miss,
                stale: None,
                vary_number: 0,
            };
            let trip = ask.trip(shared, parts, start);
            ResponseFuture::later(async move { Ok(trip.serve(variant, outcome, note).await) })
        }
    }
}

/// In the extensions of a request that the cache makes of the inner service for itself, after its
/// client was answered from what is stale: nobody waits for it, so the inner service may let others
/// go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Background;

/// Fetches anew in the background, once for all who are served stale meanwhile. Gives the trip
/// back where there is no runtime to do so.
fn refresh<S, B, R>(mut trip: Trip, inner: S) -> Option<Trip>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Some(trip) };
    if let Some(flight) = trip.lead() {
        trip.parts.extensions.insert(Background);
        runtime.spawn(async move {
            // The store has what there is to keep; a failure shows in the next request's age.
            drop::<Result<Brought<R>, S::Error>>(trip.fetch(inner, Some(flight)).await);
        });
    }
    None
}

/// The answer of a [`ResponseCacheService`]: ready at once on a hit.
pub struct ResponseFuture<R, E> {
    state: State<R, E>,
}

type Answer<R, E> = Result<Response<ResponseBody<R>>, E>;

enum State<R, E> {
    Ready(Option<Answer<R, E>>),
    Later(Pin<Box<dyn Future<Output = Answer<R, E>> + Send>>),
}

// Nothing in it is pinned in place: what waits is boxed.
impl<R, E> Unpin for ResponseFuture<R, E> {}

impl<R, E> ResponseFuture<R, E> {
    fn ready(answer: Answer<R, E>) -> ResponseFuture<R, E> {
        ResponseFuture { state: State::Ready(Some(answer)) }
    }

    fn later(answer: impl Future<Output = Answer<R, E>> + Send + 'static) -> ResponseFuture<R, E> {
        ResponseFuture { state: State::Later(Box::pin(answer)) }
    }
}

impl<R, E> Future for ResponseFuture<R, E> {
    type Output = Answer<R, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<R, E>> {
        match &mut self.state {
            State::Ready(answer) => {
                Poll::Ready(answer.take().expect("polled again after it was ready"))
            }
            State::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<R, E> fmt::Debug for ResponseFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
