//! One stall of a server, seen by an open and by a closed load.
//!
//! The server answers at once, but for one second in the middle of each run in which it answers
//! nobody. The open form sends on at its times and counts from them, so the second is in its 99.9th
//! percentile. The closed form, as `wrk` has it, waits for its answers: it asks as many times as it
//! has users during that second, and its percentiles drown those in all the others.
//!
//! ```console
//! $ cargo run --release -p perf-bench --features load --example coordinated_omission
//! ```

#![expect(clippy::print_stdout, reason = "a program: its results go to standard output")]

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use perf_bench::load::{Arrival, Form, Load, LoadConfig, LoadProgress, LoadReport};
use perf_bench::report::figure;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const STALL: Duration = Duration::from_secs(1);
const LENGTH: Duration = Duration::from_secs(20);
const WARM_UP: Duration = Duration::from_secs(1);
const RATE: f64 = 1000.0;
const USERS: usize = 10;

/// From when to when nobody is answered.
type Stall = Arc<Mutex<Option<(Instant, Instant)>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let stall = Stall::default();
    let address = serve(Arc::clone(&stall))?;
    let open = run(address, &stall, Form::Open(Arrival::Constant { rate: RATE }))?;
    let closed = run(address, &stall, Form::Users(USERS))?;
    println!(
        "{LENGTH:?} each, with one stall of {STALL:?} in the middle\n\n{:<34} {:>9} {:>9} {:>9} \
         {:>9} {:>9}",
        "", "requests", "p50", "p99", "p99.9", "max"
    );
    let print = |name: &str, report: &LoadReport, latency: &perf_bench::load::Distribution| {
        println!(
            "{name:<34} {:>9} {:>9} {:>9} {:>9} {:>9}",
            report.figures.sent,
            figure(latency.p50, "ns"),
            figure(latency.p99, "ns"),
            figure(latency.p999, "ns"),
            figure(latency.max, "ns"),
        );
    };
    print("open, from the intended start", &open, &open.figures.latency);
    print("open, from the sending", &open, &open.figures.latency_from_sending);
    print("closed, 10 users", &closed, &closed.figures.latency);
    for report in [&open, &closed] {
        if let Some(why) = &report.void {
            println!("\nvoid: {why}");
        }
    }
    Ok(())
}

fn run(address: SocketAddr, stall: &Stall, form: Form) -> Result<LoadReport, Box<dyn Error>> {
    let mut config = LoadConfig::new(format!("http://{address}/"));
    config.form = form;
    config.length = LENGTH;
    config.warm_up = WARM_UP;
    // As many as can pile up in the stall.
    config.connections = matches!(config.form, Form::Open(_)).then_some(2 * RATE as usize);
    let from = Instant::now() + WARM_UP + LENGTH / 2;
    *stall.lock().map_err(|_| "the server panicked")? = Some((from, from + STALL));
    Ok(Load::new(config)?.run(&Arc::new(LoadProgress::new()))?)
}

/// A server on a thread of its own.
fn serve(stall: Stall) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let routes = Router::new().route("/", get(answer)).with_state(stall);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, routes).await
        })
    });
    Ok(address)
}

async fn answer(State(stall): State<Stall>) -> &'static str {
    let span = stall.lock().ok().and_then(|stall| *stall);
    if let Some((from, until)) = span
        && (from..until).contains(&Instant::now())
    {
        tokio::time::sleep_until(until).await;
    }
    "Hello, world!"
}
