//! Changes by key while the slot of a bucket is being moved to another server.
//!
//! The value is on one of the two then and the fence may be on the other, so no script can have both.
//! A change is made of single commands: they are sent to the one that has the key, or would have it.

use super::changing::{BLOCK_LIFE, Not, eval};
use super::inner::Core;
use super::request::Request;
use super::scripts;
use crate::tiered::TierError;
use redis::Value;

impl Core {
    /// Ends a value, and has nothing take its place. Whether there was one.
    pub(super) fn block(
        &self,
        value: &[u8],
        fence: &[u8],
        block: &[u8],
    ) -> Result<bool, TierError> {
        let mut request = Request::new();
        request.command(eval(&[scripts::BLOCK, b"2", value, fence], &[block, BLOCK_LIFE]));
        let was = match self.ask_put(fence, &request)? {
            Ok(was) => was,
            Err(Not::Room | Not::Together) => {
                // In this order: or else one that is put in between would stay.
                self.single([b"SET", fence, block, b"PX", BLOCK_LIFE])?;
                self.single([b"DEL", value])?
            }
        };
        Ok(was == Value::Int(1))
    }

    /// Instead of raising a fence: without one, the next fill asks for the number that it needs.
    pub(super) fn unfence(&self, value: &[u8], fence: &[u8]) -> Result<(), TierError> {
        self.single([b"DEL", fence])?;
        self.single([b"DEL", value])?;
        Ok(())
    }

    /// One command, of which the second word is the key.
    fn single<const N: usize>(&self, words: [&[u8]; N]) -> Result<Value, TierError> {
        let mut request = Request::new();
        request.command(words);
        let [answer] = self.ask(words[1], &request)?;
        Ok(answer)
    }
}
