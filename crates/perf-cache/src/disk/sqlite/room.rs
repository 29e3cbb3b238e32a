//! Making room, and keeping within it.

use super::base::{AT_ONCE, Base, Meta, SELECT_META, to_sql};
use super::file::failed;
use crate::disk::DiskError;

const PAGE: u64 = 4096;
/// What has ended and is removed with a commit, at most.
const SWEPT: i64 = 128;

impl Base {
    pub(super) fn set_max_bytes(&mut self, bytes: u64, now: u64) -> Result<(), DiskError> {
        self.max_bytes = bytes.max(1 << 20);
        self.bound()?;
        self.commit(now)?;
        // It gives one page back for each row that it answers.
        let vacuum = self.connection.prepare("PRAGMA incremental_vacuum");
        let vacuumed = vacuum.and_then(|mut vacuum| {
            let mut rows = vacuum.query(())?;
            while rows.next()?.is_some() {}
            Ok(())
        });
        vacuumed.map_err(|error| failed(&self.file, "shrink its file", error))?;
        self.run_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
        self.bound()
    }

    /// What the file itself may take: the log beside it takes the rest.
    pub(super) const fn room(&self) -> u64 {
        self.max_bytes / 4 * 3
    }

    /// Tells SQLite how much it may take.
    pub(super) fn bound(&self) -> Result<(), DiskError> {
        let (pages, log) = (self.room() / PAGE, self.max_bytes / 8);
        let log_pages = (log / PAGE).clamp(16, 4096);
        self.run_batch(&format!(
            "PRAGMA max_page_count = {pages}; PRAGMA journal_size_limit = {log};
             PRAGMA wal_autocheckpoint = {log_pages};"
        ))
    }

    /// Makes room if less is left than the next transaction may need.
    pub(super) fn keep_within(&mut self, now: u64) -> Result<(), DiskError> {
        let pages = self.number("PRAGMA page_count")?.unwrap_or(0);
        let free = self.number("PRAGMA freelist_count")?.unwrap_or(0);
        let used = u64::try_from(pages - free).unwrap_or(0) * PAGE;
        let excess = used.saturating_sub(self.room() / 8 * 7);
        if excess > 0 { self.evict_bytes(excess + self.room() / 64, now) } else { Ok(()) }
    }

    /// Removes what was put longest ago, until so much has gone.
    pub(super) fn evict_bytes(&mut self, bytes: u64, now: u64) -> Result<(), DiskError> {
        let mut gone = 0;
        // Those that are pinned are skipped once, not with every page.
        let mut after = 0;
        while gone < bytes {
            let sql =
                format!("{SELECT_META} WHERE id > ?1 AND pinned = 0 ORDER BY id LIMIT {AT_ONCE}");
            let oldest = self.list(&sql, after)?;
            let Some(last) = oldest.last() else { break };
            after = last.id;
            for meta in &oldest {
                self.delete(meta)?;
                let has_ended = meta.stored.expires_at <= now;
                *(if has_ended { &mut self.counts.expired } else { &mut self.counts.evicted }) += 1;
                gone += meta.bytes;
                if gone >= bytes {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Removes some of what has ended; how many.
    pub(super) fn sweep(&mut self, now: u64) -> Result<u64, DiskError> {
        // The second condition lets SQLite use the index, which leaves out what never ends.
        let sql = format!(
            "{SELECT_META} WHERE expires_at <= ?1 AND expires_at < 9223372036854775807 LIMIT {SWEPT}"
        );
        let ended = self.list(&sql, to_sql(now))?;
        for meta in &ended {
            self.delete(meta)?;
            self.counts.expired += 1;
        }
        Ok(ended.len() as u64)
    }

    fn list(&self, sql: &str, parameter: i64) -> Result<Vec<Meta>, DiskError> {
        let list = self.connection.prepare_cached(sql).and_then(|mut select| {
            select.query_map([parameter], Meta::read)?.collect::<Result<Vec<_>, _>>()
        });
        list.map_err(|error| failed(&self.file, "list its entries", error))
    }
}
