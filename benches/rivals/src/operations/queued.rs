//! What it takes to touch operations that wait, one by one in random order, and to join one.

use super::work::{Failure, Load};
use crate::measure::{Bench, Measurement};
use anyhow::{Context, Result, ensure};
use perf_async::{CancelOutcome, Handle, Manager, Operation, OperationError, OperationId};
use perf_core::Priority;
use slab::Slab;
use std::collections::HashMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Cancelling, changing priorities, joining.
pub(super) fn run(bench: &mut Bench, runtime: &Runtime) -> Result<()> {
    for (name, parameter) in [("100k", "queued"), ("1m", "many_queued")] {
        let order = order(bench, bench.parameter(parameter)?)?;
        let cancelled: &mut [(&str, Measurement<'_>)] = &mut [
            ("perf-async", Box::new(|| cancel(runtime, &order, Handles::Held))),
            ("perf-async by id", Box::new(|| cancel(runtime, &order, Handles::Dropped))),
            ("tokio-spawn", Box::new(|| abort(runtime, &order))),
            ("floor", Box::new(|| remove(&order))),
        ];
        bench.measure(&format!("cancel/{name}"), "ns_per_op", "ns", cancelled)?;
    }
    let order = order(bench, bench.parameter("queued")?)?;
    let priorities = priorities(bench, order.len())?;
    let moved: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-async", Box::new(|| set_priority(runtime, &order, &priorities))),
        ("floor", Box::new(|| overwrite(&order, &priorities))),
    ];
    bench.measure("set-priority/100k", "ns_per_op", "ns", moved)?;

    let keys = bench.definition.numbers("joined", bench.parameter("joins")?)?;
    let joined: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-async", Box::new(|| join(runtime, &keys))),
        ("floor", Box::new(|| look_up(&keys))),
    ];
    bench.measure("dedup-join", "ns_per_op", "ns", joined)
}

/// The numbers from 0 on, shuffled.
fn order(bench: &Bench, count: usize) -> Result<Vec<usize>> {
    let drawn = bench.definition.numbers("order", count)?;
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&position| (drawn[position], position));
    Ok(order)
}

fn priorities(bench: &Bench, count: usize) -> Result<Vec<Priority>> {
    let levels = bench.definition.numbers("priorities", count)?;
    let priority = |level| Priority::new(u8::try_from(level + 1).ok()?);
    levels.into_iter().map(|level| priority(level).context("no such priority")).collect()
}

/// A manager whose only place is taken until the gate opens.
struct Jam {
    manager: Manager,
    gate: oneshot::Sender<()>,
    first: Handle<u64>,
}

impl Jam {
    fn new(queue_limit: usize) -> Result<Jam> {
        let manager = Manager::builder().max_concurrent(1).queue_limit(queue_limit).build()?;
        let (gate, opened) = oneshot::channel();
        let wait = async { opened.await.map_or(0, |()| 1) };
        let gate_keeper = Operation::infallible("gate", wait).timeout(Duration::MAX);
        let first = manager.submit(gate_keeper)?;
        Ok(Jam { manager, gate, first })
    }

    fn submit(&self, number: usize) -> Result<Handle<u64>> {
        let load = Load::new(number as u64);
        Ok(self.manager.submit(Operation::infallible("load", load.answer()))?)
    }

