//! The promises, as `definitions/targets.toml` has them.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::HashSet;

/// One promise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Target {
    pub(super) id: String,
    /// What was promised, in words.
    pub(super) what: String,
    /// Under which load.
    pub(super) load: String,
    /// The figure, in `unit`.
    pub(super) target: f64,
    /// What is still acceptable.
    pub(super) tolerance: Option<f64>,
    pub(super) unit: String,
    pub(super) better: Better,
    /// The figure it is held against.
    source: Option<String>,
    /// The part that does not exist yet.
    not_built: Option<String>,
    /// Why it cannot be measured here.
    elsewhere: Option<String>,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Better {
    Lower,
    Higher,
}

/// Where the figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// This figure.
    Figure(&'a str),
    /// Nowhere yet: this part is missing.
    NotBuilt(&'a str),
    /// Not from here, for this reason.
    Elsewhere(&'a str),
}

impl Target {
    /// All promises, in the order of the file.
    pub(super) fn all() -> Result<Vec<Target>> {
        Target::read(include_str!("../../../definitions/targets.toml"))
    }

    fn read(text: &str) -> Result<Vec<Target>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            target: Vec<Target>,
        }
        let File { target: targets } = toml::from_str(text).context("definitions/targets.toml")?;
        let mut ids = HashSet::new();
        for target in &targets {
            let id = &target.id;
            ensure!(ids.insert(id.as_str()), "target `{id}` stands there twice");
            let sources = [&target.source, &target.not_built, &target.elsewhere];
            let given = sources.into_iter().filter(|source| source.is_some()).count();
            ensure!(given == 1, "target `{id}` needs one of source, not-built, elsewhere");
            ensure!(scale(&target.unit).is_some(), "target `{id}`: unknown unit `{}`", target.unit);
            let softer = match (target.better, target.tolerance) {
                (_, None) => true,
                (Better::Lower, Some(tolerance)) => tolerance > target.target,
                (Better::Higher, Some(tolerance)) => tolerance < target.target,
            };
            ensure!(softer, "target `{id}`: its tolerance is harder than the target");
        }
        Ok(targets)
    }

    /// Where its figure comes from.
    pub(super) fn source(&self) -> Source<'_> {
        match (&self.source, &self.not_built, &self.elsewhere) {
            (Some(figure), ..) => Source::Figure(figure),
            (_, Some(part), _) => Source::NotBuilt(part),
            (.., reason) => Source::Elsewhere(reason.as_deref().unwrap_or_default()),
        }
    }

    /// How many of the figures' own units (ns, bytes, fractions, counts) are one of this target's.
    pub(super) fn scale(&self) -> f64 {
        scale(&self.unit).unwrap_or(1.0)
    }
}

fn scale(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "ms" => 1e6,
        "s" => 1e9,
        "MB" => 1e6,
        "GB" => 1e9,
        "%" => 0.01,
        "fps" | "sockets" | "tests" => 1.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_is_well_defined() {
        let targets = Target::all().unwrap();
        assert!(targets.len() > 30, "{}", targets.len());
        for target in &targets {
            assert!(target.target > 0.0, "{}", target.id);
            assert!(!target.what.is_empty() && !target.load.is_empty(), "{}", target.id);
        }
    }

    #[test]
    fn a_promise_that_says_too_little_is_refused() {
        let whole = "[[target]]\nid = \"a\"\nwhat = \"w\"\nload = \"l\"\ntarget = 1\nunit = \"ms\"\n\
                     better = \"lower\"\nsource = \"x\"\n";
        assert_eq!(Target::read(whole).unwrap().len(), 1);
        for (from, to) in [
            ("source = \"x\"\n", ""),
            ("source = \"x\"\n", "source = \"x\"\nnot-built = \"y\"\n"),
            ("\"ms\"", "\"weeks\""),
            ("\"lower\"", "\"lower\"\ntolerance = 0.5"),
            ("\"lower\"", "\"higher\"\ntolerance = 2"),
            ("id = ", "idea = 1\nid = "),
        ] {
            assert!(Target::read(&whole.replace(from, to)).is_err(), "{from} -> {to}");
        }
        assert!(Target::read(&whole.repeat(2)).is_err());
    }
}
