//! Work that holds its thread: computing, and calls that block.
//!
//! On a runtime's own threads such work keeps everybody else waiting. Here it runs on threads of
//! the manager's: `perf-cpu-1`, `perf-cpu-2` and so on for computing, as many as there are
//! processors, and `perf-blocking-1` and so on for calls that block, 32 at most. They are started
//! when first needed and end when they have had nothing to do for ten seconds.
//!
//! Operations wait for a thread in the manager's queue, by priority, like for anything else that
//! they need; they are handed to a thread, over a bounded channel, only when one is free. So
//! cancelling one that waits is as quick as any other, and the channel never holds a queue.
//!
//! A thread cannot be stopped from outside. When an operation times out or is cancelled while it
//! runs its caller is answered at once, and the work is asked to stop
//! ([`LaneContext::is_cancelled`]). Until it really returns it is a zombie: it keeps its place
//! among the running, its thread and its units of the [pools](crate::Pools), and its record says
//! that it is in progress; [`AsyncStats::zombies`](crate::AsyncStats::zombies) counts them. So
//! there are never more threads at work than were allowed, unless
//! [`max_zombies`](crate::ManagerBuilder::max_zombies) says otherwise.
//!
//! Why threads of our own and not the runtime's `spawn_blocking`: a runtime that shuts down waits
//! for those, its limit (512) is shared with everything else in the process, and they cannot be
//! had outside a runtime. Why not rayon's: they take up other work while they wait within theirs,
//! which ends in deadlock where locks are held. rayon is there for what it is best at,
//! `LaneContext::install` with the feature `rayon`: one operation's data in parallel.

mod job;
mod seat;
mod threads;

pub use job::OnThread;
pub(crate) use seat::Seat;
pub(crate) use threads::{LaneSettings, Lanes};

use crate::driver::{BoxError, Core, Shared};
use crate::pools::Lane;
use crate::sync::{Arc, AtomicBool, Ordering};
use crate::{Attempt, Ended, Operation, OperationId};
use job::Body;
use std::borrow::Cow;
use std::fmt;

/// What work on a thread is told, and where it says how far it has come.
pub struct LaneContext<'a> {
    attempt: &'a Attempt,
    cancelled: &'a AtomicBool,
    #[cfg(feature = "rayon")]
    lanes: &'a Lanes,
}

impl LaneContext<'_> {
    /// Whether nobody waits for the value any more: the operation was cancelled or its time has
    /// passed. Work that takes long should look now and then, and return. One atomic load.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // Relaxed: it is a hint, and nothing that was written before it is read after it.
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Which attempt this is, why the last one ended, how much time is left, and where to say how
    /// far the operation has come.
    #[must_use]
    pub const fn attempt(&self) -> &Attempt {
        self.attempt
    }

    /// Runs what uses rayon (`par_iter`, `join`, `scope`) on the manager's own rayon threads, and
    /// waits for it. Never on rayon's global pool. Several operations that do so share the threads.
    ///
    /// Inside, do not wait for locks that are held outside, nor for other operations: rayon's
    /// threads take up other work while they wait.
    ///
    /// # Panics
    ///
    /// If what it runs panics, or if no thread can be started. The operation then ends with
    /// [`OperationError::Panicked`](crate::OperationError::Panicked).
    #[cfg(feature = "rayon")]
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.lanes.parallel().install(work)
    }
}

