//! Showing a result: a table on stdout, or JSON; a page; markdown for a job's summary.

use anyhow::{Context, Result};
use perf_bench::report::Document;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// How a result is shown.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Show {
    /// Print the result as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Write the report as a page of its own.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Show {
    /// Shows it wherever it was asked for.
    pub(super) fn show(&self, result: &impl Serialize, document: &Document) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let text = serde_json::to_string_pretty(result).context("no JSON of the result")?;
            writeln!(out, "{text}")?;
        } else {
            let color = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            write!(out, "{}", document.terminal(WIDTH, color))?;
        }
        if let Some(file) = &self.html {
            std::fs::write(file, document.html())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY") {
            let mut summary = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&file)
                .context("cannot open the job's summary")?;
            write!(summary, "{}", document.markdown()).context("cannot write the job's summary")?;
        }
        Ok(())
    }
}

const WIDTH: usize = 120;
