//! One source in several link orders, and what difference that makes.

use crate::build::{Order, Workshop};
use crate::show::now;
use crate::timing;
use anyhow::Result;
use perf_bench::{Compare, NoiseHistory, NoiseKind, NoiseRecord, Outcome, SubjectProgram};
use serde::Serialize;
use std::path::PathBuf;

/// The working tree's program in several link orders, the linker's own first.
#[derive(Clone, Debug)]
pub(super) struct Layouts {
    /// The programs.
    pub(super) programs: Vec<PathBuf>,
}

/// How much the link order alone moves a bench.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LayoutNoise {
    /// The bench.
    pub(super) bench: String,
    /// Time in each order, over that in the linker's own; the first is 1.
    pub(super) ratios: Vec<f64>,
    /// Standard deviation of the logarithm of the time over the orders.
    pub(super) sigma: f64,
    /// The largest difference between any two orders, as a fraction: no smaller one is news.
    pub(super) margin: f64,
}

impl Layouts {
    /// Links the working tree in so many orders.
    pub(super) fn build(workshop: &Workshop, orders: u32) -> Result<Layouts> {
        let shuffled = (1..orders.max(1)).map(Order::Shuffled);
        let orders = std::iter::once(Order::Usual).chain(shuffled);
        let programs = orders.map(|order| workshop.head(order)).collect::<Result<_>>()?;
        Ok(Layouts { programs })
    }

    /// Compares each order with the linker's own; answers what that says of each bench, and the
    /// records to keep.
    pub(super) fn noise(&self, settings: &Compare) -> Result<(Vec<LayoutNoise>, Vec<NoiseRecord>)> {
        let (mut all, mut records) = (Vec::<LayoutNoise>::new(), Vec::new());
        let Some((usual, others)) = self.programs.split_first() else { return Ok((all, records)) };
        for (n, other) in others.iter().enumerate() {
            let sides = [usual, other].map(SubjectProgram::new);
            let title = format!("order {} of {}", n + 2, self.programs.len());
            let comparison = timing::between(settings, &sides, &title)?;
            if comparison.outcome() == Outcome::ToolFailed {
                let failed = comparison.judged.iter().find(|judged| judged.ratio.is_none());
                let why = failed.map(|judged| format!("{}: {}", judged.bench, judged.why));
                anyhow::bail!("a bench failed: {}", why.unwrap_or_default());
            }
            records.extend(NoiseRecord::of(&comparison, NoiseKind::Relinked, now()));
            for judged in &comparison.judged {
                let Some(ratio) = judged.ratio else { continue };
                match all.iter_mut().find(|noise| noise.bench == judged.bench) {
                    Some(noise) => noise.ratios.push(ratio.value),
                    None => all.push(LayoutNoise {
                        bench: judged.bench.clone(),
                        ratios: vec![1.0, ratio.value],
                        sigma: 0.0,
                        margin: 0.0,
                    }),
                }
            }
        }
        let mut learnt = NoiseHistory::default();
        learnt.records.clone_from(&records);
        let known = learnt.benches();
        for noise in &mut all {
            // Without the error of the measurement itself, where there are orders enough to tell.
            let known = known.iter().find(|known| known.bench == noise.bench);
            let layout = known.and_then(|known| known.layout);
            noise.sigma = layout.unwrap_or_else(|| sigma(&noise.ratios));
            noise.margin = largest_difference(&noise.ratios);
        }
        all.sort_by(|a, b| b.sigma.total_cmp(&a.sigma));
        Ok((all, records))
    }
}

/// Standard deviation of the logarithms.
fn sigma(ratios: &[f64]) -> f64 {
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    (squares / (logs.len() as f64 - 1.0).max(1.0)).sqrt()
}

fn largest_difference(ratios: &[f64]) -> f64 {
    let largest = ratios.iter().copied().fold(f64::MIN, f64::max);
    let smallest = ratios.iter().copied().fold(f64::MAX, f64::min);
    (largest / smallest - 1.0).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_make_no_difference_have_no_noise() {
        assert_eq!(sigma(&[1.0, 1.0, 1.0]), 0.0);
        assert_eq!(largest_difference(&[1.0, 1.0]), 0.0);
        assert!((sigma(&[1.0, 1.02, 1.04]) - 0.0196).abs() < 1e-4);
        assert!((largest_difference(&[1.0, 0.98, 1.04]) - 0.0612).abs() < 1e-4);
    }
}
