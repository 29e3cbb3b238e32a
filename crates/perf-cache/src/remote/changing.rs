//! Changes, and values that are put in.

use super::error::RemoteError;
use super::inner::{Core, REDIS};
use super::journal::{Kind, Told, named, written};
use super::keys::framed;
use super::request::Request;
use super::scripts;
use crate::disk::{Put, PutTerms, RefusedBecause};
use crate::tiered::{Scope, Since, TierError};
use redis::Value;

impl Core {
    /// A key changes: its value goes, others are told, and what is older is not taken any more.
    /// Whether there was a value.
    pub(super) fn change(&self, key: &[u8]) -> Result<bool, TierError> {
        let begun = self.begin_change(key)?;
        if let Some(block) = &begun.block {
            let _ = self.raise(key, block, begun.told, b"", 0)?;
        }
        Ok(begun.was)
    }

    /// The same, without the end of it where that is a step of its own.
    fn begin_change(&self, key: &[u8]) -> Result<Begun, TierError> {
        if key.len() > MAX_KEY {
            return Err(self.too_long("a key", key.len(), MAX_KEY));
        }
        let before = self.known_place()?;
        let (new, nonce) = (self.new_epoch(), self.draw());
        let (value, fence) = (self.names.value(key), self.names.fence(key));
        let written = written(self.node, nonce, Kind::Key, key);
        let (new_bytes, from) = (new.to_le_bytes(), (before.number + 1).to_string());
        let journal = self.settings.journal.to_string();
        let (state, of_state) = (&self.names.state, &self.names.journal);
        let mut request = Request::new();
        let arguments = [&new_bytes[..], &written, from.as_bytes(), journal.as_bytes(), FENCE_LIFE];
        if !self.servers.is_cluster() {
            let keys = [scripts::CHANGE, b"4", state, of_state, &value, &fence];
            request.command(eval(&keys, &arguments));
            let [answer] = self.ask(state, &request)?;
            let (told, was) = self.changed(before, (new, nonce), answer)?;
            return Ok(Begun { told, was: was == Value::Int(1), block: None });
        }
        let block = self.new_block();
        let was = self.block(&value, &fence, &block)?;
        request.command(eval(&[scripts::NUMBER, b"2", state, of_state], &arguments[..4]));
        let [answer] = self.ask(state, &request)?;
        let (told, _) = self.changed(before, (new, nonce), answer)?;
        Ok(Begun { told, was, block: Some(block) })
    }

    /// The end of a change that was begun with a block.
    fn raise(
        &self,
        key: &[u8],
        block: &[u8],
        told: Told,
        framed: &[u8],
        life: u64,
    ) -> Result<Put, TierError> {
        let (value, fence) = (self.names.value(key), self.names.fence(key));
        let raised = raised_to(told.epoch, told.number);
        let life = life.to_string();
        let arguments = [block, &raised, FENCE_LIFE, framed, life.as_bytes()];
        let mut request = Request::new();
        request.command(eval(&[scripts::RAISE, b"2", &value, &fence], &arguments));
        let answer = self.ask_put(&fence, &request)?;
        if matches!(answer, Err(Not::Together)) {
            self.unfence(&value, &fence)?;
        }
        self.judged(answer)
    }

    /// A scope is invalidated.
    pub(super) fn announce(&self, scope: &Scope) -> Result<u64, TierError> {
        let (kind, name) = named(scope);
        if name.len() > MAX_NAME {
            return Err(self.too_long("a tag or pattern", name.len(), MAX_NAME));
        }
        let field = match scope {
            Scope::All => Vec::new(),
            _ => [&[kind as u8, b':'][..], name.as_bytes()].concat(),
        };
        let (count, max) = match kind {
            Kind::Namespace | Kind::Pattern => (b"q", self.settings.patterns),
            _ => (b"c", self.settings.tags),
        };
        let before = self.known_place()?;
        let (new, nonce) = (self.new_epoch(), self.draw());
        let mut request = Request::new();
        let (from, journal) = ((before.number + 1).to_string(), self.settings.journal.to_string());
        let (written, max) = (written(self.node, nonce, kind, name.as_bytes()), max.to_string());
        let keys = [scripts::ANNOUNCE, b"2", &self.names.state, &self.names.journal];
        let new_bytes = new.to_le_bytes();
        let numbered = [&new_bytes[..], &written, from.as_bytes(), journal.as_bytes()];
        let arguments = [&numbered[..], &[&field, count, max.as_bytes()]].concat();
        request.command(eval(&keys, &arguments));
        let [answer] = self.ask(&self.names.state, &request)?;
        Ok(self.changed(before, (new, nonce), answer)?.0.number)
    }

