//! The stores on disk: the suite that all pass, and what is the log's own.

mod log;
#[cfg(feature = "bundled-sqlite")]
mod sqlite;
