//! Loads lazies ahead, in the background.

mod drive;
mod signals;

use super::report::StartupReport;
use super::value::{Lazy, Preload};
use crate::sync::{Arc, Mutex, lock};
use crate::{ConfigError, Manager};
use drive::drive;
use perf_core::{Instant, Priority};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fmt;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Loads lazies ahead, in the background, the most urgent first.
///
/// It keeps a few loads with the manager at a time, each with the lowest priority, so that they run
/// when nothing else waits, and by aging at last. Whoever asks for a value meanwhile does not wait
/// behind the rest: [`Lazy::get`] joins the load under way and lifts it, or starts its own.
///
/// A load that fails is not tried again: the next who asks does. Dropping the preloader stops it;
/// loads that nobody else waits for are cancelled.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use perf_async::{Lazy, Manager, Preloader};
/// use perf_core::Priority;
///
/// let manager = Manager::builder().build()?;
/// let menu = Lazy::new(&manager, "menu", || async { Ok::<_, std::io::Error>("soup") });
/// let rates = Lazy::new(&manager, "rates", || async { "1.08".parse::<f64>() });
///
/// let preloader = Preloader::builder(&manager).build()?;
/// preloader.register(&menu, Priority::HIGHEST)?;
/// preloader.register(&rates, Priority::LOWEST)?;
/// preloader.start();
/// preloader.finished().await;
///
/// assert_eq!(menu.get().await?, "soup");
/// let report = preloader.report();
/// assert_eq!(report.initialised().count(), 2);
/// assert_eq!(report.never_used().next().unwrap().name, "rates");
/// println!("{report}");
/// # Ok(())
/// # }
/// ```
pub struct Preloader {
    inner: Arc<Inner>,
}

struct Inner {
    settings: PreloaderBuilder,
    since: Instant,
    state: Mutex<State>,
    /// There is more to load, or more may be loaded at once.
    work: Notify,
    /// Something has been loaded.
    progress: Notify,
}

struct State {
    lazies: Vec<Registered>,
    names: HashSet<String>,
    /// Those that wait: the most urgent first, then in the order of registration.
    queue: BinaryHeap<(Priority, Reverse<usize>)>,
    loading: usize,
    max_concurrent: usize,
    failed: u64,
    turned_away: u64,
    refused: u64,
    task: Option<AbortHandle>,
}

struct Registered {
    lazy: Arc<dyn Preload>,
    /// `None` if it is only watched.
    priority: Option<Priority>,
}

/// Builds a [`Preloader`].
#[derive(Clone, Debug)]
pub struct PreloaderBuilder {
    manager: Manager,
    max_concurrent: usize,
    limit: usize,
    priority: Priority,
}

impl PreloaderBuilder {
    /// How many loads it keeps with the manager at a time, from 1 to 64. The default is 2.
    #[must_use]
    pub fn max_concurrent(mut self, loads: usize) -> PreloaderBuilder {
        self.max_concurrent = loads;
        self
    }

    /// How many lazies may be registered, from 1 to 1,000,000. The default is 10,000.
    #[must_use]
    pub fn limit(mut self, lazies: usize) -> PreloaderBuilder {
        self.limit = lazies;
        self
    }

    /// How urgent its loads are for the manager. The default is 1.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> PreloaderBuilder {
        self.priority = priority;
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds.
    pub fn build(self) -> Result<Preloader, ConfigError> {
        let (loads, limit) = (self.max_concurrent, self.limit);
        if !(1..=MAX_CONCURRENT).contains(&loads) {
            let remedy = format!("use 1 to {MAX_CONCURRENT}");
            return Err(ConfigError::new("max_concurrent", loads, remedy));
        }
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ConfigError::new("limit", limit, format!("use 1 to {MAX_LIMIT}")));
        }
        let state = State {
            lazies: Vec::new(),
            names: HashSet::new(),
            queue: BinaryHeap::new(),
            loading: 0,
            max_concurrent: loads,
            failed: 0,
            turned_away: 0,
            refused: 0,
            task: None,
        };
        let inner = Inner {
            since: self.manager.clock().now(),
            settings: self,
            state: Mutex::new(state),
            work: Notify::new(),
            progress: Notify::new(),
        };
        Ok(Preloader { inner: Arc::new(inner) })
    }
}

