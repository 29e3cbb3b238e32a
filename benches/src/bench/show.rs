//! Showing a result: a table or JSON on stdout, a page, markdown for a job's summary; and keeping the
//! last of each kind.

use crate::repository::Repository;
use anyhow::{Context, Result};
use perf_bench::report::Document;
use perf_bench::{Judged, Verdict};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How a result is shown.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Show {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Write the report as one page without links.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Show {
    /// Shows it wherever it was asked for.
    pub(super) fn show(&self, result: &impl Serialize, document: &Document) -> Result<()> {
        if self.json {
            print(&json_of(result)?)?;
        } else {
            print(&document.terminal(width(), color()))?;
        }
        if let Some(path) = &self.html {
            write(path, &document.html())?;
        }
        if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty())
        {
            let summary = OpenOptions::new().append(true).create(true).open(&path);
            let written = summary.and_then(|mut file| writeln!(file, "{}", document.markdown()));
            if let Err(error) = written {
                eprintln!("warning: the job's summary cannot be written: {error}");
            }
        }
        Ok(())
    }

    /// Shows it, and keeps it as the last of its kind for `bench report`. What cannot be kept
    /// changes no verdict.
    pub(super) fn show_and_keep(
        &self,
        kind: &str,
        result: &impl Serialize,
        document: &Document,
        repository: &Repository,
    ) -> Result<()> {
        self.show(result, document)?;
        if let Err(error) = keep(kind, &json_of(result)?, document, repository) {
            eprintln!("warning: not kept for `bench report`: {error:#}");
        }
        Ok(())
    }

    /// Names what is red to the job's log, where there is one: nothing but regressions, so that an
    /// annotation is always worth a look.
    pub(super) fn annotate<'a>(&self, judged: impl Iterator<Item = &'a Judged>) {
        if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
            for line in judged.filter_map(annotation) {
                eprintln!("{line}");
            }
        }
    }
}

fn keep(kind: &str, json: &str, document: &Document, repository: &Repository) -> Result<()> {
    let kept = store_folder(repository)?.join("last");
    std::fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    write(&kept.join(format!("{kind}.html")), &document.html())?;
    write(&kept.join(format!("{kind}.json")), json)
}

fn json_of(result: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(result).context("no JSON of the result")
}

/// The workflow command for one red bench.
fn annotation(judged: &Judged) -> Option<String> {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    (judged.verdict == Verdict::Regress).then(|| {
        let (bench, measure) = (escaped(&judged.bench), &judged.measure);
        format!("::error title=slower::{bench} ({measure}): {}", escaped(&judged.why))
    })
}

/// Where we keep what must outlive a target directory: learnt margins, the last results.
pub(super) fn store_folder(repository: &Repository) -> Result<PathBuf> {
    match std::env::var_os("PERFKIT_BENCH_STORE").filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(repository.common_folder()?.join("perfkit-bench")),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Writes a file; the error names it.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Prints a text to standard output. A reader that has had enough is no failure.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// The width of the table: what the shell says, or a line of text.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.unwrap_or(110)
}

fn color() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_red_is_annotated_and_per_cents_are_escaped() {
        let mut judged = Judged::new("cache/hit", "time", Verdict::Regress);
        judged.why = "5 % slower\nindeed".to_owned();
        let line = annotation(&judged).unwrap();
        assert_eq!(line, "::error title=slower::cache/hit (time): 5 %25 slower%0Aindeed");
        for verdict in [Verdict::Same, Verdict::Inconclusive, Verdict::Improve, Verdict::New] {
            judged.verdict = verdict;
            assert_eq!(annotation(&judged), None);
        }
    }
}
