//! The only place that names locks and atomics.

#[cfg(feature = "tokio")]
pub(crate) use imp::*;
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

/// Something to be locked.
pub(crate) trait Lock {
    type Guard<'a>
    where
        Self: 'a;

    fn enter(&self) -> Self::Guard<'_>;
}

impl<T> Lock for Mutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn enter(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<L: Lock> Lock for Arc<L> {
    type Guard<'a>
        = L::Guard<'a>
    where
        L: 'a;

    fn enter(&self) -> L::Guard<'_> {
        (**self).enter()
    }
}

/// Locks, whether or not a thread panicked with the lock: nothing that can panic midway runs
/// under any lock of this crate, so what it guards is whole.
pub(crate) fn lock<L: Lock>(lock: &L) -> L::Guard<'_> {
    lock.enter()
}

#[cfg(feature = "tokio")]
mod imp {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use std::sync::{OnceLock, Weak};
}
