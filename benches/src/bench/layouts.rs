//! One source in several link orders, and what difference that makes.

use crate::build::{Order, Workshop};
use crate::show::now;
use crate::timing;
use anyhow::Result;
use perf_bench::{Compare, NoiseHistory, NoiseKind, NoiseRecord, Outcome, SubjectProgram};
use serde::Serialize;
use std::cmp::Ordering;
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
    /// Standard deviation of the logarithm of the time between orders, without the error of
    /// measuring it.
    pub(super) sigma: Option<f64>,
    /// The margin that follows from it, as the gate learns it.
    pub(super) margin: Option<f64>,
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
                        sigma: None,
                        margin: None,
                    }),
                }
            }
        }
        // One rule for what is printed here and what the gate learns from the store.
        let known = NoiseHistory::of(records.clone()).benches();
        for noise in &mut all {
            let known = known.iter().find(|known| known.bench == noise.bench);
            noise.sigma = known.and_then(|known| known.layout);
            noise.margin = known.and_then(|known| known.margin);
        }
        all.sort_by(|a, b| b.sigma.partial_cmp(&a.sigma).unwrap_or(Ordering::Equal));
        Ok((all, records))
    }
}
