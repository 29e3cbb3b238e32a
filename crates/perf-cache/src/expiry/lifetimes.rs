//! How long entries live that come into a cache: from their terms, a custom rule, or the cache.

use super::life::{Life, Span, nanos};
use super::{Expiry, NEVER, jittered};
use crate::Terms;
use perf_core::Clock;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The settings of a cache. All of them may be read at any time without a lock.
pub(crate) struct Lifetimes<K, V> {
    /// Nanoseconds; zero: for ever.
    live: AtomicU64,
    /// The same.
    idle: AtomicU64,
    jitter: f64,
    /// The share of its time to live after which an entry is loaded anew.
    refresh_share: Option<f64>,
    custom: Option<Box<dyn Expiry<K, V>>>,
    asks_on_read: bool,
}

/// The beginning of an entry's life.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// The first instant at which a reader must look closer.
    pub(crate) look_at: u64,
    /// Only where that does not say it all.
    pub(crate) life: Option<Life>,
}

impl<K, V> Lifetimes<K, V> {
    /// Zero is for ever.
    pub(crate) fn new(
        live: Duration,
        idle: Duration,
        jitter: f64,
        custom: Option<Box<dyn Expiry<K, V>>>,
    ) -> Lifetimes<K, V> {
        Lifetimes {
            live: AtomicU64::new(nanos(live)),
            idle: AtomicU64::new(nanos(idle)),
            jitter,
            refresh_share: None,
            asks_on_read: custom.as_ref().is_some_and(|custom| custom.watches_reads()),
            custom,
        }
    }

    /// The same with entries that are loaded anew after a share of their time to live.
    pub(crate) fn refreshed_after(self, share: Option<f64>) -> Lifetimes<K, V> {
        Lifetimes { refresh_share: share, ..self }
    }

    /// Whether what comes in without terms lives for ever.
    #[inline]
    pub(crate) fn are_for_ever(&self) -> bool {
        let set = self.live.load(Ordering::Relaxed) | self.idle.load(Ordering::Relaxed);
        set == 0 && self.custom.is_none()
    }

    pub(crate) fn time_to_live(&self) -> Option<Duration> {
        optional(self.live.load(Ordering::Relaxed))
    }

    pub(crate) fn time_to_idle(&self) -> Option<Duration> {
        optional(self.idle.load(Ordering::Relaxed))
    }

    /// For what comes in from now on; zero is for ever.
    pub(crate) fn set_time_to_live(&self, ttl: Duration) {
        self.live.store(nanos(ttl), Ordering::Relaxed);
    }

    /// For what comes in from now on; zero is for ever.
    pub(crate) fn set_time_to_idle(&self, idle: Duration) {
        self.idle.store(nanos(idle), Ordering::Relaxed);
    }

    /// Whether there is a rule that wants to know what a new value replaces.
    pub(crate) const fn asks_on_update(&self) -> bool {
        self.custom.is_some()
    }

    /// How long an entry lives that comes in now; `None` if it must not. `replaces` is the time
    /// that its predecessor had left, if there is one and
    /// [`asks_on_update`](Lifetimes::asks_on_update). Runs code of the caller: not under a lock.
    pub(crate) fn begin(
        &self,
        key: &K,
        value: &V,
        terms: &Terms,
        replaces: Option<Option<Duration>>,
        hash: u64,
        clock: &Clock,
    ) -> Option<Beginning> {
        let own = terms.time_to_live.or_else(|| {
            let custom = self.custom.as_ref()?;
            match replaces {
                Some(remaining) => custom.on_update(key, value, remaining),
                None => custom.on_create(key, value),
            }
        });
        let idle = terms.time_to_idle.map_or_else(
            || match self.idle.load(Ordering::Relaxed) {
                0 => NEVER,
                idle => idle,
            },
            nanos,
        );
        let default = self.live.load(Ordering::Relaxed);
        let mut span = Span {
            live: own.map_or(if default == 0 { NEVER } else { default }, nanos),
            idle,
            refresh: terms.refreshes_after().map_or(NEVER, nanos),
            stale: terms.stays_if_error().map_or(0, nanos),
            asks_on_read: self.asks_on_read,
            idled: nanos(terms.idled_for()),
        };
        if span.is_empty() {
            return None;
        }
        if !span.is_timed() && span.is_plain() {
            return Some(Beginning { look_at: NEVER, life: None });
        }
        // Not the coarse clock: a deadline a tick early would cut short times to live visibly.
        let now = clock.now();
        if own.is_none() && span.live != NEVER {
            let seed = hash ^ now.as_nanos();
            // At least one: what came in lives for an instant.
            span.live = nanos(jittered(Duration::from_nanos(span.live), self.jitter, seed)).max(1);
        }
        // Of the time that the entry has, whoever said so: jitter must not end it before.
        if let Some(share) = self.refresh_share
            && span.refresh == NEVER
            && span.live != NEVER
        {
            span.refresh = ((span.live as f64 * share) as u64).max(1);
        }
        if span.is_plain() {
            return Some(Beginning {
                look_at: (now + Duration::from_nanos(span.live)).as_nanos(),
                life: None,
            });
        }
        let life = Life::new(&span, now);
        Some(Beginning { look_at: life.look_at(), life: Some(life) })
    }

