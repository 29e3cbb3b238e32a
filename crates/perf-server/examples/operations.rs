//! A manager of one's own on the dashboard, under load: kinds with a limit, a throttle, a circuit
//! that opens now and then, and batches.
//!
//! `cargo run -p perf-server --example operations`, and open the address that it prints; Ctrl-C ends
//! it, and so does a number of seconds as its argument.

#![expect(clippy::print_stdout, reason = "it prints where the dashboard is")]

use perf_async::{Batch, Manager, Operation, Retry, Throttle};
use perf_core::Priority;
use perf_engine::PerformanceOptimizer;
use perf_guard::CircuitBreaker;
use perf_server::{Admin, AdminConfig, ServiceInfo};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let seconds: Option<u64> = std::env::args().nth(1).map(|said| said.parse()).transpose()?;
    let manager = manager()?;
    let watched = Arc::new(manager.clone());
    let optimizer = PerformanceOptimizer::builder().build()?;
    optimizer.register("jobs", &watched)?;

    let config = AdminConfig::new("127.0.0.1:0".parse()?).operations("jobs", manager.clone());
    let admin = Admin::bind(config, optimizer, ServiceInfo::new("workshop"))?;
    println!("Dashboard {}", admin.dashboard_url());

    let load = tokio::spawn(work(manager.clone()));
    admin
        .serve(async move {
            match seconds {
                Some(seconds) => sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        })
        .await?;
    load.abort();
    let left = manager.drain(Duration::from_secs(2)).await;
    println!("Ended; {} operations still waited, {} still ran", left.pending, left.running);
    Ok(())
}

fn manager() -> Result<Manager, Error> {
    let second = Duration::from_secs(1);
    let manager = Manager::builder()
        .name("jobs")
        .max_concurrent(12)
        .queue_limit(2_000)
        .kind("page", |kind| kind.max_concurrent(8).timeout(second))
        .kind("report", |kind| kind.max_concurrent(2).queue_timeout(20 * second))
        .kind("mail", |kind| kind.throttle(Throttle::rate(20, second).burst(5)))
        .kind("stock", |kind| {
            let breaker =
                CircuitBreaker::builder().window(20).minimum_calls(10).open_for(3 * second);
            kind.breaker(breaker).retry(Retry::times(2)).timeout(second / 4)
        })
        .build()?;
    manager.enable_batching("price", Batch::natural(50), async |items: Vec<u32>| {
        sleep(Duration::from_millis(40)).await;
        items.into_iter().map(|item| Ok::<u32, Infallible>(item * 3)).collect()
    })?;
    Ok(manager)
}

/// Asks for more than there is room for, on and on. Who is turned away comes again later.
async fn work(manager: Manager) {
    for n in 0_u64.. {
        let level = Priority::new(1 + (n * 7 % 10) as u8).unwrap_or_default();
        let page = Operation::infallible("page", sleep(Duration::from_millis(40 + n * 13 % 110)));
        drop(manager.submit(page.priority(level)));
        if n % 3 == 0 {
            drop(manager.submit_item::<u32, u32>("price", n as u32));
        }
        if n % 4 == 0 {
            let mail = Operation::infallible("mail", sleep(Duration::from_millis(5)));
            drop(manager.submit(mail.key(format!("to/{}", n % 64))));
        }
        if n % 10 == 0 {
            // For a third of the time the other side is down.
            let is_down = n / 1_000 % 3 == 2;
            let stock = Operation::retryable("stock", move |_| async move {
                sleep(Duration::from_millis(20)).await;
                if is_down { Err("no answer from the warehouse") } else { Ok(n) }
            });
            drop(manager.submit(stock.priority(Priority::HIGHEST)));
        }
        if n % 30 == 0 {
            let report = Operation::infallible("report", sleep(Duration::from_millis(900)));
            drop(manager.submit(report.priority(Priority::LOWEST)));
        }
        sleep(Duration::from_millis(8)).await;
    }
}
