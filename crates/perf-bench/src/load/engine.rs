//! The engine: one thread, one runtime, requests as small tasks on it.
//!
//! The main task hands out requests at their times; each runs as a task with a lease on a
//! connection. A single thread, so that the generator's own cost is one core at most and its
//! figures need no locks.

mod drive;
mod one;
mod pacer;
mod two;

use super::config::LoadConfig;
use super::plan::{Choice, Plan};
use super::progress::LoadProgress;
use super::record::{Done, Ended, Failure, Fault, Recorder};
use super::target::Target;
use super::{Arrival, LoadError};
use pacer::Pacer;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::LocalRuntime;
use tokio::sync::Notify;

/// A target that has answered the telephone, and all that is needed to load it.
#[derive(Debug)]
pub(super) struct Engine {
    runtime: LocalRuntime,
    plan: Rc<Plan>,
    pool: Rc<RefCell<Pool>>,
    freed: Rc<Notify>,
    pub(super) address: SocketAddr,
    /// Whether the target is on this machine.
    #[cfg_attr(not(feature = "system"), expect(dead_code, reason = "only the sampler asks"))]
    pub(super) local: bool,
    config: LoadConfig,
    /// Connections at most.
    cap: usize,
    progress: Arc<LoadProgress>,
    /// How many phases have run; each draws from a seed of its own.
    phases: u64,
}

/// One stretch of load.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub(super) load: PhaseLoad,
    pub(super) warm_up: Duration,
    pub(super) length: Duration,
    pub(super) name: String,
}

/// How the requests of a phase come.
#[derive(Clone, Debug)]
pub(super) enum PhaseLoad {
    Open(Arrival),
    Users(usize),
}

/// What a phase measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) record: Recorder,
    /// Under way when the draining ended.
    pub(super) abandoned: u64,
    /// Due within the time, but never sent.
    pub(super) unsent: u64,
    /// Whether those never left for want of a connection.
    pub(super) starved: bool,
    /// How much of the length was run.
    pub(super) ran: Duration,
    pub(super) stop: Option<Stop>,
    /// Connections opened, those before the phase included.
    pub(super) opened: u64,
    /// Most requests that were under way at once.
    pub(super) most_in_flight: u64,
    /// Requests that were sent again, those of the warm-up included.
    pub(super) retried: u64,
    /// Connections at most.
    pub(super) cap: usize,
}

/// Why a phase ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody asked for it.
    Asked,
    /// The target has not answered any more since then.
    TargetLost(Duration),
}

/// Connections, over either protocol.
#[derive(Debug)]
enum Pool {
    One(one::Pool),
    Two(two::Pool),
}

/// The right to send one request, with the connection that goes with it.
#[derive(Debug)]
enum Lease {
    One(one::Lease),
    Two(two::Lease),
}

/// What the tasks of a phase share.
#[derive(Debug)]
struct Run {
    plan: Rc<Plan>,
    pool: Rc<RefCell<Pool>>,
    /// Rung when a lease comes back, one of an earlier phase included.
    freed: Rc<Notify>,
    /// Held by whoever waits for a lease first; fair, so leases go first come, first served.
    turn: tokio::sync::Mutex<()>,
    /// Rung when the last open request has ended.
    idle: Notify,
    record: RefCell<Recorder>,
    zero: Instant,
    end: Duration,
    timeout: Duration,
    body_limit: u64,
    address: SocketAddr,
    stop: Cell<Option<Stop>>,
    /// Whether the end came while a request waited for a connection.
    starved: Cell<bool>,
    in_flight: Cell<u64>,
    most_in_flight: Cell<u64>,
    /// Those under way that count.
    counted: Cell<u64>,
    /// Requests that were sent again on a new connection.
    retried: Cell<u64>,
    /// When an answer last came.
    heard: Cell<Duration>,
    /// Connections that have broken without an answer since.
    broken: Cell<u64>,
}

