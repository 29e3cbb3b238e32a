//! Fetching what is missing or too old, storing it, and answering with it.

use super::Shared;
use super::answer::NeedsCoding;
use super::collect::{Collected, Part, Why, announced, collect};
use super::entry::{Representation, StoredResponse, Variant};
use super::etag::EntityTag;
use super::flight::{Flight, FlightKey, Joined, Landing, Waited, wait};
use super::key::ResponseKey;
use super::meters::Outcome;
use super::near::Epoch;
use super::policy::{Asking, Fetched, NotStored, Use, may_store};
use super::status::{Forward, Note};
use crate::body::{BoxError, RequestBody, ResponseBody};
use crate::hygiene::strip_hop_by_hop;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http::{request, response};
use http_body::Body;
use perf_core::Instant;
use std::sync::Arc;
use tower_service::Service;

/// A GET whose answer has to be fetched.
#[derive(Clone)]
pub(crate) struct Trip {
    pub(crate) shared: Arc<Shared>,
    pub(crate) parts: request::Parts,
    pub(crate) key: ResponseKey,
    pub(crate) asking: Asking,
    pub(crate) why: Forward,
    /// What there is, to ask the origin about and to fall back on.
    pub(crate) stale: Option<Arc<Variant>>,
    /// What tells this request apart from others for the same URL, as far as that is known.
    pub(crate) vary_number: u64,
    pub(crate) start: Instant,
}

/// What a fetch brought.
pub(crate) enum Brought<R> {
    /// Something to answer from.
    Variant(Arc<Variant>, Outcome, Note),
    /// An answer for this client only.
    Through(Response<ResponseBody<R>>, Outcome),
}

type Answer<R, E> = Result<Response<ResponseBody<R>>, E>;

