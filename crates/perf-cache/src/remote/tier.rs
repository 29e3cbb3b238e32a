//! The tier: what is asked of the server, and what its answers mean.

use super::builder::RedisTierBuilder;
use super::claim::{Claim, EPOCH, OWNER};
use super::link::Trouble;
use super::request::Request;
use super::servers::Servers;
use super::stats::RedisStats;
use crate::disk::{Put, PutTerms, RefusedBecause};
use crate::tiered::{Fetched, OuterTier, TierError, TierGet, TierKind, TierUsage};
use perf_core::Clock;
use redis::Value;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A Redis or Valkey server as a tier. See the [module page](super).
#[derive(Debug)]
pub struct RedisTier {
    pub(super) servers: Servers,
    settings: Settings,
    /// Where the records are: a hash of its own, with the epoch.
    pub(super) records: Vec<u8>,
    pub(super) claim: Claim,
    /// Draws what is to be random, from keys that the system gave.
    random: (RandomState, AtomicU64),
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) prefix: Vec<u8>,
    pub(super) max_value: u64,
    /// In milliseconds.
    pub(super) max_ttl: u64,
    pub(super) jitter: f64,
    pub(super) clock: Clock,
}

impl RedisTier {
    /// Starts making a tier over the server at that URL: `redis://user:password@host:port/database`,
    /// `rediss:` for TLS, `unix:///path`.
    pub fn builder(url: impl Into<String>) -> RedisTierBuilder {
        RedisTierBuilder::new(vec![url.into()], false)
    }

    /// Starts making a tier over the cluster that some nodes at these URLs belong to: with those of
    /// them that are there, the others are found. User, password and TLS are the same for all of them,
    /// as are certificates.
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisTierBuilder {
        RedisTierBuilder::new(urls.into_iter().map(Into::into).collect(), true)
    }

