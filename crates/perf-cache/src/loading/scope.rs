//! Who runs a loader, and whether that is the one who asks.
//!
//! A loader that asks for the very key that it loads would wait for itself, and on one thread
//! nobody is left to notice. So a thread keeps a list of the leaders whose loaders it is running:
//! for the time of the call where the loader is a function, for the time of each poll where it is
//! a future. Whoever is found in the list while asking asks for itself.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// One who runs a loader, for one key or for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaderId(u64);

impl LeaderId {
    /// One like no other.
    pub(crate) fn new() -> LeaderId {
        /// The next block. Relaxed: all that matters is that no two are alike.
        static BLOCKS: AtomicU64 = AtomicU64::new(0);
        let take = |next: &Cell<u64>| {
            if next.get().is_multiple_of(BLOCK) {
                // Numbers are dealt to threads in blocks, so that they do not all write here.
                next.set(BLOCKS.fetch_add(1, Ordering::Relaxed) * BLOCK + 1);
            }
            next.replace(next.get() + 1)
        };
        // A thread that is ending takes a whole block each time.
        LeaderId(NEXT.try_with(take).unwrap_or_else(|_| take(&Cell::new(0))))
    }

    /// Whether the loader of this leader is being run further up on this very thread.
    pub(crate) fn is_running_here(self) -> bool {
        RUNNING.try_with(|running| running.borrow().contains(&self.0)).unwrap_or(false)
    }

    /// Whether any loader is being run further up on this thread.
    pub(crate) fn any_is_running_here() -> bool {
        RUNNING.try_with(|running| !running.borrow().is_empty()).unwrap_or(false)
    }

    /// Runs a loader.
    pub(crate) fn run<R>(self, load: impl FnOnce() -> R) -> R {
        let _running = Running::enter(self);
        load()
    }

    /// The same for a loader that is a future.
    pub(crate) const fn scope<F: Future + Unpin>(self, load: F) -> Scoped<F> {
        Scoped { leader: self, load }
    }
}

/// Polls a loader as its leader.
pub(crate) struct Scoped<F> {
    leader: LeaderId,
    load: F,
}

impl<F: Future + Unpin> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let leader = self.leader;
        let load = Pin::new(&mut self.load);
        leader.run(|| load.poll(context))
    }
}

/// As long as it lives, a leader is in the list of its thread.
struct Running;

impl Running {
    fn enter(leader: LeaderId) -> Running {
        let _ = RUNNING.try_with(|running| running.borrow_mut().push(leader.0));
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = RUNNING.try_with(|running| running.borrow_mut().pop());
    }
}

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static RUNNING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

const BLOCK: u64 = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::future::poll_fn;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::task::Waker;
    use std::thread;

    #[test]
    fn no_two_leaders_are_alike() {
        let threads: Vec<_> = (0..4)
            .map(|_| thread::spawn(|| (0..3 * BLOCK).map(|_| LeaderId::new().0).collect()))
            .collect();
        let ids: Vec<Vec<u64>> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        let distinct: HashSet<_> = ids.iter().flatten().collect();
        assert_eq!(distinct.len() as u64, 12 * BLOCK);
    }

    #[test]
    fn a_leader_is_seen_by_its_own_loader_only() {
        let (outer, inner) = (LeaderId::new(), LeaderId::new());
        outer.run(|| {
            assert!(outer.is_running_here() && !inner.is_running_here());
            inner.run(|| assert!(outer.is_running_here() && inner.is_running_here()));
            assert!(!inner.is_running_here());
            thread::scope(|scope| {
                scope.spawn(|| assert!(!outer.is_running_here()));
            });
        });
        assert!(!outer.is_running_here());
    }

    #[test]
    fn a_panic_leaves_the_list() {
        let leader = LeaderId::new();
        assert!(catch_unwind(AssertUnwindSafe(|| leader.run(|| panic!("broken")))).is_err());
        assert!(!leader.is_running_here());
    }

    #[test]
    fn a_future_is_in_the_list_while_it_is_polled() {
        let leader = LeaderId::new();
        let mut seen = 0;
        let load = pin!(poll_fn(|_| {
            assert!(leader.is_running_here());
            seen += 1;
            if seen == 2 { Poll::Ready(()) } else { Poll::Pending }
        }));
        let mut scoped = leader.scope(load);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut scoped).poll(&mut context).is_pending());
        assert!(!leader.is_running_here());
        assert!(Pin::new(&mut scoped).poll(&mut context).is_ready());
    }
}
