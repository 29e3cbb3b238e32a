//! What the callers of a tier and the thread that listens for it have in common.

use super::journal::{Place, Told};
use super::keys::Names;
use super::link::Trouble;
use super::request::Request;
use super::servers::Servers;
use super::stats::{Counts, RedisStats};
use crate::tiered::{Receiver, TierError};
use perf_core::{Clock, Instant};
use redis::Value;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};

#[derive(Debug)]
pub(super) struct Core {
    pub(super) servers: Servers,
    pub(super) settings: Settings,
    pub(super) names: Names,
    /// Which of those who use the prefix this is.
    pub(super) node: u64,
    /// What asks for the last change.
    pub(super) asking_told: Request,
    /// Draws what is to be random, from keys that the system gave.
    random: (RandomState, AtomicU64),
    /// How far changes were taken in. Held only to copy it.
    pub(super) place: Mutex<Place>,
    /// Held while changes are taken in, so that they are in order.
    pub(super) order: Mutex<()>,
    pub(super) receiver: OnceLock<Weak<dyn Receiver>>,
    /// When the server was asked whose answer said last that there is nothing else to take in.
    pub(super) heard_at: AtomicU64,
    pub(super) is_closed: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) max_value: u64,
    /// In milliseconds.
    pub(super) max_ttl: u64,
    pub(super) jitter: f64,
    pub(super) stale_window: Duration,
    /// Changes that the server keeps.
    pub(super) journal: u64,
    /// Tags and dependencies that it keeps.
    pub(super) tags: u64,
    /// Namespaces and patterns.
    pub(super) patterns: u64,
    pub(super) clock: Clock,
}

impl Core {
    pub(super) fn new(servers: Servers, prefix: &str, settings: Settings) -> Core {
        let random = RandomState::new();
        let names = Names::new(prefix);
        let [e, n, x] = Told::FIELDS;
        let mut asking_told = Request::new();
        asking_told.command([b"HMGET".as_slice(), &names.state, e, n, x]);
        Core {
            asking_told,
            servers,
            heard_at: AtomicU64::new(settings.clock.now().as_nanos()),
            settings,
            names,
            node: random.hash_one(std::process::id()),
            random: (random, AtomicU64::new(0)),
            place: Mutex::default(),
            order: Mutex::default(),
            receiver: OnceLock::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    pub(super) fn counts(&self) -> &Counts {
        self.servers.counts()
    }

    pub(super) fn stats(&self) -> RedisStats {
        let unheard = self.settings.clock.now() - self.heard_at();
        let is_listening = self.receiver.get().is_some();
        RedisStats {
            unheard_for_ms: if is_listening { milliseconds(unheard) } else { 0 },
            ..self.servers.stats()
        }
    }

    pub(super) fn heard_at(&self) -> Instant {
        Instant::from_nanos(self.heard_at.load(Ordering::Acquire))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.servers.close();
    }

    /// Asks the server that has the key `at`, and takes every answer that is an error for one.
    pub(super) fn ask<const N: usize>(
        &self,
        at: &[u8],
        request: &Request,
    ) -> Result<[Value; N], TierError> {
        self.well(self.servers.ask(at, request))
    }

    /// The same for answers that are there.
    pub(super) fn well<const N: usize>(
        &self,
        answers: Result<Vec<Value>, Trouble>,
    ) -> Result<[Value; N], TierError> {
        let answers = self.all_well(answers)?;
        <[Value; N]>::try_from(answers).map_err(|_| self.unexpected("a request"))
    }

    /// The same for any number of them.
    pub(super) fn all_well(
        &self,
        answers: Result<Vec<Value>, Trouble>,
    ) -> Result<Vec<Value>, TierError> {
        let answers = answers.map_err(|trouble| self.error(trouble))?;
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                return Err(self.refusal(error));
            }
        }
        Ok(answers)
    }

    pub(super) fn refusal(&self, error: &redis::ServerError) -> TierError {
        self.error(self.servers.refusal(error))
    }

    pub(super) fn error(&self, trouble: Trouble) -> TierError {
        match trouble {
            Trouble::TimedOut => TierError::TimedOut { tier: REDIS },
            Trouble::Closed => TierError::Closed,
            Trouble::Broken(error) | Trouble::Failed(error) => TierError::new(REDIS, error),
        }
    }

    pub(super) fn unexpected(&self, command: &'static str) -> TierError {
        self.error(self.servers.unexpected(command))
    }

    /// What `PTTL` says is left of a life; `None` if it is over.
    pub(super) fn left(&self, answer: &Value) -> Result<Option<Duration>, TierError> {
        let left = match *answer {
            // It ended between the two commands.
            Value::Int(-2) => return Ok(None),
            // Somebody made it last.
            Value::Int(-1) => self.settings.max_ttl,
            Value::Int(left) => u64::try_from(left).unwrap_or(0),
            _ => return Err(self.unexpected("PTTL")),
        };
        Ok(Some(Duration::from_millis(left)))
    }

    pub(super) fn draw(&self) -> u64 {
        let (keys, count) = &self.random;
        keys.hash_one(count.fetch_add(1, Ordering::Relaxed))
    }

    /// An epoch that nobody else has drawn.
    pub(super) fn new_epoch(&self) -> u64 {
        self.draw().max(1)
    }

    /// For how many milliseconds the server is to keep a value; `None` if it has ended.
    pub(super) fn time_to_live(&self, expires_at: u64) -> Option<u64> {
        let now = self.settings.clock.wall().duration_since(SystemTime::UNIX_EPOCH);
        let now = milliseconds(now.unwrap_or_default());
        let life = expires_at.checked_sub(now).filter(|life| *life > 0)?.min(self.settings.max_ttl);
        // 53 bits of it, as a share below one.
        let share = (self.draw() >> 11) as f64 / (1_u64 << 53) as f64 * self.settings.jitter;
        Some((life - (life as f64 * share) as u64).max(1))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) const REDIS: &str = "redis";
