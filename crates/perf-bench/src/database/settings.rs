//! What a run does, in numbers that are kept with its result.

use super::DatabaseError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a run does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseSettings {
    /// Rows that the table holds before the reads.
    pub rows: u64,
    /// Operations of each step, all threads together.
    pub operations: u64,
    /// Threads, each with a connection of its own.
    pub concurrency: usize,
    /// Rows of one transaction in the batched step.
    pub batch: usize,
    /// Bytes of a row's value.
    pub value_size: usize,
    /// Rows that a range read asks for.
    pub range: usize,
    /// What the mixed step consists of.
    pub mix: DatabaseMix,
    /// Seed of keys, values and choices.
    pub seed: u64,
    /// How often one operation is tried again that found the database busy.
    pub retries: u32,
    /// How long the database itself waits for a lock.
    pub busy_timeout: Duration,
    /// The longest time for a step.
    pub step_limit: Duration,
    /// SQLite's journal, if asked for.
    pub journal: Option<Journal>,
    /// How surely a commit is on the disk, if asked for.
    pub synchronous: Option<Synchronous>,
}

impl Default for DatabaseSettings {
    fn default() -> DatabaseSettings {
        DatabaseSettings {
            rows: 10_000,
            operations: 1_000,
            concurrency: 1,
            batch: 100,
            value_size: 100,
            range: 100,
            mix: DatabaseMix::default(),
            seed: 42,
            retries: 10,
            busy_timeout: Duration::from_secs(5),
            step_limit: Duration::from_secs(30),
            journal: None,
            synchronous: None,
        }
    }
}

/// Parts of the mixed step; only their proportion matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseMix {
    /// Reads of one row by its key.
    pub reads: u32,
    /// Reads of a range of rows.
    pub ranges: u32,
    /// Updates of one row.
    pub updates: u32,
    /// Inserts of one row.
    pub inserts: u32,
    /// Deletes of one row.
    pub deletes: u32,
}

impl Default for DatabaseMix {
    fn default() -> DatabaseMix {
        DatabaseMix { reads: 80, ranges: 5, updates: 10, inserts: 3, deletes: 2 }
    }
}

impl DatabaseMix {
    pub(super) fn parts(self) -> [u64; 5] {
        [self.reads, self.ranges, self.updates, self.inserts, self.deletes].map(u64::from)
    }
}

/// SQLite's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Journal {
    /// Write-ahead log: readers and one writer at the same time.
    Wal,
    /// Rollback journal, removed at each commit.
    Delete,
}

/// How surely a commit is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    /// It is when the commit returns. PostgreSQL: `synchronous_commit = on`.
    Full,
    /// SQLite with a write-ahead log: a power cut may lose the last commits, but harms nothing.
    /// PostgreSQL knows no such thing and takes it as `on`.
    Normal,
    /// Nobody waits for the disk. PostgreSQL: `synchronous_commit = off`.
    Off,
}

const ROWS: u64 = 10_000_000;
const THREADS: u64 = 256;
const VALUE: u64 = 1 << 20;
const BYTES: u64 = 64 << 30;

impl DatabaseSettings {
    /// Refuses what cannot be done.
    pub(super) fn check(&self) -> Result<(), DatabaseError> {
        within("rows", self.rows, ROWS)?;
        within("operations", self.operations, ROWS)?;
        within("concurrency", self.concurrency as u64, THREADS)?;
        within("batch", self.batch as u64, 10_000)?;
        within("value size", self.value_size as u64, VALUE)?;
        within("range", self.range as u64, 10_000)?;
        within("batch × value size", (self.batch * self.value_size) as u64, 256 << 20)?;
        within("range × value size", (self.range * self.value_size) as u64, 256 << 20)?;
        within("rows × value size", self.rows * self.value_size as u64, BYTES)?;
        let limits = [("busy timeout", self.busy_timeout), ("step limit", self.step_limit)];
        for (name, time) in limits {
            if time > Duration::from_secs(86_400) {
                return Err(DatabaseError::setting(format!(
                    "{name} {} s is beyond a day",
                    time.as_secs()
                )));
            }
        }
        if self.step_limit.is_zero() {
            return Err(DatabaseError::setting("step limit 0 leaves no time to measure"));
        }
        if self.retries > 1_000 {
            return Err(DatabaseError::setting(format!("retries {} is beyond 1000", self.retries)));
        }
        if self.mix.parts().iter().sum::<u64>() == 0 {
            return Err(DatabaseError::setting("a mix of nothing: give one part more than 0"));
        }
        Ok(())
    }

    /// How many of the rows are inserted one by one.
    pub(super) fn singles(&self) -> u64 {
        self.operations.min(self.rows.div_ceil(2))
    }
}

fn within(name: &str, value: u64, most: u64) -> Result<(), DatabaseError> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(DatabaseError::setting(format!("{name} {value} is not within 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut DatabaseSettings)) -> String {
        let mut settings = DatabaseSettings::default();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        assert!(DatabaseSettings::default().check().is_ok());
        assert_eq!(refusal(|s| s.rows = 0), "rows 0 is not within 1 to 10000000");
        assert!(refusal(|s| s.concurrency = 257).starts_with("concurrency 257"));
        assert!(refusal(|s| s.value_size = 2 << 20).starts_with("value size"));
        assert!(refusal(|s| s.step_limit = Duration::ZERO).starts_with("step limit 0"));
        let none = DatabaseMix { reads: 0, ranges: 0, updates: 0, inserts: 0, deletes: 0 };
        assert!(refusal(|s| s.mix = none).contains("mix of nothing"));
    }
}
