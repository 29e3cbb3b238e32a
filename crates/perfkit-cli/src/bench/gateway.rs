//! The gateway section: a `perfkit serve` in a process of its own, asked over real connections.

use super::site::{Page, Site};
use perf_bench::load::wire::{Answer, Connection};
use perf_bench::load::{Arrival, Form, Load, LoadConfig, LoadEnd, LoadProgress, RequestSpec};
use perf_bench::suite::{Better, Context, Figure, Section, SectionFailure};
use perf_bench::system::Sampler;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Requests a second of the load: what a busy site has, and far from what the gateway bears.
const RATE: f64 = 500.0;

/// What `perfkit serve` takes: to start, for a page, for an answer of its API.
#[derive(Debug)]
pub(super) struct GatewaySection {
    origin: Option<PathBuf>,
}

impl GatewaySection {
    /// Serves this folder, or pages that are made up.
    pub(super) fn new(origin: Option<PathBuf>) -> GatewaySection {
        GatewaySection { origin }
    }
}

impl Section for GatewaySection {
    fn name(&self) -> &str {
        "gateway"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let site = Site::new(self.origin.as_deref()).map_err(SectionFailure::failed)?;
        context.doing("start-up")?;
        let mut gateway = Gateway::start(&site.root)?;
        let mut started = vec![gateway.start_up.as_secs_f64() * 1e3];
        for _ in 1..context.size(20, 5) {
            gateway = Gateway::start(&site.root)?;
            started.push(gateway.start_up.as_secs_f64() * 1e3);
        }
        let label = "start of the program until it serves";
        context.keep(Figure::of("start_up", label, &started, 1, "ms", Better::Lower));

        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(SectionFailure::failed)?;
        pages(context, &runtime, &gateway, &site)?;
        api(context, &runtime, &gateway)?;
        load(context, &gateway, &site)?;
        let resident = gateway.resident()?;
        let label = "resident memory after the load";
        context.keep(Figure::new("resident", label, resident as f64, "bytes", Better::Lower));
        if self.origin.is_none() {
            context.note(format!("{} made-up pages of 2 to 40 kB", site.pages.len()));
        } else {
            context.note(format!("{} pages of {}", site.pages.len(), site.root.display()));
        }
        Ok(())
    }
}

/// Every page for the first time, then again and again.
fn pages(
    context: &mut Context<'_>,
    runtime: &Runtime,
    gateway: &Gateway,
    site: &Site,
) -> Result<(), SectionFailure> {
    context.doing("pages for the first time")?;
    let mut connection = runtime.block_on(open(gateway.address))?;
    let (mut first, mut plain, mut encoded) = (Vec::new(), 0, 0);
    for page in &site.pages {
        let ask = request(gateway.address, &page.path, "identity");
        let (answer, took) = runtime.block_on(exchange(&mut connection, &ask))?;
        context.check(is_page(&answer, page), &format!("{} is the origin's file", page.path))?;
        first.push(took.as_nanos() as f64);
        plain += answer.body().len();
        let ask = request(gateway.address, &page.path, "br");
        let (answer, _) = runtime.block_on(exchange(&mut connection, &ask))?;
        context.check(answer.status() == 200, &format!("{} is answered", page.path))?;
        encoded += answer.body().len();
    }
    let label = "page for the first time, from the folder";
    context.keep(Figure::of("page_first", label, &first, 1, "ns", Better::Lower));
    let saved = 1.0 - encoded as f64 / plain.max(1) as f64;
    let label = "share of the pages' bytes that encoding saves";
    let figure = Figure::new("bytes_saved", label, saved, "fraction", Better::Higher);
    context.keep(figure.note(format!("br, {plain} bytes became {encoded}")));

    let requests: Vec<Vec<u8>> =
        site.pages.iter().map(|page| request(gateway.address, &page.path, "br")).collect();
    let (mut asked, mut hits, mut wrong) = (0_u64, 0_u64, 0_u64);
    context.time_batches("page", "page from memory, over a connection", |calls| {
        runtime.block_on(async {
            let begin = Instant::now();
            for n in 0..calls {
                let (answer, _) = connection
                    .exchange(&requests[n as usize % requests.len()])
                    .await
                    .map_err(SectionFailure::failed)?;
                asked += 1;
                hits += u64::from(answer.header("cache-status").contains("hit"));
                wrong += u64::from(answer.status() != 200);
            }
            Ok(begin.elapsed())
        })
    })?;
    context.check(wrong == 0, "every page is answered")?;
    let ratio = hits as f64 / asked.max(1) as f64;
    let label = "share of pages that come from memory";
    context.keep(Figure::new("page_hit_ratio", label, ratio, "fraction", Better::Higher));
    Ok(())
}

/// What the API takes.
fn api(
    context: &mut Context<'_>,
    runtime: &Runtime,
    gateway: &Gateway,
) -> Result<(), SectionFailure> {
    let mut connection = runtime.block_on(open(gateway.admin))?;
    let ask = request(gateway.admin, "/api/performance/overview", "identity");
    let mut wrong = 0;
    context.time_batches("api", "overview from the API, over a connection", |calls| {
        runtime.block_on(async {
            let begin = Instant::now();
            for _ in 0..calls {
                let (answer, _) =
                    connection.exchange(&ask).await.map_err(SectionFailure::failed)?;
                wrong += u64::from(answer.status() != 200 || answer.body().is_empty());
            }
            Ok(begin.elapsed())
        })
    })?;
    context.check(wrong == 0, "the API answers")
}

