//! What a cache does, seen from outside.

#![expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]

mod basics;
mod component;
mod expiry;
