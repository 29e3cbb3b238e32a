//! What may be stored and for how long it is good (RFC 9111 sections 3 and 4): pure functions.

use super::conditional::{date, parse_date};
use super::directives::{RequestDirectives, ResponseDirectives, seconds};
use super::tags::tags_of;
use crate::coding::is_event_stream;
use http::{HeaderMap, Method, StatusCode, header, request, response};
use perf_core::Instant;
use std::time::{Duration, SystemTime};

/// The settings that policy depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) default_ttl: Duration,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) ignore_request_directives: bool,
    pub(crate) ignore_cookies: bool,
}

/// What matters of a request for storing its answer and for reusing another's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asking {
    pub(crate) authorization: bool,
    /// There is a cookie, and cookies matter.
    pub(crate) cookie: bool,
    pub(crate) directives: RequestDirectives,
}

impl Asking {
    pub(crate) fn of(headers: &HeaderMap, policy: &Policy) -> Asking {
        Asking {
            authorization: headers.contains_key(header::AUTHORIZATION),
            cookie: !policy.ignore_cookies && headers.contains_key(header::COOKIE),
            directives: if policy.ignore_request_directives {
                RequestDirectives::default()
            } else {
                RequestDirectives::of(headers)
            },
        }
    }

    /// A number for the kind of request, as far as that decides whether answers are stored.
    pub(crate) fn class(&self) -> u64 {
        let authorization = u64::from(self.authorization) * 0x9e37_79b9_7f4a_7c15;
        let cookie = u64::from(self.cookie) * 0xc2b2_ae3d_27d4_eb4f;
        authorization ^ cookie
    }
}

/// Why an answer was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStored {
    Method,
    RequestNoStore,
    Status,
    Partial,
    NoStore,
    Private,
    SetCookie,
    VaryAll,
    Authorization,
    Cookie,
    EventStream,
    NoFreshness,
    TooLarge,
    TooSlow,
    Trailers,
    Tags,
    Cut,
    Changed,
}

impl NotStored {
    pub(crate) const ALL: [NotStored; 18] = [
        NotStored::Method,
        NotStored::RequestNoStore,
        NotStored::Status,
        NotStored::Partial,
        NotStored::NoStore,
        NotStored::Private,
        NotStored::SetCookie,
        NotStored::VaryAll,
        NotStored::Authorization,
        NotStored::Cookie,
        NotStored::EventStream,
        NotStored::NoFreshness,
        NotStored::TooLarge,
        NotStored::TooSlow,
        NotStored::Trailers,
        NotStored::Tags,
        NotStored::Cut,
        NotStored::Changed,
    ];

    /// The label of the signal `not_stored`.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            NotStored::Method => "method",
            NotStored::RequestNoStore => "request_no_store",
            NotStored::Status => "status",
            NotStored::Partial => "partial",
            NotStored::NoStore => "no_store",
            NotStored::Private => "private",
            NotStored::SetCookie => "set_cookie",
            NotStored::VaryAll => "vary_all",
            NotStored::Authorization => "authorization",
            NotStored::Cookie => "cookie",
            NotStored::EventStream => "event_stream",
            NotStored::NoFreshness => "no_freshness",
            NotStored::TooLarge => "too_large",
            NotStored::TooSlow => "too_slow",
            NotStored::Trailers => "trailers",
            NotStored::Tags => "tags",
            NotStored::Cut => "cut",
            NotStored::Changed => "changed",
        }
    }

    /// Whether the next answer for this kind of request will likely not be stored either, so that
    /// requests had better not wait for one another.
    pub(crate) fn lasts(self) -> bool {
        !matches!(self, NotStored::Cut | NotStored::Changed | NotStored::RequestNoStore)
    }
}

/// How long a stored answer is good, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// From when the origin made it.
    pub(crate) lifetime: Duration,
    /// How old it already was when it came.
    pub(crate) initial_age: Duration,
    /// The origin said so; it was not only assumed.
    pub(crate) explicit: bool,
    /// Never without asking the origin.
    pub(crate) always_validate: bool,
    /// Good for requests with `Authorization`, too.
    pub(crate) authorized: bool,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// Stale is never served, whatever the client says.
    pub(crate) must_revalidate: bool,
    pub(crate) no_transform: bool,
}

