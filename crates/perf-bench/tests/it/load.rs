//! Loads against real servers on real sockets.

mod endings;
mod forms;
mod protocols;
mod server;

use perf_bench::load::{Load, LoadConfig, LoadProgress, LoadReport};
use std::sync::Arc;
use std::time::Duration;

/// A short run without warm-up, that nothing but its own settings can end.
fn config(address: std::net::SocketAddr) -> LoadConfig {
    let mut config = LoadConfig::new(format!("http://{address}/"));
    config.length = Duration::from_millis(500);
    config.warm_up = Duration::ZERO;
    config.timeout = Duration::from_secs(60);
    config
}

fn run(config: LoadConfig) -> LoadReport {
    Load::new(config).unwrap().run(&Arc::new(LoadProgress::new())).unwrap()
}

/// A scenario with this address in place of `ADDRESS`.
fn scenario(address: std::net::SocketAddr, text: &str) -> LoadReport {
    let text = text.replace("ADDRESS", &address.to_string());
    run(LoadConfig::from_toml(&text, std::path::Path::new(".")).unwrap())
}
