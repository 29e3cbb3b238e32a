//! `perfkit cache strategy`: how a cache should be set up, by recorded requests or by what a running
//! gateway has learnt.

mod asking;

use super::arguments::StrategyArguments;
use super::read;
use crate::failure::Failure;
use crate::output;
use perf_cache::Prices;
use perf_cache::replay::{Room, Trace};
use perf_cache::strategy::{CacheStrategy, Constraints, WorkloadAnalysis};
use perf_core::ByteSize;
use std::path::Path;

pub(super) fn run(arguments: &StrategyArguments) -> Result<(), Failure> {
    // With a token it is an address that lacks its `http://`, and is not shown as a path is.
    let is_address = arguments.source.contains("://") || arguments.source.contains("#token=");
    let input = Path::new(&arguments.source);
    let inputs: &[&Path] = if is_address { &[] } else { &[input] };
    output::prepare(arguments.output.as_deref(), inputs)?;
    let strategy = if is_address { asking::ask(arguments)? } else { replay(arguments)? };
    strategy.check().map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(path) = &arguments.output {
        strategy.write_file(path).map_err(|error| Failure::failed(error.to_string()))?;
        output::tell(&format!("Strategy in {}", path.display()));
    }
    output::print(&if arguments.json { strategy.to_json() } else { strategy.to_string() })
}

fn replay(arguments: &StrategyArguments) -> Result<CacheStrategy, Failure> {
    let recorded = read::read(Path::new(&arguments.source), &arguments.input)?;
    let trace = &recorded.trace;
    let in_bytes = arguments.max_bytes.is_some() || has_prices(arguments);
    if in_bytes && !trace.has_weights() {
        return Err(Failure::usage(format!(
            "{} has no sizes to hold bytes against: give --max-entries, and no prices",
            recorded.name
        )));
    }
    let sizes = sizes(trace, arguments);
    let bar = read::progress(0, "{prefix} {bar:24} {pos} of {len}");
    bar.set_prefix("Replaying");
    let analysis = WorkloadAnalysis::of_trace(trace, &sizes, |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    Ok(CacheStrategy::generate(&arguments.name, &analysis, &constraints(arguments)))
}

/// The bound alone where that is what memory will take; else up to it by doublings.
fn sizes(trace: &Trace, arguments: &StrategyArguments) -> Vec<Room> {
    let in_bytes = trace.has_weights() && arguments.max_entries.is_none();
    let everything = if in_bytes { trace.weight() } else { trace.keys() as u64 };
    let bound = match in_bytes {
        true => arguments.max_bytes.map(ByteSize::as_u64),
        false => arguments.max_entries.map(std::num::NonZeroU64::get),
    };
    let room = |size: u64| match in_bytes {
        true => Room::Bytes(ByteSize::from_bytes(size)),
        false => Room::Entries(size),
    };
    let most = bound.unwrap_or(everything).max(1);
    let steps = if bound.is_some() && !has_prices(arguments) { 0 } else { DOUBLINGS };
    let mut sizes: Vec<u64> = (0..=steps).map(|step| (most >> step).max(1)).collect();
    sizes.dedup();
    sizes.into_iter().map(room).collect()
}

fn has_prices(arguments: &StrategyArguments) -> bool {
    let prices = [arguments.price_load, arguments.price_wait, arguments.price_memory];
    prices.iter().any(Option::is_some)
}

fn constraints(arguments: &StrategyArguments) -> Constraints {
    let mut room = Constraints::new();
    if let Some(bytes) = arguments.max_bytes {
        room = room.max_bytes(bytes);
    }
    if let Some(entries) = arguments.max_entries {
        room = room.max_entries(entries.get());
    }
    if let Some(bytes) = arguments.max_disk {
        room = room.disk(bytes);
    }
    if arguments.shared {
        room = room.shared();
    }
    if has_prices(arguments) {
        let prices = Prices {
            per_load: arguments.price_load.unwrap_or(0.0),
            per_hour_waited: arguments.price_wait.unwrap_or(0.0),
            per_gib_hour: arguments.price_memory.unwrap_or(0.0),
        };
        room = room.prices(prices, arguments.requests_per_hour, arguments.mean_load.0);
    }
    room
}

/// Sizes that are tried below the largest one.
const DOUBLINGS: u32 = 6;
