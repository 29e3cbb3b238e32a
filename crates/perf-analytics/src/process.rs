//! This process, as the operating system sees it.

use perf_core::{Component, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned, Unit};

/// Memory, processor time, threads and open files of this process.
///
/// Read from `/proc/self` on Linux, about 50 µs a reading; elsewhere it reports nothing.
/// Signals: gauges `resident_bytes`, `threads`, `open_files`; counter `cpu_time` in nanoseconds
/// over all threads, since the process began.
///
/// ```
/// use perf_analytics::ProcessMonitor;
/// use perf_core::Observe;
///
/// let mut seen = Vec::new();
/// ProcessMonitor::new().observe(&mut |signal| seen.push(signal.name.to_owned()));
/// assert!(seen.contains(&"resident_bytes".to_owned()) || !cfg!(target_os = "linux"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessMonitor {}

impl ProcessMonitor {
    /// The monitor of this process.
    #[must_use]
    pub const fn new() -> ProcessMonitor {
        ProcessMonitor {}
    }
}

impl Observe for ProcessMonitor {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let reading = read();
        if let Some(bytes) = reading.resident_bytes {
            visit(
                Signal::gauge("resident_bytes", Unit::Bytes, bytes as f64)
                    .help("Memory of the process that is in RAM."),
            );
        }
        if let Some(nanos) = reading.cpu_nanos {
            visit(
                // Processor time is counted from the start of the process, whenever that was.
                Signal::counter("cpu_time", nanos, Instant::default())
                    .unit(Unit::Nanoseconds)
                    .help("Processor time used by all threads."),
            );
        }
        if let Some(threads) = reading.threads {
            visit(
                Signal::gauge("threads", Unit::Count, threads as f64)
                    .help("Threads of the process."),
            );
        }
        if let Some(files) = reading.open_files {
            visit(
                Signal::gauge("open_files", Unit::Count, files as f64)
                    .help("Open files, sockets and pipes."),
            );
        }
    }
}

impl Tune for ProcessMonitor {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for ProcessMonitor {}

#[derive(Debug, Default)]
struct ProcessReading {
    resident_bytes: Option<u64>,
    cpu_nanos: Option<u64>,
    threads: Option<u64>,
    open_files: Option<u64>,
}

#[cfg(target_os = "linux")]
fn read() -> ProcessReading {
    use rustix::time::{ClockId, clock_gettime};

    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    ProcessReading {
        resident_bytes: field(&status, "VmRSS:").map(|kib| kib * 1024),
        cpu_nanos: Some((cpu.tv_sec as u64) * 1_000_000_000 + cpu.tv_nsec as u64),
        threads: field(&status, "Threads:"),
        // The directory that is being listed is one of them.
        open_files: std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|files| (files.count() as u64).saturating_sub(1)),
    }
}

#[cfg(not(target_os = "linux"))]
fn read() -> ProcessReading {
    ProcessReading::default()
}

/// The first number behind a name.
#[cfg(any(target_os = "linux", test))]
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let status = "Name:\tx\nVmRSS:\t   5120 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(5120));
        assert_eq!(field(status, "Threads:"), Some(7));
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_threads_and_files() {
        let first = read();
        assert!(first.resident_bytes.unwrap() > 100_000);
        assert!(first.threads.unwrap() >= 1);
        assert!(first.open_files.unwrap() >= 1);
        let mut spent = 0u64;
        while read().cpu_nanos == first.cpu_nanos {
            spent = std::hint::black_box(spent + 1);
        }
        assert!(read().cpu_nanos > first.cpu_nanos);
    }
}
