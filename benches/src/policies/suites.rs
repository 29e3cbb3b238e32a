//! The workloads: the recorded ones, what can be cut and mixed from them, and synthetic ones.

use anyhow::Context;
use perfkit_benches::{Definition, Workload, read_trace, trace_folder};
use std::fmt;

/// Workloads with the sizes at which they are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// The recorded traces at 1, 5 and 20 % of their keys.
    Traces,
    /// The same at 0.5, 2, 10 and 50 %.
    Sizes,
    /// The recorded traces at 1, 5 and 20 % with and without prefetching.
    Prefetch,
    /// The recorded traces at 1, 5 and 20 %: the default against the strategy that is generated from
    /// the first half, on the second and on the whole.
    Strategy,
    /// Each half of each trace at 1, 5 and 20 %.
    Halves,
    /// Traces one after the other, and in turns.
    Mixes,
    /// The ledger, the loop five times, the ledger again, at 512 entries.
    Mix,
    /// Skew, drift, scans, loops and recency by a generator; needs no traces.
    Synthetic,
}

/// How large the cache is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Size {
    /// In hundredths of the distinct keys.
    Percent(f64),
    Entries(u64),
}

impl Size {
    pub(crate) fn entries(self, keys: usize) -> u64 {
        match self {
            Size::Percent(percent) => ((keys as f64 * percent / 100.0).round() as u64).max(1),
            Size::Entries(entries) => entries,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Percent(percent) => write!(f, "{percent}%"),
            Size::Entries(entries) => write!(f, "{entries}"),
        }
    }
}

/// A name, the keys, and the sizes.
type Row = (String, Vec<u64>, Vec<Size>);

const USUAL: [f64; 3] = [1.0, 5.0, 20.0];
/// Of a trace in a mixture, so that none outweighs the others.
const PART: usize = 200_000;

fn at(percents: &[f64]) -> Vec<Size> {
    percents.iter().map(|&percent| Size::Percent(percent)).collect()
}

impl Suite {
    /// The workloads of this suite.
    ///
    /// # Errors
    ///
    /// There are no traces here, or one cannot be read.
    pub(crate) fn workloads(self) -> anyhow::Result<Vec<Row>> {
        let whole = |percents: &[f64]| -> anyhow::Result<Vec<Row>> {
            Ok(traces()?.into_iter().map(|(name, keys)| (name, keys, at(percents))).collect())
        };
        Ok(match self {
            Suite::Traces | Suite::Prefetch | Suite::Strategy => whole(&USUAL)?,
            Suite::Sizes => whole(&[0.5, 2.0, 10.0, 50.0])?,
            Suite::Halves => {
                let halves = |(name, keys): (String, Vec<u64>)| {
                    let (first, second) = keys.split_at(keys.len() / 2);
                    [
                        (format!("{name}, first half"), first.to_vec(), at(&USUAL)),
                        (format!("{name}, second half"), second.to_vec(), at(&USUAL)),
                    ]
                };
                traces()?.into_iter().flat_map(halves).collect()
            }
            Suite::Mixes => mixes(&traces()?)?,
            Suite::Mix => {
                let traces = traces()?;
                let (ledger, circle) = (find(&traces, LEDGER)?, find(&traces, "loop")?);
                let mut keys = ledger.clone();
                (0..5).for_each(|_| keys.extend(circle.iter().map(|key| key | 1 << 63)));
                keys.extend(ledger);
                vec![("ledger, loop, ledger".to_owned(), keys, vec![Size::Entries(512)])]
            }
            Suite::Synthetic => synthetic()?,
        })
    }
}

const LEDGER: &str = "vaultservice";

fn traces() -> anyhow::Result<Vec<(String, Vec<u64>)>> {
    let folder = trace_folder()?;
    let mut traces = Vec::new();
    for (name, named) in Definition::load("traces")?.workloads {
        let Workload::Trace { file, format, limit } = named.workload else { continue };
        let requests = read_trace(&folder.join(file), format, limit)?;
        traces.push((name, requests.into_iter().map(|request| request.key).collect()));
    }
    Ok(traces)
}