    /// Lets go what waits, and answers whether the first got its value.
    async fn open(self) -> Result<()> {
        ensure!(self.gate.send(()).is_ok() && self.first.await? == 1, "the gate was lost");
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Handles {
    /// The callers still wait.
    Held,
    /// Only the ids are known.
    Dropped,
}

fn cancel(runtime: &Runtime, order: &[usize], handles: Handles) -> Result<f64> {
    runtime.block_on(async {
        let jam = Jam::new(order.len())?;
        let mut held = Vec::new();
        let mut ids = Vec::with_capacity(order.len());
        for number in 0..order.len() {
            let handle = jam.submit(number)?;
            ids.push(handle.id());
            if handles == Handles::Held {
                held.push(handle);
            }
        }
        let ids = shuffled(&ids, order);
        let (dropped, mut removed) = (Load::dropped(), 0);
        let start = Instant::now();
        for id in &ids {
            removed += usize::from(jam.manager.cancel(*id) == CancelOutcome::Removed);
        }
        let took = start.elapsed();
        let gone = Load::dropped() - dropped;
        ensure!(removed == order.len(), "{removed} of {} were cancelled", order.len());
        ensure!(gone as usize == order.len(), "{gone} of {} were dropped", order.len());
        ensure!(jam.manager.pending_count() == 0, "some still wait");
        for handle in held {
            ensure!(matches!(handle.await, Err(OperationError::Cancelled)), "one was not told");
        }
        jam.open().await?;
        Ok(took.as_nanos() as f64 / order.len() as f64)
    })
}

fn shuffled<T: Copy>(all: &[T], order: &[usize]) -> Vec<T> {
    order.iter().map(|&position| all[position]).collect()
}

/// Tasks that have been polled once, aborted; the time until all are gone.
fn abort(runtime: &Runtime, order: &[usize]) -> Result<f64> {
    runtime.block_on(async {
        let tasks: Vec<_> = (0..order.len())
            .map(|number| {
                let load = Load::new(number as u64);
                tokio::spawn(async move {
                    pending::<()>().await;
                    load.answer().await
                })
            })
            .collect();
        let handles: Vec<_> = order.iter().map(|&at| tasks[at].abort_handle()).collect();
        let dropped = Load::dropped();
        let start = Instant::now();
        handles.iter().for_each(tokio::task::AbortHandle::abort);
        for task in tasks {
            ensure!(task.await.is_err_and(|error| error.is_cancelled()), "one was not told");
        }
        let took = start.elapsed();
        let gone = Load::dropped() - dropped;
        ensure!(gone as usize == order.len(), "{gone} of {} were dropped", order.len());
        Ok(took.as_nanos() as f64 / order.len() as f64)
    })
}

/// Any operation, as whatever holds those of all types must hold it.
type Boxed = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>>;

fn waiting(count: usize) -> Slab<Boxed> {
    let mut slab = Slab::with_capacity(count);
    for number in 0..count {
        let load = Load::new(number as u64);
        let boxed: Boxed = Box::pin(async { Ok(load.answer().await) });
        slab.insert(boxed);
    }
    slab
}

/// The same futures in a slab, taken out in the same order.
fn remove(order: &[usize]) -> Result<f64> {
    let mut slab = waiting(order.len());
    let keys = order.to_vec();
    let dropped = Load::dropped();
    let start = Instant::now();
    for key in &keys {
        drop(slab.remove(*key));
    }
    let took = start.elapsed();
    let gone = Load::dropped() - dropped;
    ensure!(gone as usize == order.len() && slab.is_empty(), "{gone} were dropped");
    Ok(took.as_nanos() as f64 / order.len() as f64)
}

fn set_priority(runtime: &Runtime, order: &[usize], priorities: &[Priority]) -> Result<f64> {
    runtime.block_on(async {
        let jam = Jam::new(order.len())?;
        let mut handles = Vec::with_capacity(order.len());
        for number in 0..order.len() {
            handles.push(jam.submit(number)?);
        }
        let ids: Vec<OperationId> = handles.iter().map(Handle::id).collect();
        let ids = shuffled(&ids, order);
        let mut before = 0;
        let start = Instant::now();
        for (id, priority) in ids.iter().zip(priorities) {
            before += jam.manager.set_priority(*id, *priority).map_or(0, level);
        }
        let took = start.elapsed();
        ensure!(before == order.len() * level(Priority::NORMAL), "one had another priority before");
        let wanted: HashMap<_, _> = ids.iter().zip(priorities).collect();
        for record in jam.manager.pending() {
            let right = wanted.get(&record.id).is_some_and(|wanted| **wanted == record.priority);
            ensure!(right, "{record:?} was not given its priority");
        }
        handles.iter().for_each(|handle| _ = handle.cancel());
        jam.open().await?;
        Ok(took.as_nanos() as f64 / order.len() as f64)
    })
}

fn level(priority: Priority) -> usize {
    usize::from(priority.level())
}

/// A priority written into the same slab in the same order, and nothing put in order.
fn overwrite(order: &[usize], priorities: &[Priority]) -> Result<f64> {
    let mut slab: Slab<(Priority, Boxed)> = Slab::with_capacity(order.len());
    for boxed in waiting(order.len()) {
        slab.insert((Priority::NORMAL, boxed.1));
    }
    let keys = order.to_vec();
    let mut before = 0;
    let start = Instant::now();
    for (key, priority) in keys.iter().zip(priorities) {
        before += level(std::mem::replace(&mut slab[*key].0, *priority));
    }
    let took = start.elapsed();
    ensure!(before == order.len() * level(Priority::NORMAL), "one had another priority before");
    Ok(took.as_nanos() as f64 / order.len() as f64)
}

/// One operation runs or waits for each key; then others come for the same.
fn join(runtime: &Runtime, keys: &[u64]) -> Result<f64> {
    runtime.block_on(async {
        let jam = Jam::new(keys.len() + KEYS)?;
        let operation = |key: u64, value: u64| {
            let name = format!("key {key}");
            Operation::infallible("load", Load::new(value).answer()).key(name)
        };
        let leaders: Vec<_> = (0..KEYS as u64)
            .map(|key| jam.manager.submit(operation(key, key)))
            .collect::<Result<_, _>>()?;
        let wrong = u64::MAX;
        let operations: Vec<_> = keys.iter().map(|key| operation(*key, wrong)).collect();
        let mut joined = Vec::with_capacity(keys.len());
        let start = Instant::now();
        for operation in operations {
            joined.push(jam.manager.submit(operation)?);
        }
        let took = start.elapsed();
        jam.open().await?;
        for (key, handle) in (0..).zip(leaders).chain(keys.iter().copied().zip(joined)) {
            let value = handle.await?;
            ensure!(value == key, "key {key} has the value {value}");
        }
        Ok(took.as_nanos() as f64 / keys.len() as f64)
    })
}

const KEYS: usize = 100;

/// The least that joining takes: finding the key in a map under a lock, and a hold on what is there.
fn look_up(keys: &[u64]) -> Result<f64> {
    let name = |key: &u64| format!("key {key}");
    let map: HashMap<String, Arc<u64>> =
        (0..KEYS as u64).map(|key| (name(&key), Arc::new(key))).collect();
    let map = Mutex::new(map);
    let asked: Vec<(String, Load)> = keys.iter().map(|key| (name(key), Load::new(*key))).collect();
    let mut joined = Vec::with_capacity(keys.len());
    let start = Instant::now();
    for (key, load) in asked {
        let map = map.lock().unwrap_or_else(PoisonError::into_inner);
        joined.extend(map.get(&key).cloned());
        drop((map, load));
    }
    let took = start.elapsed();
    ensure!(joined.iter().map(|value| **value).eq(keys.iter().copied()), "another value");
    Ok(took.as_nanos() as f64 / keys.len() as f64)
}
