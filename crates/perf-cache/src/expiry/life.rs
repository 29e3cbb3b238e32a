//! How long one entry lives.
//!
//! Most entries need no more than one number, the first instant at which a reader must look closer
//! (`look_at`): for an entry that only has a time to live that is its deadline, and there is no
//! [`Life`]. Entries with more than that (a time to idle, a refresh, an afterlife for failed loads,
//! an [`Expiry`](super::Expiry) that is asked on reads) keep one beside them.
//!
//! An idle entry is looked at closer on every read, since every read is a use. What the read writes
//! is a coarse time, and only when that moved by a tick: a hot entry is written some hundred times a
//! second, however many threads read it.

use super::{NEVER, has_passed, has_passed_since};
use crate::Terms;
use perf_core::{Clock, Instant};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a closer look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// To be answered.
    Fresh,
    /// To be answered, and to be loaded anew by whoever has a loader.
    RefreshDue,
    /// Past its time to live, and kept for the case that loading it anew fails. A miss to everyone
    /// without a loader.
    Stale,
    /// Nobody may see it again.
    Dead,
}

/// How long an entry is to live, in nanoseconds from now; [`NEVER`] is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) live: u64,
    pub(crate) idle: u64,
    /// From when on it is to be loaded anew.
    pub(crate) refresh: u64,
    /// How long beyond its time to live it is kept.
    pub(crate) stale: u64,
    /// Whether reads may move its deadline.
    pub(crate) asks_on_read: bool,
    /// How long ago it was last used.
    pub(crate) idled: u64,
}

impl Span {
    pub(crate) const FOR_EVER: Span =
        Span { live: NEVER, idle: NEVER, refresh: NEVER, stale: 0, asks_on_read: false, idled: 0 };

    /// Whether an entry must not even come in.
    pub(crate) const fn is_empty(&self) -> bool {
        self.live == 0 || self.idle <= self.idled
    }

    /// Whether its deadline says it all, so that the entry needs no [`Life`].
    pub(crate) const fn is_plain(&self) -> bool {
        self.idle == NEVER && self.refresh == NEVER && self.stale == 0 && !self.asks_on_read
    }

    /// Whether a clock must be read to begin it.
    pub(crate) const fn is_timed(&self) -> bool {
        self.live != NEVER || self.idle != NEVER || self.refresh != NEVER
    }
}

/// What is known of the lifetime of an entry that needs more than a deadline.
#[derive(Debug)]
pub(crate) struct Life {
    /// The end of its time to live.
    deadline: AtomicU64,
    /// From when on it is to be loaded anew.
    refresh_at: AtomicU64,
    /// When it was last used, up to a tick less than the truth and never more.
    last_use: AtomicU64,
    idle: u64,
    /// How long beyond its deadline it is kept.
    stale: u64,
    asks_on_read: bool,
}

/// Nothing special: lives for ever.
impl Default for Life {
    fn default() -> Life {
        Life::new(&Span::FOR_EVER, Instant::from_nanos(0))
    }
}

impl Life {
    pub(crate) fn new(span: &Span, now: Instant) -> Life {
        let after = |nanos| later(now.as_nanos(), nanos);
        Life {
            deadline: AtomicU64::new(after(span.live)),
            refresh_at: AtomicU64::new(after(span.refresh)),
            last_use: AtomicU64::new(now.as_nanos().saturating_sub(span.idled)),
            idle: span.idle,
            stale: span.stale,
            asks_on_read: span.asks_on_read,
        }
    }

    /// Nothing but a deadline.
    pub(crate) fn until(deadline: u64) -> Life {
        let life = Life::default();
        life.set_deadline(deadline);
        life
    }

    /// The same once more, for a copy of the entry.
    pub(crate) fn copy(&self) -> Life {
        let copy = |word: &AtomicU64| AtomicU64::new(word.load(Ordering::Relaxed));
        Life {
            deadline: copy(&self.deadline),
            refresh_at: copy(&self.refresh_at),
            last_use: copy(&self.last_use),
            idle: self.idle,
            stale: self.stale,
            asks_on_read: self.asks_on_read,
        }
    }

    /// The first instant at which a reader must look closer.
    pub(crate) fn look_at(&self) -> u64 {
        if self.idle != NEVER || self.asks_on_read {
            return 0;
        }
        self.deadline().min(self.refresh_at.load(Ordering::Relaxed))
    }

    pub(crate) fn deadline(&self) -> u64 {
        self.deadline.load(Ordering::Relaxed)
    }

