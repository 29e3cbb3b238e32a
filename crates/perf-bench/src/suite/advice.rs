//! What follows from figures: plain rules, each with its evidence.

use super::{Figure, SectionReport};
use crate::report::figure as words;
use serde::{Deserialize, Serialize};

/// Something worth doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// The rule that speaks.
    pub rule: String,
    /// What to do.
    pub advice: String,
    /// The figures that it follows from.
    pub evidence: Vec<String>,
}

/// A hit ratio below this is low.
const LOW_HIT_RATIO: f64 = 0.8;
/// A 99 % point above this many medians is a long tail.
const LONG_TAIL: f64 = 10.0;
/// Batches that insert so many times as fast say that commits wait for the disk.
const BATCH_GAIN: f64 = 5.0;
/// Below this share of saved bytes, compression does not do its work.
const LOW_SAVING: f64 = 0.5;
/// Above this share of operations, locks are in the way.
const BUSY_SHARE: f64 = 0.01;

/// What follows from these sections. Pure: the same figures give the same advice.
#[must_use]
pub fn recommend(sections: &[SectionReport]) -> Vec<Recommendation> {
    let figures: Vec<&Figure> = sections.iter().flat_map(|section| &section.figures).collect();
    let find = |id: &str| figures.iter().copied().find(|figure| figure.id == id);
    let mut all = Vec::new();

    for figure in &figures {
        if figure.id.ends_with("hit_ratio") && figure.value < LOW_HIT_RATIO {
            all.push(because(
                "low hit ratio",
                "raise the capacity of the cache, or its time to live if entries expire before \
                 they are asked for again",
                &[figure],
            ));
        }
        if figure.id.ends_with("bytes_saved") && figure.value < LOW_SAVING {
            all.push(because(
                "little compressed",
                "see that text answers carry a content type, are above the least size for \
                 encoding, and that clients accept br, zstd or gzip",
                &[figure],
            ));
        }
        if figure.id.ends_with("busy_share") && figure.value > BUSY_SHARE {
            all.push(because(
                "busy database",
                "let fewer connections write at once, or raise the busy timeout",
                &[figure],
            ));
        }
    }
    if let (Some(single), Some(batch)) =
        (find("database/insert_rate"), find("database/insert_batch_rate"))
        && batch.value > BATCH_GAIN * single.value
    {
        all.push(because(
            "commits wait for the disk",
            "insert in batches: most of a single insert is its commit",
            &[single, batch],
        ));
    }
    let mut tails: Vec<(f64, &Figure)> = figures
        .iter()
        .filter_map(|figure| {
            let spread = figure.spread.as_ref()?;
            let tail = spread.p99 / spread.p50;
            // A hundred values are the fewest that have a 99 % point of their own.
            (spread.values >= 100 && tail > LONG_TAIL).then_some((tail, *figure))
        })
        .collect();
    tails.sort_by(|a, b| b.0.total_cmp(&a.0));
    if !tails.is_empty() {
        let advice = format!(
            "look for what stops {} now and then: other work on the machine first, then locks, \
             fsync and growing tables",
            if tails.len() == 1 { "this" } else { "these" }
        );
        let mut found = because("long tail", &advice, &[]);
        found.evidence =
            tails.iter().take(5).map(|(tail, figure)| tail_words(*tail, figure)).collect();
        all.push(found);
    }
    all
}

fn because(rule: &str, advice: &str, figures: &[&Figure]) -> Recommendation {
    Recommendation {
        rule: rule.to_owned(),
        advice: advice.to_owned(),
        evidence: figures
            .iter()
            .map(|figure| format!("{} is {}", figure.id, words(figure.value, &figure.unit)))
            .collect(),
    }
}

fn tail_words(tail: f64, figure: &Figure) -> String {
    format!("p99 of {} is {tail:.0} times its median", figure.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Better;

    fn rules(figures: Vec<Figure>) -> Vec<String> {
        let section = SectionReport { figures, ..SectionReport::default() };
        recommend(&[section]).into_iter().map(|found| found.rule).collect()
    }

    fn number(id: &str, value: f64, unit: &str) -> Figure {
        Figure::new(id, "", value, unit, Better::Neither)
    }

    #[test]
    fn good_figures_need_no_advice() {
        let steady = Figure::of("cache/lookup", "", &[10.0; 200], 1, "ns", Better::Lower);
        let figures = vec![
            number("cache/zipf_hit_ratio", 0.9, "fraction"),
            number("gateway/bytes_saved", 0.7, "fraction"),
            number("database/insert_rate", 900.0, "/s"),
            number("database/insert_batch_rate", 1_000.0, "/s"),
            steady,
        ];
        assert!(rules(figures).is_empty());
        assert!(recommend(&[]).is_empty());
    }

    #[test]
    fn each_rule_speaks_with_its_evidence() {
        let hit = number("cache/zipf_hit_ratio", 0.5, "fraction");
        let found = recommend(&[SectionReport { figures: vec![hit], ..Default::default() }]);
        assert_eq!(found[0].rule, "low hit ratio");
        assert_eq!(found[0].evidence, ["cache/zipf_hit_ratio is 50.0 %"]);

        let slow = vec![
            number("database/insert_rate", 100.0, "/s"),
            number("database/insert_batch_rate", 9_000.0, "/s"),
        ];
        assert_eq!(rules(slow), ["commits wait for the disk"]);
        assert_eq!(
            rules(vec![number("gateway/bytes_saved", 0.1, "fraction")]),
            ["little compressed"]
        );
        assert_eq!(rules(vec![number("database/busy_share", 0.2, "fraction")]), ["busy database"]);
    }

    #[test]
    fn a_tail_needs_enough_values_to_be_one() {
        let mut values = vec![1.0; 95];
        values.extend([50.0; 5]);
        let tail = |values: &[f64]| Figure::of("x/y", "", values, 1, "ns", Better::Lower);
        assert_eq!(rules(vec![tail(&values)]), ["long tail"]);
        assert!(rules(vec![tail(&values[50..])]).is_empty());
    }
}
