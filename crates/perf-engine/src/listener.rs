//! Being told at once.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Ends a subscription when it is dropped.
#[must_use = "a subscription ends when it is dropped"]
pub struct Subscription {
    end: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Subscription {
    /// Keeps the subscription for as long as the engine lives.
    pub fn forever(mut self) {
        self.end = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// More subscriptions than an engine takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySubscriptions {
    max: usize,
}

impl fmt::Display for TooManySubscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are {} subscriptions: share one and pass on what it says", self.max)
    }
}

impl std::error::Error for TooManySubscriptions {}

type Callback<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// Those who want to be told of a `T`.
pub(crate) struct Listeners<T> {
    callbacks: Arc<Mutex<Callbacks<T>>>,
}

struct Callbacks<T> {
    next: u64,
    subscribed: Vec<(u64, Callback<T>)>,
    panicked: u64,
}

impl<T: 'static> Listeners<T> {
    pub(crate) fn new() -> Listeners<T> {
        let callbacks = Callbacks { next: 0, subscribed: Vec::new(), panicked: 0 };
        Listeners { callbacks: Arc::new(Mutex::new(callbacks)) }
    }

    pub(crate) fn subscribe(
        &self,
        callback: Callback<T>,
    ) -> Result<Subscription, TooManySubscriptions> {
        let mut callbacks = lock(&self.callbacks);
        if callbacks.subscribed.len() >= MAX {
            return Err(TooManySubscriptions { max: MAX });
        }
        let id = callbacks.next;
        callbacks.next += 1;
        callbacks.subscribed.push((id, callback));
        let weak: Weak<Mutex<Callbacks<T>>> = Arc::downgrade(&self.callbacks);
        let end = move || {
            if let Some(callbacks) = weak.upgrade() {
                // The callback is dropped after the lock: its drop may subscribe or end others.
                let mut callbacks = lock(&callbacks);
                let at = callbacks.subscribed.iter().position(|(other, _)| *other == id);
                let ended = at.map(|at| callbacks.subscribed.swap_remove(at));
                drop(callbacks);
                drop(ended);
            }
        };
        Ok(Subscription { end: Some(Box::new(end)) })
    }

    /// Calls each, without holding a lock. One that panics is counted and stays.
    pub(crate) fn tell(&self, what: &T) {
        let subscribed: Vec<Callback<T>> =
            lock(&self.callbacks).subscribed.iter().map(|(_, c)| Arc::clone(c)).collect();
        for callback in subscribed {
            if catch_unwind(AssertUnwindSafe(|| callback(what))).is_err() {
                lock(&self.callbacks).panicked += 1;
            }
        }
    }

    pub(crate) fn panicked(&self) -> u64 {
        lock(&self.callbacks).panicked
    }
}

impl<T> fmt::Debug for Listeners<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

const MAX: usize = 64;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
