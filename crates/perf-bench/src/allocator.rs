//! Counting what a program allocates: a wrapper around its allocator.
//!
//! Crates that do this count always ([`stats_alloc`], by sequentially consistent additions to
//! shared counters) or keep state per thread behind a `RefCell`; a program that is also timed
//! wants neither, so this one costs one relaxed load while it is off.
//!
//! [`stats_alloc`]: https://docs.rs/stats_alloc
#![expect(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait, and there is no other way to see every allocation"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The system's allocator, or another one, that counts while it is asked to.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: perf_bench::CountingAllocator = perf_bench::CountingAllocator::system();
///
/// let (text, made) = perf_bench::allocations_during(|| "three words long".to_owned());
/// let made = made.expect("the allocator is installed");
/// assert_eq!((made.allocations, made.allocated_bytes), (1, text.len() as u64));
/// ```
///
/// Cost: one relaxed load for each call while it is off, two relaxed additions while it is on.
#[derive(Debug)]
pub struct CountingAllocator<A = System> {
    inner: A,
    counters: &'static Counters,
}

impl CountingAllocator {
    /// Around the system's allocator.
    #[must_use]
    pub const fn system() -> CountingAllocator {
        CountingAllocator::around(System)
    }
}

impl<A> CountingAllocator<A> {
    /// Around an allocator of one's own.
    #[must_use]
    pub const fn around(inner: A) -> CountingAllocator<A> {
        CountingAllocator { inner, counters: &COUNTERS }
    }
}

/// What was asked of the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocations {
    /// Allocations and reallocations.
    pub allocations: u64,
    /// Bytes asked for; a reallocation counts what it grows by.
    pub allocated_bytes: u64,
}

/// Runs the body and answers what the whole process, all its threads, allocated meanwhile.
///
/// `None` where no [`CountingAllocator`] is the program's global allocator.
pub fn allocations_during<R>(body: impl FnOnce() -> R) -> (R, Option<Allocations>) {
    let (answer, made) = COUNTERS.during(body);
    (answer, is_installed().then_some(made))
}

/// Whether what this program allocates passes through a [`CountingAllocator`].
fn is_installed() -> bool {
    let probe = || drop(std::hint::black_box(Box::new(std::hint::black_box(0_u8))));
    COUNTERS.during(probe).1.allocations > 0
}

static COUNTERS: Counters = Counters {
    wanted: AtomicUsize::new(0),
    allocations: AtomicU64::new(0),
    bytes: AtomicU64::new(0),
};

/// Totals that only grow, so that nobody who counts can disturb another who counts.
#[derive(Debug)]
struct Counters {
    /// How many count at present.
    wanted: AtomicUsize,
    allocations: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    // Relaxed everywhere: the totals order no other memory. A thread sees its own allocations in
    // order, and those of another once it has joined it.

    #[inline]
    fn note(&self, bytes: usize) {
        if self.wanted.load(Ordering::Relaxed) > 0 {
            self.add(bytes);
        }
    }

    #[cold]
    fn add(&self, bytes: usize) {
        self.allocations.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn during<R>(&self, body: impl FnOnce() -> R) -> (R, Allocations) {
        struct Off<'a>(&'a Counters);
        impl Drop for Off<'_> {
            fn drop(&mut self) {
                self.0.wanted.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let off = Off(self);
        let before = self.read();
        let answer = body();
        let after = self.read();
        drop(off);
        let made = Allocations {
            allocations: after.allocations.wrapping_sub(before.allocations),
            allocated_bytes: after.allocated_bytes.wrapping_sub(before.allocated_bytes),
        };
        (answer, made)
    }

    fn read(&self) -> Allocations {
        Allocations {
            allocations: self.allocations.load(Ordering::Relaxed),
            allocated_bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

// SAFETY: every call goes to the inner allocator with the caller's own arguments, and its answer
// is returned as it is, so whatever the inner one promises holds here. Counting is additions to
// atomics: it does not allocate, so it cannot come back here, it does not panic, and it touches
// no memory that the allocator hands out.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.counters.note(layout.size());
        // SAFETY: the caller keeps `alloc`'s conditions, which are the inner allocator's.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.counters.note(layout.size());
        // SAFETY: the caller keeps `alloc_zeroed`'s conditions, which are the inner allocator's.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.counters.note(new_size.saturating_sub(layout.size()));
        // SAFETY: the caller keeps `realloc`'s conditions; the block came from one of the calls
        // here, so from the inner allocator, with this layout.
        unsafe { self.inner.realloc(block, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as for `realloc`.
        unsafe { self.inner.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An allocator with counters of its own: the global ones belong to whoever installs it.
    fn alone() -> CountingAllocator {
        let counters = Counters {
            wanted: AtomicUsize::new(0),
            allocations: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        CountingAllocator { inner: System, counters: Box::leak(Box::new(counters)) }
    }

    fn use_it(allocator: &CountingAllocator) {
        let layout = Layout::from_size_align(100, 8).unwrap();
        // SAFETY: the layout is not empty; each block is freed once, with the layout it has.
        unsafe {
            let block = allocator.alloc_zeroed(layout);
            assert_eq!(*block.add(99), 0);
            let block = allocator.realloc(block, layout, 150);
            let larger = Layout::from_size_align(150, 8).unwrap();
            let block = allocator.realloc(block, larger, 20);
            allocator.dealloc(block, Layout::from_size_align(20, 8).unwrap());
            allocator.dealloc(allocator.alloc(layout), layout);
        }
    }

    #[test]
    fn counts_what_is_asked_for_and_what_grows() {
        let allocator = alone();
        let ((), made) = allocator.counters.during(|| use_it(&allocator));
        assert_eq!(made, Allocations { allocations: 4, allocated_bytes: 250 });
    }

    #[test]
    fn counts_nothing_while_off_and_goes_off_again_after_a_panic() {
        let allocator = alone();
        use_it(&allocator);
        let counting = || allocator.counters.during(|| panic!("half way"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(counting)).is_err());
        use_it(&allocator);
        assert_eq!(allocator.counters.read(), Allocations::default());
    }

    #[test]
    fn counts_within_counts_see_what_is_theirs() {
        let allocator = alone();
        let ((_, inner), outer) = allocator.counters.during(|| {
            use_it(&allocator);
            allocator.counters.during(|| use_it(&allocator))
        });
        assert_eq!((inner.allocations, outer.allocations), (4, 8));
    }

    #[test]
    fn says_when_it_is_not_the_allocator_of_the_program() {
        assert_eq!(allocations_during(|| vec![1, 2, 3]).1, None);
    }
}