/// Latency under open load, from the time a request was to leave.
fn load(context: &mut Context<'_>, gateway: &Gateway, site: &Site) -> Result<(), SectionFailure> {
    context.doing("open load")?;
    let mut pages = RequestSpec::new("pages");
    pages.urls = site.pages.iter().map(|page| page.path.clone()).collect();
    pages.zipf = 1.0;
    pages.headers = vec![("accept-encoding".to_owned(), "br".to_owned())];
    pages.expect = vec![200];
    let mut config = LoadConfig::new(format!("http://{}/", gateway.address));
    config.form = Form::Open(Arrival::Constant { rate: RATE });
    config.length = Duration::from_secs(context.size(10, 2));
    config.warm_up = Duration::from_secs(context.size(1, 0));
    config.requests = vec![pages];
    let load = Load::new(config).map_err(SectionFailure::failed)?;
    // Of its own thread's making: the load brings its own runtime.
    let report = load.run(&Arc::new(LoadProgress::new())).map_err(SectionFailure::failed)?;
    if report.ended != LoadEnd::Complete {
        return Err(SectionFailure::failed("the load ended before its time"));
    }
    let figures = &report.figures;
    if let Some(why) = &report.void {
        context.note(format!("the load's latencies are void: {why}"));
    } else {
        let note = format!("{RATE} requests/s, from the time each was to leave");
        for (name, label, value) in [
            ("load_p50", "median latency under open load", figures.latency.p50),
            ("load_p95", "95 % latency under open load", figures.latency.p95),
            ("load_p99", "99 % latency under open load", figures.latency.p99),
        ] {
            let figure = Figure::new(name, label, value, "ns", Better::Lower);
            context.keep(figure.note(note.clone()));
        }
    }
    let label = "requests that failed under open load";
    let errors = Figure::new("load_errors", label, figures.error_ratio, "fraction", Better::Lower);
    context.keep(errors);
    context.checked(figures.answered - figures.failed.min(figures.answered));
    Ok(())
}

/// A `perfkit serve` that ends with this value.
struct Gateway {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    start_up: Duration,
}

impl Gateway {
    fn start(origin: &Path) -> Result<Gateway, SectionFailure> {
        let program = std::env::current_exe().map_err(SectionFailure::failed)?;
        let mut command = Command::new(program);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--origin").arg(origin);
        // What the user has set for a gateway of theirs is not meant for this one.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("PERFKIT_") || name_text.starts_with("CACHE_") {
                command.env_remove(&name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let begin = Instant::now();
        let child = command.spawn().map_err(SectionFailure::failed)?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway =
            Gateway { child, address: nowhere, admin: nowhere, start_up: Duration::ZERO };
        let mut line = String::new();
        if let Some(out) = gateway.child.stdout.as_mut() {
            BufReader::new(out).read_line(&mut line).map_err(SectionFailure::failed)?;
        }
        gateway.start_up = begin.elapsed();
        let started: serde_json::Value = serde_json::from_str(&line)
            .map_err(|_| SectionFailure::failed("the gateway did not start"))?;
        let address = |name: &str| -> Result<SocketAddr, SectionFailure> {
            let url = started[name].as_str().unwrap_or_default();
            let address = url.strip_prefix("http://").unwrap_or(url);
            address
                .split('/')
                .next()
                .unwrap_or_default()
                .parse()
                .map_err(|_| SectionFailure::failed(format!("the gateway names no `{name}`")))
        };
        gateway.address = address("listen")?;
        gateway.admin = address("admin")?;
        Ok(gateway)
    }

    /// Its resident memory in bytes.
    fn resident(&self) -> Result<u64, SectionFailure> {
        let mut sampler = Sampler::new().map_err(SectionFailure::failed)?;
        sampler.watch("gateway", self.child.id());
        // The nearest that two samples may be.
        thread::sleep(Duration::from_millis(210));
        let samples = sampler.finish();
        let own = samples.processes.iter().find(|process| process.pid == self.child.id());
        own.and_then(|process| process.peak_resident())
            .ok_or_else(|| SectionFailure::failed("the gateway's memory cannot be read"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn open(address: SocketAddr) -> Result<Connection, SectionFailure> {
    Connection::open(address).await.map_err(SectionFailure::failed)
}

async fn exchange(
    connection: &mut Connection,
    request: &[u8],
) -> Result<(Answer, Duration), SectionFailure> {
    let (answer, timing) = connection.exchange(request).await.map_err(SectionFailure::failed)?;
    Ok((answer.clone(), timing.whole))
}

fn request(address: SocketAddr, path: &str, coding: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept-encoding: {coding}\r\n\r\n")
        .into_bytes()
}

fn is_page(answer: &Answer, page: &Page) -> bool {
    answer.status() == 200 && answer.body() == page.content
}
