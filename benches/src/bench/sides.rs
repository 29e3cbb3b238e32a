//! The two programs of a comparison, or why there is nothing to compare.

use crate::build::{BaseProgram, Order, Workshop, identical};
use crate::repository::{Base, Repository, is_words_only};
use crate::usage;
use anyhow::{Result, bail};
use perf_bench::SubjectProgram;
use std::path::PathBuf;

/// The two programs of a comparison, or why there is nothing to compare.
#[derive(Debug)]
pub(super) enum Sides {
    /// The programs differ.
    Both(Pair),
    /// Nothing that differs from the base is ever built. Nothing was built.
    WordsOnly {
        /// How many files differ.
        files: usize,
    },
    /// The programs are the same byte for byte.
    Identical,
    /// The base is older than the program of benches.
    HeadOnly,
}

/// The program of each side.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// The base's.
    pub(super) base: PathBuf,
    /// The working tree's.
    pub(super) head: PathBuf,
}

impl Sides {
    /// Finds out what differs and builds what has to be built.
    pub(super) fn prepare(
        workshop: &Workshop,
        repository: &Repository,
        base: &Base,
    ) -> Result<Sides> {
        let changed = repository.changed_since(base)?;
        if changed.iter().all(|path| is_words_only(path)) {
            return Ok(Sides::WordsOnly { files: changed.len() });
        }
        let head = workshop.head(Order::Usual)?;
        match workshop.base(base, Order::Usual)? {
            BaseProgram::HasNone => Ok(Sides::HeadOnly),
            BaseProgram::Built(base) if identical(&base, &head)? => Ok(Sides::Identical),
            BaseProgram::Built(base) => Ok(Sides::Both(Pair { base, head })),
        }
    }

    /// Why there is nothing to compare.
    pub(super) fn why_nothing(&self, base: &Base) -> String {
        match self {
            Sides::Both(_) => String::new(),
            Sides::WordsOnly { files: 0 } => "nothing differs from the base".to_owned(),
            Sides::WordsOnly { files } => {
                format!("only words differ from the base ({files} files), nothing that is built")
            }
            Sides::Identical => "the two programs are byte for byte the same".to_owned(),
            Sides::HeadOnly => {
                format!("the base {} has no program of benches, so all are new", base.short())
            }
        }
    }
}

/// Refuses a filter that no bench of either side matches: measuring nothing must not look green.
pub(super) fn check_filter(pair: &Pair, filter: Option<&str>) -> Result<()> {
    let Some(filter) = filter else { return Ok(()) };
    for program in [&pair.head, &pair.base] {
        // A side that cannot be listed is the business of whoever measures it.
        let listed = SubjectProgram::new(program).list().unwrap_or_default();
        if listed.iter().any(|bench| bench.name.contains(filter)) {
            return Ok(());
        }
    }
    bail!(usage(format!("no bench has `{filter}` in its name")))
}

/// Links both sides in another order.
pub(super) fn relink(workshop: &Workshop, base: &Base, seed: u32) -> Result<Pair> {
    let head = workshop.head(Order::Shuffled(seed))?;
    match workshop.base(base, Order::Shuffled(seed))? {
        BaseProgram::Built(base) => Ok(Pair { base, head }),
        BaseProgram::HasNone => bail!("the base had a program of benches and has none now"),
    }
}
