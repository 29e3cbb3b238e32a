//! Who loads a key, of all processes.

use super::changing::{MAX_KEY, eval, is_out_of_memory};
use super::inner::Core;
use super::request::Request;
use super::scripts;
use crate::tiered::{Lease, TierError};
use redis::Value;
use std::time::Duration;

impl Core {
    /// Asks for the lease of a key. Where the server cannot say whose it is, it is the caller's.
    pub(super) fn lease(&self, key: &[u8], time: Duration) -> Result<Lease, TierError> {
        if key.len() > MAX_KEY {
            // Nothing is stored of it that others could wait for.
            return Ok(Lease::Held);
        }
        let (name, own) = (self.names.lease(key), self.node.to_le_bytes());
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let time = time.clamp(1, self.settings.max_ttl).to_string();
        let mut request = Request::new();
        request.command([b"SET", &name[..], &own, b"NX", b"PX", time.as_bytes()]);
        // It may be sent twice: then the first time has set it.
        request.command([b"GET", &name[..]]);
        let answers = self.servers.ask(&name, &request).map_err(|trouble| self.error(trouble))?;
        if let [Value::ServerError(error), _] = &answers[..]
            && is_out_of_memory(error)
        {
            return Ok(Lease::Held);
        }
        match self.well(Ok(answers))? {
            [Value::Nil, Value::BulkString(whose)] if whose != own => Ok(Lease::Taken),
            _ => Ok(Lease::Held),
        }
    }

    /// Ends the lease of a key, if it is that of this tier.
    pub(super) fn release(&self, key: &[u8]) -> Result<(), TierError> {
        let (name, own) = (self.names.lease(key), self.node.to_le_bytes());
        let mut request = Request::new();
        request.command(eval(&[scripts::RELEASE, b"1", &name], &[&own]));
        let [_] = self.ask(&name, &request)?;
        Ok(())
    }
}
