//! How long after a purge on one gateway another one, which shares its cache over a Redis, still
//! answers what was purged.
//!
//! `cargo run --release -p perf-server --example purge_seen --features redis`, over a `redis-server`
//! that it starts; `--json` prints an object.
//!
//! Each round: the other gateway has a page in memory; the first one is told to purge it, by key or by tag
//! in turn; the other is asked over HTTP, again and again, until its answer is another one. The time
//! is from the call of the purge to the end of that answer.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use perf_cache::remote::RedisTier;
use perf_core::Histogram;
use perf_server::{Gateway, GatewayConfig};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

type Error = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 500;
/// Requests between two purges.
const SETTLED: usize = 20;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut server = start(port)?;
    let done = run(&format!("redis://127.0.0.1:{port}")).await;
    server.kill()?;
    server.wait()?;
    let (seen, returned) = done?;
    let ms = |histogram: &Histogram, q: f64| histogram.quantile(q).unwrap_or(0) as f64 / 1e6;
    if std::env::args().any(|argument| argument == "--json") {
        let of = |histogram: &Histogram| {
            serde_json::json!({
                "p50_ms": ms(histogram, 0.5),
                "p99_ms": ms(histogram, 0.99),
                "max_ms": ms(histogram, 1.0),
            })
        };
        let line =
            serde_json::json!({ "rounds": ROUNDS, "seen": of(&seen), "returned": of(&returned) });
        println!("{line}");
        return Ok(());
    }
    println!("{ROUNDS} purges, milliseconds from the call      median      p99      max");
    for (what, histogram) in
        [("until the call returns", &returned), ("until the other answers anew", &seen)]
    {
        let [median, p99, max] = [0.5, 0.99, 1.0].map(|q| ms(histogram, q));
        println!("{what:<44} {median:>8.2} {p99:>8.2} {max:>8.2}");
    }
    Ok(())
}

async fn run(redis: &str) -> Result<(Histogram, Histogram), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let app = axum::Router::new().fallback(page).with_state(Arc::<AtomicUsize>::default());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let one = gateway(&origin, redis).await?;
    let other = gateway(&origin, redis).await?;
    let (mut to_one, mut to_other) = (connect(&one).await?, connect(&other).await?);
    let (mut seen, mut returned) = (Histogram::new(), Histogram::new());
    for round in 0..ROUNDS {
        ask(&mut to_one).await?;
        let mut before = ask(&mut to_other).await?;
        // What the purge before this one ended is on nobody's way any more.
        for _ in 0..SETTLED {
            before = ask(&mut to_other).await?;
        }
        let cache = one.responses().clone();
        let began = Instant::now();
        let purge = tokio::task::spawn_blocking(move || {
            let done = match round % 2 {
                0 => cache.invalidate_key("site.test/").map(|_| ()),
                _ => cache.invalidate_tag("page").map(|_| ()),
            };
            done.map(|()| began.elapsed())
        });
        while ask(&mut to_other).await? == before {}
        seen.record_duration(began.elapsed());
        returned.record_duration(purge.await??);
    }
    Ok((seen, returned))
}

/// Each is another one.
async fn page(State(asked): State<Arc<AtomicUsize>>) -> impl IntoResponse {
    let number = asked.fetch_add(1, Ordering::Relaxed).to_string();
    ([("cache-control", "max-age=600"), ("cache-tag", "page")], number)
}

async fn gateway(origin: &str, redis: &str) -> Result<Gateway, Error> {
    let mut config = GatewayConfig::new(origin.parse()?);
    config.listen.set_port(0);
    config.cache_redis = Some(RedisTier::builder(redis).deadline(Duration::from_secs(1)));
    Ok(Gateway::start(config).await?)
}

type Sender = SendRequest<Full<Bytes>>;

async fn connect(gateway: &Gateway) -> Result<Sender, Error> {
    let stream = TcpStream::connect(gateway.address()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(sender: &mut Sender) -> Result<Bytes, Error> {
    let request = Request::get("/").header("host", "site.test").body(Full::default())?;
    sender.ready().await?;
    Ok(sender.send_request(request).await?.into_body().collect().await?.to_bytes())
}

fn start(port: u16) -> Result<Child, Error> {
    let mut server = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .stdout(Stdio::null())
        .spawn()?;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if server.try_wait()?.is_some() {
            return Err("redis-server does not start".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(server)
}
