//! Showing all keys.

use super::Inner;
use super::format::TAIL;
use super::read::parts;
use crate::disk::{DiskError, Stored};
use std::ops::ControlFlow;

impl Inner {
    /// A shard of the index after the other, in the order of the files.
    pub(super) fn for_each(
        &self,
        visit: &mut dyn FnMut(&[u8], &Stored) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        self.check_open()?;
        let mut record = Vec::new();
        for mut entries in self.index.snapshots() {
            entries.sort_unstable_by_key(|(_, place)| *place);
            for (hash, _) in entries {
                // As it is by now: it may have moved.
                let Some((place, segment)) = self.index.find(hash, false) else { continue };
                let read = self.read_record(&segment, place, &mut record);
                let read = match read {
                    Ok(read) => read,
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
                    Err(error) => return Err(self.error(&segment.path, error)),
                };
                let Some((front, tail)) = read else { continue };
                if tail.expires_at <= self.now() {
                    continue;
                }
                let body = &record[..record.len() - TAIL];
                let Some((value, key)) = parts(front, body) else { continue };
                let stored = Stored {
                    expires_at: tail.expires_at,
                    written_at: tail.written_at,
                    len: value.len() as u32,
                };
                if visit(key, &stored).is_break() {
                    return Ok(());
                }
                self.check_open()?;
            }
        }
        Ok(())
    }
}
