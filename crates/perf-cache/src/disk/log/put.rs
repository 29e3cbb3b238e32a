//! Putting and removing.

use super::Inner;
use super::builder::WhenFull;
use super::counts::add;
use super::format::{Front, MAX_KEY, hash_key, hash_value};
use super::head::{Head, Record};
use super::segment::bytes_of;
use crate::disk::{DiskError, Put, PutTerms, RefusedBecause};
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Inner {
    pub(super) fn put(&self, key: &[u8], value: &[u8], terms: PutTerms) -> Result<Put, DiskError> {
        self.check_open()?;
        let (Ok(key_len), Ok(value_len)) = (u32::try_from(key.len()), u32::try_from(value.len()))
        else {
            return Ok(self.refuse(RefusedBecause::TooLarge));
        };
        let front =
            Front { value: value_len, key: key_len, tombstone: false, pinned: terms.pinned };
        let record = Record {
            front,
            key,
            value,
            expires_at: terms.expires_at,
            written_at: self.now(),
            hashes: (hash_key(key, self.seed), hash_value(value)),
        };
        let largest = (self.max_bytes() / 8).min(LARGEST);
        if key.len() > MAX_KEY || record.bytes() > largest {
            return Ok(self.refuse(RefusedBecause::TooLarge));
        }
        if terms.pinned { self.put_pinned(&record) } else { self.put_plain(&record) }
    }

    fn put_plain(&self, record: &Record<'_>) -> Result<Put, DiskError> {
        // As it is now: what was pinned may have gone, or the bound have been raised.
        if self.crowded.load(Ordering::Relaxed) && self.is_crowded() {
            return Ok(self.refuse(RefusedBecause::PinnedFull));
        }
        let bound = self.queue_bytes();
        let mut retried = false;
        loop {
            let head = self.open_head()?;
            if let Some(failing) = head.failing {
                let since = self.settings.clock.coarse().saturating_since(failing.since);
                // One that must not wait leaves it to the thread.
                let may_wait = self.settings.when_full == WhenFull::Wait;
                if retried || !may_wait || since < RETRY_AFTER {
                    drop(head);
                    if failing.full {
                        return Ok(self.refuse(RefusedBecause::DiskFull));
                    }
                    add(&self.counts.refused, 1);
                    return Err(failing.error(&self.dir));
                }
                retried = true;
                drop(head);
                // How it ends is seen in the next round.
                drop(self.write_one(true));
                continue;
            }
            if head.queued == 0 || head.queued as u64 + record.bytes() <= bound {
                if self.append(head, record).is_none() {
                    return Ok(self.refuse(RefusedBecause::DiskFull));
                }
                return Ok(Put::Stored);
            }
            drop(head);
            match self.settings.when_full {
                WhenFull::Refuse => return Ok(self.refuse(RefusedBecause::QueueFull)),
                // A failure is seen in the next round.
                WhenFull::Wait => drop(self.write_one(true)),
            }
        }
    }

    fn put_pinned(&self, record: &Record<'_>) -> Result<Put, DiskError> {
        let head = self.open_head()?;
        if let Some(failing) = head.failing
            && self.over_queue(&head)
        {
            return Err(failing.error(&self.dir));
        }
        let pinned: u64 = head.segments.iter().map(|segment| segment.pinned().1).sum();
        // What it takes the place of does not count.
        let old = self.index.get(record.hashes.0).filter(|old| old.pinned() && !old.dead());
        let old = old.map_or(0, bytes_of);
        let grows = record.bytes() > old;
        if grows && pinned.saturating_sub(old) + record.bytes() > self.max_bytes() / 4 {
            drop(head);
            return Ok(self.refuse(RefusedBecause::PinnedFull));
        }
        match self.append(head, record) {
            Some(position) => self.write_through(position).map(|()| Put::Stored),
            None => Ok(self.refuse(RefusedBecause::DiskFull)),
        }
    }

    pub(super) fn remove(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.check_open()?;
        if key.len() > MAX_KEY {
            return Ok(false);
        }
        let hash = hash_key(key, self.seed);
        // Before the lock, since it may read.
        let ended = self.ended(hash, key.len());
        let head = self.open_head()?;
        let Some(old) = self.index.get(hash) else {
            // Its tombstone may be on the way yet: of another's removal, or of one that failed.
            let position = head.removed;
            drop(head);
            return self.write_through(position).map(|()| false);
        };
        let was_there =
            !old.dead() && ended.is_none_or(|(place, ended)| !(ended && place.same_record(old)));
        if let Some(failing) = head.failing
            && self.over_queue(&head)
        {
            // No more can be noted; the caller is told that it did not last. It stays known, so
            // that the next try writes the tombstone.
            self.index.kill(hash);
            return Err(failing.error(&self.dir));
        }
        let front = Front { value: 0, key: key.len() as u32, tombstone: true, pinned: false };
        let record = Record {
            front,
            key,
            value: &[],
            expires_at: 0,
            written_at: self.now(),
            hashes: (hash, hash_value(&[])),
        };
        match self.append(head, &record) {
            Some(position) => self.write_through(position).map(|()| was_there),
            None => Err(DiskError::Full { path: self.dir.clone() }),
        }
    }

    /// Appends a record and tells the index. Answers the position up to which has to be written
    /// for it to last. `None` if there is no slot for another segment.
    pub(super) fn append(
        &self,
        mut head: MutexGuard<'_, Head>,
        record: &Record<'_>,
    ) -> Option<u64> {
        let queued_before = head.queue.len();
        let idle_before = head.queued == 0;
        self.append_to(&mut head, record)?;
        let position = head.appended;
        // The thread sleeps until there is a chunk, or something at all to be written in time.
        let wake = idle_before || head.queue.len() > queued_before;
        drop(head);
        if wake {
            self.work.notify_one();
        }
        Some(position)
    }

    /// Appends a record and tells the index, in one step for all who look.
    pub(super) fn append_to(&self, head: &mut Head, record: &Record<'_>) -> Option<()> {
        let shape = self.shape();
        if head.needs_segment(record.bytes(), shape) {
            head.seal();
            let segment = head.begin_segment(shape)?;
            self.index.set_segment(segment.slot, Some(&segment));
        }
        let place = head.append(record)?;
        let hash = record.hashes.0;
        if record.front.tombstone {
            self.index.remove(hash);
            head.removed = head.appended;
        } else {
            self.index.insert(hash, place);
        }
        Some(())
    }

    /// The head, of a store that is open.
    pub(super) fn open_head(&self) -> Result<MutexGuard<'_, Head>, DiskError> {
        let head = self.head();
        if head.closed { Err(DiskError::Closed) } else { Ok(head) }
    }

    /// Whether so much waits for a failing device that not even small records are taken.
    fn over_queue(&self, head: &Head) -> bool {
        head.queued as u64 > self.queue_bytes() + (64 << 10)
    }

    fn refuse(&self, because: RefusedBecause) -> Put {
        add(&self.counts.refused, 1);
        Put::Refused(because)
    }

    /// Writes until all up to a position is handed to the system.
    pub(super) fn write_through(&self, position: u64) -> Result<(), DiskError> {
        while self.handed.load(Ordering::Acquire) < position {
            self.write_one(true)?;
        }
        Ok(())
    }

    pub(super) fn flush(&self) -> Result<(), DiskError> {
        let position = self.head().appended;
        self.write_through(position)
    }
}

/// The largest record, so that one fits a buffer.
const LARGEST: u64 = 1 << 30;
/// How long puts are refused after a write failed, before one of them tries again.
const RETRY_AFTER: Duration = Duration::from_millis(100);
