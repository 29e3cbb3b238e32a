//! An HTTP store as a tier.

mod builder;
mod doubts;
mod frame;
mod stats;

pub use builder::EdgeStoreBuilder;
pub use stats::EdgeStats;

use self::doubts::Doubts;
use self::frame::Frame;
use self::stats::Counts;
use super::date::Utc;
use super::error::EdgeError;
use super::http::{Answer, Ask, Client, NoAnswer};
use crate::disk::{Put, PutTerms, RefusedBecause};
use crate::tiered::{OuterTier, RECORDS, TierError, TierGet, TierKind, TierUsage};
use perf_core::Clock;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use ureq::http::Method;

/// Values as the files of an HTTP store: PUT, GET, HEAD and DELETE under one URL.
///
/// That is nginx with its WebDAV module, an object store, or whatever else keeps what is put. It is
/// given to [`TieredCacheBuilder::tier`](crate::tiered::TieredCacheBuilder::tier). See the
/// [module page](super).
#[derive(Debug)]
pub struct EdgeStore {
    client: Client,
    settings: Settings,
    counts: Counts,
    doubts: Mutex<Doubts>,
    random: (RandomState, AtomicU64),
    is_closed: AtomicBool,
}

#[derive(Debug)]
struct Settings {
    /// With a slash at its end, and the prefix.
    base: String,
    deadline: Duration,
    max_value: u64,
    clock: Clock,
}

impl EdgeStore {
    /// Starts making a tier over the store whose files lie under that URL:
    /// `http://host:port/path`, or `https:` with the feature `cdn-tls`.
    pub fn builder(base_url: impl Into<String>) -> EdgeStoreBuilder {
        EdgeStoreBuilder::new(base_url.into())
    }

    fn new(client: Client, settings: Settings) -> EdgeStore {
        EdgeStore {
            client,
            settings,
            counts: Counts::default(),
            doubts: Mutex::default(),
            random: (RandomState::new(), AtomicU64::new(0)),
            is_closed: AtomicBool::new(false),
        }
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> EdgeStats {
        self.counts.read()
    }

    /// Where the file of a key is. Keys may be long, and hold what a path must not: their hash names
    /// the file, two bytes of it the folder, and the key itself is in the file.
    fn url_of(&self, key: &[u8]) -> String {
        let folder = if is_record(key) { KEPT } else { VALUES };
        let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(key));
        let base = &self.settings.base;
        format!("{base}{folder}/{}/{}/{}", &hash[..2], &hash[2..4], &hash[4..])
    }

    /// Asks for the file of a key.
    fn ask(
        &self,
        method: Method,
        key: &[u8],
        headers: Vec<(&str, String)>,
        body: &[u8],
    ) -> Result<Answer, TierError> {
        // Relaxed: a call that overlaps with `close` may still be made.
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(TierError::Closed);
        }
        let (url, deadline) = (self.url_of(key), self.settings.deadline);
        let max_body = self.settings.max_value.saturating_add(Frame::MOST);
        let answer = self.client.ask(&Ask { method, url, headers, body, deadline, max_body });
        answer.map_err(|none| self.unanswered(none))
    }

    /// Whether there is a file, or was until now.
    fn is_there(&self, method: &'static str, answer: &Answer) -> Result<bool, TierError> {
        let is_there = match answer.status {
            200..=299 => true,
            404 | 410 => false,
            _ => return Err(self.refused(method, answer)),
        };
        self.counts.answered.increment();
        Ok(is_there)
    }

    fn refused(&self, method: &'static str, answer: &Answer) -> TierError {
        self.counts.errors.increment();
        let Answer { status, retry_after, .. } = *answer;
        let server = self.client.server.clone();
        let error = match status {
            401 | 403 | 407 => EdgeError::Denied { server, status },
            429 | 503 => EdgeError::Overloaded { server, status, retry_after },
            _ => EdgeError::Refused { server, method, status },
        };
        TierError::new(CDN, error)
    }

    fn unanswered(&self, none: NoAnswer) -> TierError {
        let server = self.client.server.clone();
        let error = match none {
            NoAnswer::TimedOut => {
                self.counts.timed_out.increment();
                return TierError::TimedOut { tier: CDN };
            }
            NoAnswer::Unreachable(why) => {
                self.counts.broken.increment();
                EdgeError::Unreachable { server, why }
            }
            NoAnswer::Malformed(why) | NoAnswer::Impossible(why) => {
                self.counts.damaged.increment();
                EdgeError::Damaged { server, why }
            }
        };
        TierError::new(CDN, error)
    }

    /// A write was given up that the store may do all the same.
    fn doubt(&self, nonce: u64) {
        if self.doubts().add(nonce) {
            self.counts.forgotten.increment();
        }
    }

    fn draw(&self) -> u64 {
        let (keys, count) = &self.random;
        keys.hash_one(count.fetch_add(1, Ordering::Relaxed))
    }

    fn doubts(&self) -> MutexGuard<'_, Doubts> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What intermediaries may do with a file, and when it is of no use any more: for whoever sweeps
    /// the store. `None` if that is over.
    fn life(&self, terms: PutTerms) -> Option<Vec<(&'static str, String)>> {
        if terms.pinned || terms.expires_at == PutTerms::NEVER {
            return Some(vec![("cache-control", "no-cache".to_owned())]);
        }
        let now = self.settings.clock.wall().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let left = terms.expires_at.checked_sub(now).filter(|left| *left > 0)?;
        Some(vec![
            ("cache-control", format!("private, max-age={}", left.div_ceil(1_000))),
            ("expires", Utc::of_unix_ms(terms.expires_at.saturating_add(999)).http()),
        ])
    }
}

