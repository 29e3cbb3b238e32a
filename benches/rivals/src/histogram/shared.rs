//! Histograms and counters that several threads write.

use super::plain::{LONGEST, Plain};
use crate::measure::together;
use anyhow::{Result, ensure};
use hdrhistogram::SyncHistogram;
use hdrhistogram::sync::Recorder;
use metrics::{HistogramFn, Key};
use metrics_util::registry::{AtomicStorage, Registry};
use metrics_util::storage::AtomicBucket;
use perf_core::{Counter, StripedHistogram};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the suite asks of a histogram that threads share.
pub(super) trait Shared: Default + Sync {
    /// What a thread keeps to record with.
    fn writer(&self) -> impl FnMut(u64);
    fn count(&mut self) -> u64;
}

#[derive(Default)]
pub(super) struct Ours(StripedHistogram);

impl Shared for Ours {
    fn writer(&self) -> impl FnMut(u64) {
        |value| self.0.record(value)
    }

    fn count(&mut self) -> u64 {
        self.0.snapshot().count()
    }
}

#[derive(Default)]
pub(super) struct Locked<P>(Mutex<P>);

impl<P: Plain> Shared for Locked<P> {
    fn writer(&self) -> impl FnMut(u64) {
        |value| self.0.lock().unwrap_or_else(PoisonError::into_inner).record(value)
    }

    fn count(&mut self) -> u64 {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).count()
    }
}

/// A recorder per thread; to read, every recorder must record or be dropped.
pub(super) struct SyncHdr(Mutex<SyncHistogram<u64>>);

impl Default for SyncHdr {
    fn default() -> SyncHdr {
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, LONGEST, 3);
        SyncHdr(Mutex::new(histogram.expect("these bounds are valid").into_sync()))
    }
}

impl Shared for SyncHdr {
    fn writer(&self) -> impl FnMut(u64) {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recorder: Recorder<u64> = histogram.recorder();
        move |value| recorder.saturating_record(value)
    }

    fn count(&mut self) -> u64 {
        let histogram = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        histogram.refresh();
        histogram.len()
    }
}

/// A kept handle; it stores every value until an exporter takes them.
pub(super) struct Metrics {
    bucket: Arc<AtomicBucket<f64>>,
    handle: metrics::Histogram,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let registry = registry();
        let key = Key::from_static_name("latency");
        let bucket = registry.get_or_create_histogram(&key, Arc::clone);
        let handle = metrics::Histogram::from_arc(Arc::new(Bucket(Arc::clone(&bucket))));
        Metrics { bucket, handle }
    }
}

struct Bucket(Arc<AtomicBucket<f64>>);

impl HistogramFn for Bucket {
    fn record(&self, value: f64) {
        self.0.push(value);
    }
}

impl Shared for Metrics {
    fn writer(&self) -> impl FnMut(u64) {
        let handle = self.handle.clone();
        move |value| handle.record(value as f64)
    }

    fn count(&mut self) -> u64 {
        let mut count = 0;
        self.bucket.clear_with(|values| count += values.len() as u64);
        count
    }
}

fn registry() -> Registry<Key, AtomicStorage> {
    Registry::atomic()
}

pub(super) fn count_ours(adds: usize, threads: usize) -> Result<f64> {
    let counter = Counter::new();
    counted(adds, threads, || black_box(&counter).increment(), || counter.get())
}

pub(super) fn count_atomic(adds: usize, threads: usize) -> Result<f64> {
    let counter = AtomicU64::new(0);
    let add = || {
        black_box(&counter).fetch_add(1, Ordering::Relaxed);
    };
    counted(adds, threads, add, || counter.load(Ordering::Relaxed))
}

pub(super) fn count_metrics(adds: usize, threads: usize) -> Result<f64> {
    let registry = registry();
    let total = registry.get_or_create_counter(&Key::from_static_name("requests"), Arc::clone);
    let handle = metrics::Counter::from_arc(Arc::clone(&total));
    counted(adds, threads, || black_box(&handle).increment(1), || total.load(Ordering::Relaxed))
}

/// What one addition costs the thread that does it.
fn counted(
    adds: usize,
    threads: usize,
    add: impl Fn() + Sync,
    total: impl Fn() -> u64,
) -> Result<f64> {
    let (wall, _) = together(threads, |_| (0..adds).for_each(|_| add()))?;
    ensure!(total() == (adds * threads) as u64, "counted {}", total());
    Ok(wall.as_nanos() as f64 / adds as f64)
}
