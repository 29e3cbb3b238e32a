//! The cache on disk: its log store, as it is and with compressed values.

use perf_bench::suite::{Better, Context, Figure, Section, SectionFailure};
use perf_cache::codec::{Compression, Meta, Pipeline, RawBytes};
use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms};
use perf_core::ByteSize;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Bytes of a value before the last record that fills it: an answer of an API.
const VALUE_BYTES: usize = 4 << 10;
const NAMESPACE: &str = "benchmark";

/// The log store of `perf-cache` in a folder that is made for the run and removed after it.
///
/// Its figures are `disk/put`, `disk/get`, `disk/efficiency` and `disk/storage_efficiency`. An
/// efficiency is the bytes of the values over those of the store's files: as they are, and each
/// value compressed with lz4, where it may be above 1.
#[derive(Clone, Debug)]
pub struct DiskSection {
    folder: PathBuf,
}

impl DiskSection {
    /// In this folder, which must lie on the disk in question.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> DiskSection {
        DiskSection { folder: folder.into() }
    }
}

impl Section for DiskSection {
    fn name(&self) -> &str {
        "disk"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let folder = Folder::new(self.folder.join(format!("perfkit-bench-{}", std::process::id())))
            .map_err(SectionFailure::failed)?;
        let entries = context.size(20_000, 2_000);
        let values: Vec<Vec<u8>> = (0..entries).map(value).collect();
        let payload = values.iter().map(|value| value.len() as u64).sum::<u64>() as f64;
        context.note(format!("{entries} values of {VALUE_BYTES} bytes in {}", folder.0.display()));

        context.doing("filling the store")?;
        let plain = open(&folder, "plain")?;
        for (key, value) in (0_u64..).zip(&values) {
            put(&plain, key, value)?;
        }
        keep_ratio(context, &plain, payload, "efficiency", "bytes of values in a byte on disk")?;

        let mut wrong = 0;
        let mut found = Vec::new();
        context.time("get", "value read from a file in the system's cache", |n| {
            // By steps of a prime, so that neighbours on the disk are not read in turn.
            let key = n.wrapping_mul(7_919) % entries;
            found.clear();
            let answer = plain.get(&key.to_be_bytes(), &mut found);
            let right = matches!(answer, Ok(Some(_))) && found == values[key as usize];
            wrong += u64::from(!right);
            found.len()
        })?;
        context.check(wrong == 0, "what was put in is what is read")?;

        context.doing("filling the store with compressed values")?;
        let sealing = Pipeline::builder(RawBytes)
            .compression(Compression::Lz4)
            .build()
            .map_err(SectionFailure::failed)?;
        let compressed = open(&folder, "compressed")?;
        for (key, value) in (0_u64..).zip(&values) {
            let sealed = sealing
                .seal(&key.to_be_bytes(), NAMESPACE, value, &Meta::new(0), None)
                .map_err(SectionFailure::failed)?;
            put(&compressed, key, &sealed)?;
        }
        let label = "bytes of values in a byte on disk, with lz4";
        keep_ratio(context, &compressed, payload, "storage_efficiency", label)?;
        let mut sealed = Vec::new();
        for (key, value) in (0_u64..).zip(&values) {
            sealed.clear();
            let key = key.to_be_bytes();
            compressed.get(&key, &mut sealed).map_err(SectionFailure::failed)?;
            let opened = sealing.open(&key, NAMESPACE, &sealed).map_err(SectionFailure::failed)?;
            context.check(opened.0 == *value, "what was compressed is what is read")?;
        }

        // Last: it writes as often as the clock needs.
        let mut refused = 0;
        context.time("put", "value written over an older one", |n| {
            let key = n.wrapping_mul(7_919) % entries;
            refused += u64::from(put(&plain, key, &values[key as usize]).is_err());
        })?;
        context.check(refused == 0, "a store that waits for its disk takes every value")?;
        for store in [plain, compressed] {
            let report = store.close().map_err(SectionFailure::failed)?;
            context.check(report.lost_bytes == 0, "closing loses nothing")?;
        }
        Ok(())
    }
}

fn open(folder: &Folder, name: &str) -> Result<LogStore, SectionFailure> {
    LogStore::builder(folder.0.join(name))
        .max_bytes(ByteSize::mib(256))
        .open()
        .map_err(SectionFailure::failed)
}

fn put(store: &LogStore, key: u64, value: &[u8]) -> Result<(), SectionFailure> {
    let put = store.put(&key.to_be_bytes(), value, PutTerms::default());
    match put.map_err(SectionFailure::failed)? {
        Put::Stored => Ok(()),
        Put::Refused(because) => {
            Err(SectionFailure::failed(format_args!("the store refused a value: {because:?}")))
        }
    }
}

fn keep_ratio(
    context: &mut Context<'_>,
    store: &LogStore,
    payload: f64,
    name: &str,
    label: &str,
) -> Result<(), SectionFailure> {
    store.flush().map_err(SectionFailure::failed)?;
    let files = store.usage().file_bytes as f64;
    context.keep(Figure::new(name, label, payload / files, "fraction", Better::Higher));
    Ok(())
}

/// An answer of an API: records in JSON, no two values alike.
fn value(number: u64) -> Vec<u8> {
    let mut text = String::from("[");
    let mut draw = number;
    while text.len() < VALUE_BYTES {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        let (id, price, stock) = (draw >> 40, draw >> 16 & 0xffff, draw & 0xff);
        let city = ["Lisbon", "Oslo", "Kyoto", "Quito"][(draw >> 33 & 3) as usize];
        let comma = if text.len() > 1 { "," } else { "" };
        // Writing to a `String` does not fail.
        let _ = write!(
            text,
            "{comma}{{\"id\":\"{number}-{id}\",\"city\":\"{city}\",\"price_cents\":{price},\
             \"in_stock\":{stock},\"currency\":\"EUR\"}}"
        );
    }
    text.push(']');
    text.into_bytes()
}

/// A folder that goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> io::Result<Folder> {
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{DiskSection, VALUE_BYTES, value};

    #[test]
    fn values_are_records_of_the_stated_size_and_all_different() {
        let values: Vec<Vec<u8>> = (0..200).map(value).collect();
        assert!(values.iter().all(|it| (VALUE_BYTES..VALUE_BYTES + 200).contains(&it.len())));
        assert_eq!(values.iter().collect::<std::collections::HashSet<_>>().len(), 200);
        let parsed: serde_json::Value = serde_json::from_slice(&values[7]).unwrap();
        assert!(parsed.as_array().unwrap().len() > 30, "{parsed}");
    }

    #[test]
    fn it_has_its_figures_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let section = DiskSection::new(folder.path());
        let report = perf_bench::suite::PerformanceBenchmark::new().section(section);
        let report = report.quick(true).run();
        assert!(report.complete, "{report:?}");
        let figure = |id: &str| report.figure(id).unwrap().value;
        assert!(figure("disk/put") > 0.0 && figure("disk/get") > 0.0);
        assert!((0.6..1.0).contains(&figure("disk/efficiency")), "{report:?}");
        assert!(figure("disk/storage_efficiency") > 1.0, "{report:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_is_a_failure_of_the_section() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let section = DiskSection::new(file.path());
        let report = perf_bench::suite::PerformanceBenchmark::new().section(section);
        let report = report.quick(true).run();
        assert!(!report.complete && report.sections[0].failure.is_some(), "{report:?}");
    }
}
