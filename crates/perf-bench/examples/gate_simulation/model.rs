//! How times scatter: the noise that the gate is tried against.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};

/// Standard deviations of the logarithms, as fractions, and stalls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// Between jobs; both sides of a pair have it alike.
    pub(crate) machine: f64,
    /// Between builds: where the linker put the code.
    pub(crate) layout: f64,
    /// Between processes of one build: where the system put the memory.
    pub(crate) process: f64,
    /// Between runs.
    pub(crate) run: f64,
    /// So many processes of the head take 40 % longer in all their runs.
    pub(crate) stalling: usize,
}

/// What a process that stalls costs.
const STALL: f64 = 1.40;

/// One run in twenty is disturbed by something that costs it 5 to 40 %.
const DISTURBED: f64 = 0.05;

impl Noise {
    /// Disturbances alone.
    pub(crate) const NONE: Noise =
        Noise { machine: 0.0, layout: 0.0, process: 0.0, run: 0.0, stalling: 0 };

    /// One job: base and head of a bench that really changed by `change`, in `pairs` pairs, each
    /// `block` pairs by fresh processes.
    pub(crate) fn job(
        &self,
        random: &mut StdRng,
        change: f64,
        pairs: usize,
        block: usize,
    ) -> Sides {
        let normal = |deviation: f64, random: &mut StdRng| {
            Normal::new(0.0, deviation).expect("a deviation is not negative").sample(random).exp()
        };
        let machine = 100.0 * normal(self.machine, random);
        let built = [normal(self.layout, random), (1.0 + change) * normal(self.layout, random)];
        let mut sides = [Vec::with_capacity(pairs), Vec::with_capacity(pairs)];
        let mut process = [1.0; 2];
        for pair in 0..pairs {
            for side in 0..2 {
                if pair % block == 0 {
                    let stalls = side == 1 && pair / block < self.stalling;
                    let stall = if stalls { STALL } else { 1.0 };
                    process[side] = stall * normal(self.process, random);
                }
                let disturbed = random.random_bool(DISTURBED);
                let spike = if disturbed { random.random_range(1.05..1.40) } else { 1.0 };
                let run = normal(self.run, random);
                sides[side].push(machine * built[side] * process[side] * run * spike);
            }
        }
        let [base, head] = sides;
        Sides { base, head }
    }
}

/// What one job measured.
#[derive(Debug)]
pub(crate) struct Sides {
    /// The base's samples.
    pub(crate) base: Vec<f64>,
    /// The head's samples.
    pub(crate) head: Vec<f64>,
}

/// In how many of `trials` jobs, each with a seed of its own, the answer is yes.
pub(crate) fn share(trials: u64, seed: u64, mut yes: impl FnMut(&mut StdRng) -> bool) -> f64 {
    let said = (0..trials).filter(|trial| {
        yes(&mut StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(*trial)))
    });
    said.count() as f64 / trials as f64
}