    /// Whether reads may move its deadline.
    pub(crate) const fn asks_on_read(&self) -> bool {
        self.asks_on_read
    }

    /// Moves the end of its time to live. The refresh that was planned stays where it is.
    pub(crate) fn set_deadline(&self, deadline: u64) {
        self.deadline.store(deadline, Ordering::Relaxed);
    }

    /// Puts the next refresh off: one that has begun, or that failed, is not to be begun by every
    /// reader. The caller stores [`look_at`](Life::look_at) in the entry again.
    pub(crate) fn put_off_refresh(&self, until: u64) {
        self.refresh_at.store(until, Ordering::Relaxed);
    }

    /// When it ends by idling.
    pub(crate) fn idle_deadline(&self) -> u64 {
        later(self.last_use.load(Ordering::Relaxed), self.idle)
    }

    /// When it is of no more use to anyone, unless it is used before.
    pub(crate) fn end(&self) -> u64 {
        later(self.deadline(), self.stale).min(self.idle_deadline())
    }

    /// Notes that the entry is being used.
    pub(crate) fn note_use(&self, clock: &Clock) {
        if self.idle == NEVER {
            return;
        }
        // Where a tick is a sizable part of the time to idle, the precise clock is worth its price.
        let precise = self.idle < 256 * TICK;
        let (now, grain) = if precise {
            (clock.now().as_nanos(), self.idle / 256)
        } else {
            (clock.coarse().as_nanos(), TICK)
        };
        // Relaxed: of two readers at once either time is true to a tick, and nothing else hangs on
        // it. It never runs backwards by more than that.
        if now >= self.last_use.load(Ordering::Relaxed).saturating_add(grain) {
            self.last_use.store(now, Ordering::Relaxed);
        }
    }

    /// The terms on which it would go on as it is.
    pub(crate) fn terms(&self, clock: &Clock) -> Terms {
        let now = clock.now().as_nanos();
        let left = |at: u64| match at {
            NEVER => Duration::MAX,
            at => Duration::from_nanos(at.saturating_sub(now)),
        };
        let mut terms = Terms::new().time_to_live(left(self.deadline()));
        let refresh = left(self.refresh_at.load(Ordering::Relaxed));
        if refresh != Duration::MAX {
            terms = terms.refresh_after(refresh);
        }
        if self.stale != 0 {
            terms = terms.stale_if_error(Duration::from_nanos(self.stale));
        }
        if self.idle == NEVER {
            return terms.time_to_idle(Duration::MAX);
        }
        let idled = now.saturating_sub(self.last_use.load(Ordering::Relaxed));
        terms.time_to_idle(Duration::from_nanos(self.idle)).idled(Duration::from_nanos(idled))
    }

    fn state(&self, clock: &Clock) -> State {
        let (idle, deadline) = (self.idle_deadline(), self.deadline());
        let refresh = self.refresh_at.load(Ordering::Relaxed);
        if idle.min(deadline).min(refresh) == NEVER {
            return State::Fresh;
        }
        let coarse = clock.coarse().as_nanos();
        let passed = |at| has_passed_since(at, coarse, clock);
        if passed(idle) {
            State::Dead
        } else if passed(deadline) {
            if passed(later(deadline, self.stale)) { State::Dead } else { State::Stale }
        } else if passed(refresh) {
            State::RefreshDue
        } else {
            State::Fresh
        }
    }
}

/// What an entry is that must be looked at closer from `look_at` on. Exact, and reads no clock
/// where nothing expires.
#[inline]
pub(crate) fn look_closer(look_at: u64, life: Option<&Life>, clock: &Clock) -> State {
    match life {
        Some(life) => life.state(clock),
        None if has_passed(look_at, clock) => State::Dead,
        None => State::Fresh,
    }
}

/// The first instant at which an entry may be of no more use to anyone.
pub(crate) fn end_of(look_at: u64, life: Option<&Life>) -> u64 {
    life.map_or(look_at, Life::end)
}

/// The end of the time to live of an entry.
pub(crate) fn deadline_of(look_at: u64, life: Option<&Life>) -> u64 {
    life.map_or(look_at, Life::deadline)
}

/// A duration in nanoseconds, where what is longer than 584 years is for ever.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// `from` and so many nanoseconds more; for ever stays for ever.
pub(crate) const fn later(from: u64, nanos: u64) -> u64 {
    from.saturating_add(nanos)
}

