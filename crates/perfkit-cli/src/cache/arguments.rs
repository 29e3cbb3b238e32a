//! The command line of `perfkit cache`.

use super::sizes::Size;
use crate::span::Span;
use clap::{Args, Subcommand};
use perf_bench::trace::{Statuses, TraceFormat};
use perf_cache::policy::PolicyKind;
use perf_core::ByteSize;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

/// `perfkit cache`.
#[derive(Args, Debug)]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    pub(super) command: CacheCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum CacheCommand {
    /// Replay recorded requests against every policy and size, and recommend one
    Replay(Box<ReplayArguments>),
    /// Make a cache strategy of recorded requests, or of what a running gateway has learnt
    Strategy(Box<StrategyArguments>),
    /// Tell what is in a cache on disk
    Inspect(InspectArguments),
    /// Read all of a cache on disk and check every record
    Verify(VerifyArguments),
}

/// `perfkit cache inspect`.
#[derive(Args, Debug)]
#[command(after_help = INSPECT_HELP)]
pub(super) struct InspectArguments {
    /// The directory of `perfkit serve --cache-disk`, while nobody serves from it
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// Show so many of the largest entries
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) limit: usize,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// What a price or a number of requests may be.
fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
        _ => Err("use a number that is not negative, such as 0.0001".to_owned()),
    }
}

const INSPECT_HELP: &str = "\
Reads the files and changes nothing; a store over SQLite or RocksDB is opened for it. Times in --json are milliseconds since 1970, null for never.

Exit codes: 0 done, 2 the directory cannot be opened, is none of a store, or is in use.";

/// `perfkit cache verify`.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub(super) struct VerifyArguments {
    /// The directory of `perfkit serve --cache-disk`, while nobody serves from it
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
}

const VERIFY_HELP: &str = "\
Reads every record and checks its sum, and changes nothing; a store over SQLite or RocksDB is opened for
it, and puts damaged files aside. What is damaged is never answered. What a killed process had not finished writing is no damage.

Exit codes: 0 clean, 1 damaged, 2 the directory cannot be opened, is none of a store, or is in use.";

/// How recorded requests are read.
#[derive(Args, Debug)]
pub(super) struct InputArguments {
    /// How the files are written: log, json, keys, arc, lirs, u32, u64, sized, address
    /// [default: as their content says]
    #[arg(long, value_name = "NAME")]
    pub(super) format: Option<TraceFormat>,
    /// The field of JSON lines that holds the key, as request.uri [default: the usual names]
    #[arg(long, value_name = "FIELD")]
    pub(super) key: Option<String>,
    /// Only answers with such a status, as 200,304 or 2xx [default: any]
    #[arg(long, value_name = "LIST")]
    pub(super) status: Option<Statuses>,
    /// Read at most so many requests of each file
    #[arg(long, value_name = "N", default_value_t = 100_000_000)]
    pub(super) limit: u64,
}

/// `perfkit cache strategy`.
#[derive(Args, Debug)]
#[command(after_help = STRATEGY_HELP)]
pub(super) struct StrategyArguments {
    /// An access log, a list of keys or a trace (- is standard input), or the address of a gateway's
    /// dashboard, such as http://127.0.0.1:9090
    #[arg(value_name = "FILE|URL")]
    pub(super) source: String,
    /// What the strategy is called
    #[arg(long, value_name = "NAME", default_value = "generated")]
    pub(super) name: String,
    /// The most memory, by the sizes in the file
    #[arg(long, value_name = "SIZE")]
    pub(super) max_bytes: Option<ByteSize>,
    /// The most entries in memory
    #[arg(long, value_name = "N", conflicts_with = "max_bytes")]
    pub(super) max_entries: Option<NonZeroU64>,
    /// There is a disk, of which so much may be taken
    #[arg(long, value_name = "SIZE")]
    pub(super) max_disk: Option<ByteSize>,
    /// There is a tier that other machines share
    #[arg(long)]
    pub(super) shared: bool,
    /// What a load costs; with any price memory is as large as is cheapest
    #[arg(long, value_name = "PRICE", value_parser = amount, allow_negative_numbers = true)]
    pub(super) price_load: Option<f64>,
    /// What an hour costs for which somebody waits
    #[arg(long, value_name = "PRICE", value_parser = amount, allow_negative_numbers = true)]
    pub(super) price_wait: Option<f64>,
    /// What a GiB of memory costs for an hour
    #[arg(long, value_name = "PRICE", value_parser = amount, allow_negative_numbers = true)]
    pub(super) price_memory: Option<f64>,
    /// How many requests there are in an hour, for the prices
    #[arg(long, value_name = "N", default_value_t = 100_000.0, value_parser = amount,
          allow_negative_numbers = true)]
    pub(super) requests_per_hour: f64,
    /// How long a load takes, for the prices
    #[arg(long, value_name = "TIME", default_value = "50ms")]
    pub(super) mean_load: Span,
    /// The cache of the gateway, by its component
    #[arg(long, value_name = "NAME", default_value = "memory")]
    pub(super) cache: String,
    /// The gateway's token, unless the address has it as #token=
    #[arg(long, value_name = "TOKEN", env = "PERFKIT_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// Write the strategy to this file too, for `perfkit serve --cache-strategy`
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Print the strategy as JSON on standard output
    #[arg(long)]
    pub(super) json: bool,
}

