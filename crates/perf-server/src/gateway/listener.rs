//! Accepts clients, a bounded number of them, and lets them go in peace.

use super::body::{ClientBody, Peer};
use super::socket::{Recent, Socket};
use crate::Problem;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use perf_core::{Counter, Observe, Signal, Unit};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// What the listener counts.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: AtomicUsize,
    accepted: Counter,
    refused: Counter,
    failed: Counter,
}

impl Connections {
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Observe for Connections {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let since = perf_core::Instant::default();
        visit(
            Signal::gauge("connections", Unit::Count, self.open() as f64)
                .help("Clients connected now."),
        );
        visit(
            Signal::counter("connections_accepted", self.accepted.get(), since)
                .help("Clients that were let in."),
        );
        visit(
            Signal::counter("connections_refused", self.refused.get(), since)
                .help("Clients turned away because too many were connected."),
        );
        visit(
            Signal::counter("connections_failed", self.failed.get(), since)
                .help("Connections that the system could not hand over."),
        );
    }
}

/// The limits of the listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_connections: usize,
    pub(super) header_timeout: Duration,
    pub(super) max_header: usize,
    /// Whether requests carry who sent them.
    pub(super) tell_peer: bool,
}

/// When to stop accepting, and when to drop what is still open.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    pub(super) accepting: CancellationToken,
    pub(super) serving: CancellationToken,
}

/// Accepts until told to stop, then waits for the open requests. Ends when no connection is left.
pub(super) async fn run<S, B>(
    listener: TcpListener,
    stack: S,
    limits: Limits,
    connections: Arc<Connections>,
    stop: Stop,
) where
    S: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_header_size(limits.max_header)
        .max_buf_size(limits.max_header.max(SMALLEST_BUFFER))
        .half_close(false);

    while let Some(accepted) = stop.accepting.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                connections.failed.increment();
                if !is_of_one_connection(&error) {
                    // Out of file descriptors or memory: trying at once again would only spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                continue;
            }
        };
        if connections.open() >= limits.max_connections {
            connections.refused.increment();
            turn_away(&stream);
            continue;
        }
        // A failure here leaves a connection that works, only with later small packets.
        let _ = stream.set_nodelay(true);
        connections.accepted.increment();
        connections.open.fetch_add(1, Ordering::Relaxed);
        let closed = Closed(Arc::clone(&connections));
        let (socket, recent) = Socket::new(stream);
        let peer = limits.tell_peer.then_some(peer);
        let front = Front { stack: stack.clone(), recent, peer };
        let connection = graceful.watch(http.serve_connection(TokioIo::new(socket), front));
        let serving = stop.serving.clone();
        tokio::spawn(async move {
            let _closed = closed;
            // How a connection ends is the client's affair; what was answered is measured above.
            let _ = serving.run_until_cancelled(connection).await;
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Hyper's buffer may not be smaller.
const SMALLEST_BUFFER: usize = 8 << 10;

/// Counts a connection as closed, however it ends.
struct Closed(Arc<Connections>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether an error of `accept` is about the one connection that failed.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Says that there is no room, without waiting for anything.
fn turn_away(stream: &TcpStream) {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too-many-connections",
        "too many connections",
    )
    .detail("the gateway serves as many clients as it may: try again in a second")
    .to_json();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{problem}",
        problem.len()
    );
    // The buffer of a new connection is empty: it takes this or the client is gone.
    let _ = stream.try_write(answer.as_bytes());
}

/// Hands a connection's requests to the stack.
struct Front<S> {
    stack: S,
    recent: Arc<Recent>,
    /// Who is connected, if the origin wants to know: the first extension of a request costs an
    /// allocation.
    peer: Option<SocketAddr>,
}

impl<S> hyper::service::Service<Request<Incoming>> for Front<S>
where
    S: Service<Request<ClientBody>, Error = Infallible> + Clone,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> S::Future {
        let ambiguous = request.headers().contains_key(header::TRANSFER_ENCODING)
            && self.recent.head_has_content_length(&format!("{} ", request.method()));
        self.recent.request_seen();
        let mut request = request.map(|body| ClientBody::new(body, ambiguous));
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(Peer(peer));
        }
        // The stack's services are always ready: what must wait waits in its futures.
        self.stack.clone().call(request)
    }
}
