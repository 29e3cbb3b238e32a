//! The thread that commits puts that nobody else does.

use super::{DiskError, Shared};
use std::io;
use std::sync::{Arc, Weak, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Ends its thread when it is dropped.
#[derive(Debug)]
pub(super) struct Committer {
    end: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(super) fn start(shared: &Arc<Shared>, every: Duration) -> io::Result<Committer> {
        let (end, ended) = mpsc::sync_channel::<()>(0);
        let shared = Arc::downgrade(shared);
        let run = move || {
            while ended.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout)
                && commit(&shared)
            {}
        };
        let thread = Builder::new().name("perf-cache-sqlite".into()).spawn(run)?;
        Ok(Committer { end: Some(end), thread: Some(thread) })
    }
}

/// Whether there may be something to commit later.
fn commit(shared: &Weak<Shared>) -> bool {
    let Some(shared) = shared.upgrade() else { return false };
    let now = shared.now();
    // What fails is counted, and tried again.
    !matches!(shared.with(|base| base.commit(now)), Err(DiskError::Closed))
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}
