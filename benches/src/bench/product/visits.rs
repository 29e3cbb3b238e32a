//! Visits at a fixed pace, timed from when they were due.

use anyhow::{Context, Result};
use perf_bench::load::wire::{Answer, Connection};
use perf_core::Histogram;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What came of a row of visits.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// Nanoseconds from when each was due to its last byte.
    pub(super) latency: Histogram,
    /// Nanoseconds from sending to the first byte.
    pub(super) first_byte: Histogram,
    /// The same as `latency`, where the cache answered.
    pub(super) hits: Histogram,
    /// Visits to style sheets and scripts, and how many of them the cache answered.
    pub(super) assets: u64,
    pub(super) asset_hits: u64,
    pub(super) sent: u64,
    pub(super) failed: u64,
    /// Bytes of the bodies, as they were sent.
    pub(super) body_bytes: u64,
}

impl Visits {
    pub(super) fn hit_ratio(&self) -> f64 {
        self.hits.count() as f64 / self.sent as f64
    }

    pub(super) fn error_ratio(&self) -> f64 {
        self.failed as f64 / self.sent as f64
    }
}

/// Asks for these paths, one after the other, `every` apart; a visit that is late does not delay
/// when the next is due, so a stall shows in all that it held up.
pub(super) fn visit(
    address: SocketAddr,
    paths: impl Iterator<Item = impl AsRef<str>>,
    every: Duration,
) -> Result<Visits> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(address).await.context("cannot connect")?;
        let mut visits = Visits::default();
        let mut due = Instant::now();
        for path in paths {
            sleep_until(due).await;
            let path = path.as_ref();
            let asset = path.ends_with(".css") || path.ends_with(".js");
            let request = request(address, path);
            let sent = connection.exchange(request.as_bytes()).await;
            visits.sent += 1;
            visits.assets += u64::from(asset);
            match sent {
                Ok((answer, timing)) => {
                    let latency = due.elapsed();
                    visits.latency.record_duration(latency);
                    visits.first_byte.record_duration(timing.first_byte);
                    if answer.header("cache-status").contains("; hit") {
                        visits.hits.record_duration(latency);
                        visits.asset_hits += u64::from(asset);
                    }
                    visits.failed += u64::from(answer.status() >= 400);
                    visits.body_bytes += answer.body().len() as u64;
                    if !answer.keeps_alive() {
                        connection = Connection::open(address).await.context("cannot connect")?;
                    }
                }
                Err(_) => {
                    visits.failed += 1;
                    connection = Connection::open(address).await.context("cannot connect")?;
                }
            }
            due += every;
        }
        Ok(visits)
    })
}

/// One answer, with its body as it was sent.
pub(super) fn get(address: SocketAddr, path: &str, coding: &str) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(address).await.context("cannot connect")?;
        let request = request(address, path).replace(CODINGS, coding);
        connection.exchange(request.as_bytes()).await?;
        Ok(connection.into_answer())
    })
}

fn request(address: SocketAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept-encoding: {CODINGS}\r\n\r\n")
}

/// What Chromium and Firefox send.
pub(super) const CODINGS: &str = "gzip, deflate, br, zstd";
