//! The command line of `perfkit load`.

use crate::span::Span;
use clap::Args;
use perf_bench::load::{
    Arrival, Form, Jitter, LoadConfig, LoadError, Objectives, RequestSpec, Stress,
};
use std::path::{Path, PathBuf};

/// `perfkit load`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct LoadArguments {
    /// What to load: a URL such as http://127.0.0.1:8080/, or a scenario, a file that ends in .toml
    #[arg(value_name = "URL|scenario.toml")]
    target: String,
    /// Requests a second, whatever the target does [default: 1000]; with --stress, where to start
    #[arg(long, value_name = "N", help_heading = "Form of the load")]
    rate: Option<f64>,
    /// Users that ask again once they have their answer, instead of a rate
    #[arg(long, value_name = "N", help_heading = "Form of the load", conflicts_with_all = ["rate", "ramp", "steps", "stress"])]
    users: Option<usize>,
    /// A rate that changes evenly from one to the other, such as 100..1000
    #[arg(long, value_name = "A..B", value_parser = ramp, help_heading = "Form of the load", conflicts_with_all = ["rate", "steps", "stress"])]
    ramp: Option<(f64, f64)>,
    /// Rates one after the other, each for an equal part of the time
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', help_heading = "Form of the load", conflicts_with_all = ["rate", "stress"])]
    steps: Option<Vec<f64>>,
    /// Raise the rate until an objective breaks, and report the highest that held
    #[arg(long, help_heading = "Form of the load")]
    stress: bool,
    /// How long each step of --stress is measured [default: 5s]
    #[arg(long, value_name = "TIME", requires = "stress", help_heading = "Form of the load")]
    step: Option<Span>,
    /// How arrivals scatter around their even spacing: none, uniform, poisson [default: uniform]
    #[arg(long, value_name = "HOW", value_parser = jitter, help_heading = "Form of the load")]
    jitter: Option<Jitter>,
    /// How long to measure; with --stress, how long all of it may last [default: 30s, 3m with --stress]
    #[arg(long = "for", value_name = "TIME")]
    length: Option<Span>,
    /// How long to load before it, without counting [default: 2s]
    #[arg(long, value_name = "TIME")]
    warm_up: Option<Span>,
    /// Limits to keep, such as p99=50ms,errors=1%; a broken one makes the exit code 3
    #[arg(long, value_name = "LIMITS")]
    objective: Option<Objectives>,
    /// Connections at most [default: 1024, 1 with --http2; with --users as many as let all ask at once]
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// HTTP/2 in cleartext, with prior knowledge
    #[arg(long)]
    http2: bool,
    /// The method [default: GET, POST with --body]
    #[arg(long, short = 'X', value_name = "METHOD", help_heading = "Request")]
    method: Option<String>,
    /// A header, such as `accept: text/html`; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header, help_heading = "Request")]
    header: Vec<(String, String)>,
    /// The body, or @FILE to send a file
    #[arg(long, short = 'd', value_name = "TEXT|@FILE", help_heading = "Request")]
    body: Option<String>,
    /// Statuses that are right, such as 200,304 [default: any below 400]
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',', help_heading = "Request")]
    expect: Vec<u16>,
    /// How long a request may take [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Request")]
    timeout: Option<Span>,
    /// Seed of arrivals and choices [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The target's process, to sample its memory; found by its port when it runs on this machine
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Limits on routes, by the names of the requests or `all`; exit with 3 when one is broken
    #[arg(long, value_name = "perf-budget.toml")]
    pub(super) budget: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(super) json: bool,
    /// Write a report as a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Exit with 4 rather than 0 when the run is void
    #[arg(long)]
    pub(super) strict: bool,
}

const HELP: &str = "\
Requests leave at their own times unless --users is given, and latency counts from the time a
request was to leave: a target that stalls cannot slow the load down and so hide the stall.
The run is void when more than 1 % of the requests leave more than max(1 ms, 10 % of the median)
late. The generator is one thread that waits busily for the last 100 µs before each request: give
it a core of its own.

A flag overrides what a scenario says; --method, --header, --body and --expect go with a URL only.
Scenarios hold several kinds of requests with weights, think time and lists of URLs.

