//! What is done with each store, and what is noted.

use super::data::Data;
use super::stores::{Store, Subject};
use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise, syncfs};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) struct Phases<'a> {
    pub(super) data: &'a Data,
    /// Gets after reopening.
    pub(super) cold: usize,
}

/// By metric.
#[derive(Default)]
pub(super) struct Figures(Vec<(&'static str, f64)>);

impl Figures {
    pub(super) const METRICS: [(&'static str, &'static str); 9] = [
        ("put_us", "us"),
        ("settle_ms", "ms"),
        ("warm_get_p50_us", "us"),
        ("warm_get_p99_us", "us"),
        ("reopen_ms", "ms"),
        ("cold_first2000_total_ms", "ms"),
        ("cold_get_p99_us", "us"),
        ("disk_ratio", "ratio"),
        ("found", "ratio"),
    ];

    pub(super) fn get(&self, metric: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| *name == metric).map(|(_, value)| *value)
    }

    fn note(&mut self, metric: &'static str, value: f64) {
        self.0.push((metric, value));
    }
}

impl Phases<'_> {
    pub(super) fn measure(&self, subject: &Subject, folder: &Path) -> Result<Figures> {
        let data = self.data;
        let mut figures = Figures::default();
        let mut store = (subject.open)(folder, data)?;

        let mut value = Vec::new();
        let mut putting = Duration::ZERO;
        for &number in &data.order {
            data.value(number, &mut value);
            let key = data.key(number);
            let start = Instant::now();
            store.put(&key, &value)?;
            putting += start.elapsed();
        }
        let start = Instant::now();
        store.settle()?;
        let settling = start.elapsed();
        figures.note("put_us", micros(putting + settling) / data.values as f64);
        figures.note("settle_ms", micros(settling) / 1e3);

        // Another scattered order than that of the puts.
        let asked = data.order.iter().rev().copied();
        let warm = gets(&*store, data, asked.take(data.values.min(WARM)))?;
        figures.note("warm_get_p50_us", warm.quantile(0.5));
        figures.note("warm_get_p99_us", warm.quantile(0.99));

        store.close()?;
        drop(store);
        drop_from_page_cache(folder)?;
        figures.note("disk_ratio", allocated(folder)? as f64 / data.logical_bytes() as f64);
        let start = Instant::now();
        let mut store = (subject.open)(folder, data)?;
        figures.note("reopen_ms", micros(start.elapsed()) / 1e3);
        let step = (data.values / self.cold).max(1);
        let asked = data.order.iter().rev().step_by(step).copied().take(self.cold);
        let cold = gets(&*store, data, asked)?;
        figures.note("cold_first2000_total_ms", cold.total() / 1e3);
        figures.note("cold_get_p99_us", cold.quantile(0.99));

        let all = gets(&*store, data, data.order.iter().copied())?;
        figures.note("found", all.found as f64 / data.values as f64);
        store.close()?;
        Ok(figures)
    }
}

/// Gets that are timed one by one for quantiles.
const WARM: usize = 100_000;

struct Gets {
    /// Microseconds, sorted.
    took: Vec<f64>,
    found: usize,
}

impl Gets {
    fn quantile(&self, q: f64) -> f64 {
        let at = (q * self.took.len() as f64) as usize;
        self.took.get(at.min(self.took.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    fn total(&self) -> f64 {
        self.took.iter().sum()
    }
}

/// Gets these; what is found has to be what was put.
fn gets(store: &dyn Store, data: &Data, asked: impl Iterator<Item = u32>) -> Result<Gets> {
    let (mut got, mut wanted) = (Vec::with_capacity(data.bytes), Vec::new());
    let mut gets = Gets { took: Vec::new(), found: 0 };
    for number in asked {
        let key = data.key(number);
        got.clear();
        let start = Instant::now();
        let found = store.get(&key, &mut got)?;
        gets.took.push(micros(start.elapsed()));
        if found {
            data.value(number, &mut wanted);
            ensure!(got == wanted, "value {number} is not the one that was put");
            gets.found += 1;
        }
    }
    gets.took.sort_by(f64::total_cmp);
    Ok(gets)
}

/// The device alone: 4 KiB at scattered places of a file that nobody has in memory.
pub(super) fn device(data: &Data, count: usize, folder: &Path) -> Result<Figures> {
    let path = folder.join("file");
    let (mut file, mut value) = (File::create(&path)?, Vec::new());
    for number in 0..data.values as u32 {
        data.value(number, &mut value);
        file.write_all(&value)?;
    }
    drop(file);
    drop_from_page_cache(folder)?;
    let file = File::open(&path)?;
    fadvise(&file, 0, None, Advice::Random).context("the kernel takes no advice")?;
    let pages = data.logical_bytes() / 4096;
    let mut gets = Gets { took: Vec::new(), found: 0 };
    let mut page = [0; 4096];
    for &number in data.order.iter().cycle().take(count) {
        let at = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) % pages;
        let start = Instant::now();
        file.read_exact_at(&mut page, at * 4096)?;
        gets.took.push(micros(start.elapsed()));
    }
    gets.took.sort_by(f64::total_cmp);
    let mut figures = Figures::default();
    figures.note("cold_first2000_total_ms", gets.total() / 1e3);
    figures.note("cold_get_p99_us", gets.quantile(0.99));
    Ok(figures)
}

/// Writes everything out and asks the kernel to forget it. No rights are needed for that.
fn drop_from_page_cache(folder: &Path) -> Result<()> {
    syncfs(File::open(folder)?).context("the kernel does not write it out")?;
    for path in files(folder)? {
        let file = File::open(&path)?;
        fadvise(&file, 0, None, Advice::DontNeed).context("the kernel takes no advice")?;
    }
    Ok(())
}

/// Bytes on the device, as the file system counts them.
fn allocated(folder: &Path) -> Result<u64> {
    let files = files(folder)?;
    files.iter().map(|path| Ok(fs::metadata(path)?.blocks() * 512)).sum()
}

fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
