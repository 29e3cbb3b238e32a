//! Whose the records are, and of which epoch.
//!
//! A hash on the server holds the records, the epoch that values carry, and a token: the id of the
//! tier that has claimed them, and a number that it raises whenever it does not know what became of a
//! write. Whatever is written names the token, in a script that compares it. So what another tier
//! writes after its records were claimed is not taken, nor what arrives late of this one: a packet
//! that was on its way while the value was removed by a faster one.

use super::request::Request;
use super::tier::RedisTier;
use crate::tiered::TierError;
use redis::Value;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a tier knows of its claim.
#[derive(Debug)]
pub(super) struct Claim {
    id: [u8; 8],
    /// Tokens that were drawn.
    drawn: AtomicU64,
    /// The last that was taken.
    token: AtomicU64,
    /// The last that was seen; zero before the first claim.
    epoch: AtomicU64,
    /// Whether another has claimed them since. That is for good: it does not know what the other
    /// has invalidated.
    is_deposed: AtomicBool,
    /// Writes of which nobody knows what became of them, and how many of these there were when the
    /// token was claimed.
    doubts: AtomicU64,
    settled: AtomicU64,
}

type Token = [u8; 16];

impl Claim {
    pub(super) fn new(id: u64) -> Claim {
        Claim {
            id: id.to_le_bytes(),
            drawn: AtomicU64::new(0),
            token: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            is_deposed: AtomicBool::new(false),
            doubts: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        }
    }

    /// By which this tier writes now.
    pub(super) fn token(&self) -> Token {
        self.with(self.token.load(Ordering::Acquire))
    }

    fn with(&self, number: u64) -> Token {
        let mut token = [0; 16];
        token[..8].copy_from_slice(&self.id);
        token[8..].copy_from_slice(&number.to_le_bytes());
        token
    }

    pub(super) fn is_deposed(&self) -> bool {
        self.is_deposed.load(Ordering::Acquire)
    }

    pub(super) fn depose(&self) {
        self.is_deposed.store(true, Ordering::Release);
    }

    /// Nobody knows whether something was written, or will be.
    pub(super) fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
    }

    fn is_in_doubt(&self) -> bool {
        self.settled.load(Ordering::Acquire) < self.doubts.load(Ordering::Acquire)
    }
}

impl RedisTier {
    /// The epoch, after the records have become this tier's own if they are not: whoever had them
    /// before does not change them any more, so what is read of them from now on is all there is.
    ///
    /// # Errors
    ///
    /// Also if another has claimed them since.
    pub(super) fn claim(&self) -> Result<u64, TierError> {
        if self.claim.is_deposed() {
            return Err(self.deposed());
        }
        match self.claim.epoch.load(Ordering::Acquire) {
            epoch if epoch > 0 && !self.claim.is_in_doubt() => Ok(epoch),
            _ => self.claim_anew(),
        }
    }

    /// Nothing that this tier has written before is written after this, if there is any doubt.
    pub(super) fn settle(&self) -> Result<(), TierError> {
        if self.claim.is_in_doubt() && !self.claim.is_deposed() {
            self.claim_anew()?;
        }
        Ok(())
    }

    /// The epoch in an answer, if the records are this tier's; a claim if the server has lost them.
    pub(super) fn take_in(&self, epoch: &Value, owner: &Value) -> Result<u64, TierError> {
        // Who began an epoch after these were lost may not have been their owner.
        if *epoch == Value::Nil || *owner == Value::Nil {
            return self.claim_anew();
        }
        let (Value::BulkString(epoch), Value::BulkString(owner)) = (epoch, owner) else {
            return Err(self.unexpected("HMGET"));
        };
        if !owner.starts_with(&self.claim.id) {
            self.claim.depose();
            return Err(self.deposed());
        }
        self.know(epoch)
    }

    fn know(&self, epoch: &[u8]) -> Result<u64, TierError> {
        let epoch = <[u8; 8]>::try_from(epoch).map_err(|_| self.unexpected("HMGET"))?;
        let epoch = u64::from_le_bytes(epoch);
        self.claim.epoch.store(epoch, Ordering::Release);
        Ok(epoch)
    }

    /// A write was refused: if that was for its token, another is claimed before the next.
    pub(super) fn expect_token(&self, owner: &Value, token: &Token) {
        let is_it = matches!(owner, Value::BulkString(owner) if owner == token);
        // Where another thread has claimed one meanwhile, that is the one to write by.
        if !is_it && self.claim.token() == *token {
            self.claim.doubt();
        }
    }

    /// Claims the records by a new token, and begins an epoch where there is none.
    fn claim_anew(&self) -> Result<u64, TierError> {
        let claim = &self.claim;
        for _ in 0..ATTEMPTS {
            let doubts = claim.doubts.load(Ordering::Acquire);
            let mut request = Request::new();
            request.command([b"HGET", &self.records[..], OWNER]);
            let [before] = self.ask(&request)?;
            let before = match before {
                Value::Nil => Vec::new(),
                Value::BulkString(before) => before,
                _ => return Err(self.unexpected("HGET")),
            };
            let is_first = claim.epoch.load(Ordering::Acquire) == 0;
            if !is_first && !before.is_empty() && !before.starts_with(&claim.id) {
                claim.depose();
                return Err(self.deposed());
            }
            let number = claim.drawn.fetch_add(1, Ordering::AcqRel) + 1;
            let mut request = Request::new();
            request.command([
                b"EVAL".as_slice(),
                CLAIM,
                b"1",
                &self.records,
                &before,
                &claim.with(number),
                &self.new_epoch().to_le_bytes(),
            ]);
            let [answer] = self.ask(&request)?;
            if answer == Value::Int(0) {
                continue;
            }
            let [was_new, epoch] = self.array("EVAL", answer)?;
            if was_new == Value::Int(1) {
                self.servers.counts().epochs.increment();
            }
            let Value::BulkString(epoch) = epoch else { return Err(self.unexpected("EVAL")) };
            claim.token.fetch_max(number, Ordering::AcqRel);
            claim.settled.fetch_max(doubts, Ordering::AcqRel);
            return self.know(&epoch);
        }
        // Others claim them all the time.
        Err(self.unexpected("EVAL"))
    }

    fn deposed(&self) -> TierError {
        self.error(self.servers.deposed())
    }
}

/// The field of the hash that holds the epoch; those of records begin with an `r`.
pub(super) const EPOCH: &[u8] = b"e";
/// The one that holds the token.
pub(super) const OWNER: &[u8] = b"o";
/// Sets the token if it is what it was, so a claim that arrives late is none; and an epoch if there is
/// none. Whether it was set, and what it is.
const CLAIM: &[u8] = b"if (redis.call('HGET', KEYS[1], 'o') or '') ~= ARGV[1] then return 0 end \
    redis.call('HSET', KEYS[1], 'o', ARGV[2]) \
    return {redis.call('HSETNX', KEYS[1], 'e', ARGV[3]), redis.call('HGET', KEYS[1], 'e')}";
/// Others may claim them in between so often.
const ATTEMPTS: usize = 4;
