//! Everything that is computed of the traces, in parallel.

use super::read::{self, Recorded};
use super::sizes::Size;
use perf_cache::policy::PolicyKind;
use perf_cache::replay::{Curve, Optimal, Replayed, Room, simulate_kind};
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was found of one trace.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) curve: Curve,
    /// One for each size, in their order.
    pub(super) sizes: Vec<SizeResults>,
}

/// What was found at one size.
#[derive(Debug)]
pub(super) struct SizeResults {
    pub(super) room: Room,
    /// Not for bytes.
    pub(super) optimal: Option<f64>,
    /// One for each policy, in their order.
    pub(super) policies: Vec<Replayed>,
}

/// What to compute.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) traces: &'a [Recorded],
    pub(super) sizes: &'a [Size],
    pub(super) policies: &'a [PolicyKind],
    pub(super) sample: Option<NonZeroUsize>,
    pub(super) threads: NonZeroUsize,
}

/// One piece of the work on a trace: places in the lists of the plan.
#[derive(Clone, Copy)]
enum Cell {
    Curve,
    Optimal { size: usize },
    Policy { size: usize, policy: usize },
}

enum Found {
    Curve(Curve),
    Optimal(Option<f64>),
    Policy(Replayed),
}

impl Plan<'_> {
    /// Computes all of it; as many pieces at once as there are threads.
    pub(super) fn run(&self) -> Vec<Results> {
        let cells = self.cells();
        let work = |trace: usize| self.traces[trace].trace.len() as u64;
        let bar = read::progress(
            cells.iter().map(|(trace, _)| work(*trace)).sum(),
            "Replaying {bar:24} {percent} %, {eta} left",
        );
        let futures: Vec<OnceLock<Optimal<'_>>> =
            self.traces.iter().map(|_| OnceLock::new()).collect();
        let found: Vec<OnceLock<Found>> = cells.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.get().min(cells.len()) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(&(trace, cell)) = cells.get(at) else { break };
                        found[at].get_or_init(|| self.compute(trace, cell, &futures[trace]));
                        bar.inc(work(trace));
                    }
                });
            }
        });
        bar.finish_and_clear();
        self.sorted(cells.iter().map(|(trace, _)| *trace).zip(found))
    }

    fn cells(&self) -> Vec<(usize, Cell)> {
        let mut cells = Vec::new();
        for trace in 0..self.traces.len() {
            cells.push((trace, Cell::Curve));
            for size in 0..self.sizes.len() {
                cells.push((trace, Cell::Optimal { size }));
                let policies = 0..self.policies.len();
                cells.extend(policies.map(|policy| (trace, Cell::Policy { size, policy })));
            }
        }
        cells
    }

    fn compute<'a>(&'a self, trace: usize, cell: Cell, future: &OnceLock<Optimal<'a>>) -> Found {
        let trace = &self.traces[trace].trace;
        match cell {
            Cell::Curve => Found::Curve(match self.sample {
                Some(keys) => Curve::sampled(trace, keys.get()),
                None if trace.len() > EXACT => Curve::sampled(trace, SAMPLE),
                None => Curve::exact(trace),
            }),
            Cell::Optimal { size } => Found::Optimal(match self.sizes[size].room(trace) {
                Room::Entries(entries) => {
                    Some(future.get_or_init(|| Optimal::new(trace)).hit_ratio(entries))
                }
                Room::Bytes(_) => None,
            }),
            Cell::Policy { size, policy } => {
                let room = self.sizes[size].room(trace);
                Found::Policy(simulate_kind(trace, room, self.policies[policy]))
            }
        }
    }

    /// Puts the pieces together in the order in which they were planned.
    fn sorted(&self, found: impl Iterator<Item = (usize, OnceLock<Found>)>) -> Vec<Results> {
        let mut results: Vec<Results> = Vec::new();
        for (trace, one) in found {
            match one.into_inner() {
                Some(Found::Curve(curve)) => results.push(Results { curve, sizes: Vec::new() }),
                Some(Found::Optimal(optimal)) => {
                    let sizes = &mut results[trace].sizes;
                    let room = self.sizes[sizes.len()].room(&self.traces[trace].trace);
                    sizes.push(SizeResults { room, optimal, policies: Vec::new() });
                }
                Some(Found::Policy(done)) => {
                    if let Some(size) = results[trace].sizes.last_mut() {
                        size.policies.push(done);
                    }
                }
                // Every thread takes pieces until none is left, and a panic of one is passed on.
                None => {}
            }
        }
        results
    }
}

/// From more requests on the curve is drawn from a sample.
const EXACT: usize = 50_000_000;
/// Of so many keys.
const SAMPLE: usize = 1 << 16;