impl Preloader {
    /// Two loads at a time with priority 1, at most 10,000 lazies, until set otherwise.
    #[must_use]
    pub fn builder(manager: &Manager) -> PreloaderBuilder {
        PreloaderBuilder {
            manager: manager.clone(),
            max_concurrent: 2,
            limit: 10_000,
            priority: Priority::LOWEST,
        }
    }

    /// Has a value loaded ahead: the higher the priority, the sooner; of equals the one registered
    /// first. The value may belong to another manager.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the name is taken or as many are registered as may be.
    pub fn register<T>(&self, lazy: &Lazy<T>, priority: Priority) -> Result<(), ConfigError>
    where
        T: Send + Sync + 'static,
    {
        let lazy: Arc<dyn Preload> = Arc::clone(&lazy.inner) as Arc<dyn Preload>;
        self.inner.add(Registered { lazy, priority: Some(priority) })?;
        self.inner.work.notify_one();
        Ok(())
    }

    /// Has a value in the report and the signals, without loading it ahead.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the name is taken or as many are registered as may be.
    pub fn watch<T>(&self, lazy: &Lazy<T>) -> Result<(), ConfigError>
    where
        T: Send + Sync + 'static,
    {
        let lazy: Arc<dyn Preload> = Arc::clone(&lazy.inner) as Arc<dyn Preload>;
        self.inner.add(Registered { lazy, priority: None })
    }

    /// Begins to load, in a task of its own. What is registered later is loaded too. Called again it
    /// changes nothing, unless the runtime it was called in has gone.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    pub fn start(&self) {
        let is_over =
            |task: &Option<AbortHandle>| task.as_ref().is_none_or(AbortHandle::is_finished);
        if !is_over(&lock(&self.inner.state).task) {
            return;
        }
        let task = tokio::spawn(drive(Arc::clone(&self.inner))).abort_handle();
        let mut state = lock(&self.inner.state);
        if is_over(&state.task) {
            state.task = Some(task);
        } else {
            // Somebody else was faster.
            drop(state);
            task.abort();
        }
    }

    /// Waits until all that is registered has been loaded or has failed; starts if that has not been
    /// done. Dropping this future changes nothing.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    pub async fn finished(&self) {
        self.start();
        loop {
            // Made before the look, so that no progress between the two is missed.
            let progress = self.inner.progress.notified();
            if self.is_finished() {
                return;
            }
            progress.await;
        }
    }

    /// Whether all that is registered has been loaded or has failed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let state = lock(&self.inner.state);
        state.queue.is_empty() && state.loading == 0
    }

    /// What was initialised since the preloader was made, how long it took, in which order, and what
    /// was never used. O(n log n) of the registered.
    #[must_use]
    pub fn report(&self) -> StartupReport {
        let now = self.inner.settings.manager.clock().now();
        let lazies = self.inner.registered();
        let stats = lazies.into_iter().map(|(priority, lazy)| (priority, lazy.stats()));
        StartupReport::new(self.inner.since, now, stats)
    }
}

impl Inner {
    fn add(&self, registered: Registered) -> Result<(), ConfigError> {
        let name = registered.lazy.name();
        let mut state = lock(&self.state);
        let remedy = if state.names.contains(name) {
            Some("each name can be registered once".to_owned())
        } else if state.lazies.len() >= self.settings.limit {
            Some(format!("{} are registered: raise the limit", state.lazies.len()))
        } else {
            None
        };
        if let Some(remedy) = remedy {
            state.refused += 1;
            return Err(ConfigError::new("register", name, remedy));
        }
        state.names.insert(name.to_owned());
        if let Some(priority) = registered.priority {
            let number = state.lazies.len();
            state.queue.push((priority, Reverse(number)));
        }
        state.lazies.push(registered);
        Ok(())
    }

    fn registered(&self) -> Vec<(Option<Priority>, Arc<dyn Preload>)> {
        let state = lock(&self.state);
        state.lazies.iter().map(|one| (one.priority, Arc::clone(&one.lazy))).collect()
    }
}

impl Drop for Preloader {
    fn drop(&mut self) {
        let task = lock(&self.inner.state).task.take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl fmt::Debug for Preloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.inner.state);
        f.debug_struct("Preloader")
            .field("registered", &state.lazies.len())
            .field("waiting", &state.queue.len())
            .field("loading", &state.loading)
            .finish_non_exhaustive()
    }
}

const MAX_CONCURRENT: usize = 64;
const MAX_LIMIT: usize = 1_000_000;
