//! The response cache: hits, revalidation, misses with a coding to make.
//!
//! The page is small enough to be encoded where it is, not on a thread of its own.

use super::{Body, CoreBench};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, response};
use http_body_util::{BodyExt, Full};
use perf_core::{ByteSize, Clock};
use perf_http::{Coding, RequestBody, ResponseCache, ResponseCacheService};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service};

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("http/hit", "answers a stored page in brotli, v1", || {
            let Site { runtime, mut service } = Site::new(&[Coding::Br]);
            let page = uri("/page");
            runtime.block_on(ask(&mut service, &page, Some("br"), None));
            Box::new(move |iterations| {
                runtime.block_on(async {
                    let mut sum = 0_u64;
                    for _ in 0..iterations {
                        let (head, length) = ask(&mut service, &page, Some("br"), None).await;
                        assert_eq!(head.headers[header::CONTENT_ENCODING], "br");
                        sum += length as u64;
                    }
                    sum
                })
            })
        }),
        CoreBench::new("http/not_modified", "answers 304 to a known entity tag, v1", || {
            let Site { runtime, mut service } = Site::new(&[]);
            let page = uri("/page");
            let (head, _) = runtime.block_on(ask(&mut service, &page, None, None));
            let tag = head.headers[header::ETAG].clone();
            Box::new(move |iterations| {
                runtime.block_on(async {
                    for _ in 0..iterations {
                        let (head, length) = ask(&mut service, &page, None, Some(&tag)).await;
                        assert_eq!((head.status, length), (StatusCode::NOT_MODIFIED, 0));
                    }
                    iterations
                })
            })
        }),
        CoreBench::new("http/miss", "stores a page of 8 KiB with its entity tag, v2", || {
            Site::misses(&[], None)
        }),
        CoreBench::new("http/miss_gzip", "stores a page of 8 KiB, encodes it, v2", || {
            Site::misses(&[Coding::Gzip], Some("gzip"))
        })
        .answer_iterations(4),
        CoreBench::new("http/miss_brotli", "stores a page of 8 KiB, encodes it, v2", || {
            Site::misses(&[Coding::Br], Some("br"))
        })
        .answer_iterations(4),
    ]
}

/// A cache before an origin that has the same page everywhere, and a runtime of one thread.
struct Site {
    runtime: Runtime,
    service: ResponseCacheService<Origin>,
}

impl Site {
    fn new(codings: &[Coding]) -> Site {
        let cache = ResponseCache::builder()
            .clock(Clock::manual().0)
            .capacity(ByteSize::mib(1))
            .codings(codings.iter().copied())
            .build()
            .expect("the defaults hold");
        let page = "<p class=\"row\">A page as pages are, with words and words.</p>\n";
        let page: String = (0..8_192 / page.len()).map(|i| format!("{i}{page}")).collect();
        let service = cache.layer().layer(Origin { page: Bytes::from(page) });
        let runtime = Builder::new_current_thread().enable_time().build();
        Site { runtime: runtime.expect("a runtime of one thread"), service }
    }

    /// Asks for one page after the other, of so many that each has gone when it is asked for again.
    fn misses(codings: &[Coding], accept: Option<&'static str>) -> Body {
        let mut site = Site::new(codings);
        let paths: Vec<Uri> = (0..512).map(|i| uri(&format!("/page/{i}"))).collect();
        let mut next = 0;
        // Once around before the first iteration: afterwards every page that comes makes another
        // go, and no table grows any more.
        for path in &paths {
            site.runtime.block_on(ask(&mut site.service, path, accept, None));
        }
        Box::new(move |iterations| {
            let Site { runtime, service } = &mut site;
            runtime.block_on(async {
                let mut sum = 0_u64;
                for _ in 0..iterations {
                    let (head, length) =
                        ask(service, &paths[next % paths.len()], accept, None).await;
                    let status = head.headers["cache-status"].as_bytes();
                    assert!(status.ends_with(b"fwd=miss; stored; ttl=60"), "{head:?}");
                    assert_eq!(
                        head.headers.contains_key(header::CONTENT_ENCODING),
                        accept.is_some()
                    );
                    sum += length as u64;
                    next += 1;
                }
                sum
            })
        })
    }
}

async fn ask(
    service: &mut ResponseCacheService<Origin>,
    uri: &Uri,
    accept: Option<&'static str>,
    known: Option<&HeaderValue>,
) -> (response::Parts, usize) {
    let mut request = Request::get(black_box(uri).clone());
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT_ENCODING, accept);
    }
    if let Some(known) = known {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let request = request.body(Full::default()).expect("it has a method and a path");
    let Ok(response) = service.call(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("it is in memory");
    (head, body.to_bytes().len())
}

fn uri(text: &str) -> Uri {
    text.parse().expect("it is a path")
}

/// The same page everywhere.
#[derive(Clone, Debug)]
struct Origin {
    page: Bytes,
}

impl Service<Request<RequestBody<Full<Bytes>>>> for Origin {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody<Full<Bytes>>>) -> Self::Future {
        let page = Response::builder()
            .header(header::CACHE_CONTROL, "max-age=60")
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .body(Full::new(self.page.clone()));
        ready(Ok(page.expect("the header fields are well formed")))
    }
}
