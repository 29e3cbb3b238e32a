//! Tasks that have run their operations and wait for the next.
//!
//! To wake one costs less than to spawn one: nothing is allocated, and the runtime has it in its
//! books already.

use super::permit::Permit;
use crate::sync::{Arc, Mutex, OnceLock, lock};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Id as RuntimeId;

/// Those that wait, the last to come on top.
#[derive(Debug, Default)]
pub(super) struct Parked {
    desks: Vec<Arc<Desk>>,
}

/// Where a task that waits is given its next operation.
#[derive(Debug)]
pub(super) struct Desk {
    runtime: RuntimeId,
    waker: OnceLock<Waker>,
    tray: Mutex<Tray>,
}

#[derive(Debug)]
enum Tray {
    Empty,
    Full(Permit),
    /// The task has gone, or is to go.
    Closed,
}

impl Parked {
    /// A task of this runtime that waits.
    pub(super) fn take(&mut self, runtime: RuntimeId) -> Option<Arc<Desk>> {
        if self.desks.last()?.runtime == runtime {
            return self.desks.pop();
        }
        let at = self.desks.iter().rposition(|desk| desk.runtime == runtime)?;
        Some(self.desks.remove(at))
    }

    /// Lets a task wait, unless enough do.
    pub(super) fn park(&mut self, desk: &Arc<Desk>) -> bool {
        if self.desks.len() >= MOST {
            // Those whose runtime has shut down make room.
            self.desks.retain(|desk| !matches!(*lock(&desk.tray), Tray::Closed));
            if self.desks.len() >= MOST {
                return false;
            }
        }
        self.desks.push(Arc::clone(desk));
        true
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        for desk in self.desks.drain(..) {
            drop(desk.close());
            desk.wake();
        }
    }
}

impl Desk {
    pub(super) fn new(runtime: RuntimeId) -> Arc<Desk> {
        let tray = Mutex::new(Tray::Empty);
        Arc::new(Desk { runtime, waker: OnceLock::new(), tray })
    }

    /// Whether this task can be woken with the waker that it left first, as tokio's can.
    pub(super) fn knows(&self, cx: &Context<'_>) -> bool {
        self.waker.get_or_init(|| cx.waker().clone()).will_wake(cx.waker())
    }

    /// Hands an operation to the task. It comes back if the task has gone.
    pub(super) fn hand(&self, permit: Permit) -> Result<(), Permit> {
        let mut tray = lock(&self.tray);
        if !matches!(*tray, Tray::Empty) {
            return Err(permit);
        }
        *tray = Tray::Full(permit);
        drop(tray);
        self.wake();
        Ok(())
    }

    /// The next operation of the task, `None` if it is to go.
    pub(super) fn next(&self) -> Poll<Option<Permit>> {
        let mut tray = lock(&self.tray);
        match std::mem::replace(&mut *tray, Tray::Empty) {
            Tray::Empty => Poll::Pending,
            Tray::Full(permit) => Poll::Ready(Some(permit)),
            Tray::Closed => {
                *tray = Tray::Closed;
                Poll::Ready(None)
            }
        }
    }

    /// Lets the task have no more operations. Answers the one that it has not seen yet, to be
    /// dropped without a lock.
    pub(super) fn close(&self) -> Option<Permit> {
        match std::mem::replace(&mut *lock(&self.tray), Tray::Closed) {
            Tray::Full(permit) => Some(permit),
            _ => None,
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

/// How many tasks of a manager wait for operations at most; each holds about half a kilobyte.
const MOST: usize = 32;
