//! Which policy hits how much: the experiments behind the default policy of the cache.
//!
//! `PERFKIT_TRACES=folder cargo run --release -p perfkit-benches --bin policies` replays every
//! workload of a suite at every size against every candidate. The adaptive policy and its chooser are
//! those of the cache, not copies. `--cache` adds a column for `perf_cache::Cache` itself, driven
//! from one thread. `--suite prefetch` compares the default policy alone with the same and prefetching,
//! `--suite strategy` the default with what is generated from the first half of each trace.

mod ahead;
mod plan;
mod suites;
mod table;

use ahead::Pair;
use anyhow::bail;
use clap::{Parser, ValueEnum};
use perf_cache::Cache;
use perf_cache::policy::{Adaptive, Choice, PolicyKind};
use perf_cache::replay::{Optimal, Room, Trace, simulate, simulate_kind};
use plan::Judgement;
use std::process::ExitCode;
use suites::Suite;
use table::Cell;

/// The hit ratio of each policy against the optimum (Belady, unit weights).
#[derive(Debug, Parser)]
#[command(name = "policies")]
struct Arguments {
    /// The workloads and sizes.
    #[arg(long, value_enum, default_value = "traces")]
    suite: Suite,
    /// Only workloads whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// One object a line for each cell, instead of tables.
    #[arg(long)]
    json: bool,
    /// Also drives a real cache.
    #[arg(long)]
    cache: bool,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
enum Candidate {
    Kind(PolicyKind),
    /// The adaptive policy with a fixed choice: what it chooses from.
    Fixed(Choice),
    /// A real cache with the default policy.
    Cache,
}

impl Candidate {
    fn all(with_cache: bool) -> Vec<Candidate> {
        let kinds = PolicyKind::ALL.map(Candidate::Kind).into_iter();
        let fixed = Choice::ALL.map(Candidate::Fixed);
        kinds.chain(fixed).chain(with_cache.then_some(Candidate::Cache)).collect()
    }

    fn name(self) -> String {
        match self {
            Candidate::Kind(kind) => kind.to_string(),
            Candidate::Fixed(choice) => format!("always {}", choice.name()),
            Candidate::Cache => "cache".to_owned(),
        }
    }

    fn hits(self, trace: &Trace, keys: &[u64], entries: u64) -> anyhow::Result<u64> {
        let room = Room::Entries(entries);
        Ok(match self {
            Candidate::Kind(kind) => simulate_kind(trace, room, kind).hits,
            Candidate::Fixed(choice) => {
                let mut policy = Adaptive::new();
                policy.choose(choice);
                simulate(trace, room, policy).hits
            }
            Candidate::Cache => {
                let cache = Cache::builder().max_entries(entries).build()?;
                let mut hits = 0;
                for &key in keys {
                    if cache.get(&key).is_some() {
                        hits += 1;
                    } else {
                        cache.insert(key, ());
                    }
                }
                hits
            }
        })
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("policies: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let candidates = Candidate::all(arguments.cache);
    let names: Vec<String> = candidates.iter().map(|candidate| candidate.name()).collect();
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only));
    let (mut cells, mut pairs, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    for (name, keys, sizes) in arguments.suite.workloads()?.into_iter().filter(|w| wanted(&w.0)) {
        let mut trace = Trace::new();
        keys.iter().try_for_each(|&key| trace.push(key))?;
        if arguments.suite == Suite::Prefetch {
            for size in sizes {
                pairs.push(Pair::replay(&name, &trace, size)?);
                eprintln!("{name} at {size}: done");
            }
            continue;
        }
        if arguments.suite == Suite::Strategy {
            for size in sizes {
                judged.push(Judgement::of(&name, &trace, size));
                eprintln!("{name} at {size}: done");
            }
            continue;
        }
        let optimal = Optimal::new(&trace);
        for size in sizes {
            let entries = size.entries(trace.keys());
            let hits = candidates.iter().map(|candidate| candidate.hits(&trace, &keys, entries));
            let cell = Cell {
                workload: name.clone(),
                requests: trace.len() as u64,
                keys: trace.keys() as u64,
                size: size.to_string(),
                entries,
                optimal: optimal.hits(entries),
                hits: hits.collect::<anyhow::Result<_>>()?,
            };
            eprintln!("{} at {}: done", cell.workload, cell.size);
            cells.push(cell);
        }
    }
    if cells.is_empty() && pairs.is_empty() && judged.is_empty() {
        bail!("no workload of {:?} is called so", arguments.suite.to_possible_value());
    }
    let text = match (arguments.suite, arguments.json) {
        (Suite::Prefetch, true) => ahead::json_lines(&pairs)?,
        (Suite::Prefetch, false) => ahead::page(&pairs),
        (Suite::Strategy, true) => plan::json_lines(&judged)?,
        (Suite::Strategy, false) => plan::page(&judged),
        (_, true) => table::json_lines(&names, &cells)?,
        (_, false) => table::page(&names, &cells),
    };
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(())
}
