//! One timer for all operations that may only wait for a time.

use super::shared::Shared;
use crate::sync::{Arc, Mutex, Weak, lock};
use perf_core::Instant;
use tokio::runtime::{Handle as Runtime, Id as RuntimeId};
use tokio::sync::Notify;

/// Looks after the time limits of the queue. Its task lives only while there are some.
#[derive(Debug, Default)]
pub(super) struct Timer {
    /// When the task will look next, `None` if there is no task.
    next: Mutex<Option<Instant>>,
    changed: Arc<Notify>,
}

impl Timer {
    /// Sees to it that the task looks no later than at that moment.
    pub(super) fn watch(&self, shared: &Arc<Shared>, runtime: &Runtime, moment: Instant) {
        self.watch_on(shared, runtime, moment, Vec::new());
    }

    fn watch_on(
        &self,
        shared: &Arc<Shared>,
        runtime: &Runtime,
        moment: Instant,
        dead: Vec<RuntimeId>,
    ) {
        let mut next = lock(&self.next);
        match *next {
            Some(planned) if planned <= moment => {}
            Some(_) => {
                *next = Some(moment);
                drop(next);
                self.changed.notify_one();
            }
            None => {
                *next = Some(moment);
                drop(next);
                let shared = Arc::downgrade(shared);
                let alive = Alive { shared, here: runtime.id(), dead, ended: false };
                runtime.spawn(watch(alive, Arc::clone(&self.changed)));
            }
        }
    }
}

async fn watch(mut alive: Alive, changed: Arc<Notify>) {
    alive.dead.clear();
    while let Some(shared) = alive.shared.upgrade() {
        let Some(planned) = *lock(&shared.timer.next) else { return };
        let remaining = planned - shared.clock.now();
        drop(shared);
        if tokio::time::timeout(remaining, changed.notified()).await.is_ok() {
            continue; // Something earlier has come.
        }
        let Some(shared) = alive.shared.upgrade() else { return };
        // The runtime's timer says that it is time, whatever the manager's clock thinks.
        shared.tick(shared.clock.now().max(planned));
        let mut next = lock(&shared.timer.next);
        // With this lock held, so that whoever comes now either is seen here or sees no task.
        *next = shared.next_timer();
        if next.is_none() {
            alive.ended = true;
            return;
        }
    }
}

/// Where the task did not end by itself, its runtime shut down: then another runtime takes over, out
/// of those whose operations wait. If there is none, what waits was to run in runtimes that are gone
/// (for another attempt, for a batch, for a throttle), and is cancelled.
struct Alive {
    shared: Weak<Shared>,
    here: RuntimeId,
    /// Runtimes that have just been tried in vain.
    dead: Vec<RuntimeId>,
    ended: bool,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if !self.ended
            && let Some(shared) = self.shared.upgrade()
        {
            *lock(&shared.timer.next) = None;
            let mut dead = std::mem::take(&mut self.dead);
            dead.push(self.here);
            if let Some((moment, runtime)) = shared.next_watch(&dead) {
                // Comes back here at once if that one has shut down as well.
                shared.timer.watch_on(&shared, &runtime, moment, dead);
            } else {
                shared.give_up(&dead);
            }
        }
    }
}