/// Times around one fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    /// Time of day when the answer's head came.
    pub(crate) at: SystemTime,
    /// From the request to the answer's head.
    pub(crate) delay: Duration,
    /// When the answer's head came, on the clock that ages are counted with.
    pub(crate) received: Instant,
}

/// Whether a shared cache may store this answer to a GET.
pub(crate) fn may_store(
    request: &request::Parts,
    asking: &Asking,
    response: &response::Parts,
    fetched: Fetched,
    policy: &Policy,
) -> Result<Freshness, NotStored> {
    let headers = &response.headers;
    let said = ResponseDirectives::of(headers);
    let refusals = [
        (request.method != Method::GET, NotStored::Method),
        (asking.directives.no_store, NotStored::RequestNoStore),
        (response.status == StatusCode::PARTIAL_CONTENT, NotStored::Partial),
        (!is_final(response.status), NotStored::Status),
        (
            said.no_store && !(said.must_understand && is_understood(response.status)),
            NotStored::NoStore,
        ),
        (said.must_understand && !is_understood(response.status), NotStored::Status),
        (said.private, NotStored::Private),
        (headers.contains_key(header::SET_COOKIE), NotStored::SetCookie),
        (varies_on_everything(headers), NotStored::VaryAll),
        (asking.authorization && !allows_authorized(&said), NotStored::Authorization),
        (is_event_stream(headers), NotStored::EventStream),
        (tags_of(headers).is_err(), NotStored::Tags),
    ];
    if let Some((_, reason)) = refusals.into_iter().find(|(refused, _)| *refused) {
        return Err(reason);
    }
    let freshness = freshness(response, &said, fetched, policy).ok_or(NotStored::Status)?;
    // Without a word of the origin, what was made for one cookie may be wrong for another.
    if asking.cookie && !freshness.explicit {
        return Err(NotStored::Cookie);
    }
    let used = freshness.lifetime.saturating_add(freshness.stale_while_revalidate);
    let useful = used > freshness.initial_age;
    if (!useful || freshness.always_validate) && !has_validator(headers) {
        return Err(NotStored::NoFreshness);
    }
    Ok(freshness)
}

/// How long an answer is good; `None` if its status needs the origin's word and there is none.
pub(crate) fn freshness(
    response: &response::Parts,
    said: &ResponseDirectives,
    fetched: Fetched,
    policy: &Policy,
) -> Option<Freshness> {
    let headers = &response.headers;
    let explicit = explicit_lifetime(headers, said, fetched.at);
    let assumable = is_heuristically_cacheable(response.status) || said.public;
    if explicit.is_none() && !assumable {
        return None;
    }
    let lifetime =
        explicit.unwrap_or_else(|| assumed_lifetime(response.status, headers, fetched.at, policy));
    let must_revalidate = said.must_revalidate || said.proxy_revalidate || said.s_maxage.is_some();
    let or = |own: Option<Duration>, default: Duration| {
        if must_revalidate { Duration::ZERO } else { own.unwrap_or(default) }
    };
    Some(Freshness {
        lifetime,
        initial_age: initial_age(headers, fetched),
        explicit: explicit.is_some(),
        always_validate: said.no_cache,
        authorized: allows_authorized(said),
        stale_while_revalidate: or(said.stale_while_revalidate, policy.stale_while_revalidate),
        stale_if_error: or(said.stale_if_error, policy.stale_if_error),
        must_revalidate,
        no_transform: said.no_transform,
    })
}

/// How a stored answer of this age may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// As it is.
    Fresh,
    /// As it is, because the client takes it stale.
    Stale,
    /// As it is, while somebody fetches it anew.
    StaleWhileRevalidate,
    /// Only after asking the origin; the client wants that.
    AskedToValidate,
    /// Only after asking the origin; it is too old.
    Expired,
}

