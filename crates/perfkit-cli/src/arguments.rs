//! The command line.

use crate::bench::BenchArguments;
use crate::cache::CacheArguments;
use crate::gate::GateArguments;
use crate::load::LoadArguments;
use crate::run::RunArguments;
use crate::settings::CdnArguments;
use crate::span::Span;
use clap::{Args, Parser, Subcommand};
use perf_core::ByteSize;
use perf_server::Origin;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A caching, compressing, measuring gateway with a live dashboard, in front of anything that
/// speaks HTTP.
#[derive(Debug, Parser)]
#[command(name = "perfkit", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 the command or a setting is wrong, 3 something \
got slower or missed its objective, 4 no answer (with --strict)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a folder or an HTTP server through the cache, with a dashboard
    Serve(Box<ServeArguments>),
    /// Show on a real site what the cache does: load, table, dashboard
    Demo(DemoArguments),
    /// Compare two measurements and tell whether something got slower
    Gate(GateArguments),
    /// Load a server over HTTP and tell what it bears
    Load(Box<LoadArguments>),
    /// Replay recorded requests, or look into a cache on disk
    Cache(CacheArguments),
    /// Measure a database, or the parts of perfkit on this machine
    Bench(BenchArguments),
    /// Run a suite of commands and HTTP checks, hundreds at once
    Run(RunArguments),
}

/// `perfkit serve`.
#[derive(Args, Debug)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct ServeArguments {
    /// Where answers come from: a folder, or an address such as http://127.0.0.1:3000
    #[arg(long, value_name = "DIR_OR_URL", env = "PERFKIT_ORIGIN")]
    pub(crate) origin: Option<Origin>,
    /// Where the gateway listens; port 0 takes any free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "PERFKIT_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the API and the dashboard listen [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR", env = "PERFKIT_ADMIN")]
    pub(crate) admin: Option<SocketAddr>,
    /// Memory for cached answers [default: 256MiB]
    #[arg(long, value_name = "SIZE", env = "PERFKIT_CACHE_MEMORY")]
    pub(crate) cache_memory: Option<ByteSize>,
    /// Keep cached answers in this directory too, so that they outlive a restart; it is for one
    /// gateway alone
    #[arg(long, value_name = "DIR", env = "PERFKIT_CACHE_DISK")]
    pub(crate) cache_disk: Option<PathBuf>,
    /// Most bytes of all files in that directory [default: 4GiB]
    #[arg(long, value_name = "SIZE", env = "PERFKIT_CACHE_DISK_SIZE")]
    pub(crate) cache_disk_size: Option<ByteSize>,
    /// How answers are kept there: log, sqlite, or rocksdb where it was built in [default: log]
    #[arg(long, value_name = "NAME", env = "PERFKIT_CACHE_DISK_STORE")]
    pub(crate) cache_disk_store: Option<String>,
    /// Share the cache with the other gateways of this origin that use this Redis or Valkey, such as
    /// redis://127.0.0.1:6379; several addresses, with commas, are nodes of a cluster
    #[arg(
        long,
        value_name = "URL",
        env = "PERFKIT_CACHE_REDIS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) cache_redis: Option<Vec<String>>,
    /// What the keys of the cache begin with there [default: perfkit:]
    #[arg(long, value_name = "TEXT", env = "PERFKIT_CACHE_REDIS_PREFIX")]
    pub(crate) cache_redis_prefix: Option<String>,
    /// File with the password for it, if not in its address; or set PERFKIT_CACHE_REDIS_PASSWORD
    #[arg(long, value_name = "FILE", env = "PERFKIT_CACHE_REDIS_PASSWORD_FILE")]
    pub(crate) cache_redis_password_file: Option<PathBuf>,
    /// The password itself, which others on this machine may see
    #[arg(long, value_name = "TEXT", env = "PERFKIT_CACHE_REDIS_PASSWORD", hide = true)]
    pub(crate) cache_redis_password: Option<String>,
    /// How long a request waits for it before it goes on without [default: 50ms]
    #[arg(long, value_name = "TIME", env = "PERFKIT_CACHE_REDIS_DEADLINE")]
    pub(crate) cache_redis_deadline: Option<Span>,
    /// How long memory may go on to answer what others may have invalidated, while it is away
    /// [default: 30s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_CACHE_REDIS_STALE_WINDOW")]
    pub(crate) cache_redis_stale_window: Option<Span>,
    /// Fetch the URLs of this list at the start, one a line: http://host/path or /path
    #[arg(long, value_name = "FILE", env = "PERFKIT_WARM")]
    pub(crate) warm: Option<PathBuf>,
    /// How long an answer stays fresh that does not say so itself [default: 300s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_TTL")]
    pub(crate) ttl: Option<Span>,
    /// How long a stale answer is served while it is fetched anew, unless it says so itself
    /// [default: 0s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_STALE_WHILE_REVALIDATE")]
    pub(crate) stale_while_revalidate: Option<Span>,
    /// How long a stale answer is served while the origin fails, unless it says so itself
    /// [default: 0s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_STALE_IF_ERROR")]
    pub(crate) stale_if_error: Option<Span>,
    /// Fetches from the origin at once [default: 256]
    #[arg(long, value_name = "N", env = "PERFKIT_CONCURRENCY")]
    pub(crate) concurrency: Option<usize>,
    /// Fetches that may wait for their turn; more get 503 [default: 1024]
    #[arg(long, value_name = "N", env = "PERFKIT_QUEUE_LIMIT")]
    pub(crate) queue_limit: Option<usize>,
    /// Time for the head of the origin's answer; then 504 [default: 30s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_TIMEOUT")]
    pub(crate) timeout: Option<Span>,
    /// Time for connecting to the origin; then 504 [default: 5s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_CONNECT_TIMEOUT")]
    pub(crate) connect_timeout: Option<Span>,
    /// Longest silence of the origin within a body [default: 30s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_BODY_IDLE_TIMEOUT")]
    pub(crate) body_idle_timeout: Option<Span>,
    /// Clients connected at once; more get 503 [default: 10000]
    #[arg(long, value_name = "N", env = "PERFKIT_MAX_CONNECTIONS")]
    pub(crate) max_connections: Option<usize>,
    /// Longest head of a request; longer ones get 431 [default: 64KiB]
    #[arg(long, value_name = "SIZE", env = "PERFKIT_MAX_HEADER")]
    pub(crate) max_header: Option<ByteSize>,
    /// Pass the client's Host on to the origin instead of the origin's own name
    #[arg(long, env = "PERFKIT_KEEP_HOST", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "BOOL")]
    pub(crate) keep_host: Option<bool>,
    /// The name in Cache-Status and on the dashboard [default: perfkit]
    #[arg(long, value_name = "NAME", env = "PERFKIT_NAME")]
    pub(crate) name: Option<String>,
    /// Token for changes through the API; generated if not given
    #[arg(long, value_name = "TOKEN", env = "PERFKIT_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Append a line for each answer, in the combined log format, which `perfkit cache replay` reads
    #[arg(long, value_name = "FILE", env = "PERFKIT_ACCESS_LOG")]
    pub(crate) access_log: Option<PathBuf>,
    /// How often components are sampled [default: 1s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_SAMPLE_EVERY")]
    pub(crate) sample_every: Option<Span>,
    /// How long open requests may go on at the end [default: 10s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_DRAIN")]
    pub(crate) drain: Option<Span>,
    #[command(flatten)]
    pub(crate) cdn: CdnArguments,
    /// Limits on routes, memory and start-up; the dashboard shows what is over or close to them
    #[arg(long, value_name = "perf-budget.toml", env = "PERFKIT_BUDGET")]
    pub(crate) budget: Option<PathBuf>,
    /// A cache strategy, as `perfkit cache strategy --output` writes it; --cache-memory overrules its
    /// size
    #[arg(long, value_name = "FILE", env = "PERFKIT_CACHE_STRATEGY")]
    pub(crate) cache_strategy: Option<PathBuf>,
    /// A TOML file with any of these settings, named like the flags
    #[arg(long, value_name = "FILE", env = "PERFKIT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print the settings that would be used and where each comes from, and end
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Print the start-up line as one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

