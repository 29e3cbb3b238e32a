//! The tier: what is asked of the server, and what its answers mean.

use super::builder::RedisTierBuilder;
use super::inner::{Core, REDIS, Settings};
use super::journal::Place;
use super::keys::{END_OF_FRAME, FRAME, number_of};
use super::listening::listen;
use super::request::Request;
use super::servers::Servers;
use super::stats::RedisStats;
use crate::disk::{Put, PutTerms};
use crate::tiered::{
    Fetched, Lease, OuterTier, Receiver, Scope, SharedTier, Since, TierError, TierGet, TierKind,
    TierUsage,
};
use redis::Value;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;

/// A Redis or Valkey server as a tier. See the [module page](super).
#[derive(Debug)]
pub struct RedisTier {
    pub(super) core: Arc<Core>,
    listening: Thread,
}

impl RedisTier {
    /// Starts making a tier over the server at that URL: `redis://user:password@host:port/database`,
    /// `rediss:` for TLS, `unix:///path`, with `?protocol=resp3` for the newer protocol.
    pub fn builder(url: impl Into<String>) -> RedisTierBuilder {
        RedisTierBuilder::new(vec![url.into()], false)
    }

    /// Starts making a tier over the cluster that some nodes at these URLs belong to: with those of
    /// them that are there, the others are found. User, password and TLS are the same for all of them,
    /// as are certificates.
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisTierBuilder {
        RedisTierBuilder::new(urls.into_iter().map(Into::into).collect(), true)
    }

