//! Waiting for somebody else's load, for as long as the cache's time-outs allow.

use super::flight::{Join, Load, Outcome};
use super::options::LoadOptions;
use perf_core::{Clock, Instant};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long one call has waited on its thread, over all the loads it waited for.
#[derive(Debug)]
pub(super) struct Patience {
    soft: Limit<Instant>,
    hard: Limit<Instant>,
}

/// The same for a call that is a future: timers that begin with the first wait.
pub(super) struct Timers {
    soft: Limit<Sleep>,
    hard: Limit<Sleep>,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
enum Limit<T> {
    /// The first wait sets it.
    Unset,
    At(T),
    /// There is none, or it has been reached.
    Without,
}

/// How a wait came to its end.
#[derive(Debug)]
pub(super) enum Waited<V> {
    Ended(Arc<Outcome<V>>),
    /// An old value will do from now on, if there is one. Told once for each call.
    Soft,
    /// It took too long.
    Late,
}

impl<T> Limit<T> {
    fn begin(&mut self, limit: Option<Duration>, make: impl FnOnce(Duration) -> Option<T>) {
        if let Limit::Unset = self {
            *self = limit.and_then(make).map_or(Limit::Without, Limit::At);
        }
    }
}

impl Limit<Instant> {
    const fn at(&self) -> Option<Instant> {
        match self {
            Limit::At(instant) => Some(*instant),
            _ => None,
        }
    }
}

impl Limit<Sleep> {
    fn has_passed(&mut self, context: &mut Context<'_>) -> bool {
        match self {
            Limit::At(sleep) => sleep.as_mut().poll(context).is_ready(),
            _ => false,
        }
    }
}

impl Patience {
    pub(super) const fn new() -> Patience {
        Patience { soft: Limit::Unset, hard: Limit::Unset }
    }

    pub(super) fn wait<K, V>(
        &mut self,
        load: &Load<V>,
        options: &LoadOptions<K>,
        clock: &Clock,
    ) -> Waited<V> {
        let at = |limit| Some(clock.now() + limit);
        self.soft.begin(options.soft_timeout, at);
        self.hard.begin(options.hard_timeout, at);
        let (soft, hard) = (self.soft.at(), self.hard.at());
        if let Some(outcome) = load.wait(soft.or(hard), clock) {
            return Waited::Ended(outcome);
        }
        if soft.is_some() {
            self.soft = Limit::Without;
            return Waited::Soft;
        }
        // Whoever comes back has to wait for another load, and gets the whole time for it.
        self.hard = Limit::Unset;
        Waited::Late
    }
}

impl Timers {
    pub(super) const fn new() -> Timers {
        Timers { soft: Limit::Unset, hard: Limit::Unset }
    }

    pub(super) fn wait<'a, K, V>(
        &'a mut self,
        load: &'a Load<V>,
        options: &LoadOptions<K>,
    ) -> Waiting<'a, V> {
        let sleep = |span| options.spawner.as_ref().and_then(|spawner| spawner.sleep(span));
        self.soft.begin(options.soft_timeout, sleep);
        self.hard.begin(options.hard_timeout, sleep);
        Waiting { timers: self, join: load.join() }
    }
}

/// A wait that is a future.
pub(super) struct Waiting<'a, V> {
    timers: &'a mut Timers,
    join: Join<'a, V>,
}

impl<V> Future for Waiting<'_, V> {
    type Output = Waited<V>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Waited<V>> {
        if let Poll::Ready(outcome) = Pin::new(&mut self.join).poll(context) {
            return Poll::Ready(Waited::Ended(outcome));
        }
        if self.timers.soft.has_passed(context) {
            self.timers.soft = Limit::Without;
            return Poll::Ready(Waited::Soft);
        }
        if self.timers.hard.has_passed(context) {
            self.timers.hard = Limit::Unset;
            return Poll::Ready(Waited::Late);
        }
        Poll::Pending
    }
}

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use super::super::scope::LeaderId;
    use super::*;
    use perf_core::Clock;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn the_soft_limit_is_told_once_and_the_hard_one_for_each_load() {
        let mut options = LoadOptions::<u8>::new();
        options.soft_timeout = Some(MILLI);
        options.hard_timeout = Some(2 * MILLI);
        let (clock, hand) = Clock::manual();
        let load = Load::<u8>::new(LeaderId::new(), crate::invalidation::Fence::default());
        let mut patience = Patience::new();
        // The limits begin with the first wait; the hand moves while it lasts.
        let begin = |patience: &mut Patience| {
            patience.soft.begin(options.soft_timeout, |limit| Some(clock.now() + limit));
            patience.hard.begin(options.hard_timeout, |limit| Some(clock.now() + limit));
        };
        begin(&mut patience);
        hand.advance(MILLI);
        assert!(matches!(patience.wait(&load, &options, &clock), Waited::Soft));
        hand.advance(MILLI);
        assert!(matches!(patience.wait(&load, &options, &clock), Waited::Late));
        begin(&mut patience);
        hand.advance(2 * MILLI);
        assert!(matches!(patience.wait(&load, &options, &clock), Waited::Late));
        load.settle(Outcome::Absent);
        assert!(matches!(patience.wait(&load, &options, &clock), Waited::Ended(_)));
    }
}
