//! What was learnt of each bench.

use crate::{Comparison, FORMAT};
use perf_stats::{Estimate, quantile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// From fewer comparisons no margin is learnt: their 99 % point would be a guess.
const FEWEST: usize = 20;

/// From fewer pairs of builds no layout deviation is told.
const FEWEST_BUILDS: usize = 3;

/// One bench compared with itself, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NoiseRecord {
    /// The format of the record.
    pub format: u32,
    /// Name of the bench.
    pub bench: String,
    /// What it did. What was learnt of other work is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    /// In which sense the two sides were the same.
    pub kind: NoiseKind,
    /// The ratio that was found although there is none.
    pub ratio: Estimate,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// In which sense the two sides of a comparison were the same.
///
/// Equal counts are none: what a change costs in caches, locks or waiting executes no instruction
/// more, and would teach itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoiseKind {
    /// One program twice.
    SameProgram,
    /// One source, linked in two orders.
    Relinked,
}

impl NoiseRecord {
    /// The records that a comparison of a source with itself gives; benches that failed or were
    /// not measured give none. Nor does a comparison that a noisy machine put in
    /// [doubt](Comparison::doubt): one such record would widen a margin for many comparisons to
    /// come.
    #[must_use]
    pub fn of(comparison: &Comparison, kind: NoiseKind, at: u64) -> Vec<NoiseRecord> {
        if !comparison.noisy.is_empty() {
            return Vec::new();
        }
        let work = |bench: &str| {
            let found = comparison.head.benches.iter().find(|other| other.name == bench);
            found.and_then(|found| found.work.clone())
        };
        let measured = comparison.judged.iter().filter_map(|judged| Some((judged, judged.ratio?)));
        measured
            .map(|(judged, ratio)| NoiseRecord {
                format: FORMAT,
                bench: judged.bench.clone(),
                work: work(&judged.bench),
                kind,
                ratio,
                at,
            })
            .collect()
    }
}

/// All records of one machine.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct NoiseHistory {
    /// The records, oldest first.
    pub records: Vec<NoiseRecord>,
    /// Lines that could not be read: cut short, or of a newer format.
    pub unreadable: usize,
}

/// What is known of one bench.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BenchNoise {
    /// Name of the bench.
    pub bench: String,
    /// How often it was compared with itself.
    pub comparisons: usize,
    /// The margin that it takes, as a fraction, if it was compared often enough.
    pub margin: Option<f64>,
    /// Standard deviation of the logarithm of its time between builds of one source, as a
    /// fraction, if it was linked often enough.
    pub layout: Option<f64>,
}

impl NoiseHistory {
    /// A history of these records, oldest first.
    #[must_use]
    pub fn of(records: Vec<NoiseRecord>) -> NoiseHistory {
        NoiseHistory { records, unreadable: 0 }
    }

    /// The margins learnt, as [`Compare::learnt`](crate::Compare::learnt) takes them.
    #[must_use]
    pub fn margins(&self) -> BTreeMap<String, f64> {
        let learnt = self.benches().into_iter();
        learnt.filter_map(|known| Some((known.bench, known.margin?))).collect()
    }

    /// What is known of each bench, by name.
    #[must_use]
    pub fn benches(&self) -> Vec<BenchNoise> {
        let mut by_bench: BTreeMap<&str, Vec<&NoiseRecord>> = BTreeMap::new();
        for record in &self.records {
            by_bench.entry(&record.bench).or_default().push(record);
        }
        by_bench.into_iter().map(|(bench, records)| known(bench, records)).collect()
    }
}

fn known(bench: &str, mut records: Vec<&NoiseRecord>) -> BenchNoise {
    let work = records.last().and_then(|last| last.work.clone());
    records.retain(|record| record.work == work && is_usable(record.ratio));
    let of = |kind| records.iter().filter(move |record| record.kind == kind);
    let kinds = [NoiseKind::SameProgram, NoiseKind::Relinked];
    // Each kind by itself: a program compared with itself again and again must not outweigh the
    // few comparisons of builds, which scatter more.
    let margins = kinds.into_iter().filter_map(|kind| {
        let off: Vec<f64> = of(kind).map(|record| (record.ratio.value - 1.0).abs()).collect();
        (off.len() >= FEWEST).then(|| quantile(&off, 0.99).ok()).flatten()
    });
    let layout = layout(of(NoiseKind::Relinked).map(|record| record.ratio));
    // Long before there are enough comparisons for their 99 % point, the deviation between builds
    // tells where it would lie: two builds differ by √2 of it.
    let expected = layout.map(|sigma| (HALF_WIDTH * 2.0_f64.sqrt() * sigma).exp_m1());
    BenchNoise {
        bench: bench.to_owned(),
        comparisons: records.len(),
        margin: margins.chain(expected).reduce(f64::max),
        layout,
    }
}

