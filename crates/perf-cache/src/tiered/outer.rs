//! One tier beyond memory, with what guards it and counts for it.

use super::choosing::RoundTrip;
use super::keys::{Action, Job};
use super::promise::lock;
use super::sampling::is_timed;
use super::tier::{OuterTier, TierError, TierGet};
use crate::disk::{Put, PutTerms, RefusedBecause};
use perf_core::{Clock, Counter, Instant, StripedHistogram};
use perf_guard::{BreakerState, CircuitBreaker, Outcome, Permit};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A tier, its deadline, its breakers, its counters.
#[derive(Debug)]
pub(super) struct Outer {
    pub(super) tier: Arc<dyn OuterTier>,
    /// Whether other processes use it as well.
    pub(super) is_shared: bool,
    pub(super) deadline: Duration,
    /// How long it is left alone when it has failed.
    pub(super) retry_after: Duration,
    breakers: Mutex<Breakers>,
    /// Whether the breakers have anything to think about. Where not, a success is not news.
    is_troubled: AtomicBool,
    pub(super) clock: Clock,
    pub(super) counts: Counts,
    pub(super) trip: RoundTrip,
}

#[derive(Debug)]
struct Breakers {
    /// Opens with the first call that takes too long: each costs its caller the whole deadline.
    slow: CircuitBreaker,
    /// Opens when many calls fail: these cost next to nothing.
    faulty: CircuitBreaker,
}

type Permits = (Permit, Permit);

/// What a tier has counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    /// Lookups that went by the tier.
    pub(super) passed_by: Counter,
    /// Reads that had to wait for a thread.
    pub(super) waited: Counter,
    pub(super) failed: Counter,
    pub(super) timed_out: Counter,
    pub(super) undecodable: Counter,
    pub(super) outdated: Counter,
    pub(super) puts: Counter,
    pub(super) put_bytes: Counter,
    pub(super) removals: Counter,
    /// Values that another process had changed since they were read.
    pub(super) overtaken: Counter,
    /// Puts by the cause for which they were lost.
    pub(super) lost_refused: Counter,
    pub(super) lost_failed: Counter,
    pub(super) lost_busy: Counter,
    pub(super) lost_closed: Counter,
    pub(super) lost_unsealed: Counter,
    /// Puts that made way for later ones of the same key.
    pub(super) coalesced: Counter,
    /// Values taken over that memory let go of.
    pub(super) overflowed: Counter,
    /// Nanoseconds that hits took.
    pub(super) retrieval: StripedHistogram,
}

/// How the breakers of a tier are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarding {
    pub(super) deadline: Duration,
    pub(super) open_for: Duration,
}

