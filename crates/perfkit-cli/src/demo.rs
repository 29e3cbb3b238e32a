//! `perfkit demo`: on a real site, with and without the cache.

mod best;
mod check;
mod phase;
mod report;
mod sequence;
mod site;

use crate::arguments::DemoArguments;
use crate::failure::Failure;
use crate::output;
use crate::service::Service;
use crate::signals::Signals;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perf_server::{AdminConfig, GatewayConfig, Origin};
use phase::{Load, Outcome, Running};
use report::Report;
use site::Site;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub(crate) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    if arguments.length.0 < SHORTEST {
        return Err(Failure::usage(format!(
            "--for {} is too short to measure anything: use at least {SHORTEST:?}",
            arguments.length
        )));
    }
    output::tell("Looking for a site …");
    let site = Site::find(arguments.origin.as_deref(), arguments.pages, arguments.seed)
        .map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let ended = runtime.block_on(demo(arguments, Arc::new(site)));
    runtime.shutdown_background();
    ended
}

const SHORTEST: Duration = Duration::from_millis(500);

async fn demo(arguments: &DemoArguments, site: Arc<Site>) -> Result<(), Failure> {
    let mut config = GatewayConfig::new(Origin::Folder(site.root.clone()));
    config.listen = arguments.listen;
    config.cache_memory = arguments.cache_memory;
    let mut signals = Signals::new()
        .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))?;
    let service =
        Service::start(config, AdminConfig::new(arguments.admin), Duration::from_secs(1)).await?;
    output::tell(&format!(
        "{} in {}: {} pages, {} of them asked for ({})\nGateway   http://{}\nDashboard {}",
        site.title,
        site.root.display(),
        site.size,
        site.pages.len(),
        perf_core::ByteSize::from_bytes(site.bytes()),
        service.gateway.address(),
        service.dashboard
    ));

    let outcome = measure(arguments, &site, &service, &mut signals).await;
    let report = outcome.and_then(|(uncached, cached)| {
        Report::new(
            &site,
            arguments.seed,
            arguments.connections,
            arguments.cache_memory,
            &uncached,
            &cached,
        )
        .map_err(Failure::failed)
    });
    if let Ok(report) = &report {
        if arguments.json {
            output::print(&format!("{}\n", report.to_json()?))?;
        } else {
            output::print(&format!("\n{report}\n"))?;
        }
        if arguments.stay {
            output::tell("\nGateway and dashboard stay up until Ctrl-C.");
            signals.next().await;
        }
    }
    service.shutdown(Duration::from_secs(1)).await;
    report.map(drop)
}

/// The part of the time that runs without the cache.
const UNCACHED_SHARE: f64 = 0.25;
/// Answers that are timed one by one, on both sides.
const KEPT: usize = 200_000;

/// Runs the sequence with the cache off, then from its start with the cache on.
async fn measure(
    arguments: &DemoArguments,
    site: &Arc<Site>,
    service: &Service,
    signals: &mut Signals,
) -> Result<(Outcome, Outcome), Failure> {
    let load = Load {
        site: Arc::clone(site),
        address: service.gateway.address(),
        connections: arguments.connections,
        seed: arguments.seed,
        cached: false,
        keep: KEPT,
    };
    let bar = progress_bar(arguments.length.0);
    let uncached_for = arguments.length.0.mul_f64(UNCACHED_SHARE);
    let start = Instant::now();

    bar.set_message("cache off");
    let running = load.start().map_err(Failure::failed)?;
    let interrupted = watch(&running, start, uncached_for, &bar, signals).await;
    let uncached = stop(running).await?;

    bar.set_message("cache on");
    bar.set_prefix("");
    let load = Load { cached: true, keep: uncached.first.len(), ..load };
    let running = load.start().map_err(Failure::failed)?;
    // Interrupted with the cache off: as much again with it on, so that there is a comparison.
    let until = if interrupted { start.elapsed() * 2 } else { arguments.length.0 };
    watch(&running, start, until, &bar, signals).await;
    let cached = stop(running).await?;
    bar.finish_and_clear();
    Ok((uncached, cached))
}

/// Waits until it is time to stop the run; `true` if somebody asked for it before.
async fn watch(
    running: &Running,
    start: Instant,
    until: Duration,
    bar: &ProgressBar,
    signals: &mut Signals,
) -> bool {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let end = tokio::time::sleep(until.saturating_sub(start.elapsed()));
    tokio::pin!(end);
    let (mut before, mut seen) = (Instant::now(), 0);
    loop {
        tokio::select! {
            () = &mut end => return false,
            _ = signals.next() => return true,
            _ = tick.tick() => {
                if running.has_ended() {
                    return false;
                }
                let elapsed = before.elapsed();
                if elapsed < Duration::from_millis(450) {
                    continue;
                }
                let requests = running.progress.requests.load(Ordering::Relaxed);
                let hits = running.progress.hits.load(Ordering::Relaxed);
                bar.set_position(start.elapsed().as_millis() as u64);
                bar.set_prefix(format!(
                    "{:>7.0} requests/s, {:>5.1} % hits",
                    (requests - seen) as f64 / elapsed.as_secs_f64(),
                    hits as f64 / requests.max(1) as f64 * 100.0
                ));
                (before, seen) = (Instant::now(), requests);
            }
        }
    }
}

/// Ends a run without blocking the runtime that answers its last requests.
async fn stop(running: Running) -> Result<Outcome, Failure> {
    tokio::task::spawn_blocking(|| running.stop())
        .await
        .map_err(|error| Failure::failed(error.to_string()))?
        .map_err(Failure::failed)
}

fn progress_bar(length: Duration) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(length.as_millis() as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg:9} {prefix}") {
        bar.set_style(style);
    }
    bar
}
