//! Samples of processor and memory beside a run: of the machine, of this process and of others.

mod blocks;
mod sampler;

pub use sampler::{Sampler, SamplerThread, SystemError};

use serde::{Deserialize, Serialize};

/// What a [`Sampler`] saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Samples {
    /// When sampling began, in seconds since 1970.
    pub started: f64,
    /// Processor cores of the machine.
    pub cores: usize,
    /// Memory of the machine in bytes.
    pub memory: u64,
    /// The processes that were watched; the first is the one that sampled.
    pub processes: Vec<ProcessSamples>,
    /// The machine as a whole.
    pub machine: Vec<MachineSample>,
}

/// The machine over one interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MachineSample {
    /// End of the interval, in seconds since sampling began.
    pub at: f64,
    /// Cores in use over the interval, by anybody.
    pub busy_cores: f64,
    /// Bytes in use, by anybody.
    pub used_bytes: u64,
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessSamples {
    /// What it is called in reports.
    pub name: String,
    /// Its id.
    pub pid: u32,
    /// Its samples; fewer than the machine's where it started late or ended early.
    pub samples: Vec<ProcessSample>,
}

/// A process over one interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessSample {
    /// End of the interval, in seconds since sampling began.
    pub at: f64,
    /// Cores in use over the interval: 1.5 is one core wholly and another by half.
    pub busy_cores: f64,
    /// Bytes resident at its end; where samples were merged, the most.
    pub resident_bytes: u64,
}

impl Samples {
    /// The machine's mean processor use as a fraction of its cores, if there are samples.
    #[must_use]
    pub fn mean_processor(&self) -> Option<f64> {
        let mean = mean(self.machine.iter().map(|s| s.busy_cores))?;
        (self.cores > 0).then(|| mean / self.cores as f64)
    }

    /// The most memory that was in use on the machine, in bytes.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        self.machine.iter().map(|s| s.used_bytes).max()
    }
}

impl ProcessSamples {
    /// Mean cores in use, if there are samples.
    #[must_use]
    pub fn mean_cores(&self) -> Option<f64> {
        mean(self.samples.iter().map(|s| s.busy_cores))
    }

    /// The most bytes that were resident at the end of an interval.
    #[must_use]
    pub fn peak_resident(&self) -> Option<u64> {
        self.samples.iter().map(|s| s.resident_bytes).max()
    }
}

/// Of intervals equally long, which the sampler's are but for the last.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0_u32);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}