impl Outer {
    pub(super) fn new(
        tier: Arc<dyn OuterTier>,
        guarding: Guarding,
        clock: Clock,
    ) -> Result<Outer, perf_core::ConfigError> {
        let breaker = || CircuitBreaker::builder().open_for(guarding.open_for).probes(1);
        let breakers = Breakers {
            slow: breaker().window(1).minimum_calls(1).build()?,
            faulty: breaker().window(20).minimum_calls(FEWEST_FAULTS).build()?,
        };
        let own = tier.deadline().unwrap_or(Duration::MAX);
        Ok(Outer {
            trip: RoundTrip::usual(tier.kind()),
            is_shared: tier.shared().is_some(),
            tier,
            deadline: guarding.deadline.min(own),
            retry_after: guarding.open_for,
            breakers: Mutex::new(breakers),
            is_troubled: AtomicBool::new(false),
            clock,
            counts: Counts::default(),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.tier.name()
    }

    /// The worse of the two.
    pub(super) fn breaker(&self) -> BreakerState {
        let now = self.clock.now();
        let breakers = lock(&self.breakers);
        match (breakers.slow.state(now), breakers.faulty.state(now)) {
            (BreakerState::Open, _) | (_, BreakerState::Open) => BreakerState::Open,
            (BreakerState::Closed, BreakerState::Closed) => BreakerState::Closed,
            _ => BreakerState::HalfOpen,
        }
    }

    /// Whether a call would go by the tier just now.
    pub(super) fn is_passed_by(&self) -> bool {
        self.is_troubled.load(Ordering::Relaxed) && self.breaker() == BreakerState::Open
    }

    /// Whether this read is one of those that are timed.
    pub(super) fn is_timed() -> bool {
        thread_local! {
            static READS: Cell<u32> = const { Cell::new(0) };
        }
        is_timed(&READS)
    }

    /// Asks to make a call.
    fn permit(&self) -> Result<Option<Permits>, TierError> {
        // Relaxed: who sees it late makes a call too many.
        if !self.is_troubled.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let now = self.clock.now();
        let mut breakers = lock(&self.breakers);
        let passed_by = |_| TierError::PassedBy { tier: self.name() };
        let slow = breakers.slow.try_acquire(now).map_err(passed_by)?;
        let faulty = breakers.faulty.try_acquire(now).map_err(passed_by)?;
        Ok(Some((slow, faulty)))
    }

    fn report(&self, permits: Option<Permits>, result: &Result<(), TierError>) {
        let now = self.clock.now();
        let failure = match result {
            Ok(()) if permits.is_none() => return,
            Ok(()) => None,
            Err(error) => Some(matches!(error, TierError::TimedOut { .. })),
        };
        let mut breakers = lock(&self.breakers);
        let Breakers { slow, faulty } = &mut *breakers;
        let both =
            permits.or_else(|| Some((slow.try_acquire(now).ok()?, faulty.try_acquire(now).ok()?)));
        let Some((for_slow, for_faulty)) = both else { return };
        let outcome = |failed: bool| if failed { Outcome::Failure } else { Outcome::Success };
        slow.record(for_slow, outcome(failure == Some(true)), now);
        faulty.record(for_faulty, outcome(failure.is_some()), now);
        let is_well = slow.state(now) == BreakerState::Closed
            && faulty.state(now) == BreakerState::Closed
            && faulty.failure_ratio().is_none_or(|ratio| ratio.as_f64() == 0.0);
        self.is_troubled.store(!is_well, Ordering::Relaxed);
    }

    /// One call of the tier, on this thread.
    pub(super) fn call<T>(
        &self,
        attempt: Option<&Attempt>,
        call: impl FnOnce(&dyn OuterTier) -> Result<T, TierError>,
    ) -> Result<T, TierError> {
        let permits = self.permit().inspect_err(|_| self.counts.passed_by.increment())?;
        let permits = match attempt {
            Some(attempt) => {
                attempt.begin(permits);
                None
            }
            None => Some(permits),
        };
        let tier = &*self.tier;
        let result = catch_unwind(AssertUnwindSafe(|| call(tier)))
            .unwrap_or_else(|_| Err(TierError::Panicked { tier: self.name() }));
        let told = result.as_ref().map(|_| ()).map_err(TierError::clone);
        // One that watches its deadline itself says so.
        let is_late = matches!(told, Err(TierError::TimedOut { .. }));
        if told.is_err() && !is_late {
            self.counts.failed.increment();
        }
        // Who has waited too long has told it already.
        let permits = permits.or_else(|| attempt.and_then(Attempt::end));
        if let Some(permits) = permits {
            if is_late {
                self.counts.timed_out.increment();
            }
            self.report(permits, &told);
        }
        result
    }

    /// A caller has waited for this attempt until its deadline.
    pub(super) fn time_out(&self, attempt: &Attempt) -> TierError {
        self.counts.timed_out.increment();
        let error = TierError::TimedOut { tier: self.name() };
        if let Some(permits) = attempt.give_up() {
            self.report(permits, &Err(error.clone()));
        }
        error
    }

    /// Reads without waiting.
    pub(super) fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TierGet, TierError> {
        // Of what is found at once nobody tells how old it is.
        if self.is_shared || self.tier.always_waits() {
            // The read that follows is what finds out whether the tier is well again.
            if self.is_passed_by() {
                self.counts.passed_by.increment();
                return Err(TierError::PassedBy { tier: self.name() });
            }
            return Ok(TierGet::WouldBlock);
        }
        self.call(None, |tier| tier.try_get(key, into))
    }

    /// Does what is to be done for a key.
    ///
    /// # Errors
    ///
    /// `None` where the tier refused, which is no fault of it.
    pub(super) fn execute(
        &self,
        job: &Job,
        attempt: Option<&Attempt>,
    ) -> Result<(), Option<TierError>> {
        match &job.action {
            Action::Remove => {
                self.counts.removals.increment();
                self.call(attempt, |tier| tier.remove(&job.key)).map_err(Some)?;
                Ok(())
            }
            Action::Put(bytes, terms) => {
                let since = terms.since;
                let terms = PutTerms { expires_at: terms.expires_at, pinned: terms.pinned };
                let put = self.call(attempt, |tier| match (since, tier.shared()) {
                    (Some(since), Some(shared)) => shared.fill(&job.key, bytes, terms, since),
                    _ => tier.put(&job.key, bytes, terms),
                });
                match put {
                    Ok(Put::Stored) => {
                        self.counts.puts.increment();
                        self.counts.put_bytes.add(bytes.len() as u64);
                        Ok(())
                    }
                    // There is something newer, which is as well.
                    Ok(Put::Refused(RefusedBecause::Overtaken)) => {
                        self.counts.overtaken.increment();
                        Ok(())
                    }
                    Ok(Put::Refused(because)) => {
                        self.counts.lost_refused.increment();
                        Err(terms.pinned.then(|| refused(self.name(), because)))
                    }
                    Err(error) => {
                        let closed = matches!(error, TierError::Closed);
                        let counts = &self.counts;
                        let lost = if closed { &counts.lost_closed } else { &counts.lost_failed };
                        lost.increment();
                        Err(Some(error))
                    }
                }
            }
        }
    }

    /// The moment after which a caller goes on without the tier.
    pub(super) fn deadline(&self) -> Instant {
        self.clock.now() + self.deadline
    }
}

/// A pinned record that is not taken: who waits for it must know.
fn refused(tier: &'static str, because: RefusedBecause) -> TierError {
    let why = format!("it refused a record that has to stay: {because:?}");
    TierError::Failed {
        tier,
        source: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(why)),
    }
}

/// A call of a tier on another thread, for whoever may stop waiting for it.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    state: Mutex<AttemptState>,
}

