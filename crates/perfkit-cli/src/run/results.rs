//! Results in an SQLite file.

use super::json::{millis, unix_millis, word};
use crate::failure::Failure;
use perf_async::test_queue::{Fingerprint, ResultSink, TestResult};
use rusqlite::{Connection, OptionalExtension, params};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A file with the results of runs.
#[derive(Debug)]
pub(super) struct Results {
    connection: Connection,
    suite: String,
}

/// The newest runs that are kept.
const RUNS: u32 = 1_000;
/// How long another program's writing is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the table below.
const VERSION: i64 = 1;

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS test_results (
  execution_id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  name TEXT NOT NULL,
  passed INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  flaky INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  duration_ms REAL NOT NULL,
  created_at TEXT NOT NULL,
  reason TEXT,
  output TEXT,
  fingerprint TEXT
);
CREATE INDEX IF NOT EXISTS test_results_name ON test_results (suite, name, created_at);
CREATE INDEX IF NOT EXISTS test_results_run ON test_results (run_id);
CREATE INDEX IF NOT EXISTS test_results_fingerprint ON test_results (fingerprint)
  WHERE fingerprint IS NOT NULL;
PRAGMA user_version = 1;
";

impl Results {
    /// Opens the file, or makes it, and forgets the oldest runs.
    pub(super) fn open(path: &Path, suite: &str) -> Result<Results, Failure> {
        let refuse = |error: rusqlite::Error| {
            Failure::usage(format!(
                "{}: no place for results: {error}; name a new file or one of former results",
                path.display()
            ))
        };
        let connection = Connection::open(path).map_err(refuse)?;
        connection.busy_timeout(PATIENCE).map_err(refuse)?;
        let version: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(refuse)?;
        let others: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| {
                row.get(0)
            })
            .map_err(refuse)?;
        if version != VERSION && (version != 0 || others > 0) {
            return Err(Failure::usage(format!(
                "{} is a database of something else, or of another version of perfkit: name a new \
                 file for results",
                path.display()
            )));
        }
        // Others may read while a run is under way.
        connection.pragma_update(None, "journal_mode", "wal").map_err(refuse)?;
        // A power cut may cost the last results, never the file.
        connection.pragma_update(None, "synchronous", "normal").map_err(refuse)?;
        connection.execute_batch(TABLE).map_err(refuse)?;
        let forget = "DELETE FROM test_results WHERE run_id < (SELECT min(run_id) FROM (SELECT \
                      DISTINCT run_id FROM test_results ORDER BY run_id DESC LIMIT ?1))";
        connection.execute(forget, [RUNS]).map_err(refuse)?;
        Ok(Results { connection, suite: suite.to_owned() })
    }
}

impl ResultSink for Results {
    fn passed_before(
        &mut self,
        fingerprints: &[Fingerprint],
    ) -> Result<Vec<bool>, Box<dyn Error + Send + Sync>> {
        let mut last = self.connection.prepare(
            "SELECT passed AND NOT flaky FROM test_results WHERE fingerprint = ?1 \
             ORDER BY rowid DESC LIMIT 1",
        )?;
        let passed = |fingerprint: &Fingerprint| {
            let passed = last.query_row([fingerprint.to_string()], |row| row.get(0));
            Ok(passed.optional()?.unwrap_or(false))
        };
        fingerprints.iter().map(passed).collect()
    }

    fn store(&mut self, results: &[Arc<TestResult>]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO test_results VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
                 strftime('%Y-%m-%dT%H:%M:%fZ', ?10 / 1000.0, 'unixepoch'), ?11, ?12, ?13)",
            )?;
            for result in results {
                let run_id = result.execution_id.split('/').next();
                let output = (!result.output.is_empty()).then_some(&result.output);
                insert.execute(params![
                    result.execution_id,
                    run_id,
                    self.suite,
                    result.name,
                    result.is_passed(),
                    word(result.verdict),
                    result.is_flaky(),
                    result.attempts,
                    millis(result.duration),
                    unix_millis(result.created_at),
                    result.reason,
                    output,
                    result.fingerprint.map(|fingerprint| fingerprint.to_string()),
                ])?;
            }
        }
        Ok(transaction.commit()?)
    }
}
