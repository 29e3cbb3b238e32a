//! Requests made ready to be sent, and the choice among them.

use super::LoadError;
use super::config::{Form, LoadConfig, RequestSpec};
use super::target::Target;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution as _, Zipf};
use std::time::Duration;

/// All requests of a run, ready.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) authority: http::uri::Authority,
    pub(super) requests: Vec<Prepared>,
    /// Sums of the weights up to each.
    weights: Vec<f64>,
}

/// One kind of request, ready.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) method: Method,
    pub(super) paths: Vec<PathAndQuery>,
    /// For HTTP/2.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    zipf: Option<Zipf<f64>>,
    expect: Vec<u16>,
    think: Option<(Duration, Duration)>,
    /// What stands before and behind the path over HTTP/1.1.
    before: Vec<u8>,
    behind: Vec<u8>,
}

/// Which request, and which of its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) request: usize,
    pub(super) path: usize,
}

impl Plan {
    pub(super) fn new(config: &LoadConfig, target: &Target) -> Result<Plan, LoadError> {
        let alone = [RequestSpec::new("request")];
        let specs = if config.requests.is_empty() { &alone[..] } else { &config.requests[..] };
        if specs.len() > MOST_REQUESTS {
            return Err(LoadError::usage(format!(
                "{} kinds of requests; a run takes at most {MOST_REQUESTS}",
                specs.len()
            )));
        }
        let closed = matches!(config.form, Form::Users(_));
        let mut weights = Vec::new();
        let mut requests: Vec<Prepared> = Vec::new();
        let mut sum = 0.0;
        for spec in specs {
            let prepared = Prepared::new(spec, &config.headers, target, closed)
                .map_err(|why| LoadError::usage(format!("request `{}`: {why}", spec.name)))?;
            if requests.iter().any(|other| other.name == spec.name) {
                return Err(LoadError::usage(format!(
                    "request `{}`: its name is taken",
                    spec.name
                )));
            }
            requests.push(prepared);
            sum += spec.weight;
            weights.push(sum);
        }
        if sum <= 0.0 {
            return Err(LoadError::usage("no request has a weight above 0"));
        }
        Ok(Plan { authority: target.authority.clone(), requests, weights })
    }

    /// The next choice; a pure function of the random source's seed and the calls before.
    pub(super) fn choose(&self, random: &mut StdRng) -> Choice {
        let request = match self.requests.len() {
            1 => 0,
            n => {
                let at = random.random::<f64>() * self.weights[n - 1];
                self.weights.partition_point(|sum| *sum <= at).min(n - 1)
            }
        };
        let prepared = &self.requests[request];
        let path = match (prepared.paths.len(), &prepared.zipf) {
            (1, _) => 0,
            (n, Some(zipf)) => (zipf.sample(random) as usize).clamp(1, n) - 1,
            (n, None) => random.random_range(0..n),
        };
        Choice { request, path }
    }

    /// How long a user thinks after this request.
    pub(super) fn think(&self, choice: Choice, random: &mut StdRng) -> Duration {
        match self.requests[choice.request].think {
            None => Duration::ZERO,
            Some((least, most)) => least + (most - least).mul_f64(random.random::<f64>()),
        }
    }

