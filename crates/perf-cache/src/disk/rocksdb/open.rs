//! Opening: the options, what is found, and putting aside what is damaged.

use super::header::{self, Record};
use super::index::{Index, PINNED, Place, hash_of};
use crate::disk::log::directory::DirectoryLock;
use crate::disk::{DiskError, OpenReport};
use perf_core::Clock;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, CompactionDecision, DBCompressionType,
    DBWithThreadMode, IteratorMode, LogLevel, MultiThreaded, Options, ReadOptions,
    WriteBufferManager,
};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub(super) type Db = DBWithThreadMode<MultiThreaded>;

/// The open database. The lock is let go of when the last call has ended that uses it.
pub(super) struct Base {
    pub(super) db: Db,
    /// Has to outlive the database: the crate keeps no filter alive that a family is made with.
    pub(super) options: Options,
    pub(super) setup: Setup,
    _lock: DirectoryLock,
}

/// What the options follow from.
pub(super) struct Setup {
    pub(super) clock: Clock,
    pub(super) max_bytes: u64,
    pub(super) cache: Cache,
    pub(super) cache_bytes: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) index: Index,
    /// From the oldest to the newest.
    pub(super) generations: Vec<u32>,
    pub(super) report: OpenReport,
}

/// How many generations a full store has, about: what is evicted at once.
pub(super) const PARTS: u64 = 12;
const DEFAULT: &str = "default";

pub(super) fn name_of(generation: u32) -> String {
    if generation == PINNED { DEFAULT.to_owned() } else { format!("{generation:010}") }
}

pub(super) fn open(dir: &Path, setup: Setup) -> Result<(Base, Found), DiskError> {
    fs::create_dir_all(dir).map_err(|error| DiskError::io(dir, error))?;
    let lock = DirectoryLock::take(dir)?;
    let marker = take_marker(dir)?;
    let options = options(&setup);
    let files = dir.join("db");
    let is_new = !files.exists();
    let mut corrupt_bytes = 0;
    // Its first file is gone, so that RocksDB would take it for new, and clear it away.
    let opened = if !is_new && !files.join("CURRENT").exists() {
        None
    } else {
        Some(try_open(&files, &options, &setup.clock))
    };
    let (db, mut found) = match opened {
        Some(Ok(opened)) => opened,
        Some(Err(error)) if !is_damage(&error) => {
            return Err(failed(&files, "open its files", error));
        }
        _ => {
            corrupt_bytes = put_aside(&files)?;
            let anew = try_open(&files, &options, &setup.clock);
            anew.map_err(|error| failed(&files, "open its files", error))?
        }
    };
    let report = &mut found.report;
    report.corrupt_bytes += corrupt_bytes;
    report.recovered = found.index.len();
    report.clean_shutdown = (is_new || marker.is_some()) && corrupt_bytes == 0;
    let missing = marker.unwrap_or(0).saturating_sub(report.recovered);
    report.dropped = report.dropped.max(missing);
    Ok((Base { db, options, setup, _lock: lock }, found))
}

fn try_open(files: &Path, options: &Options, clock: &Clock) -> Result<(Db, Found), rocksdb::Error> {
    let names = if files.join("CURRENT").exists() {
        Db::list_cf(options, files)?
    } else {
        vec![DEFAULT.to_owned()]
    };
    let mut generations: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    generations.sort_unstable();
    let families = generations.iter().copied().chain([PINNED]);
    let families = families
        .map(|generation| ColumnFamilyDescriptor::new(name_of(generation), options.clone()));
    let db = Db::open_cf_descriptors(options, files, families)?;
    let mut found = Found { generations, ..Found::default() };
    if found.generations.is_empty() {
        db.create_cf(name_of(0), options)?;
        found.generations.push(0);
    }
    scan(&db, &mut found, now(clock))?;
    Ok((db, found))
}

/// Reads everything, the newest first, so that what has been replaced is known by being there.
fn scan(db: &Db, found: &mut Found, now: u64) -> Result<(), rocksdb::Error> {
    /// In the place of what has ended.
    const DEAD: Place = Place { generation: PINNED - 1, bytes: 0 };
    let order: Vec<u32> =
        [PINNED].into_iter().chain(found.generations.iter().rev().copied()).collect();
    for generation in order {
        let Some(family) = db.cf_handle(&name_of(generation)) else { continue };
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(1 << 20);
        for record in db.iterator_cf_opt(&family, options, IteratorMode::Start) {
            let (key, record) = record?;
            let hash = hash_of(&key);
            if found.index.place(hash).is_some() {
                continue;
            }
            let bytes = bytes_of(&key, record.len());
            match header::read(&key, &record, now) {
                Record::Value(..) => found.index.set(hash, Place { generation, bytes }),
                // One that was pinned hides nothing: it took the others' place when it came, and
                // what came since is newer.
                _ if generation == PINNED => {
                    found.report.dropped += 1;
                    db.delete_cf(&family, &key)?;
                }
                Record::Ended => found.index.set(hash, DEAD),
                Record::Damaged => {
                    found.report.corrupt_bytes += u64::from(bytes);
                    found.index.set(hash, DEAD);
                }
            }
        }
    }
    found.report.dropped += found.index.forget_all(|place| place == DEAD);
    Ok(())
}