const STRATEGY_HELP: &str = "\
A file is replayed at one size or at some, with the default and ten other settings, each with and \
without loading ahead where that matters. The default is left alone unless another setting was better \
by a point of hit ratio in the mean and by half a point in each quarter of the file. A running gateway \
is asked what it has learnt of its use.

Examples:
  perfkit cache strategy access.log --max-bytes 512MiB --output night.json
  perfkit cache strategy access.log --price-load 0.0001 --price-memory 0.005 --requests-per-hour 200000
  perfkit cache strategy keys.txt --max-entries 10000 --json
  perfkit cache strategy 'http://127.0.0.1:9090/#token=...' --max-bytes 1GiB
  perfkit serve --origin ./site --cache-strategy night.json

Exit codes: 0 done, 1 the file or the gateway cannot be read, 2 the command is wrong or nothing is known.";

/// `perfkit cache replay`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(super) struct ReplayArguments {
    /// Access logs, lists of keys or traces, also as gz, xz or zst; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Sizes of the cache: a share of the distinct keys, entries, or bytes by the sizes in the file
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "1%,2%,5%,10%,20%,50%"
    )]
    pub(super) sizes: Vec<Size>,
    /// Policies: lru, lfu, fifo, random, s3-fifo, adaptive [default: all of them]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) policies: Vec<PolicyKind>,
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// Draw the miss-ratio curve from about so many keys [default: from all of them, and from 65536
    /// where a file has more than 50 million requests]
    #[arg(long, value_name = "KEYS")]
    pub(super) sample: Option<NonZeroUsize>,
    /// Threads that replay [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Write the miss-ratio curves as one self-contained SVG too
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    /// Print one JSON object on standard output instead of tables and plots
    #[arg(long)]
    pub(super) json: bool,
}

const HELP: &str = "\
What a file is, its content says; --format overrules it:
  log      access logs in the common or combined format: GET and HEAD count, the key is the path
           and its query; `perfkit serve --access-log FILE` writes such a log
  json     one JSON object a line; the key is the field of --key, or else key, path, uri, url,
           request_uri, request.uri, request.path, object or id; then only GET and HEAD count
  keys     one key a line, any text
  lirs     one number a line
  arc      `start count ignored sequence` a line: so many keys in a row
  sized    `time key size` a line
  address  `l|s 0xADDRESS n` a line
  u32 u64  big-endian keys back to back

Each file is a trace of its own. Every policy starts empty, and takes in what it misses. `optimal` \
knows the future (Belady): nothing can beat it. It and the miss-ratio curve take every entry as \
equally large; sizes in bytes have no optimum. A key weighs what its largest answer weighs.

The curve is that of lru, exact for every size (Mattson's stack distances), or drawn from a sample \
of the keys (SHARDS). The recommended size is the knee, beyond which an entry brings less than the \
mean one, or a larger one up to which doublings spare a fifth of the misses.

--json prints {\"traces\": [...], \"rows\": [{trace, requests, keys, size, entries, policy, \
hit_ratio, optimal}]}; ratios lie between 0 and 1, `size` is the argument, `optimal` is null for bytes.

Examples:
  perfkit cache replay access.log
  perfkit cache replay /var/log/nginx/access.log.*.gz --status 2xx,304 --sizes 64MiB,256MiB,1GiB
  perfkit cache replay events.jsonl --key user.id --policies lru,adaptive --sizes 1000,10000
  perfkit cache replay OLTP.lis.zst --sizes 1%,5%,20% --svg curve.svg
  zcat keys.gz | perfkit cache replay - --json

Exit codes: 0 done, 1 a file cannot be read, 2 the command is wrong or a file holds no requests.";