impl Freshness {
    /// Whether this request may be answered from it at all, fresh or not.
    pub(crate) fn serves(&self, asking: &Asking) -> bool {
        (self.authorized || !asking.authorization) && (self.explicit || !asking.cookie)
    }

    pub(crate) fn use_at(&self, age: Duration, asking: &Asking) -> Use {
        let wish = &asking.directives;
        if wish.no_cache {
            return Use::AskedToValidate;
        }
        if self.always_validate {
            return Use::Expired;
        }
        if age < self.lifetime {
            let too_old = wish.max_age.is_some_and(|max| age > max);
            let too_short = wish.min_fresh.is_some_and(|min| self.lifetime - age < min);
            return if too_old || too_short { Use::AskedToValidate } else { Use::Fresh };
        }
        let staleness = age - self.lifetime;
        if wish.max_age.is_some() || wish.min_fresh.is_some() || self.must_revalidate {
            return Use::Expired;
        }
        if staleness < self.stale_while_revalidate {
            return Use::StaleWhileRevalidate;
        }
        if wish.max_stale.is_some_and(|max| staleness <= max) { Use::Stale } else { Use::Expired }
    }

    /// Whether it may stand in while the origin fails.
    pub(crate) fn covers_error_at(&self, age: Duration) -> bool {
        !self.always_validate
            && !self.must_revalidate
            && age < self.lifetime.saturating_add(self.stale_if_error)
    }
}

fn explicit_lifetime(
    headers: &HeaderMap,
    said: &ResponseDirectives,
    now: SystemTime,
) -> Option<Duration> {
    if let Some(age) = said.s_maxage.or(said.max_age) {
        return Some(age);
    }
    let mut expires = headers.get_all(header::EXPIRES).iter();
    let first = expires.next()?;
    let made = date(headers, &header::DATE).unwrap_or(now);
    // Several, or what is no date, such as `0`, means that it has expired.
    let at = if expires.next().is_some() { None } else { parse_date(first) };
    Some(at.and_then(|at| at.duration_since(made).ok()).unwrap_or(Duration::ZERO))
}

fn assumed_lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    now: SystemTime,
    policy: &Policy,
) -> Duration {
    if !policy.default_ttl.is_zero() {
        let failed = status.is_client_error() || status.is_server_error();
        return if failed { policy.default_ttl.min(MAX_ASSUMED_ERROR) } else { policy.default_ttl };
    }
    let made = date(headers, &header::DATE).unwrap_or(now);
    date(headers, &header::LAST_MODIFIED)
        .and_then(|modified| made.duration_since(modified).ok())
        .map_or(Duration::ZERO, |unchanged| (unchanged / 10).min(MAX_HEURISTIC))
}

/// RFC 9111 section 4.2.3.
fn initial_age(headers: &HeaderMap, fetched: Fetched) -> Duration {
    let apparent = date(headers, &header::DATE)
        .and_then(|made| fetched.at.duration_since(made).ok())
        .unwrap_or(Duration::ZERO);
    let said = headers.get(header::AGE).map_or(Duration::ZERO, |age| seconds(age.as_bytes()));
    apparent.max(said + fetched.delay)
}

fn allows_authorized(said: &ResponseDirectives) -> bool {
    said.public || said.must_revalidate || said.s_maxage.is_some()
}

pub(crate) fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ETAG) || date(headers, &header::LAST_MODIFIED).is_some()
}

fn varies_on_everything(headers: &HeaderMap) -> bool {
    headers.get_all(header::VARY).iter().any(|value| {
        value.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii).any(|name| {
            // What is no field name cannot be compared, so it may be anything.
            !name.is_empty() && (name == b"*" || header::HeaderName::from_bytes(name).is_err())
        })
    })
}

fn is_final(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NOT_MODIFIED
}

fn is_understood(status: StatusCode) -> bool {
    is_heuristically_cacheable(status) || matches!(status.as_u16(), 302 | 303 | 307)
}

/// RFC 9110 section 15.1, without 206.
fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Nobody said that an error lasts.
const MAX_ASSUMED_ERROR: Duration = Duration::from_secs(10);
const MAX_HEURISTIC: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