/// Of key and record; what is larger is not taken.
pub(super) fn bytes_of(key: &[u8], record: usize) -> u32 {
    u32::try_from(key.len() + record).unwrap_or(u32::MAX)
}

fn options(setup: &Setup) -> Options {
    let max_bytes = setup.max_bytes;
    let bounded = |least: u64, part: u64, most: u64| (max_bytes / part).clamp(least, most);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&setup.cache);
    table.set_bloom_filter(10.0, false);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(6);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(2048);
    options.set_blob_compression_type(DBCompressionType::Lz4);
    options.set_enable_blob_gc(true);
    options.set_blob_file_size(bounded(256 << 10, 4 * PARTS, 64 << 20));
    options.set_target_file_size_base(bounded(256 << 10, 4 * PARTS, 64 << 20));
    let buffer = bounded(128 << 10, 2 * PARTS, 16 << 20) as usize;
    options.set_write_buffer_size(buffer);
    options.set_max_write_buffer_number(2);
    // Of all families together, and charged to the cache, so that one bound holds for all.
    let cache = setup.cache.clone();
    let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(2 * buffer, false, cache);
    options.set_write_buffer_manager(&buffers);
    options.set_max_total_wal_size(bounded(64 << 10, 64, 64 << 20));
    options.set_max_open_files(512);
    options.set_max_background_jobs(2);
    options.set_max_manifest_file_size(bounded(64 << 10, 64, 4 << 20) as usize);
    options.set_keep_log_file_num(1);
    options.set_max_log_file_size(64 << 10);
    options.set_log_level(LogLevel::Error);
    options.set_stats_dump_period_sec(0);
    let clock = setup.clock.clone();
    options.set_compaction_filter(c"perf-cache.ended", move |_, _, record| {
        // Its place is taken by what hides older generations' values, not by nothing.
        if header::end_of(record).is_some_and(|end| end <= now(&clock))
            && record.len() > header::LEN
        {
            CompactionDecision::Change(header::REMAINS)
        } else {
            CompactionDecision::Keep
        }
    });
    options
}

/// Milliseconds since 1970.
pub(super) fn now(clock: &Clock) -> u64 {
    let since = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// RocksDB tells most in words.
pub(super) fn failed(path: &Path, doing: &'static str, error: rocksdb::Error) -> DiskError {
    if error.as_ref().contains("No space left") || error.as_ref().contains("quota exceeded") {
        return DiskError::Full { path: path.to_owned() };
    }
    DiskError::Backend { store: "rocksdb", doing, source: Box::new(error) }
}

/// Whether files are not as they were left, rather than out of reach.
fn is_damage(error: &rocksdb::Error) -> bool {
    const OUT_OF_REACH: [&str; 7] = [
        "No space left",
        "quota exceeded",
        "Permission denied",
        "Read-only file system",
        "Too many open files",
        "Cannot allocate memory",
        "Input/output error",
    ];
    !OUT_OF_REACH.iter().any(|text| error.as_ref().contains(text))
}

/// Keeps what is damaged out of the way, for whoever wants to look at it; its bytes. What was put
/// aside before goes.
fn put_aside(files: &Path) -> Result<u64, DiskError> {
    let bytes = bytes_in(files);
    let aside = files.with_extension("damaged");
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(DiskError::io(&aside, error));
        }
        _ => {}
    }
    fs::rename(files, &aside).map_err(|error| DiskError::io(&aside, error))?;
    Ok(bytes.max(1))
}

/// Of the files in a directory; none if it cannot be read.
pub(super) fn bytes_in(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// Takes away what says how many entries there were at an orderly end.
fn take_marker(dir: &Path) -> Result<Option<u64>, DiskError> {
    let path = marker(dir);
    match fs::read(&path) {
        Ok(text) => {
            fs::remove_file(&path).map_err(|error| DiskError::io(&path, error))?;
            let text = String::from_utf8_lossy(&text);
            Ok(text.strip_prefix("entries ").and_then(|number| number.trim().parse().ok()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::io(&path, error)),
    }
}

pub(super) fn set_marker(dir: &Path, entries: u64) -> Result<(), DiskError> {
    let path = marker(dir);
    fs::write(&path, format!("entries {entries}\n")).map_err(|error| DiskError::io(&path, error))
}

fn marker(dir: &Path) -> PathBuf {
    dir.join("CLEAN")
}
