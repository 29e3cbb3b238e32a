//! Single flight: of several requests for the same missing answer one fetches, the others wait.

use super::key::ResponseKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The fetches that others may wait for: at most `max`.
pub(crate) struct Flights {
    under_way: Arc<Mutex<UnderWay>>,
    max: usize,
}

type UnderWay = HashMap<FlightKey, watch::Receiver<Option<Landing>>>;

/// The URL, and a number for what else tells requests apart. Equal numbers by accident make
/// somebody wait in vain, no more: what is stored is looked at again.
pub(crate) type FlightKey = (ResponseKey, u64);

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// The answer is in the store.
    Stored,
    /// The answer is for the one who fetched it.
    NotStored,
    /// There is no answer, or none that is whole.
    Failed,
}

pub(crate) enum Joined {
    /// Nobody fetches it yet: do so.
    Lead(Flight),
    /// Somebody does: wait.
    Follow(watch::Receiver<Option<Landing>>),
    /// Too many fetches are under way to keep track: fetch alone.
    Alone,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Landed(Landing),
    /// The one who fetched went away: somebody else should.
    Abandoned,
    TooLong,
}

impl Flights {
    pub(crate) fn new(max: usize) -> Flights {
        Flights { under_way: Arc::default(), max }
    }

    pub(crate) fn join(&self, key: FlightKey) -> Joined {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = under_way.get(&key) {
            return Joined::Follow(landing.clone());
        }
        if under_way.len() >= self.max {
            return Joined::Alone;
        }
        let (landing, watching) = watch::channel(None);
        under_way.insert(key.clone(), watching);
        Joined::Lead(Flight { key, landing, under_way: Arc::clone(&self.under_way) })
    }
}

/// The duty to fetch. Dropped without landing, it goes to one of those who wait.
pub(crate) struct Flight {
    key: FlightKey,
    landing: watch::Sender<Option<Landing>>,
    under_way: Arc<Mutex<UnderWay>>,
}

impl Flight {
    pub(crate) fn land(self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Waits for a flight to end; at most `limit` within a tokio runtime, else until it ends.
pub(crate) async fn wait(mut flight: watch::Receiver<Option<Landing>>, limit: Duration) -> Waited {
    let landed = async {
        match flight.wait_for(Option::is_some).await.map(|landing| *landing) {
            Ok(Some(landing)) => Waited::Landed(landing),
            _ => Waited::Abandoned,
        }
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return landed.await;
    }
    tokio::time::timeout(limit, landed).await.unwrap_or(Waited::TooLong)
}

/// Each takes a few hundred bytes, and a fetch of its own takes far more.
pub(crate) const MAX_FLIGHTS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> FlightKey {
        (ResponseKey::new("h/a"), 0)
    }

    fn lead(flights: &Flights) -> Flight {
        match flights.join(key()) {
            Joined::Lead(flight) => flight,
            _ => panic!("somebody else leads"),
        }
    }

    fn follow(flights: &Flights) -> watch::Receiver<Option<Landing>> {
        match flights.join(key()) {
            Joined::Follow(landing) => landing,
            _ => panic!("nobody leads"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_hear_how_it_ended() {
        let flights = Flights::new(1);
        let limit = Duration::from_secs(1);
        let (flight, one) = (lead(&flights), follow(&flights));
        flight.land(Landing::Stored);
        assert_eq!(wait(one, limit).await, Waited::Landed(Landing::Stored));

        let (flight, one) = (lead(&flights), follow(&flights));
        drop(flight);
        assert_eq!(wait(one, limit).await, Waited::Abandoned);

        let (flight, one) = (lead(&flights), follow(&flights));
        assert_eq!(wait(one, limit).await, Waited::TooLong);
        drop(flight);
        lead(&flights).land(Landing::Failed);
    }

    #[test]
    fn beyond_the_bound_everybody_fetches_alone() {
        let flights = Flights::new(1);
        let flight = lead(&flights);
        let other = (ResponseKey::new("h/b"), 0);
        assert!(matches!(flights.join(other.clone()), Joined::Alone));
        drop(flight);
        assert!(matches!(flights.join(other), Joined::Lead(_)));
    }
}