/// How far a coarse time must have moved to be noted: the tick of a kernel at 250 Hz.
const TICK: u64 = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn life(span: Span) -> (Life, Clock, perf_core::ManualClock) {
        let (clock, hand) = Clock::manual();
        (Life::new(&span, clock.now()), clock, hand)
    }

    fn state(life: &Life, clock: &Clock) -> State {
        look_closer(life.look_at(), Some(life), clock)
    }

    #[test]
    fn a_default_life_is_for_ever_and_reads_no_clock() {
        let life = Life::default();
        let clock = Clock::from_fn(|| unreachable!("no clock is needed"));
        assert_eq!((life.look_at(), life.end()), (NEVER, NEVER));
        life.note_use(&clock);
        assert_eq!(state(&life, &clock), State::Fresh);
        assert_eq!(look_closer(NEVER, None, &clock), State::Fresh);
        assert_eq!((end_of(7, None), end_of(7, Some(&life))), (7, NEVER));
    }

    #[test]
    fn an_entry_idles_from_its_last_use() {
        let (life, clock, hand) = life(Span { idle: SECOND, ..Span::FOR_EVER });
        for _ in 0..10 {
            hand.advance(Duration::from_nanos(SECOND - 1));
            assert_eq!(state(&life, &clock), State::Fresh);
            life.note_use(&clock);
        }
        hand.advance(Duration::from_nanos(SECOND));
        assert_eq!(state(&life, &clock), State::Dead);
    }

    #[test]
    fn a_use_within_a_tick_of_the_last_is_not_written() {
        let (life, clock, hand) = life(Span { idle: 10 * SECOND, ..Span::FOR_EVER });
        let first = life.idle_deadline();
        hand.advance(Duration::from_nanos(TICK - 1));
        life.note_use(&clock);
        assert_eq!(life.idle_deadline(), first);
        hand.advance(Duration::from_nanos(1));
        life.note_use(&clock);
        assert_eq!(life.idle_deadline(), first + TICK);
    }

    #[test]
    fn it_is_fresh_then_due_then_stale_then_dead() {
        let span = Span { live: 10, refresh: 5, stale: 3, ..Span::FOR_EVER };
        let (life, clock, hand) = life(span);
        let mut seen = Vec::new();
        for _ in 0..14 {
            seen.push(state(&life, &clock));
            hand.advance(Duration::from_nanos(1));
        }
        let want = [(State::Fresh, 5), (State::RefreshDue, 5), (State::Stale, 3), (State::Dead, 1)];
        let want: Vec<_> = want.iter().flat_map(|(s, n)| std::iter::repeat_n(*s, *n)).collect();
        assert_eq!(seen, want);
    }

    #[test]
    fn a_refresh_can_be_put_off() {
        let (life, clock, hand) = life(Span { live: 10, refresh: 2, ..Span::FOR_EVER });
        hand.advance(Duration::from_nanos(3));
        assert_eq!(state(&life, &clock), State::RefreshDue);
        life.put_off_refresh(clock.now().as_nanos() + 4);
        assert_eq!(state(&life, &clock), State::Fresh);
        assert_eq!(life.look_at(), clock.now().as_nanos() + 4);
        hand.advance(Duration::from_nanos(4));
        assert_eq!(state(&life, &clock), State::RefreshDue);
    }

    #[test]
    fn it_goes_on_by_its_terms_as_it_would_have() {
        let span = Span { live: 100, idle: 50, refresh: 70, stale: 9, ..Span::FOR_EVER };
        let (life, clock, hand) = life(span);
        hand.advance(Duration::from_nanos(30));
        let left = life.terms(&clock);
        let ns = Duration::from_nanos;
        assert_eq!((left.time_to_live, left.refreshes_after()), (Some(ns(70)), Some(ns(40))));
        assert_eq!((left.time_to_idle, left.idled_for()), (Some(ns(50)), ns(30)));
        assert_eq!(left.stays_if_error(), Some(ns(9)));
        assert_eq!(Life::default().terms(&clock), Terms::new().never());
    }

    #[test]
    fn spans_that_overflow_are_for_ever() {
        let span = Span { live: nanos(Duration::MAX), stale: 7, ..Span::FOR_EVER };
        let (life, clock, hand) = life(span);
        assert_eq!((life.look_at(), life.end()), (NEVER, NEVER));
        hand.advance(Duration::MAX - Duration::from_secs(1));
        assert_eq!(state(&life, &clock), State::Fresh);
    }
}
