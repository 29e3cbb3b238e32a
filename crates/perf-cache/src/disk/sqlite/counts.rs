//! How much there is, kept in the file with every commit, so that opening does not have to count.

use super::base::{Base, Counts};
use super::file::failed;
use crate::disk::DiskError;
use rusqlite::OptionalExtension;

/// One row. Its checksum is that of its numbers.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS counts (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        entries INTEGER NOT NULL,
        live_bytes INTEGER NOT NULL,
        pinned INTEGER NOT NULL,
        pinned_bytes INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    );";

impl Base {
    /// Takes the counts of the last commit, or counts all rows if there are none.
    pub(super) fn read_counts(&mut self) -> Result<(), DiskError> {
        let sql = "SELECT checksum, entries, live_bytes, pinned, pinned_bytes FROM counts";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(0)?, numbers(row, 1)?));
        let found = self.connection.query_row(sql, (), read).optional();
        let found = found.map_err(|error| failed(&self.file, "read its counts", error))?;
        match found {
            Some((sum, numbers)) if sum == checksum_of(numbers) => self.set(numbers),
            _ => self.recount()?,
        }
        self.last_id = self.number("SELECT max(id) FROM entries")?.unwrap_or(0);
        Ok(())
    }

    /// Writes the counts into the open transaction.
    pub(super) fn save_counts(&mut self) -> Result<(), DiskError> {
        let Counts { entries, live_bytes, pinned, pinned_bytes, .. } = self.counts;
        let [a, b, c, d] = [entries, live_bytes, pinned, pinned_bytes].map(u64::cast_signed);
        let sum = checksum_of([entries, live_bytes, pinned, pinned_bytes]);
        let sql = "INSERT OR REPLACE INTO counts VALUES (1, ?1, ?2, ?3, ?4, ?5)";
        self.change(sql, (a, b, c, d, sum), "save its counts").map(drop)
    }

    /// Reads all rows.
    fn recount(&mut self) -> Result<(), DiskError> {
        let sql = "SELECT count(*), ifnull(sum(length(key) + length(value)), 0), \
                   ifnull(sum(pinned), 0), ifnull(sum(pinned * (length(key) + length(value))), 0) \
                   FROM entries";
        let counted = self.connection.query_row(sql, (), |row| numbers(row, 0));
        self.set(counted.map_err(|error| failed(&self.file, "count its entries", error))?);
        Ok(())
    }

    fn set(&mut self, [entries, live_bytes, pinned, pinned_bytes]: [u64; 4]) {
        self.counts = Counts { entries, live_bytes, pinned, pinned_bytes, ..self.counts };
    }
}

fn numbers(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<[u64; 4]> {
    let number =
        |at: usize| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(from + at)?.unsigned_abs());
    Ok([number(0)?, number(1)?, number(2)?, number(3)?])
}

fn checksum_of(numbers: [u64; 4]) -> u32 {
    numbers.iter().fold(0, |sum, number| crc32c::crc32c_append(sum, &number.to_le_bytes()))
}
