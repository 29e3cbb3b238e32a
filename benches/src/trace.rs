//! Recorded cache accesses, in the formats in which the literature passes them on.

use anyhow::{Context, bail};
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
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

/// How a trace is written, after decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceFormat {
    /// `start count ignored sequence` a line: the keys `start` to `start + count - 1`.
    Arc,
    /// One key a line; `*` and blank lines are skipped.
    Lirs,
    /// Big-endian 32-bit keys, back to back.
    BeU32,
    /// Big-endian 64-bit keys, back to back.
    BeU64,
    /// `time key size` a line.
    Sized,
    /// `l|s 0xADDRESS n` a line; the address is the key.
    Address,
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

/// Reads at most `limit` requests of a trace. `.gz`, `.xz` and `.zst` are decompressed.
///
/// # Errors
///
/// The file cannot be read, or a line of it is not in the format; the line is named.
pub fn read_trace(path: &Path, format: TraceFormat, limit: usize) -> anyhow::Result<Vec<Request>> {
    let mut requests = Vec::new();
    open(path)
        .and_then(|mut input| match format {
            TraceFormat::BeU32 => binary::<4>(&mut input, limit, &mut requests),
            TraceFormat::BeU64 => binary::<8>(&mut input, limit, &mut requests),
            text => lines(&mut input, text, limit, &mut requests),
        })
        .with_context(|| format!("trace {}", path.display()))?;
    Ok(requests)
}

fn open(path: &Path) -> anyhow::Result<BufReader<Box<dyn Read>>> {
    let file = File::open(path)?;
    let plain: Box<dyn Read> = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("xz") => Box::new(lzma_rust2::XzReader::new(BufReader::new(file), true)),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    };
    Ok(BufReader::with_capacity(1 << 16, plain))
}

fn binary<const WIDTH: usize>(
    input: &mut impl Read,
    limit: usize,
    requests: &mut Vec<Request>,
) -> anyhow::Result<()> {
    let mut bytes = [0; WIDTH];
    while requests.len() < limit {
        if let Err(e) = input.read_exact(&mut bytes[..1]) {
            return if e.kind() == ErrorKind::UnexpectedEof { Ok(()) } else { Err(e.into()) };
        }
        input
            .read_exact(&mut bytes[1..])
            .with_context(|| format!("key {} is cut off", requests.len() + 1))?;
        let key = bytes.iter().fold(0, |key, byte| key << 8 | u64::from(*byte));
        requests.push(Request { key, size: 1 });
    }
    Ok(())
}

fn lines(
    input: &mut impl BufRead,
    format: TraceFormat,
    limit: usize,
    requests: &mut Vec<Request>,
) -> anyhow::Result<()> {
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        if requests.len() >= limit || input.read_line(&mut line)? == 0 {
            break;
        }
        let text = line.trim();
        if text.is_empty() || text == "*" {
            continue;
        }
        let Some((first, count, size)) = parse(text, format) else {
            bail!("line {number} is `{text}`, which is not in the format {format:?}");
        };
        let room = (limit - requests.len()) as u64;
        let keys = (0..count.min(room)).map(|i| first.wrapping_add(i));
        requests.extend(keys.map(|key| Request { key, size }));
    }
    Ok(())
}

/// First key, how many keys in a row, size.
fn parse(line: &str, format: TraceFormat) -> Option<(u64, u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    let mut number = || words.next()?.parse().ok();
    match format {
        TraceFormat::Arc => Some((number()?, number()?, 1)),
        TraceFormat::Lirs => Some((number()?, 1, 1)),
        TraceFormat::Sized => {
            let _time: &str = words.next()?;
            let mut number = || words.next()?.parse().ok();
            Some((number()?, 1, number()?))
        }
        TraceFormat::Address => {
            let address = words.nth(1)?.strip_prefix("0x")?;
            Some((u64::from_str_radix(address, 16).ok()?, 1, 1))
        }
        TraceFormat::BeU32 | TraceFormat::BeU64 => None,
    }
}
