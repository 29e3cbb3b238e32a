//! An HTTP server as the origin, over kept-alive connections.

use super::forward::Forward;
use crate::Problem;
use crate::gateway::GatewayConfig;
use crate::gateway::body::{FetchBody, OriginBody, Peer, Watched};
use crate::gateway::fetch::Failed;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use perf_http::Hygiene;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Fetches from an HTTP server.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Upstream {
    client: Client<HttpConnector, FetchBody>,
    authority: Authority,
    /// What stands in front of every request's path, without a slash at its end.
    prefix: String,
    forward: Forward,
    body_idle: Duration,
    connect_timeout: Duration,
}

impl Upstream {
    /// A client for this address; `None` if it names no host.
    pub(in crate::gateway) fn new(
        base: &Uri,
        config: &GatewayConfig,
        hygiene: Hygiene,
    ) -> Option<Upstream> {
        let authority = base.authority()?.clone();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout));
        connector.set_keepalive(Some(Duration::from_secs(60)));
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            // Below the 60 s or so after which servers close: less of a race with their closing.
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(config.concurrency.clamp(1, 1024))
            .set_host(false)
            .build(connector);
        Some(Upstream {
            client,
            forward: Forward::new(&authority, config.keep_host, hygiene),
            authority,
            prefix: base.path().trim_end_matches('/').to_owned(),
            body_idle: config.body_idle_timeout,
            connect_timeout: config.connect_timeout,
        })
    }

    pub(in crate::gateway) async fn fetch(
        &self,
        request: Request<FetchBody>,
    ) -> Result<Response<OriginBody>, Failed> {
        let (mut parts, body) = request.into_parts();
        parts.uri = match self.target(&parts.uri) {
            Ok(uri) => uri,
            Err(error) => {
                let problem =
                    Problem::new(StatusCode::BAD_REQUEST, "bad-target", "bad request target");
                let detail = format!("`{}` cannot be passed on: {error}", parts.uri);
                return Err(Failed(problem.detail(detail)));
            }
        };
        parts.version = Version::HTTP_11;
        let peer = parts.extensions.remove::<Peer>().map(|Peer(address)| address);
        if let Err(rejection) = self.forward.request(&mut parts, peer) {
            let problem = Problem::new(rejection.status(), "refused", "refused");
            return Err(Failed(problem.detail(rejection.to_string())));
        }

        let again = (matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
            && http_body::Body::is_end_stream(&body))
        .then(|| parts.clone());
        let mut answer = self.client.request(Request::from_parts(parts, body)).await;
        if let (Err(error), Some(parts)) = (&answer, again)
            && was_cut(error)
        {
            // A kept-alive connection may be closed just as it is used; a safe request is sent
            // once more (RFC 9110, 9.2.2).
            answer = self.client.request(Request::from_parts(parts, FetchBody::empty())).await;
        }
        match answer {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Failed(self.failed("it switched protocols, which nobody asked for")))
            }
            Ok(response) => {
                let (mut parts, incoming) = response.into_parts();
                self.forward.response(parts.version, &mut parts.headers);
                parts.version = Version::HTTP_11;
                let body = OriginBody::Upstream(Watched::new(incoming, self.body_idle));
                Ok(Response::from_parts(parts, body))
            }
            Err(error) => Err(Failed(self.problem(&error))),
        }
    }

    /// The address at the upstream for a request's target.
    fn target(&self, uri: &Uri) -> Result<Uri, http::Error> {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let path_and_query: PathAndQuery = match (self.prefix.as_str(), path) {
            ("", _) => uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")),
            // `OPTIONS *` is about the server, not about a path below the prefix.
            (_, "*") => PathAndQuery::from_static("*"),
            (prefix, path) => format!("{prefix}{path}").parse()?,
        };
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
    }

    fn problem(&self, error: &hyper_util::client::legacy::Error) -> Problem {
        let origin = &self.authority;
        if let Some(io) = find::<io::Error>(error) {
            if io.kind() == io::ErrorKind::TimedOut {
                return Problem::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "origin-timeout",
                    "the origin did not answer in time",
                )
                .detail(format!(
                    "no connection to {origin} within {:?}; check that it is up and reachable, or \
                     raise the connect time-out",
                    self.connect_timeout
                ));
            }
            if error.is_connect() {
                return self.failed(&format!("no connection ({io}); check that it is running"));
            }
        }
        if error.is_connect() {
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            return self
                .failed(&format!("no connection ({cause}); check its name and that it runs"));
        }
        if was_cut(error) {
            return self.failed("it closed the connection before its answer was complete");
        }
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        self.failed(&format!("its answer cannot be read ({cause})"))
    }

    fn failed(&self, what: &str) -> Problem {
        Problem::new(StatusCode::BAD_GATEWAY, "origin-failed", "the origin failed")
            .detail(format!("origin {}: {what}", self.authority))
    }
}

fn was_cut(error: &hyper_util::client::legacy::Error) -> bool {
    !error.is_connect()
        && (find::<hyper::Error>(error).is_some_and(|e| e.is_incomplete_message() || e.is_closed())
            || find::<io::Error>(error).is_some_and(|e| {
                matches!(e.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            }))
}

/// The first error of this type behind an error.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    #[tokio::test]
    async fn the_base_path_stands_in_front() {
        for (base, target, expected) in [
            ("http://app:3000", "/a?b=c", "http://app:3000/a?b=c"),
            ("http://app:3000/", "/", "http://app:3000/"),
            ("http://app/base/", "/a%20b", "http://app/base/a%20b"),
            ("http://app", "http://other/x", "http://app/x"),
        ] {
            let base: Uri = base.parse().unwrap();
            let config = GatewayConfig::new(Origin::Upstream(base.clone()));
            let upstream = Upstream::new(&base, &config, Hygiene::new("test").unwrap()).unwrap();
            assert_eq!(upstream.target(&target.parse().unwrap()).unwrap(), expected);
        }
    }
}
