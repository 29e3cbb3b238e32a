//! The HTTP layers around a service, without a network.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use perf_bench::suite::{Better, Context, Figure, SectionFailure};
use perf_http::{Measure, ResponseCache};
use std::convert::Infallible;
use std::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Bytes of the page before it is encoded.
const PAGE: usize = 20_000;

pub(super) struct Section;

impl perf_bench::suite::Section for Section {
    fn name(&self) -> &str {
        "http"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let runtime = super::runtime()?;
        let measure = Measure::builder().build().map_err(SectionFailure::failed)?;
        let cache = ResponseCache::builder().build().map_err(SectionFailure::failed)?;
        let page = Bytes::from(page());
        let answered = page.clone();
        let mut service = ServiceBuilder::new()
            .layer(measure.layer())
            .layer(cache.layer())
            .service(service_fn(move |request: Request<_>| {
                let body = Full::new(answered.clone());
                let control = match request.uri().path() {
                    "/page" => "max-age=3600",
                    _ => "no-store",
                };
                async move {
                    let response: Response<Full<Bytes>> = Response::builder()
                        .header("cache-control", control)
                        .header("content-type", "text/html; charset=utf-8")
                        .body(body)
                        .expect("the header fields are valid");
                    Ok::<_, Infallible>(response)
                }
            }));

        // Filled once, then answered from memory.
        let first = runtime.block_on(ask(&mut service, "/page", "identity", None))?;
        context.check(first.body == page, "a miss answers the origin's bytes")?;
        let etag = first.etag.clone();
        let encoded = runtime.block_on(ask(&mut service, "/page", "br", None))?;
        context.check(encoded.body.len() < page.len(), "the encoded page is smaller")?;
        let saved = 1.0 - encoded.body.len() as f64 / page.len() as f64;

        let mut wrong = 0;
        context.time_batches("hit", "answer of 20 kB from memory, encoded", |calls| {
            runtime.block_on(async {
                let begin = Instant::now();
                for _ in 0..calls {
                    let answer = ask(&mut service, "/page", "br", None).await?;
                    wrong += u64::from(answer.body.len() != encoded.body.len());
                }
                Ok(begin.elapsed())
            })
        })?;
        context.check(wrong == 0, "every hit has the same encoded bytes")?;

        context.time_batches("not_modified", "answer that nothing has changed", |calls| {
            runtime.block_on(async {
                let begin = Instant::now();
                for _ in 0..calls {
                    let answer = ask(&mut service, "/page", "identity", etag.as_deref()).await?;
                    wrong += u64::from(answer.status != StatusCode::NOT_MODIFIED);
                }
                Ok(begin.elapsed())
            })
        })?;
        context.check(wrong == 0, "who has the page is told so")?;

        context.time_batches("miss", "answer of 20 kB from the service itself", |calls| {
            runtime.block_on(async {
                let begin = Instant::now();
                for _ in 0..calls {
                    let answer = ask(&mut service, "/live", "identity", None).await?;
                    wrong += u64::from(answer.body != page);
                }
                Ok(begin.elapsed())
            })
        })?;
        context.check(wrong == 0, "what may not be stored comes from the service")?;
        let label = "share of a page's bytes that encoding saves";
        let note = "made-up text of 20 kB, br";
        context
            .keep(Figure::new("bytes_saved", label, saved, "fraction", Better::Higher).note(note));
        Ok(())
    }
}

struct Answer {
    status: StatusCode,
    etag: Option<String>,
    body: Bytes,
}

async fn ask<S, B>(
    service: &mut S,
    path: &str,
    coding: &str,
    etag: Option<&str>,
) -> Result<Answer, SectionFailure>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Display,
    B: http_body::Body,
    B::Error: std::fmt::Display,
{
    let mut request = Request::get(path).header("accept-encoding", coding);
    if let Some(etag) = etag {
        request = request.header("if-none-match", etag);
    }
    let request = request.body(Full::default()).map_err(SectionFailure::failed)?;
    let ready = service.ready().await.map_err(SectionFailure::failed)?;
    let response = ready.call(request).await.map_err(SectionFailure::failed)?;
    let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
    let (status, etag) = (response.status(), etag.map(str::to_owned));
    let body = response.into_body().collect().await.map_err(SectionFailure::failed)?.to_bytes();
    Ok(Answer { status, etag, body })
}

/// Text that repeats itself about as much as pages do.
fn page() -> Vec<u8> {
    let mut page = b"<!doctype html><html><body>".to_vec();
    let mut n = 1_u32;
    while page.len() < PAGE {
        n = n.wrapping_mul(1_103_515_245).wrapping_add(12_345) % 0x8000_0000;
        let (a, b) = (n >> 16 & 1023, n >> 8 & 255);
        page.extend_from_slice(format!("<p class=\"row\">word{a} and more{b}</p>\n").as_bytes());
    }
    page.truncate(PAGE);
    page
}