impl Engine {
    /// Finds somebody who answers at the target.
    pub(super) fn connect(
        config: &LoadConfig,
        cap: usize,
        target: &Target,
        plan: Plan,
        progress: Arc<LoadProgress>,
    ) -> Result<Engine, LoadError> {
        let addresses = target.resolve()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .map_err(|error| LoadError::system(format!("no runtime for the load: {error}")))?;
        let patience = config.timeout.min(PATIENCE);
        let mut failed = Vec::new();
        for address in addresses {
            let found = runtime.block_on(async {
                let stream = match tokio::time::timeout(patience, tokio::net::TcpStream::connect(address)).await {
                    Ok(stream) => stream.map_err(|error| error.to_string())?,
                    Err(_) => return Err(format!("no answer within {patience:?}")),
                };
                let local = stream.local_addr().ok().map(|a| a.ip()) == Some(address.ip());
                drop(stream);
                let pool = if config.http2 {
                    let pool = two::Pool::new(cap);
                    tokio::time::timeout(patience, two::greet(address))
                        .await
                        .map_err(|_| "no answer to a ping".to_owned())
                        .and_then(|outcome| outcome)
                        .map_err(|why| {
                            format!("no HTTP/2 in cleartext ({why}); leave out --http2 if it speaks HTTP/1.1")
                        })?;
                    Pool::Two(pool)
                } else {
                    Pool::One(one::Pool::new(cap))
                };
                Ok((pool, local))
            });
            match found {
                Ok((pool, local)) => {
                    return Ok(Engine {
                        runtime,
                        plan: Rc::new(plan),
                        pool: Rc::new(RefCell::new(pool)),
                        freed: Rc::new(Notify::new()),
                        address,
                        local,
                        config: config.clone(),
                        cap,
                        progress,
                        phases: 0,
                    });
                }
                Err(why) => failed.push(format!("{address}: {why}")),
            }
        }
        Err(LoadError::unreachable(format!(
            "nobody answers at {}; start the server, or correct the address",
            failed.join(", ")
        )))
    }