    pub(super) fn new(servers: Servers, settings: Settings) -> RedisTier {
        let random = RandomState::new();
        RedisTier {
            servers,
            records: [&settings.prefix[..], b"g"].concat(),
            settings,
            claim: Claim::new(random.hash_one(std::process::id())),
            random: (random, AtomicU64::new(0)),
        }
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> RedisStats {
        self.servers.stats()
    }

    /// The bytes of several keys, each `None` where there are none: one round trip for each 128 keys.
    /// Not for pinned records.
    ///
    /// # Errors
    ///
    /// As [`get`](OuterTier::get); nothing is answered then.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, TierError> {
        self.claim()?;
        let mut all = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH) {
            let names: Vec<Vec<u8>> = keys.iter().map(|key| self.value_key(key)).collect();
            let mut request = Request::new();
            let mut words = vec![b"MGET".as_slice()];
            words.extend(names.iter().map(Vec::as_slice));
            request.command(words);
            let mut records = Request::new();
            records.command([b"HMGET", &self.records[..], EPOCH, OWNER]);
            let [values, state] = self.ask_both(&names[0], &request, &records)?;
            let [epoch, owner] = self.array("HMGET", state)?;
            let epoch = self.take_in(&epoch, &owner)?;
            let Value::Array(values) = values else { return Err(self.unexpected("MGET")) };
            if values.len() != keys.len() {
                return Err(self.unexpected("MGET"));
            }
            all.extend(values.into_iter().map(|value| match value {
                Value::BulkString(mut bytes) if self.is_of(epoch, &bytes) => {
                    bytes.drain(..FRAME);
                    Some(bytes)
                }
                _ => None,
            }));
        }
        Ok(all)
    }

    fn value_key(&self, key: &[u8]) -> Vec<u8> {
        [&self.settings.prefix[..], b"v:", key].concat()
    }

    /// Asks, and takes every answer that is an error for one.
    pub(super) fn ask<const N: usize>(&self, request: &Request) -> Result<[Value; N], TierError> {
        let answers = self.servers.ask(&self.records, request);
        self.exactly(answers.map_err(|trouble| self.error(trouble))?)
    }

    /// The same of the server that has the key `at`, and of the one with the records.
    fn ask_both<const N: usize>(
        &self,
        at: &[u8],
        request: &Request,
        records: &Request,
    ) -> Result<[Value; N], TierError> {
        let answers = self.servers.ask_all(&[(at, request), (&self.records, records)]);
        let answers = answers.map_err(|trouble| self.error(trouble))?;
        self.exactly(answers.into_iter().flatten().collect())
    }

    fn exactly<const N: usize>(&self, answers: Vec<Value>) -> Result<[Value; N], TierError> {
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                return Err(self.error(self.servers.refusal(error)));
            }
        }
        <[Value; N]>::try_from(answers).map_err(|_| self.unexpected("a request"))
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

    pub(super) fn array<const N: usize>(
        &self,
        command: &'static str,
        answer: Value,
    ) -> Result<[Value; N], TierError> {
        let Value::Array(all) = answer else { return Err(self.unexpected(command)) };
        <[Value; N]>::try_from(all).map_err(|_| self.unexpected(command))
    }

    pub(super) fn new_epoch(&self) -> u64 {
        self.draw().max(1)
    }

    fn draw(&self) -> u64 {
        let (keys, count) = &self.random;
        keys.hash_one(count.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether a value is of that epoch; counted if it is not.
    fn is_of(&self, epoch: u64, bytes: &[u8]) -> bool {
        let is_it =
            bytes.len() >= FRAME && bytes[0] == VERSION && bytes[1..FRAME] == epoch.to_le_bytes();
        if !is_it {
            self.servers.counts().orphaned.increment();
        }
        is_it
    }

    /// For how many milliseconds the server is to keep a value; `None` if it has ended.
    fn time_to_live(&self, expires_at: u64) -> Option<u64> {
        let now = self.settings.clock.wall().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let life = expires_at.checked_sub(now).filter(|life| *life > 0)?.min(self.settings.max_ttl);
        // 53 bits of it, as a share below one.
        let share = (self.draw() >> 11) as f64 / (1_u64 << 53) as f64 * self.settings.jitter;
        Some((life - (life as f64 * share) as u64).max(1))
    }

    fn put_value(&self, key: &[u8], bytes: &[u8], expires_at: u64) -> Result<Put, TierError> {
        let name = self.value_key(key);
        let Some(life) = self.time_to_live(expires_at) else {
            self.remove(key)?;
            return Ok(Put::Stored);
        };
        let life = life.to_string();
        for _ in 0..ATTEMPTS {
            let known = self.claim()?.to_le_bytes();
            let frame = [&[VERSION][..], &known, bytes].concat();
            let token = self.claim.token();
            let mut request = Request::new();
            request.command([
                b"EVAL".as_slice(),
                PUT_VALUE,
                b"2",
                &self.records,
                &name,
                &token,
                &known,
                &frame,
                life.as_bytes(),
            ]);
            let state = match self.put_once(&request)? {
                Some(Value::Int(1)) => return Ok(Put::Stored),
                Some(Value::ServerError(error)) if is_out_of_memory(&error) => {
                    self.servers.counts().out_of_memory.increment();
                    return Ok(Put::Refused(RefusedBecause::DiskFull));
                }
                Some(Value::ServerError(error)) => {
                    return Err(self.error(self.servers.refusal(&error)));
                }
                Some(state) => state,
                None => continue,
            };
            let [epoch, owner] = self.array("EVAL", state)?;
            self.take_in(&epoch, &owner)?;
            self.expect_token(&owner, &token);
        }
        // Epoch or owner change all the time.
        Err(self.unexpected("EVAL"))
    }

    /// A record, or where these are another's by now, a new epoch: that ends whatever the record
    /// would have ended.
    fn put_record(&self, key: &[u8], bytes: &[u8]) -> Result<Put, TierError> {
        for _ in 0..ATTEMPTS {
            if !self.claim.is_deposed() {
                self.claim()?;
            }
            let mut request = Request::new();
            request.command([
                b"EVAL".as_slice(),
                PUT_RECORD,
                b"1",
                &self.records,
                &self.claim.token(),
                &field(key),
                bytes,
                &self.new_epoch().to_le_bytes(),
            ]);
            match self.put_once(&request)? {
                Some(Value::Int(1)) => return Ok(Put::Stored),
                Some(Value::Int(0)) => {
                    self.claim.depose();
                    self.servers.counts().epochs.increment();
                    return Ok(Put::Stored);
                }
                // By an older token of our own.
                Some(Value::Int(2)) => self.claim.doubt(),
                // The server has lost the records, which is nobody's doing: they are claimed again.
                // Who was deposed before has ended everything by the new epoch.
                Some(Value::Int(3)) => {
                    self.servers.counts().epochs.increment();
                    if self.claim.is_deposed() {
                        return Ok(Put::Stored);
                    }
                    self.claim.doubt();
                }
                Some(Value::ServerError(error)) => {
                    return Err(self.error(self.servers.refusal(&error)));
                }
                Some(_) => return Err(self.unexpected("EVAL")),
                None => {}
            }
        }
        Err(self.unexpected("EVAL"))
    }

    /// Puts. Where nobody knows whether the server has done it, or will yet, another token is claimed
    /// before anything else is asked, by which it will not; and `None` if it may be tried again.
    fn put_once(&self, request: &Request) -> Result<Option<Value>, TierError> {
        match self.servers.ask_once(&self.records, request) {
            Ok(answers) => {
                let [answer] =
                    <[Value; 1]>::try_from(answers).map_err(|_| self.unexpected("EVAL"))?;
                Ok(Some(answer))
            }
            Err(Trouble::Broken(_)) => {
                self.claim.doubt();
                Ok(None)
            }
            Err(trouble) => {
                self.claim.doubt();
                Err(self.error(trouble))
            }
        }
    }
}

impl OuterTier for RedisTier {
    fn name(&self) -> &'static str {
        REDIS
    }

    fn kind(&self) -> TierKind {
        TierKind::Remote
    }

    fn always_waits(&self) -> bool {
        true
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.servers.limits().deadline)
    }

    fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TierGet, TierError> {
        Ok(TierGet::WouldBlock)
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
        Ok(self.fetch(key, into)? != Fetched::Missing)
    }

    fn fetch(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Fetched, TierError> {
        self.claim()?;
        let name = self.value_key(key);
        let mut request = Request::new();
        request.command([b"GET", &name[..]]);
        request.command([b"PTTL", &name[..]]);
        let mut records = Request::new();
        records.command([b"HMGET", &self.records[..], EPOCH, OWNER, &field(key)]);
        let [value, left, both] = self.ask_both(&name, &request, &records)?;
        let [epoch, owner, record] = self.array("HMGET", both)?;
        let epoch = self.take_in(&epoch, &owner)?;
        if let Value::BulkString(record) = record {
            into.extend_from_slice(&record);
            return Ok(Fetched::Found);
        }
        let value = match value {
            Value::BulkString(value) if self.is_of(epoch, &value) => value,
            Value::BulkString(_) | Value::Nil => return Ok(Fetched::Missing),
            _ => return Err(self.unexpected("GET")),
        };
        into.extend_from_slice(&value[FRAME..]);
        match left {
            // It ended between the two commands.
            Value::Int(-2) => Ok(Fetched::Missing),
            Value::Int(left) => Ok(u64::try_from(left)
                .map_or(Fetched::Found, |left| Fetched::FoundFor(Duration::from_millis(left)))),
            _ => Err(self.unexpected("PTTL")),
        }
    }

    fn contains(&self, key: &[u8]) -> Result<bool, TierError> {
        self.claim()?;
        let name = self.value_key(key);
        let mut request = Request::new();
        request.command([b"GETRANGE", &name[..], b"0", LAST_OF_FRAME]);
        let mut records = Request::new();
        records.command([b"HMGET", &self.records[..], EPOCH, OWNER, &field(key)]);
        let [frame, both] = self.ask_both(&name, &request, &records)?;
        let [epoch, owner, record] = self.array("HMGET", both)?;
        let epoch = self.take_in(&epoch, &owner)?;
        let is_value = match frame {
            Value::BulkString(frame) => !frame.is_empty() && self.is_of(epoch, &frame),
            _ => return Err(self.unexpected("GETRANGE")),
        };
        Ok(is_value || record != Value::Nil)
    }

    fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError> {
        if bytes.len() as u64 > self.settings.max_value {
            self.servers.counts().too_large.increment();
            return Ok(Put::Refused(RefusedBecause::TooLarge));
        }
        if terms.pinned {
            return self.put_record(key, bytes);
        }
        self.put_value(key, bytes, terms.expires_at)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        // What is on its way must not come after it.
        self.settle()?;
        let name = self.value_key(key);
        let mut request = Request::new();
        request.command([b"DEL", &name[..]]);
        request.command([b"HDEL", &self.records[..], &field(key)]);
        let [value, record] = self.ask(&request)?;
        Ok(value == Value::Int(1) || record == Value::Int(1))
    }

    /// Begins another epoch: constant time, and how many that ends is not known, so zero. The server
    /// frees them when their lives are over.
    fn clear(&self) -> Result<u64, TierError> {
        let mut request = Request::new();
        let new = self.new_epoch();
        request.command([b"HSET", &self.records[..], EPOCH, &new.to_le_bytes()]);
        let [_] = self.ask(&request)?;
        self.servers.counts().epochs.increment();
        Ok(0)
    }

    /// What the server holds for others is not told apart: only what was refused and lost is known.
    fn usage(&self) -> TierUsage {
        let stats = self.stats();
        TierUsage {
            refused: stats.too_large + stats.out_of_memory,
            lost: stats.orphaned,
            ..TierUsage::default()
        }
    }

    /// The bound is the server's own.
    fn set_max_bytes(&self, _: u64) {}

    fn close(&self) -> Result<u64, TierError> {
        self.servers.close();
        Ok(0)
    }
}

