//! Requests that the gateway makes of itself, before clients do.

use super::body::ClientBody;
use super::fetch::{Fetch, Preload};
use super::screen::Screen;
use http::{HeaderValue, Request, header};
use perf_cache::warming::{WarmReport, WarmUp, Warmed};
use perf_core::Clock;
use perf_http::ResponseCacheService;
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// The cache and what is behind it, without what measures clients.
#[derive(Clone, Debug)]
pub(super) struct Warmer {
    stack: Screen<ResponseCacheService<Fetch>>,
    /// For URLs that name no host.
    address: SocketAddr,
    clock: Clock,
    stop: CancellationToken,
}

/// From where answers may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Anywhere.
    Origin,
    /// From the tiers of the cache alone.
    Cache,
}

impl Warmer {
    pub(super) fn new(
        stack: Screen<ResponseCacheService<Fetch>>,
        address: SocketAddr,
        clock: Clock,
        stop: CancellationToken,
    ) -> Warmer {
        Warmer { stack, address, clock, stop }
    }

    pub(super) async fn run(self, up: WarmUp, urls: Vec<String>, from: From) -> WarmReport {
        let ask = |url: String| {
            let this = self.clone();
            async move {
                let asked = this.ask(&url, from);
                // Who stops the gateway does not wait for this.
                this.stop.run_until_cancelled(asked).await.unwrap_or(Warmed::Failed)
            }
        };
        up.run_async(&self.clock, urls, ask).await
    }

    async fn ask(&self, url: &str, from: From) -> Warmed {
        let Some(request) = self.request(url, from) else { return Warmed::Failed };
        let answer = match self.stack.clone().call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        // What the caches before this one have to say comes before.
        let said = answer.headers().get_all("cache-status").iter().next_back();
        let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
        let own = said.rsplit(", ").next().unwrap_or_default();
        match from {
            From::Origin if own.contains("; hit") => Warmed::Skipped,
            From::Origin if own.contains("; stored") => Warmed::Loaded,
            From::Origin => Warmed::Failed,
            From::Cache if own.contains("; hit") => Warmed::Loaded,
            From::Cache => Warmed::Skipped,
        }
    }

    /// A plain request, as a client without cookies would make it; `None` where the text is no URL.
    fn request(&self, url: &str, from: From) -> Option<Request<ClientBody>> {
        let schemes = ["http://", "https://"];
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or(url);
        let (host, path) = match rest.find('/') {
            Some(0) => (self.address.to_string(), rest),
            Some(at) => (rest[..at].to_owned(), &rest[at..]),
            None => (rest.to_owned(), "/"),
        };
        let mut request = Request::get(path).header(header::HOST, host);
        if from == From::Cache {
            let alone = HeaderValue::from_static("only-if-cached");
            request = request.header(header::CACHE_CONTROL, alone);
        }
        request.extension(Preload).body(ClientBody::empty()).ok()
    }
}