fn find<'a>(traces: &'a [(String, Vec<u64>)], name: &str) -> anyhow::Result<&'a Vec<u64>> {
    let found = traces.iter().find(|trace| trace.0 == name).map(|trace| &trace.1);
    found.with_context(|| format!("there is no trace {name}"))
}

/// Each line: traces, and after how many requests the next one has its turn; 0 for one after the
/// other.
const MIXES: [(&[&str], usize); 12] = [
    (&["gli", "ps", "sprite"], 0),
    (&["backf", "loop", "backf"], 0),
    (&[LEDGER, "web07", LEDGER], 0),
    (&["oltp", "scan", "oltp"], 0),
    (&["orm-busy", "p3"], 0),
    (&["p3", LEDGER], 0),
    (&[LEDGER, "loop"], 5_000),
    (&["web07", "scan"], 1),
    (&["sprite", "backf"], 500),
    (&["oltp", LEDGER], 1),
    (&["orm-busy", "loop"], 20_000),
    (&["request", "multi3"], 2_000),
];

fn mixes(traces: &[(String, Vec<u64>)]) -> anyhow::Result<Vec<Row>> {
    MIXES
        .iter()
        .map(|&(names, turn)| {
            let mut parts = Vec::new();
            for (i, name) in names.iter().enumerate() {
                let keys = find(traces, name)?;
                parts.push(keys.iter().take(PART).map(move |key| key | (i as u64) << 60));
            }
            let mut keys = Vec::new();
            let turn_or_all = if turn == 0 { PART } else { turn };
            loop {
                let before = keys.len();
                parts.iter_mut().for_each(|part| keys.extend(part.by_ref().take(turn_or_all)));
                if keys.len() == before {
                    break;
                }
            }
            let how = if turn == 0 { "then".to_owned() } else { format!("in turns of {turn}") };
            Ok((format!("{} {how}", names.join("+")), keys, at(&USUAL)))
        })
        .collect()
}

fn synthetic() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, keys: Vec<u64>| rows.push((name.to_owned(), keys, at(&USUAL)));
    for exponent in [0.6, 0.8, 1.0, 1.2] {
        let zipf = Workload::Zipf { keys: 20_000, exponent };
        row(&format!("zipf {exponent}"), zipf.numbers(1)?.take(300_000).collect());
    }
    let skewed = || Workload::Zipf { keys: 20_000, exponent: 0.9 }.numbers(2);
    let scan = |i: u64| 1_000_000 + i;
    row(
        "zipf and scans",
        (0..300_000)
            .zip(skewed()?)
            .map(|(i, key)| if i / 10_000 % 3 == 2 { scan(i) } else { key })
            .collect(),
    );
    row(
        "zipf and a loop",
        (0..300_000)
            .zip(skewed()?)
            .map(|(i, key)| if i % 5 < 2 { scan(i % 20_000) } else { key })
            .collect(),
    );
    let moved = |step: u64, by: u64| -> anyhow::Result<Vec<u64>> {
        Ok((0..400_000).zip(skewed()?).map(|(i, key)| key + i / step * by).collect())
    };
    row("popularity that shifts", moved(25_000, 3_571)?);
    row("popularity that wanders", moved(5, 1)?);
    for distance in [700, 3_000, 20_000] {
        let mut draws = Workload::Uniform { keys: distance << 8 }.numbers(3)?;
        let mut uses: Vec<(u64, u64)> = Vec::new();
        for key in 0..60_000 {
            let again = (key << 8) + 256 + draws.next().unwrap_or_default();
            uses.extend([(key << 8, key), (again, key)]);
        }
        uses.sort_unstable();
        let keys = uses.into_iter().map(|(_, key)| key).collect();
        row(&format!("each key twice within {distance}"), keys);
    }
    let there_and_back = |_| (0..3_000).chain((0..3_000).rev());
    row("there and back", (0..30).flat_map(there_and_back).collect());
    row("loop", (0..100).flat_map(|_| 0..3_000).collect());
    row("uniform", Workload::Uniform { keys: 10_000 }.numbers(4)?.take(300_000).collect());
    Ok(rows)
}
