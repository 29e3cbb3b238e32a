//! A `perfkit serve` that runs, and what the system says of its process.

use super::Product;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A `perfkit serve`, ended when it is dropped.
#[derive(Debug)]
pub(super) struct Serving {
    child: Child,
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    /// From the start of the process until it said that it listens.
    pub(super) start_up: Duration,
}

impl Product {
    /// Serves a folder on free ports.
    pub(super) fn serve(&self, site: &Path) -> Result<Serving> {
        let site = site.to_string_lossy();
        let arguments = ["serve", "--origin", &site, "--json"];
        let ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let start = Instant::now();
        let mut child = self
            .command(&[&arguments[..], &ports].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot start perfkit serve")?;
        let mut line = String::new();
        let out = child.stdout.take().context("perfkit serve has no output")?;
        BufReader::new(out).read_line(&mut line).context("perfkit serve says nothing")?;
        let start_up = start.elapsed();
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |key: &str| -> Option<SocketAddr> {
            said[key].as_str()?.strip_prefix("http://")?.parse().ok()
        };
        match (address("listen"), address("admin")) {
            (Some(listen), Some(admin)) => Ok(Serving { child, listen, admin, start_up }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                bail!("perfkit serve does not say where it listens: `{}`", line.trim())
            }
        }
    }
}

impl Serving {
    /// Bytes of memory by the name in `/proc/PID/status`; `None` where there is no such file.
    pub(super) fn memory(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with(name))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Processor time so far, in hundredths of a second; `None` where there is no `/proc`.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name of the program stands in brackets and may hold spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| -> Option<u64> { fields.get(at)?.parse().ok() };
        Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
