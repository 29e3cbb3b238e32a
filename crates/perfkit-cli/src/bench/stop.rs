//! Ctrl-C while something runs that asks now and then whether it should go on.

use crate::failure::Failure;
use crate::signals::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Whether somebody wants the program to end.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on. The first signal is only noted, the second ends the program at once.
    pub(super) fn listen() -> Result<Stop, Failure> {
        let failed = |error| Failure::failed(format!("signals cannot be received: {error}"));
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let noted = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(failed)?;
        let mut signals = runtime.block_on(async { Signals::new() }).map_err(failed)?;
        thread::Builder::new()
            .name("perfkit-signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    signals.next().await;
                    noted.0.store(true, Ordering::Relaxed);
                    signals.next().await;
                    std::process::exit(130);
                });
            })
            .map_err(failed)?;
        Ok(stop)
    }

    /// Whether it is time to end.
    pub(super) fn wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