    /// A random source of its own for the n-th user or phase.
    pub(super) fn random(seed: u64, n: u64) -> StdRng {
        // An odd multiplier keeps neighbours apart; the generator mixes the rest.
        StdRng::seed_from_u64(seed ^ n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

impl Prepared {
    fn new(
        spec: &RequestSpec,
        common: &[(String, String)],
        target: &Target,
        closed: bool,
    ) -> Result<Prepared, String> {
        if !(0.0..=1e9).contains(&spec.weight) {
            return Err(format!("weight {}; take 0 to 1e9", spec.weight));
        }
        if spec.urls.len() > MOST_URLS {
            return Err(format!("{} URLs; take at most {MOST_URLS}", spec.urls.len()));
        }
        let method = Method::from_bytes(spec.method.as_bytes())
            .map_err(|_| format!("`{}` is not a method", spec.method))?;
        if method == Method::CONNECT {
            return Err("CONNECT opens a tunnel, which is not a request to measure".to_owned());
        }
        let mut paths = Vec::with_capacity(spec.urls.len().max(1));
        for url in &spec.urls {
            paths.push(target.path_of(url).map_err(|error| error.to_string())?);
        }
        if paths.is_empty() {
            paths.push(target.path.clone());
        }
        if !(0.0..=100.0).contains(&spec.zipf) {
            return Err(format!("zipf {}; take 0 (even) to 100", spec.zipf));
        }
        let zipf = (spec.zipf > 0.0)
            .then(|| Zipf::new(paths.len() as f64, spec.zipf))
            .transpose()
            .map_err(|error| format!("zipf {}: {error}", spec.zipf))?;
        if let Some(status) = spec.expect.iter().find(|s| StatusCode::from_u16(**s).is_err()) {
            return Err(format!("expect {status} is no status; take 200 to 599"));
        }
        if let Some((least, most)) = spec.think {
            if most < least {
                return Err(format!(
                    "think from {least:?} down to {most:?}; name the shorter first"
                ));
            }
            if !closed && !most.is_zero() {
                return Err(
                    "think time is for users (--users N); at a rate, arrivals do not wait \
                            for answers, so leave it out"
                        .to_owned(),
                );
            }
        }
        let headers = headers(common.iter().chain(&spec.headers), &spec.body, target)?;
        let behind = tail(&headers, &method, &spec.body);
        Ok(Prepared {
            name: spec.name.clone(),
            before: format!("{method} ").into_bytes(),
            behind,
            method,
            paths,
            headers,
            body: Bytes::copy_from_slice(&spec.body),
            zipf,
            expect: spec.expect.clone(),
            think: spec.think,
        })
    }

    /// Appends the request as HTTP/1.1 has it.
    pub(super) fn write(&self, path: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before);
        out.extend_from_slice(self.paths[path].as_str().as_bytes());
        out.extend_from_slice(&self.behind);
    }

    /// Whether this is a right status.
    pub(super) fn expects(&self, status: u16) -> bool {
        if self.expect.is_empty() { status < 400 } else { self.expect.contains(&status) }
    }
}

fn headers<'a>(
    all: impl Iterator<Item = &'a (String, String)>,
    body: &[u8],
    target: &Target,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(
        "user-agent",
        HeaderValue::from_static(concat!("perfkit-load/", env!("CARGO_PKG_VERSION"))),
    );
    headers.insert("accept", HeaderValue::from_static("*/*"));
    for (name, value) in all {
        let bad = || format!("header `{name}: {value}` is not a header");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        match key.as_str() {
            "content-length" | "transfer-encoding" | "connection" => {
                return Err(format!("header `{name}` is set by the generator; leave it out"));
            }
            _ => _ = headers.insert(key, HeaderValue::from_str(value).map_err(|_| bad())?),
        }
    }
    if !headers.contains_key("host") {
        let host = HeaderValue::from_str(target.authority.as_str()).map_err(|e| e.to_string())?;
        headers.insert("host", host);
    }
    if !body.is_empty() {
        headers.insert("content-length", HeaderValue::from(body.len()));
    }
    Ok(headers)
}

/// What stands behind the path over HTTP/1.1, body included.
fn tail(headers: &HeaderMap, method: &Method, body: &[u8]) -> Vec<u8> {
    let mut tail = b" HTTP/1.1\r\n".to_vec();
    for (name, value) in headers {
        tail.extend_from_slice(name.as_str().as_bytes());
        tail.extend_from_slice(b": ");
        tail.extend_from_slice(value.as_bytes());
        tail.extend_from_slice(b"\r\n");
    }
    if body.is_empty()
        && (method == Method::POST || method == Method::PUT || method == Method::PATCH)
    {
        tail.extend_from_slice(b"content-length: 0\r\n");
    }
    tail.extend_from_slice(b"\r\n");
    tail.extend_from_slice(body);
    tail
}

const MOST_REQUESTS: usize = 1000;
const MOST_URLS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(requests: Vec<RequestSpec>) -> Result<Plan, LoadError> {
        let mut config = LoadConfig::new("http://host:1/own");
        config.requests = requests;
        config.headers = vec![("X-All".into(), "1".into())];
        Plan::new(&config, &Target::parse(&config.target).unwrap())
    }

