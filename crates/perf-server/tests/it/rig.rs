//! A server with a component that does as it is told, and a client that sees everything.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use perf_core::{
    Bounds, ByteSize, Clock, Component, Histogram, Instant, Knob, KnobError, KnobValue,
    ManualClock, Observe, Signal, Tune, Turn, Turned, Unit,
};
use perf_engine::PerformanceOptimizer;
use perf_server::{Admin, AdminConfig, ServiceInfo};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const TOKEN: &str = "a-token-for-the-tests";

/// A server that runs, with a `memory` that can be turned and a `gateway` that has traffic.
pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) optimizer: PerformanceOptimizer,
    pub(crate) url: String,
    hand: ManualClock,
    memory: Arc<Puppet>,
    gateway: Arc<Puppet>,
    responses: Arc<Puppet>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        Rig::start_with(AdminConfig::new("127.0.0.1:0".parse().unwrap())).await
    }

    pub(crate) async fn start_with(config: AdminConfig) -> Rig {
        let (clock, hand) = Clock::manual();
        let optimizer =
            PerformanceOptimizer::builder().clock(clock.clone()).manual_sampling().build().unwrap();
        let puppet = |knobs| Arc::new(Puppet::new(clock.now(), knobs));
        let (memory, gateway, responses) = (puppet(memory_knobs()), puppet(vec![]), puppet(vec![]));
        optimizer.register("memory", &memory).unwrap();
        optimizer.register("gateway", &gateway).unwrap();
        optimizer.register("responses", &responses).unwrap();
        let service = ServiceInfo::new("shop").version("1.2.3").origin("./site");
        let config = config.token(TOKEN.parse().unwrap());
        let admin = Admin::bind(config, optimizer.clone(), service).unwrap();
        let (address, url) = (admin.local_addr(), admin.dashboard_url());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            admin.serve(async { drop(stopped.await) }).await.unwrap();
        });
        let stop = Some(stop);
        Rig { address, optimizer, url, hand, memory, gateway, responses, stop, server }
    }

    /// A second of traffic: requests that hit, miss and fail.
    pub(crate) fn second_of(&self, hits: u64, misses: u64, errors: u64) {
        self.hand.advance(Duration::from_secs(1));
        let class = |class| vec![("route", "/"), ("class", class)];
        self.gateway.count("requests", class("2xx"), hits + misses);
        self.gateway.count("requests", class("5xx"), errors);
        self.gateway.time("request_duration", class("2xx"), 2_000_000, hits);
        self.gateway.time("request_duration", class("2xx"), 50_000_000, misses);
        self.responses.count("answers", vec![("outcome", "hit")], hits);
        self.responses.count("answers", vec![("outcome", "miss")], misses);
        self.responses.count("answers", vec![("outcome", "error")], errors);
        self.responses.time("answer_duration", vec![("outcome", "hit")], 1_000_000, hits);
        self.responses.time("answer_duration", vec![("outcome", "miss")], 40_000_000, misses);
        self.memory.level("bytes", 4_096.0);
        self.memory.level("entries", 3.0);
        self.memory.count("evictions", vec![("cause", "size")], 1);
        self.optimizer.sample_now();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// Asks with the token.
    pub(crate) async fn tell(&self, method: &str, path: &str, body: &str) -> Answer {
        let shown = format!("Bearer {TOKEN}");
        self.ask(method, path, &[("authorization", &shown)], body).await
    }

    /// Asks with these headers, which may replace `Host`.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::from(body.to_owned()));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Tells the server to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.server.await.unwrap();
    }

    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    /// The body as a problem document of this status, whose detail has these words.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, words: &[&str]) -> Value {
        let body = self.json();
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(body["status"], status);
        let detail = body["detail"].as_str().expect("a problem says what happened");
        for word in words {
            assert!(detail.contains(word), "{word:?} is not in {detail:?}");
        }
        body
    }
}

fn memory_knobs() -> Vec<Knob> {
    let seconds = Duration::from_secs;
    vec![
        Knob::new(
            "capacity",
            "Capacity",
            KnobValue::Bytes(ByteSize::mib(256)),
            KnobValue::Bytes(ByteSize::mib(256)),
            Bounds::Bytes { min: ByteSize::mib(1), max: ByteSize::gib(4), step: ByteSize::mib(1) },
        ),
        Knob::new(
            "time_to_live",
            "Time to live",
            KnobValue::Duration(seconds(300)),
            KnobValue::Duration(seconds(300)),
            Bounds::Duration { min: seconds(0), max: seconds(86_400), step: seconds(30) },
        ),
    ]
}

/// A component that reports what it is told to.
#[derive(Debug)]
struct Puppet {
    since: Instant,
    knobs: Mutex<Vec<Knob>>,
    readings: Mutex<Vec<(&'static str, Labels, Held)>>,
}

type Labels = Vec<(&'static str, &'static str)>;

#[derive(Debug)]
enum Held {
    Counter(u64),
    Gauge(f64),
    Histogram(Histogram),
}

impl Puppet {
    fn new(since: Instant, knobs: Vec<Knob>) -> Puppet {
        Puppet { since, knobs: Mutex::new(knobs), readings: Mutex::default() }
    }

    fn count(&self, name: &'static str, labels: Labels, more: u64) {
        self.with(name, labels, Held::Counter(0), |held| {
            if let Held::Counter(count) = held {
                *count += more;
            }
        });
    }

    fn level(&self, name: &'static str, level: f64) {
        self.with(name, vec![], Held::Gauge(0.0), |held| *held = Held::Gauge(level));
    }

    fn time(&self, name: &'static str, labels: Labels, nanos: u64, times: u64) {
        self.with(name, labels, Held::Histogram(Histogram::new()), |held| {
            if let Held::Histogram(histogram) = held {
                histogram.record_n(nanos, times);
            }
        });
    }

    fn with(&self, name: &'static str, labels: Labels, new: Held, change: impl FnOnce(&mut Held)) {
        let mut readings = self.readings.lock().unwrap();
        let at = readings.iter().position(|(n, l, _)| *n == name && *l == labels);
        let at = at.unwrap_or_else(|| {
            readings.push((name, labels, new));
            readings.len() - 1
        });
        change(&mut readings[at].2);
    }
}

impl Observe for Puppet {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        for (name, labels, held) in self.readings.lock().unwrap().iter() {
            let signal = match held {
                Held::Counter(count) => Signal::counter(name, *count, self.since),
                Held::Gauge(level) => Signal::gauge(name, Unit::Count, *level),
                Held::Histogram(histogram) => {
                    Signal::histogram(name, Unit::Nanoseconds, histogram, self.since)
                }
            };
            visit(signal.labels(labels));
        }
    }
}

impl Tune for Puppet {
    fn knobs(&self) -> Vec<Knob> {
        self.knobs.lock().unwrap().clone()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        let mut knobs = self.knobs.lock().unwrap();
        let known = knobs.iter().map(|knob| knob.id.clone()).collect();
        let Some(knob) = knobs.iter_mut().find(|knob| knob.id == turn.knob) else {
            return Err(KnobError::Unknown { knob: turn.knob, known });
        };
        knob.check(&turn)?;
        let from = std::mem::replace(&mut knob.value, turn.to.clone());
        Ok(Turned { from, to: turn.to, settles: None })
    }
}

impl Component for Puppet {}