#[derive(Debug, Default)]
enum AttemptState {
    /// No thread has come to it.
    #[default]
    Waits,
    Runs(Option<Permits>),
    /// Nobody waits for it, which is told already.
    Told,
}

impl Attempt {
    fn begin(&self, permits: Option<Permits>) {
        let mut state = lock(&self.state);
        if !matches!(*state, AttemptState::Told) {
            *state = AttemptState::Runs(permits);
        }
    }

    /// A call has ended; what to report with, unless that is done. Another one may follow.
    fn end(&self) -> Option<Option<Permits>> {
        let mut state = lock(&self.state);
        match std::mem::take(&mut *state) {
            AttemptState::Waits => Some(None),
            AttemptState::Runs(permits) => Some(permits),
            AttemptState::Told => {
                *state = AttemptState::Told;
                None
            }
        }
    }

    /// Nobody waits any more; what to report with.
    fn give_up(&self) -> Option<Option<Permits>> {
        let ended = self.end();
        *lock(&self.state) = AttemptState::Told;
        ended
    }
}

/// Fewer calls that fail open no breaker.
const FEWEST_FAULTS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::super::tier::TierUsage;
    use super::*;

    /// Does as it is told.
    #[derive(Debug, Default)]
    struct Moody {
        waits: AtomicBool,
        fails: AtomicBool,
        panics: AtomicBool,
    }

    impl Moody {
        fn answer<T>(&self, well: T) -> Result<T, TierError> {
            assert!(!self.panics.load(Ordering::Relaxed), "told to");
            if self.fails.load(Ordering::Relaxed) {
                return Err(TierError::new("moody", std::fmt::Error));
            }
            Ok(well)
        }
    }

    impl OuterTier for Moody {
        fn name(&self) -> &'static str {
            "moody"
        }
        fn always_waits(&self) -> bool {
            self.waits.load(Ordering::Relaxed)
        }
        fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TierGet, TierError> {
            self.answer(TierGet::Missing)
        }
        fn get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<bool, TierError> {
            self.answer(false)
        }
        fn contains(&self, _: &[u8]) -> Result<bool, TierError> {
            self.answer(false)
        }
        fn put(&self, _: &[u8], _: &[u8], _: PutTerms) -> Result<Put, TierError> {
            self.answer(Put::Stored)
        }
        fn remove(&self, _: &[u8]) -> Result<bool, TierError> {
            self.answer(false)
        }
        fn clear(&self) -> Result<u64, TierError> {
            self.answer(0)
        }
        fn usage(&self) -> TierUsage {
            TierUsage::default()
        }
        fn set_max_bytes(&self, _: u64) {}
        fn close(&self) -> Result<u64, TierError> {
            self.answer(0)
        }
    }

    fn outer(tier: &Arc<Moody>) -> (Outer, perf_core::ManualClock) {
        let (clock, hand) = Clock::manual();
        let second = Duration::from_secs(1);
        let guarding = Guarding { deadline: second, open_for: second };
        (Outer::new(Arc::clone(tier) as _, guarding, clock).unwrap(), hand)
    }

    #[test]
    fn many_faults_open_the_breaker_and_one_good_call_closes_it() {
        let tier = Arc::new(Moody::default());
        let (outer, hand) = outer(&tier);
        tier.fails.store(true, Ordering::Relaxed);
        let mut into = Vec::new();
        for _ in 0..FEWEST_FAULTS {
            assert_eq!(outer.try_get(b"k", &mut into).unwrap_err().cause(), "failed");
        }
        assert_eq!(outer.try_get(b"k", &mut into).unwrap_err().cause(), "passed_by");
        assert!(outer.is_passed_by());
        tier.fails.store(false, Ordering::Relaxed);
        hand.advance(Duration::from_secs(1));
        assert_eq!(outer.try_get(b"k", &mut into).unwrap(), TierGet::Missing);
        assert_eq!(outer.breaker(), BreakerState::Closed);
        assert!(!outer.is_troubled.load(Ordering::Relaxed));
    }

    #[test]
    fn a_tier_that_always_waits_is_well_when_it_has_answered() {
        let tier = Arc::new(Moody::default());
        tier.waits.store(true, Ordering::Relaxed);
        let (outer, hand) = outer(&tier);
        let mut into = Vec::new();
        let late: Result<(), _> = outer.call(None, |_| Err(TierError::TimedOut { tier: "moody" }));
        assert_eq!((late.unwrap_err().cause(), outer.counts.timed_out.get()), ("timed_out", 1));
        assert_eq!(outer.try_get(b"k", &mut into).unwrap_err().cause(), "passed_by");
        hand.advance(Duration::from_secs(1));
        assert_eq!(outer.try_get(b"k", &mut into).unwrap(), TierGet::WouldBlock);
        assert_eq!(outer.breaker(), BreakerState::HalfOpen);
        assert!(!outer.call(None, |tier| tier.get(b"k", &mut into)).unwrap());
        assert_eq!(outer.breaker(), BreakerState::Closed);
    }

    #[test]
    fn one_call_that_takes_too_long_opens_it() {
        let (outer, hand) = outer(&Arc::default());
        let attempt = Attempt::default();
        let slow = outer.call(Some(&attempt), |_| {
            // The caller gives up meanwhile.
            assert_eq!(outer.time_out(&attempt).cause(), "timed_out");
            Ok(())
        });
        assert!(slow.is_ok());
        assert!(outer.is_passed_by(), "that it came after all is no success");
        hand.advance(Duration::from_secs(1));
        assert!(outer.call(None, |_| Ok(())).is_ok());
        assert_eq!(outer.breaker(), BreakerState::Closed);
    }

    #[test]
    fn a_panic_is_an_error() {
        let tier = Arc::new(Moody::default());
        let (outer, _hand) = outer(&tier);
        tier.panics.store(true, Ordering::Relaxed);
        assert_eq!(outer.try_get(b"k", &mut Vec::new()).unwrap_err().cause(), "panicked");
        assert_eq!(outer.counts.failed.get(), 1);
    }
}
