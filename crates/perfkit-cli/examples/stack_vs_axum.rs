//! A cached hit through the whole gateway against a bare axum handler with the same body.
//!
//! Both servers run in this process on the same one-threaded runtime; one load generator on another
//! thread asks them in turn, in rounds, and checks every body. Printed are the medians over the
//! rounds: requests per second, the processor time that the server's thread took for each, and how
//! long a client waited for the first byte (median) and for the last (p99).
//!
//! ```console
//! $ cargo run --release -p perfkit-cli --example stack_vs_axum -- --requests 40000 --rounds 9
//! $ cargo run --release -p perfkit-cli --example stack_vs_axum -- --json
//! ```

#![expect(clippy::print_stdout, reason = "a program: its results go to standard output")]

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::get;
use axum::serve::ListenerExt;
use perf_bench::load::wire::{self, Answer, Connection, Timing, Visitor};
use perf_core::Histogram;
use perf_server::{Gateway, GatewayConfig, Origin};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tokio::net::TcpListener;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is asked for.
struct Case {
    name: &'static str,
    bytes: usize,
    accept_encoding: &'static str,
}

const CASES: [Case; 3] = [
    Case { name: "identity, 1 KiB", bytes: 1 << 10, accept_encoding: "" },
    Case { name: "identity, 16 KiB", bytes: 16 << 10, accept_encoding: "" },
    Case { name: "br, page of 64 KiB", bytes: 64 << 10, accept_encoding: "br" },
];

fn main() -> Outcome<()> {
    let options = Options::read()?;
    let servers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(SERVER_THREAD)
        .enable_all()
        .build()?;
    let mut rows = Vec::new();
    for case in CASES {
        rows.push(servers.block_on(async { measure(&case, &options).await })?);
    }
    if options.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        println!("{}", serde_json::json!({ "connections": options.connections, "cases": rows }));
        return Ok(());
    }
    println!(
        "{:<20} {:<8} {:>11} {:>8} {:>14} {:>9}",
        "hit", "server", "requests/s", "cpu µs", "first byte µs", "p99 µs"
    );
    for row in rows {
        for (name, side) in [("axum", &row.axum), ("gateway", &row.gateway)] {
            println!(
                "{:<20} {name:<8} {:>11.0} {:>8.2} {:>14.1} {:>9.1}",
                row.case, side.rate, side.cpu, side.first_byte, side.p99
            );
        }
        println!(
            "{:<20} {:<8} {:>11.3} {:>8.3}",
            "",
            "ratio",
            row.ratio(),
            row.axum.cpu / row.gateway.cpu
        );
    }
    Ok(())
}

struct Options {
    requests: usize,
    rounds: usize,
    connections: usize,
    json: bool,
}

impl Options {
    fn read() -> Outcome<Options> {
        let mut options = Options { requests: 40_000, rounds: 9, connections: 32, json: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut number = || -> Outcome<usize> {
                Ok(arguments.next().ok_or(format!("{name} needs a number"))?.parse()?)
            };
            match name.as_str() {
                "--requests" => options.requests = number()?,
                "--rounds" => options.rounds = number()?.max(1),
                "--connections" => options.connections = number()?.max(1),
                "--json" => options.json = true,
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(options)
    }
}

/// The medians of one server.
struct Side {
    /// Requests per second.
    rate: f64,
    /// Microseconds of the server's thread per request.
    cpu: f64,
    /// Median of the microseconds to the first byte.
    first_byte: f64,
    /// The 99th percentile of the microseconds to the last byte.
    p99: f64,
}

struct Row {
    case: &'static str,
    axum: Side,
    gateway: Side,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.gateway.rate / self.axum.rate
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "case": self.case,
            "axum_requests_per_second": self.axum.rate,
            "gateway_requests_per_second": self.gateway.rate,
            "ratio": self.ratio(),
            "axum_cpu_us": self.axum.cpu,
            "gateway_cpu_us": self.gateway.cpu,
            "axum_first_byte_p50_us": self.axum.first_byte,
            "gateway_first_byte_p50_us": self.gateway.first_byte,
            "axum_p99_us": self.axum.p99,
            "gateway_p99_us": self.gateway.p99,
        })
    }
}

async fn measure(case: &Case, options: &Options) -> Outcome<Row> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("page.html"), page(case.bytes))?;
    let mut config = GatewayConfig::new(Origin::Folder(folder.path().to_owned()));
    config.listen = "127.0.0.1:0".parse()?;
    let gateway = Gateway::start(config).await?;
    let request = request(case.accept_encoding);

    // Once to store it and once to learn what a hit looks like.
    let mut connection = Connection::open(gateway.address()).await?;
    connection.exchange(&request).await?;
    let (answer, _) = connection.exchange(&request).await?;
    let body: Arc<[u8]> = answer.body().into();
    let encoding = answer.header("content-encoding").to_owned();
    if encoding != case.accept_encoding {
        return Err(format!("the gateway answered in `{encoding}`").into());
    }
    drop(connection);
    let axum = bare_axum(body.clone(), &encoding).await?;

    let (mut on_axum, mut on_gateway) = (Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        for first in [round % 2 == 0, round % 2 != 0] {
            let (address, hit) = if first { (axum, false) } else { (gateway.address(), true) };
            let side = one_round(address, &request, &body, hit, options).await?;
            // The first round warms both up.
            if round > 0 {
                if first { on_axum.push(side) } else { on_gateway.push(side) }
            }
        }
    }
    gateway.shutdown(std::time::Duration::from_secs(1)).await;
    Ok(Row { case: case.name, axum: median(on_axum), gateway: median(on_gateway) })
}

