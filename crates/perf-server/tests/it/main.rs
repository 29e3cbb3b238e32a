//! What the admin server does, seen from outside: a real server on a port of its own, asked by real
//! clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access;
mod document;
mod inspect;
mod knobs;
mod live;
mod operations;
mod pages;
mod rig;
#[cfg(feature = "redis")]
mod sharing;
mod strategies;
mod warming;
