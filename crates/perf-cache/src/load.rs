//! A load in flight, and those who wait for it.
//!
//! Waiting is written once, as a future with its own list of wakers; a synchronous caller drives
//! that future on its own thread. So both kinds of caller can wait for each other, on any runtime.

use hashbrown::HashTable;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};

/// The loads that run for keys of one shard: at most one for each key.
///
/// A load that was taken out of here by an invalidation runs on, but has lost the right to publish.
pub(crate) struct Loads<K, V> {
    table: HashTable<Running<K, V>>,
}

struct Running<K, V> {
    hash: u64,
    key: K,
    load: Arc<Load<V>>,
}

impl<K, V> Loads<K, V> {
    pub(crate) const fn new() -> Loads<K, V> {
        Loads { table: HashTable::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn find<Q>(&self, hash: u64, key: &Q) -> Option<&Arc<Load<V>>>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.table.find(hash, |running| running.key.borrow() == key).map(|running| &running.load)
    }

    pub(crate) fn add(&mut self, hash: u64, key: K, load: Arc<Load<V>>) {
        self.table.insert_unique(hash, Running { hash, key, load }, |running| running.hash);
    }

    /// Ends the claim of whatever loads this key, and answers its key to be dropped.
    pub(crate) fn detach<Q>(&mut self, hash: u64, key: &Q) -> Option<K>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + ?Sized,
    {
        if self.table.is_empty() {
            return None;
        }
        let found = self.table.find_entry(hash, |running| running.key.borrow() == key).ok()?;
        Some(found.remove().0.key)
    }

    /// Ends the claims of all, and answers their keys to be dropped.
    pub(crate) fn detach_all(&mut self) -> Loads<K, V> {
        std::mem::replace(self, Loads::new())
    }

    /// Whether this very load still has its claim.
    pub(crate) fn holds(&self, hash: u64, load: &Arc<Load<V>>) -> bool {
        self.table.find(hash, |running| Arc::ptr_eq(&running.load, load)).is_some()
    }

    /// Ends the claim of this very load, if it still has one.
    pub(crate) fn end(&mut self, hash: u64, load: &Arc<Load<V>>) -> Option<K> {
        let found = self.table.find_entry(hash, |running| Arc::ptr_eq(&running.load, load)).ok()?;
        Some(found.remove().0.key)
    }
}

impl<K, V> fmt::Debug for Loads<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loads").field(&self.len()).finish()
    }
}

/// One run of a loader.
pub(crate) struct Load<V> {
    outcome: OnceLock<Outcome<V>>,
    waiters: Mutex<Waiters>,
    /// The thread that runs a synchronous loader.
    thread: Option<ThreadId>,
}

/// One place for each waiter; a waiter that gives up leaves its place to another.
#[derive(Debug, Default)]
struct Waiters {
    places: Vec<Option<Waker>>,
    vacant: Vec<usize>,
}

/// How a load ended.
pub(crate) enum Outcome<V> {
    Value(V),
    /// An `Arc<E>`, for those waiters who asked for the same `E`.
    Failed(Arc<dyn Any + Send + Sync>),
    /// The loader panicked or was cancelled: a waiter takes over.
    Abandoned,
}

impl<V> Load<V> {
    pub(crate) fn new(thread: Option<ThreadId>) -> Load<V> {
        Load { outcome: OnceLock::new(), waiters: Mutex::default(), thread }
    }

    /// Whether this thread runs the loader, so that waiting for it would last for ever.
    pub(crate) fn is_run_by(&self, thread: Option<ThreadId>) -> bool {
        thread.is_some() && self.thread == thread
    }

    /// Tells everybody how it ended. Only the first call counts.
    pub(crate) fn settle(&self, outcome: Outcome<V>) {
        let _ = self.outcome.set(outcome);
        let waiters = std::mem::take(&mut *self.lock());
        waiters.places.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits on this thread.
    pub(crate) fn wait(&self) -> &Outcome<V> {
        let mut join = pin!(self.join());
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match join.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => thread::park(),
            }
        }
    }

    /// Waits as a future.
    pub(crate) fn join(&self) -> Join<'_, V> {
        Join { load: self, place: None }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers how a load ended, once it has.
pub(crate) struct Join<'a, V> {
    load: &'a Load<V>,
    place: Option<usize>,
}

impl<'a, V> Future for Join<'a, V> {
    type Output = &'a Outcome<V>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<&'a Outcome<V>> {
        let load = self.load;
        if let Some(outcome) = load.outcome.get() {
            return Poll::Ready(outcome);
        }
        let waker = context.waker();
        let mut waiters = load.lock();
        // Again under the lock: `settle` sets the outcome before it takes the waiters.
        if let Some(outcome) = load.outcome.get() {
            return Poll::Ready(outcome);
        }
        let place = self.place.or_else(|| waiters.vacant.pop());
        let place = place.unwrap_or_else(|| {
            waiters.places.push(None);
            waiters.places.len() - 1
        });
        let old = match &mut waiters.places[place] {
            Some(known) if known.will_wake(waker) => None,
            known => known.replace(waker.clone()),
        };
        drop(waiters);
        self.place = Some(place);
        // It may be the last hold on a task that waits for this load as well, and leaves now.
        drop(old);
        Poll::Pending
    }
}

impl<V> Drop for Join<'_, V> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut waiters = self.load.lock();
            // Gone already where the load has been settled.
            let waker = waiters.places.get_mut(place).and_then(Option::take);
            if waker.is_some() {
                waiters.vacant.push(place);
            }
            drop(waiters);
            drop(waker);
        }
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_that_gives_up_leaves_its_place() {
        let load = Load::<u8>::new(None);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            assert!(pin!(load.join()).poll(&mut context).is_pending());
        }
        assert_eq!(load.lock().places.len(), 1);
    }

    #[test]
    fn a_waker_is_dropped_outside_of_the_lock() {
        /// The last hold on a task that waits for the load itself.
        struct Task(Arc<Load<u8>>);
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        impl Drop for Task {
            fn drop(&mut self) {
                assert!(self.0.waiters.try_lock().is_ok(), "it could not leave");
            }
        }
        let load = Arc::new(Load::new(None));
        let mut join = pin!(load.join());
        for _ in 0..3 {
            let waker = Waker::from(Arc::new(Task(Arc::clone(&load))));
            assert!(join.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }

    #[test]
    fn waiters_on_threads_and_in_futures_learn_the_same() {
        let load = Load::new(None);
        let mut future = pin!(load.join());
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| matches!(load.wait(), Outcome::Value(7)));
            load.settle(Outcome::Value(7));
            assert!(waiting.join().unwrap());
        });
        assert!(matches!(future.as_mut().poll(&mut context), Poll::Ready(Outcome::Value(7))));
    }
}
