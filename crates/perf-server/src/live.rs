//! Snapshots, computed once and shown to all.
//!
//! Time is cut into generations: a new one starts every second and with every event. Within one
//! generation a channel and span is computed at most once, whoever asks: a page of a thousand open
//! dashboards costs as much as one.

mod component;
mod protocol;
mod socket;

pub(crate) use protocol::Channel;
pub(crate) use socket::attend;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use protocol::frame_around;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Computes what a channel shows over a span of seconds, as JSON text.
type Compute = dyn Fn(Channel, u64) -> String + Send + Sync;

/// The snapshots of now, and those who wait for the next.
pub(crate) struct Live {
    compute: Arc<Compute>,
    generation: watch::Sender<Generation>,
    kept: Mutex<VecDeque<Kept>>,
    /// One computation at a time: a crowd of new spans may keep one core busy, not all.
    computing: tokio::sync::Mutex<()>,
    pub(crate) counts: LiveCounts,
    most_connections: u64,
}

/// How often something changed, and how often it was urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Generation {
    number: u64,
    urgent: u64,
}

/// What happened to the connections.
#[derive(Debug, Default)]
pub(crate) struct LiveCounts {
    pub(crate) connections: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) skipped: AtomicU64,
}

struct Kept {
    channel: Channel,
    span: u64,
    generation: u64,
    snapshot: Snapshot,
}

/// What a channel shows, and when it did.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    /// The whole message for a socket.
    pub(crate) frame: Utf8Bytes,
    /// Where the data stands in it.
    data: std::ops::Range<usize>,
}

impl Snapshot {
    /// The data alone, as the answer to a GET.
    pub(crate) fn data(&self) -> Bytes {
        Bytes::from(self.frame.clone()).slice(self.data.clone())
    }
}

impl Live {
    pub(crate) fn new(
        most_connections: u64,
        compute: impl Fn(Channel, u64) -> String + Send + Sync + 'static,
    ) -> Live {
        Live {
            compute: Arc::new(compute),
            generation: watch::Sender::new(Generation { number: 1, urgent: 0 }),
            kept: Mutex::default(),
            computing: tokio::sync::Mutex::default(),
            counts: LiveCounts::default(),
            most_connections,
        }
    }

    /// Starts a new generation: what was computed before is old. An urgent one is shown at once.
    pub(crate) fn advance(&self, urgent: bool) {
        self.generation.send_modify(|generation| {
            generation.number += 1;
            generation.urgent += u64::from(urgent);
        });
    }

    /// What a channel shows now.
    pub(crate) async fn snapshot(&self, channel: Channel, span: u64) -> Snapshot {
        if let Some(snapshot) = self.fresh(channel, span) {
            return snapshot;
        }
        let _turn = self.computing.lock().await;
        // Somebody else may have computed it while this one waited.
        if let Some(snapshot) = self.fresh(channel, span) {
            return snapshot;
        }
        // Read before computing: an event in between must make this snapshot old.
        let generation = self.generation.borrow().number;
        let compute = Arc::clone(&self.compute);
        let json = tokio::task::spawn_blocking(move || compute(channel, span)).await;
        let (frame, data) = frame_around(channel, span, &json.unwrap_or_else(|_| "null".into()));
        let snapshot = Snapshot { generation, frame: frame.into(), data };
        self.keep(Kept { channel, span, generation, snapshot: snapshot.clone() });
        snapshot
    }

    /// Takes a place for one more connection, unless there are too many.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let entered = self
            .counts
            .connections
            .fetch_update(Relaxed, Relaxed, |n| (n < self.most_connections).then_some(n + 1));
        if entered.is_err() {
            self.counts.refused.fetch_add(1, Relaxed);
            return None;
        }
        Some(Place(Arc::clone(self)))
    }

    pub(crate) fn most_connections(&self) -> u64 {
        self.most_connections
    }

    fn fresh(&self, channel: Channel, span: u64) -> Option<Snapshot> {
        let now = self.generation.borrow().number;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .find(|kept| kept.channel == channel && kept.span == span && kept.generation == now)
            .map(|kept| kept.snapshot.clone())
    }

    fn keep(&self, new: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|old| {
            old.generation == new.generation && (old.channel, old.span) != (new.channel, new.span)
        });
        if kept.len() == MOST_KEPT {
            kept.pop_front();
        }
        kept.push_back(new);
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Live>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.counts.connections.fetch_sub(1, Relaxed);
    }
}

/// Different spans that are remembered at a time. Beyond, the oldest is computed again.
const MOST_KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> (Arc<Live>, Arc<AtomicU64>) {
        let computed = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&computed);
        let live = Live::new(2, move |_, span| {
            format!("{{\"n\":{},\"span\":{span}}}", counter.fetch_add(1, Relaxed))
        });
        (Arc::new(live), computed)
    }

    #[tokio::test]
    async fn a_generation_is_computed_once_for_all() {
        let (live, computed) = counting();
        let all = (0..50).map(|_| live.snapshot(Channel::Overview, 300));
        let frames = futures_util::future::join_all(all).await;
        assert_eq!(computed.load(Relaxed), 1);
        assert!(frames.iter().all(|s| s.data() == r#"{"n":0,"span":300}"#.as_bytes()));
        live.advance(false);
        assert_eq!(live.snapshot(Channel::Overview, 300).await.data()[..6], *b"{\"n\":1");
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let (live, computed) = counting();
        for span in 0..100 {
            live.snapshot(Channel::Caching, span).await;
        }
        assert_eq!(live.kept.lock().unwrap().len(), MOST_KEPT);
        live.snapshot(Channel::Caching, 99).await;
        assert_eq!(computed.load(Relaxed), 100, "the newest is remembered");
        live.snapshot(Channel::Caching, 0).await;
        assert_eq!(computed.load(Relaxed), 101, "the oldest is computed again");
    }

    #[tokio::test]
    async fn a_computation_that_panics_harms_nobody_else() {
        let live = Live::new(1, |_, span| {
            assert!(span > 0, "on purpose");
            "1".to_owned()
        });
        assert_eq!(live.snapshot(Channel::Overview, 0).await.data(), "null");
        assert_eq!(live.snapshot(Channel::Overview, 1).await.data(), "1");
    }

    #[test]
    fn it_keeps_the_contract_of_components() {
        perf_core::assert_tune_contract(&*counting().0);
    }

    #[test]
    fn connections_are_bounded_and_the_refused_are_counted() {
        let (live, _) = counting();
        let (one, _two) = (live.enter(), live.enter());
        assert!(live.enter().is_none());
        assert_eq!(live.counts.refused.load(Relaxed), 1);
        drop(one);
        assert!(live.enter().is_some());
    }
}
