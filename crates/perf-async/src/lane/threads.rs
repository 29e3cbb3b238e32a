//! The threads.

use crate::ConfigError;
use crate::driver::{BoxError, contain};
use crate::kind::within;
use crate::pools::Lane;
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering, lock};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::fmt;
use std::io;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

#[cfg(feature = "rayon")]
use crate::sync::OnceLock;

/// How many threads there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneSettings {
    pub(crate) cpu: usize,
    pub(crate) blocking: usize,
    pub(crate) max_zombies: usize,
    #[cfg(feature = "rayon")]
    pub(crate) parallel: usize,
}

impl LaneSettings {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        within("cpu_threads", self.cpu as u64, 1, MAX_THREADS)?;
        within("blocking_threads", self.blocking as u64, 1, MAX_THREADS)?;
        #[cfg(feature = "rayon")]
        within("rayon_threads", self.parallel as u64, 1, MAX_THREADS)?;
        within("max_zombies", self.max_zombies as u64, 0, MAX_THREADS)
    }
}

impl Default for LaneSettings {
    fn default() -> LaneSettings {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        LaneSettings {
            cpu: cores,
            blocking: BLOCKING_THREADS,
            max_zombies: 0,
            #[cfg(feature = "rayon")]
            parallel: cores,
        }
    }
}

/// The threads of a manager, and those of its operations that outlive their answers.
///
/// The threads know the channel and not the manager, so they end when it is dropped, as soon as
/// they have returned from what they are at.
pub(crate) struct Lanes {
    cpu: Threads,
    blocking: Threads,
    zombies: AtomicUsize,
    /// Those of them that have no place any more.
    placeless: AtomicUsize,
    max_placeless: usize,
    #[cfg(feature = "rayon")]
    parallel: OnceLock<rayon::ThreadPool>,
    #[cfg(feature = "rayon")]
    parallel_threads: usize,
}

impl Lanes {
    pub(crate) fn new(settings: &LaneSettings) -> Lanes {
        let spare = settings.max_zombies;
        Lanes {
            cpu: Threads::new("perf-cpu", settings.cpu + spare),
            blocking: Threads::new("perf-blocking", settings.blocking + spare),
            zombies: AtomicUsize::new(0),
            placeless: AtomicUsize::new(0),
            max_placeless: settings.max_zombies,
            #[cfg(feature = "rayon")]
            parallel: OnceLock::new(),
            #[cfg(feature = "rayon")]
            parallel_threads: settings.parallel,
        }
    }

    /// Hands an attempt to a thread, which is started if none is free.
    pub(super) fn send(&self, lane: Lane, job: Arc<dyn Run>) -> Result<(), BoxError> {
        match lane {
            Lane::Cpu => self.cpu.send(job),
            Lane::Blocking => self.blocking.send(job),
        }
    }

    /// How many threads are at operations that have their answer already.
    pub(crate) fn zombies(&self) -> usize {
        self.zombies.load(Ordering::Relaxed)
    }

    /// One more outlives its answer. Whether its place is to be given back at once.
    pub(super) fn let_go_early(&self) -> bool {
        self.zombies.fetch_add(1, Ordering::Relaxed);
        let one_more = |placeless| (placeless < self.max_placeless).then_some(placeless + 1);
        self.placeless.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(super) fn zombie_gone(&self, early: bool) {
        self.zombies.fetch_sub(1, Ordering::Relaxed);
        if early {
            self.placeless.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[cfg(feature = "rayon")]
    pub(super) fn parallel(&self) -> &rayon::ThreadPool {
        self.parallel.get_or_init(|| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(self.parallel_threads)
                .thread_name(|number| format!("perf-rayon-{}", number + 1));
            pool.build().expect("rayon's threads can be started")
        })
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("zombies", &self.zombies()).finish_non_exhaustive()
    }
}

/// An attempt, whatever its type of value.
pub(super) trait Run: Send + Sync {
    /// Runs it, unless nobody waits for it any more. Frees the thread before anybody is told.
    fn run(self: Arc<Self>, crew: &Mutex<Crew>);
    /// Answers that for this reason it will not be run.
    fn refuse(self: Arc<Self>, why: &str);
}

/// The threads of one lane.
struct Threads {
    name: &'static str,
    most: usize,
    sender: Sender<Arc<dyn Run>>,
    receiver: Receiver<Arc<dyn Run>>,
    crew: Arc<Mutex<Crew>>,
}

/// How many threads there are and how much they have to do.
#[derive(Debug, Default)]
pub(super) struct Crew {
    threads: usize,
    /// What is on its way to a thread or on one.
    jobs: usize,
    /// The number of the last thread.
    last: usize,
}

impl Crew {
    /// A thread has ended what it was at.
    pub(super) fn is_free(crew: &Mutex<Crew>) {
        lock(crew).jobs -= 1;
    }
}

impl Threads {
    fn new(name: &'static str, most: usize) -> Threads {
        // An operation is handed over when a thread is free or about to be. More come only while
        // those that were abandoned before a thread took them have not been cleared away.
        let (sender, receiver) = bounded(2 * most + SPARE_JOBS);
        Threads { name, most, sender, receiver, crew: Arc::default() }
    }

    fn send(&self, job: Arc<dyn Run>) -> Result<(), BoxError> {
        let started = {
            let mut crew = lock(&self.crew);
            crew.jobs += 1;
            let start = crew.jobs > crew.threads && crew.threads < self.most;
            crew.last += usize::from(start);
            crew.threads += usize::from(start);
            start.then_some(crew.last)
        };
        if let Some(number) = started
            && let Err(error) = self.start(number)
        {
            let mut crew = lock(&self.crew);
            crew.threads -= 1;
            if crew.threads == 0 {
                crew.jobs -= 1;
                drop(crew);
                let why = format!("no thread could be started: {error}");
                self.refuse_all(&why);
                return Err(why.into());
            }
        }
        self.sender.try_send(job).map_err(|_| {
            Crew::is_free(&self.crew);
            "as many operations wait for a thread as may: raise the lane's threads".into()
        })
    }

    fn start(&self, number: usize) -> io::Result<()> {
        let (receiver, crew) = (self.receiver.clone(), Arc::clone(&self.crew));
        let thread = thread::Builder::new().name(format!("{}-{number}", self.name));
        thread.spawn(move || serve(&receiver, &crew)).map(drop)
    }

    /// Nobody is there to take what others have sent in the meantime.
    fn refuse_all(&self, why: &str) {
        while let Ok(job) = self.receiver.try_recv() {
            Crew::is_free(&self.crew);
            job.refuse(why);
        }
    }
}

/// What a thread does, until the manager is gone or there has been nothing to do for a while.
fn serve(receiver: &Receiver<Arc<dyn Run>>, crew: &Mutex<Crew>) {
    loop {
        match receiver.recv_timeout(KEEP_ALIVE) {
            Ok(job) => contain(|| job.run(crew)).unwrap_or_default(),
            Err(RecvTimeoutError::Timeout) => {
                let mut crew = lock(crew);
                // Else something is on its way that counts on this thread.
                if crew.jobs < crew.threads {
                    crew.threads -= 1;
                    return;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// How many threads there may be for calls that block unless set otherwise.
const BLOCKING_THREADS: usize = 32;
/// How long a thread waits for something to do.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const MAX_THREADS: u64 = 4_096;
const SPARE_JOBS: usize = 64;
