//! Samples of the system beside a load run.

use super::config::LoadConfig;
use super::engine::Engine;
use crate::system::{Sampler, SamplerThread, Samples};

/// Name of the target's process among the samples.
const TARGET: &str = "target";

/// Starts sampling; `None` where the system does not let itself be watched.
pub(super) fn start(config: &LoadConfig, engine: &Engine) -> Option<SamplerThread> {
    let mut sampler = Sampler::new().ok()?;
    let found = || engine.local.then(|| listener(engine.address.port())).flatten();
    if let Some(pid) = config.pid.or_else(found)
        && pid != std::process::id()
    {
        sampler.watch(TARGET, pid);
    }
    sampler.spawn().ok()
}

/// The target's resident memory over the run.
pub(super) fn target_memory(samples: Option<&Samples>) -> Vec<f64> {
    let target = samples.and_then(|s| s.processes.iter().find(|p| p.name == TARGET));
    let resident = |p: &crate::system::ProcessSamples| {
        p.samples.iter().map(|s| s.resident_bytes as f64).filter(|bytes| *bytes > 0.0).collect()
    };
    target.map(resident).unwrap_or_default()
}

/// The process that listens on this port of this machine, as far as this user may see.
#[cfg(target_os = "linux")]
fn listener(port: u16) -> Option<u32> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let here = fields.get(1)?.rsplit_once(':')?.1;
            let listens = *fields.get(3)? == "0A" && u16::from_str_radix(here, 16) == Ok(port);
            listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
        })
    })?;
    let numbered = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    std::fs::read_dir("/proc").ok()?.flatten().filter_map(numbered).find(|pid| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
        files.is_ok_and(|files| {
            files.flatten().any(|file| {
                std::fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == inode.as_str())
            })
        })
    })
}

#[cfg(not(target_os = "linux"))]
fn listener(_port: u16) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_listener_of_a_port_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(listener(socket.local_addr().unwrap().port()), Some(std::process::id()));
    }
}
