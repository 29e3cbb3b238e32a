//! Writing behind: values wait in memory, for so long and so many bytes at most, and one thread
//! carries them to the tiers in the order in which they came.

use super::outside::Outside;
use super::promise::{Promise, lock};
use perf_core::{Clock, Instant};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Behind {
    /// Whether values are written behind at all.
    is_on: bool,
    max_bytes: AtomicU64,
    max_age: Duration,
    /// Bytes of all values on their way, behind or not.
    bytes: AtomicU64,
    /// Values for which there was no room, and their bytes.
    full: AtomicU64,
    full_bytes: AtomicU64,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Keys with something to be written, the oldest first.
    dirty: VecDeque<(u64, usize, Instant)>,
    is_at_work: bool,
    /// Whether all is to be written now, whatever its age.
    is_draining: bool,
    is_over: bool,
    /// Whether the thread is gone.
    has_ended: bool,
    drained: Vec<Arc<Promise<()>>>,
}

impl Behind {
    pub(super) fn new(limits: Option<(u64, Duration)>) -> Behind {
        let (max_bytes, max_age) = limits.unwrap_or((u64::MAX, Duration::ZERO));
        Behind {
            is_on: limits.is_some(),
            max_bytes: AtomicU64::new(max_bytes),
            max_age,
            bytes: AtomicU64::new(0),
            full: AtomicU64::new(0),
            full_bytes: AtomicU64::new(0),
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set_max_bytes(&self, bytes: u64) {
        self.max_bytes.store(bytes, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Bytes of values on their way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Values for which there was no room, and their bytes.
    pub(super) fn lost(&self) -> (u64, u64) {
        (self.full.load(Ordering::Relaxed), self.full_bytes.load(Ordering::Relaxed))
    }

    pub(super) fn count_full(&self, bytes: u64) {
        self.full.fetch_add(1, Ordering::Relaxed);
        self.full_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether so many bytes more may wait. Two callers at once may both be told so: what waits may
    /// pass the bound by a value for each other caller of that moment.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.bytes().saturating_add(bytes) <= self.max_bytes()
    }

    pub(super) fn add(&self, bytes: u64) {
        if bytes > 0 {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn take(&self, bytes: u64) {
        if bytes > 0 {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// A key has something to be written, from now on. `false`: nobody will, the thread is gone.
    #[must_use]
    pub(super) fn enqueue(&self, hash: u64, tier: usize, now: Instant) -> bool {
        let mut queue = lock(&self.queue);
        if queue.has_ended {
            return false;
        }
        queue.dirty.push_back((hash, tier, now));
        let is_due =
            queue.dirty.len() == 1 || queue.dirty.len() >= MAX_DIRTY || self.is_half_full();
        drop(queue);
        if is_due {
            self.changed.notify_one();
        }
        true
    }

    fn is_half_full(&self) -> bool {
        self.bytes() >= self.max_bytes() / 2
    }

    /// The work of the one thread.
    pub(super) fn run(outside: &Arc<Outside>) {
        let behind = &outside.behind;
        let mut queue = lock(&behind.queue);
        loop {
            if let Some((hash, tier)) = behind.next(&mut queue, &outside.clock) {
                queue.is_at_work = true;
                drop(queue);
                outside.carry_out(hash, tier);
                queue = lock(&behind.queue);
                queue.is_at_work = false;
                continue;
            }
            if queue.dirty.is_empty() {
                queue.is_draining = false;
                let drained = std::mem::take(&mut queue.drained);
                if !drained.is_empty() {
                    drop(queue);
                    drained.iter().for_each(|promise| _ = promise.keep(()));
                    queue = lock(&behind.queue);
                    continue;
                }
                if queue.is_over {
                    queue.has_ended = true;
                    return;
                }
                queue = behind.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            } else {
                // The clock may be one that is faster than the system's: asked again now and then.
                let wait = behind.changed.wait_timeout(queue, behind.max_age.min(LOOK_AGAIN));
                queue = wait.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn next(&self, queue: &mut Queue, clock: &Clock) -> Option<(u64, usize)> {
        let (hash, tier, since) = *queue.dirty.front()?;
        let is_due = queue.is_draining
            || queue.dirty.len() >= MAX_DIRTY
            || self.is_half_full()
            || clock.now() - since >= self.max_age;
        is_due.then(|| {
            queue.dirty.pop_front();
            (hash, tier)
        })
    }

    /// Has all written that waits; kept when it is.
    pub(super) fn drain(&self) -> Arc<Promise<()>> {
        let promise = Promise::new();
        if !self.is_on {
            promise.keep(());
            return promise;
        }
        let mut queue = lock(&self.queue);
        if queue.has_ended {
            drop(queue);
            promise.keep(());
            return promise;
        }
        queue.is_draining = true;
        queue.drained.push(Arc::clone(&promise));
        drop(queue);
        self.changed.notify_one();
        promise
    }

    /// The thread ends when nothing waits any more.
    pub(super) fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.is_over = true;
        queue.is_draining = true;
        drop(queue);
        self.changed.notify_all();
    }

    /// Starts the thread; whether the system gave one.
    pub(super) fn start(outside: &Arc<Outside>) -> bool {
        let own = Arc::clone(outside);
        let run = move || Behind::run(&own);
        thread::Builder::new().name("cache-behind".to_owned()).spawn(run).is_ok()
    }
}

/// With more keys than this it does not wait for the age of the oldest.
const MAX_DIRTY: usize = 1 << 20;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::lock;
    use crate::TieredCache;
    use crate::codec::RawBytes;
    use crate::tiered::WritePolicy;
    use perf_core::ByteSize;
    use std::time::Duration;

    #[test]
    fn a_key_that_is_written_over_and_over_waits_once() {
        let directory = tempfile::tempdir().unwrap();
        let max_age = Duration::from_secs(3_600);
        let cache = TieredCache::<u64, Vec<u8>>::builder()
            .disk_at(directory.path())
            .codec(RawBytes)
            .write(WritePolicy::Behind { max_bytes: ByteSize::mib(1), max_age })
            .build()
            .unwrap();
        for n in 0..100 {
            cache.insert(1, vec![n]);
        }
        assert_eq!(lock(&cache.core.outside.behind.queue).dirty.len(), 1);
        cache.flush();
        cache.insert(1, vec![0]);
        assert_eq!(lock(&cache.core.outside.behind.queue).dirty.len(), 1);
    }
}