    /// Runs one phase to its end.
    pub(super) fn run(&mut self, phase: &Phase) -> Result<Measured, LoadError> {
        let seed = self.config.seed.wrapping_add(self.phases.wrapping_mul(0x5851_F42D_4C95_7F2D));
        self.phases += 1;
        let (plan, pool) = (Rc::clone(&self.plan), Rc::clone(&self.pool));
        let (config, progress, address) = (&self.config, &self.progress, self.address);
        let (cap, freed) = (self.cap, Rc::clone(&self.freed));
        self.runtime.block_on(async move {
            let pacer = Pacer::new()
                .map_err(|error| LoadError::system(format!("no timer for the load: {error}")))?;
            let record = Recorder::new(phase.warm_up, phase.length, plan.requests.len());
            let run = Rc::new(Run {
                plan,
                pool,
                freed,
                turn: tokio::sync::Mutex::new(()),
                idle: Notify::new(),
                record: RefCell::new(record),
                zero: Instant::now(),
                end: phase.warm_up + phase.length,
                timeout: config.timeout,
                body_limit: config.body_limit,
                address,
                stop: Cell::new(None),
                starved: Cell::new(false),
                in_flight: Cell::new(0),
                most_in_flight: Cell::new(0),
                counted: Cell::new(0),
                retried: Cell::new(0),
                heard: Cell::new(Duration::ZERO),
                broken: Cell::new(0),
            });
            let ticker = tokio::task::spawn_local(drive::watch(
                Rc::clone(&run),
                Arc::clone(progress),
                phase.clone(),
            ));
            let unsent = match &phase.load {
                PhaseLoad::Open(arrival) => {
                    drive::open(&run, &pacer, arrival, phase, config.jitter, seed).await
                }
                PhaseLoad::Users(users) => {
                    drive::users(&run, *users, phase, seed).await;
                    0
                }
            };
            let ran = run.now().min(run.end).saturating_sub(phase.warm_up);
            progress.tell(|seen| seen.phase = "draining".to_owned());
            let patience = match run.stop.get() {
                Some(_) => drive::LAST.min(config.timeout),
                None => config.drain.unwrap_or(config.timeout),
            };
            drive::drain(&run, patience).await;
            ticker.abort();
            // The tasks that are still open keep their part of the run alive, but count no more.
            let until = run.end;
            let record =
                run.record.replace(Recorder::new(until, Duration::ZERO, run.plan.requests.len()));
            Ok(Measured {
                record,
                abandoned: run.counted.get(),
                unsent,
                starved: run.starved.get(),
                ran,
                stop: run.stop.get(),
                opened: run.pool.borrow().opened(),
                most_in_flight: run.most_in_flight.get(),
                retried: run.retried.get(),
                cap,
            })
        })
    }
}

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Run {
    fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    /// Sends one request on a task of its own.
    fn spawn(self: &Rc<Run>, lease: Lease, choice: Choice, intended: Duration, blocked: bool) {
        let run = Rc::clone(self);
        tokio::task::spawn_local(async move {
            run.exchange(lease, choice, intended, blocked).await;
        });
    }

    /// Sends one request, waits for its answer and gives the lease back; `true` when it was
    /// answered.
    async fn exchange(
        self: &Rc<Run>,
        lease: Lease,
        choice: Choice,
        intended: Duration,
        blocked: bool,
    ) -> bool {
        let sent = self.now();
        let counts = u64::from(self.record.borrow().counts(intended));
        self.record.borrow_mut().sent(intended, sent, blocked);
        self.in_flight.set(self.in_flight.get() + 1);
        self.counted.set(self.counted.get() + counts);
        self.most_in_flight.set(self.most_in_flight.get().max(self.in_flight.get()));
        let outcome = match lease {
            Lease::One(lease) => one::exchange(self, lease, choice).await,
            Lease::Two(lease) => two::exchange(self, lease, choice).await,
        };
        let done = self.now();
        self.freed.notify_one();
        self.in_flight.set(self.in_flight.get() - 1);
        self.counted.set(self.counted.get() - counts);
        if self.in_flight.get() == 0 {
            self.idle.notify_one();
        }
        match &outcome {
            Ok(_) => {
                self.heard.set(done);
                self.broken.set(0);
            }
            Err(fault) if fault.kind.is_of_the_connection() => {
                self.broken.set(self.broken.get() + 1);
            }
            // Neither an answer nor a sign that the target is gone.
            Err(_) => {}
        }
        let expected = match &outcome {
            Ok(answer) => self.plan.requests[choice.request].expects(answer.status),
            Err(_) => false,
        };
        let ended = Ended { request: choice.request, intended, sent, done, outcome };
        self.record.borrow_mut().ended(&ended, expected);
        ended.outcome.is_ok()
    }

    /// A lease, once there is one; `None` when the run stops or is `until` then before. Where it
    /// was waited for, `true` goes with it.
    async fn lease(&self, until: Duration) -> Option<(Lease, bool)> {
        let until = tokio::time::Instant::from_std(self.zero + until);
        let (mut waited, _turn) = match self.turn.try_lock() {
            Ok(turn) => (false, turn),
            Err(_) => (true, tokio::time::timeout_at(until, self.turn.lock()).await.ok()?),
        };
        loop {
            if self.stop.get().is_some() {
                return None;
            }
            if let Some(lease) = self.pool.borrow_mut().take() {
                return Some((lease, waited));
            }
            waited = true;
            tokio::time::timeout_at(until, self.freed.notified()).await.ok()?;
        }
    }

    /// Ends the run.
    fn stop(&self, why: Stop) {
        if self.stop.get().is_none() {
            self.stop.set(Some(why));
        }
        self.freed.notify_waiters();
        self.freed.notify_one();
    }
}

impl Pool {
    fn take(&mut self) -> Option<Lease> {
        match self {
            Pool::One(pool) => pool.take().map(Lease::One),
            Pool::Two(pool) => pool.take().map(Lease::Two),
        }
    }

    fn opened(&self) -> u64 {
        match self {
            Pool::One(pool) => pool.opened(),
            Pool::Two(pool) => pool.opened(),
        }
    }
}

/// What the system says of a connection, in our words.
fn fault_of(error: &std::io::Error) -> Fault {
    use std::io::ErrorKind;
    let kind = match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => Failure::Reset,
        ErrorKind::TimedOut => Failure::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Failure::Refused,
        _ => Failure::System,
    };
    Fault { kind, message: error.to_string() }
}

fn timed_out(after: Duration) -> Fault {
    Fault { kind: Failure::TimedOut, message: format!("no answer within {after:?}") }
}

type Answered = Result<Done, Fault>;
