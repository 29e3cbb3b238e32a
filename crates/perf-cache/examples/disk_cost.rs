//! What a store on disk costs: a put, room on disk, opening it after a kill and after it was
//! closed, and memory for each entry. Values are half random, half zero.
//!
//! `cargo run --release -p perf-cache --example disk_cost --features bundled-sqlite log`, or
//! `sqlite`, then how many values (a million) of how many bytes (1024). Over RocksDB in
//! `crates/perf-cache/rocksdb-suite`: `cargo run --release --example disk_cost rocksdb`.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms};
use perf_core::ByteSize;
use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut arguments = env::args().skip(1);
    let store = arguments.next().unwrap_or_else(|| "log".to_owned());
    let values: u64 = arguments.next().map_or(Ok(1_000_000), |values| values.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(1_024), |bytes| bytes.parse())?;
    if let Some(dir) = env::var_os(CHILD) {
        let fill = env::var_os(FILL).is_some();
        return phase(&store, Path::new(&dir), values, bytes, fill);
    }
    let dir = env::temp_dir().join(format!("perf-cache-disk-cost-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    println!("{store}: {values} values of {bytes} bytes in {}", dir.display());
    let run = |fill: bool| {
        let mut child = Command::new(env::current_exe()?);
        child.args([&store, &values.to_string(), &bytes.to_string()]).env(CHILD, &dir);
        if fill {
            child.env(FILL, "1");
        }
        child.status()?.success().then_some(()).ok_or_else(|| Error::from("it did not end well"))
    };
    // Each in a process of its own, so that what one has left in memory is not another's.
    let done = run(true).and_then(|()| run(false)).and_then(|()| run(false));
    std::fs::remove_dir_all(&dir)?;
    done
}

fn phase(name: &str, dir: &Path, values: u64, bytes: usize, fill: bool) -> Result<(), Error> {
    let memory = anonymous();
    let began = Instant::now();
    let store = open(name, dir, ByteSize::from_bytes((values * bytes as u64).max(1 << 26) * 4))?;
    let took = began.elapsed();
    if fill {
        let mut value = vec![0; bytes];
        let mut putting = Duration::ZERO;
        for number in 0..values {
            let mut draw = number;
            for word in value[..bytes / 2].chunks_exact_mut(8) {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number | 1);
                word.copy_from_slice(&(draw ^ draw >> 31).to_le_bytes());
            }
            let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let began = Instant::now();
            let put = store.put(&key, &value, PutTerms::default())?;
            putting += began.elapsed();
            if put != Put::Stored {
                return Err("a put was refused".into());
            }
        }
        println!("  a put            {:>9.2} us", putting.as_secs_f64() * 1e6 / values as f64);
        store.flush()?;
        let ratio = store.usage().file_bytes as f64 / (values * bytes as u64) as f64;
        println!("  bytes on disk    {ratio:>9.2} of the values'");
        // Without closing it, as a kill would.
        std::process::exit(0);
    }
    let (report, usage) = (store.open_report(), store.usage());
    let after = if report.clean_shutdown { "closing" } else { "a kill " };
    println!("  opening, {after} {:>9.0} ms, {} found", took.as_secs_f64() * 1e3, usage.entries);
    let each = |bytes: u64| bytes as f64 / usage.entries.max(1) as f64;
    let resident = anonymous().saturating_sub(memory);
    println!(
        "  its memory       {:>9.1} B an entry, {:.1} as it says",
        each(resident),
        each(usage.index_bytes)
    );
    store.close()?;
    Ok(())
}

fn open(name: &str, dir: &Path, most: ByteSize) -> Result<Box<dyn DiskStore>, Error> {
    Ok(match name {
        "log" => Box::new(LogStore::builder(dir).max_bytes(most).open()?),
        #[cfg(feature = "sqlite")]
        "sqlite" => Box::new(perf_cache::disk::SqliteStore::builder(dir).max_bytes(most).open()?),
        #[cfg(feature = "rocksdb")]
        "rocksdb" => Box::new(perf_cache::disk::RocksDbStore::builder(dir).max_bytes(most).open()?),
        _ => return Err(format!("no store {name} in this build").into()),
    })
}

/// Bytes of memory that are no file's, where the system tells.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

const CHILD: &str = "PERF_CACHE_DISK_COST_DIR";
const FILL: &str = "PERF_CACHE_DISK_COST_FILL";
