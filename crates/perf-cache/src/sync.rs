//! Atomics and locks for the code whose protocols are modelled: std's, or loom's under
//! `--cfg perf_loom`, which then walks through every order in which threads may meet.

#[cfg(perf_loom)]
pub(crate) use self::modelled::{OnceLock, Stripes};
#[cfg(perf_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::*,
};
#[cfg(perf_loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(not(perf_loom))]
pub(crate) use perf_core::Stripes;
#[cfg(not(perf_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::*,
};
#[cfg(not(perf_loom))]
pub(crate) use std::thread::yield_now;

/// What loom lacks, made of what it has.
#[cfg(perf_loom)]
mod modelled {
    use loom::sync::atomic::{AtomicBool, Ordering};
    use std::cell::Cell;

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

    impl<T> Default for OnceLock<T> {
        fn default() -> OnceLock<T> {
            OnceLock::new()
        }
    }

    /// One `T` for each thread of a model.
    #[derive(Debug)]
    pub(crate) struct Stripes<T, const NEAR: usize = 0> {
        stripes: [T; 4],
        taken: std::sync::atomic::AtomicUsize,
    }

    loom::thread_local! {
        static PLACE: Cell<usize> = Cell::new(usize::MAX);
    }

    impl<T: Default, const NEAR: usize> Default for Stripes<T, NEAR> {
        fn default() -> Stripes<T, NEAR> {
            let taken = std::sync::atomic::AtomicUsize::new(0);
            Stripes { stripes: std::array::from_fn(|_| T::default()), taken }
        }
    }

    impl<T: Default, const NEAR: usize> Stripes<T, NEAR> {
        pub(crate) fn own(&self) -> Option<&T> {
            PLACE.with(|place| {
                if place.get() == usize::MAX {
                    place.set(self.taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
                }
                self.stripes.get(place.get())
            })
        }
    }

    impl<T, const NEAR: usize> Stripes<T, NEAR> {
        pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
            let taken = self.taken.load(std::sync::atomic::Ordering::Relaxed);
            self.stripes.iter().take(taken)
        }
    }
}
