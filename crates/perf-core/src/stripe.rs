//! One place per thread, so that threads which record at once never write the same cache line.
//!
//! Every thread that records holds a *slot* of the process for as long as it lives. At most one
//! living thread holds a slot, so whoever owns stripe `n` of a counter or histogram is its single
//! writer: a plain load and store take the place of a locked instruction (1 ns against 4 alone and
//! 40 contended). A thread that ends gives its slot back under a mutex, and the next owner takes it
//! under the same mutex; that lock is what makes the former owner's relaxed stores visible to the
//! next one. Slots are reused, so memory is bounded by the number of threads alive at once.

use std::cell::Cell;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// How many threads can have a stripe of their own at once. Those beyond share one, at the price
/// of a shared counter or a lock.
pub(crate) const MAX_OWNERS: usize = (1 << CHUNKS) - 1;

/// Chunk `b` holds 2^b stripes.
const CHUNKS: usize = 7;

/// One `T` for each thread that comes by, made when it first does: for what a thread writes often
/// and others read seldom.
///
/// [`own`](Stripes::own) answers the stripe of the calling thread, and no other living thread is
/// answered the same: its owner is its single writer, so a plain load and store take the place of
/// a locked instruction. Threads follow one another in a stripe, so what one leaves there the next
/// one finds. Pad `T` to 128 bytes where stripes must not share cache lines.
///
/// Stripes lie in chunks of doubling size and stay where they are until all of them are dropped:
/// at most twice the memory that the threads need. At most 127 threads own stripes at once.
///
/// The first `NEAR` of them, none unless said, lie in the `Stripes` itself and are found in half the
/// time, at the price of memory for threads that may never come.
///
/// ```
/// use perf_core::Stripes;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// static SEEN: Stripes<AtomicU64> = Stripes::new();
/// if let Some(own) = SEEN.own() {
///     own.store(own.load(Relaxed) + 1, Relaxed);
/// }
/// assert_eq!(SEEN.iter().map(|stripe| stripe.load(Relaxed)).sum::<u64>(), 1);
/// ```
pub struct Stripes<T, const NEAR: usize = 0> {
    near: [T; NEAR],
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T> Stripes<T> {
    /// No stripes yet. Allocates nothing.
    #[must_use]
    pub const fn new() -> Stripes<T> {
        Stripes { near: [], chunks: [const { OnceLock::new() }; CHUNKS] }
    }
}

impl<T, const NEAR: usize> Stripes<T, NEAR> {
    /// All stripes made so far, of threads that have ended as well.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.near.iter().chain(self.chunks.iter().filter_map(OnceLock::get).flatten())
    }
}

impl<T: Default, const NEAR: usize> Stripes<T, NEAR> {
    /// The stripe that only the calling thread writes; `None` if 127 living threads own one each,
    /// and while the thread is being torn down.
    #[inline]
    pub fn own(&self) -> Option<&T> {
        let place = PLACE.get();
        if NEAR == 0 {
            return self.own_far(place);
        }
        match self.near.get(place.wrapping_sub(1)) {
            Some(stripe) => Some(stripe),
            None => self.own_elsewhere(place),
        }
    }

    #[inline(never)]
    fn own_elsewhere(&self, mut place: usize) -> Option<&T> {
        if place == UNASSIGNED {
            place = assign();
        }
        self.near.get(place.wrapping_sub(1)).or_else(|| self.own_far(place))
    }

    #[inline]
    fn own_far(&self, mut place: usize) -> Option<&T> {
        // One comparison for both that are rare: no place yet, and none to be had.
        if place.wrapping_sub(1) >= MAX_OWNERS {
            place = assign_if_new(place)?;
        }
        let chunk = place.ilog2() as usize;
        let stripes = match self.chunks[chunk].get() {
            Some(stripes) => stripes,
            None => self.make(chunk),
        };
        stripes.get(place - (1 << chunk))
    }

    #[cold]
    fn make(&self, chunk: usize) -> &[T] {
        self.chunks[chunk].get_or_init(|| (0..1 << chunk).map(|_| T::default()).collect())
    }
}

impl<T, const NEAR: usize> fmt::Debug for Stripes<T, NEAR> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripes").field("made", &self.iter().count()).finish()
    }
}

/// Keeps the value of one thread off the cache lines of another. Two lines, because processors
/// fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

thread_local! {
    /// The slot of this thread plus one. Apart from `LEASE` because a value without a destructor
    /// is read without asking whether it still lives.
    static PLACE: Cell<usize> = const { Cell::new(UNASSIGNED) };
    static LEASE: Lease = Lease::take();
}

const UNASSIGNED: usize = 0;
const SHARED: usize = usize::MAX;

#[cold]
fn assign_if_new(place: usize) -> Option<usize> {
    let place = if place == UNASSIGNED { assign() } else { place };
    (place <= MAX_OWNERS).then_some(place)
}

#[cold]
fn assign() -> usize {
    // Fails while the thread is being torn down: then it has given its slot back already.
    let place = LEASE.try_with(|lease| lease.place).unwrap_or(SHARED);
    PLACE.set(place);
    place
}

/// The right to a slot, given back when the thread ends.
struct Lease {
    place: usize,
}

impl Lease {
    fn take() -> Lease {
        let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        let place = slots.free.pop().unwrap_or_else(|| {
            slots.taken += 1;
            slots.taken
        });
        if place > MAX_OWNERS {
            slots.taken -= 1;
            return Lease { place: SHARED };
        }
        Lease { place }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What other destructors of this thread record from here on goes to the shared stripe.
        PLACE.set(SHARED);
        if self.place != SHARED {
            SLOTS.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.place);
        }
    }
}

struct Slots {
    /// How many slots have ever been taken; those given back are in `free`.
    taken: usize,
    free: Vec<usize>,
}

static SLOTS: Mutex<Slots> = Mutex::new(Slots { taken: 0, free: Vec::new() });

impl<T: Default, const NEAR: usize> Default for Stripes<T, NEAR> {
    fn default() -> Stripes<T, NEAR> {
        let near = std::array::from_fn(|_| T::default());
        Stripes { near, chunks: [const { OnceLock::new() }; CHUNKS] }
    }
}
