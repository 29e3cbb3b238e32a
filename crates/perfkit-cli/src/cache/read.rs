//! Reads a file into a trace.

use super::arguments::InputArguments;
use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perf_bench::trace::{AccessKey, TraceError, TraceReader, TraceSummary};
use perf_cache::replay::{Key, Trace};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// A trace and how it was found.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The file, as it was named.
    pub(super) name: String,
    pub(super) trace: Trace,
    pub(super) summary: TraceSummary,
    /// Whether there was more than was to be read.
    pub(super) is_cut: bool,
}

/// Reads a file to its end, or to the limit.
pub(super) fn read(path: &Path, arguments: &InputArguments) -> Result<Recorded, Failure> {
    let is_input = path.as_os_str() == "-";
    let name = if is_input { "standard input".to_owned() } else { path.display().to_string() };
    let absent = |error: io::Error| {
        let message = format!("{name} cannot be read: {error}");
        match error.kind() {
            io::ErrorKind::NotFound => Failure::usage(format!("{message}; check the path")),
            _ => Failure::failed(message),
        }
    };
    let (input, length): (Box<dyn Read>, u64) = if is_input {
        (Box::new(io::stdin()), 0)
    } else {
        let file = File::open(path).map_err(absent)?;
        let meta = file.metadata().map_err(absent)?;
        if meta.is_dir() {
            return Err(Failure::usage(format!("{name} is a folder: name the files in it")));
        }
        (Box::new(file), meta.len())
    };

    let bar = progress(length, "{prefix} {bar:24} {bytes} of {total_bytes}");
    bar.set_prefix(format!("Reading {name}"));
    let (mut trace, mut is_cut) = (Trace::new(), false);
    let read = reader(arguments).read(bar.wrap_read(input), &name, |access| {
        let key = match access.key {
            AccessKey::Number(number) => Key::Number(number),
            AccessKey::Text(text) => Key::Text(text),
        };
        let full = trace.len() as u64 >= arguments.limit
            || match access.size {
                Some(size) => trace.push_weighed(key, size).is_err(),
                None => trace.push(key).is_err(),
            };
        is_cut = full;
        if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    let summary = read.map_err(|error| refusal(&name, &error))?;
    Ok(Recorded { name, trace, summary, is_cut })
}

fn reader(arguments: &InputArguments) -> TraceReader {
    let mut reader = TraceReader::new();
    if let Some(format) = arguments.format {
        reader = reader.format(format);
    }
    if let Some(key) = &arguments.key {
        reader = reader.key(key);
    }
    if let Some(statuses) = &arguments.status {
        reader = reader.statuses(statuses.clone());
    }
    reader
}

fn refusal(name: &str, error: &TraceError) -> Failure {
    if error.is_content() {
        // The remedies of the library are spelt as flags here.
        let text = error.to_string();
        let text = text.replace("name its format", "name its format with --format");
        let text = text.replace("name the field with the key,", "name the field with --key,");
        return Failure::usage(format!("{name}: {text}"));
    }
    Failure::failed(format!("{name}: {}", Failure::from_error(error)))
}

/// A line on standard error, where somebody can see it.
pub(super) fn progress(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
