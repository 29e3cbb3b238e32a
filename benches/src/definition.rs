//! What a suite measures: workloads, parameters, seed, expected answers.

use crate::Workload;
use anyhow::{Context, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};

/// One suite, as `definitions/<suite>.toml` describes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The name of the suite.
    pub suite: String,
    /// What it measures, in one sentence.
    pub about: String,
    /// Where every random number starts.
    pub seed: u64,
    /// The workloads by name.
    #[serde(default)]
    pub workloads: BTreeMap<String, Named>,
    /// What else the suite wants to know; the suite's own business.
    #[serde(default)]
    pub parameters: toml::Table,
}

/// A workload and what its numbers must be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Named {
    /// The workload.
    #[serde(flatten)]
    pub workload: Workload,
    /// The expected answer.
    pub expect: Expect,
}

/// The answer of a workload for the seed of its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// How many numbers to look at, from the first.
    pub first: usize,
    /// How many of them are different.
    pub distinct: usize,
    /// Their sum, wrapping at 2^64.
    pub sum: u64,
}

impl Definition {
    /// The definition of a suite, `None` if there is no such suite.
    #[must_use]
    pub fn text_of(suite: &str) -> Option<&'static str> {
        DEFINITIONS.iter().find(|(name, _)| *name == suite).map(|(_, text)| *text)
    }

    /// The names of all definitions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        DEFINITIONS.iter().map(|(name, _)| *name)
    }

    /// Reads the definition of a suite.
    ///
    /// # Errors
    ///
    /// There is no such definition, or it is not as it should be.
    pub fn load(suite: &str) -> anyhow::Result<Definition> {
        let text = Definition::text_of(suite)
            .with_context(|| format!("no definition of `{suite}`, write one"))?;
        toml::from_str(text).with_context(|| format!("definition of `{suite}`"))
    }

    /// The first `count` numbers of a workload, after checking its expected answer.
    ///
    /// # Errors
    ///
    /// There is no such workload, or its numbers are not the expected ones.
    pub fn numbers(&self, workload: &str, count: usize) -> anyhow::Result<Vec<u64>> {
        let named = self
            .workloads
            .get(workload)
            .with_context(|| format!("`{}` has no workload `{workload}`", self.suite))?;
        let wanted = count.max(named.expect.first);
        let mut numbers: Vec<u64> = named.workload.numbers(self.seed)?.take(wanted).collect();
        let answer = named.expect.answer_of(&numbers);
        ensure!(
            answer == named.expect,
            "workload `{workload}` of `{}` draws {answer:?} where {:?} is expected",
            self.suite,
            named.expect,
        );
        numbers.truncate(count);
        Ok(numbers)
    }

    /// A parameter.
    ///
    /// # Errors
    ///
    /// There is none of that name, or it is of another type.
    pub fn parameter<'de, T: Deserialize<'de>>(&self, name: &str) -> anyhow::Result<T> {
        let value = self.parameters.get(name).cloned();
        value
            .with_context(|| format!("`{}` has no parameter `{name}`", self.suite))?
            .try_into()
            .with_context(|| format!("parameter `{name}` of `{}`", self.suite))
    }
}

impl Expect {
    fn answer_of(&self, numbers: &[u64]) -> Expect {
        let looked_at = &numbers[..self.first.min(numbers.len())];
        Expect {
            first: looked_at.len(),
            distinct: looked_at.iter().collect::<HashSet<_>>().len(),
            sum: looked_at.iter().fold(0, |sum, n| sum.wrapping_add(*n)),
        }
    }
}

const DEFINITIONS: [(&str, &str); 5] = [
    ("async", include_str!("../definitions/async.toml")),
    ("disk", include_str!("../definitions/disk.toml")),
    ("histogram", include_str!("../definitions/histogram.toml")),
    ("memory", include_str!("../definitions/memory.toml")),
    ("traces", include_str!("../definitions/traces.toml")),
];
