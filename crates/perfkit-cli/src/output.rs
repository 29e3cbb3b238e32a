//! Standard output, for results only, and standard error, for what goes on.

use crate::failure::Failure;
use perf_bench::report::Document;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Writes to standard output at once. A reader that has gone is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Nobody reading it is no reason to end.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Sees that a page can be written, before the work rather than after an hour of it.
pub(crate) fn prepare(page: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = page else { return Ok(()) };
    fs::write(path, "")
        .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))
}

/// Hands out a result: as a page, on standard output as JSON or so wide a table, and in the summary
/// of a CI job, where there is one.
pub(crate) fn publish(
    document: &Document,
    page: Option<&Path>,
    json: Option<&str>,
    width: usize,
) -> Result<(), Failure> {
    if let Some(path) = page {
        fs::write(path, document.html()).map_err(|error| {
            Failure::failed(format!("{} cannot be written: {error}", path.display()))
        })?;
        tell(&format!("Report in {}", path.display()));
    }
    match json {
        Some(json) => print(&format!("{json}\n"))?,
        None => {
            let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print(&document.terminal(width, color))?;
        }
    }
    summarize(document);
    Ok(())
}

/// Appends to the summary of a CI job. Its loss changes no result.
fn summarize(document: &Document) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(document.markdown().as_bytes())) {
        tell(&format!("the summary cannot be written: {error}"));
    }
}
