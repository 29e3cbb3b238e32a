//! Loads of a cache as operations of a manager.

use perf_async::{Manager, Operation};
use perf_cache::{Spawn, Work};
use perf_core::Priority;
use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Handle;

/// Runs the loads of a cache as operations of a manager: bounded with all others, seen with all
/// others, and in their turn.
///
/// [`on`](CacheLoads::on) is for [`CacheBuilder::spawner`](perf_cache::CacheBuilder::spawner),
/// [`ahead`](CacheLoads::ahead) for what is loaded before anybody asks, which gives way to the rest:
/// the spawner of [`Prefetching`](perf_cache::learning::Prefetching), say. Where the manager turns a load away, it ends
/// as abandoned, as the cache counts, and as rejected, as the manager counts.
///
/// ```
/// use perf_async::Manager;
/// use perf_cache::Cache;
/// use perf_engine::CacheLoads;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = Manager::builder().max_concurrent(8).build()?;
/// let cache: Cache<u64, String> = Cache::builder()
///     .max_entries(1_000)
///     .spawner(CacheLoads::on(&manager))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CacheLoads {
    manager: Manager,
    runtime: Handle,
    kind: Cow<'static, str>,
    priority: Priority,
}

impl CacheLoads {
    /// Operations of the kind `load` with priority 5.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, which then runs the loads.
    #[must_use]
    pub fn on(manager: &Manager) -> CacheLoads {
        CacheLoads {
            manager: manager.clone(),
            runtime: Handle::current(),
            kind: Cow::Borrowed("load"),
            priority: Priority::NORMAL,
        }
    }

    /// Operations of the kind `preload` with priority 1.
    ///
    /// # Panics
    ///
    /// As [`on`](CacheLoads::on).
    #[must_use]
    pub fn ahead(manager: &Manager) -> CacheLoads {
        CacheLoads::on(manager).kind("preload").priority(Priority::LOWEST)
    }

    /// The same as operations of another kind.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> CacheLoads {
        self.kind = kind.into();
        self
    }

    /// The same with another priority.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> CacheLoads {
        self.priority = priority;
        self
    }
}

impl Spawn for CacheLoads {
    fn spawn(&self, work: Work) {
        let _here = self.runtime.enter();
        let run = async move {
            match work {
                Work::Future(future) => future.await,
                // Waited for, so that it keeps its place while it runs.
                work => drop(tokio::task::spawn_blocking(|| work.run()).await),
            }
        };
        let operation = Operation::infallible(self.kind.clone(), run).priority(self.priority);
        // Nobody waits for it here: the cache hears of its end by itself, also where it is dropped.
        drop(self.manager.submit(operation));
    }

    fn sleep(&self, span: Duration) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let _here = self.runtime.enter();
        Some(Box::pin(tokio::time::sleep(span)))
    }
}

impl fmt::Debug for CacheLoads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLoads")
            .field("kind", &self.kind)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}
