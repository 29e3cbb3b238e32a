//! Where the value of a lazy stands, and what it has cost.

use super::report::{LazyState, LazyStats};
use crate::OperationError;
use crate::sync::{Arc, Mutex, Ordering, StaticU64, lock};
use perf_core::Instant;
use std::time::Duration;

/// The value, once it is there, and the count of everything that was asked of it.
///
/// Nothing of the user's is copied or dropped under the lock: values are kept behind an `Arc`.
pub(super) struct Slot<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    /// Moves with each reset: what was begun before it is not kept.
    generation: u64,
    value: Option<Arc<T>>,
    /// An error that is answered again until then.
    error: Option<(OperationError, Instant)>,
    usage: Usage,
}

#[derive(Clone, Debug, Default)]
struct Usage {
    gets: u64,
    hits: u64,
    loads: u64,
    failures: u64,
    resets: u64,
    loading: u64,
    /// The first load that brought a value: its place among all, when it ended.
    first: Option<(u64, Instant)>,
    took: Option<Duration>,
    last_error: Option<String>,
}

/// What there is for one who asks.
pub(super) enum Found<T> {
    Value(Arc<T>),
    Error(OperationError),
    /// Nothing: it has to be loaded, for this generation.
    Nothing(u64),
}

impl<T> Slot<T> {
    pub(super) fn new() -> Slot<T> {
        let usage = Usage::default();
        Slot { inner: Mutex::new(Inner { generation: 0, value: None, error: None, usage }) }
    }

    /// What there is; `counted` if somebody asks who wants to use it.
    pub(super) fn find(&self, now: Instant, counted: bool) -> Found<T> {
        let mut guard = lock(&self.inner);
        let inner = &mut *guard;
        inner.usage.gets += u64::from(counted);
        if let Some(value) = &inner.value {
            inner.usage.hits += u64::from(counted);
            return Found::Value(Arc::clone(value));
        }
        match &inner.error {
            Some((error, until)) if now < *until => Found::Error(error.clone()),
            Some(_) => {
                let (generation, old) = (inner.generation, inner.error.take());
                drop(guard);
                drop(old);
                Found::Nothing(generation)
            }
            None => Found::Nothing(inner.generation),
        }
    }

    /// The value if it is there, without counting.
    pub(super) fn value_of(&self, generation: u64) -> Option<Arc<T>> {
        let inner = lock(&self.inner);
        if inner.generation == generation { inner.value.clone() } else { None }
    }

    /// A load begins. It has failed unless it [ends](Begun::end) with a value.
    pub(super) fn begin(&self, generation: u64, now: Instant) -> Begun<'_, T> {
        let mut inner = lock(&self.inner);
        inner.usage.loads += 1;
        inner.usage.loading += 1;
        Begun { slot: self, generation, started: now, failure: None, ended: false }
    }

    /// Keeps an error until then, unless there is a value or all was reset meanwhile.
    pub(super) fn keep(&self, generation: u64, error: &OperationError, until: Instant) {
        let mut inner = lock(&self.inner);
        if inner.generation != generation || inner.value.is_some() || inner.error.is_some() {
            return;
        }
        inner.error = Some((error.clone(), until));
    }

    /// Forgets value and error. Answers whether there was a value.
    pub(super) fn reset(&self) -> bool {
        let mut inner = lock(&self.inner);
        inner.generation += 1;
        inner.usage.resets += 1;
        let (value, error) = (inner.value.take(), inner.error.take());
        drop(inner);
        drop(error);
        value.is_some()
    }

    pub(super) fn stats(&self, name: &str, now: Instant) -> LazyStats {
        let inner = lock(&self.inner);
        let state = if inner.value.is_some() {
            LazyState::Ready
        } else if inner.usage.loading > 0 {
            LazyState::Loading
        } else if inner.error.as_ref().is_some_and(|(_, until)| now < *until) {
            LazyState::Failed
        } else {
            LazyState::Empty
        };
        let usage = inner.usage.clone();
        drop(inner);
        LazyStats {
            name: name.to_owned(),
            state,
            gets: usage.gets,
            hits: usage.hits,
            loads: usage.loads,
            failures: usage.failures,
            resets: usage.resets,
            first_loaded: usage.first.map(|(_, at)| at),
            order: usage.first.map(|(order, _)| order),
            load_duration: usage.took,
            last_error: usage.last_error,
        }
    }
}

/// A load under way.
pub(super) struct Begun<'a, T> {
    slot: &'a Slot<T>,
    generation: u64,
    started: Instant,
    failure: Option<String>,
    ended: bool,
}

impl<T> Begun<'_, T> {
    /// The load brought a value. Answers the one that is kept: another load may have been faster.
    pub(super) fn end(mut self, value: T, now: Instant) -> Arc<T> {
        self.ended = true;
        let value = Arc::new(value);
        let mut inner = lock(&self.slot.inner);
        let usage = &mut inner.usage;
        usage.loading -= 1;
        usage.took = Some(now - self.started);
        if usage.first.is_none() {
            // Relaxed: a number of its own is all that is wanted.
            usage.first = Some((ORDER.fetch_add(1, Ordering::Relaxed), now));
        }
        if inner.generation != self.generation {
            return value;
        }
        if let Some(kept) = &inner.value {
            let kept = Arc::clone(kept);
            drop(inner);
            return kept;
        }
        inner.value = Some(Arc::clone(&value));
        let error = inner.error.take();
        drop(inner);
        drop(error);
        value
    }

    /// The load failed with this error, as text.
    pub(super) fn fail(mut self, error: String) {
        self.failure = Some(error);
    }
}

impl<T> Drop for Begun<'_, T> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut inner = lock(&self.slot.inner);
        inner.usage.loading -= 1;
        inner.usage.failures += 1;
        let why = self.failure.take().unwrap_or_else(|| "panicked, or stopped midway".to_owned());
        inner.usage.last_error = Some(why);
    }
}

/// How many lazies of this process have been loaded.
static ORDER: StaticU64 = StaticU64::new(0);
