//! Paired time, with the second measurement that a red bench needs.

use crate::progress::Progress;
use crate::sides::Pair;
use crate::usage;
use anyhow::Result;
use perf_bench::{Compare, Comparison, Rule, SubjectProgram};

/// Compares the two sides.
pub(super) fn compare(settings: &Compare, pair: &Pair) -> Result<Comparison> {
    let sides = [&pair.base, &pair.head].map(SubjectProgram::new);
    between(settings, &sides, "timing")
}

/// Compares two programs, base and head, under a bar of this title.
pub(super) fn between(
    settings: &Compare,
    [base, head]: &[SubjectProgram; 2],
    title: &str,
) -> Result<Comparison> {
    let bar = Progress::new(title);
    let run = settings.run(base, head, |at| bar.at(at.done as u64, at.total as u64, &at.bench));
    run.map_err(|error| if error.is_usage() { usage(error.to_string()) } else { error.into() })
}

/// Measures what looks red once more, between programs that were linked in another order. `relink`
/// makes them and is called only if there is something to confirm.
pub(super) fn confirm(
    first: &mut Comparison,
    settings: &Compare,
    rule: &Rule,
    relink: impl FnOnce(&[String]) -> Result<[SubjectProgram; 2]>,
) -> Result<()> {
    let red: Vec<String> = first.to_confirm().map(str::to_owned).collect();
    if red.is_empty() {
        return Ok(());
    }
    let sides = relink(&red)?;
    let second = between(&settings.clone().only(red), &sides, "confirming")?;
    first.confirm(rule, second);
    Ok(())
}