    /// A caller's value. What the server gets of it late is not taken: the change that comes first
    /// raises the fence, and the value has to find it as it was left.
    pub(super) fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError> {
        let Begun { told, block, .. } = self.begin_change(key)?;
        let is_too_large = self.is_too_large(bytes);
        let life = self.time_to_live(terms.expires_at).filter(|_| !is_too_large);
        let Some(life) = life else {
            if let Some(block) = block {
                let _ = self.raise(key, &block, told, b"", 0)?;
            }
            let too_large = Put::Refused(RefusedBecause::TooLarge);
            return Ok(if is_too_large { too_large } else { Put::Stored });
        };
        let framed = framed(told.epoch, told.number, bytes);
        if let Some(block) = block {
            let put = self.raise(key, &block, told, &framed, life)?;
            return Ok(self.counted(put));
        }
        let (value, fence) = (self.names.value(key), self.names.fence(key));
        let (raised, life) = (raised_to(told.epoch, told.number), life.to_string());
        let mut request = Request::new();
        let arguments = [&raised[..], &framed, life.as_bytes()];
        request.command(eval(&[scripts::SETTLE, b"2", &value, &fence], &arguments));
        let put = self.taken(&fence, &request)?;
        Ok(self.counted(put))
    }

    /// What was read at its source.
    pub(super) fn fill(
        &self,
        key: &[u8],
        bytes: &[u8],
        terms: PutTerms,
        since: Since,
    ) -> Result<Put, TierError> {
        if self.is_too_large(bytes) || key.len() > MAX_KEY {
            return Ok(Put::Refused(RefusedBecause::TooLarge));
        }
        let Some(life) = self.time_to_live(terms.expires_at) else { return Ok(Put::Stored) };
        if since.epoch == 0 || since.epoch != self.place().epoch {
            return Ok(self.counted(OVERTAKEN));
        }
        let put = self.fill_for(key, &framed(since.epoch, since.number, bytes), life, since)?;
        Ok(self.counted(put))
    }

    fn fill_for(
        &self,
        key: &[u8],
        framed: &[u8],
        life: u64,
        since: Since,
    ) -> Result<Put, TierError> {
        let (value, fence) = (self.names.value(key), self.names.fence(key));
        let (epoch, number) = (since.epoch.to_le_bytes(), since.number.to_string());
        let life = life.to_string();
        let arguments = [&epoch[..], number.as_bytes(), framed, life.as_bytes(), FENCE_LIFE];
        let mut request = Request::new();
        if !self.servers.is_cluster() {
            let keys = [scripts::FILL, b"3", &value, &fence, &self.names.state];
            request.command(eval(&keys, &arguments));
            return self.taken(&fence, &request);
        }
        let block = self.new_block();
        let more = [&arguments[..], &[&block[..], BLOCK_LIFE]].concat();
        request.command(eval(&[scripts::FILL, b"2", &value, &fence], &more));
        let is_blocked = self.ask_put(&fence, &request)?;
        let Ok(Value::Int(2)) = is_blocked else { return self.judged(is_blocked) };
        let before = self.place();
        let [told] = self.ask(&self.names.state, &self.asking_told)?;
        let told = self.told(&told)?.filter(|told| told.epoch == since.epoch);
        // Of another epoch: the block is over soon, and the next fill finds out.
        let Some(told) = told else {
            self.catch_up(before, told)?;
            return Ok(OVERTAKEN);
        };
        let raised = raised_to(told.epoch, told.number);
        let framed = if told.number > since.number { b"" } else { framed };
        let arguments = [&block, &raised[..], FENCE_LIFE, framed, life.as_bytes()];
        let mut request = Request::new();
        request.command(eval(&[scripts::ESTABLISH, b"2", &value, &fence], &arguments));
        self.taken(&fence, &request)
    }

