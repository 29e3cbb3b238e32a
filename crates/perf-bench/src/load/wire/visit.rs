//! Many connections, each with a visitor that says what to ask and takes the answers.

use super::{Answer, Connection, Timing};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Supplies requests and takes their answers. One is made for each connection.
pub trait Visitor {
    /// Appends the next request to `out`; `false` when there is none left.
    fn next(&mut self, out: &mut Vec<u8>) -> bool;

    /// Takes the answer to the last request.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer; it ends the whole run.
    fn answered(&mut self, answer: &Answer, timing: Timing) -> Result<(), String>;
}

/// Runs one visitor on each connection until they have no more requests or `stop` is set, which
/// each notices after its next answer. All on the calling thread: a load generator must not take
/// the server's core.
///
/// # Errors
///
/// The first failure of any connection, which also stops the others.
pub async fn visit_all<V: Visitor>(
    address: SocketAddr,
    visitors: Vec<V>,
    stop: &AtomicBool,
) -> Result<Vec<V>, String> {
    let visits = visitors.into_iter().map(|mut visitor| async move {
        let outcome = visit(address, &mut visitor, stop).await;
        if outcome.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        outcome.map(|()| visitor)
    });
    futures_util::future::join_all(visits).await.into_iter().collect()
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
