//! The command line of `perfkit bench`.

use crate::span::Span;
use clap::{Args, Subcommand};
use perf_bench::{Journal, Synchronous};
use perf_core::ByteSize;
use std::path::PathBuf;

/// `perfkit bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    pub(super) command: BenchCommand,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Insert, read, update and delete rows in SQLite or PostgreSQL, every answer checked
    Db(Box<DbArguments>),
    /// Measure the parts of perfkit on this machine, with recommendations
    Suite(SuiteArguments),
}

/// Where the result goes.
#[derive(Args, Debug)]
pub(super) struct OutputArguments {
    /// Print one JSON object on standard output instead of the table
    #[arg(long)]
    pub(super) json: bool,
    /// Write the report as one self-contained page
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

/// `perfkit bench db`.
#[derive(Args, Debug)]
#[command(after_help = DB_HELP)]
pub(super) struct DbArguments {
    /// An SQLite file, or postgres://user:password@host:port/name
    #[arg(value_name = "PATH_OR_URL")]
    pub(super) target: String,
    /// Rows that the table holds before the reads
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(super) rows: u64,
    /// Operations of each step, all connections together
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(super) operations: u64,
    /// Connections at once, each on a thread of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) concurrency: usize,
    /// Rows of one transaction in the batched step
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) batch: usize,
    /// Size of a row's value
    #[arg(long, value_name = "SIZE", default_value = "100B")]
    pub(super) value_size: ByteSize,
    /// Rows that a range read asks for
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) range: usize,
    /// Seed of keys, values and choices
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(super) seed: u64,
    /// How often an operation is tried again that found the database busy
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) retries: u32,
    /// How long the database itself waits for a lock
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub(super) busy_timeout: Span,
    /// The longest time for a step; what was done by then counts
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) step_limit: Span,
    /// SQLite's journal: wal or delete [default: wal in a new file, else as the file has it]
    #[arg(long, value_name = "MODE", value_parser = journal)]
    pub(super) journal: Option<Journal>,
    /// How surely a commit is on the disk: full, normal or off [default: normal for SQLite, full in
    /// a file that exists and has no write-ahead log; as the server has it for PostgreSQL]
    #[arg(long, value_name = "MODE", value_parser = synchronous)]
    pub(super) synchronous: Option<Synchronous>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

const DB_HELP: &str = "\
It works in a table of its own, `perfkit_bench_…`, and removes it at the end. A file that does not
exist is made and removed afterwards; in a file that does, no other table is touched. Each thread
writes rows of its own, every answer is checked, and the whole table is read back at the end.

Examples:
  perfkit bench db new.db --concurrency 4
  perfkit bench db app.db --rows 100000 --batch 500 --html report.html
  perfkit bench db postgres://ada@127.0.0.1/shop --synchronous off --json

Exit codes: 0 every step ran and every answer was right, 1 not so (what was measured is printed and
marked), 2 the command is wrong. Ctrl-C ends it early and cleans up.";

/// `perfkit bench suite`.
#[derive(Args, Debug)]
#[command(after_help = SUITE_HELP)]
pub(super) struct SuiteArguments {
    /// A fraction of the time, with less certain figures
    #[arg(long)]
    pub(super) quick: bool,
    /// Sections, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) only: Vec<String>,
    /// The folder of pages that the gateway serves; made up if not given
    #[arg(long, value_name = "DIR")]
    pub(super) origin: Option<PathBuf>,
    /// The folder for the files of disk and database, on the disk in question [default: the temporary
    /// folder]
    #[arg(long, value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

const SUITE_HELP: &str = "\
Sections: cache, operations, http, analytics and engine in this process; gateway, a `perfkit serve`
in a process of its own; disk, the store of the cache beyond memory; database, SQLite. Calls are
timed in batches that take far longer than reading the clock, so p95 and p99 tell how steady a
figure is, unless they are of single calls. Each figure has an id such as `cache/lookup` that stays
the same in the JSON of later versions.

Examples:
  perfkit bench suite --quick
  perfkit bench suite --only cache,http --json
  perfkit bench suite --origin ./site --html report.html

Exit codes: 0 every section ran and every answer was right, 1 not so (what was measured is printed
and marked), 2 the command is wrong. Ctrl-C ends it early.";

fn journal(text: &str) -> Result<Journal, String> {
    match text {
        "wal" => Ok(Journal::Wal),
        "delete" => Ok(Journal::Delete),
        _ => Err("write wal or delete".to_owned()),
    }
}

fn synchronous(text: &str) -> Result<Synchronous, String> {
    match text {
        "full" => Ok(Synchronous::Full),
        "normal" => Ok(Synchronous::Normal),
        "off" => Ok(Synchronous::Off),
        _ => Err("write full, normal or off".to_owned()),
    }
}
