//! The same work twice: by handles, which carry the type of the value, and by ids, which are numbers
//! that can be kept anywhere.
//!
//! Run: `cargo run -p perf-async --example by_id`

#![expect(clippy::print_stdout, reason = "it shows what it does")]

use perf_async::{CancelOutcome, Manager, NoResult, Operation, OperationId, Status};
use perf_core::Priority;
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::builder().max_concurrent(1).build()?;
    by_handle(&manager).await?;
    by_id(&manager).await?;
    let drained = manager.drain(Duration::from_secs(1)).await;
    println!("drained: {}", drained.is_complete());
    Ok(())
}

/// A handle is awaited like any future, and its value has a type.
async fn by_handle(manager: &Manager) -> Result<(), Box<dyn Error>> {
    let report = manager.submit(Operation::infallible("report", make_report(2026)))?;
    let thumbnail = manager.submit(Operation::infallible("thumbnail", async { 64_u32 }))?;
    let unwanted = manager.submit(Operation::infallible("report", make_report(1999)))?;
    thumbnail.set_priority(Priority::HIGHEST);
    assert_eq!(unwanted.cancel(), CancelOutcome::Removed);
    println!("by handle: {} and {} px", report.await?, thumbnail.await?);
    Ok(())
}

/// An id is a number: here the keys of a map.
async fn by_id(manager: &Manager) -> Result<(), Box<dyn Error>> {
    let mut jobs: HashMap<&str, OperationId> = HashMap::new();
    jobs.insert(
        "report",
        manager.queue_operation(Operation::infallible("report", make_report(2026)))?,
    );
    let thumbnail = Operation::infallible("thumbnail", async { 64_u32 });
    jobs.insert("thumbnail", manager.queue_operation(thumbnail)?);
    let unwanted = manager.queue_operation(Operation::infallible("report", make_report(1999)))?;

    manager.set_priority(jobs["thumbnail"], Priority::HIGHEST);
    assert_eq!(manager.cancel_operation(unwanted), CancelOutcome::Removed);
    println!("by id: {} wait", manager.pending_operations_count());

    // The time-out is the waiter's own: the operation goes on.
    let early: Result<String, _> =
        manager.wait_for_operation(jobs["report"], Duration::from_millis(1)).await;
    assert!(matches!(early, Err(NoResult::TimedOut { .. })));
    let report: String = manager.wait_for_operation(jobs["report"], Duration::from_secs(5)).await?;
    let thumbnail: u32 =
        manager.wait_for_operation(jobs["thumbnail"], Duration::from_secs(5)).await?;
    println!("by id: {report} and {thumbnail} px");

    assert_eq!(manager.operation_status(jobs["report"]), Some(Status::Completed));
    let again: Result<String, _> =
        manager.wait_for_operation(jobs["report"], Duration::from_secs(5)).await;
    println!("asked again: {}", again.err().map_or_else(String::new, |error| error.to_string()));
    Ok(())
}

async fn make_report(year: u32) -> String {
    tokio::time::sleep(Duration::from_millis(20)).await;
    format!("report of {year}")
}
