//! `perfkit serve`: the gateway until somebody ends it.

mod budget;
mod cdn;
mod strategy;
mod tiers;
mod warm;

use crate::arguments::ServeArguments;
use crate::failure::Failure;
use crate::output;
use crate::service::Service;
use crate::settings::{CdnSettings, Settings};
use crate::signals::Signals;
use clap::ArgMatches;
use perf_cache::strategy::CacheStrategy;
use perf_server::AdminConfig;
use std::time::Instant;

pub(crate) fn run(arguments: &ServeArguments, matches: &ArgMatches) -> Result<(), Failure> {
    let start = Instant::now();
    let settings = Settings::gather(arguments, matches)?;
    if arguments.print_config {
        return output::print(&settings.to_toml());
    }
    let budget = arguments.budget.as_deref().map(budget::Judge::read).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let strategy = arguments.cache_strategy.as_deref().map(strategy::read).transpose()?;
    let ended = runtime.block_on(serve(&settings, arguments.json, (budget, strategy), start));
    // What still runs now has had its time.
    runtime.shutdown_background();
    ended
}

async fn serve(
    settings: &Settings,
    json: bool,
    (budget, strategy): (Option<budget::Judge>, Option<CacheStrategy>),
    start: Instant,
) -> Result<(), Failure> {
    let mut admin = AdminConfig::new(settings.admin.value);
    if let Some(token) = &settings.token {
        admin = admin.token(token.value.clone());
    }
    if let Some(judge) = &budget {
        let judge = judge.clone();
        admin = admin.budgets(move |seen| judge.rows(seen));
    }
    // Before anything listens: a signal that comes during the start must end it in peace too.
    let mut signals = Signals::new()
        .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))?;
    let mut gateway = settings.gateway();
    if let Some(strategy) = &strategy {
        admin = admin.strategy(strategy.clone());
        strategy::size(strategy, settings, &mut gateway);
    }
    gateway.cache_disk = settings.cache_disk.as_ref().map(tiers::open_disk).transpose()?;
    #[cfg(feature = "redis")]
    if let Some(redis) = &settings.cache_redis {
        tiers::share(redis, &mut gateway);
    }
    let warm = warm::Lists::read(settings)?;
    gateway.cdn = settings.cdn.as_ref().map(CdnSettings::open).transpose()?;
    let cdn = gateway.cdn.clone();
    let service = Service::start(gateway, admin, settings.sample_every.value.0).await?;
    if let Some(strategy) = &strategy {
        strategy::apply(strategy, &service.optimizer);
    }
    let since = Instant::now();
    if let Some(judge) = &budget {
        judge.started(start.elapsed());
    }
    let (listen, dashboard) = (service.gateway.address(), service.dashboard.clone());
    if json {
        let line = serde_json::json!({
            "listen": format!("http://{listen}"),
            "admin": format!("http://{}", service.admin),
            "dashboard": dashboard,
            "origin": service.gateway.origin().to_string(),
            "pid": std::process::id(),
        });
        output::print(&format!("{line}\n"))?;
    } else {
        output::print(&format!(
            "Serving {} at http://{listen}\nDashboard {dashboard}\n",
            service.gateway.origin()
        ))?;
    }

    warm.fetch(&service.gateway);

    let signal = signals.next().await;
    let drain = settings.drain.value.0;
    output::tell(&format!("perfkit: {signal}: letting open requests end, for at most {drain:?}"));
    let requests = service.gateway.requests();
    let responses = service.gateway.responses().clone();
    let ending = async {
        let cut = service.shutdown(drain).await;
        let hottest = |most| {
            let hottest = responses.memory().hottest(most).into_iter();
            hottest.map(|entry| entry.key.as_str().to_owned()).collect()
        };
        warm.keep(hottest).await;
        // In this order: closing makes good what it can.
        tiers::close(move || {
            let outer = responses.outer()?;
            let (closed, stats) = (outer.close(), outer.stats());
            let untold = stats.shared.map_or(0, |shared| shared.unannounced);
            Some((closed.disk, stats.parked + untold))
        })
        .await;
        if let Some(cdn) = cdn {
            cdn::close(cdn).await;
        }
        cut
    };
    let cut = tokio::select! {
        cut = ending => cut,
        again = signals.next() => {
            return Err(Failure::failed(format!("{again} again: ended at once")));
        }
    };
    output::tell(&format!(
        "perfkit: served {requests} requests in {:.0?}, {cut} connections cut",
        since.elapsed()
    ));
    Ok(())
}
