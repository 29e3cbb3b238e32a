//! Answers out of the store: conditions, ranges, codings. The hot path.

use super::Shared;
use super::conditional::Verdict;
use super::entry::{CACHE_STATUS, Variant, drop_content_digests};
use super::range::Asked;
use super::status::{Note, seconds_left};
use crate::Coding;
use crate::body::ResponseBody;
use crate::coding::{choose, encode};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use perf_core::Instant;
use std::sync::Arc;

/// The body has to be encoded first; then ask again.
pub(crate) struct NeedsCoding(pub(crate) Coding);

impl Shared {
    /// The answer to a GET or HEAD out of one stored answer.
    pub(crate) fn answer<R>(
        &self,
        variant: &Variant,
        method: &Method,
        request: &HeaderMap,
        note: Note,
        now: Instant,
    ) -> Result<Response<ResponseBody<R>>, NeedsCoding> {
        let body = &variant.body;
        let mut coding = if variant.codable { choose(request, &self.codings) } else { None };
        let mut part = Asked::Whole;
        if variant.status == StatusCode::OK {
            match variant.validators.judge(request) {
                Verdict::Go => {}
                Verdict::NotModified => return Ok(self.not_modified(variant, coding, note, now)),
                Verdict::Failed => {
                    let head = variant.heads(None).not_modified.clone();
                    let status = StatusCode::PRECONDITION_FAILED;
                    return Ok(self.finish(variant, status, head, Bytes::new(), note, now));
                }
            }
            if method == Method::GET && request.contains_key(header::RANGE) {
                part = Asked::of(request, body.identity.len(), &variant.validators);
            }
        }
        match part {
            Asked::Whole => {}
            Asked::Part(range) => {
                let mut head = variant.heads(None).full.clone();
                let (first, last, all) = (range.start, range.end - 1, body.identity.len());
                insert_text(
                    &mut head,
                    header::CONTENT_RANGE,
                    format!("bytes {first}-{last}/{all}"),
                );
                head.insert(header::CONTENT_LENGTH, HeaderValue::from(range.len()));
                drop_content_digests(&mut head);
                self.meters.bytes_identity.add(range.len() as u64);
                let bytes = body.identity.slice(range);
                let status = StatusCode::PARTIAL_CONTENT;
                return Ok(self.finish(variant, status, head, bytes, note, now));
            }
            Asked::Unsatisfiable => {
                let mut head = variant.heads(None).not_modified.clone();
                let all = body.identity.len();
                insert_text(&mut head, header::CONTENT_RANGE, format!("bytes */{all}"));
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok(self.finish(variant, status, head, Bytes::new(), note, now));
            }
        }
        let mut bytes = &body.identity;
        if let Some(wanted) = coding {
            match body.coded(wanted).get() {
                None => return Err(NeedsCoding(wanted)),
                Some(Some(coded)) => bytes = coded,
                Some(None) => coding = None,
            }
        }
        let head = variant.heads(coding).full.clone();
        let sent = if method == Method::HEAD {
            Bytes::new()
        } else {
            self.meters.bytes_identity.add(body.identity.len() as u64);
            bytes.clone()
        };
        Ok(self.finish(variant, variant.status, head, sent, note, now))
    }

    fn not_modified<R>(
        &self,
        variant: &Variant,
        coding: Option<Coding>,
        note: Note,
        now: Instant,
    ) -> Response<ResponseBody<R>> {
        let head = match coding.map(|c| (c, variant.body.coded(c).get())) {
            // Where the coding is known not to shrink, the client has been sent identity.
            None | Some((_, Some(None))) => variant.heads(None).not_modified.clone(),
            Some((coding, Some(Some(_)))) => variant.heads(Some(coding)).not_modified.clone(),
            Some((coding, None)) => {
                let mut head = variant.heads(None).not_modified.clone();
                head.insert(header::ETAG, variant.validators.tag.value(Some(coding)));
                head
            }
        };
        self.meters.not_modified.increment();
        self.meters.bytes_identity.add(variant.body.identity.len() as u64);
        self.finish(variant, StatusCode::NOT_MODIFIED, head, Bytes::new(), note, now)
    }

    /// Fills in what differs from answer to answer.
    fn finish<R>(
        &self,
        variant: &Variant,
        status: StatusCode,
        mut head: HeaderMap,
        bytes: Bytes,
        note: Note,
        now: Instant,
    ) -> Response<ResponseBody<R>> {
        let age = variant.age(now);
        let from_origin = matches!(note, Note::Forward { collapsed: false, .. });
        if from_origin && age.as_secs() == 0 {
            head.remove(header::AGE);
        } else if let Some(value) = head.get_mut(header::AGE) {
            *value = HeaderValue::from(age.as_secs());
        }
        if let Some(value) = head.get_mut(&CACHE_STATUS) {
            let left = seconds_left(variant.freshness.lifetime, age);
            *value = note.value(variant.headers.get(&CACHE_STATUS), &self.name, Some(left));
        }
        self.meters.bytes_sent.add(bytes.len() as u64);
        let mut response = Response::new(ResponseBody::full(bytes));
        *response.status_mut() = status;
        *response.headers_mut() = head;
        response
    }

    /// Makes a coding of a stored answer once, however many ask for it.
    pub(crate) async fn make_coding(&self, variant: &Variant, coding: Coding) {
        let levels = self.settings.levels(self.zstd_level, self.gzip_level);
        let body = Arc::clone(&variant.body);
        let made = variant.body.coded(coding).get_or_init(|| async move {
            self.meters.encoded(coding);
            off_the_runtime(body.identity.clone(), move |identity| encode(identity, coding, levels))
                .await
        });
        made.await;
    }
}

/// Runs work of milliseconds where it holds up nobody else: on tokio's blocking threads, if there
/// are any and the body is large enough to be worth the way.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    identity: Bytes,
    work: impl FnOnce(&[u8]) -> Option<T> + Send + 'static,
) -> Option<T> {
    if identity.len() < WORTH_A_THREAD {
        return work(&identity);
    }
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(move || work(&identity)).await.ok().flatten(),
        Err(_) => work(&identity),
    }
}

fn insert_text(head: &mut HeaderMap, name: header::HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        head.insert(name, value);
    }
}

/// A body of this size takes brotli 4 about half a millisecond.
const WORTH_A_THREAD: usize = 32 << 10;
