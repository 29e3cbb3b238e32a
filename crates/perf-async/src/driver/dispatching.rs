//! That a thread which starts operations does not start them within itself.

use super::shared::Shared;
use crate::sync::Arc;
use std::cell::Cell;
use std::ptr;

/// Marks this thread as starting operations of one manager.
pub(super) struct Dispatching {
    before: *const Shared,
}

#[cfg(not(perf_loom))]
thread_local! {
    static DISPATCHING: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}
#[cfg(perf_loom)]
loom::thread_local! {
    static DISPATCHING: Cell<*const Shared> = Cell::new(ptr::null());
}

impl Dispatching {
    pub(super) fn enter(shared: &Arc<Shared>) -> Option<Dispatching> {
        let this = Arc::as_ptr(shared);
        let before = DISPATCHING.with(|dispatching| dispatching.replace(this));
        (before != this).then_some(Dispatching { before })
    }
}

impl Drop for Dispatching {
    fn drop(&mut self) {
        DISPATCHING.with(|dispatching| dispatching.set(self.before));
    }
}
