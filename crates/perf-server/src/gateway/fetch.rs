//! Fetches from the origin, a bounded number at a time.

use super::body::{FetchBody, OriginBody, problem_response};
use super::origin::{Folder, Upstream};
use crate::Problem;
use http::{HeaderValue, Request, Response, StatusCode, header};
use perf_async::{Manager, Operation, OperationError};
use perf_core::Priority;
use perf_http::Background;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

/// Where a fetch goes.
#[derive(Debug)]
pub(super) enum Source {
    Folder(Folder),
    Upstream(Box<Upstream>),
}

impl Source {
    async fn fetch(&self, request: Request<FetchBody>) -> Result<Response<OriginBody>, Failed> {
        match self {
            Source::Folder(folder) => folder.clone().fetch(request).await,
            Source::Upstream(upstream) => upstream.fetch(request).await,
        }
    }
}

/// A fetch that brought no answer; the problem is what the client is told.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Problem);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_json())
    }
}

impl std::error::Error for Failed {}

/// The service below the cache: one operation of the manager `origin` for each request.
///
/// What a client waits for is of the kind `fetch`, what the cache fetches anew behind a stale answer
/// `refresh`, what is fetched before anybody asked `preload`: the latter two give way to the first.
/// An operation ends with the head of the answer. The body flows outside it, bounded by its own
/// time-out, so that slow readers do not hold the origin's places.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    // One handle, since the whole stack is cloned for each request.
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: Source,
    operations: Manager,
    queue_timeout: Duration,
}

impl Fetch {
    pub(super) fn new(source: Source, operations: Manager, queue_timeout: Duration) -> Fetch {
        Fetch { shared: Arc::new(Shared { source, operations, queue_timeout }) }
    }
}

impl Service<Request<FetchBody>> for Fetch {
    type Response = Response<OriginBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<FetchBody>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let this = Arc::clone(&shared);
            let (kind, priority) = urgency(&request);
            let fetch = async move { this.source.fetch(request).await };
            let operation =
                Operation::new(kind, fetch).priority(priority).queue_timeout(shared.queue_timeout);
            let answer = shared.operations.run(operation).await;
            Ok(answer.unwrap_or_else(|error| failed(&error)))
        })
    }
}

/// In the extensions of a request that the gateway makes of itself before clients do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preload;

/// The kind of operation that a fetch is, and how urgent: those whom a client waits for go first.
fn urgency<B>(request: &Request<B>) -> (&'static str, Priority) {
    let extensions = request.extensions();
    if extensions.get::<Preload>().is_some() {
        ("preload", Priority::LOWEST)
    } else if extensions.get::<Background>().is_some() {
        ("refresh", Priority::LOWEST)
    } else {
        ("fetch", Priority::NORMAL)
    }
}

fn failed(error: &OperationError) -> Response<OriginBody> {
    if let Some(Failed(problem)) = error.downcast_ref() {
        return problem_response(problem);
    }
    let problem = match error {
        OperationError::Overloaded(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "origin-overloaded",
            "the origin has too much to do",
        )
        .detail(format!("{error}; try again in a second, or raise the concurrency or the queue")),
        OperationError::TimedOut { limit, .. } => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "origin-timeout",
            "the origin did not answer in time",
        )
        .detail(format!(
            "no head of an answer within {limit:?} ({error}); look why the origin is slow, or \
             raise the time-out"
        )),
        _ => Problem::new(StatusCode::BAD_GATEWAY, "origin-failed", "the origin failed")
            .detail(format!("the fetch did not end: {error}")),
    };
    let mut response = problem_response(&problem);
    if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