/// The plainest server of the same bytes.
async fn bare_axum(body: Arc<[u8]>, encoding: &str) -> Outcome<SocketAddr> {
    let body = bytes::Bytes::from_owner(body);
    let mut headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))];
    if !encoding.is_empty() {
        headers.push((header::CONTENT_ENCODING, encoding.parse()?));
    }
    let headers: Vec<(HeaderName, HeaderValue)> = headers;
    let handler = move || {
        let (body, headers) = (body.clone(), headers.clone());
        async move {
            let mut response = axum::response::Response::new(axum::body::Body::from(body));
            response.headers_mut().extend(headers);
            response
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        // Without it the small packets wait, which would only harm axum's side.
        let _ = stream.set_nodelay(true);
    });
    let routes = Router::new().route("/page.html", get(handler));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

async fn one_round(
    address: SocketAddr,
    request: &[u8],
    body: &Arc<[u8]>,
    hit: bool,
    options: &Options,
) -> Outcome<Side> {
    let each = options.requests / options.connections;
    let visitors: Vec<Client> = (0..options.connections)
        .map(|_| Client {
            request: request.into(),
            body: Arc::clone(body),
            hit,
            left: each,
            first_byte: Histogram::new(),
            whole: Histogram::new(),
        })
        .collect();
    let before = server_time()?;
    let load = std::thread::spawn(move || -> Result<_, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|e| e.to_string())?;
        let start = Instant::now();
        let stop = AtomicBool::new(false);
        let visitors = runtime.block_on(wire::visit_all(address, visitors, &stop))?;
        Ok((visitors, start.elapsed().as_secs_f64()))
    });
    let (visitors, elapsed) = tokio::task::spawn_blocking(move || load.join())
        .await?
        .map_err(|_| "the load panicked")??;
    let done = (each * options.connections) as f64;
    let cpu = (server_time()? - before) / done;
    let (mut first_byte, mut whole) = (Histogram::new(), Histogram::new());
    for visitor in &visitors {
        first_byte.merge(&visitor.first_byte);
        whole.merge(&visitor.whole);
    }
    let micros = |h: &Histogram, q| h.quantile(q).map_or(0.0, |ns| ns as f64 / 1e3);
    let (first_byte, p99) = (micros(&first_byte, 0.5), micros(&whole, 0.99));
    Ok(Side { rate: done / elapsed, cpu, first_byte, p99 })
}

struct Client {
    request: Arc<[u8]>,
    body: Arc<[u8]>,
    hit: bool,
    left: usize,
    first_byte: Histogram,
    whole: Histogram,
}

impl Visitor for Client {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.request);
        self.left > 0
    }

    fn answered(&mut self, answer: &Answer, timing: Timing) -> Result<(), String> {
        self.left -= 1;
        self.first_byte.record_duration(timing.first_byte);
        self.whole.record_duration(timing.whole);
        if answer.status() != 200 || answer.body()[..] != self.body[..] {
            return Err(format!("{} with {} bytes", answer.status(), answer.body().len()));
        }
        if self.hit && !answer.header("cache-status").contains("; hit") {
            return Err(format!("no hit: `{}`", answer.header("cache-status")));
        }
        Ok(())
    }
}

fn request(accept_encoding: &str) -> Vec<u8> {
    let mut request = "GET /page.html HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: load\r\n\
                       accept: text/html,*/*;q=0.8\r\n"
        .to_owned();
    if !accept_encoding.is_empty() {
        request.push_str(&format!("accept-encoding: {accept_encoding}\r\n"));
    }
    request.push_str("\r\n");
    request.into_bytes()
}

fn page(bytes: usize) -> String {
    let mut page = "<!doctype html><html><body>".to_owned();
    for n in 0_u64.. {
        if page.len() >= bytes {
            break;
        }
        page.push_str(&format!("<p id=\"p{n}\">Paragraph {} of many.</p>\n", n * 7919 % 10_007));
    }
    page.truncate(bytes);
    page
}

fn median(mut sides: Vec<Side>) -> Side {
    let mut middle = |key: fn(&Side) -> f64| {
        sides.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&sides[sides.len() / 2])
    };
    Side {
        rate: middle(|s| s.rate),
        cpu: middle(|s| s.cpu),
        first_byte: middle(|s| s.first_byte),
        p99: middle(|s| s.p99),
    }
}

const SERVER_THREAD: &str = "server";

/// Microseconds that the server's thread has run; 0 where the system does not say.
fn server_time() -> Outcome<f64> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Ok(0.0) };
    let mut nanoseconds = 0;
    for task in tasks.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim() == SERVER_THREAD {
            let ran = std::fs::read_to_string(task.path().join("schedstat"))?;
            let ran = ran.split_ascii_whitespace().next().unwrap_or("0").parse::<u64>()?;
            nanoseconds += ran;
        }
    }
    Ok(nanoseconds as f64 / 1e3)
}
