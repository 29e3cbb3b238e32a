//! What a load run is to do.

use super::{Arrival, Jitter, Objectives};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Requests on one connection at once over HTTP/2; fewer when the server allows fewer.
pub(super) const STREAMS: usize = 128;

/// What a load run is to do. Fill in what differs from [`LoadConfig::new`]; [`Load::new`] checks it.
///
/// [`Load::new`]: super::Load::new
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadConfig {
    /// `http://host:port/path`; the scheme may be left out.
    pub target: String,
    /// How requests come: 1 000 a second unless set.
    pub form: Form,
    /// How arrivals scatter in the open form.
    pub jitter: Jitter,
    /// How long is measured: 30 s. In a stress run, the whole of it may last this long.
    pub length: Duration,
    /// How long requests go before it and are not counted: 2 s.
    pub warm_up: Duration,
    /// Connections at most: 1 024 over HTTP/1.1 and 1 over HTTP/2, unless set. Users have one each
    /// over HTTP/1.1 and share one among 128 over HTTP/2; with fewer they are refused. What the limit on open files does not allow even once it is raised is not
    /// used, and the report says so.
    pub connections: Option<usize>,
    /// HTTP/2 with prior knowledge instead of HTTP/1.1.
    pub http2: bool,
    /// How long a request may take from its sending: 10 s.
    pub timeout: Duration,
    /// How long open requests are waited for at the end: as long as the time-out, unless set.
    pub drain: Option<Duration>,
    /// Longest body of an answer: 64 MiB.
    pub body_limit: u64,
    /// Seed of arrivals and choices: 1.
    pub seed: u64,
    /// Limits to keep.
    pub objectives: Objectives,
    /// Headers of every request.
    pub headers: Vec<(String, String)>,
    /// What is asked for; one GET of the target's path when empty.
    pub requests: Vec<RequestSpec>,
    /// The target's process, to sample its memory; found by the port when it runs here, else.
    pub pid: Option<u32>,
}

/// How requests come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Form {
    /// At their own times, whatever the target does. What real users do, and the only form whose
    /// latencies show a stall.
    Open(Arrival),
    /// So many users, each asking again once it has its answer and has thought. A stalled target is
    /// asked less, so its latencies look better than they are.
    Users(usize),
    /// Open, at rates that rise until an objective breaks.
    Stress(Stress),
}

/// How a stress run raises its rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stress {
    /// Requests a second of the first step: 500.
    pub from: f64,
    /// By what the rate grows from step to step until it breaks: 1.5.
    pub factor: f64,
    /// How long each step is measured: 5 s.
    pub step: Duration,
    /// How many steps halve the span between the last that held and the first that broke: 3.
    pub refine: u32,
}

impl Default for Stress {
    fn default() -> Stress {
        Stress { from: 500.0, factor: 1.5, step: Duration::from_secs(5), refine: 3 }
    }
}

/// One kind of request among those of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RequestSpec {
    /// Its name in the report.
    pub name: String,
    /// How often it is chosen, against the others: 1.
    pub weight: f64,
    /// The method: GET.
    pub method: String,
    /// Paths or URLs of the target; one of them is chosen each time. The target's own path when
    /// empty.
    pub urls: Vec<String>,
    /// Skew of the choice: the n-th URL is chosen in proportion to n to the minus this. 0 chooses
    /// evenly.
    pub zipf: f64,
    /// Headers besides those of every request.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Statuses that are right; any below 400 when empty.
    pub expect: Vec<u16>,
    /// How long a user thinks after the answer, evenly between both. Only users think: in the open
    /// form arrivals are what they are.
    pub think: Option<(Duration, Duration)>,
}

impl LoadConfig {
    /// 1 000 requests a second for 30 s, each a GET of `target`.
    #[must_use]
    pub fn new(target: impl Into<String>) -> LoadConfig {
        LoadConfig {
            target: target.into(),
            form: Form::Open(Arrival::Constant { rate: 1000.0 }),
            jitter: Jitter::default(),
            length: Duration::from_secs(30),
            warm_up: Duration::from_secs(2),
            connections: None,
            http2: false,
            timeout: Duration::from_secs(10),
            drain: None,
            body_limit: 64 << 20,
            seed: 1,
            objectives: Objectives::default(),
            headers: Vec::new(),
            requests: Vec::new(),
            pid: None,
        }
    }

    /// Connections at most, with the default in place.
    pub(super) fn connection_cap(&self) -> usize {
        match (self.connections, &self.form) {
            (Some(connections), _) => connections,
            (None, Form::Users(_)) => self.least_connections(),
            (None, _) if self.http2 => 1,
            (None, _) => 1024,
        }
    }

    /// Connections that let all users ask at once; 1 in the open forms.
    pub(super) fn least_connections(&self) -> usize {
        match self.form {
            Form::Users(users) if self.http2 => users.div_ceil(STREAMS),
            Form::Users(users) => users,
            _ => 1,
        }
    }
}

impl RequestSpec {
    /// A GET of the target's own path.
    #[must_use]
    pub fn new(name: impl Into<String>) -> RequestSpec {
        RequestSpec {
            name: name.into(),
            weight: 1.0,
            method: "GET".to_owned(),
            urls: Vec::new(),
            zipf: 0.0,
            headers: Vec::new(),
            body: Vec::new(),
            expect: Vec::new(),
            think: None,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Open(arrival) => write!(f, "{arrival}"),
            Form::Users(1) => f.write_str("1 user"),
            Form::Users(users) => write!(f, "{users} users"),
            Form::Stress(stress) => write!(f, "stress from {} requests/s", stress.from),
        }
    }
}
