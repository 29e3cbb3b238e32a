//! What happens in a manager, as it happens.

use crate::driver::Shared;
use crate::sync::{Arc, lock};
use crate::{Event, Manager};
use std::fmt;

/// What happens in a manager, from when [`Manager::events`] was called.
///
/// Events are in the order in which they happened. Nobody waits for those who listen: who falls
/// more than 1,024 events behind loses the oldest, which are counted in [`lost`](Events::lost).
/// While nobody listens nothing is written down, and it costs nothing.
///
/// ```
/// use perf_async::{Happened, Manager, Operation, Status};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = Manager::builder().build()?;
/// let mut events = manager.events();
/// manager.run(Operation::infallible("add", async { 1 + 1 })).await?;
/// assert!(matches!(events.next().await.what, Happened::Started { .. }));
/// assert_eq!(events.next().await.what, Happened::Ended { status: Status::Completed });
/// assert_eq!(events.try_next(), None);
/// # Ok(())
/// # }
/// ```
pub struct Events {
    shared: Arc<Shared>,
    stand: u64,
    lost: u64,
}

impl Manager {
    /// What happens from now on: operations queued, started, tried again and ended.
    #[must_use]
    pub fn events(&self) -> Events {
        let stand = self.shared.listen();
        Events { shared: Arc::clone(&self.shared), stand, lost: 0 }
    }
}

impl Events {
    /// The next event; waits for one if need be, for ever if nothing happens any more.
    ///
    /// Cancel-safe: an event that was not answered is the next one's.
    pub async fn next(&mut self) -> Event {
        let shared = Arc::clone(&self.shared);
        loop {
            // Before looking, so that what happens in between is not missed.
            let news = shared.news();
            if let Some(event) = self.try_next() {
                return event;
            }
            news.await;
        }
    }

    /// The next event, if it has happened.
    pub fn try_next(&mut self) -> Option<Event> {
        let (event, lost) = lock(&self.shared.core).next_event(&mut self.stand);
        self.lost += lost;
        event
    }

    /// How many events were lost, because this one had fallen too far behind.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.stop_listening();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("lost", &self.lost).finish_non_exhaustive()
    }
}
