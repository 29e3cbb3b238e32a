//! What the engine sees of the gateway itself and of its process.

use super::listener::Connections;
use perf_core::{Component, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned, Unit};
use perf_http::Measure;
use std::sync::Arc;

/// The component `gateway`: what was asked and how fast it was answered, and who is connected.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) measure: Measure,
    pub(super) connections: Arc<Connections>,
}

impl Observe for Front {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        self.measure.observe(visit);
        self.connections.observe(visit);
    }
}

impl Tune for Front {
    fn knobs(&self) -> Vec<Knob> {
        self.measure.knobs()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        self.measure.turn(turn)
    }
}

impl Component for Front {}

/// The component `process`: the memory and the processor time of the whole program.
///
/// Read from `/proc`; where there is none it reports nothing.
#[derive(Debug, Default)]
pub(super) struct Process {}

impl Observe for Process {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        if let Some(bytes) = resident_bytes() {
            visit(
                Signal::gauge("resident_bytes", Unit::Bytes, bytes as f64)
                    .help("Memory of the program that is in use."),
            );
        }
        if let Some(nanoseconds) = cpu_time() {
            visit(
                Signal::counter("cpu_time", nanoseconds, Instant::default())
                    .unit(Unit::Nanoseconds)
                    .help("Processor time that the program has used, in all threads."),
            );
        }
    }
}

impl Tune for Process {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for Process {}

/// `VmRSS` of the program.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// User and system time of the program in nanoseconds, in steps of the kernel's tick.
fn cpu_time() -> Option<u64> {
    // The tick of `/proc` is 1/100 s on every Linux: USER_HZ is part of its interface.
    const TICK: u64 = 10_000_000;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name may hold spaces; it ends at the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_has_memory_and_time() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(cpu_time().is_some());
        perf_core::assert_tune_contract(&Process::default());
    }
}
