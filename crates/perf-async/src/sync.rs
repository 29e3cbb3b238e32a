//! The only place that names locks and atomics.

#[cfg(feature = "tokio")]
pub(crate) use imp::*;
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

/// Locks, whether or not a thread panicked with the lock: nothing that can panic midway runs
/// under any lock of this crate, so what it guards is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(feature = "tokio")]
mod imp {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use std::sync::{OnceLock, Weak};
}
