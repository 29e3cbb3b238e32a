//! Where results go, in batches.

use super::{Fingerprint, TestResult};
use crate::driver::BoxError;
use crate::sync::Arc;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::task::JoinHandle;

/// Keeps results, and knows which cases have passed as they are.
///
/// It is called on a thread that may block, one call at a time. `()` keeps nothing.
pub trait ResultSink: Send + 'static {
    /// For each fingerprint, whether the case passed, at the first attempt, when it last ran with
    /// it. The answer has as many as were asked for; what is missing counts as not passed.
    ///
    /// # Errors
    ///
    /// If former results cannot be read: then every case runs, and the report says why.
    fn passed_before(&mut self, fingerprints: &[Fingerprint]) -> Result<Vec<bool>, BoxError>;

    /// Keeps some results.
    ///
    /// # Errors
    ///
    /// If they cannot be kept: the run goes on, later ones are still tried, and the report says why.
    fn store(&mut self, results: &[Arc<TestResult>]) -> Result<(), BoxError>;
}

impl ResultSink for () {
    fn passed_before(&mut self, fingerprints: &[Fingerprint]) -> Result<Vec<bool>, BoxError> {
        Ok(vec![false; fingerprints.len()])
    }

    fn store(&mut self, _results: &[Arc<TestResult>]) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Hands results over to the sink, one batch at a time; a slow sink lets the run wait with its
/// results, not with its cases.
///
/// A batch takes a thread that may block only for as long as it takes: one that sits and waits would
/// also hold tokio's paused clock.
#[derive(Debug)]
pub(super) struct Writer<S> {
    /// `None` while a batch is with it, and for good if that never came back.
    sink: Option<S>,
    on_the_way: Option<JoinHandle<Stored<S>>>,
    batch: Vec<Arc<TestResult>>,
    size: usize,
    written: Written,
}

/// The sink comes back from a batch, with the batch's size and what became of it.
type Stored<S> = (S, usize, Result<(), String>);

/// What became of the results.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) stored: usize,
    pub(super) error: Option<String>,
}

impl<S: ResultSink> Writer<S> {
    pub(super) fn new(sink: S, size: usize) -> Writer<S> {
        let (sink, written) = (Some(sink), Written::default());
        Writer { sink, on_the_way: None, batch: Vec::new(), size, written }
    }

    /// Takes one more, and sends them on if they are enough.
    pub(super) async fn push(&mut self, result: Arc<TestResult>) {
        self.batch.push(result);
        if self.batch.len() >= self.size {
            self.flush().await;
        }
    }

    /// Sends on what there is, once the batch before it has been taken.
    pub(super) async fn flush(&mut self) {
        self.back().await;
        if self.batch.is_empty() {
            return;
        }
        let Some(mut sink) = self.sink.take() else { return self.batch.clear() };
        let batch = std::mem::take(&mut self.batch);
        self.on_the_way = Some(tokio::task::spawn_blocking(move || {
            let stored = guarded(|| sink.store(&batch));
            (sink, batch.len(), stored)
        }));
    }

    pub(super) async fn end(mut self) -> Written {
        self.flush().await;
        self.back().await;
        self.written
    }

    /// Waits for the batch that is on its way.
    async fn back(&mut self) {
        let Some(task) = self.on_the_way.take() else { return };
        let why = match task.await {
            Ok((sink, many, stored)) => {
                self.sink = Some(sink);
                match stored {
                    Ok(()) => return self.written.stored += many,
                    Err(why) => why,
                }
            }
            Err(error) => format!("the thread that stores results ended: {error}"),
        };
        self.written.error.get_or_insert(why);
    }
}

/// Calls the sink; its panic is an error like any other.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, BoxError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(panic) => Err(crate::driver::panicked(panic).to_string()),
    }
}
