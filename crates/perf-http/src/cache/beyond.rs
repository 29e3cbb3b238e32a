//! What goes to the tiers beyond memory and what waits for them, where nobody else is held up.

use super::Shared;
use super::entry::Variant;
use super::key::ResponseKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers that are being encoded for the tiers beyond memory on other threads.
#[derive(Debug, Default)]
pub(crate) struct Aside(AtomicUsize);

/// One of them.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Place> {
        // Relaxed: it bounds, and says nothing about other memory.
        let before = shared.aside.0.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(shared));
        (before < MOST_ASIDE).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.aside.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Writes a stored answer to the tiers beyond memory, if there are some: at once, or on one of tokio's blocking
    /// threads if it takes a while to encode.
    pub(crate) fn keep_beyond(self: &Arc<Shared>, key: &ResponseKey, variant: &Variant) {
        if self.store.outer().is_none() {
            return;
        }
        if variant.body.identity.len() >= WORTH_A_THREAD
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
            && let Some(place) = Place::take(self)
        {
            let key = key.clone();
            runtime.spawn_blocking(move || place.0.store.keep_beyond(&key));
            return;
        }
        self.store.keep_beyond(key);
    }

    /// Forgets one URL: with tiers beyond memory, on a thread that may wait for them.
    pub(crate) fn invalidate_aside(self: &Arc<Shared>, key: ResponseKey) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.store.outer().is_some() => {
                let shared = Arc::clone(self);
                // What a tier could not be told is counted, here and below.
                runtime.spawn_blocking(move || drop(shared.invalidate(&key)));
            }
            _ => drop(self.invalidate(&key)),
        }
    }

    /// Runs what may wait for tiers where it holds up nobody else, to its end even if nobody
    /// waits for it any more.
    pub(crate) async fn wait_for_tiers(
        self: &Arc<Shared>,
        work: impl FnOnce(&Shared) + Send + 'static,
    ) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.store.outer().is_some() => {
                let shared = Arc::clone(self);
                // An error is a panic, which the runtime has reported.
                let _ = runtime.spawn_blocking(move || work(&shared)).await;
            }
            _ => work(self),
        }
    }
}

/// Encoding and compressing this much takes a few tens of microseconds.
const WORTH_A_THREAD: usize = 32 << 10;
/// More than this do their work themselves, which slows down those who fetch so much.
const MOST_ASIDE: usize = 64;
