//! Takes the samples, from one long-lived `System`, never closer than the system can tell apart.

use super::{MachineSample, ProcessSample, ProcessSamples, Samples};
use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Samples processor and memory, of the machine and of some processes.
///
/// Keeps at most 1 024 samples of each: beyond that pairs are merged and samples are taken half as
/// often. A call costs some hundred microseconds.
///
/// ```
/// use perf_bench::system::Sampler;
///
/// let mut sampler = Sampler::new()?;
/// sampler.sample(); // at most every 200 ms; calls that come earlier do nothing
/// let samples = sampler.finish();
/// assert!(samples.cores > 0);
/// # Ok::<(), perf_bench::system::SystemError>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    system: System,
    began: Instant,
    last: Instant,
    every: Duration,
    watched: Vec<Watched>,
    samples: Samples,
}

#[derive(Debug)]
struct Watched {
    pid: Pid,
    /// Processor time in milliseconds at the last sample, and when that was.
    last: Option<(u64, Instant)>,
}

/// Nearest that two samples may be: what the system counts in is coarser than that.
const NEAREST: Duration = Duration::from_millis(200);
const MOST: usize = 1024;

impl Sampler {
    /// Watches the machine and this process.
    ///
    /// # Errors
    ///
    /// [`SystemError`] where the system says nothing about itself.
    pub fn new() -> Result<Sampler, SystemError> {
        let mut system = System::new().map_err(|e| SystemError(e.to_string()))?;
        system.refresh_cpu_usage();
        system.refresh_memory();
        let now = Instant::now();
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut sampler = Sampler {
            samples: Samples {
                started: started.map_or(0.0, |d| thousandths(d.as_secs_f64())),
                cores: system.cpus().len(),
                memory: system.total_memory(),
                ..Samples::default()
            },
            system,
            began: now,
            last: now,
            every: NEAREST,
            watched: Vec::new(),
        };
        sampler.watch("this process", std::process::id());
        Ok(sampler)
    }

    /// Watches another process too, such as the server under load.
    pub fn watch(&mut self, name: impl Into<String>, pid: u32) {
        let id = Pid::from_u32(pid);
        self.refresh_processes(&[id]);
        let process = self.system.process(id);
        let last = process.map(|p| (p.accumulated_cpu_time(), Instant::now()));
        self.watched.push(Watched { pid: id, last });
        self.samples.processes.push(ProcessSamples { name: name.into(), pid, samples: Vec::new() });
    }

    /// At most so often; never more often than every 200 ms.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Sampler {
        self.every = interval.max(NEAREST);
        self
    }

    /// Takes a sample if it is time for one, and tells whether it did.
    pub fn sample(&mut self) -> bool {
        if self.last.elapsed() < self.every {
            return false;
        }
        self.take();
        true
    }

    /// Takes a last sample where one can be had, and ends.
    #[must_use]
    pub fn finish(mut self) -> Samples {
        if self.last.elapsed() >= NEAREST {
            self.take();
        }
        self.samples
    }

    /// Samples on a thread of its own until it is stopped.
    ///
    /// # Errors
    ///
    /// [`SystemError`] if no thread can be started.
    pub fn spawn(mut self) -> Result<SamplerThread, SystemError> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = Builder::new()
            .name("perf-sampler".to_owned())
            .spawn(move || {
                loop {
                    let wait = self.every.saturating_sub(self.last.elapsed());
                    match stopped.recv_timeout(wait) {
                        Err(RecvTimeoutError::Timeout) => self.sample(),
                        Ok(()) | Err(RecvTimeoutError::Disconnected) => return self.finish(),
                    };
                }
            })
            .map_err(|e| SystemError(format!("no thread for samples: {e}")))?;
        Ok(SamplerThread { stop: Some(stop), thread: Some(thread) })
    }

    fn refresh_processes(&mut self, pids: &[Pid]) {
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(pids), true, kind);
    }

    fn take(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        let pids: Vec<Pid> = self.watched.iter().map(|w| w.pid).collect();
        self.refresh_processes(&pids);
        let now = Instant::now();
        self.last = now;
        let at = thousandths((now - self.began).as_secs_f64());
        let share = f64::from(self.system.global_cpu_usage()) / 100.0;
        self.samples.machine.push(MachineSample {
            at,
            busy_cores: thousandths(share * self.samples.cores as f64),
            used_bytes: self.system.used_memory(),
        });
        for (watched, kept) in self.watched.iter_mut().zip(&mut self.samples.processes) {
            let Some(process) = self.system.process(watched.pid) else {
                watched.last = None;
                continue;
            };
            let spent = process.accumulated_cpu_time();
            if let Some((before, then)) = watched.last.replace((spent, now)) {
                let seconds = (now - then).as_secs_f64().max(1e-3);
                let busy = spent.saturating_sub(before) as f64 / 1e3 / seconds;
                kept.samples.push(ProcessSample {
                    at,
                    busy_cores: thousandths(busy),
                    resident_bytes: process.memory(),
                });
            }
        }
        if self.samples.machine.len() >= MOST {
            self.samples.merge();
            self.every = self.every.saturating_mul(2);
        }
    }
}