    fn shares(plan: &Plan, of: impl Fn(Choice) -> usize) -> Vec<f64> {
        let mut random = Plan::random(7, 0);
        let mut counts = vec![0.0; 4];
        for _ in 0..20_000 {
            counts[of(plan.choose(&mut random))] += 1.0 / 20_000.0;
        }
        counts
    }

    #[test]
    fn a_request_is_written_whole() {
        let mut spec = RequestSpec::new("save");
        spec.method = "POST".into();
        spec.urls = vec!["/a?b".into()];
        spec.body = b"{}".to_vec();
        spec.headers = vec![("content-type".into(), "application/json".into())];
        let plan = plan(vec![spec]).unwrap();
        let mut out = Vec::new();
        plan.requests[0].write(0, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("POST /a?b HTTP/1.1\r\n"), "{text}");
        for part in ["host: host:1\r\n", "x-all: 1\r\n", "content-length: 2\r\n", "\r\n\r\n{}"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn weights_and_skew_decide_the_shares() {
        let (mut often, mut seldom) = (RequestSpec::new("often"), RequestSpec::new("seldom"));
        often.weight = 3.0;
        seldom.urls = vec!["/1".into(), "/2".into(), "/3".into()];
        seldom.zipf = 1.0;
        let plan = plan(vec![often, seldom]).unwrap();
        let by_request = shares(&plan, |c| c.request);
        assert!((by_request[0] - 0.75).abs() < 0.02, "{by_request:?}");
        let by_path = shares(&plan, |c| if c.request == 1 { c.path } else { 3 });
        // 1 : 1/2 : 1/3 of the quarter.
        assert!((by_path[0] - 0.25 * 6.0 / 11.0).abs() < 0.02, "{by_path:?}");
        assert!((by_path[2] - 0.25 * 2.0 / 11.0).abs() < 0.02, "{by_path:?}");
    }

    #[test]
    fn the_seed_alone_decides() {
        let mut spec = RequestSpec::new("x");
        spec.urls = (0..100).map(|n| format!("/{n}")).collect();
        let plan = plan(vec![spec]).unwrap();
        let draw = |seed, user| {
            let mut random = Plan::random(seed, user);
            (0..50).map(|_| plan.choose(&mut random).path).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn wrong_requests_are_named() {
        let wrong = |change: fn(&mut RequestSpec)| {
            let mut spec = RequestSpec::new("it");
            change(&mut spec);
            let error = plan(vec![spec]).unwrap_err().to_string();
            assert!(error.contains("`it`") || error.contains("weight"), "{error}");
            error
        };
        assert!(wrong(|s| s.weight = -1.0).contains("-1"));
        assert!(wrong(|s| s.weight = 0.0).contains("above 0"));
        assert!(wrong(|s| s.method = "G T".into()).contains("G T"));
        assert!(wrong(|s| s.headers = vec![("a b".into(), "c".into())]).contains("a b"));
        assert!(wrong(|s| s.headers = vec![("a".into(), "c\nd".into())]).contains("not a header"));
        assert!(
            wrong(|s| s.headers = vec![("Content-Length".into(), "1".into())]).contains("leave")
        );
        assert!(wrong(|s| s.expect = vec![20]).contains("20"));
        assert!(wrong(|s| s.zipf = f64::NAN).contains("NaN"));
        assert!(wrong(|s| s.urls = vec!["http://other/".into()]).contains("other"));
        assert!(
            wrong(|s| s.think = Some((Duration::ZERO, Duration::from_secs(1)))).contains("users")
        );
    }
}
