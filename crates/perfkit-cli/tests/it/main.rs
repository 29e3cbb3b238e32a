//! The program as its users see it: real processes, real sockets, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod answers;
mod bench;
mod budgets;
mod cache;
mod cdn;
mod demo;
mod disk;
mod gate;
mod kept;
mod lifecycle;
mod load;
mod origins;
// The same server as for the library's tests.
#[path = "../../../perf-bench/tests/it/postgres_server.rs"]
mod postgres_server;
mod program;
// The same server as for the tests of the tier.
#[cfg(feature = "redis")]
#[path = "../../../perf-cache/tests/it/remote/server.rs"]
#[expect(dead_code, reason = "the tests of the tier itself need more of it")]
mod redis_server;
mod refusals;
mod run_suite;
#[cfg(feature = "redis")]
mod shared;
mod strategy;
mod warm;
mod wire;