const SERVE_HELP: &str = "\
Settings come from flags, then the environment, then the file, then the defaults. The environment
names CACHE_DEFAULT_TTL_SECONDS, CACHE_TTL (milliseconds), CACHE_MEMORY_MAX_SIZE (with a unit) and
PERFORMANCE_MONITORING_INTERVAL (5s; a bare number is milliseconds) are read too.

Examples:
  perfkit serve --origin ./site
  perfkit serve --origin http://127.0.0.1:3000 --listen 0.0.0.0:8080 --cache-memory 1GiB
  perfkit serve --origin http://127.0.0.1:3000 --cache-disk /var/cache/perfkit --cache-disk-size 20GiB
  perfkit serve --config perfkit.toml --print-config

perfkit.toml:
  origin = \"http://127.0.0.1:3000\"
  cache-memory = \"512MiB\"
  ttl = \"60s\"

Ctrl-C or SIGTERM ends it in peace, a second one at once.";

/// `perfkit demo`.
#[derive(Args, Debug)]
#[command(after_help = DEMO_HELP)]
pub(crate) struct DemoArguments {
    /// How long the load runs
    #[arg(long = "for", value_name = "TIME", default_value = "30s")]
    pub(crate) length: Span,
    /// The folder of the site; found on the machine if not given
    #[arg(long, value_name = "DIR")]
    pub(crate) origin: Option<PathBuf>,
    /// How many pages of the site are asked for
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = at_least_one)]
    pub(crate) pages: usize,
    /// Seed of the choice of pages, their order and their codings
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
    /// Connections, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Memory for cached answers
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub(crate) cache_memory: ByteSize,
    /// Where the gateway listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where the dashboard listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) admin: SocketAddr,
    /// Keep the gateway and the dashboard up after the table, until Ctrl-C
    #[arg(long)]
    pub(crate) stay: bool,
    /// Print one JSON object on standard output instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

const DEMO_HELP: &str = "\
The site is the Rust documentation that comes with the toolchain, or else the documentation that
`cargo doc` has left in the target folder, or else the folder that --origin names. The first quarter
of the time every request is fetched and encoded for itself, past the cache; then the same requests,
in the same order and with the same codings, run through the cache, and go on until the end.

Examples:
  perfkit demo
  perfkit demo --for 20s --json
  perfkit demo --origin ./site --pages 200 --stay

Ctrl-C ends the load early and prints the table.";

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("`{text}` is not a number from 1 up")),
        Ok(n) => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