impl Trip {
    /// Fetches, or waits for somebody who does.
    pub(crate) async fn run<S, B, R>(mut self, inner: S) -> Answer<R, S::Error>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let mut flight = None;
        if self.may_wait() {
            for _ in 0..MAX_WAITS {
                let waiting = match self.shared.flights.join(self.flight_key()) {
                    Joined::Lead(lead) => {
                        // Somebody may have landed since this request looked.
                        if self.shared.store.near.contains(&self.key)
                            && self.look_again() == Some(Use::Fresh)
                        {
                            lead.land(Landing::Stored);
                            return Ok(self.collapsed().await);
                        }
                        flight = Some(lead);
                        break;
                    }
                    Joined::Alone => {
                        self.shared.meters.uncollapsed.increment();
                        break;
                    }
                    Joined::Follow(landing) => landing,
                };
                match wait(waiting, self.shared.wait).await {
                    Waited::Landed(Landing::Stored) => {
                        let used = self.look_again();
                        if matches!(used, Some(Use::Fresh | Use::Stale | Use::StaleWhileRevalidate))
                        {
                            return Ok(self.collapsed().await);
                        }
                    }
                    Waited::Landed(Landing::Failed) => {
                        if let Some(stale) = self.covering_error() {
                            self.shared.meters.collapsed.increment();
                            let note = Note::collapsed(self.why);
                            return Ok(self.serve(stale, Outcome::Stale, note).await);
                        }
                        break;
                    }
                    Waited::Landed(Landing::NotStored) | Waited::TooLong => break,
                    Waited::Abandoned => {}
                }
            }
        }
        self.fetch_and_answer(inner, flight).await
    }

    async fn fetch_and_answer<S, B, R>(
        self,
        inner: S,
        flight: Option<Flight>,
    ) -> Answer<R, S::Error>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        match self.fetch(inner, flight).await {
            Ok(Brought::Variant(variant, outcome, note)) => {
                Ok(self.serve(variant, outcome, note).await)
            }
            Ok(Brought::Through(response, outcome)) => {
                self.shared.answered(outcome, self.start);
                Ok(response)
            }
            Err(error) => {
                self.shared.answered(Outcome::Error, self.start);
                Err(error)
            }
        }
    }

    /// Fetches without answering anybody, unless somebody fetches already.
    pub(crate) fn lead(&self) -> Option<Flight> {
        match self.shared.flights.join(self.flight_key()) {
            Joined::Lead(flight) => Some(flight),
            Joined::Follow(_) | Joined::Alone => None,
        }
    }

    /// Asks the origin and stores what may be stored.
    pub(crate) async fn fetch<S, B, R>(
        &self,
        mut inner: S,
        flight: Option<Flight>,
    ) -> Result<Brought<R>, S::Error>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let shared = &self.shared;
        let epoch = shared.store.near.epoch(&self.key);
        let mut asked = self.stale.as_ref().filter(|stale| stale.can_validate());
        loop {
            let request = self.origin_request(asked);
            let sent = shared.clock.now();
            let answer = match std::future::poll_fn(|cx| inner.poll_ready(cx)).await {
                Ok(()) => inner.call(request).await,
                Err(error) => Err(error),
            };
            let received = shared.clock.now();
            let fetched = Fetched { at: shared.clock.wall(), delay: received - sent, received };
            let failed = match &answer {
                Ok(response) => matches!(response.status().as_u16(), 500 | 502 | 503 | 504),
                Err(_) => true,
            };
            if failed && let Some(stale) = self.covering_error() {
                let origin = answer.as_ref().ok().map(|response| response.status().as_u16());
                land(flight, Landing::Failed);
                return Ok(Brought::Variant(stale, Outcome::Stale, self.note(origin, false)));
            }
            let (head, body) = match answer {
                Ok(response) => response.into_parts(),
                Err(error) => {
                    land(flight, Landing::Failed);
                    return Err(error);
                }
            };
            if head.status == StatusCode::NOT_MODIFIED
                && let Some(stale) = asked
            {
                if still_the_same(stale, &head.headers) {
                    return Ok(self.merge(stale, head, fetched, epoch, flight));
                }
                // It speaks of something else than what is stored: ask again without conditions.
                asked = None;
                continue;
            }
            return Ok(self.take(head, body, fetched, epoch, flight).await);
        }
    }

    /// An answer with a body: stored if it may be and is whole.
    async fn take<R>(
        &self,
        mut head: response::Parts,
        body: R,
        fetched: Fetched,
        epoch: Epoch,
        flight: Option<Flight>,
    ) -> Brought<R>
    where
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let shared = &self.shared;
        let max = shared.settings.max_object().as_u64();
        strip_hop_by_hop(&mut head.headers);
        let judged = may_store(&self.parts, &self.asking, &head, fetched, &shared.policy());
        let freshness = match judged {
            Ok(_) if body.size_hint().lower() > max => Err(NotStored::TooLarge),
            other => other,
        };
        let freshness = match freshness {
            Ok(freshness) => freshness,
            Err(reason) => {
                self.refused(reason, flight);
                let outcome = outcome_of(head.status);
                let note = Note::forwarded(self.why);
                let response = shared.through(&self.parts, head, body, note).await;
                return Brought::Through(response, outcome);
            }
        };
        let identity = match collect(body, max, announced(&head.headers)).await {
            Collected::Whole(identity) => identity,
            Collected::Part(part) => return self.give_up(head, part, flight),
        };
        shared.meters.origin_bytes.add(identity.len() as u64);
        if !head.headers.contains_key(header::DATE) {
            let date = httpdate::fmt_http_date(fetched.at);
            if let Ok(date) = HeaderValue::try_from(date) {
                head.headers.insert(header::DATE, date);
            }
        }
        let variant = Arc::new(Variant::new(
            &self.parts,
            head.status,
            head.headers,
            freshness,
            Arc::new(Representation::new(identity)),
            fetched.received,
            shared.min_encoded,
        ));
        let stored = self.store(&variant, epoch, flight);
        let outcome = if head.status.is_server_error() { Outcome::Error } else { Outcome::Miss };
        Brought::Variant(variant, outcome, self.note(None, stored))
    }

    /// A 304: what is stored is good again, with the fields that came.
    fn merge<R>(
        &self,
        stale: &Arc<Variant>,
        head: response::Parts,
        fetched: Fetched,
        epoch: Epoch,
        flight: Option<Flight>,
    ) -> Brought<R> {
        let shared = &self.shared;
        let mut merged = head;
        strip_hop_by_hop(&mut merged.headers);
        let mut headers = stale.origin_headers();
        headers.remove(header::DATE);
        for name in merged.headers.keys() {
            if !DESCRIBES_THE_BODY.contains(name) {
                headers.remove(name);
                for value in merged.headers.get_all(name) {
                    headers.append(name, value.clone());
                }
            }
        }
        merged.headers = headers;
        merged.status = stale.status;
        let judged = may_store(&self.parts, &self.asking, &merged, fetched, &shared.policy());
        let (freshness, refused) = match judged {
            Ok(freshness) => (freshness, None),
            Err(reason) => (stale.freshness.clone(), Some(reason)),
        };
        let variant = Arc::new(Variant::new(
            &self.parts,
            merged.status,
            merged.headers,
            freshness,
            Arc::clone(&stale.body),
            fetched.received,
            shared.min_encoded,
        ));
        let stored = match refused {
            None => self.store(&variant, epoch, flight),
            Some(reason) => {
                shared.invalidate_aside(self.key.clone());
                self.refused(reason, flight);
                false
            }
        };
        Brought::Variant(variant, Outcome::Revalidated, self.note(Some(304), stored))
    }

    fn store(&self, variant: &Arc<Variant>, epoch: Epoch, flight: Option<Flight>) -> bool {
        let shared = &self.shared;
        let request = &self.parts.headers;
        let inserted = shared.store.near.insert(&self.key, epoch, Arc::clone(variant), request);
        match inserted {
            Ok(crowded_out) => {
                shared.meters.variants_dropped.add(crowded_out);
                shared.meters.stored.increment();
                shared.store.passes.unset(self.key.as_str(), self.asking.class());
                land(flight, Landing::Stored);
                shared.keep_beyond(&self.key, variant);
            }
            Err(reason) => self.refused(reason, flight),
        }
        inserted.is_ok()
    }

    fn refused(&self, reason: NotStored, flight: Option<Flight>) {
        self.shared.meters.refused(reason);
        if reason.lasts() {
            self.shared.pass_by(&self.key, &self.asking);
        }
        let failed = reason == NotStored::Cut;
        land(flight, if failed { Landing::Failed } else { Landing::NotStored });
    }

    /// A body that cannot be kept goes through, and if it was cut, the client sees that.
    fn give_up<R>(
        &self,
        mut head: response::Parts,
        part: Part<R>,
        flight: Option<Flight>,
    ) -> Brought<R> {
        let shared = &self.shared;
        let (reason, cut) = match part.why {
            Why::TooLarge => (NotStored::TooLarge, None),
            Why::TooSlow => (NotStored::TooSlow, None),
            Why::Trailers => (NotStored::Trailers, None),
            Why::Cut(error) => (NotStored::Cut, Some(error)),
        };
        self.refused(reason, flight);
        if cut.is_some()
            && let Some(stale) = self.covering_error()
        {
            let origin = Some(head.status.as_u16());
            return Brought::Variant(stale, Outcome::Stale, self.note(origin, false));
        }
        let outcome = if cut.is_some() { Outcome::Error } else { outcome_of(head.status) };
        let status = Note::forwarded(self.why).value(None, &shared.name, None);
        head.headers.append(super::entry::CACHE_STATUS, status);
        let body = ResponseBody::replay(part.read, part.rest, cut, Some(shared.tap()));
        Brought::Through(Response::from_parts(head, body), outcome)
    }

    /// The whole representation, uncoded, if it is not what we have.
    fn origin_request<B>(&self, asked: Option<&Arc<Variant>>) -> Request<RequestBody<B>> {
        let mut request = Request::from_parts(self.parts.clone(), RequestBody::empty());
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        for name in CLIENTS_OWN {
            headers.remove(name);
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(stale) = asked {
            if let Some(tag) = &stale.validators.origin_tag {
                headers.insert(header::IF_NONE_MATCH, tag.clone());
            }
            if let Some(date) = stale.headers.get(header::LAST_MODIFIED) {
                headers.insert(header::IF_MODIFIED_SINCE, date.clone());
            }
        }
        request
    }

    pub(crate) async fn serve<R>(
        &self,
        variant: Arc<Variant>,
        outcome: Outcome,
        note: Note,
    ) -> Response<ResponseBody<R>> {
        let (shared, request) = (&self.shared, &self.parts.headers);
        loop {
            let now = shared.clock.now();
            match shared.answer(&variant, &self.parts.method, request, note, now) {
                Ok(response) => {
                    shared.answered(outcome, self.start);
                    return response;
                }
                Err(NeedsCoding(coding)) => {
                    shared.make_coding(&variant, coding).await;
                    shared.store.near.reweigh(&self.key, &variant, request);
                    // With the coding, so that the next process need not make it; mostly the
                    // first write has not been made yet, and this takes its place.
                    shared.keep_beyond(&self.key, &variant);
                }
            }
        }
    }

    /// Somebody else's fetch is good for this request.
    async fn collapsed<R>(&self) -> Response<ResponseBody<R>> {
        self.shared.meters.collapsed.increment();
        match &self.stale {
            Some(variant) => {
                let note = Note::collapsed(self.why);
                self.serve(Arc::clone(variant), Outcome::Hit, note).await
            }
            None => super::pass::only_if_cached(&self.shared.name),
        }
    }

    /// Looks into the store again: how what is there now may be used for this request.
    fn look_again(&mut self) -> Option<Use> {
        let stored = self.shared.store.get(self.key.as_str());
        self.vary_number = vary_number(stored.as_ref(), &self.parts.headers);
        self.stale = stored
            .as_ref()
            .and_then(|stored| stored.select(&self.parts.headers))
            .filter(|variant| variant.freshness.serves(&self.asking))
            .cloned();
        self.stale.as_ref().map(|variant| {
            let age = variant.age(self.shared.clock.now());
            variant.freshness.use_at(age, &self.asking)
        })
    }

    fn covering_error(&self) -> Option<Arc<Variant>> {
        let stale = self.stale.as_ref()?;
        let age = stale.age(self.shared.clock.now());
        stale.freshness.covers_error_at(age).then(|| Arc::clone(stale))
    }

    /// Not where each request has to reach the origin, or where answers are for one user.
    fn may_wait(&self) -> bool {
        self.why != Forward::Request
            && !self.asking.authorization
            && self.stale.as_ref().is_none_or(|stale| {
                !stale.freshness.always_validate && !stale.freshness.lifetime.is_zero()
            })
    }

    fn flight_key(&self) -> FlightKey {
        (self.key.clone(), self.vary_number ^ self.asking.class())
    }

    fn note(&self, origin: Option<u16>, stored: bool) -> Note {
        Note::Forward { why: self.why, origin, stored, collapsed: false }
    }
}