    pub(super) fn new(servers: Servers, prefix: &str, settings: Settings) -> io::Result<RedisTier> {
        let core = Arc::new(Core::new(servers, prefix, settings));
        let listening = listen(Arc::clone(&core))?.thread().clone();
        Ok(RedisTier { core, listening })
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> RedisStats {
        self.core.stats()
    }

    /// Asks the server that has the key `at`; with what the one with the state says of the last
    /// change.
    fn ask_and_told<const N: usize>(
        &self,
        at: &[u8],
        mut request: Request,
    ) -> Result<([Value; N], Value), TierError> {
        let core = &*self.core;
        let told = &core.asking_told;
        let mut answers = if core.servers.is_cluster() {
            let all = [(at, &request), (&core.names.state[..], told)];
            core.servers.ask_all(&all).map(|answers| answers.into_iter().flatten().collect())
        } else {
            request.append(told);
            core.servers.ask(at, &request)
        };
        let told = match &mut answers {
            Ok(answers) => answers.pop().ok_or_else(|| core.unexpected("HMGET"))?,
            Err(_) => Value::Nil,
        };
        if let Value::ServerError(error) = &told {
            return Err(core.refusal(error));
        }
        Ok((core.well(answers)?, told))
    }

    /// Takes in the changes up to the one that was told of beside values; of which epoch these must
    /// be.
    pub(super) fn taken_in(&self, before: Place, told: &Value) -> Result<(u64, Place), TierError> {
        let told = self.core.told(told)?;
        let place = self.core.catch_up(before, told)?;
        // They were read in the epoch that was told. If that is over by now, they are dead.
        Ok((told.map_or(0, |told| told.epoch), place))
    }

    /// The number of a value that was read in that epoch, if it is alive as far as can be told here.
    pub(super) fn number(&self, framed: &[u8], epoch: u64) -> Result<Option<u64>, TierError> {
        let core = &*self.core;
        let number = number_of(epoch, framed).filter(|_| core.place().epoch == epoch);
        let mut place = core.place();
        if number.is_some_and(|number| number > place.number) {
            // It is on another server than the state, and newer than what that has said.
            let [told] = core.ask(&core.names.state, &core.asking_told)?;
            place = self.taken_in(place, &told)?.1;
        }
        let is_known = |number: &u64| {
            place.epoch == epoch && *number <= place.number && *number >= place.floor
        };
        let number = number.filter(is_known);
        if number.is_none() {
            core.counts().orphaned.increment();
        }
        Ok(number)
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
        Some(self.core.servers.limits().deadline)
    }

    fn shared(&self) -> Option<&dyn SharedTier> {
        Some(self)
    }

    fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TierGet, TierError> {
        Ok(TierGet::WouldBlock)
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
        Ok(self.fetch(key, into)? != Fetched::Missing)
    }

    fn fetch(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Fetched, TierError> {
        let core = &*self.core;
        let before = core.known_place()?;
        let name = core.names.value(key);
        let mut request = Request::new();
        request.command([b"GET", &name[..]]);
        request.command([b"PTTL", &name[..]]);
        let ([value, left], told) = self.ask_and_told(&name, request)?;
        let (epoch, _) = self.taken_in(before, &told)?;
        let value = match value {
            Value::BulkString(value) => value,
            Value::Nil => return Ok(Fetched::Missing),
            _ => return Err(core.unexpected("GET")),
        };
        let Some(number) = self.number(&value, epoch)? else { return Ok(Fetched::Missing) };
        let Some(left) = core.left(&left)? else { return Ok(Fetched::Missing) };
        into.extend_from_slice(&value[FRAME..]);
        Ok(Fetched::FoundSince(left, number))
    }

    /// In a cluster there is nothing for the keys of a node that is away, as long as another answers.
    fn fetch_many(&self, keys: &[&[u8]]) -> Result<Vec<(Fetched, Vec<u8>)>, TierError> {
        self.read_many(keys)
    }

    fn fetches_many(&self) -> bool {
        true
    }

    fn contains(&self, key: &[u8]) -> Result<bool, TierError> {
        let core = &*self.core;
        let before = core.known_place()?;
        let name = core.names.value(key);
        let mut request = Request::new();
        request.command([b"GETRANGE", &name[..], b"0", END_OF_FRAME]);
        let ([frame], told) = self.ask_and_told(&name, request)?;
        let (epoch, _) = self.taken_in(before, &told)?;
        match frame {
            Value::BulkString(frame) if frame.is_empty() => Ok(false),
            Value::BulkString(frame) => Ok(self.number(&frame, epoch)?.is_some()),
            _ => Err(core.unexpected("GETRANGE")),
        }
    }

    /// As one change, before which whatever was filled in is dead, and what is put after it is not.
    /// Nothing is pinned: what a server drops it drops.
    fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError> {
        self.core.put(key, bytes, terms)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.core.change(key)
    }

    /// Invalidates everything: constant time, and how many that ends is not known, so zero. The server
    /// frees them when their lives are over.
    fn clear(&self) -> Result<u64, TierError> {
        self.core.announce(&Scope::All)?;
        Ok(0)
    }

    /// What the server holds for others is not told apart: only what was refused and lost is known.
    fn usage(&self) -> TierUsage {
        let stats = self.stats();
        TierUsage {
            refused: stats.too_large + stats.out_of_memory + stats.overtaken,
            lost: stats.orphaned,
            ..TierUsage::default()
        }
    }

    /// The bound is the server's own.
    fn set_max_bytes(&self, _: u64) {}

    fn close(&self) -> Result<u64, TierError> {
        self.core.close();
        self.listening.unpark();
        Ok(0)
    }
}

impl SharedTier for RedisTier {
    fn since(&self) -> Since {
        self.core.place().since()
    }

    fn listen(&self, receiver: Weak<dyn Receiver>) -> bool {
        let is_told = self.core.tell(receiver);
        self.listening.unpark();
        is_told
    }

    fn fill(
        &self,
        key: &[u8],
        bytes: &[u8],
        terms: PutTerms,
        since: Since,
    ) -> Result<Put, TierError> {
        self.core.fill(key, bytes, terms, since)
    }

    fn announce(&self, scope: &Scope) -> Result<u64, TierError> {
        self.core.announce(scope)
    }

    fn lease(&self, key: &[u8], time: Duration) -> Result<Lease, TierError> {
        self.core.lease(key, time)
    }

    fn release(&self, key: &[u8]) -> Result<(), TierError> {
        self.core.release(key)
    }
}

impl Drop for RedisTier {
    fn drop(&mut self) {
        self.core.close();
        self.listening.unpark();
    }
}