impl Samples {
    /// Makes one sample of two.
    fn merge(&mut self) {
        pairs(&mut self.machine, |a, b| MachineSample {
            at: b.at,
            busy_cores: f64::midpoint(a.busy_cores, b.busy_cores),
            used_bytes: a.used_bytes.max(b.used_bytes),
        });
        for process in &mut self.processes {
            pairs(&mut process.samples, |a, b| ProcessSample {
                at: b.at,
                busy_cores: f64::midpoint(a.busy_cores, b.busy_cores),
                resident_bytes: a.resident_bytes.max(b.resident_bytes),
            });
        }
    }
}

/// The counters tell no more, and files stay short.
fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn pairs<T: Copy>(values: &mut Vec<T>, merge: impl Fn(T, T) -> T) {
    *values =
        values.chunks(2).map(|c| if c.len() == 2 { merge(c[0], c[1]) } else { c[0] }).collect();
}

/// A sampler at work on its own thread; dropping it ends the thread.
#[derive(Debug)]
pub struct SamplerThread {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<Samples>>,
}

impl SamplerThread {
    /// Ends the thread and answers what it saw.
    #[must_use]
    pub fn stop(mut self) -> Samples {
        self.end().unwrap_or_default()
    }

    fn end(&mut self) -> Option<Samples> {
        drop(self.stop.take());
        self.thread.take()?.join().ok()
    }
}

impl Drop for SamplerThread {
    fn drop(&mut self) {
        self.end();
    }
}

/// The system says nothing about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemError(String);

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sample the system: {}", self.0)
    }
}

impl std::error::Error for SystemError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(length: Duration) {
        let start = Instant::now();
        while start.elapsed() < length {
            std::hint::black_box(start);
        }
    }

    #[test]
    fn a_busy_process_is_seen_to_be_busy() {
        let mut sampler = Sampler::new().unwrap();
        assert!(!sampler.sample(), "the second reading comes too early");
        spin(Duration::from_millis(450));
        assert!(sampler.sample());
        let samples = sampler.finish();
        let own = &samples.processes[0];
        assert_eq!((own.pid, own.samples.len()), (std::process::id(), 1));
        // Lower bounds only: who shares the machine takes an unknown part.
        assert!(own.samples[0].busy_cores > 0.02, "{own:?}");
        assert!(own.samples[0].resident_bytes > 100_000, "{own:?}");
        assert!(samples.machine[0].busy_cores > 0.0 && samples.memory > 0);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_samples() {
        let mut sampler = Sampler::new().unwrap();
        sampler.watch("nobody", u32::MAX - 1);
        spin(Duration::from_millis(210));
        let samples = sampler.finish();
        assert_eq!(samples.machine.len(), 1);
        assert!(samples.processes[1].samples.is_empty());
    }

    #[test]
    fn a_thread_samples_until_it_is_stopped() {
        let thread = Sampler::new().unwrap().spawn().unwrap();
        std::thread::park_timeout(Duration::from_millis(700));
        let samples = thread.stop();
        assert!(!samples.machine.is_empty());
        let json = serde_json::to_string(&samples).unwrap();
        assert_eq!(serde_json::from_str::<Samples>(&json).unwrap(), samples);
    }

    #[test]
    fn merging_keeps_means_and_peaks() {
        let sample = |at, cores, bytes| MachineSample { at, busy_cores: cores, used_bytes: bytes };
        let mut samples = Samples {
            machine: vec![sample(1.0, 1.0, 5), sample(2.0, 3.0, 4), sample(3.0, 7.0, 1)],
            ..Samples::default()
        };
        samples.merge();
        assert_eq!(samples.machine, [sample(2.0, 2.0, 5), sample(3.0, 7.0, 1)]);
    }
}
