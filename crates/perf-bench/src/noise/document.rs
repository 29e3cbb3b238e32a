//! Noise as a report.

use super::{Environment, NoiseHistory};
use crate::report::{Block, Document, Level, Section, Table, Tone, figure};

impl Environment {
    /// As a report: what was seen, and what speaks against measuring.
    #[must_use]
    pub fn document(&self) -> Document {
        let reasons = self.reasons();
        let share = |value: Option<f64>| value.map(|value| figure(value, "fraction"));
        let facts = [
            ("taken by the host", share(self.stolen)),
            ("taken by others", share(self.busy)),
            ("load average", self.load.map(|load| figure(load, ""))),
            ("lost while spinning", share(Some(self.lost))),
            ("longest gap", Some(figure(self.longest_gap_ns, "ns"))),
            ("spread of the same work", share(Some(self.spread))),
        ];
        let facts = facts
            .into_iter()
            .filter_map(|(label, value)| Some((label.to_owned(), value?, Tone::Plain)))
            .collect();
        let mut blocks = vec![Block::Facts(facts)];
        blocks.extend(reasons.iter().map(|why| Block::Notice(Level::Warning, why.clone())));
        Document {
            title: "Noise".to_owned(),
            subtitle: "What disturbs measurements on this machine at this moment".to_owned(),
            verdict: Some(match reasons.is_empty() {
                true => (Tone::Good, "quiet".to_owned()),
                false => (Tone::Warn, "noisy".to_owned()),
            }),
            sections: vec![Section { title: "The machine".to_owned(), blocks }],
        }
    }
}

impl NoiseHistory {
    /// As a section: each bench's margin and the deviation that its layout makes, the noisiest
    /// first.
    #[must_use]
    pub fn section(&self) -> Section {
        let mut benches = self.benches();
        benches.sort_by(|a, b| {
            let known = |noise: &super::BenchNoise| noise.layout.or(noise.margin).unwrap_or(0.0);
            known(b).total_cmp(&known(a))
        });
        let cell = |share: Option<f64>| match share {
            Some(share) => (figure(share, "fraction"), Tone::Plain),
            None => ("–".to_owned(), Tone::Quiet),
        };
        let rows = benches.into_iter().map(|noise| {
            vec![
                (noise.bench.clone(), Tone::Plain),
                (noise.comparisons.to_string(), Tone::Plain),
                cell(noise.margin),
                cell(noise.layout),
            ]
        });
        let columns = ["bench", "comparisons>", "learnt margin>", "layout sigma>"];
        let unreadable =
            (self.unreadable > 0).then(|| format!("{} lines could not be read", self.unreadable));
        let table = Table {
            columns: columns.map(str::to_owned).to_vec(),
            rows: rows.collect(),
            note: unreadable,
        };
        Section { title: "The benches".to_owned(), blocks: vec![Block::Table(table)] }
    }
}
