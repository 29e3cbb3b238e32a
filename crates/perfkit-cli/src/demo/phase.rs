//! One run of the load: the same sequence of requests, from its start.

use super::check::{Checked, Checker};
use super::sequence::{CODINGS, Sequence};
use super::site::Site;
use perf_bench::load::wire::{self, Answer, Timing, Visitor};
use perf_core::Histogram;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a run needs.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) site: Arc<Site>,
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) seed: u64,
    /// Whether answers may come from the cache. If not, requests say `no-store`: each is fetched
    /// and encoded for itself, by the same gateway.
    pub(crate) cached: bool,
    /// Every answer is timed one by one up to this many.
    pub(crate) keep: usize,
}

/// A run on a thread of its own, so that load and gateway do not take turns on one core.
#[derive(Debug)]
pub(crate) struct Running {
    thread: JoinHandle<Result<Outcome, String>>,
    stop: Arc<AtomicBool>,
    pub(crate) progress: Arc<Progress>,
}

/// How far a run has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) requests: AtomicU64,
    pub(crate) hits: AtomicU64,
}

/// What a run measured.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The pages in the order of their requests.
    pub(crate) order: Vec<u32>,
    /// How long the first answers took, by their place in the sequence. `None` where the run ended
    /// before the answer.
    pub(crate) first: Vec<Option<Timing>>,
    /// How long all answers took to the last byte.
    pub(crate) whole: Histogram,
    /// Answers.
    pub(crate) requests: u64,
    /// Answers that `Cache-Status` calls a hit.
    pub(crate) hits: u64,
    /// Answers that shared a fetch with another request.
    pub(crate) collapsed: u64,
    /// Bytes of the bodies on the wire.
    pub(crate) body_bytes: u64,
    /// Bytes of the heads on the wire.
    pub(crate) head_bytes: u64,
    /// Bytes of the pages that were asked for.
    pub(crate) page_bytes: u64,
    /// Answers by coding: br, zstd, gzip, none.
    pub(crate) codings: [u64; 4],
    /// Bodies that were decoded and compared with their files.
    pub(crate) checked: Checked,
    /// How long the run took.
    pub(crate) elapsed: Duration,
}

/// The names of [`Outcome::codings`].
pub(crate) const CODING_NAMES: [&str; 4] = ["br", "zstd", "gzip", ""];

impl Load {
    /// Starts a run.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(crate) fn start(&self) -> Result<Running, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        let (load, stopped, seen) = (self.clone(), Arc::clone(&stop), Arc::clone(&progress));
        let thread = thread::Builder::new()
            .name("perfkit-load".to_owned())
            .spawn(move || load.run(stopped, seen))
            .map_err(|error| format!("no thread for the load: {error}"))?;
        Ok(Running { thread, stop, progress })
    }

    fn run(self, stop: Arc<AtomicBool>, progress: Arc<Progress>) -> Result<Outcome, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|error| format!("no runtime for the load: {error}"))?;
        let checker = Checker::start(Arc::clone(&self.site))?;
        let shared = Rc::new(RefCell::new(Shared {
            sequence: Sequence::new(self.site.pages.len(), self.seed),
            outcome: Outcome::default(),
            site: Arc::clone(&self.site),
            host: self.address.to_string(),
            cached: self.cached,
            keep: self.keep,
            checker,
            progress,
        }));
        let visitors = (0..self.connections)
            .map(|_| Client { shared: Rc::clone(&shared), at: 0, page: 0, coding: 0 })
            .collect();
        let start = Instant::now();
        // The visitors end here: what they share is wanted alone.
        let visited = runtime.block_on(wire::visit_all(self.address, visitors, &stop)).map(drop);
        let elapsed = start.elapsed();
        let Ok(shared) = Rc::try_unwrap(shared) else {
            return Err("a client outlived its run".to_owned());
        };
        let Shared { mut outcome, checker, .. } = shared.into_inner();
        // First, since it knows better what was wrong.
        outcome.checked = checker.finish()?;
        visited?;
        outcome.elapsed = elapsed;
        Ok(outcome)
    }
}

impl Running {
    /// Whether it has ended, by a failure.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Lets open requests end, and answers what was measured.
    ///
    /// # Errors
    ///
    /// What was wrong with an answer.
    pub(crate) fn stop(self) -> Result<Outcome, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the load ended in a panic".to_owned())?
    }
}

/// What the clients of one run share. They are on one thread.
struct Shared {
    sequence: Sequence,
    outcome: Outcome,
    site: Arc<Site>,
    host: String,
    cached: bool,
    keep: usize,
    checker: Checker,
    progress: Arc<Progress>,
}

/// One connection's side of the run.
struct Client {
    shared: Rc<RefCell<Shared>>,
    at: usize,
    page: usize,
    coding: usize,
}

impl Visitor for Client {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let mut shared = self.shared.borrow_mut();
        let Some(wish) = shared.sequence.next() else { return false };
        self.at = shared.outcome.order.len();
        (self.page, self.coding) = (wish.page, wish.coding);
        let Ok(page) = u32::try_from(wish.page) else { return false };
        shared.outcome.order.push(page);
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(shared.site.pages[wish.page].path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        out.extend_from_slice(shared.host.as_bytes());
        out.extend_from_slice(b"\r\nuser-agent: perfkit-demo\r\naccept: text/html,*/*;q=0.8\r\n");
        let (accepted, _) = CODINGS[wish.coding];
        if !accepted.is_empty() {
            out.extend_from_slice(b"accept-encoding: ");
            out.extend_from_slice(accepted.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if !shared.cached {
            out.extend_from_slice(b"cache-control: no-store\r\n");
        }
        out.extend_from_slice(b"\r\n");
        true
    }

    fn answered(&mut self, answer: &Answer, timing: Timing) -> Result<(), String> {
        let mut shared = self.shared.borrow_mut();
        let Shared { outcome, site, keep, checker, progress, .. } = &mut *shared;
        let page = &site.pages[self.page];
        if answer.status() != 200 {
            return Err(format!(
                "{} was answered with {} instead of 200: {}",
                page.path,
                answer.status(),
                String::from_utf8_lossy(&answer.body()[..answer.body().len().min(300)])
            ));
        }
        let coding = answer.header("content-encoding");
        let Some(index) = CODING_NAMES.iter().position(|name| *name == coding) else {
            return Err(format!(
                "{} came in the coding `{coding}`, which nobody asked for",
                page.path
            ));
        };
        if !coding.is_empty() && !CODINGS[self.coding].0.contains(coding) {
            return Err(format!(
                "{} came in {coding} to a client that accepts only `{}`",
                page.path, CODINGS[self.coding].0
            ));
        }
        checker.look(self.page, index, answer.body())?;
        if self.at < *keep {
            if outcome.first.len() <= self.at {
                outcome.first.resize(self.at + 1, None);
            }
            outcome.first[self.at] = Some(timing);
        }
        outcome.whole.record_duration(timing.whole);
        let status = answer.header("cache-status");
        let hit = status.contains("; hit");
        outcome.requests += 1;
        outcome.hits += u64::from(hit);
        outcome.collapsed += u64::from(status.contains("collapsed"));
        outcome.codings[index] += 1;
        outcome.body_bytes += answer.body_bytes();
        outcome.head_bytes += answer.wire_bytes().saturating_sub(answer.body_bytes());
        outcome.page_bytes += page.bytes;
        progress.requests.store(outcome.requests, Ordering::Relaxed);
        progress.hits.store(outcome.hits, Ordering::Relaxed);
        Ok(())
    }
}