/// Half the width of an interval at 99 % in standard deviations.
const HALF_WIDTH: f64 = 2.576;

/// The deviation between builds: each ratio is of two of them, and was itself measured with an
/// error that its interval tells.
fn layout(ratios: impl Iterator<Item = Estimate>) -> Option<f64> {
    let excess: Vec<f64> = ratios
        .map(|ratio| {
            let error = (ratio.high / ratio.low).ln() / (2.0 * HALF_WIDTH);
            ratio.value.ln().powi(2) - error.powi(2)
        })
        .collect();
    let mean = excess.iter().sum::<f64>() / excess.len() as f64;
    (excess.len() >= FEWEST_BUILDS).then(|| (mean / 2.0).max(0.0).sqrt())
}

fn is_usable(ratio: Estimate) -> bool {
    [ratio.value, ratio.low, ratio.high].iter().all(|value| value.is_finite() && *value > 0.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::noise) fn record(bench: &str, kind: NoiseKind, ratio: f64) -> NoiseRecord {
        NoiseRecord {
            format: FORMAT,
            bench: bench.to_owned(),
            work: Some("version 1".to_owned()),
            kind,
            ratio: Estimate { value: ratio, low: ratio * 0.999, high: ratio * 1.001 },
            at: 0,
        }
    }

    fn history(records: Vec<NoiseRecord>) -> NoiseHistory {
        NoiseHistory { records, unreadable: 0 }
    }

    #[test]
    fn too_few_comparisons_teach_no_margin() {
        let few = |n| (0..n).map(|_| record("a", NoiseKind::SameProgram, 1.03)).collect();
        assert!(history(few(19)).margins().is_empty());
        let margin = history(few(20)).margins()["a"];
        assert!((margin - 0.03).abs() < 1e-9, "{margin}");
    }

    #[test]
    fn the_kind_that_scatters_most_sets_the_margin() {
        let mut records: Vec<_> =
            (0..200).map(|_| record("a", NoiseKind::SameProgram, 1.001)).collect();
        records.extend(
            (0..20).map(|i| record("a", NoiseKind::Relinked, if i % 2 == 0 { 0.96 } else { 1.04 })),
        );
        // √2 x 2.576 x the deviation of one build, 0.04 / √2: more than the 4 % that were seen.
        let margin = history(records).margins()["a"];
        assert!((margin - 0.11).abs() < 0.01, "{margin}");
    }

    #[test]
    fn layout_deviation_is_that_of_one_build() {
        // Two builds that deviate by 1 % each differ by √2 %.
        let off = 0.01 * 2.0_f64.sqrt();
        let records = [off, -off, off, -off].map(|log| record("a", NoiseKind::Relinked, log.exp()));
        let known = &history(records.to_vec()).benches()[0];
        assert!((known.layout.unwrap() - 0.01).abs() < 1e-4, "{known:?}");
        let records = vec![record("a", NoiseKind::Relinked, 1.0); 2];
        assert_eq!(history(records).benches()[0].layout, None);
    }

    #[test]
    fn what_was_learnt_of_other_work_is_forgotten() {
        let mut records: Vec<_> =
            (0..50).map(|_| record("a", NoiseKind::SameProgram, 1.2)).collect();
        let mut last = record("a", NoiseKind::SameProgram, 1.0);
        last.work = Some("version 2".to_owned());
        records.push(last);
        let known = &history(records).benches()[0];
        assert_eq!((known.comparisons, known.margin), (1, None));
    }

    #[test]
    fn ratios_that_are_none_are_left_out() {
        let mut records: Vec<_> =
            (0..20).map(|_| record("a", NoiseKind::SameProgram, 1.01)).collect();
        records.push(record("a", NoiseKind::SameProgram, f64::NAN));
        assert_eq!(history(records).benches()[0].comparisons, 20);
    }
}
