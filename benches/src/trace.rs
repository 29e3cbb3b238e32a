//! The recorded cache accesses on this machine.

use anyhow::{Context, bail};
use perf_bench::trace::{AccessKey, TraceFormat, TraceReader};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The environment variable that names the folder with the traces.
pub const TRACES: &str = "PERFKIT_TRACES";

/// One access of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was asked for.
    pub key: u64,
    /// How large it is; 1 where the trace does not say.
    pub size: u64,
}

/// The folder with the traces.
///
/// # Errors
///
/// `PERFKIT_TRACES` is not set, or what it names is no folder.
pub fn trace_folder() -> anyhow::Result<PathBuf> {
    let Some(folder) = std::env::var_os(TRACES).map(PathBuf::from) else {
        bail!("no traces here: set {TRACES} to the folder that holds them");
    };
    if !folder.is_dir() {
        bail!("no traces here: {TRACES} names {}, which is no folder", folder.display());
    }
    Ok(folder)
}

/// Reads at most `limit` requests of a trace of numbers, which may be compressed.
///
/// # Errors
///
/// The file cannot be read, or a line of it is not in the format; the line is named.
pub fn read_trace(path: &Path, format: TraceFormat, limit: usize) -> anyhow::Result<Vec<Request>> {
    let mut requests = Vec::new();
    let mut named = false;
    File::open(path)
        .map_err(anyhow::Error::from)
        .and_then(|file| {
            let reader = TraceReader::new().format(format).strict();
            let read = reader.read(file, "", |access| {
                let AccessKey::Number(key) = access.key else {
                    named = true;
                    return ControlFlow::Break(());
                };
                if requests.len() >= limit {
                    return ControlFlow::Break(());
                }
                requests.push(Request { key, size: access.size.unwrap_or(1) });
                ControlFlow::Continue(())
            });
            Ok(read?)
        })
        .with_context(|| format!("trace {}", path.display()))?;
    if named {
        bail!("trace {}: its keys are no numbers", path.display());
    }
    Ok(requests)
}
