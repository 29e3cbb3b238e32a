//! Where loads run that their callers do not wait for.

use super::flight::Unpark;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

/// Runs loads somewhere else than on the thread or in the task that asks, so that the caller may
/// go on: with a value that is being refreshed, or because its time is up.
///
/// Given to [`CacheBuilder::spawner`](crate::CacheBuilder::spawner). Any `Fn(Work)` is one, and so
/// is [`Threads`]; with the feature `tokio`, so is `tokio::runtime::Handle`.
///
/// ```
/// use perf_cache::{Cache, Work};
/// use std::thread;
///
/// let cache: Cache<u64, String> = Cache::builder()
///     .max_entries(1_000)
///     .spawner(|work: Work| {
///         thread::spawn(|| work.run());
///     })
///     .build()?;
/// # Ok::<(), perf_cache::ConfigError>(())
/// ```
pub trait Spawn: Send + Sync {
    /// Takes the work, and sees to it that it runs soon.
    ///
    /// Work that is dropped without being run ends its load as abandoned. A panic goes to the
    /// caller of the cache, who asked for the load.
    fn spawn(&self, work: Work);

    /// A future that is ready after `span`, `None` (the default) where there are no timers.
    ///
    /// Time-outs of asynchronous callers need it; threads wait without.
    fn sleep(&self, span: Duration) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let _ = span;
        None
    }
}

impl<F: Fn(Work) + Send + Sync> Spawn for F {
    fn spawn(&self, work: Work) {
        self(work);
    }
}

/// A load to be run by a [`Spawn`].
#[non_exhaustive]
pub enum Work {
    /// It may occupy its thread for as long as the loader takes.
    Blocking(Box<dyn FnOnce() + Send>),
    /// To be polled to its end. It blocks no thread, as far as the loader does not.
    Future(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Work {
    /// Runs it on this thread to its end.
    pub fn run(self) {
        match self {
            Work::Blocking(run) => run(),
            Work::Future(mut future) => {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                let mut context = Context::from_waker(&waker);
                while future.as_mut().poll(&mut context).is_pending() {
                    thread::park();
                }
            }
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::Blocking(_) => "Blocking",
            Work::Future(_) => "Future",
        })
    }
}

/// Gives each load a thread of its own. Some 20 µs for each; the number of threads at a time is
/// bounded by [`CacheBuilder::max_background_loads`](crate::CacheBuilder::max_background_loads).
///
/// It has no timers, so it gives no time-outs to asynchronous callers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

impl Spawn for Threads {
    fn spawn(&self, work: Work) {
        // Where the system gives no thread the work is dropped, which ends its load as abandoned.
        let _ = thread::Builder::new().name("cache-load".to_owned()).spawn(|| work.run());
    }
}

#[cfg(feature = "tokio")]
impl Spawn for tokio::runtime::Handle {
    /// Futures as tasks, the rest in the pool for blocking work.
    fn spawn(&self, work: Work) {
        match work {
            Work::Blocking(run) => drop(self.spawn_blocking(run)),
            Work::Future(future) => drop(tokio::runtime::Handle::spawn(self, future)),
        }
    }

    /// A timer of this runtime.
    ///
    /// # Panics
    ///
    /// If the runtime was built without time.
    fn sleep(&self, span: Duration) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let _runtime = self.enter();
        Some(Box::pin(tokio::time::sleep(span)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::mpsc::channel;
    use std::task::Poll;

    #[test]
    fn work_runs_to_its_end_on_a_thread() {
        let (tell, told) = channel();
        let second = tell.clone();
        Threads.spawn(Work::Blocking(Box::new(move || tell.send(1).unwrap())));
        assert_eq!(told.recv(), Ok(1));
        let mut polls = 0;
        Threads.spawn(Work::Future(Box::pin(async move {
            poll_fn(|context| {
                polls += 1;
                context.waker().wake_by_ref();
                if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            second.send(polls).unwrap();
        })));
        assert_eq!(told.recv(), Ok(3));
    }

    #[test]
    fn threads_have_no_timers() {
        assert!(Threads.sleep(Duration::ZERO).is_none());
    }
}
