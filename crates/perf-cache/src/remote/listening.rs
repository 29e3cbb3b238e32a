//! The thread that waits for what others change.
//!
//! It reads the journal from where it has got to, on a connection of its own, and waits a moment for
//! more. Each answer says that there was nothing else up to when it was asked for. Where there is none
//! for too long, what is near has to go.

use super::inner::Core;
use super::journal::{Break, Place, entries_of_one};
use super::news::PIECE;
use super::own::OwnConnection;
use super::request::Request;
use crate::tiered::TierError;
use perf_core::Instant;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Starts it. It has nothing to do until there is somebody to be told.
pub(super) fn listen(core: Arc<Core>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("perf-cache-news".to_owned()).spawn(move || {
        while core.receiver.get().is_none() && !core.is_closed() {
            thread::park();
        }
        // Whoever is told may panic. Nobody else would hear of changes then, or drop what is near when
        // there is nothing to hear.
        while catch_unwind(AssertUnwindSafe(|| Listening::new(&core).run())).is_err() {
            core.counts().panics.increment();
            thread::park_timeout(PAUSE);
        }
    })
}

struct Listening<'a> {
    core: &'a Core,
    own: OwnConnection,
    /// How long an answer may take, with a connection.
    longest: Duration,
    /// The last change that was known when an answer had none after it, and said that there are some.
    hidden_after: Option<u64>,
    /// When what is near was last dropped for not being heard of.
    doubted_at: Instant,
}

impl Listening<'_> {
    fn new(core: &Core) -> Listening<'_> {
        let window = core.settings.stale_window;
        let timeout = BLOCK + (window / 4).min(PATIENCE);
        let connecting = core.servers.limits().connect_timeout.min(window / 4);
        Listening {
            own: core.servers.own_connection(&core.names.journal, timeout),
            core,
            longest: timeout + connecting,
            hidden_after: None,
            doubted_at: Instant::default(),
        }
    }

    fn run(&mut self) {
        let clock = self.core.settings.clock.clone();
        self.doubt_in_time();
        while !self.core.is_closed() {
            let asked = clock.now();
            match self.read() {
                Ok(true) => self.core.hear(asked),
                Ok(false) => {}
                Err(_) => thread::park_timeout(PAUSE),
            }
            self.doubt_in_time();
        }
    }

    /// What is about to be asked may be answered too late.
    fn doubt_in_time(&mut self) {
        let known = self.core.heard_at().max(self.doubted_at);
        let now = self.core.settings.clock.now();
        if now + self.longest >= known + self.core.settings.stale_window {
            self.doubted_at = now;
            self.core.doubt_unheard();
        }
    }

    /// Takes in what there is, or waits for it; whether that was all.
    fn read(&mut self) -> Result<bool, TierError> {
        let core = self.core;
        let before = core.place();
        if before.epoch == 0 {
            return self.begin_anew(before, None);
        }
        let mut request = Request::new();
        request.command([
            b"XREAD".as_slice(),
            b"COUNT",
            PIECE.to_string().as_bytes(),
            b"BLOCK",
            BLOCK.as_millis().to_string().as_bytes(),
            b"STREAMS",
            &core.names.journal,
            format!("{}-0", before.number).as_bytes(),
        ]);
        request.append(&core.asking_told);
        let [news, told] = core.well(self.own.ask(&request))?;
        let told = core.told(&told)?;
        let news = entries_of_one(news).ok_or_else(|| core.unexpected("XREAD"))?;
        let Some(told) = told.filter(|told| told.epoch == before.epoch) else {
            return self.begin_anew(before, None);
        };
        let is_other = told.number == before.number && told.nonce != before.nonce;
        if told.number < before.number || is_other {
            return self.broken(before, Break::Forked);
        }
        if news.is_empty() && told.number > before.number {
            // It came between the two commands, or the journal is lost.
            if self.hidden_after.replace(before.number) == Some(before.number) {
                return self.broken(before, Break::Gap);
            }
            return Ok(false);
        }
        let is_all = (news.len() as u64) < PIECE;
        match core.take_in(told.epoch, news) {
            Ok(()) => Ok(is_all),
            Err(why) => self.broken(before, why),
        }
    }

    fn broken(&mut self, seen: Place, why: Break) -> Result<bool, TierError> {
        let over = self.core.over(seen, why);
        self.begin_anew(seen, over)
    }

    /// As the calls do, but what there is to read may be much, and here there is time for it.
    fn begin_anew(&mut self, seen: Place, over: Option<u64>) -> Result<bool, TierError> {
        self.hidden_after = None;
        self.doubt_in_time();
        let (new, request) = self.core.state_request(over);
        let [answer] = self.core.well(self.own.ask(&request))?;
        self.core.install(seen, new, answer)?;
        Ok(false)
    }
}

/// How long the server is asked to wait for a change: so often it is heard of where there are none.
const BLOCK: Duration = Duration::from_millis(200);
/// How much later it may answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between attempts that fail.
const PAUSE: Duration = Duration::from_millis(100);
