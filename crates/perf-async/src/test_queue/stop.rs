//! Tells the cases of a run to end.

use tokio::sync::watch;

/// How a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// As it should.
    Not,
    /// No case starts any more; those that run are asked to end.
    End,
    /// Those that run are killed.
    Kill,
}

/// Hears of it.
#[derive(Clone, Debug)]
pub(super) struct Stopper(watch::Receiver<Stop>);

impl Stopper {
    pub(super) fn channel() -> (watch::Sender<Stop>, Stopper) {
        let (tell, hear) = watch::channel(Stop::Not);
        (tell, Stopper(hear))
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.0.borrow() > Stop::Not
    }

    /// Waits until it has come so far; for ever if nobody can tell any more.
    pub(super) async fn reached(&self, stop: Stop) {
        let mut hear = self.0.clone();
        if hear.wait_for(|now| *now >= stop).await.is_err() {
            std::future::pending().await
        }
    }
}
