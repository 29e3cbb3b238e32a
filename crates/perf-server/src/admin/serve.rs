//! Taking connections, and letting them go.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until `stop` completes, then lets the open requests finish for a while.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let (open, stopping) = (TaskTracker::new(), CancellationToken::new());
    let mut stop = pin!(stop);
    loop {
        // The place comes first: beyond the limit, clients wait in the kernel's queue.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = attend(stream, routes.clone(), stopping.clone());
                open.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            // Out of file descriptors, or the client was gone already. Neither ends the server;
            // the pause keeps the first from becoming a busy loop.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    stopping.cancel();
    open.close();
    // Whoever is not done by then is cut off when the runtime ends.
    let _ = tokio::time::timeout(DRAINED_WITHIN, open.wait()).await;
}

/// One connection until it ends. What a broken client does is its own affair.
async fn attend(stream: TcpStream, routes: Router, stopping: CancellationToken) {
    // Snapshots are small and late ones are worthless. Without it they are only later.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADERS_AT_MOST)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopping.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

const MOST_CONNECTIONS: usize = 2_048;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const HEADERS_AT_MOST: usize = 64 * 1024;
const DRAINED_WITHIN: Duration = Duration::from_secs(10);