impl OuterTier for EdgeStore {
    fn name(&self) -> &'static str {
        CDN
    }

    fn kind(&self) -> TierKind {
        TierKind::Cdn
    }

    fn always_waits(&self) -> bool {
        true
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.settings.deadline)
    }

    fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TierGet, TierError> {
        Ok(TierGet::WouldBlock)
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
        let answer = self.ask(Method::GET, key, Vec::new(), &[])?;
        if !self.is_there("GET", &answer)? {
            return Ok(false);
        }
        let frame = Frame::parse(&answer.body)
            .map_err(|why| self.unanswered(NoAnswer::Malformed(why.to_owned())))?;
        if frame.key != key {
            self.counts.collided.increment();
            return Ok(false);
        }
        if self.doubts().has(frame.nonce) {
            self.counts.late.increment();
            return Ok(false);
        }
        into.extend_from_slice(frame.bytes);
        Ok(true)
    }

    /// By HEAD: also what [`get`](OuterTier::get) would find to be of another key is there.
    fn contains(&self, key: &[u8]) -> Result<bool, TierError> {
        let answer = self.ask(Method::HEAD, key, Vec::new(), &[])?;
        self.is_there("HEAD", &answer)
    }

    /// Only the records of a [`TieredCache`](crate::TieredCache) can be pinned; others are refused.
    fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError> {
        if bytes.len() as u64 > self.settings.max_value || key.len() as u64 > Frame::MOST_KEY {
            self.counts.too_large.increment();
            return Ok(Put::Refused(RefusedBecause::TooLarge));
        }
        if terms.pinned && !is_record(key) {
            return Ok(Put::Refused(RefusedBecause::PinnedFull));
        }
        let Some(mut headers) = self.life(terms) else {
            self.remove(key)?;
            return Ok(Put::Stored);
        };
        headers.push(("content-type", "application/octet-stream".to_owned()));
        let nonce = self.draw();
        let file = Frame { nonce, key, bytes }.write();
        let answer = self.ask(Method::PUT, key, headers, &file);
        let answer = answer.inspect_err(|_| self.doubt(nonce))?;
        let because = match answer.status {
            200..=299 => {
                self.counts.answered.increment();
                return Ok(Put::Stored);
            }
            413 => RefusedBecause::TooLarge,
            507 => RefusedBecause::DiskFull,
            _ => {
                // A proxy answers for a store that may still do it.
                self.doubt(nonce);
                return Err(self.refused("PUT", &answer));
            }
        };
        self.counts.no_room.increment();
        Ok(Put::Refused(because))
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        let answer = self.ask(Method::DELETE, key, Vec::new(), &[])?;
        self.is_there("DELETE", &answer)
    }

    /// Asks the store to remove the folder of all values, as WebDAV has it, and waits for half of the
    /// deadline; how many these were is not known, so zero. Object stores have no folders: there, and
    /// where the store refuses it, the values stay, which is counted.
    /// [`TieredCache::clear`](crate::TieredCache::clear) has ended them before by a record; what is
    /// left is for the store's own rules to sweep.
    fn clear(&self) -> Result<u64, TierError> {
        let url = format!("{}{VALUES}/", self.settings.base);
        let deadline = self.settings.deadline / 2;
        let ask = Ask {
            method: Method::DELETE,
            url,
            headers: Vec::new(),
            body: &[],
            deadline,
            max_body: MOST_TOLD,
        };
        match self.client.ask(&ask) {
            Ok(Answer { status: 200..=299 | 404 | 410, .. }) => self.counts.answered.increment(),
            // It was told, and goes on.
            Err(NoAnswer::TimedOut) | Ok(_) => self.counts.not_cleared.increment(),
            Err(none) => return Err(self.unanswered(none)),
        }
        Ok(0)
    }

    /// What the store holds is not known: only what was refused and damaged is.
    fn usage(&self) -> TierUsage {
        let stats = self.stats();
        TierUsage {
            refused: stats.too_large + stats.no_room,
            corrupt: stats.damaged,
            lost: stats.late,
            ..TierUsage::default()
        }
    }

    /// The bound is the store's own.
    fn set_max_bytes(&self, _: u64) {}

    fn close(&self) -> Result<u64, TierError> {
        self.is_closed.store(true, Ordering::Relaxed);
        Ok(0)
    }
}

fn is_record(key: &[u8]) -> bool {
    key.first() == Some(&RECORDS)
}

const CDN: &str = "cdn";
/// Folders: of values, and of the records that must outlive them.
const VALUES: char = 'v';
const KEPT: char = 'r';
/// Of what a store says beside its status.
const MOST_TOLD: u64 = 64 << 10;