/// Before version 7, a server says of an error in a script where it was first.
fn is_out_of_memory(error: &redis::ServerError) -> bool {
    error.code() == "OOM" || error.details().is_some_and(|details| details.contains("-OOM "))
}

/// What holds a record in the hash.
fn field(key: &[u8]) -> Vec<u8> {
    [b"r", key].concat()
}

const REDIS: &str = "redis";
/// Puts a value if the owner and the epoch are what they were; else what they are.
const PUT_VALUE: &[u8] = b"local s = redis.call('HMGET', KEYS[1], 'e', 'o') \
    if s[1] ~= ARGV[2] or s[2] ~= ARGV[1] then return s end \
    redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4]) return 1";
/// Puts a record if the owner is who it was; 2 if it is so by another token; else begins an epoch,
/// and answers 3 where there is no owner.
const PUT_RECORD: &[u8] = b"local o = redis.call('HGET', KEYS[1], 'o') or '' \
    if o == ARGV[1] then redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) return 1 end \
    if o:sub(1, 8) == ARGV[1]:sub(1, 8) then return 2 end \
    redis.call('HSET', KEYS[1], 'e', ARGV[4]) return o == '' and 3 or 0";
/// Epoch and owner may change under a call so often.
const ATTEMPTS: usize = 4;
/// What is before each value: a version and the epoch.
const FRAME: usize = 9;
const LAST_OF_FRAME: &[u8] = b"8";
const VERSION: u8 = 1;
/// Keys of one command.
const BATCH: usize = 128;
