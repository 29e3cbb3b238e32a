//! A load generator: many kept-alive connections, each with one request under way at a time.
//!
//! It speaks HTTP/1.1 by hand, because a full client costs as much processor time as the server
//! under test and would measure itself. The first byte of an answer is the first byte read.

// Named so that the example `stack_vs_axum` can take this file as it is.
#[path = "load/wire.rs"]
mod wire;

pub(crate) use wire::{Answer, Connection};

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Supplies requests and takes their answers. One is made for each connection.
pub(crate) trait Visitor {
    /// Appends the next request to `out`; `false` when there is none left.
    fn next(&mut self, out: &mut Vec<u8>) -> bool;

    /// Takes the answer to the last request.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer; it ends the whole run.
    fn answered(&mut self, answer: &Answer, timing: Timing) -> Result<(), String>;
}

/// How long one answer took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// From sending to the first byte.
    pub(crate) first_byte: Duration,
    /// From sending to the last byte.
    pub(crate) whole: Duration,
}

/// Runs one visitor on each connection until they have no more requests or `stop` is set.
///
/// # Errors
///
/// The first failure of any connection, which also stops the others.
pub(crate) async fn run<V: Visitor>(
    address: SocketAddr,
    visitors: Vec<V>,
    stop: Arc<AtomicBool>,
) -> Result<Vec<V>, String> {
    let visits = visitors.into_iter().map(|mut visitor| {
        let stop = Arc::clone(&stop);
        async move {
            let outcome = visit(address, &mut visitor, &stop).await;
            if outcome.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            outcome.map(|()| visitor)
        }
    });
    // On one thread: a load generator must not take the server's core.
    let mut done = Vec::new();
    for outcome in futures_util::future::join_all(visits).await {
        done.push(outcome?);
    }
    Ok(done)
}

async fn visit<V: Visitor>(
    address: SocketAddr,
    visitor: &mut V,
    stop: &AtomicBool,
) -> Result<(), String> {
    let mut connection = None;
    let mut request = Vec::with_capacity(512);
    loop {
        request.clear();
        if !visitor.next(&mut request) {
            break;
        }
        let open = match &mut connection {
            Some(open) => open,
            None => connection.insert(
                Connection::open(address)
                    .await
                    .map_err(|e| format!("no connection to {address}: {e}"))?,
            ),
        };
        let (answer, timing) = open.exchange(&request).await.map_err(|e| e.to_string())?;
        visitor.answered(answer, timing)?;
        if !answer.keeps_alive() {
            connection = None;
        }
        // After the first one: a run that is stopped at once has something to show.
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}
