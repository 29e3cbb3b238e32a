//! Connections over HTTP/2 in cleartext, with prior knowledge: many requests on each.

use super::{Answered, Run, fault_of, timed_out};
use crate::load::config::STREAMS;
use crate::load::plan::Choice;
use crate::load::record::{Done, Failure, Fault};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Uri, Version};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;

/// The connections.
#[derive(Debug)]
pub(super) struct Pool {
    all: Vec<Shared>,
    opened: u64,
    next: usize,
}

/// One connection and how much is on it.
#[derive(Debug, Default)]
struct Shared {
    sender: Option<SendRequest<Bytes>>,
    in_flight: usize,
    opening: bool,
    /// Which connection of this place it is.
    generation: u64,
}

/// The right to one stream of a connection.
#[derive(Debug)]
pub(super) struct Lease {
    index: usize,
}

impl Pool {
    pub(super) fn new(cap: usize) -> Pool {
        Pool { all: (0..cap).map(|_| Shared::default()).collect(), opened: 0, next: 0 }
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn take(&mut self) -> Option<Lease> {
        for _ in 0..self.all.len() {
            let index = self.next;
            self.next = (self.next + 1) % self.all.len();
            let shared = &mut self.all[index];
            let room = match &shared.sender {
                Some(sender) => sender.current_max_send_streams().min(STREAMS),
                None if shared.opening => 0,
                None => 1,
            };
            if shared.in_flight < room {
                shared.in_flight += 1;
                shared.opening = shared.sender.is_none();
                return Some(Lease { index });
            }
        }
        None
    }
}

/// Connects once, to see that the other side speaks the protocol.
pub(super) async fn greet(address: SocketAddr) -> Result<(), String> {
    let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    let (_sender, mut connection) =
        builder().handshake::<_, Bytes>(stream).await.map_err(|e| e.to_string())?;
    let mut ping = connection.ping_pong().ok_or("no ping")?;
    tokio::select! {
        outcome = &mut connection => Err(match outcome {
            Ok(()) => "it hung up".to_owned(),
            Err(error) => error.to_string(),
        }),
        outcome = ping.ping(h2::Ping::opaque()) => outcome.map(drop).map_err(|e| e.to_string()),
    }
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(1 << 20)
        .initial_connection_window_size(16 << 20);
    builder
}

/// Sends one request and gives the lease back.
pub(super) async fn exchange(run: &Rc<Run>, lease: Lease, choice: Choice) -> Answered {
    let index = lease.index;
    let outcome = match tokio::time::timeout(run.timeout, ask(run, index, choice)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(timed_out(run.timeout)),
    };
    with(run, |pool| {
        let shared = &mut pool.all[index];
        shared.in_flight = shared.in_flight.saturating_sub(1);
        if shared.sender.is_none() && shared.in_flight == 0 {
            shared.opening = false;
        }
    });
    outcome
}

async fn ask(run: &Rc<Run>, index: usize, choice: Choice) -> Answered {
    let sender = with(run, |pool| pool.all[index].sender.clone());
    let sender = match sender {
        Some(sender) => sender,
        None => open(run, index).await?,
    };
    let mut sender = sender.ready().await.map_err(|e| fault(&e))?;
    let prepared = &run.plan.requests[choice.request];
    let uri = Uri::builder()
        .scheme("http")
        .authority(run.plan.authority.clone())
        .path_and_query(prepared.paths[choice.path].clone())
        .build()
        .map_err(|error| Fault { kind: Failure::Protocol, message: error.to_string() })?;
    let mut request = Request::new(());
    *request.method_mut() = prepared.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = prepared.headers.clone();
    request.headers_mut().remove("host");
    let empty = prepared.body.is_empty();
    let (response, mut body) = sender.send_request(request, empty).map_err(|e| fault(&e))?;
    if !empty {
        body.send_data(prepared.body.clone(), true).map_err(|e| fault(&e))?;
    }
    let response = response.await.map_err(|e| fault(&e))?;
    let mut done = Done { status: response.status().as_u16(), body_bytes: 0, wire_bytes: 0 };
    let mut stream = response.into_body();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|e| fault(&e))?;
        done.body_bytes += data.len() as u64;
        if done.body_bytes > run.body_limit {
            let message = format!("the server sent a body of more than {} bytes", run.body_limit);
            return Err(Fault { kind: Failure::TooLong, message });
        }
        let _ = stream.flow_control().release_capacity(data.len());
    }
    // Frames and compressed heads are the library's: what is counted is the bodies.
    done.wire_bytes = done.body_bytes;
    Ok(done)
}

/// Opens the connection of this place and shares it.
async fn open(run: &Rc<Run>, index: usize) -> Result<SendRequest<Bytes>, Fault> {
    with(run, |pool| pool.opened += 1);
    let opened = async {
        let stream = TcpStream::connect(run.address).await.map_err(|e| fault_of(&e))?;
        stream.set_nodelay(true).map_err(|e| fault_of(&e))?;
        builder().handshake(stream).await.map_err(|e| fault(&e))
    };
    let (sender, connection) = match opened.await {
        Ok(both) => both,
        Err(fault) => {
            with(run, |pool| pool.all[index].opening = false);
            return Err(fault);
        }
    };
    let generation = with(run, |pool| {
        let shared = &mut pool.all[index];
        shared.sender = Some(sender.clone());
        shared.opening = false;
        shared.generation += 1;
        shared.generation
    });
    run.freed.notify_one();
    let pool = Rc::clone(&run.pool);
    tokio::task::spawn_local(async move {
        // Its end is what matters: the requests on it say themselves what broke.
        let _ = connection.await;
        if let super::Pool::Two(pool) = &mut *pool.borrow_mut() {
            let shared = &mut pool.all[index];
            if shared.generation == generation {
                shared.sender = None;
            }
        }
    });
    Ok(sender)
}

fn with<T: Default>(run: &Run, act: impl FnOnce(&mut Pool) -> T) -> T {
    match &mut *run.pool.borrow_mut() {
        super::Pool::Two(pool) => act(pool),
        super::Pool::One(_) => T::default(),
    }
}

fn fault(error: &h2::Error) -> Fault {
    if let Some(io) = error.get_io() {
        return fault_of(io);
    }
    let kind =
        if error.is_go_away() || error.is_reset() { Failure::Reset } else { Failure::Protocol };
    Fault { kind, message: error.to_string() }
}
