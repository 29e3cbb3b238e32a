//! What users of the library see.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_server;
#[cfg(feature = "bundled-sqlite")]
mod sqlite;
mod suite;
