//! The program as its users see it: real processes, real sockets, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod answers;
mod demo;
mod gate;
mod lifecycle;
mod origins;
mod program;
mod refusals;
mod wire;
