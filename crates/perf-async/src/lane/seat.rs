//! Whether a thread is at an operation.

use super::Lanes;
use crate::pools::Lane;
use crate::sync::{Arc, Mutex, OnceLock, lock};
use std::fmt;

/// Whether a thread is at an operation, and what is to be done when it no longer is.
///
/// One for all attempts of an operation. The scheduler's lock may be held while this one is taken,
/// never the other way round.
pub struct Seat {
    pub(super) lane: Lane,
    lanes: OnceLock<Arc<Lanes>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    busy: usize,
    then: Option<Then>,
}

pub(super) type Then = Box<dyn FnOnce() + Send>;

impl Seat {
    pub(super) fn new(lane: Lane) -> Arc<Seat> {
        Arc::new(Seat { lane, lanes: OnceLock::new(), state: Mutex::default() })
    }

    pub(crate) const fn lane(&self) -> Lane {
        self.lane
    }

    /// Says whose threads it runs on.
    pub(crate) fn attach(&self, lanes: &Arc<Lanes>) {
        self.lanes.get_or_init(|| Arc::clone(lanes));
    }

    pub(super) fn lanes(&self) -> &Arc<Lanes> {
        self.lanes.get().expect("a manager attaches it before it runs it")
    }

    /// A thread begins.
    pub(super) fn enter(&self) {
        lock(&self.state).busy += 1;
    }

    /// A thread has ended; what is to be done now, without any lock.
    pub(super) fn leave(&self) -> Option<Then> {
        let mut state = lock(&self.state);
        state.busy -= 1;
        if state.busy == 0 { state.then.take() } else { None }
    }

    pub(super) fn is_busy(&self) -> bool {
        lock(&self.state).busy > 0
    }

    /// Leaves what is to be done when the last thread has ended; false, and nothing is left, if
    /// none is at it.
    pub(super) fn outlive(&self, then: Then) -> bool {
        let mut state = lock(&self.state);
        let busy = state.busy > 0;
        if busy {
            state.then = Some(then);
        }
        busy
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("lane", &self.lane).finish_non_exhaustive()
    }
}