/// A number for what a request has in the fields that the stored answers vary on.
pub(crate) fn vary_number(stored: Option<&StoredResponse>, request: &HeaderMap) -> u64 {
    stored.and_then(StoredResponse::vary).map_or(0, |vary| vary.number(request))
}

fn land(flight: Option<Flight>, landing: Landing) {
    if let Some(flight) = flight {
        flight.land(landing);
    }
}

/// Whether a 304 speaks of what is stored (RFC 9111 section 4.3.4).
fn still_the_same(stale: &Variant, headers: &HeaderMap) -> bool {
    let tag = |value: Option<&'_ HeaderValue>| value.map(|v| v.as_bytes().to_vec());
    match (tag(headers.get(header::ETAG)), tag(stale.validators.origin_tag.as_ref())) {
        (Some(now), Some(then)) => match (EntityTag::parse(&now), EntityTag::parse(&then)) {
            (Some(now), Some(then)) => now.weakly_equals(then),
            _ => now == then,
        },
        _ => true,
    }
}

fn outcome_of(status: StatusCode) -> Outcome {
    if status.is_server_error() { Outcome::Error } else { Outcome::Bypass }
}

/// What a client asks for itself; the store wants the whole answer for everybody.
const CLIENTS_OWN: [header::HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// Fields of a 304 that would speak of a body it does not have.
const DESCRIBES_THE_BODY: [header::HeaderName; 4] =
    [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::CONTENT_RANGE, header::CONTENT_TYPE];

/// Once for a first answer that tells what it varies on, once for the variant.
const MAX_WAITS: usize = 3;