    /// Whether the server has taken a value.
    fn taken(&self, at: &[u8], request: &Request) -> Result<Put, TierError> {
        let answer = self.ask_put(at, request)?;
        self.judged(answer)
    }

    /// Its answer, or why it cannot.
    pub(super) fn ask_put(
        &self,
        at: &[u8],
        request: &Request,
    ) -> Result<Result<Value, Not>, TierError> {
        let answers = self.servers.ask(at, request).map_err(|trouble| self.error(trouble))?;
        match <[Value; 1]>::try_from(answers) {
            Ok([Value::ServerError(error)]) if is_out_of_memory(&error) => Ok(Err(Not::Room)),
            Ok([Value::ServerError(error)]) if error.code() == "TRYAGAIN" => Ok(Err(Not::Together)),
            Ok([Value::ServerError(error)]) => Err(self.refusal(&error)),
            Ok([answer]) => Ok(Ok(answer)),
            Err(_) => Err(self.unexpected("EVAL")),
        }
    }

    fn judged(&self, answer: Result<Value, Not>) -> Result<Put, TierError> {
        match answer {
            Ok(Value::Int(1)) => Ok(Put::Stored),
            Ok(Value::Int(0)) | Err(Not::Together) => Ok(OVERTAKEN),
            Err(Not::Room) => {
                self.counts().out_of_memory.increment();
                Ok(Put::Refused(RefusedBecause::DiskFull))
            }
            Ok(_) => Err(self.unexpected("EVAL")),
        }
    }

    fn counted(&self, put: Put) -> Put {
        if put == OVERTAKEN {
            self.counts().overtaken.increment();
        }
        put
    }

    /// A fence that lets nothing through.
    fn new_block(&self) -> Vec<u8> {
        [b"b", &self.node.to_le_bytes()[..], &self.draw().to_le_bytes()].concat()
    }

    fn is_too_large(&self, bytes: &[u8]) -> bool {
        let is_it = bytes.len() as u64 > self.settings.max_value;
        if is_it {
            self.counts().too_large.increment();
        }
        is_it
    }

    fn too_long(&self, what: &'static str, bytes: usize, max: usize) -> TierError {
        TierError::new(REDIS, RemoteError::TooLong { what, bytes, max })
    }
}

/// A change of a key that has its number.
struct Begun {
    told: Told,
    /// Whether there was a value.
    was: bool,
    /// What its fence is until it is raised.
    block: Option<Vec<u8>>,
}

/// What there is not.
#[derive(Debug)]
pub(super) enum Not {
    /// Memory for a value.
    Room,
    /// A server that has all of a bucket: its slot is being moved.
    Together,
}

/// A script with the number of its keys, these, and the rest.
pub(super) fn eval<'a>(script: &[&'a [u8]], arguments: &[&'a [u8]]) -> Vec<&'a [u8]> {
    [&[b"EVAL".as_slice()], script, arguments].concat()
}

/// A fence that lets through what is as new as that change.
fn raised_to(epoch: u64, number: u64) -> Vec<u8> {
    [b"n", &epoch.to_le_bytes()[..], number.to_string().as_bytes()].concat()
}

/// Before version 7, a server says of an error in a script where it was first.
pub(super) fn is_out_of_memory(error: &redis::ServerError) -> bool {
    error.code() == "OOM" || error.details().is_some_and(|details| details.contains("-OOM "))
}

const OVERTAKEN: Put = Put::Refused(RefusedBecause::Overtaken);
/// Bytes of a key: so many of them are in the journal.
pub(super) const MAX_KEY: usize = 16 << 10;
/// Bytes of a tag, a namespace or a pattern: so many of them are in the state.
const MAX_NAME: usize = 1 << 10;
/// Milliseconds: an hour. One that is over does no harm but that the next fill raises it again.
const FENCE_LIFE: &[u8] = b"3600000";
/// Milliseconds: nobody is at it for longer. Where somebody is, nothing is taken that should not be.
pub(super) const BLOCK_LIFE: &[u8] = b"5000";