    /// Notes that a read found an entry that has a [`Life`], and lets the rule move its deadline.
    /// Runs code of the caller: not under a lock.
    pub(crate) fn note_read(&self, key: &K, value: &V, life: &Life, clock: &Clock) {
        life.note_use(clock);
        if !life.asks_on_read() {
            return;
        }
        let Some(custom) = &self.custom else { return };
        let remaining = remaining(life.deadline(), clock);
        if let Some(ttl) = custom.on_read(key, value, remaining) {
            life.set_deadline((clock.now() + ttl).as_nanos());
        }
    }
}

/// How long it is until a deadline, `None` if that never comes.
pub(crate) fn remaining(deadline: u64, clock: &Clock) -> Option<Duration> {
    (deadline != NEVER)
        .then(|| Duration::from_nanos(deadline.saturating_sub(clock.now().as_nanos())))
}

/// What a setting says, where zero is for ever.
fn optional(nanos: u64) -> Option<Duration> {
    (nanos != 0 && nanos != NEVER).then(|| Duration::from_nanos(nanos))
}

impl<K, V> fmt::Debug for Lifetimes<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifetimes")
            .field("time_to_live", &self.time_to_live())
            .field("time_to_idle", &self.time_to_idle())
            .field("jitter", &self.jitter)
            .field("custom", &self.custom.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct ByValue;

    impl Expiry<u8, u64> for ByValue {
        fn on_create(&self, _: &u8, value: &u64) -> Option<Duration> {
            (*value != 0).then(|| Duration::from_nanos(*value))
        }

        fn on_update(&self, _: &u8, _: &u64, remaining: Option<Duration>) -> Option<Duration> {
            remaining
        }

        fn on_read(&self, _: &u8, _: &u64, remaining: Option<Duration>) -> Option<Duration> {
            remaining.map(|left| left * 2)
        }

        fn watches_reads(&self) -> bool {
            true
        }
    }

    fn lives(of: &Lifetimes<u8, u64>, terms: &Terms, clock: &Clock) -> Option<u64> {
        let begun = of.begin(&1, &0, terms, None, 7, clock)?;
        let deadline = begun.life.map_or(begun.look_at, |life| life.end());
        Some(if deadline == NEVER { NEVER } else { deadline - clock.now().as_nanos() })
    }

    #[test]
    fn what_never_expires_reads_no_clock() {
        let clock = Clock::from_fn(|| unreachable!("no clock is needed"));
        let of = Lifetimes::new(Duration::ZERO, Duration::ZERO, 0.5, None);
        assert_eq!(lives(&of, &Terms::new(), &clock), Some(NEVER));
        let of = Lifetimes::new(SECOND, SECOND, 0.5, None);
        assert_eq!(lives(&of, &Terms::new().never(), &clock), Some(NEVER));
    }

    #[test]
    fn terms_come_before_the_rule_and_the_rule_before_the_cache() {
        let (clock, _hand) = Clock::manual();
        let of = Lifetimes::new(SECOND, Duration::ZERO, 0.0, Some(Box::new(ByValue)));
        let live = |value: u64, terms: &Terms| {
            let begun = of.begin(&1, &value, terms, None, 7, &clock).unwrap();
            begun.life.unwrap().end() - clock.now().as_nanos()
        };
        assert_eq!(live(0, &Terms::new()), 1_000_000_000);
        assert_eq!(live(5, &Terms::new()), 5);
        assert_eq!(live(5, &Terms::new().time_to_live(Duration::from_nanos(3))), 3);
    }

    #[test]
    fn a_rule_is_told_what_is_replaced_and_read() {
        let (clock, hand) = Clock::manual();
        let of = Lifetimes::new(SECOND, Duration::ZERO, 0.0, Some(Box::new(ByValue)));
        let left = Some(Some(Duration::from_nanos(40)));
        let life = of.begin(&1, &9, &Terms::new(), left, 7, &clock).unwrap().life.unwrap();
        hand.advance(Duration::from_nanos(10));
        of.note_read(&1, &9, &life, &clock);
        assert_eq!(remaining(life.deadline(), &clock), Some(Duration::from_nanos(60)));
    }

    #[test]
    fn zero_keeps_out_and_the_longest_is_for_ever() {
        let (clock, _hand) = Clock::manual();
        let of = Lifetimes::new(Duration::MAX, Duration::ZERO, 0.5, None);
        assert_eq!(of.time_to_live(), None);
        assert_eq!(lives(&of, &Terms::new(), &clock), Some(NEVER));
        assert_eq!(lives(&of, &Terms::new().time_to_live(Duration::ZERO), &clock), None);
        assert_eq!(lives(&of, &Terms::new().time_to_idle(Duration::ZERO), &clock), None);
        let most = Duration::from_nanos(NEVER - 1);
        assert_eq!(lives(&of, &Terms::new().time_to_live(most), &clock), Some(NEVER));
    }

    #[test]
    fn a_share_is_of_the_time_that_an_entry_really_has() {
        struct Unread;
        impl Expiry<u8, u64> for Unread {
            fn on_create(&self, _: &u8, value: &u64) -> Option<Duration> {
                Some(Duration::from_nanos(*value))
            }
        }
        let (clock, _hand) = Clock::manual();
        let now = || clock.now().as_nanos();
        let custom = |rule: Option<Box<dyn Expiry<u8, u64>>>, jitter| {
            Lifetimes::new(SECOND, Duration::ZERO, jitter, rule).refreshed_after(Some(0.5))
        };
        let refresh = |of: &Lifetimes<u8, u64>, value: u64, terms: &Terms| {
            let begun = of.begin(&1, &value, terms, None, 7, &clock).unwrap();
            (begun.look_at - now(), begun.life.map(|life| life.end() - now()))
        };
        let jittered = custom(None, 0.9);
        let (looks, lives) = refresh(&jittered, 0, &Terms::new());
        assert!(lives.unwrap() < 1_000_000_000 && looks == lives.unwrap() / 2, "{looks}");
        let of = custom(Some(Box::new(Unread)), 0.0);
        assert_eq!(refresh(&of, 400, &Terms::new()).0, 200);
        let own = Terms::new().time_to_live(Duration::from_nanos(100));
        assert_eq!(refresh(&of, 400, &own).0, 50);
        assert_eq!(refresh(&of, 400, &own.refresh_after(Duration::from_nanos(7))).0, 7);
    }

    #[test]
    fn the_earlier_of_living_and_idling_ends_it() {
        let (clock, _hand) = Clock::manual();
        let of = Lifetimes::new(SECOND, Duration::ZERO, 0.0, None);
        assert!(!of.asks_on_update());
        of.set_time_to_live(10 * SECOND);
        of.set_time_to_idle(SECOND);
        assert_eq!((of.time_to_live(), of.time_to_idle()), (Some(10 * SECOND), Some(SECOND)));
        assert_eq!(lives(&of, &Terms::new(), &clock), Some(1_000_000_000));
        let terms = Terms::new().time_to_live(Duration::from_millis(3));
        assert_eq!(lives(&of, &terms, &clock), Some(3_000_000));
    }
}
