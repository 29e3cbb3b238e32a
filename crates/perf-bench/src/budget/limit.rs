//! One limit: of what, of which figure, how much.

use perf_core::Glob;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A route of a server.
    Route,
    /// An operation of a program.
    Operation,
    /// A file that is shipped or sent.
    Bundle,
    /// Memory of the process.
    Memory,
    /// From the start of the process until it does its work.
    StartUp,
}

/// Which figure of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Figure {
    /// Median of the latency, in nanoseconds.
    P50,
    /// 95 % quantile of the latency, in nanoseconds.
    P95,
    /// 99 % quantile of the latency, in nanoseconds.
    P99,
    /// 95 % quantile of the time to the first byte of the answer, in nanoseconds.
    FirstByte,
    /// Failed requests out of all, from 0 to 1.
    Errors,
    /// Size of an answer's body as it is sent, in bytes.
    Response,
    /// Time, in nanoseconds.
    Time,
    /// Size as it is, in bytes.
    Raw,
    /// Size after Brotli at its highest level, in bytes.
    Brotli,
    /// Memory that is really occupied, in bytes.
    Resident,
}

/// At most so much.
#[derive(Clone, Debug)]
pub struct Limit {
    kind: Kind,
    name: String,
    pattern: Option<Glob>,
    file: Option<PathBuf>,
    figure: Figure,
    most: f64,
}

impl Kind {
    /// Its name in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Route => "route",
            Kind::Operation => "operation",
            Kind::Bundle => "bundle",
            Kind::Memory => "memory",
            Kind::StartUp => "start-up",
        }
    }

    /// The figures that can be limited.
    pub(super) fn figures(self) -> &'static [Figure] {
        use Figure::{Brotli, Errors, FirstByte, P50, P95, P99, Raw, Resident, Response, Time};
        match self {
            Kind::Route => &[P50, P95, P99, FirstByte, Errors, Response],
            Kind::Operation | Kind::StartUp => &[Time],
            Kind::Bundle => &[Raw, Brotli],
            Kind::Memory => &[Resident],
        }
    }
}

impl Figure {
    /// Its name in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Figure::P50 => "p50",
            Figure::P95 => "p95",
            Figure::P99 => "p99",
            Figure::FirstByte => "first-byte",
            Figure::Errors => "errors",
            Figure::Response => "response",
            Figure::Time => "time",
            Figure::Raw => "raw",
            Figure::Brotli => "brotli",
            Figure::Resident => "resident",
        }
    }

    /// Its unit: `ns`, `bytes` or `fraction`.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Figure::P50 | Figure::P95 | Figure::P99 | Figure::FirstByte | Figure::Time => "ns",
            Figure::Errors => "fraction",
            Figure::Response | Figure::Raw | Figure::Brotli | Figure::Resident => "bytes",
        }
    }
}

impl Limit {
    pub(super) fn new(
        kind: Kind,
        name: String,
        pattern: Option<Glob>,
        figure: Figure,
        most: f64,
    ) -> Limit {
        Limit { kind, name, pattern, file: None, figure, most }
    }

    pub(super) fn set_file(&mut self, file: Option<PathBuf>) {
        self.file = file;
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Which one: a name or a glob as the file has it, empty for memory and start-up.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file of a bundle.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The figure that is limited.
    #[must_use]
    pub fn figure(&self) -> Figure {
        self.figure
    }

    /// The most it may be, in the figure's unit.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.most
    }

    /// In words: `route GET /docs/* p95`.
    #[must_use]
    pub fn what(&self) -> String {
        let (kind, name, figure) = (self.kind.name(), &self.name, self.figure.name());
        if name.is_empty() { format!("{kind} {figure}") } else { format!("{kind} {name} {figure}") }
    }

    /// Whether it is about what goes by that name.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches(name),
            None => self.name == name,
        }
    }
}
