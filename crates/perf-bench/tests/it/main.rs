//! What users of the library see.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod compare;
#[cfg(feature = "load")]
mod load;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
#[cfg(all(unix, feature = "postgres"))]
mod postgres_server;
mod simulation;
#[cfg(feature = "bundled-sqlite")]
mod sqlite;
mod suite;
