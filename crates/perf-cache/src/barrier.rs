//! The two halves of a fence of which one is almost free.
//!
//! A reader stores its hazard word and then loads the state of the entry; a reclaimer stores that
//! state and then loads the words of the readers. Each needs a full fence in between, or both may
//! miss each other's store. Readers are many, so the reclaimer pays for both: a reader only keeps
//! its compiler from reordering ([`light`]), and the reclaimer has the kernel run a full fence on
//! every processor that runs a thread of this process ([`heavy`], `membarrier`; 10 µs beside
//! another running thread, less than one alone). Where there is no such call, both sides
//! take the full fence, and [`is_asymmetric`] says so.
//!
//! One barrier serves all who retired something before it began, whatever cache and thread they
//! belong to: they take the [`stamp`] after their stores and ask later whether a barrier
//! [has passed](has_passed) since.
//!
//! Source: Dice, Huang and Yang, "Asymmetric Dekker synchronization", 2001; membarrier(2).

#[cfg(all(target_os = "linux", not(perf_loom)))]
mod kernel {
    use rustix::thread::{MembarrierCommand, membarrier};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering, compiler_fence, fence};

    static REGISTERED: LazyLock<bool> =
        LazyLock::new(|| membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok());
    /// How many barriers have begun.
    static BEGUN: AtomicU64 = AtomicU64::new(0);
    /// The latest of them that has ended.
    static ENDED: AtomicU64 = AtomicU64::new(0);

    /// Whether readers may do with [`light`]; else they need a full fence.
    pub(crate) fn is_asymmetric() -> bool {
        *REGISTERED
    }

    #[inline(always)]
    pub(crate) fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// The light half on a side that has not asked what the other one makes.
    #[inline]
    pub(crate) fn light_or_full() {
        if is_asymmetric() {
            light();
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The moment after all stores that this thread has made so far.
    pub(crate) fn stamp() -> u64 {
        // A barrier that another thread makes runs on this processor too, but perhaps later than
        // on the reader's: by then the reader could have looked past a store that still waited in
        // the buffer here. So the stores must be out before the barrier can begin.
        fence(Ordering::SeqCst);
        BEGUN.load(Ordering::SeqCst)
    }

    /// Whether a barrier has begun after that stamp and has ended.
    pub(crate) fn has_passed(stamp: u64) -> bool {
        fence(Ordering::SeqCst);
        !is_asymmetric() || ENDED.load(Ordering::SeqCst) > stamp
    }

    /// Makes a barrier, so that every stamp taken before has passed; whether that could be done.
    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        if !is_asymmetric() {
            return true;
        }
        let number = BEGUN.fetch_add(1, Ordering::SeqCst) + 1;
        // Once registered it fails only where the process has given up the right to it since.
        // Nothing is freed then.
        let made = membarrier(MembarrierCommand::PrivateExpedited).is_ok();
        if made {
            ENDED.fetch_max(number, Ordering::SeqCst);
        }
        made
    }
}

#[cfg(not(all(target_os = "linux", not(perf_loom))))]
mod kernel {
    use crate::sync::{Ordering, fence};

    pub(crate) fn is_asymmetric() -> bool {
        // The light half is a full fence here, so nobody has to take another one.
        true
    }

    #[inline(always)]
    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn light_or_full() {
        light();
    }

    pub(crate) fn stamp() -> u64 {
        0
    }

    /// At once: the caller's own fence is all that is missing.
    pub(crate) fn has_passed(_stamp: u64) -> bool {
        fence(Ordering::SeqCst);
        true
    }

    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        true
    }
}

pub(crate) use kernel::{has_passed, heavy, is_asymmetric, light, light_or_full, stamp};

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_serves_every_stamp_before_it() {
        let (first, second) = (stamp(), stamp());
        assert!(heavy());
        assert!(has_passed(first) && has_passed(second));
    }
}
