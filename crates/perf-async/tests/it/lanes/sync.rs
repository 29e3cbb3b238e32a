//! Waiting from outside a runtime.

use super::{Gate, manager};
use crate::ms;
use perf_async::{Operation, OperationError, WaitError};
use std::time::Duration;

#[test]
fn a_thread_waits_for_a_handle() {
    let manager = manager();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let submit = |operation| {
        let _inside = runtime.enter();
        manager.submit(operation).unwrap()
    };
    let mut handle = submit(Operation::cpu("sum", |_| 1 + 1));
    assert_eq!(handle.wait_timeout(Duration::MAX).unwrap().unwrap(), 2);

    let (gate, wait) = Gate::new();
    let mut handle = submit(Operation::cpu("slow", |_| {
        wait();
        3
    }));
    // It is not ready, and the handle is as good as before.
    assert_eq!(handle.wait_timeout(Duration::ZERO).unwrap_err(), WaitError::Elapsed);
    assert_eq!(handle.wait_timeout(ms(1)).unwrap_err(), WaitError::Elapsed);
    gate.open();
    assert_eq!(handle.wait_timeout(Duration::MAX).unwrap().unwrap(), 3);

    let mut handle = submit(Operation::cpu("panics", |_| panic!("as planned")));
    let answer = handle.wait_timeout(Duration::MAX).unwrap();
    assert!(matches!(answer, Err(OperationError::Panicked(_))));
}

#[tokio::test]
async fn inside_a_runtime_it_refuses() {
    let manager = manager();
    let mut handle = manager.submit(Operation::cpu("sum", |_| 1)).unwrap();
    let error = handle.wait_timeout(Duration::MAX).unwrap_err();
    assert_eq!(error, WaitError::InsideRuntime);
    assert!(error.to_string().contains("await"), "{error}");
    assert_eq!(handle.await.unwrap(), 1);
}
