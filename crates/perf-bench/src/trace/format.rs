//! How a trace is written.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// How a trace is written, after decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceFormat {
    /// The common log format of web servers, and the combined one, which has more at the end.
    /// Counts GET and HEAD; the key is the target as it was asked for, with its query.
    AccessLog,
    /// One JSON object a line.
    JsonLines,
    /// One key a line, whatever it is.
    Keys,
    /// `start count ignored sequence` a line: the keys `start` to `start + count - 1`.
    Arc,
    /// One number a line; `*` is skipped.
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

impl TraceFormat {
    /// Each of them once.
    pub const ALL: [TraceFormat; 9] = [
        TraceFormat::AccessLog,
        TraceFormat::JsonLines,
        TraceFormat::Keys,
        TraceFormat::Arc,
        TraceFormat::Lirs,
        TraceFormat::BeU32,
        TraceFormat::BeU64,
        TraceFormat::Sized,
        TraceFormat::Address,
    ];

    /// The name by which it is chosen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            TraceFormat::AccessLog => "log",
            TraceFormat::JsonLines => "json",
            TraceFormat::Keys => "keys",
            TraceFormat::Arc => "arc",
            TraceFormat::Lirs => "lirs",
            TraceFormat::BeU32 => "u32",
            TraceFormat::BeU64 => "u64",
            TraceFormat::Sized => "sized",
            TraceFormat::Address => "address",
        }
    }
}

/// In a few words, as a reader of messages wants it.
impl fmt::Display for TraceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TraceFormat::AccessLog => "access log",
            TraceFormat::JsonLines => "JSON lines",
            TraceFormat::Keys => "a key a line",
            TraceFormat::Arc => "arc text",
            TraceFormat::Lirs => "a number a line",
            TraceFormat::BeU32 => "big-endian u32",
            TraceFormat::BeU64 => "big-endian u64",
            TraceFormat::Sized => "sized text",
            TraceFormat::Address => "address text",
        })
    }
}

/// Reads the [`name`](TraceFormat::name); `common` and `combined` are access logs.
impl FromStr for TraceFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<TraceFormat, String> {
        let lower = name.to_ascii_lowercase();
        if matches!(lower.as_str(), "common" | "combined" | "access-log") {
            return Ok(TraceFormat::AccessLog);
        }
        TraceFormat::ALL.into_iter().find(|format| format.name() == lower).ok_or_else(|| {
            let names = TraceFormat::ALL.map(TraceFormat::name).join(", ");
            format!("`{name}` is no format: use one of {names}")
        })
    }
}
