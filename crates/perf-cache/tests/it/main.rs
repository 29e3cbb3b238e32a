//! What a cache does, seen from outside.

#![expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]

mod basics;
mod cancellation;
mod component;
mod drops;
mod expiry;
mod loading;
mod model;
mod threads;
