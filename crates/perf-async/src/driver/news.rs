//! Wakes those who listen to what happens.

use super::attempt::contain;
use super::shared::Shared;
use crate::sync::{AtomicUsize, Ordering, lock};
use std::future::Future;
use tokio::sync::Notify;

/// Those who listen.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    count: AtomicUsize,
    news: Notify,
}

impl Shared {
    pub(crate) fn listen(&self) -> u64 {
        let mut core = lock(&self.core);
        // Relaxed: whoever changes something later does so under this lock, and then looks.
        self.listeners.count.fetch_add(1, Ordering::Relaxed);
        core.listen()
    }

    pub(crate) fn stop_listening(&self) {
        let mut core = lock(&self.core);
        self.listeners.count.fetch_sub(1, Ordering::Relaxed);
        core.stop_listening();
    }

    /// Ends at the next change after this call, whether or not it has been polled by then.
    pub(crate) fn news(&self) -> impl Future<Output = ()> + '_ {
        self.listeners.news.notified()
    }

    /// Wakes those who listen, after a change and without the lock.
    #[inline]
    pub(super) fn tell(&self) {
        if self.listeners.count.load(Ordering::Relaxed) > 0 {
            contain(|| self.listeners.news.notify_waiters()).unwrap_or_default();
        }
    }
}