impl fmt::Debug for LaneContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneContext")
            .field("attempt", &self.attempt)
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Operations on the manager's threads.
impl Operation<(), ()> {
    /// An operation of that kind which computes: it runs on one of the manager's CPU threads and
    /// always has a value.
    ///
    /// ```
    /// # use perf_async::{Manager, Operation, OperationError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), OperationError> {
    /// # let manager = Manager::builder().build().unwrap();
    /// let sum = Operation::cpu("sum", |context| {
    ///     (1..=1_000_u64).take_while(|_| !context.is_cancelled()).sum::<u64>()
    /// });
    /// assert_eq!(manager.run(sum).await?, 500_500);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cpu<T, F>(kind: impl Into<Cow<'static, str>>, work: F) -> Operation<T, OnThread<T>>
    where
        T: Send + 'static,
        F: FnOnce(&LaneContext<'_>) -> T + Send + 'static,
    {
        Operation::on(Lane::Cpu, kind.into(), Body::once(|context| Ok(work(context))))
    }

    /// The same, for work that may fail.
    pub fn try_cpu<T, E, F>(
        kind: impl Into<Cow<'static, str>>,
        work: F,
    ) -> Operation<T, OnThread<T>>
    where
        T: Send + 'static,
        E: Into<BoxError>,
        F: FnOnce(&LaneContext<'_>) -> Result<T, E> + Send + 'static,
    {
        let work = |context: &LaneContext<'_>| work(context).map_err(Into::into);
        Operation::on(Lane::Cpu, kind.into(), Body::once(work))
    }

    /// The same, for work that may fail and can be tried again. An attempt that runs into its
    /// `timeout` is the last: its thread may still be at it.
    pub fn retryable_cpu<T, E, F>(
        kind: impl Into<Cow<'static, str>>,
        work: F,
    ) -> Operation<T, OnThread<T>>
    where
        T: Send + 'static,
        E: Into<BoxError>,
        F: Fn(&LaneContext<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        let work = move |context: &LaneContext<'_>| work(context).map_err(Into::into);
        Operation::on(Lane::Cpu, kind.into(), Body::many(work))
    }

    /// An operation of that kind which calls what blocks: it runs on one of the manager's threads
    /// for that and always has a value.
    pub fn blocking<T, F>(kind: impl Into<Cow<'static, str>>, work: F) -> Operation<T, OnThread<T>>
    where
        T: Send + 'static,
        F: FnOnce(&LaneContext<'_>) -> T + Send + 'static,
    {
        Operation::on(Lane::Blocking, kind.into(), Body::once(|context| Ok(work(context))))
    }

    /// The same, for work that may fail.
    ///
    /// ```
    /// # use perf_async::Operation;
    /// let operation = Operation::try_blocking("read", |_| std::fs::read("/etc/hostname"));
    /// ```
    pub fn try_blocking<T, E, F>(
        kind: impl Into<Cow<'static, str>>,
        work: F,
    ) -> Operation<T, OnThread<T>>
    where
        T: Send + 'static,
        E: Into<BoxError>,
        F: FnOnce(&LaneContext<'_>) -> Result<T, E> + Send + 'static,
    {
        let work = |context: &LaneContext<'_>| work(context).map_err(Into::into);
        Operation::on(Lane::Blocking, kind.into(), Body::once(work))
    }

    /// The same, for work that may fail and can be tried again. An attempt that runs into its
    /// `timeout` is the last: its thread may still be at it.
    pub fn retryable_blocking<T, E, F>(
        kind: impl Into<Cow<'static, str>>,
        work: F,
    ) -> Operation<T, OnThread<T>>
    where
        T: Send + 'static,
        E: Into<BoxError>,
        F: Fn(&LaneContext<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        let work = move |context: &LaneContext<'_>| work(context).map_err(Into::into);
        Operation::on(Lane::Blocking, kind.into(), Body::many(work))
    }

    fn on<T: Send + 'static>(
        lane: Lane,
        kind: Cow<'static, str>,
        body: Body<T>,
    ) -> Operation<T, OnThread<T>> {
        Operation::of(kind, OnThread::new(lane, body))
    }
}

/// Whether the place of an operation that has its answer is not free yet, because a thread is still
/// at it. It is given back when the thread returns. To be called with the scheduler's lock held.
pub(crate) fn outlives(
    shared: &Arc<Shared>,
    core: &mut Core,
    id: OperationId,
    ended: &Ended,
) -> bool {
    let Some(seat) = core.seat(id).filter(|seat| seat.is_busy()) else { return false };
    let seat = Arc::clone(seat);
    let early = shared.lanes.let_go_early();
    let (again, ended) = (Arc::clone(shared), ended.clone());
    let then = Box::new(move || {
        again.lanes.zombie_gone(early);
        if !early {
            again.finish_late(id, ended);
        }
    });
    if !seat.outlive(then) {
        shared.lanes.zombie_gone(early);
        return false;
    }
    if !early {
        core.outlive(id);
    }
    !early
}