Examples:
  perfkit load http://127.0.0.1:8080/ --rate 500 --for 1m --html load.html
  perfkit load http://127.0.0.1:8080/ --stress --objective p99=50ms,errors=1%
  perfkit load http://127.0.0.1:8080/save --body @order.json -H 'content-type: application/json'
  perfkit load shop.toml --ramp 100..2000 --for 5m --json > load.json
  perfkit load http://127.0.0.1:8080/ --users 50 --for 10s
  perfkit load http://127.0.0.1:8080/ --rate 100 --for 8h --html night.html   # trend, leak verdict

Exit codes: 0 done, error answers and void runs included; 1 nobody answers, or not any more;
2 the command or the scenario is wrong; 3 an objective is broken, with --stress at every rate
tried; 4 void, with --strict.
Ctrl-C ends the load early; what was measured is reported and marked.";

impl LoadArguments {
    /// What is to be done.
    pub(super) fn config(&self) -> Result<LoadConfig, LoadError> {
        let path = Path::new(&self.target);
        let scenario = path.extension().is_some_and(|e| e == "toml");
        let mut config = if scenario {
            self.refuse_request_flags()?;
            LoadConfig::from_file(path)?
        } else {
            let mut config = LoadConfig::new(&self.target);
            config.requests = vec![self.request()?];
            config
        };
        self.apply(&mut config);
        Ok(config)
    }

    fn apply(&self, config: &mut LoadConfig) {
        if let Some(users) = self.users {
            config.form = Form::Users(users);
        } else if let Some((from, to)) = self.ramp {
            config.form = Form::Open(Arrival::Ramp { from, to });
        } else if let Some(rates) = &self.steps {
            config.form = Form::Open(Arrival::Steps { rates: rates.clone() });
        } else if self.stress {
            let mut stress = Stress::default();
            stress.from = self.rate.unwrap_or(stress.from);
            config.form = Form::Stress(stress);
            config.length = std::time::Duration::from_secs(180);
        } else if let Some(rate) = self.rate {
            config.form = Form::Open(Arrival::Constant { rate });
        }
        if let (Form::Stress(stress), Some(step)) = (&mut config.form, self.step) {
            stress.step = step.0;
        }
        config.jitter = self.jitter.unwrap_or(config.jitter);
        for (given, setting) in [
            (self.length, &mut config.length),
            (self.warm_up, &mut config.warm_up),
            (self.timeout, &mut config.timeout),
        ] {
            *setting = given.map_or(*setting, |span| span.0);
        }
        if let Some(objectives) = &self.objective {
            config.objectives = objectives.clone();
        }
        config.connections = self.connections.or(config.connections);
        config.http2 |= self.http2;
        config.seed = self.seed.unwrap_or(config.seed);
        config.pid = self.pid.or(config.pid);
    }

    fn request(&self) -> Result<RequestSpec, LoadError> {
        let mut request = RequestSpec::new("request");
        request.headers = self.header.clone();
        request.expect = self.expect.clone();
        if let Some(body) = &self.body {
            request.method = "POST".to_owned();
            request.body = match body.strip_prefix('@') {
                None => body.clone().into_bytes(),
                Some(file) => std::fs::read(file)
                    .map_err(|e| LoadError::usage(format!("body {file} cannot be read: {e}")))?,
            };
        }
        if let Some(method) = &self.method {
            request.method.clone_from(method);
        }
        Ok(request)
    }

    fn refuse_request_flags(&self) -> Result<(), LoadError> {
        let given = [
            ("--method", self.method.is_some()),
            ("--header", !self.header.is_empty()),
            ("--body", self.body.is_some()),
            ("--expect", !self.expect.is_empty()),
        ];
        match given.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => Err(LoadError::usage(format!(
                "{flag} goes with a URL; in a scenario, write it under [[request]]"
            ))),
        }
    }
}

fn ramp(text: &str) -> Result<(f64, f64), String> {
    let refuse = || format!("`{text}` is no ramp: write two rates like 100..1000");
    let (from, to) = text.split_once("..").ok_or_else(refuse)?;
    Ok((from.trim().parse().map_err(|_| refuse())?, to.trim().parse().map_err(|_| refuse())?))
}

fn jitter(text: &str) -> Result<Jitter, String> {
    match text {
        "none" => Ok(Jitter::None),
        "uniform" => Ok(Jitter::Uniform),
        "poisson" => Ok(Jitter::Poisson),
        _ => Err(format!("`{text}` is none of none, uniform and poisson")),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("`{text}` is no header: write it like `accept: text/html`")),
    }
}
