//! The only place that names locks and atomics: std's, or loom's under `--cfg perf_loom`, which then
//! walks through every order in which threads may meet.

#[cfg(feature = "tokio")]
pub(crate) use imp::*;
#[cfg(perf_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use std::sync::Arc;
#[cfg(not(perf_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// A number for a static, which no model knows of.
#[cfg(feature = "tokio")]
pub(crate) type StaticU64 = std::sync::atomic::AtomicU64;

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

/// Nothing but in models. There it stands where what threads do is in order for a reason that loom
/// does not see: it takes `SeqCst` for acquire and release, and it does not see into tokio, which
/// hands tasks from one thread to another.
#[cfg(feature = "tokio")]
#[inline]
pub(crate) fn in_order() {
    #[cfg(perf_loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(feature = "tokio")]
mod imp {
    #[cfg(perf_loom)]
    pub(crate) use super::modelled::OnceLock;
    #[cfg(perf_loom)]
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use std::sync::Weak;
    #[cfg(not(perf_loom))]
    pub(crate) use std::sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    };
}

/// What loom lacks, made of what it has.
#[cfg(all(perf_loom, feature = "tokio"))]
mod modelled {
    use loom::sync::atomic::{AtomicBool, Ordering};

    /// A cell that is set once. Whoever reads it without finding it set does so in loom's eyes.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        is_set: AtomicBool,
        setting: loom::sync::Mutex<()>,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> OnceLock<T> {
            let value = std::sync::OnceLock::new();
            OnceLock { is_set: AtomicBool::new(false), setting: loom::sync::Mutex::new(()), value }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if let Some(value) = self.get() {
                return value;
            }
            let setting = self.setting.lock();
            let value = self.value.get_or_init(make);
            self.is_set.store(true, Ordering::Release);
            drop(setting);
            value
        }
    }
}
