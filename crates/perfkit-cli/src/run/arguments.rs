//! The command line of `perfkit run`.

use clap::Args;
use perf_core::Glob;
use std::path::PathBuf;

/// `perfkit run`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct RunArguments {
    /// The suite: a TOML file with commands and HTTP checks
    #[arg(value_name = "SUITE.toml")]
    pub(super) suite: PathBuf,
    /// Cases at once; MAX_CONCURRENT_TESTS bounds it [default: what cores and load allow, up to 20]
    #[arg(long, short = 'j', value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Only cases whose name matches, such as `http*`
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(super) filter: Option<Glob>,
    /// Try a case that failed again, so often; one that then passes is flaky [default: 0]
    #[arg(long, value_name = "N")]
    pub(super) retries: Option<u32>,
    /// Print one JSON object on standard output instead of the tables
    #[arg(long)]
    pub(super) json: bool,
    /// Write the results as JUnit XML, which CI systems read
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write the report as one self-contained page too
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Keep results in this SQLite file, and skip cases that passed and have not changed since
    #[arg(long, value_name = "FILE.sqlite")]
    pub(super) results: Option<PathBuf>,
    /// Run unchanged cases too
    #[arg(long)]
    pub(super) force: bool,
    /// Name the cases and end
    #[arg(long)]
    pub(super) list: bool,
}

const HELP: &str = "\
A suite:
  retries = 1                     # also: jobs, timeout = \"60s\", slow = \"10s\", grace = \"2s\"
  env = { RUST_LOG = \"warn\" }     # for every command
  dir = \"..\"                      # from the suite's folder; commands run and look for inputs there
  setup = [[\"cargo\", \"build\"]]    # before the cases, one after the other

  [[group]]
  name = \"database\"               # also: setup
  max-concurrent = 2

  [[case]]
  name = \"tool prints its version\"
  run = [\"target/debug/tool\", \"--version\"]   # program and arguments; no shell in between
  expect = { exit-code = 0, contains = \"tool 1.\" }
  inputs = [\"src\"]                # with --results: skipped while these, the command and the
                                  # program are as they were when it last passed
  # also: group, priority (1 to 10), weight, timeout, slow, retries, env, dir, stdin

  [[case]]
  name = \"page {}\"                # once for each of `each`; {} stands for it
  each = [\"/\", \"/about\"]
  url = \"http://127.0.0.1:8080{}\"
  expect = { status = 200, headers = { content-type = \"text/html\" }, contains = \"</html>\" }
  # also: method, headers, body

A command runs in a process group of its own: on time-out and on Ctrl-C all of it is asked to end,
and killed after the grace; what a command leaves behind is killed when it ends.
Without --jobs two cases run for each core, less the load average, at most 20; MAX_CONCURRENT_TESTS
in the environment sets the bound, for --jobs too.

Exit codes: 0 all passed, now or, unchanged, before; 1 a case or the set-up failed, or Ctrl-C ended
the run, or results could not be kept; 2 the command or the suite is wrong.

Examples:
  perfkit run suite.toml --jobs 100 --retries 2
  perfkit run suite.toml --results results.sqlite --junit junit.xml
  perfkit run suite.toml --filter 'page *' --json > run.json";

fn glob(text: &str) -> Result<Glob, String> {
    Glob::new(text).map_err(|error| error.to_string())
}
