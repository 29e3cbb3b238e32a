//! Items handed over together.

mod answers;
mod gathering;
mod leaving;
mod random;
mod sharing;
mod threads;

use crate::{ms, settle};
use perf_async::{Batch, Handle, Manager};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The items of each call of a handler.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<Mutex<Vec<Vec<u32>>>>);

impl Calls {
    fn all(&self) -> Vec<Vec<u32>> {
        self.0.lock().unwrap().clone()
    }

    fn sizes(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(Vec::len).collect()
    }
}

/// Batches the kind `double`, whose handler doubles numbers and takes that time.
fn doubling(manager: &Manager, rule: Batch, takes: Duration) -> Calls {
    let calls = Calls::default();
    let noted = calls.clone();
    let handler = move |items: Vec<u32>| {
        noted.0.lock().unwrap().push(items.clone());
        async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            items.into_iter().map(|item| Ok::<_, Infallible>(item * 2)).collect()
        }
    };
    manager.enable_batching("double", rule, handler).unwrap();
    calls
}

fn double(manager: &Manager, item: u32) -> Handle<u32> {
    manager.submit_item("double", item).unwrap()
}

/// Every handle gets its own item's answer.
async fn assert_doubled(handles: impl IntoIterator<Item = (u32, Handle<u32>)>) {
    for (item, handle) in handles {
        assert_eq!(handle.await.unwrap(), item * 2);
    }
}

fn all(manager: &Manager, items: std::ops::Range<u32>) -> Vec<(u32, Handle<u32>)> {
    items.map(|item| (item, double(manager, item))).collect()
}

/// A kind `double` whose first batch, of the item 0, is under way for 10 ms.
async fn busy(manager: &Manager, max: usize) -> (Calls, Handle<u32>) {
    let calls = doubling(manager, Batch::natural(max), ms(10));
    let first = double(manager, 0);
    settle().await;
    assert_eq!(calls.sizes(), [1]);
    (calls, first)
}
