//! `bench report`: what was measured last, as pages.

use crate::repository::Repository;
use crate::show::{print, store_folder, write};
use crate::usage;
use anyhow::{Context, Result, bail};
use perf_bench::Outcome;
use std::path::{Path, PathBuf};

/// What `bench report` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which result: run, compare, gate, counts, history, noise or self-test; all by default.
    kind: Option<String>,
    /// The folder for the pages.
    #[arg(long, value_name = "DIR", default_value = "perf-report")]
    html: PathBuf,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    let kept = store_folder(&Repository::here()?)?.join("last");
    let pages = pages(&kept)?;
    let wanted: Vec<&(String, PathBuf)> = pages
        .iter()
        .filter(|(kind, _)| arguments.kind.as_ref().is_none_or(|wanted| wanted == kind))
        .collect();
    if wanted.is_empty() {
        let there: Vec<&str> = pages.iter().map(|(kind, _)| kind.as_str()).collect();
        bail!(usage(match (&arguments.kind, there.is_empty()) {
            (Some(kind), false) => format!("no `{kind}` was kept, only {}", there.join(", ")),
            _ => "nothing was measured yet, see `cargo xtask bench run`".to_owned(),
        }));
    }
    let folder = &arguments.html;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (kind, page) in wanted {
        let text = std::fs::read_to_string(page)
            .with_context(|| format!("cannot read {}", page.display()))?;
        let path = folder.join(format!("{kind}.html"));
        write(&path, &text)?;
        print(&path.display().to_string())?;
    }
    Ok(Outcome::Pass)
}

/// The pages in a folder, by name.
fn pages(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut pages = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if let (Some("html"), Some(kind)) =
            (path.extension().and_then(|e| e.to_str()), path.file_stem().and_then(|s| s.to_str()))
        {
            pages.push((kind.to_owned(), path.clone()));
        }
    }
    pages.sort();
    Ok(pages)
}
