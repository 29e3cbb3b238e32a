//! Many keys at once.

use super::RedisTier;
use super::keys::FRAME;
use super::request::Request;
use crate::tiered::{Fetched, TierError};
use redis::Value;

/// What [`RedisTier::get_many`] has found for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// They are dead if what covers them was invalidated by a later change.
    pub number: u64,
}

/// What the server has of a key: the value, and what is left of its life if that was asked.
type Answer = Result<(Value, Value), TierError>;
/// What that means, without what is dead.
type Live = Result<Option<(Found, Value)>, TierError>;

impl RedisTier {
    /// What there is for several keys, each `None` where there is nothing: one round trip for each 128
    /// keys. All changes that the server knew of were taken in before.
    ///
    /// # Errors
    ///
    /// As [`get`](crate::tiered::OuterTier::get); nothing is answered then.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Found>>, TierError> {
        let mut all = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH) {
            for found in self.find_many(keys, false)? {
                all.push(found?.map(|(found, _)| found));
            }
        }
        Ok(all)
    }

    /// The same with what is left of their lives. Where some cannot be asked for and others can, there
    /// is nothing for those.
    pub(super) fn read_many(&self, keys: &[&[u8]]) -> Result<Vec<(Fetched, Vec<u8>)>, TierError> {
        let mut all = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH) {
            let found = self.find_many(keys, true)?;
            let is_answered = found.iter().any(Result::is_ok);
            for one in found {
                let left = match &one {
                    Ok(Some((_, left))) => self.core.left(left)?,
                    Err(error) if !is_answered => return Err(error.clone()),
                    Ok(None) | Err(_) => None,
                };
                all.push(match (one, left) {
                    (Ok(Some((found, _))), Some(left)) => {
                        (Fetched::FoundSince(left, found.number), found.bytes)
                    }
                    _ => (Fetched::Missing, Vec::new()),
                });
            }
        }
        Ok(all)
    }

    /// What there is for a batch, as far as it could be asked for.
    fn find_many(&self, keys: &[&[u8]], asks_left: bool) -> Result<Vec<Live>, TierError> {
        let core = &*self.core;
        let before = core.known_place()?;
        let names: Vec<Vec<u8>> = keys.iter().map(|key| core.names.value(key)).collect();
        let (answers, told) = match core.servers.is_cluster() {
            true => self.ask_nodes(&names, asks_left)?,
            false => self.ask_server(&names, asks_left)?,
        };
        let (epoch, _) = self.taken_in(before, &told)?;
        let mut all = Vec::with_capacity(keys.len());
        for answer in answers {
            all.push(match answer {
                Ok((Value::BulkString(mut bytes), left)) => {
                    Ok(self.number(&bytes, epoch)?.map(|number| {
                        bytes.drain(..FRAME);
                        (Found { bytes, number }, left)
                    }))
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            });
        }
        Ok(all)
    }

    /// Several values, and what the server says of its last change.
    fn ask_server(
        &self,
        names: &[Vec<u8>],
        asks_left: bool,
    ) -> Result<(Vec<Answer>, Value), TierError> {
        let core = &*self.core;
        let mut request = Request::new();
        let mut words = vec![b"MGET".as_slice()];
        words.extend(names.iter().map(Vec::as_slice));
        request.command(words);
        if asks_left {
            names.iter().for_each(|name| _ = request.command([b"PTTL", &name[..]]));
        }
        request.append(&core.asking_told);
        let answers = core.servers.ask(&core.names.state, &request);
        let mut answers = core.all_well(answers)?.into_iter();
        let (values, told) = (answers.next(), answers.next_back());
        let (Some(Value::Array(values)), Some(told)) = (values, told) else {
            return Err(core.unexpected("MGET"));
        };
        if values.len() != names.len() {
            return Err(core.unexpected("MGET"));
        }
        let left = answers.chain(std::iter::repeat(Value::Nil));
        Ok((values.into_iter().zip(left).map(Ok).collect(), told))
    }

    /// The same of a cluster.
    fn ask_nodes(
        &self,
        names: &[Vec<u8>],
        asks_left: bool,
    ) -> Result<(Vec<Answer>, Value), TierError> {
        let core = &*self.core;
        let get = |name: &Vec<u8>| {
            let mut request = Request::new();
            request.command([b"GET", &name[..]]);
            if asks_left {
                request.command([b"PTTL", &name[..]]);
            }
            request
        };
        let requests: Vec<Request> =
            names.iter().map(get).chain([core.asking_told.clone()]).collect();
        let at = names.iter().chain([&core.names.state]).map(Vec::as_slice);
        let all: Vec<(&[u8], &Request)> = at.zip(&requests).collect();
        let mut answers = core.servers.ask_each(&all);
        let told = answers.pop().ok_or_else(|| core.unexpected("GET"))?;
        let [told] = core.well(told)?;
        let values = answers.into_iter().map(|answers| {
            let mut answers = core.all_well(answers)?.into_iter();
            let value = answers.next().ok_or_else(|| core.unexpected("GET"))?;
            Ok((value, answers.next().unwrap_or(Value::Nil)))
        });
        Ok((values.collect(), told))
    }
}

/// Keys of one command.
const BATCH: usize = 128;
